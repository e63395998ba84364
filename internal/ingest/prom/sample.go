package prom

import "strings"

// Type of a family of series.
type Type uint8

// The types that make a difference here. Info stands for everything that is no number: info and state sets.
const (
	Unknown Type = iota
	Counter
	Gauge
	Histogram
	Summary
	Info
)

// typeOf reads the type of a TYPE line.
func typeOf(s string) (Type, bool) {
	switch s {
	case "counter":
		return Counter, true
	case "gauge":
		return Gauge, true
	case "histogram":
		return Histogram, true
	case "summary":
		return Summary, true
	case "info", "stateset":
		return Info, true
	case "untyped", "unknown", "gaugehistogram":
		return Unknown, true
	}
	return Unknown, false
}

// Label is one label of a series.
type Label struct{ Name, Value string }

// Part says which number of its family a sample is.
type Part uint8

// Value is the number of a gauge or counter. Count, Sum and Bucket are cumulative parts of a histogram or summary. Other is
// what says nothing that the rest does not: quantiles of a summary, times of creation.
const (
	Value Part = iota
	Count
	Sum
	Bucket
	Other
)

// Sample is one number of one series. Labels belong to the reader and are valid during the call that got them.
type Sample struct {
	Name   string // of the family, without the suffix that says the part
	Type   Type
	Part   Part
	Labels []Label // without the name; in the order in which they came
	Value  float64
	Native bool  // of a native histogram, which is one sample however many numbers are taken of it
	Time   int64 // microseconds; 0 when the exporter gave none
}

func (s *Sample) label(name string) string {
	for i := range s.Labels {
		if s.Labels[i].Name == name {
			return s.Labels[i].Value
		}
	}
	return ""
}

// types are the types of families by name.
type types map[string]Type

func (t types) of(name string) (Type, bool) {
	typ, ok := t[name]
	return typ, ok
}

// named tells of which family and part a sample called full is, by the types that families have. Where no type was said, the
// suffixes tell.
func (s *Sample) named(full string, typeOf func(name string) (Type, bool)) {
	s.Name, s.Part = full, Value
	var known bool
	if s.Type, known = typeOf(full); known {
		if s.Type == Histogram || s.Type == Summary {
			s.Part = Other // the quantiles of a summary
		}
		return
	}
	base, part := cut(full)
	if base == full {
		return
	}
	s.Type, known = typeOf(base)
	switch {
	case known && s.Type == Counter && part == Value, known && (s.Type == Histogram || s.Type == Summary) && part != Value, known && part == Other:
		s.Name, s.Part = base, part
		if s.Type == Counter {
			s.Name = full
		}
	case known:
		s.Type = Unknown
	case part == Bucket && s.label("le") != "":
		s.Name, s.Type, s.Part = base, Histogram, Bucket
	case part == Value: // _total
		s.Type = Counter
	case part == Count || part == Sum:
		s.Name, s.Type, s.Part = base, Summary, part
	}
}

// cut splits the suffix off that says the part of a family.
func cut(full string) (base string, part Part) {
	for _, s := range [...]struct {
		suffix string
		part   Part
	}{{"_total", Value}, {"_bucket", Bucket}, {"_sum", Sum}, {"_count", Count}, {"_created", Other}} {
		if base, ok := strings.CutSuffix(full, s.suffix); ok && base != "" {
			return base, s.part
		}
	}
	return full, Value
}
