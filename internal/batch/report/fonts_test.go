package report

import (
	"encoding/binary"
	"testing"
	"unicode"
)

// tables reads the directory of a font.
func tables(font []byte) map[string][]byte {
	found := map[string][]byte{}
	for i := range int(binary.BigEndian.Uint16(font[4:])) {
		entry := font[12+16*i:]
		found[string(entry[:4])] = font[binary.BigEndian.Uint32(entry[8:]):][:binary.BigEndian.Uint32(entry[12:])]
	}
	return found
}

// glyphOf looks up a rune in the first table of format 4, as the PDF library does.
func glyphOf(cmap []byte, r rune) int {
	number := func(b []byte, at int) int { return int(binary.BigEndian.Uint16(b[at:])) }
	for i := range number(cmap, 2) {
		t := cmap[binary.BigEndian.Uint32(cmap[8+8*i:]):]
		if number(t, 0) != 4 {
			continue
		}
		for s, size := 0, number(t, 6); s < size; s += 2 {
			first, delta, offset := number(t, 16+size+s), number(t, 16+2*size+s), number(t, 16+3*size+s)
			switch {
			case int(r) > number(t, 14+s):
			case int(r) < first:
				return 0
			case offset == 0:
				return (int(r) + delta) & 0xffff
			default:
				return (number(t, 16+3*size+s+offset+2*(int(r)-first)) + delta) & 0xffff
			}
		}
	}
	return 0
}

// TestFontsHaveWhatIsPrinted holds the fonts to printable: what it lets through, they draw.
func TestFontsHaveWhatIsPrinted(t *testing.T) {
	for name, font := range map[string][]byte{"regular": regular(), "bold": bold()} {
		found := tables(font)
		drawn := 0
		for r := rune(0); r < 0xd800; r++ {
			if printable(string(r)) != string(r) {
				continue
			}
			glyph := glyphOf(found["cmap"], r)
			if glyph == 0 {
				t.Errorf("%s: no glyph for %U", name, r)
				continue
			}
			offsets := found["loca"][4*glyph:]
			if binary.BigEndian.Uint32(offsets) < binary.BigEndian.Uint32(offsets[4:]) {
				drawn++
			} else if !unicode.IsSpace(r) {
				t.Errorf("%s: glyph %d of %U (%c) is blank: add it to the list in fonts.go, and go generate", name, glyph, r, r)
			}
		}
		if drawn < 400 {
			t.Errorf("%s: only %d runes are drawn", name, drawn)
		}
	}
}
