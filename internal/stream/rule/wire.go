package rule

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/sorting"
)

// Partials travel in blocks, each of which can be read alone: a byte for the form, and for each rule its version, its partials
// and its events of sequences, as many as are said before.

const (
	blockForm  = 1
	blockBytes = 128 << 10 // about the size of a block
)

// The sorts of entries.
const (
	sortPartials = iota
	sortNameless // events of sequences without their ids, as written once
	sortHeld
)

func appendString(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

// Blocks encodes p.
func (p *Partials) Blocks() (blocks [][]byte) {
	if p == nil || len(p.list)+len(p.held) == 0 {
		return nil
	}
	order := make([]int32, len(p.list))
	for i := range order {
		order[i] = int32(i)
	}
	sorting.StableBy(order, func(a, b int32) int { return int(p.list[a].rule - p.list[b].rule) })
	var w blockWriter
	for _, i := range order {
		x := &p.list[i]
		w.to(p.versions[x.rule], false)
		w.body = x.appendTo(w.body)
		w.wrote()
	}
	sorting.StableBy(p.held, func(a, b held) int { return int(a.rule - b.rule) })
	for i := range p.held {
		h := &p.held[i]
		w.to(p.versions[h.rule], true)
		w.body = h.appendTo(w.body)
		w.wrote()
	}
	w.end()
	return w.blocks
}

// blockWriter collects runs of entries of one rule and one sort.
type blockWriter struct {
	blocks  [][]byte
	block   []byte
	version string
	held    bool
	body    []byte
	n       uint64
}

// to begins a run unless the one under way is of that rule and sort.
func (w *blockWriter) to(version string, held bool) {
	if w.n > 0 && (w.version != version || w.held != held) {
		w.endRun()
	}
	w.version, w.held = version, held
}

func (w *blockWriter) wrote() {
	w.n++
	if len(w.block)+len(w.body) >= blockBytes {
		w.end()
	}
}

func (w *blockWriter) endRun() {
	if w.n == 0 {
		return
	}
	if len(w.block) == 0 {
		w.block = append(w.block, blockForm)
	}
	var version [8]byte
	_, _ = hex.Decode(version[:], []byte(w.version)) // Rule.Version wrote it
	w.block = append(w.block, version[:]...)
	sort := byte(sortPartials)
	if w.held {
		sort = sortHeld
	}
	w.block = binary.AppendUvarint(append(w.block, sort), w.n)
	w.block = append(w.block, w.body...)
	w.body, w.n = w.body[:0], 0
}

func (w *blockWriter) end() {
	w.endRun()
	if len(w.block) > 0 {
		w.blocks, w.block = append(w.blocks, w.block), nil
	}
}

// What a partial has.
const (
	hasNum = 1 << iota
	hasDen
	hasSum
	hasLast
	hasSpread
	hasValues
	hasSamples
)

func (x *Partial) appendTo(dst []byte) []byte {
	dst = appendString(dst, x.key)
	dst = binary.AppendVarint(dst, x.second)
	dst = binary.AppendVarint(dst, x.visible-x.second*ticks)
	dst = binary.AppendVarint(dst, x.visible*tick-x.newest)
	return appendContents(dst, &x.tally, x.last, &x.spread, x.values, x.samples)
}

// appendContents writes what steps and partials have in common.
func appendContents(dst []byte, t *tally, last int64, spread *agg.Measure, values map[string]struct{}, samples []*sample) []byte {
	flags := len(dst)
	dst = binary.AppendUvarint(append(dst, 0), uint64(t.Count))
	for bit, v := range [...]int64{hasNum: t.Num, hasDen: t.Den} {
		if v != 0 {
			dst[flags] |= byte(bit)
			dst = binary.AppendVarint(dst, v)
		}
	}
	if !t.Sum.IsZero() {
		dst[flags] |= hasSum
		dst = t.Sum.Append(dst)
	}
	if last != 0 {
		dst[flags] |= hasLast
		dst = binary.AppendVarint(dst, last)
	}
	if spread != nil && spread.Count() > 0 {
		dst[flags] |= hasSpread
		dst = spread.Append(dst)
	}
	if len(values) > 0 {
		dst[flags] |= hasValues
		dst = binary.AppendUvarint(dst, uint64(len(values)))
		for _, v := range slices.Sorted(maps.Keys(values)) {
			dst = appendString(dst, v)
		}
	}
	if len(samples) > 0 {
		dst[flags] |= hasSamples
		dst = appendSamples(dst, samples)
	}
	return dst
}

func appendSamples(dst []byte, samples []*sample) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(samples)))
	for i := range samples {
		dst = binary.AppendVarint(dst, samples[i].at)
		for f := range told {
			dst = appendString(dst, samples[i].text(f))
		}
	}
	return dst
}

func (h *held) appendTo(dst []byte) []byte {
	dst = appendString(dst, h.key)
	for _, n := range [...]int64{h.at, h.visible, h.arrival, int64(h.position.Kind), int64(h.position.Partition), h.position.Offset} {
		dst = binary.AppendVarint(dst, n)
	}
	dst = append(dst, h.mask, 0)
	if h.told {
		dst[len(dst)-1] = 1
	}
	return appendString(appendString(dst, h.request), h.id)
}

// Decode reads blocks that Blocks wrote into p, which was made by NewPartials. After an error p holds what came before it.
func (p *Partials) Decode(block []byte) error {
	r := wire{src: block}
	if form := r.byte(); r.err == nil && form != blockForm {
		return fmt.Errorf("a block of partials has form %d, and %d is read", form, blockForm)
	}
	for len(r.src) > 0 && r.err == nil {
		rule := p.rule(hex.EncodeToString(r.bytes(8)))
		sort := r.byte()
		for n := r.uvarint(); n > 0 && r.err == nil; n-- {
			switch sort {
			case sortPartials:
				x := p.add(Partial{rule: rule})
				r.partial(x)
				if r.err != nil {
					p.list = p.list[:len(p.list)-1]
				}
			case sortNameless, sortHeld:
				h := held{rule: rule}
				r.nameless = sort == sortNameless
				if r.held(&h); r.err == nil {
					p.held = append(p.held, h)
				}
			default:
				r.fail("neither partials nor events")
			}
		}
	}
	if r.err != nil {
		return fmt.Errorf("a block of partials: %w", r.err)
	}
	return nil
}

// NewPartials makes what blocks are decoded into.
func NewPartials() *Partials { return pool.Get().(*Partials) }

// rule finds or adds a version.
func (p *Partials) rule(version string) int32 {
	i := slices.Index(p.versions, version)
	if i < 0 {
		i = len(p.versions)
		p.versions = append(p.versions, version)
	}
	return int32(i)
}

// wire reads what is written here, until the first error.
type wire struct {
	src    []byte
	err    error
	buffer []byte
	form   byte // of a snapshot

	nameless bool // events of sequences have no ids
}

func (r *wire) fail(why string) {
	if r.err == nil {
		r.err = errors.New(why)
	}
	r.src = nil
}

func (r *wire) bytes(n int) []byte {
	if n < 0 || n > len(r.src) {
		r.fail("it ends early")
		return nil
	}
	b := r.src[:n]
	r.src = r.src[n:]
	return b
}

func (r *wire) byte() byte {
	if b := r.bytes(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *wire) uvarint() uint64 {
	v, n := binary.Uvarint(r.src)
	if n <= 0 {
		r.fail("no number")
		return 0
	}
	r.src = r.src[n:]
	return v
}

func (r *wire) varint() int64 {
	v, n := binary.Varint(r.src)
	if n <= 0 {
		r.fail("no number")
		return 0
	}
	r.src = r.src[n:]
	return v
}

// number reads one that lies where times and counts do, so that calculating with it cannot turn over.
func (r *wire) number() int64 {
	v := r.varint()
	if v > farAway || v < -farAway {
		r.fail("a number is out of range")
		return 0
	}
	return v
}

// farAway is beyond every time in microseconds that an event can have.
const farAway = 1 << 58

// count reads how many things follow, of which each takes a byte at least.
func (r *wire) count(most int) int {
	n := r.uvarint()
	if n > uint64(most) || n > uint64(len(r.src)) {
		r.fail("too many of something")
		return 0
	}
	return int(n)
}

func (r *wire) text() string {
	n := r.uvarint()
	if n > uint64(len(r.src)) {
		r.fail("it ends early")
		return ""
	}
	return string(r.bytes(int(n)))
}

func (r *wire) partial(x *Partial) {
	x.key = r.text()
	x.second = r.number()
	if x.second > farAway/second || x.second < -farAway/second {
		r.fail("a second is out of range")
		return
	}
	x.visible = x.second*ticks + r.number()
	x.newest = x.visible*tick - r.number()
	r.seen(x.visible, x.newest)
	r.contents(&x.tally, &x.last, &x.spread, &x.values, &x.samples)
}

// seen checks the tick from which on something is seen: that behind its arrival, or a little later when a clock is wrong.
func (r *wire) seen(visible, arrival int64) {
	if visible > farAway/tick || visible < -farAway/tick || arrival > visible*tick || arrival < visible*tick-maxTicks*tick {
		r.fail("it is seen at a time that does not fit its arrival")
	}
}

func (r *wire) contents(t *tally, last *int64, spread *agg.Measure, values *map[string]struct{}, samples *[]*sample) {
	flags := r.byte()
	if t.Count = int64(r.uvarint()); t.Count < 0 || t.Count > farAway {
		r.fail("a count is out of range")
	}
	if flags&hasNum != 0 {
		t.Num = r.varint()
	}
	if flags&hasDen != 0 {
		t.Den = r.varint()
	}
	if flags&hasSum != 0 && r.err == nil {
		r.src, r.err = t.Sum.Decode(r.src)
	}
	if flags&hasLast != 0 {
		*last = r.number()
	}
	if flags&hasSpread != 0 && r.err == nil {
		r.src, r.err = spread.Decode(r.src)
	}
	if flags&hasValues != 0 {
		n := r.count(MaxDistinct)
		*values = make(map[string]struct{}, n)
		for ; n > 0 && r.err == nil; n-- {
			(*values)[r.text()] = struct{}{}
		}
	}
	if flags&hasSamples != 0 {
		r.samples(samples)
	}
}

func (r *wire) samples(out *[]*sample) {
	for n := r.count(samplesKept); n > 0 && r.err == nil; n-- {
		s := &sample{at: r.number()}
		r.buffer = r.buffer[:0]
		for i := range told {
			r.buffer = append(r.buffer, r.bytes(r.count(len(r.src)))...)
			s.ends[i] = uint32(len(r.buffer))
		}
		s.all = string(r.buffer)
		*out = append(*out, s)
	}
}

func (r *wire) held(h *held) {
	h.key = r.text()
	h.at, h.visible, h.arrival = r.number(), r.number(), r.number()
	r.seen(h.visible, h.arrival)
	h.position = Position{Kind: event.Kind(r.number()), Partition: int32(r.number()), Offset: r.number()}
	h.mask = r.byte()
	h.told = r.byte() == 1
	if h.request = r.text(); !r.nameless {
		h.id = r.text()
	}
}
