package past

import (
	"math"
	"strings"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// measures are those whose distribution can be asked for.
var measures = map[string]func(*agg.Cell) *agg.Measure{
	"latency_ms": func(c *agg.Cell) *agg.Measure { return &c.Latency },
	"ttft_ms":    func(c *agg.Cell) *agg.Measure { return &c.TTFT },
	"tpot_ms":    func(c *agg.Cell) *agg.Measure { return &c.TPOT },
}

// metric is one number of a cell, named as in the other APIs.
type metric struct {
	name string
	of   func(c *agg.Cell, seconds float64) (float64, bool)
}

// fan are percentiles that only pictures need.
var fan = map[string]float64{"p75": 0.75, "p90": 0.90, "p99.9": 0.999}

func parseMetric(name string) (metric, bool) {
	if m, ok := agg.ParseMetric(name); ok {
		return metric{m.Name, m.Of}, true
	}
	measure, percentile, _ := strings.Cut(name, ".")
	of, q := measures[measure], fan[percentile]
	return metric{name, func(c *agg.Cell, _ float64) (float64, bool) {
		return of(c).QuantileMS(q), of(c).Count() > 0
	}}, of != nil && q > 0
}

// perDoubling is how many bins a doubling has.
const perDoubling = 4

// bins tell how a measure is distributed in each step: Counts[k][i] values of step k lie within [Edges[i], Edges[i+1]), in
// milliseconds. A value near an edge may be told on its other side: sketches know it to 1 %.
type bins struct {
	Measure string     `json:"measure"`
	Edges   []float64  `json:"edges"`
	Counts  [][]uint64 `json:"counts"`
}

// binned sorts the measure of each cell into bins that grow by the fourth root of two. Bins are those from the smallest to the largest that is used.
func binned(measure string, cells []*agg.Cell) *bins {
	of := measures[measure]
	steps := make([]map[int]uint64, len(cells))
	low, high := math.MaxInt, math.MinInt
	for k, c := range cells {
		steps[k] = map[int]uint64{}
		of(c).Each(func(ms float64, n uint64) {
			bin := binOf(ms)
			steps[k][bin] += n
			low, high = min(low, bin), max(high, bin)
		})
	}
	b := &bins{Measure: measure, Edges: []float64{}, Counts: make([][]uint64, len(cells))}
	for i := low; low <= high && i <= high+1; i++ {
		b.Edges = append(b.Edges, math.Exp2(float64(i)/perDoubling))
	}
	for k := range cells {
		b.Counts[k] = make([]uint64, max(0, len(b.Edges)-1))
		for bin, n := range steps[k] {
			b.Counts[k][bin-low] = n
		}
	}
	return b
}

// binOf is the bin of a value; what is below a hundredth of a millisecond lies in the lowest one.
func binOf(ms float64) int { return int(math.Floor(math.Log2(max(ms, 0.01)) * perDoubling)) }
