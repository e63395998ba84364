package stream

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// A snapshot is the state of one lane at one offset of its journal partition: chains, units of which parts are missing,
// ladder and duplicate filters. It ends with the sha256 of what stands before. Format: magic, version, sections in the order
// of encode.

const (
	snapshotMagic = "HXPS"
	snapshotVer   = 5 // 4 had no further sets
)

// encode is the lane's state as a snapshot.
func (l *lane) encode(b []byte) []byte {
	b = append(slices.Grow(b, l.encodedSize()), snapshotMagic...)
	b = append(b, snapshotVer)
	b = binary.AppendVarint(b, l.journal.next)
	b = binary.AppendUvarint(b, uint64(len(l.journal.chains)))
	for _, src := range sortedSources(l.journal.chains) {
		c := l.journal.chains[src]
		b = appendSource(b, src)
		for _, n := range []int64{c.Begin, c.To, c.Watermark, c.Arrival, c.Lost} {
			b = binary.AppendVarint(b, n)
		}
		b = appendText(b, c.GapReason)
		b = append(b, c.flags())
		b = c.Tally.appendTo(b)
	}
	b = binary.AppendUvarint(b, uint64(len(l.journal.halves)))
	for _, h := range l.journal.halves {
		b = appendHalf(b, h)
	}
	l.mu.Lock()
	b = l.ladders[0].appendTo(b)
	b = l.wallet.appendTo(b)
	b = l.appendFurther(b)
	l.mu.Unlock()
	b = binary.AppendUvarint(b, uint64(len(l.filters)))
	for _, src := range sortedSources(l.filters) {
		b = appendSource(b, src)
		b = l.filters[src].appendTo(b)
	}
	b = l.joins.appendState(b)
	sum := sha256.Sum256(b)
	return append(b, sum[:]...)
}

// flags are what a snapshot says of c by bits.
func (c *chain) flags() (b byte) {
	if c.Idle {
		b |= 1
	}
	if c.adrift {
		b |= 2
	}
	return b
}

// encodedSize is about how much a snapshot takes, so that its memory need not grow by being copied: filters and joins are most of it.
func (l *lane) encodedSize() int {
	size := 1 << 20
	for _, f := range l.filters {
		size += f.n * filterBytes
	}
	return size + int(l.joins.memory())
}

func appendHalf(b []byte, h *half) []byte {
	head := h.header
	b = appendBytes(b, appendHeader(nil, &head))
	b = binary.AppendVarint(b, h.first)
	b = binary.AppendUvarint(b, uint64(h.have))
	for i, body := range h.bodies {
		if body != nil {
			b = binary.AppendUvarint(b, uint64(i))
			b = appendBytes(b, body)
		}
	}
	return b
}

func appendBytes(dst, b []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(b)))
	return append(dst, b...)
}

// restored is what a snapshot holds.
type restored struct {
	journal *journal
	windows windows
	filters map[source]*filter
	joins   []byte
}

func decodeSnapshot(data []byte, cfg *Config) (*restored, error) {
	if len(data) < sha256.Size {
		return nil, errShort
	}
	body, sum := data[:len(data)-sha256.Size], data[len(data)-sha256.Size:]
	if have := sha256.Sum256(body); !bytes.Equal(have[:], sum) {
		return nil, errors.New("checksum does not match")
	}
	d := decoder{src: body}
	magic, version := string(d.bytes(4)), d.byte()
	if magic != snapshotMagic || version != snapshotVer && version != 4 {
		return nil, fmt.Errorf("not a snapshot of a version that this program reads (%d and 4): %q, version %d", snapshotVer, magic, version)
	}
	r := &restored{journal: newJournal(), windows: newWindows(cfg), filters: map[source]*filter{}}
	r.journal.next = d.varint()
	for n := d.uvarint(); n > 0 && d.err == nil; n-- {
		src, c := d.source(), new(chain)
		c.Begin, c.To, c.Watermark, c.Arrival, c.Lost = d.varint(), d.varint(), d.varint(), d.varint(), d.varint()
		c.GapReason = d.text()
		flags := d.byte()
		c.Idle, c.adrift = flags&1 != 0, flags&2 != 0
		d.tally(&c.Tally, version > 4)
		r.journal.chains[src] = c
	}
	for n := d.uvarint(); n > 0 && d.err == nil; n-- {
		d.half(r.journal)
	}
	d.ladder(r.windows.ladders[0])
	d.wallet(r.windows.wallet)
	if version > 4 {
		d.further(&r.windows)
	}
	for n := d.uvarint(); n > 0 && d.err == nil; n-- {
		src := d.source()
		r.filters[src] = d.filter(cfg.FilterBytes)
	}
	r.joins = d.bytes(int(min(d.uvarint(), math.MaxInt32)))
	return r, d.err
}

func (d *decoder) half(j *journal) {
	head := decoder{src: d.section(), err: d.err}
	h, version := head.header()
	if d.err = head.err; d.err != nil {
		return
	}
	u := &half{header: h, bodies: make([][]byte, h.Parts), first: d.varint()}
	for n := d.uvarint(); n > 0 && d.err == nil; n-- {
		i := d.uvarint()
		body := decoder{src: d.section(), err: d.err}
		whole := body.olderBody(version)
		if d.err = body.err; d.err != nil || i >= uint64(h.Parts) {
			d.fail()
			return
		}
		u.bodies[i] = append([]byte{}, whole...)
		u.have++
	}
	j.halves = append(j.halves, u)
}

// appendTo writes every group that the ladder holds, with its resolution and time of arrival.
func (l *ladder) appendTo(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(l.keys.names)))
	for _, k := range l.keys.names {
		b = appendText(appendText(b, k[0]), k[1])
	}
	for level, queue := range l.queues {
		queue = slices.DeleteFunc(slices.Clone(queue), func(n *node) bool { return len(n.own) == 0 })
		b = binary.AppendUvarint(b, uint64(len(queue)))
		for _, n := range queue {
			b = binary.AppendVarint(b, n.start/spans[level])
			b = binary.AppendVarint(b, n.arrived)
			b = binary.AppendUvarint(b, uint64(len(n.own)))
			for _, g := range n.own {
				b = g.appendCell(binary.AppendUvarint(b, uint64(g.who)))
			}
		}
	}
	return b
}

func (d *decoder) ladder(l *ladder) {
	for n := d.uvarint(); n > 0 && d.err == nil; n-- {
		l.keys.id(values{d.text(), d.text()})
	}
	for level := range spans {
		for n := d.uvarint(); n > 0 && d.err == nil; n-- {
			start, arrived := d.varint()*spans[level], d.varint()
			for m := d.uvarint(); m > 0 && d.err == nil; m-- {
				w, cell := who(d.uvarint()), new(agg.Cell)
				if d.err != nil {
					return
				}
				if d.src, d.err = cell.Decode(d.src); d.err == nil && int(w) < len(l.keys.names) {
					l.insert(start, level, group{who: w, size: sizeOf(cell), cell: cell}, arrived)
				}
			}
		}
	}
}
