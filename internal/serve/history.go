package serve

import (
	"cmp"
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/serve/live"
)

const (
	historyStep  = 5 * time.Second
	historySpan  = 16 * time.Minute // a quarter of an hour on the screen, and a minute before it for moving sums
	historySteps = int64(historySpan / historyStep)
	historyFresh = 15 * time.Second // a step is asked for again until it is that old
	historyStale = 30 * time.Second // unattended for longer than this, a history is made anew
	lineModels   = 7                // models with a line of their own in the charts
)

// seriesColumns are the members of a point, and what they are in a step: counts and sums of the step, quantiles in
// milliseconds, means of gauges. null where there is none.
var seriesColumns = []string{
	"requests", "errors", "latency_ms.p50", "latency_ms.p95", "latency_ms.p99", "ttft_ms.p50", "ttft_ms.p95", "ttft_ms.p99", "tokens.prompt", "tokens.completion",
	"feedback.count", "feedback.satisfaction", "feedback.thumbs_up", "feedback.thumbs_down", "cost_usd",
}

// systemColumns are told of all models together, whatever the filter: a host does not name a model.
var systemColumns = []event.Field{event.GPUUsage, event.GPUMemoryUsage, event.KVCacheUsage, event.CPUUsage, event.MemoryUsage, event.RequestsRunning, event.RequestsWaiting}

// modelColumns are the members of a point of one model among others.
var modelColumns = []string{"requests", "errors", "latency_ms.p95"}

// history is the last sixteen minutes in steps. A step is counted once it has passed, again while it is young, and now and
// then afterwards, because late events change the past.
type history struct {
	steps     map[int64]*step // by start, unix seconds
	refreshed time.Time
	sweep     int64 // start of the step that was last asked for again out of turn
	lines     map[string]bool
}

// step is what was counted within one, as it is sent.
type step struct {
	all    json.RawMessage // seriesColumns
	system json.RawMessage // systemColumns
	models map[string]*modelStep
}

type modelStep struct {
	requests, errors uint64
	full             json.RawMessage // seriesColumns
	short            json.RawMessage // modelColumns
}

// refresh brings the history up to now; it asks for nothing twice within a second.
func (h *history) refresh(w Windows, now time.Time) {
	if now.Sub(h.refreshed) < time.Second && !now.Before(h.refreshed) {
		return
	}
	if now.Sub(h.refreshed) > historyStale || now.Before(h.refreshed) {
		h.steps = make(map[int64]*step, historySteps)
	}
	h.refreshed = now
	size := int64(historyStep / time.Second)
	end := now.Unix() / size * size // of the newest step that has passed
	begin := end - historySteps*size
	for start := range h.steps {
		if start < begin || start >= end {
			delete(h.steps, start)
		}
	}
	young := now.Add(-historyFresh).Unix()
	h.sweep += size
	if h.sweep < begin || h.sweep >= end {
		h.sweep = begin
	}
	closed := false
	for start := begin; start < end; start += size {
		known := h.steps[start] != nil
		if !known || start+size > young || start == h.sweep {
			h.steps[start] = countStep(w, start)
			closed = closed || !known
		}
	}
	if closed || h.lines == nil {
		h.lines = h.busiest()
	}
}

func countStep(w Windows, start int64) *step {
	at := time.Unix(start, 0).UTC()
	from, to := w.Widen(at, at.Add(historyStep))
	overall, models, _, _ := w.Window(from, to)
	if overall == nil {
		overall = &agg.Cell{}
	}
	capModels(models, maxModels)
	if n := to.Sub(from) / historyStep; n > 1 {
		k := at.Sub(from) / historyStep
		divide(overall, int64(k), int64(n))
		for _, c := range models {
			divide(c, int64(k), int64(n))
		}
	}
	s := &step{all: point(overall), system: gauges(overall), models: make(map[string]*modelStep, len(models))}
	for name, c := range models {
		b := strconv.AppendUint([]byte{'['}, c.Requests, 10)
		b = strconv.AppendUint(append(b, ','), c.Errors, 10)
		b = appendNumber(append(b, ','), c.Latency.QuantileMS(0.95))
		s.models[name] = &modelStep{requests: c.Requests, errors: c.Errors, full: point(c), short: append(b, ']')}
	}
	return s
}

// divide leaves the k-th of n equal parts of what a cell counts, so that together the steps of a longer pane count what is in it. How long
// requests took is said of each as of all.
func divide(c *agg.Cell, k, n int64) {
	part := func(v int64) int64 { return v/n + (v%n*(k+1)/n - v%n*k/n) }
	for _, v := range [...]*uint64{&c.Requests, &c.Errors, &c.Feedback.Count, &c.Feedback.ThumbsUp, &c.Feedback.ThumbsDown} {
		*v = uint64(part(int64(*v)))
	}
	for _, v := range [...]*int64{&c.Tokens.Prompt, &c.Tokens.Completion, &c.Cost} {
		*v = part(*v)
	}
}

// point tells a cell in the order of seriesColumns.
func point(c *agg.Cell) json.RawMessage {
	b := make([]byte, 0, 96)
	b = append(b, '[')
	for i, v := range [...]float64{
		float64(c.Requests), float64(c.Errors), c.Latency.QuantileMS(0.50), c.Latency.QuantileMS(0.95), c.Latency.QuantileMS(0.99), c.TTFT.QuantileMS(0.50), c.TTFT.QuantileMS(0.95), c.TTFT.QuantileMS(0.99),
		float64(c.Tokens.Prompt), float64(c.Tokens.Completion), float64(c.Feedback.Count), satisfaction(c), float64(c.Feedback.ThumbsUp), float64(c.Feedback.ThumbsDown), cost(c),
	} {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendNumber(b, v)
	}
	return append(b, ']')
}

func satisfaction(c *agg.Cell) float64 {
	if c.Feedback.Scores == 0 {
		return math.NaN()
	}
	return c.Feedback.Score.Mean(c.Feedback.Scores)
}

func cost(c *agg.Cell) float64 {
	if c.Priced == 0 {
		return math.NaN()
	}
	return agg.USD(c.Cost).Float()
}

// gauges tells the means of a cell in the order of systemColumns, nil when it has none of them.
func gauges(c *agg.Cell) json.RawMessage {
	b, some := []byte{'['}, false
	for i, f := range systemColumns {
		v := math.NaN()
		for g := range c.System.Gauges {
			if c.System.Gauges[g].Name == event.Catalogue[f].Name {
				v, some = c.System.Gauges[g].Mean(), true
			}
		}
		if i > 0 {
			b = append(b, ',')
		}
		b = appendNumber(b, v)
	}
	if !some {
		return nil
	}
	return append(b, ']')
}

// appendNumber appends v with five significant digits, whole numbers in full, null for what is none: a picture needs no more.
func appendNumber(b []byte, v float64) []byte {
	switch {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return append(b, "null"...)
	case v == math.Trunc(v) && math.Abs(v) < 1e15:
		return strconv.AppendInt(b, int64(v), 10)
	default:
		return strconv.AppendFloat(b, v, 'g', 5, 64)
	}
}

// busiest returns the models that get a line of their own.
func (h *history) busiest() map[string]bool {
	sum := map[string]uint64{}
	for _, s := range h.steps {
		for name, m := range s.models {
			sum[name] += m.requests
		}
	}
	delete(sum, otherModel)
	names := sortedKeys(sum)
	slices.SortStableFunc(names, func(a, b string) int { return cmp.Compare(sum[b], sum[a]) })
	lines := map[string]bool{}
	for _, name := range names[:min(len(names), lineModels)] {
		if sum[name] > 0 {
			lines[name] = true
		}
	}
	return lines
}

// series tells the history as objects by the start of the step, so that a merge patch adds one and drops one:
// {"step", "columns", "points":{T:[…]}, "system_columns", "system":{T:[…]}, "model_columns", "models":{NAME:{T:[…]}}}.
func (h *history) series(f live.Filter) live.Object {
	points, system, models := make(live.Object, len(h.steps)), live.Object{}, live.Object{}
	for name := range h.lines {
		if f.Model == "" || f.Model == name {
			models[name] = make(live.Object, len(h.steps))
		}
	}
	empty := point(&agg.Cell{})
	for start, s := range h.steps {
		t := strconv.FormatInt(start, 10)
		if s.system != nil {
			system[t] = s.system
		}
		if f.Model != "" {
			points[t] = empty
			if m := s.models[f.Model]; m != nil {
				points[t] = m.full
			}
		} else {
			points[t] = s.all
		}
		h.addModels(models, s, t, f)
	}
	return live.Object{
		"step": raw(strconv.FormatInt(int64(historyStep/time.Second), 10)), "columns": columnNames, "points": points,
		"system_columns": systemNames, "system": system, "model_columns": modelNames, "models": models,
	}
}

// addModels adds one step to the lines of the models; those without a line are told as one.
func (h *history) addModels(models live.Object, s *step, t string, f live.Filter) {
	var requests, errors uint64
	for name, m := range s.models {
		switch {
		case f.Model != "" && f.Model != name:
		case h.lines[name]:
			models[name].(live.Object)[t] = m.short
		default:
			requests, errors = requests+m.requests, errors+m.errors
		}
	}
	if requests == 0 {
		return
	}
	name := otherModel
	if f.Model != "" {
		name = f.Model
	}
	if models[name] == nil {
		models[name] = live.Object{}
	}
	models[name].(live.Object)[t] = raw("[" + strconv.FormatUint(requests, 10) + "," + strconv.FormatUint(errors, 10) + ",null]")
}

var columnNames, systemNames, modelNames = names(seriesColumns), names(fieldNames(systemColumns)), names(modelColumns)

func fieldNames(fields []event.Field) []string {
	out := make([]string, len(fields))
	for i, f := range fields {
		out[i] = event.Catalogue[f].Name
	}
	return out
}

func names(list []string) json.RawMessage {
	b, err := json.Marshal(list)
	if err != nil {
		panic(err) // strings always encode
	}
	return b
}
