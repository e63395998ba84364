package prom

import (
	"math"
	"slices"
)

// histogram is what was observed between two readings, over all series of an event.
type histogram struct {
	rule    *rule
	family  string
	count   float64
	sum     float64
	buckets map[float64]float64 // cumulative count by upper bound
}

// maxBuckets bounds the bounds of one histogram.
const maxBuckets = 512

func (h *histogram) add(bound, increase float64) {
	if h.buckets == nil {
		h.buckets = map[float64]float64{}
	}
	if _, ok := h.buckets[bound]; ok || len(h.buckets) < maxBuckets {
		h.buckets[bound] += increase
	}
}

// mean is what one observation was on average; false when nothing was observed.
func (h *histogram) mean() (float64, bool) {
	return h.sum / h.count, h.count > 0
}

// quantiles estimates as Prometheus does: evenly spread within a bucket; above the last finite bound it is that bound. Where
// bounds are missing, because remote write brought them in another request, the estimate is coarser and still between the
// bounds that are there. Without the bucket of everything there is none.
func (h *histogram) quantiles(of ...float64) []float64 {
	total := h.buckets[math.Inf(1)]
	if !(total > 0) || len(h.buckets) < 2 {
		return nil
	}
	bounds := make([]float64, 0, len(h.buckets))
	for b := range h.buckets {
		bounds = append(bounds, b)
	}
	slices.Sort(bounds)
	out := make([]float64, len(of))
	for i, q := range of {
		out[i] = h.quantile(bounds, q*total)
	}
	return out
}

func (h *histogram) quantile(bounds []float64, rank float64) float64 {
	below, low := 0.0, min(bounds[0], 0)
	for _, bound := range bounds {
		upTo := max(h.buckets[bound], below) // counters of one histogram are not read at one moment
		if upTo >= rank && upTo > below {
			if math.IsInf(bound, 1) {
				return low
			}
			return min(low+(bound-low)*(rank-below)/(upTo-below), bound)
		}
		below, low = upTo, bound
	}
	return bounds[len(bounds)-2]
}
