package watch

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/hxp-enterprise/hxp/internal/stream/anomaly"
)

// The state of a watcher is written so that what is read from it finds in the steps to come what the watcher itself would have found.
// A state that was written when other metrics or detectors were there is refused: then the watcher begins anew.

const stateForm = 1

// Append writes the state of w to dst.
func (w *Watcher) Append(dst []byte) []byte {
	dst = append(dst, stateForm, byte(len(metrics)), byte(detectors))
	dst = binary.AppendUvarint(dst, uint64(len(w.models)))
	for _, model := range slices.Sorted(maps.Keys(w.models)) {
		dst = appendText(dst, model)
		for i := range w.models[model] {
			dst = w.models[model][i].append(dst)
		}
	}
	return dst
}

// integers, counts and numbers are what a series knows, but for its voices and what is open.
func (s *series) integers() []*int64 {
	return []*int64{&s.first, &s.high.since, &s.low.since, &s.season.start}
}

func (s *series) counts() []*int { return []*int{&s.steps, &s.silent, &s.calm, &s.lasted} }

func (s *series) numbers() []*float64 {
	out := []*float64{&s.usual, &s.spread, &s.gusts, &s.weight, &s.high.sum, &s.low.sum, &s.season.lo, &s.season.hi}
	for i := range s.last {
		out = append(out, &s.last[i].n, &s.last[i].value)
	}
	return out
}

func (s *series) append(dst []byte) []byte {
	for _, n := range s.integers() {
		dst = binary.AppendVarint(dst, *n)
	}
	for _, n := range s.counts() {
		dst = binary.AppendVarint(dst, int64(*n))
	}
	for _, v := range s.numbers() {
		dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(*v))
	}
	for i := range s.voices {
		if dst = binary.AppendVarint(dst, s.at[i]); s.at[i] == 0 {
			continue
		}
		v := &s.voices[i]
		up := byte(0)
		if v.up {
			up = 1
		}
		dst = appendText(append(appendText(dst, v.name), up), v.says)
		dst = binary.LittleEndian.AppendUint64(binary.AppendVarint(dst, v.since), math.Float64bits(v.score))
	}
	var open []byte
	if s.open != nil {
		text, err := json.Marshal(s.open)
		if err != nil {
			panic(fmt.Sprintf("watch: %v", err)) // texts and finite numbers
		}
		open = text
	}
	return s.surprise.Append(appendText(dst, string(open)))
}

func appendText(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

var errState = errors.New("state of the watcher: damaged, or of other metrics")

// Read makes a watcher of a state that Append wrote.
func Read(src []byte) (*Watcher, error) {
	r := stateReader{src: src}
	if head := r.bytes(3); r.err != nil || head[0] != stateForm || head[1] != byte(len(metrics)) || head[2] != byte(detectors) {
		return nil, errState
	}
	w := New()
	for n := r.uvarint(); n > 0 && r.err == nil; n-- {
		model := r.text()
		if len(w.models) >= MaxModels || w.models[model] != nil {
			return nil, errState
		}
		w.add(model)
		for i := range w.models[model] {
			r.series(&w.models[model][i])
		}
	}
	if r.err != nil || len(r.src) > 0 {
		return nil, errState
	}
	return w, nil
}

// stateReader reads until the first error; then all is zero.
type stateReader struct {
	src []byte
	err error
}

func (r *stateReader) bytes(n int) []byte {
	if n < 0 || n > len(r.src) {
		r.src, r.err = nil, errState
		return nil
	}
	b := r.src[:n]
	r.src = r.src[n:]
	return b
}

func (r *stateReader) byte() byte {
	if b := r.bytes(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *stateReader) varint() int64 {
	v, n := binary.Varint(r.src)
	r.bytes(max(n, -1))
	if n <= 0 {
		r.err = errState
	}
	return v
}

func (r *stateReader) uvarint() uint64 {
	v, n := binary.Uvarint(r.src)
	r.bytes(max(n, -1))
	if n <= 0 {
		r.err = errState
	}
	return v
}

func (r *stateReader) float() float64 {
	if b := r.bytes(8); b != nil {
		return math.Float64frombits(binary.LittleEndian.Uint64(b))
	}
	return 0
}

func (r *stateReader) text() string { return string(r.bytes(int(min(r.uvarint(), math.MaxInt32)))) }

func (r *stateReader) series(s *series) {
	for _, n := range s.integers() {
		*n = r.varint()
	}
	for _, n := range s.counts() {
		*n = int(r.varint())
	}
	for _, v := range s.numbers() {
		*v = r.float()
	}
	for i := range s.voices {
		if s.at[i] = r.varint(); s.at[i] == 0 || r.err != nil {
			continue
		}
		v := voice{name: r.text(), up: r.byte() == 1}
		v.says, v.since, v.score = r.text(), r.varint(), r.float()
		s.voices[i] = v
	}
	if open := r.text(); open != "" && r.err == nil {
		s.open = &Anomaly{}
		if json.Unmarshal([]byte(open), s.open) != nil {
			r.err = errState
		}
	}
	if r.err == nil {
		r.detector(&s.surprise)
	}
}

func (r *stateReader) detector(d *anomaly.Detector) {
	rest, err := d.Decode(r.src)
	if r.src = rest; err != nil {
		r.err = err
	}
}
