package format

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/sorting"
)

// Signal is one of the three kinds of OTLP export requests.
type Signal uint8

// The signals.
const (
	Traces Signal = iota
	Metrics
	Logs
)

// otlpSource is the source of every event that came by OTLP: ids come from trace and span, which are unique by themselves, so
// that a span which takes two roads counts once.
const otlpSource = "otlp"

// OTLP reads an export request in protobuf, or in JSON when asJSON.
func OTLP(signal Signal, asJSON bool, body []byte, it *Items) error {
	var w walker = protoWalker{}
	if asJSON {
		if !json.Valid(body) {
			return errors.New("the body is not JSON")
		}
		if i := skipBlank(body, 0); body[i] != '{' {
			return errors.New("the body is not an export request: it is no JSON object")
		}
		w = jsonWalker{}
	}
	switch signal {
	case Traces:
		t := traces{items: it}
		return w.traces(body, t.span)
	case Metrics:
		m := metrics{items: it}
		if err := w.metrics(body, m.point); err != nil {
			return err
		}
		m.flush()
		return nil
	}
	l := logs{items: it}
	return w.logs(body, l.record)
}

// walker goes through an export request in one of its two encodings and shows each thing in it. What it shows is valid until
// the next call; an error of the callback ends the walk.
type walker interface {
	traces(body []byte, see func(*origin, *span) error) error
	metrics(body []byte, see func(*origin, *metric, *point) error) error
	logs(body []byte, see func(*origin, *record) error) error
}

// origin is where things come from: resource and scope.
type origin struct {
	attrs []attr
	scope string
}

// get returns the first of the attributes that is there, as text.
func (o *origin) get(names ...string) string {
	for _, n := range names {
		for i := range o.attrs {
			if string(o.attrs[i].key) == n {
				if s := o.attrs[i].value.text(); s != "" {
					return s
				}
			}
		}
	}
	return ""
}

type span struct {
	trace, id  []byte // as sent: 16 and 8 bytes, or hex digits
	start, end uint64 // nanoseconds
	failed     bool   // status says so
	attrs      []attr
	events     []spanEvent
}

type spanEvent struct {
	name  string
	time  uint64
	attrs []attr
}

type record struct {
	name       string // event_name
	time, seen uint64
	trace, id  []byte
	attrs      []attr
}

type metric struct {
	name, unit string
	sum        bool // a sum, else a gauge or a distribution
	cumulative bool
	monotonic  bool
}

// pointKind is the shape of a data point.
type pointKind uint8

const (
	number pointKind = iota
	histogram
	exponential
	summary
)

type point struct {
	kind             pointKind
	start, time      uint64
	absent           bool // it says that there is no value
	hasValue         bool
	value            float64
	count            uint64
	total, min, max  float64
	hasSum           bool
	hasMin, hasMax   bool
	bounds           []float64
	counts           []uint64
	scale            int64
	zero             uint64
	zeroThreshold    float64
	positive, negate buckets
	quantiles        [][2]float64
	attrs            []attr
}

type buckets struct {
	offset int64
	counts []uint64
}

func (p *point) reset(k pointKind) {
	*p = point{kind: k, bounds: p.bounds[:0], counts: p.counts[:0], quantiles: p.quantiles[:0], attrs: p.attrs[:0],
		positive: buckets{counts: p.positive.counts[:0]}, negate: buckets{counts: p.negate.counts[:0]}}
}

// attr is one attribute. Its memory is that of the body.
type attr struct {
	key   []byte
	value value
}

// value is what an attribute says. Lists of texts are joined by commas; other compounds are not read.
type value struct {
	kind    valueKind
	escaped bool   // raw is a JSON string with its quotes
	raw     []byte // of a text
	bits    uint64 // of a number: int64 or float64
}

type valueKind uint8

const (
	noValue valueKind = iota
	textValue
	boolValue
	intValue
	floatValue
)

// The limits of what is kept of one thing.
const (
	maxAttributes = 1024 // of a span, record, point or resource; more are passed over
	maxJoined     = 256  // bytes of a joined list
	maxBuckets    = 1024
)

// text writes the value as text: "" for what cannot be.
func (v *value) text() string {
	switch v.kind {
	case textValue:
		if v.escaped {
			s, _ := text(v.raw)
			return s
		}
		return strings.ToValidUTF8(string(v.raw), "\uFFFD")
	case boolValue:
		return strconv.FormatBool(v.bits != 0)
	case intValue:
		return strconv.FormatInt(int64(v.bits), 10)
	case floatValue:
		return strconv.FormatFloat(math.Float64frombits(v.bits), 'g', -1, 64)
	}
	return ""
}

// float is the value as a number; texts that hold one count.
func (v *value) float() (float64, bool) {
	switch v.kind {
	case intValue:
		return float64(int64(v.bits)), true
	case floatValue:
		return math.Float64frombits(v.bits), true
	case textValue:
		if len(v.raw) < 64 {
			f, err := strconv.ParseFloat(strings.TrimSpace(v.text()), 64)
			return f, err == nil
		}
	}
	return 0, false
}

// boolean is the value as true or false; texts that hold one count.
func (v *value) boolean() (is, ok bool) {
	switch v.kind {
	case boolValue:
		return v.bits != 0, true
	case textValue:
		if len(v.raw) < 8 {
			b, err := strconv.ParseBool(v.text())
			return b, err == nil
		}
	}
	return false, false
}

// joined is the text of a list of texts.
func joined(parts []string) value {
	s := strings.Join(parts, ",")
	if len(s) > maxJoined {
		s = s[:maxJoined]
	}
	return value{kind: textValue, raw: []byte(s)}
}

// hexID writes an id of n bytes as hex digits; not ok when it is none or all zeros.
func hexID(id []byte, n int) (string, bool) {
	s := ""
	switch len(id) {
	case n:
		s = hex.EncodeToString(id)
	case 2 * n:
		raw, err := hex.DecodeString(string(id))
		if err != nil {
			return "", false
		}
		s = hex.EncodeToString(raw) // small letters
	}
	return s, strings.Trim(s, "0") != ""
}

// nanos per unit of time.
const (
	microsecond = 1e3
	millisecond = 1e6
	second      = 1e9
)

// maxTime is the end of the year 9999 in nanoseconds, beyond what 64 bits without a sign hold of valid times: 2554.
const maxTime = math.MaxInt64

// stamp gives an event the time of something; 0 means that there is none.
func stamp(e *event.Event, nanos uint64, pointer string) *event.Invalid {
	if nanos == 0 {
		return nil
	}
	if nanos > maxTime {
		return &event.Invalid{Code: event.CodeTimestamp, Pointer: pointer, Detail: "is no time: nanoseconds since 1970 are wanted, up to the year 2262"}
	}
	e.Time, e.HasTime = int64(nanos/microsecond), true
	return nil
}

// object writes a JSON object piece by piece.
type object struct {
	text []byte
}

func (o *object) add(name string, raw []byte) {
	if len(o.text) <= len("{}") {
		o.text = append(o.text[:0], '{')
	} else {
		o.text = append(o.text[:len(o.text)-1], ',')
	}
	o.text = append(append(append(o.text, quoted(name)...), ':'), raw...)
	o.text = append(o.text, '}')
}

func (o *object) addText(name, s string) {
	if s != "" {
		o.add(name, quoted(s))
	}
}

// addCount adds a count; 0 is as good as none.
func (o *object) addCount(name string, n int64) {
	if n > 0 {
		o.add(name, strconv.AppendInt(nil, n, 10))
	}
}

// attributesText writes attributes in the order of their keys, and makes an id of them: the same set gives the same text and id.
// Attributes that hold what is never stored, or anything, are left out of the text; they still tell two sets apart.
func attributesText(attrs []attr, scratch []attr) (labels []byte, id string, sorted []attr) {
	sorted = append(scratch[:0], attrs...)
	sorting.StableBy(sorted, func(a, b attr) int { return bytes.Compare(a.key, b.key) })
	var o object
	parts := make([]string, 0, 2*len(sorted))
	for i := range sorted {
		a := &sorted[i]
		key, s := keyText(a.key), a.value.text()
		parts = append(parts, key, s)
		if a.value.kind != noValue && !unbounded(a.key) {
			o.add(key, quoted(clipText(s)))
		}
	}
	return o.text, hashID(parts...), sorted
}

const maxLabel = 256 // bytes of a label's value

func keyText(key []byte) string { return strings.ToValidUTF8(string(key), "\uFFFD") }

func appendFloats(dst []byte, fs []float64) []byte {
	dst = append(dst, '[')
	for i, f := range fs {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = strconv.AppendFloat(dst, f, 'g', -1, 64)
	}
	return append(dst, ']')
}

func appendCounts(dst []byte, ns []uint64) []byte {
	dst = append(dst, '[')
	for i, n := range ns {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = strconv.AppendUint(dst, n, 10)
	}
	return append(dst, ']')
}

// finite tells whether all of them are numbers.
func finite(fs ...float64) bool {
	return !slices.ContainsFunc(fs, func(f float64) bool { return math.IsNaN(f) || math.IsInf(f, 0) })
}

// torn is the error of a body that is not of its encoding.
func torn(what string) error { return fmt.Errorf("the body is not an OTLP export request in %s", what) }
