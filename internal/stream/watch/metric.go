package watch

import (
	"math"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// kind says how the numbers of a metric behave.
type kind uint8

const (
	count kind = iota // how many, in a step
	share             // of so many, how many
	level             // the middle of so many
)

// metric is what is watched of a model.
type metric struct {
	name string
	kind kind
	log  bool // of a level: ratios matter, not differences
	read func(c *agg.Cell) seen
}

// seen is a metric in one step: sum of n, or how many of n.
type seen struct {
	n     float64
	value float64 // of a count the count, of a share how many, of a level the middle; NaN when there is none
}

// metrics are named as in GET /analytics where they are there.
var metrics = [...]metric{
	{"requests", count, false, func(c *agg.Cell) seen { return seen{float64(c.Requests), float64(c.Requests)} }},
	{"error_rate", share, false, func(c *agg.Cell) seen { return seen{float64(c.Requests - c.Unknown), float64(c.Errors)} }},
	{"latency_ms.p50", level, true, func(c *agg.Cell) seen { return median(&c.Latency) }},
	{"ttft_ms.p50", level, true, func(c *agg.Cell) seen { return median(&c.TTFT) }},
	{"tpot_ms.p50", level, true, func(c *agg.Cell) seen { return median(&c.TPOT) }},
	{"tokens_per_request", level, true, func(c *agg.Cell) seen { return each(float64(c.Tokens.Total), c.Requests) }},
	{"cost_usd_per_request", level, true, func(c *agg.Cell) seen { return each(float64(c.Cost)/1e9, c.Priced) }},
	{"feedback.satisfaction", level, false, func(c *agg.Cell) seen {
		return each(c.Feedback.Score.Value(), c.Feedback.Scores)
	}},
}

// hurts tells whether it is bad for those who ask when the metric is more than usual, or less.
func (m *metric) hurts(up bool) bool { return up != (m.name == "feedback.satisfaction") }

// Metrics names what is watched.
func Metrics() []string {
	out := make([]string, 0, len(metrics))
	for _, m := range metrics {
		out = append(out, m.name)
	}
	return out
}

func median(m *agg.Measure) seen {
	if m.Count() == 0 {
		return seen{0, math.NaN()}
	}
	return seen{float64(m.Count()), m.QuantileMS(0.5)}
}

func each(sum float64, n uint64) seen {
	if n == 0 {
		return seen{0, math.NaN()}
	}
	return seen{float64(n), sum / float64(n)}
}
