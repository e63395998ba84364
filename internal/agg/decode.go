package agg

import (
	"encoding/binary"
	"math"
	"math/bits"
)

// Decode replaces c by the cell at the start of src and returns what follows it. It takes exactly the bytes that Append
// writes: everything else is an error, and c is then empty. It keeps nothing of src, and allocates at most 64 times the bytes
// that it read and 24 KiB.
func (c *Cell) Decode(src []byte) (rest []byte, err error) {
	r := reader{src: src}
	c.Reset()
	c.decode(&r)
	if r.err != nil {
		*c = Cell{}
		return src, r.err
	}
	return r.src, nil
}

// maxCount bounds every counter that is read, so that sums of counters cannot turn over.
const maxCount = 1 << 60

func (c *Cell) decode(r *reader) {
	if v := r.byte("version"); r.err == nil && v != version {
		r.fail("version %d; this program reads %d", v, version)
	}
	p := uint16(r.byte("parts")) | uint16(r.byte("parts"))<<8
	r.check(p < hasMax, "unknown parts")
	c.Events = r.count("events")
	for _, n := range [...]struct {
		part  uint16
		name  string
		value *uint64
	}{{hasLate, "late", &c.Late}, {hasRequests, "requests", &c.Requests}, {hasErrors, "errors", &c.Errors}, {hasUnknown, "unknown", &c.Unknown}} {
		if p&n.part != 0 {
			*n.value = r.count(n.name)
		}
	}
	for _, m := range [...]struct {
		part  uint16
		value *Measure
	}{{hasLatency, &c.Latency}, {hasTTFT, &c.TTFT}, {hasTPOT, &c.TPOT}} {
		if p&m.part != 0 {
			m.value.decode(r)
			r.check(m.value.count <= c.Requests-c.Errors-c.Unknown, "more durations than good requests")
		}
	}
	if t := &c.Tokens; p&hasTokens != 0 {
		t.Prompt, t.Completion = r.int("prompt tokens"), r.int("completion tokens")
		t.Total = r.signed("total tokens") + t.Prompt + t.Completion
		r.check(t.Total >= 0, "total tokens below 0")
	}
	if p&hasSubTokens != 0 {
		c.Tokens.Cached, c.Tokens.Reasoning = r.int("cached tokens"), r.int("reasoning tokens")
	}
	if p&hasCost != 0 {
		c.Priced, c.Cost = r.count("priced"), r.int("cost")
	}
	if p&hasUsers != 0 {
		c.Users.decode(r)
	}
	if p&hasSessions != 0 {
		c.Sessions.decode(r)
	}
	if p&hasFeedback != 0 {
		c.Feedback.decode(r)
	}
	if p&hasBusiness != 0 {
		c.Business.decode(r)
	}
	if p&hasSystem != 0 {
		c.System.decode(r)
	}
	if r.err != nil {
		return
	}
	r.check(c.parts() == p, "a part that is marked and empty")
	r.check(c.Late <= c.Events && c.Requests+c.Feedback.Count+c.Business.Events+c.System.Samples <= c.Events, "more parts than events")
	r.check(c.Errors+c.Unknown <= c.Requests && c.Priced <= c.Requests, "more outcomes or prices than requests")
	r.check(c.Requests > 0 || p&(hasTokens|hasSubTokens|hasUsers|hasSessions) == 0, "data of requests without requests")
}

// Decode replaces m by the measure at the start of src and returns what follows it. After an error m is empty.
func (m *Measure) Decode(src []byte) (rest []byte, err error) {
	r := reader{src: src}
	if len(src) > 0 && src[0] == 0 {
		m.Reset()
		return src[1:], nil
	}
	m.decode(&r)
	if r.err != nil {
		*m = Measure{}
		return src, r.err
	}
	return r.src, nil
}

func (m *Measure) decode(r *reader) {
	m.count = r.count("durations")
	m.min = r.int("smallest duration")
	m.max = m.min
	if r.err != nil || m.count < 2 {
		return
	}
	span := r.int("largest duration")
	m.max += span
	r.check(m.max >= m.min, "largest duration out of range")
	if r.err != nil || m.count == 2 {
		return
	}
	if m.more == nil {
		m.more = &spread{}
	} else {
		m.more.sketch.reset()
	}
	x := m.more
	x.hi, x.lo = r.uvarint("sum of durations"), r.uvarint("sum of durations")
	x.sketch.decode(r, m)
	// The sum lies between count × min and count × max.
	loHi, loLo := bits.Mul64(m.count, uint64(m.min))
	hiHi, hiLo := bits.Mul64(m.count, uint64(m.max))
	_, below := bits.Sub64(x.lo, loLo, 0)
	_, below = bits.Sub64(x.hi, loHi, below)
	_, above := bits.Sub64(hiLo, x.lo, 0)
	_, above = bits.Sub64(hiHi, x.hi, above)
	r.check(below == 0 && above == 0, "sum of durations does not fit")
}

// decode reads the bins of m, whose ends and count are known.
func (s *sketch) decode(r *reader, m *Measure) {
	s.zero = r.uvarint("durations of 0")
	used := r.uvarint("used bins")
	r.check(used <= maxBin+1 && used <= uint64(len(r.src)), "more bins than bytes")
	r.check(s.zero <= m.count && (s.zero > 0) == (m.min == 0), "durations of 0 do not fit")
	if r.err != nil {
		return
	}
	parts := r.src // read twice: the first time to know where the bins end
	left, bin, first := m.count-s.zero, -1, -1
	for range used {
		gap, n := r.uvarint("bin"), r.uvarint("count of a bin")
		if r.check(gap <= maxBin && n > 0 && n <= left, "bins do not fit"); r.err != nil {
			return
		}
		bin += 1 + int(gap)
		if first < 0 {
			first = bin
		}
		left -= n
	}
	r.check(left == 0 && bin <= maxBin, "bins do not fit")
	r.check(m.max == 0 || used > 0 && bin == binOf(m.max), "largest bin does not fit")
	r.check(m.min == 0 || used > 0 && first == binOf(m.min), "smallest bin does not fit")
	if r.err != nil || used == 0 {
		return
	}
	if s.dense == nil && used > sparseMin && (used > denseAfter || bin-first < denseRatio*int(used)) {
		s.toDense(first, bin)
	} else if s.dense == nil && cap(s.sparse) < int(used) {
		s.sparse = make([]binPart, 0, used)
	}
	if s.dense != nil {
		s.cover(first, bin)
	}
	again := reader{src: parts}
	bin = -1
	for range used { // they rise, and s was empty
		bin += 1 + int(again.uvarint(""))
		n := again.uvarint("")
		if high := uint32(n >> 32); high != 0 {
			s.addHigh(bin, high)
		}
		if s.dense != nil {
			s.dense[bin-s.base] = uint32(n)
		} else {
			s.sparse = append(s.sparse, binPart{uint32(bin), uint32(n)})
		}
	}
}

func (d *Distinct) decode(r *reader) {
	n := r.uvarint("hashes")
	if n == 0 {
		d.decodeRegisters(r)
		return
	}
	r.check(n <= exactMax, "more hashes than are kept")
	b := r.bytes(8*int(min(n, exactMax)), "hashes")
	if r.err != nil {
		return
	}
	before := uint64(0)
	for i := 0; i < len(b); i += 8 {
		h := binary.BigEndian.Uint64(b[i:])
		if r.check(h > before, "hashes are not in order"); r.err != nil {
			return
		}
		before = h
	}
	d.first = binary.BigEndian.Uint64(b)
	if n == 1 {
		return
	}
	if d.set == nil {
		d.set = &hashSet{hashes: make([]uint64, 0, n)}
	}
	for ; len(b) > 0; b = b[8:] {
		d.set.hashes = append(d.set.hashes, binary.BigEndian.Uint64(b))
	}
}

// decodeRegisters reads d's registers.
func (d *Distinct) decodeRegisters(r *reader) {
	used := int(min(r.uvarint("used registers"), registers+1))
	r.check(used >= 1 && used <= registers && used <= 2*len(r.src), "number of registers does not fit")
	if r.err != nil {
		return
	}
	d.makeDense()
	d.first = 1 // some hash: which one was forgotten when the registers were made, and nothing depends on it
	regs := d.set.regs
	if used > listMax {
		decodePacked(r, regs, used)
		return
	}
	at := -1
	for range used {
		gap, rank := r.uvarint("register"), r.byte("rank")
		if r.check(gap < registers && at+1+int(gap) < registers && rank >= 1 && rank <= maxRank, "registers do not fit"); r.err != nil {
			return
		}
		at += 1 + int(gap)
		regs[at] = rank
	}
}

func decodePacked(r *reader, regs []uint8, used int) {
	least := r.byte("smallest rank")
	b := r.bytes(registers/2, "registers")
	if r.check(least <= maxRank, "smallest rank does not fit"); r.err != nil {
		return
	}
	for i, v := range b {
		regs[2*i], regs[2*i+1] = v&15, v>>4
	}
	found, seen := uint8(math.MaxUint8), 0
	for i := range regs {
		rank := int(regs[i]) + int(least)
		if regs[i] == escape {
			rank += int(r.byte("rank"))
		}
		if r.check(rank <= maxRank, "rank does not fit"); r.err != nil {
			return
		}
		regs[i] = uint8(rank)
		found = min(found, regs[i])
		if rank > 0 {
			seen++
		}
	}
	r.check(found == least && seen == used, "registers do not fit")
}

func (f *Feedback) decode(r *reader) {
	f.Count, f.Scores, f.Accuracies = r.count("feedback"), r.count("scores"), r.count("accuracies")
	f.ThumbsUp, f.ThumbsDown = r.count("thumbs up"), r.count("thumbs down")
	r.check(f.Scores <= f.Count && f.Accuracies <= f.Count && f.ThumbsUp+f.ThumbsDown <= f.Count, "more parts than feedback")
	if f.Scores > 0 {
		f.Score.decode(r)
		r.check(!math.IsInf(f.Score.Mean(f.Scores), 0), "sum of scores out of range")
	}
	if f.Accuracies > 0 {
		f.Accuracy.decode(r)
		r.check(!math.IsInf(f.Accuracy.Mean(f.Accuracies), 0), "sum of accuracies out of range")
	}
}

func (b *Business) decode(r *reader) {
	b.Events, b.Valued, b.Priced = r.count("business events"), r.count("valued events"), r.count("priced events")
	r.check(b.Valued <= b.Events && b.Priced <= b.Events, "more parts than business events")
	if b.Valued > 0 {
		b.Gain, b.Loss = r.int("gain"), r.int("loss")
	}
	if b.Priced > 0 {
		b.Cost = r.int("business cost")
	}
}

func (s *System) decode(r *reader) {
	s.Samples, s.Values = r.count("samples"), r.count("values")
	n := r.uvarint("gauges")
	r.check(n <= maxNames+uint64(len(gaugeFields)) && n <= uint64(len(r.src)), "more gauges than are kept")
	left, unknown := s.Values, 0
	for i := 0; r.err == nil && i < int(n); i++ {
		var g Gauge
		var known bool
		if g.Name, known = r.name(); !known {
			unknown++
		}
		g.Count = r.count("values of a gauge")
		r.check(g.Count > 0 && g.Count <= left && unknown <= maxNames, "gauges do not fit")
		r.check(i == 0 || s.Gauges[max(i, 1)-1].Name < g.Name, "gauges are not in order")
		g.Min = r.float("smallest value")
		if g.Max = g.Min; g.Count == 1 {
			g.Sum.one = g.Min
		} else if r.err == nil {
			g.Max = r.float("largest value")
			g.Sum.decode(r)
			mean := g.Sum.Mean(g.Count)
			r.check(g.Min <= mean && mean <= g.Max, "sum of a gauge does not fit")
		}
		if r.err != nil {
			return
		}
		left -= g.Count
		s.Gauges = append(s.Gauges, g)
	}
}

// Decode replaces s by the sum at the start of src and returns what follows it. After an error s is 0.
func (s *ExactSum) Decode(src []byte) (rest []byte, err error) {
	r := reader{src: src}
	s.decode(&r)
	if r.err != nil {
		*s = ExactSum{}
		return src, r.err
	}
	return r.src, nil
}

func (s *ExactSum) decode(r *reader) {
	*s = ExactSum{}
	head := r.uvarint("sum")
	if r.err != nil || head == 0 {
		return
	}
	size, neg := head>>1, head&1 != 0
	e := r.signed("exponent of a sum")
	r.check(size >= 1 && size <= maxSumBits/8+1 && e >= -sumShift && e <= maxSumBits, "sum out of range")
	if r.err != nil {
		return
	}
	b := r.bytes(int(size), "sum")
	if r.err != nil {
		return
	}
	top := b[len(b)-1]
	r.check(b[0]&1 == 1 && top != 0, "sum is not in lowest terms")
	length := 8*len(b) - bits.LeadingZeros8(top)
	r.check(int(e)+sumShift+length <= maxSumBits, "sum out of range")
	if r.err != nil {
		return
	}
	if length <= 53 && int(e)+length <= 1024 {
		var m uint64
		for i, v := range b {
			m |= uint64(v) << (8 * i)
		}
		s.one = math.Ldexp(float64(m), int(e))
		if neg {
			s.one = -s.one
		}
		return
	}
	s.acc = &limbs{}
	at := int(e) + sumShift
	s.acc.cover(int32(at>>5), int32((at+length)>>5)+3)
	for i := 0; i < len(b); i += 4 {
		var m uint64
		for j, v := range b[i:min(i+4, len(b))] {
			m |= uint64(v) << (8 * j)
		}
		s.acc.addBits(m, at+8*i, neg)
	}
}
