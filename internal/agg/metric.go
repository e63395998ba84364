package agg

import (
	"slices"
	"strings"
)

// Metric is one number of a Cell by the name under which it stands in Stats, e.g. "requests" or "latency_ms.p95".
type Metric struct {
	Name string
	of   func(c *Cell, seconds float64) (float64, bool)
	// weight is of how many values it is a mean, a share or a percentile; nil of what adds up when cells do.
	weight func(c *Cell) uint64
}

// Of returns the number over a span of so many seconds; not ok where data are absent.
func (m Metric) Of(c *Cell, seconds float64) (v float64, ok bool) { return m.of(c, seconds) }

// Weight returns of how many values of a cell the number is a mean, a share or a percentile; not ok of what adds up when cells do.
func (m Metric) Weight(c *Cell) (n float64, ok bool) {
	if m.weight == nil {
		return 0, false
	}
	return float64(m.weight(c)), true
}

// gaugePrefix stands before the names of means of system metrics, which are as many as producers invent.
const gaugePrefix = "system."

// ParseMetric finds a metric by its name. "tokens" is "tokens.total".
func ParseMetric(name string) (Metric, bool) {
	if of, ok := metrics[name]; ok {
		return Metric{name, of, weightOf(name)}, true
	}
	if gauge, ok := strings.CutPrefix(name, gaugePrefix); ok && gauge != "" && len(gauge) <= 256 {
		mean := func(c *Cell, _ float64) (float64, bool) {
			if at, found := c.System.find(gauge); found {
				return c.System.Gauges[at].Mean(), true
			}
			return 0, false
		}
		weight := func(c *Cell) uint64 {
			if at, found := c.System.find(gauge); found {
				return c.System.Gauges[at].Count
			}
			return 0
		}
		return Metric{name, mean, weight}, true
	}
	return Metric{}, false
}

// weightOf is Metric.weight of what Stats have beside gauges.
func weightOf(name string) func(*Cell) uint64 {
	switch name {
	case "error_rate":
		return func(c *Cell) uint64 { return c.Requests - c.Unknown }
	case "feedback.satisfaction":
		return func(c *Cell) uint64 { return c.Feedback.Scores }
	case "feedback.accuracy":
		return func(c *Cell) uint64 { return c.Feedback.Accuracies }
	}
	measure, stat, _ := strings.Cut(name, ".")
	if of := measures[measure]; of != nil && stat != "count" {
		return func(c *Cell) uint64 { return of(c).count }
	}
	return nil
}

// measures of a cell, by the name that their numbers begin with.
var measures = map[string]func(*Cell) *Measure{
	"latency_ms": func(c *Cell) *Measure { return &c.Latency },
	"ttft_ms":    func(c *Cell) *Measure { return &c.TTFT },
	"tpot_ms":    func(c *Cell) *Measure { return &c.TPOT },
}

// MetricNames lists the names that ParseMetric knows, system gauges aside.
func MetricNames() []string {
	names := make([]string, 0, len(metrics))
	for name := range metrics {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

var metrics = func() map[string]func(*Cell, float64) (float64, bool) {
	type number = func(*Cell, float64) (float64, bool)
	count := func(of func(*Cell) uint64) number {
		return func(c *Cell, _ float64) (float64, bool) { return float64(of(c)), true }
	}
	sum := func(of func(*Cell) int64) number {
		return func(c *Cell, _ float64) (float64, bool) { return float64(of(c)), true }
	}
	usd := func(n func(*Cell) uint64, of func(*Cell) int64) number {
		return func(c *Cell, _ float64) (float64, bool) { return USD(of(c)).Float(), n(c) > 0 }
	}
	mean := func(n func(*Cell) uint64, of func(*Cell) *ExactSum) number {
		return func(c *Cell, _ float64) (float64, bool) {
			if n(c) == 0 {
				return 0, false
			}
			return of(c).Mean(n(c)), true
		}
	}
	m := map[string]number{
		"requests":          count(func(c *Cell) uint64 { return c.Requests }),
		"errors":            count(func(c *Cell) uint64 { return c.Errors }),
		"unknown":           count(func(c *Cell) uint64 { return c.Unknown }),
		"unpriced_requests": count((*Cell).Unpriced),
		"unique_users":      count(func(c *Cell) uint64 { return c.Users.Count() }),
		"unique_sessions":   count(func(c *Cell) uint64 { return c.Sessions.Count() }),
		"events":            count(func(c *Cell) uint64 { return c.Events }),
		"late_events":       count(func(c *Cell) uint64 { return c.Late }),
		"error_rate": func(c *Cell, _ float64) (float64, bool) {
			known := c.Requests - c.Unknown
			return float64(c.Errors) / max(float64(known), 1), known > 0
		},
		"throughput_rps": func(c *Cell, seconds float64) (float64, bool) {
			return float64(c.Requests) / max(seconds, 1e-9), seconds > 0
		},
		"tokens.prompt":         sum(func(c *Cell) int64 { return c.Tokens.Prompt }),
		"tokens.completion":     sum(func(c *Cell) int64 { return c.Tokens.Completion }),
		"tokens.total":          sum(func(c *Cell) int64 { return c.Tokens.Total }),
		"tokens.cached":         sum(func(c *Cell) int64 { return c.Tokens.Cached }),
		"tokens.reasoning":      sum(func(c *Cell) int64 { return c.Tokens.Reasoning }),
		"cost_usd":              usd(func(c *Cell) uint64 { return c.Priced }, func(c *Cell) int64 { return c.Cost }),
		"feedback.count":        count(func(c *Cell) uint64 { return c.Feedback.Count }),
		"feedback.thumbs_up":    count(func(c *Cell) uint64 { return c.Feedback.ThumbsUp }),
		"feedback.thumbs_down":  count(func(c *Cell) uint64 { return c.Feedback.ThumbsDown }),
		"feedback.satisfaction": mean(func(c *Cell) uint64 { return c.Feedback.Scores }, func(c *Cell) *ExactSum { return &c.Feedback.Score }),
		"feedback.accuracy":     mean(func(c *Cell) uint64 { return c.Feedback.Accuracies }, func(c *Cell) *ExactSum { return &c.Feedback.Accuracy }),
		"business.events":       count(func(c *Cell) uint64 { return c.Business.Events }),
		"business.value_usd":    usd(func(c *Cell) uint64 { return c.Business.Valued }, func(c *Cell) int64 { return c.Business.Value() }),
		"business.cost_usd":     usd(func(c *Cell) uint64 { return c.Business.Priced }, func(c *Cell) int64 { return c.Business.Cost }),
		"system.samples":        count(func(c *Cell) uint64 { return c.System.Samples }),
	}
	m["tokens"] = m["tokens.total"]
	for name, of := range measures {
		measured := func(value func(*Measure) float64) number {
			return func(c *Cell, _ float64) (float64, bool) {
				if of(c).count == 0 {
					return 0, false
				}
				return value(of(c)), true
			}
		}
		m[name+".count"] = count(func(c *Cell) uint64 { return of(c).count })
		m[name+".avg"] = measured((*Measure).AvgMS)
		m[name+".min"] = measured(func(m *Measure) float64 { return float64(m.min) / nsPerMS })
		m[name+".max"] = measured(func(m *Measure) float64 { return float64(m.max) / nsPerMS })
		for p, q := range map[string]float64{"p50": 0.50, "p95": 0.95, "p99": 0.99} {
			m[name+"."+p] = measured(func(m *Measure) float64 { return m.QuantileMS(q) })
		}
	}
	return m
}()
