package agg

import (
	"encoding/binary"
	"errors"
	"math/bits"
)

// ErrEncoding is wrapped by every error of Decode: the bytes are not what Append writes.
var ErrEncoding = errors.New("agg: not a cell")

// version is the first byte of an encoded cell. Bytes are kept for years: another layout, bin mapping, hash or list of gauge
// codes takes the next number, and the old one stays readable.
const version = 1

// Parts of a cell that are present.
const (
	hasLate = 1 << iota
	hasRequests
	hasErrors
	hasUnknown
	hasLatency
	hasTTFT
	hasTPOT
	hasTokens // prompt, completion, total
	hasSubTokens
	hasCost
	hasUsers
	hasSessions
	hasFeedback
	hasBusiness
	hasSystem

	hasMax
)

func (c *Cell) parts() (p uint16) {
	set := func(bit uint16, present bool) {
		if present {
			p |= bit
		}
	}
	t := &c.Tokens
	set(hasLate, c.Late > 0)
	set(hasRequests, c.Requests > 0)
	set(hasErrors, c.Errors > 0)
	set(hasUnknown, c.Unknown > 0)
	set(hasLatency, c.Latency.count > 0)
	set(hasTTFT, c.TTFT.count > 0)
	set(hasTPOT, c.TPOT.count > 0)
	set(hasTokens, t.Prompt|t.Completion|t.Total != 0)
	set(hasSubTokens, t.Cached|t.Reasoning != 0)
	set(hasCost, c.Priced > 0)
	set(hasUsers, !c.Users.Empty())
	set(hasSessions, !c.Sessions.Empty())
	set(hasFeedback, c.Feedback.Count > 0)
	set(hasBusiness, c.Business.Events > 0)
	set(hasSystem, c.System.Samples > 0)
	return p
}

// Append writes c to dst and returns the longer slice. Cells that say the same have the same bytes. One event takes about 50,
// a busy second of a model two to three KiB, and a span with very many users up to about 15.
func (c *Cell) Append(dst []byte) []byte {
	p := c.parts()
	dst = append(dst, version, byte(p), byte(p>>8))
	dst = binary.AppendUvarint(dst, c.Events)
	for _, n := range [...]struct {
		part  uint16
		value uint64
	}{{hasLate, c.Late}, {hasRequests, c.Requests}, {hasErrors, c.Errors}, {hasUnknown, c.Unknown}} {
		if p&n.part != 0 {
			dst = binary.AppendUvarint(dst, n.value)
		}
	}
	dst = c.Latency.append(dst)
	dst = c.TTFT.append(dst)
	dst = c.TPOT.append(dst)
	if t := &c.Tokens; p&hasTokens != 0 {
		dst = binary.AppendUvarint(dst, uint64(t.Prompt))
		dst = binary.AppendUvarint(dst, uint64(t.Completion))
		dst = binary.AppendVarint(dst, t.Total-t.Prompt-t.Completion) // mostly 0; may turn over, and back when read
	}
	if p&hasSubTokens != 0 {
		dst = binary.AppendUvarint(dst, uint64(c.Tokens.Cached))
		dst = binary.AppendUvarint(dst, uint64(c.Tokens.Reasoning))
	}
	if p&hasCost != 0 {
		dst = binary.AppendUvarint(dst, c.Priced)
		dst = binary.AppendUvarint(dst, uint64(c.Cost))
	}
	dst = c.Users.append(dst)
	dst = c.Sessions.append(dst)
	if p&hasFeedback != 0 {
		dst = c.Feedback.append(dst)
	}
	if p&hasBusiness != 0 {
		dst = c.Business.append(dst)
	}
	if p&hasSystem != 0 {
		dst = c.System.append(dst)
	}
	return dst
}

// Append writes m; Decode reads it.
func (m *Measure) Append(dst []byte) []byte {
	if m.count == 0 {
		return append(dst, 0)
	}
	return m.append(dst)
}

// append writes m, nothing when it is empty.
func (m *Measure) append(dst []byte) []byte {
	if m.count == 0 {
		return dst
	}
	dst = binary.AppendUvarint(dst, m.count)
	dst = binary.AppendUvarint(dst, uint64(m.min))
	if m.count == 1 {
		return dst
	}
	dst = binary.AppendUvarint(dst, uint64(m.max-m.min))
	if m.count == 2 {
		return dst
	}
	dst = binary.AppendUvarint(dst, m.more.hi)
	dst = binary.AppendUvarint(dst, m.more.lo)
	return m.more.sketch.append(dst)
}

// append writes the count of zeros, the number of used bins, and for each its distance from the one before and its count.
func (s *sketch) append(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, s.zero)
	if len(s.high) == 0 {
		return s.appendLow(dst)
	}
	used := 0
	s.each(func(int, uint64) bool { used++; return true })
	dst = binary.AppendUvarint(dst, uint64(used))
	before := -1
	s.each(func(bin int, n uint64) bool {
		dst = appendSmall(appendSmall(dst, uint64(bin-before-1)), n)
		before = bin
		return true
	})
	return dst
}

// appendLow writes the bins when none has more than 32 bits, as in each but without a call for each.
func (s *sketch) appendLow(dst []byte) []byte {
	used, w := len(s.sparse), s.window()
	for _, n := range w.dense {
		if n != 0 {
			used++
		}
	}
	dst = binary.AppendUvarint(dst, uint64(used))
	before := -1
	for _, p := range s.sparse {
		dst = appendSmall(appendSmall(dst, uint64(int(p.bin)-before-1)), uint64(p.n))
		before = int(p.bin)
	}
	for i, n := range w.dense {
		if n != 0 {
			dst = appendSmall(appendSmall(dst, uint64(w.base+i-before-1)), uint64(n))
			before = w.base + i
		}
	}
	return dst
}

// appendSmall is binary.AppendUvarint of what mostly takes one byte.
func appendSmall(dst []byte, v uint64) []byte {
	if v < 0x80 {
		return append(dst, byte(v))
	}
	return binary.AppendUvarint(dst, v)
}

const (
	// listMax is the number of used registers up to which they are listed, at two bytes each; more are packed in half a byte
	// each, 4 KiB.
	listMax = 1536
	escape  = 15 // half byte of a register that is more than 14 above the smallest
)

// append writes d, nothing when it is empty: the number of hashes and the hashes, or 0 and the registers.
func (d *Distinct) append(dst []byte) []byte {
	if d.first == 0 {
		return dst
	}
	s := d.set
	if s == nil || !s.dense && len(s.hashes) == 0 {
		return binary.BigEndian.AppendUint64(append(dst, 1), d.first)
	}
	if !s.dense {
		dst = binary.AppendUvarint(dst, uint64(len(s.hashes)))
		for _, h := range s.hashes {
			dst = binary.BigEndian.AppendUint64(dst, h)
		}
		return dst
	}
	used, least := 0, s.regs[0]
	for _, r := range s.regs {
		if r != 0 {
			used++
		}
		least = min(least, r)
	}
	dst = binary.AppendUvarint(append(dst, 0), uint64(used))
	if used <= listMax {
		before := -1
		for i, r := range s.regs {
			if r != 0 {
				dst = append(binary.AppendUvarint(dst, uint64(i-before-1)), r)
				before = i
			}
		}
		return dst
	}
	dst = append(dst, least)
	for i := 0; i < registers; i += 2 {
		dst = append(dst, min(s.regs[i]-least, escape)|min(s.regs[i+1]-least, escape)<<4)
	}
	for _, r := range s.regs {
		if r-least >= escape {
			dst = append(dst, r-least-escape)
		}
	}
	return dst
}

func (f *Feedback) append(dst []byte) []byte {
	for _, n := range [...]uint64{f.Count, f.Scores, f.Accuracies, f.ThumbsUp, f.ThumbsDown} {
		dst = binary.AppendUvarint(dst, n)
	}
	if f.Scores > 0 {
		dst = f.Score.append(dst)
	}
	if f.Accuracies > 0 {
		dst = f.Accuracy.append(dst)
	}
	return dst
}

func (b *Business) append(dst []byte) []byte {
	for _, n := range [...]uint64{b.Events, b.Valued, b.Priced} {
		dst = binary.AppendUvarint(dst, n)
	}
	if b.Valued > 0 {
		dst = binary.AppendUvarint(dst, uint64(b.Gain))
		dst = binary.AppendUvarint(dst, uint64(b.Loss))
	}
	if b.Priced > 0 {
		dst = binary.AppendUvarint(dst, uint64(b.Cost))
	}
	return dst
}

// nameCode is the code of a name of no bytes; smaller codes are those of gaugeFields.
const nameCode = 32

func (s *System) append(dst []byte) []byte {
	for _, n := range [...]uint64{s.Samples, s.Values, uint64(len(s.Gauges))} {
		dst = binary.AppendUvarint(dst, n)
	}
	for i := range s.Gauges {
		g := &s.Gauges[i]
		if code, known := gaugeCodes[g.Name]; known {
			dst = binary.AppendUvarint(dst, uint64(code))
		} else {
			dst = append(binary.AppendUvarint(dst, uint64(nameCode+len(g.Name))), g.Name...)
		}
		dst = binary.AppendUvarint(dst, g.Count)
		dst = appendFloat(dst, g.Min)
		if g.Count > 1 {
			dst = appendFloat(dst, g.Max)
			dst = g.Sum.append(dst)
		}
	}
	return dst
}

func appendFloat(dst []byte, v float64) []byte {
	s := ExactSum{one: v}
	return s.append(dst)
}

// IsZero tells whether nothing but zeros was added.
func (s *ExactSum) IsZero() bool { return s.acc == nil && s.one == 0 }

// Append writes s; Decode reads it.
func (s *ExactSum) Append(dst []byte) []byte { return s.append(dst) }

// append writes the sum as n · 2^e, n odd: twice the number of bytes of n plus the sign, then e, then n from its lowest byte.
// 0 is one byte, 72.5 three.
func (s *ExactSum) append(dst []byte) []byte {
	if s.acc == nil {
		if s.one == 0 {
			return append(dst, 0)
		}
		m, e, neg := split(s.one)
		z := bits.TrailingZeros64(m)
		m, e = m>>z, e+z-sumShift
		dst = appendSign(dst, (bits.Len64(m)+7)/8, neg, e)
		for ; m != 0; m >>= 8 {
			dst = append(dst, byte(m))
		}
		return dst
	}
	n, e := s.integer()
	b := n.Bytes()
	if len(b) == 0 {
		return append(dst, 0)
	}
	dst = appendSign(dst, len(b), n.Sign() < 0, e)
	for i := len(b) - 1; i >= 0; i-- {
		dst = append(dst, b[i])
	}
	return dst
}

func appendSign(dst []byte, size int, neg bool, e int) []byte {
	head := uint64(size) << 1
	if neg {
		head |= 1
	}
	return binary.AppendVarint(binary.AppendUvarint(dst, head), int64(e))
}
