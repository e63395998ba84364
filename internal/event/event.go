package event

import "math"

// Event is one event in memory. It is made to be reused: Reset empties it without freeing. Text may alias the bytes that
// it was parsed from, so those must not change while the event is in use; strings.Clone what must outlive them.
type Event struct {
	ID            string // "" until Complete gives one
	Source        string
	SchemaVersion string
	CorrelationID string
	Kind          Kind
	Time          int64 // microseconds since the epoch, UTC; valid when HasTime
	HasTime       bool

	has  uint64 // bit f is set when field f has a value
	text [numText]string
	num  [numNumeric]int64 // Number fields as math.Float64bits

	// Metrics are the numbers of a system_metric under names that the catalogue does not know.
	Metrics []Metric
	// Metadata is the JSON object "metadata" as it came, with unknown envelope fields of the flat form added; nil when empty.
	Metadata []byte
	// Extra is a JSON object of the data fields that the catalogue does not know (without Metrics); nil when empty.
	Extra []byte
}

// Metric is one measurement under its own name.
type Metric struct {
	Name  string
	Value float64
}

// Reset empties e and keeps its memory.
func (e *Event) Reset() {
	e.ID, e.Source, e.SchemaVersion, e.CorrelationID = "", "", "", ""
	e.Kind, e.Time, e.HasTime, e.has = NoKind, 0, false, 0
	e.Metrics, e.Metadata, e.Extra = e.Metrics[:0], nil, nil
}

// Has tells whether f has a value.
func (e *Event) Has(f Field) bool { return e.has>>f&1 != 0 }

// Text returns the value of a Text field, "" when it has none.
func (e *Event) Text(f Field) string {
	if !e.Has(f) {
		return ""
	}
	return e.text[f]
}

// Int returns the value of an Integer, Duration (nanoseconds), Money (nano-USD) or Boolean (0, 1) field, 0 when it has none.
func (e *Event) Int(f Field) int64 {
	if !e.Has(f) {
		return 0
	}
	return e.num[f-firstNumeric]
}

// Float returns the value of a Number field, 0 when it has none.
func (e *Event) Float(f Field) float64 {
	if !e.Has(f) {
		return 0
	}
	return math.Float64frombits(uint64(e.num[f-firstNumeric]))
}

// Bool returns the value of a Boolean field, false when it has none.
func (e *Event) Bool(f Field) bool { return e.Int(f) != 0 }

// SetText gives a Text field its value.
func (e *Event) SetText(f Field, s string) { e.text[f] = s; e.has |= 1 << f }

// SetInt gives an Integer, Duration, Money or Boolean field its value.
func (e *Event) SetInt(f Field, v int64) { e.num[f-firstNumeric] = v; e.has |= 1 << f }

// SetFloat gives a Number field its value.
func (e *Event) SetFloat(f Field, v float64) {
	e.num[f-firstNumeric] = int64(math.Float64bits(v))
	e.has |= 1 << f
}

// SetBool gives a Boolean field its value.
func (e *Event) SetBool(f Field, v bool) {
	var n int64
	if v {
		n = 1
	}
	e.SetInt(f, n)
}

// Clear takes the value of f away.
func (e *Event) Clear(f Field) { e.has &^= 1 << f }
