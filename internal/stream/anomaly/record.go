package anomaly

import "math"

// record is the range of all values so far.
type record struct {
	low, high float64
	any       bool
}

// step takes the next value and returns how far it lies beyond the range of those before, in such ranges; 0 within.
func (r *record) step(v float64) float64 {
	if !r.any {
		r.low, r.high, r.any = v, v, true
		return 0
	}
	width := r.width()
	if width == 0 { // constant so far: a hundredth of its size is a range
		width = max(math.Abs(r.high)/100, math.SmallestNonzeroFloat32)
	}
	beyond := max(v-r.high, r.low-v, 0) / width
	r.low, r.high = min(r.low, v), max(r.high, v)
	return min(beyond, 1e6)
}

func (r *record) width() float64 { return r.high - r.low }

// bits tell the values of a scale apart: eight steps are coarse enough to forget noise.
const bits = 3

// scale cuts the room around a range into steps.
type scale struct {
	low, step     float64
	seenLow, seen float64 // the range that it was made for, and its width
}

func scaleOf(r *record) scale {
	w := r.width()
	s := scale{seenLow: r.low, seen: w}
	if w == 0 || math.IsInf(w, 0) {
		w = max(math.Abs(r.low), 1)
	}
	s.low = r.low - margin*w
	s.step = w * (1 + 2*margin) / (1<<bits - 1)
	return s
}

// outgrown tells whether values have passed the range that the scale was made for by so much that it is coarse.
func (s *scale) outgrown(r *record) bool {
	return r.high > s.seenLow+s.seen*(1+growth) || r.low < s.seenLow-s.seen*growth
}

// facts is a value as the contexts see it: for each bit of its step, whether it is set.
func (s *scale) facts(v float64) [bits]fact {
	n := int(max(0, min((v-s.low)/s.step, 1<<bits-1)))
	var out [bits]fact
	for i := range out {
		out[i] = fact(2*i + n>>i&1)
	}
	return out
}

// ring keeps the newest values.
type ring struct {
	values []float64
	next   int
}

// put adds a value, in place of the oldest when there are most already.
func (r *ring) put(v float64, most int) {
	if len(r.values) < most {
		r.values = append(r.values, v)
		return
	}
	r.values[r.next] = v
	r.next = (r.next + 1) % most
}

// each calls fn with the values, oldest first.
func (r *ring) each(fn func(float64)) {
	for i := range r.values {
		fn(r.values[(r.next+i)%len(r.values)])
	}
}
