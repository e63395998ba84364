package batch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/sorting"
)

// What business intelligence looks at: for each day and value of a dimension the few numbers that its questions need. They are made of
// the stored hours, one day in memory at a time; an hour that is behind is folded for it and not stored.

// Bounds of one look.
const (
	mostDays   = 400
	mostValues = 200  // of a dimension, those with the most requests
	mostKept   = 2000 // of a dimension, while days are read: strangers choose the names, and each value kept holds numbers for all days
	enoughN    = 10   // requests of a day without which it has no latency and no unit cost
)

// valueDays is the numbers of one value by day.
type valueDays struct {
	value    string
	sofar    float64 // requests of all days
	requests []float64
	errors   []float64
	unpriced float64
	cost     []int64   // nano-USD
	unit     []float64 // USD per million tokens, where all is priced
	p50, p95 []float64 // ms
	ttft     []float64 // ms, median
	scores   float64
	score    float64 // sum of them
	gpu, kv  []float64
	running  []float64 // requests at a time on a machine
	waiting  []float64 // in its queue
	queue    float64   // the longest that was sampled
}

// outlook is what is known of the days [from, from + days).
type outlook struct {
	from   time.Time
	days   int
	hours  int             // with data
	behind int             // of them, those whose newer data is not counted
	cut    map[string]bool // dimensions with more values than are kept
	by     map[string]map[string]*valueDays
	judged *contented // once it was read
	hourly []float64  // requests by hour of the range, for the shape of a day
}

// total is everything together.
func (l *outlook) total() *valueDays { return l.value(agg.ByModel, agg.AllModels) }

// value returns the numbers of a value, and makes them when there are none.
func (l *outlook) value(dimension, value string) *valueDays {
	d := l.by[dimension][value]
	if d == nil {
		absent := func() []float64 { return slices.Repeat([]float64{math.NaN()}, l.days) }
		d = &valueDays{value: value, requests: make([]float64, l.days), errors: make([]float64, l.days), cost: make([]int64, l.days),
			unit: absent(), p50: absent(), p95: absent(), ttft: absent(), gpu: absent(), kv: absent(),
			running: absent(), waiting: absent()}
		l.by[dimension][value] = d
	}
	return d
}

// values are those of a dimension with the most requests, by name.
func (l *outlook) values(dimension string) []*valueDays {
	var out []*valueDays
	for name, d := range l.by[dimension] {
		if name != agg.AllModels && name != agg.Others {
			out = append(out, d)
		}
	}
	sorting.By(out, func(a, b *valueDays) int {
		return cmp.Or(cmp.Compare(sumOf(b.requests), sumOf(a.requests)), cmp.Compare(a.value, b.value))
	})
	out = out[:min(len(out), mostValues)]
	sorting.By(out, func(a, b *valueDays) int { return cmp.Compare(a.value, b.value) })
	return out
}

func sumOf(xs []float64) (s float64) {
	for _, x := range xs {
		if !math.IsNaN(x) {
			s += x
		}
	}
	return s
}

// outlook reads the hours of whole days. rows counts the raw events that are read for hours that are behind; when they are too many, the
// rest of those hours stands as it was aggregated before.
func (s *Service) outlook(ctx context.Context, hours []event.HourState, from, to time.Time, rows *reading, dimensions ...string) (*outlook, error) {
	l := &outlook{from: from, days: int(to.Sub(from) / (24 * time.Hour)), by: map[string]map[string]*valueDays{}, cut: map[string]bool{}}
	l.hourly = make([]float64, 24*l.days)
	for _, d := range dimensions {
		l.by[d] = map[string]*valueDays{}
	}
	for len(hours) > 0 {
		day, n, sum := (hours[0].Hour-from.Unix())/86400, 0, cells{}
		for ; n < len(hours) && (hours[n].Hour-from.Unix())/86400 == day; n++ {
			encoded, err := s.cellsOf(ctx, hours[n], rows)
			if _, large := errors.AsType[*agg.Refusal](err); large {
				l.behind++
				encoded, _, err = s.deps.Periods.Cells(ctx, "hourly", hours[n].Hour)
			}
			if err != nil {
				return nil, err
			}
			if err := l.hour(&hours[n], encoded, sum); err != nil {
				return nil, err
			}
		}
		hours = hours[n:]
		l.take(int(day), sum)
	}
	return l, nil
}

// take writes a day. Of each dimension it keeps the values with the most requests so far.
func (l *outlook) take(day int, sum cells) {
	for dimension, by := range l.by {
		kept := l.kept(dimension, sum)
		maps.DeleteFunc(by, func(value string, _ *valueDays) bool { return !kept[value] })
		for value := range kept {
			if c := sum[agg.Group{Dimension: dimension, Value: value}]; c != nil {
				l.value(dimension, value).take(day, c)
			}
		}
	}
}

// kept are the values of a dimension that are kept once a day is added: mostKept of them, and the totals.
func (l *outlook) kept(dimension string, sum cells) map[string]bool {
	requests := map[string]float64{}
	for value, d := range l.by[dimension] {
		requests[value] = d.sofar
	}
	for g, c := range sum {
		if g.Dimension == dimension {
			requests[g.Value] += float64(c.Requests)
		}
	}
	kept := map[string]bool{}
	for _, always := range []string{agg.AllModels, agg.Others} {
		if _, ok := requests[always]; ok {
			kept[always] = true
			delete(requests, always)
		}
	}
	names := slices.Collect(maps.Keys(requests))
	if len(names) > mostKept {
		l.cut[dimension] = true
		sorting.By(names, func(a, b string) int { return cmp.Or(cmp.Compare(requests[b], requests[a]), cmp.Compare(a, b)) })
		names = names[:mostKept]
	}
	for _, name := range names {
		kept[name] = true
	}
	return kept
}

// cellsOf are the cells of an hour as they are now. What is behind its data is folded for it and not stored; rows counts the raw events
// that a whole question reads, and when they are too many the question is refused.
func (s *Service) cellsOf(ctx context.Context, h event.HourState, rows *reading) (map[agg.Group][]byte, error) {
	if h.Version == h.Built {
		encoded, _, err := s.deps.Periods.Cells(ctx, "hourly", h.Hour)
		return encoded, err
	}
	files, _, _, err := s.deps.Hours.HourSnapshot(ctx, h.Hour)
	if err != nil {
		return nil, err
	}
	if !rows.take(rowsOf(files)) {
		return nil, tooMuch("from", "hours of this time that are not aggregated have more than %d raw events together; wait until they are, or ask for a shorter time", maxCostRows)
	}
	f, err := s.recount(ctx, h.Hour, 0)
	if err != nil {
		return nil, err
	}
	return f.aggregate.Cells, nil
}

// hour adds the cells of an hour to those of its day.
func (l *outlook) hour(h *event.HourState, encoded map[agg.Group][]byte, sum cells) error {
	l.hours++
	for g, text := range encoded {
		if l.by[g.Dimension] == nil {
			continue
		}
		c := new(agg.Cell)
		if _, err := c.Decode(text); err != nil {
			return fmt.Errorf("the stored cell of %s %q of hour %s is damaged: %w; aggregate its period again", g.Dimension, g.Value, hourName(h.Hour), err)
		}
		if g == (agg.Group{Dimension: agg.ByModel, Value: agg.AllModels}) {
			l.hourly[(h.Hour-l.from.Unix())/3600] = float64(c.Requests)
		}
		sum.add(g, c)
	}
	return nil
}

// take writes a day.
func (d *valueDays) take(day int, c *agg.Cell) {
	d.sofar += float64(c.Requests)
	d.requests[day], d.errors[day], d.cost[day] = float64(c.Requests), float64(c.Errors), c.Cost
	d.unpriced += float64(c.Unpriced())
	if tokens := c.Tokens.Prompt + c.Tokens.Completion; c.Requests >= enoughN && c.Unpriced() == 0 && tokens > 0 && c.Cost > 0 {
		d.unit[day] = float64(c.Cost) / 1e9 / float64(tokens) * 1e6
	}
	st := c.Stats(86400)
	if st.LatencyMS.Count >= enoughN {
		d.p50[day], d.p95[day] = *st.LatencyMS.P50, *st.LatencyMS.P95
	}
	if st.TTFTMS.Count >= enoughN {
		d.ttft[day] = *st.TTFTMS.P50
	}
	d.scores += float64(c.Feedback.Scores)
	if st.Feedback.Satisfaction != nil {
		d.score += *st.Feedback.Satisfaction * float64(c.Feedback.Scores)
	}
	if g := c.System.Gauge(gaugeWaiting); g.Count > 0 {
		d.queue = max(d.queue, g.Max)
	}
	for to, name := range map[*[]float64]string{&d.gpu: "gpu_usage", &d.kv: "kv_cache_usage", &d.running: gaugeRunning, &d.waiting: gaugeWaiting} {
		if v := st.System.Mean(name); v != nil {
			(*to)[day] = *v
		}
	}
}
