// Command fonts cuts Liberation Sans down to what the reports draw: go run ./fonts RUNES FOLDER.
//
// A font of the library is 0.4 MB: kerning and glyph names that the PDF library never reads, and the outlines of 2,600 glyphs. Numbers and
// widths of all glyphs stay, so that a text is set as with the whole font.
package main

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf16"

	"codeberg.org/go-fonts/liberation/liberationsansbold"
	"codeberg.org/go-fonts/liberation/liberationsansregular"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 3 {
		log.Fatal("usage: fonts RUNES FOLDER, where RUNES is like 20-7e,2013")
	}
	keep, err := runes(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	for _, f := range []struct {
		name, style string
		ttf         []byte
	}{{"regular", "Regular", liberationsansregular.TTF}, {"bold", "Bold", liberationsansbold.TTF}} {
		var b bytes.Buffer
		w, _ := gzip.NewWriterLevel(&b, gzip.BestCompression) // the level is a valid one
		if _, err := w.Write(subset(f.ttf, f.style, keep)); err != nil {
			log.Fatal(err)
		}
		if err := w.Close(); err != nil {
			log.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(os.Args[2], f.name+".ttf.gz"), b.Bytes(), 0o644); err != nil {
			log.Fatal(err)
		}
	}
}

// runes reads a list of code points and ranges of them, in hexadecimal.
func runes(list string) (keep []uint16, err error) {
	for _, part := range strings.Split(list, ",") {
		var first, last uint16
		if _, err := fmt.Sscanf(part, "%x-%x", &first, &last); err != nil {
			if _, err := fmt.Sscanf(part, "%x", &first); err != nil {
				return nil, fmt.Errorf("range of code points %q: %w", part, err)
			}
			last = first
		}
		for r := int(first); r <= int(last); r++ {
			keep = append(keep, uint16(r))
		}
	}
	return keep, nil
}

var be = binary.BigEndian

// subset writes a font with the outlines of some runes and without the tables that only the whole font needs.
func subset(ttf []byte, style string, keep []uint16) []byte {
	tables := map[string][]byte{}
	for i := range int(be.Uint16(ttf[4:])) {
		entry := ttf[12+16*i:]
		tables[string(entry[:4])] = ttf[be.Uint32(entry[8:]):][:be.Uint32(entry[12:])]
	}
	for _, unread := range []string{"FFTM", "GDEF", "GPOS", "GSUB", "kern"} {
		delete(tables, unread)
	}
	if be.Uint16(tables["head"][50:]) != 1 {
		log.Fatal("the offsets of glyphs are short: only long ones are read")
	}
	glyphs := outlines(tables, keep)
	var glyf, loca []byte
	for g := range int(be.Uint16(tables["maxp"][4:])) {
		loca = be.AppendUint32(loca, uint32(len(glyf)))
		if slices.Contains(glyphs, uint16(g)) {
			glyf = append(glyf, outline(tables, uint16(g))...)
		}
	}
	tables["glyf"], tables["loca"] = glyf, be.AppendUint32(loca, uint32(len(glyf)))
	tables["post"] = append([]byte{0, 3, 0, 0}, tables["post"][4:32]...) // version 3: without names of glyphs
	tables["name"] = names(style)
	return assemble(tables)
}

// outlines lists the glyphs of runes, and the glyphs that those are made of.
func outlines(tables map[string][]byte, keep []uint16) []uint16 {
	glyphs := []uint16{0} // what stands for the runes without a glyph
	for _, r := range keep {
		if g := glyph(tables["cmap"], r); g != 0 {
			glyphs = append(glyphs, g)
		}
	}
	for i := 0; i < len(glyphs); i++ {
		for _, part := range parts(outline(tables, glyphs[i])) {
			if !slices.Contains(glyphs, part) {
				glyphs = append(glyphs, part)
			}
		}
	}
	return glyphs
}

func outline(tables map[string][]byte, g uint16) []byte {
	loca := tables["loca"][4*int(g):]
	return tables["glyf"][be.Uint32(loca):be.Uint32(loca[4:])]
}

// parts lists the components of a composite glyph.
func parts(outline []byte) (glyphs []uint16) {
	if len(outline) == 0 || int16(be.Uint16(outline)) >= 0 {
		return nil
	}
	const words, scale, more, scales, matrix = 0x1, 0x8, 0x20, 0x40, 0x80
	for at, flags := 10, uint16(more); flags&more != 0; {
		flags = be.Uint16(outline[at:])
		glyphs = append(glyphs, be.Uint16(outline[at+2:]))
		at += 6
		if flags&words != 0 {
			at += 2
		}
		switch {
		case flags&scale != 0:
			at += 2
		case flags&scales != 0:
			at += 4
		case flags&matrix != 0:
			at += 8
		}
	}
	return glyphs
}

// glyph looks a rune up in the table of format 4, and is 0 when there is none.
func glyph(cmap []byte, r uint16) uint16 {
	for i := range int(be.Uint16(cmap[2:])) {
		t := cmap[be.Uint32(cmap[4+8*i+4:]):]
		if be.Uint16(t) != 4 {
			continue
		}
		size := int(be.Uint16(t[6:])) // twice the number of segments
		for s := 0; s < size; s += 2 {
			first, delta, offset := be.Uint16(t[16+size+s:]), be.Uint16(t[16+2*size+s:]), be.Uint16(t[16+3*size+s:])
			if be.Uint16(t[14+s:]) < r || first > r {
				continue
			}
			if offset == 0 {
				return r + delta
			}
			if g := be.Uint16(t[16+3*size+s+int(offset)+2*int(r-first):]); g != 0 {
				return g + delta
			}
		}
		return 0
	}
	log.Fatal("the font has no table of runes of format 4")
	return 0
}

// names gives the font a name of its own: the licence reserves that of the whole font.
func names(style string) []byte {
	texts := []struct {
		id   uint16
		text string
	}{
		{0, "Digitized data copyright (c) 2010 Google Corporation. Copyright (c) 2012 Red Hat, Inc."},
		{1, "hxp Sans"}, {2, style}, {3, "hxp Sans " + style}, {4, "hxp Sans " + style}, {6, "hxpSans-" + style},
		{13, "Licensed under the SIL Open Font License, Version 1.1"},
	}
	table := be.AppendUint16(be.AppendUint16(be.AppendUint16(nil, 0), uint16(len(texts))), uint16(6+12*len(texts)))
	var storage []byte
	for _, n := range texts {
		var text []byte
		for _, unit := range utf16.Encode([]rune(n.text)) {
			text = be.AppendUint16(text, unit)
		}
		for _, field := range []uint16{3, 1, 0x409, n.id, uint16(len(text)), uint16(len(storage))} { // Windows, Unicode, English
			table = be.AppendUint16(table, field)
		}
		storage = append(storage, text...)
	}
	return append(table, storage...)
}

// assemble writes the tables with their directory and check sums.
func assemble(tables map[string][]byte) []byte {
	var tags []string
	for tag := range tables {
		tags = append(tags, tag)
	}
	slices.Sort(tags)
	tables["head"] = slices.Clone(tables["head"])
	clear(tables["head"][8:12])
	power, log2 := 1, 0
	for power*2 <= len(tags) {
		power, log2 = power*2, log2+1
	}
	file := []byte{0, 1, 0, 0}
	for _, field := range []int{len(tags), power * 16, log2, (len(tags) - power) * 16} {
		file = be.AppendUint16(file, uint16(field))
	}
	at := len(file) + 16*len(tags)
	var body []byte
	head := 0
	for _, tag := range tags {
		if tag == "head" {
			head = at + len(body)
		}
		data := tables[tag]
		file = append(file, tag...)
		for _, field := range []uint32{sum(data), uint32(at + len(body)), uint32(len(data))} {
			file = be.AppendUint32(file, field)
		}
		body = append(body, data...)
		body = append(body, make([]byte, -len(data)&3)...)
	}
	file = append(file, body...)
	be.PutUint32(file[head+8:], 0xb1b0afba-sum(file))
	return file
}

// sum adds up the words of a table, the last one filled up with zeros.
func sum(table []byte) (total uint32) {
	for len(table) > 0 {
		var word [4]byte
		table = table[copy(word[:], table):]
		total += be.Uint32(word[:])
	}
	return total
}
