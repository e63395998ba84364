package anomaly

import (
	"encoding/binary"
	"errors"
	"math"
)

// The state of a detector is written so that what is read from it scores the values to come as the detector itself would have. What
// follows from the rest, such as which parts hold a fact, is not written.

const stateForm = 1

// Append writes the state of d to dst.
func (d *Detector) Append(dst []byte) []byte {
	dst = append(dst, stateForm, flag(d.Lean), flag(d.record.any), flag(d.contexts != nil))
	for _, v := range [...]float64{d.record.low, d.record.high, d.scale.low, d.scale.step, d.scale.seenLow, d.scale.seen} {
		dst = appendFloat(dst, v)
	}
	dst = binary.AppendUvarint(dst, uint64(d.rest))
	dst = binary.AppendUvarint(dst, uint64(len(d.recent.values)))
	d.recent.each(func(v float64) { dst = appendFloat(dst, v) })
	if d.contexts != nil {
		dst = d.contexts.append(dst)
	}
	return dst
}

func (c *contexts) append(dst []byte) []byte {
	dst = c.right.append(c.left.append(dst))
	for l := range c.left.parts {
		links := c.left.parts[l].links
		dst = binary.AppendUvarint(dst, uint64(len(links)))
		for _, k := range links {
			x := &c.list[k.context]
			dst = binary.AppendUvarint(binary.AppendUvarint(dst, uint64(k.right)), uint64(k.context))
			dst = append(binary.AppendUvarint(dst, uint64(x.activity)), flag(x.whole))
		}
	}
	return appendList(dst, c.before)
}

func (s *side) append(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(s.parts)))
	for i := range s.parts {
		dst = appendList(dst, s.parts[i].facts)
	}
	return dst
}

func appendList(dst []byte, facts []fact) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(facts)))
	for _, f := range facts {
		dst = binary.AppendUvarint(dst, uint64(f))
	}
	return dst
}

func appendFloat(dst []byte, v float64) []byte {
	return binary.LittleEndian.AppendUint64(dst, math.Float64bits(v))
}

func flag(is bool) byte {
	if is {
		return 1
	}
	return 0
}

var errState = errors.New("state of a detector: damaged")

// Decode reads a state that Append wrote into d, and returns what lies behind it.
func (d *Detector) Decode(src []byte) (rest []byte, err error) {
	r := stateReader{src: src}
	r.fail(r.byte() != stateForm)
	*d = Detector{Lean: r.byte() == 1}
	d.record.any = r.byte() == 1
	learnt := r.byte() == 1
	for _, v := range [...]*float64{&d.record.low, &d.record.high, &d.scale.low, &d.scale.step, &d.scale.seenLow, &d.scale.seen} {
		*v = r.float()
	}
	r.fail(d.record.high < d.record.low || d.scale.seen < 0 || d.scale.step < 0 || learnt && d.scale.step == 0)
	d.rest = r.below(restFor + 1)
	for n := r.below(d.memory() + 1); n > 0 && !r.bad; n-- {
		d.recent.values = append(d.recent.values, r.float())
	}
	if learnt && !r.bad {
		d.contexts = r.contexts(d.most())
	}
	if r.bad {
		*d = Detector{Lean: d.Lean}
		return nil, errState
	}
	return r.src, nil
}

// stateReader reads until something is wrong; then all is zero.
type stateReader struct {
	src []byte
	bad bool
}

func (r *stateReader) fail(is bool) {
	if is {
		r.bad, r.src = true, nil
	}
}

func (r *stateReader) byte() byte {
	if r.fail(len(r.src) == 0); r.bad {
		return 0
	}
	b := r.src[0]
	r.src = r.src[1:]
	return b
}

func (r *stateReader) float() float64 {
	if r.fail(len(r.src) < 8); r.bad {
		return 0
	}
	v := math.Float64frombits(binary.LittleEndian.Uint64(r.src))
	r.src = r.src[8:]
	r.fail(math.IsNaN(v) || math.IsInf(v, 0))
	return v
}

// below reads a number that is less than another.
func (r *stateReader) below(most int) int {
	v, n := binary.Uvarint(r.src)
	if r.fail(n <= 0 || v >= uint64(most)); r.bad {
		return 0
	}
	r.src = r.src[n:]
	return int(v)
}

// maxNumber bounds numbers that nothing else bounds.
const maxNumber = math.MaxInt32

// contexts reads the contexts, of which there are at most so many and what one step can learn.
func (r *stateReader) contexts(most int) *contexts {
	most += maxNumber / 2 // a step that is full of new ones passes the bound, and the next one begins anew
	c := newContexts()
	r.side(&c.left)
	r.side(&c.right)
	for l := range c.left.parts {
		for n := r.below(len(r.src) + 1); n > 0 && !r.bad; n-- {
			right, id := r.below(len(c.right.parts)), r.below(most)
			x := context{activity: int32(r.below(maxNumber)), whole: r.byte() == 1}
			if r.fail(id > len(c.list)+len(r.src)); r.bad {
				return nil
			}
			for id >= len(c.list) {
				c.list = append(c.list, context{})
			}
			c.list[id] = x
			c.left.parts[l].links = append(c.left.parts[l].links, link{int32(right), int32(id)})
			c.byPair[int64(l)<<32|int64(right)] = int32(id)
		}
	}
	r.fail(len(c.byPair) != len(c.list))
	c.before = r.facts()
	for _, f := range c.before {
		r.fail(int(f-firstContext) >= len(c.list))
	}
	c.met = c.left.hold(c.before)
	return c
}

func (r *stateReader) side(s *side) {
	for n := r.below(len(r.src) + 1); n > 0 && !r.bad; n-- {
		s.part(r.facts())
	}
}

func (r *stateReader) facts() (facts []fact) {
	for n := r.below(len(r.src) + 1); n > 0 && !r.bad; n-- {
		facts = append(facts, fact(r.below(maxNumber)))
	}
	return facts
}
