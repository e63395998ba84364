package batch

import (
	"cmp"
	"context"
	"math"
	"slices"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// forecastMetrics are what is forecast of the hours, each a count or sum of an hour. A latency is none: it follows from load and machines, so the
// load is forecast. NaN is a value that is not known.
var forecastMetrics = map[string]func(*agg.Row) float64{
	"requests":          func(r *agg.Row) float64 { return float64(r.Requests) },
	"errors":            func(r *agg.Row) float64 { return float64(r.Errors) },
	"prompt_tokens":     func(r *agg.Row) float64 { return float64(r.PromptTokens) },
	"completion_tokens": func(r *agg.Row) float64 { return float64(r.CompletionTokens) },
	"total_tokens":      func(r *agg.Row) float64 { return float64(r.TotalTokens) },
	"cost_usd": func(r *agg.Row) float64 {
		switch {
		case r.CostUSD != nil:
			return *r.CostUSD
		case r.Requests > 0: // nobody priced them
			return math.NaN()
		}
		return 0
	},
}

// history is one metric of the stored hours, for each model and for all together.
type history struct {
	start  time.Time            // of the first hour
	values map[string][]float64 // by model; all end with the last hour, those of a model begin with its first one
	hours  int
}

func (h *history) end() time.Time { return h.start.Add(time.Duration(h.hours) * time.Hour) }

// historyRows returns the hours before end that a plan looks at.
func (s *Service) historyRows(ctx context.Context, end time.Time) ([]agg.Row, error) {
	stored := rowQuery{s: s, level: levels["hourly"], from: end.AddDate(0, 0, -capacityDays), to: end, dimension: agg.ByModel, value: "*"}
	rows, _, err := stored.page(ctx, 0, "")
	return rows, err
}

// historyOf reads a metric of rows, which are sorted by time. It ends with the last hour that has events, and before hours at the end whose events
// are not all counted yet.
func historyOf(rows []agg.Row, value func(*agg.Row) float64) history {
	h := history{values: map[string][]float64{}}
	if rows = settledRows(rows); len(rows) == 0 {
		return h
	}
	h.start = rows[0].Timestamp.UTC()
	at := func(r *agg.Row) int { return int(r.Timestamp.Sub(h.start) / time.Hour) }
	h.hours = at(&rows[len(rows)-1]) + 1
	first := map[string]int{}
	for i := range rows {
		r := &rows[i]
		if h.values[r.Model] == nil {
			h.values[r.Model] = make([]float64, h.hours-at(r))
			first[r.Model] = at(r)
		}
		h.values[r.Model][at(r)-first[r.Model]] = value(r)
	}
	for _, out := range outages(rows, h) {
		for model, v := range h.values {
			if k := out - first[model]; k >= 0 {
				v[k] = math.NaN()
			}
		}
	}
	return h
}

// settledRows leaves out, at the end, the hours without events and those of which not all events are counted yet.
func settledRows(rows []agg.Row) []agg.Row {
	n := len(rows)
	for n > 0 && (rows[n-1].Events == 0 || rows[n-1].Completeness != nil && *rows[n-1].Completeness < 1) {
		n--
	}
	for n > 0 && n < len(rows) && rows[n].Timestamp.Equal(rows[n-1].Timestamp) {
		n++ // a model of the last hour without events
	}
	return rows[:n]
}

// neverSilent is a count of events of which none at all in an hour is no chance: e⁻³⁰ by Poisson.
const neverSilent = 30

// outages returns the hours without any event where the same hour of the days and weeks beside always had many: then the events were not there
// to be counted, and the load is not known. Other hours without events were quiet.
func outages(rows []agg.Row, h history) (out []int) {
	events := make([]int64, h.hours)
	for i := range rows {
		if r := &rows[i]; r.Model == agg.AllModels {
			events[int(r.Timestamp.Sub(h.start)/time.Hour)] = r.Events
		}
	}
	for t, n := range events {
		if n > 0 {
			continue
		}
		known, least := 0, int64(math.MaxInt64)
		for _, apart := range []int{24, 48, 168} {
			for _, k := range []int{t - apart, t + apart} {
				if k >= 0 && k < len(events) && events[k] > 0 {
					known, least = known+1, min(least, events[k])
				}
			}
		}
		if known >= 2 && least >= neverSilent {
			out = append(out, t)
		}
	}
	return out
}

// busiest returns the models with the most of the metric, most first, without the total.
func (h *history) busiest(most int) []string {
	sums := map[string]float64{}
	var models []string
	for model, values := range h.values {
		if model == agg.AllModels {
			continue
		}
		models = append(models, model)
		for _, v := range values {
			if !math.IsNaN(v) {
				sums[model] += v
			}
		}
	}
	slices.SortFunc(models, func(a, b string) int { return cmp.Or(cmp.Compare(sums[b], sums[a]), cmp.Compare(a, b)) })
	return models[:min(most, len(models))]
}

// without returns the total less some models: what all others have together. A value of a model that is not known is none that the total has counted.
func (h *history) without(models []string) []float64 {
	out := slices.Clone(h.values[agg.AllModels])
	for _, m := range models {
		values := h.values[m]
		for i, v := range values {
			if !math.IsNaN(v) {
				out[len(out)-len(values)+i] -= v
			}
		}
	}
	for i, v := range out {
		out[i] = max(v, 0) // NaN stays; sums of money round
	}
	return out
}
