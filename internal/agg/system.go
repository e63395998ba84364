package agg

import (
	"math"
	"slices"
	"strings"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// System summarises system_metric events: for every name its count, exact sum and ends.
//
// Names that the catalogue knows are always kept. Of the others a cell keeps the maxNames smallest in byte order, so that a
// stranger's names cost bounded memory. That rule is free of order: a name among the smallest of all was among the smallest
// of every part, so nothing of a kept name was ever dropped, and what was dropped anywhere is dropped everywhere. Names
// longer than maxNameBytes are not kept either.
type System struct {
	Samples uint64  // events
	Values  uint64  // numbers in them, those of dropped names included
	Gauges  []Gauge // sorted by name; to be read only
}

// Gauge summarises the values of one name.
type Gauge struct {
	Name     string
	Count    uint64
	Sum      ExactSum
	Min, Max float64
}

const (
	maxNames     = 64
	maxNameBytes = 128
)

// gaugeFields are the fields that are gauges, in the order of their codes in the encoding: only ever append.
var gaugeFields = [...]event.Field{
	event.CPUUsage, event.MemoryUsage, event.DiskUsage, event.GPUUsage, event.GPUMemoryUsage, event.KVCacheUsage,
	event.RequestsRunning, event.RequestsWaiting, event.PowerW, event.EnergyJ,
}

// gaugeCodes gives the code of a known name.
var gaugeCodes = func() map[string]int {
	m := make(map[string]int, len(gaugeFields))
	for i, f := range gaugeFields {
		m[event.Catalogue[f].Name] = i
	}
	return m
}()

func gaugeName(code int) string { return event.Catalogue[gaugeFields[code]].Name }

func (s *System) add(e *event.Event) {
	s.Samples++
	for _, f := range gaugeFields {
		if e.Has(f) {
			s.addValue(event.Catalogue[f].Name, e.Float(f))
		}
	}
	for _, m := range e.Metrics {
		s.addValue(m.Name, m.Value)
	}
}

func (s *System) addValue(name string, v float64) {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return // no valid event has one
	}
	s.Values++
	if g := s.gauge(name); g != nil {
		g.merge(&Gauge{Count: 1, Sum: ExactSum{one: v}, Min: v, Max: v})
	}
}

// gauge returns the gauge of a name, made when missing; nil when the name is not kept.
func (s *System) gauge(name string) *Gauge {
	at, found := s.find(name)
	if found {
		return &s.Gauges[at]
	}
	if _, known := gaugeCodes[name]; !known {
		if len(name) > maxNameBytes {
			return nil
		}
		if last, full := s.lastUnknown(); full {
			if last < at {
				return nil
			}
			s.Gauges = slices.Delete(s.Gauges, last, last+1)
		}
		name = strings.Clone(name)
	}
	s.Gauges = slices.Insert(s.Gauges, at, Gauge{Name: name})
	return &s.Gauges[at]
}

func (s *System) find(name string) (at int, found bool) {
	return slices.BinarySearchFunc(s.Gauges, name, func(g Gauge, name string) int { return strings.Compare(g.Name, name) })
}

// lastUnknown returns the place of the largest name that the catalogue does not know, and whether no more of them fit.
func (s *System) lastUnknown() (last int, full bool) {
	if len(s.Gauges) < maxNames {
		return -1, false
	}
	n, last := 0, -1
	for i := range s.Gauges {
		if _, known := gaugeCodes[s.Gauges[i].Name]; !known {
			n, last = n+1, i
		}
	}
	return last, n >= maxNames
}

// Gauge returns the summary of a name, the zero Gauge when there is none.
func (s *System) Gauge(name string) Gauge {
	if at, found := s.find(name); found {
		return s.Gauges[at]
	}
	return Gauge{}
}

// Dropped returns how many numbers belong to names that were not kept.
func (s *System) Dropped() uint64 {
	n := s.Values
	for i := range s.Gauges {
		n -= s.Gauges[i].Count
	}
	return n
}

// Mean returns the mean of the values, rounded once; NaN when there is none.
func (g *Gauge) Mean() float64 { return g.Sum.Mean(g.Count) }

func (g *Gauge) merge(o *Gauge) {
	if o.Count == 0 {
		return
	}
	if g.Count == 0 {
		g.Min, g.Max = o.Min, o.Max
	} else {
		g.Min, g.Max = min(g.Min, o.Min), max(g.Max, o.Max)
	}
	g.Count += o.Count
	g.Sum.Merge(&o.Sum)
}

// merge adds o, which stays as it is.
func (s *System) merge(o *System) {
	s.Samples += o.Samples
	s.Values += o.Values
	for i := range o.Gauges {
		if g := s.gauge(o.Gauges[i].Name); g != nil {
			g.merge(&o.Gauges[i])
		}
	}
}

func (s *System) reset() {
	clear(s.Gauges)
	s.Samples, s.Values, s.Gauges = 0, 0, s.Gauges[:0]
}

func (s *System) clone() System {
	c := System{Samples: s.Samples, Values: s.Values, Gauges: slices.Clone(s.Gauges)}
	for i := range c.Gauges {
		c.Gauges[i].Sum = s.Gauges[i].Sum.Clone()
	}
	return c
}
