package serve

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/serve/live"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// seconds is a Windows over cells by second and model.
type seconds struct {
	cells map[int64]map[string]*agg.Cell
	pane  int64 // seconds that are not told apart; 0 = all are
	asked int
}

func (s *seconds) Widen(from, to time.Time) (time.Time, time.Time) {
	n := max(s.pane, 1)
	return time.Unix(from.Unix()/n*n, 0).UTC(), time.Unix((to.Unix()+n-1)/n*n, 0).UTC()
}

func (s *seconds) add(at int64, e *event.Event) {
	if s.cells == nil {
		s.cells = map[int64]map[string]*agg.Cell{}
	}
	if s.cells[at] == nil {
		s.cells[at] = map[string]*agg.Cell{}
	}
	model := e.Text(event.Model)
	if s.cells[at][model] == nil {
		s.cells[at][model] = &agg.Cell{}
	}
	s.cells[at][model].Add(e, false)
}

func (s *seconds) Window(from, to time.Time) (*agg.Cell, map[string]*agg.Cell, time.Time, float64) {
	s.asked++
	from, to = s.Widen(from, to)
	all, models := &agg.Cell{}, map[string]*agg.Cell{}
	for at := from.Unix(); at < to.Unix(); at++ {
		for model, c := range s.cells[at] {
			all.Merge(c)
			if model == "" {
				continue
			}
			if models[model] == nil {
				models[model] = &agg.Cell{}
			}
			models[model].Merge(c)
		}
	}
	return all, models, to.Add(-2 * time.Second), 0.5
}

func request(model string, ms int64, ok bool) *event.Event {
	e := &event.Event{Kind: event.LLMRequest}
	e.SetText(event.Model, model)
	e.SetInt(event.DurationMS, ms*1e6)
	e.SetInt(event.PromptTokens, 10)
	e.SetInt(event.CompletionTokens, 5)
	e.SetInt(event.TotalTokens, 15)
	e.SetBool(event.Success, ok)
	return e
}

// seen is a state as a client sees it.
type seen struct {
	Window struct {
		Start, End time.Time
		Seconds    float64
	}
	Overall      agg.Stats
	Models       map[string]agg.Stats
	Rates        map[string]float64
	Recent       struct{ Overall, Previous agg.Stats }
	Completeness float64
	Series       struct {
		Step    int64
		Columns []string
		Points  map[string][]*float64
		System  map[string][]*float64
		Models  map[string]map[string][]*float64
	}
}

func look(t *testing.T, m *Metrics, now time.Time, f live.Filter) (seen, live.State) {
	t.Helper()
	s, err := m.State(t.Context(), now, f)
	if err != nil {
		t.Fatal(err)
	}
	var v seen
	text := s.Data.AppendJSON(nil)
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	if bytes.Contains(text, []byte(":null")) {
		t.Fatalf("a null member in %s", text)
	}
	return v, s
}

var noon = time.Date(2026, 3, 1, 12, 0, 0, 500e6, time.UTC)

func TestStateTellsWhatTheWindowsHold(t *testing.T) {
	w := &seconds{}
	for i := range int64(600) { // 1 request a second of a, every other second one of b that fails
		w.add(noon.Unix()-i, request("a", 100, true))
		if i%2 == 0 {
			w.add(noon.Unix()-i, request("b", 900, false))
		}
	}
	host := &event.Event{Kind: event.SystemMetric}
	host.SetFloat(event.GPUUsage, 50)
	w.add(noon.Unix()-7, host)
	m := NewMetrics(w, 5*time.Minute)
	all, s := look(t, m, noon, live.Filter{})
	if all.Overall.Requests != 450 || all.Overall.Errors != 150 || all.Models["a"].Requests != 300 || all.Models["b"].Errors != 150 || len(all.Models) != 2 {
		t.Errorf("window: %+v", all.Overall)
	}
	if !all.Window.End.Equal(noon.Truncate(time.Second).Add(time.Second)) || all.Window.End.Sub(all.Window.Start) != 5*time.Minute || all.Window.Seconds != 300 {
		t.Errorf("window %+v", all.Window)
	}
	if s.Watermark.IsZero() || all.Completeness != 0.5 || all.Recent.Overall.Requests != 90 || all.Recent.Previous.Requests != 90 {
		t.Errorf("watermark %v, completeness %v, recent %+v", s.Watermark, all.Completeness, all.Recent.Overall)
	}
	if r := all.Rates; r["requests_per_second"] != 1.5 || r["errors_per_second"] != 0.5 || r["completion_tokens_per_second"] != 7.5 {
		t.Errorf("rates %v", r)
	}
	if n := int64(len(all.Series.Points)); n != historySteps {
		t.Errorf("%d steps, not %d", n, historySteps)
	}
	newest := strconv.FormatInt(noon.Unix()-5, 10)
	p := all.Series.Points[newest]
	if at := func(name string) *float64 { return p[slices.Index(all.Series.Columns, name)] }; *at("requests") != 8 && *at("requests") != 7 || *at("latency_ms.p50") != 100 || at("ttft_ms.p95") != nil {
		t.Errorf("newest step %v", p)
	}
	if len(all.Series.System) != 1 || len(all.Series.Models) != 2 {
		t.Errorf("system %v, %d models", all.Series.System, len(all.Series.Models))
	}

	asked := w.asked
	one, _ := look(t, m, noon, live.Filter{Model: "b"})
	if w.asked != asked {
		t.Error("a filter of the same tick asked the windows again")
	}
	if one.Overall.Requests != 150 || len(one.Models) != 1 || len(one.Series.Models) != 1 || one.Rates["requests_per_second"] != 0.5 || len(one.Series.System) != 1 {
		t.Errorf("only b: %+v", one)
	}
	none, _ := look(t, m, noon, live.Filter{Model: "nobody"})
	if none.Overall.Requests != 0 || len(none.Models) != 0 || len(none.Series.Points) != len(all.Series.Points) {
		t.Errorf("nobody: %+v", none.Overall)
	}
}

// TestLongPanesCountOnce: steps of the history that lie in one pane share what is in it, and a window says what it covers.
func TestLongPanesCountOnce(t *testing.T) {
	for _, pane := range []int64{10, 60, 3600} {
		w := &seconds{pane: pane}
		for at := noon.Unix() - 7200; at < noon.Unix(); at++ {
			w.add(at, request("a", 100, at%3 > 0))
		}
		v, _ := look(t, NewMetrics(w, 5*time.Minute), noon, live.Filter{})
		requests, errors, tokens := slices.Index(v.Series.Columns, "requests"), slices.Index(v.Series.Columns, "errors"), slices.Index(v.Series.Columns, "tokens.completion")
		sums := make([]float64, len(v.Series.Columns))
		for start, p := range v.Series.Points {
			if *p[requests] != 5 {
				t.Fatalf("%d s: the step at %s has %v requests, not 5", pane, start, *p[requests])
			}
			for _, i := range []int{errors, tokens} {
				sums[i] += *p[i]
			}
		}
		if seconds := float64(historySteps * 5); sums[errors] != seconds/3 || sums[tokens] != 5*seconds {
			t.Errorf("%d s: %v errors and %v tokens in %v seconds", pane, sums[errors], sums[tokens], seconds)
		}
		if v.Rates["requests_per_second"] > 1 || v.Window.Seconds != v.Window.End.Sub(v.Window.Start).Seconds() || v.Window.Seconds < float64(v.Overall.Requests) {
			t.Errorf("%d s: %d requests in %+v, rates %v", pane, v.Overall.Requests, v.Window, v.Rates)
		}
	}
}

// TestHistoryFollows: what is kept from tick to tick is what a fresh history would hold, late events included.
func TestHistoryFollows(t *testing.T) {
	w := &seconds{}
	m := NewMetrics(w, time.Minute)
	now := noon
	for i := range 400 {
		w.add(now.Unix(), request("m"+strconv.Itoa(i/150), 100, true))
		if i%7 == 0 {
			w.add(now.Unix()-9, request("late", 300, true)) // late, within the time that steps are looked at again
		}
		look(t, m, now, live.Filter{})
		now = now.Add(time.Second)
	}
	for range historySteps { // the sweep comes by everywhere
		now = now.Add(time.Second)
		look(t, m, now, live.Filter{})
	}
	kept, _ := look(t, m, now, live.Filter{})
	fresh, _ := look(t, NewMetrics(w, time.Minute), now, live.Filter{})
	if a, b := fmt.Sprint(flat(kept.Series.Points)), fmt.Sprint(flat(fresh.Series.Points)); a != b {
		t.Errorf("kept  %s\nfresh %s", a, b)
	}
	if int64(len(kept.Series.Points)) != historySteps {
		t.Errorf("%d steps", len(kept.Series.Points))
	}
	before := w.asked
	look(t, m, now.Add(time.Second), live.Filter{})
	if n := w.asked - before; n > 10 {
		t.Errorf("a tick asked the windows %d times", n)
	}
}

func flat(points map[string][]*float64) (out []float64) {
	for _, t := range slices.Sorted(maps.Keys(points)) {
		out = append(out, *points[t][0])
	}
	return out
}

// TestPatchesStaySmall: a tick must not send the history again.
func TestPatchesStaySmall(t *testing.T) {
	w := &seconds{}
	for i := range int64(900) {
		for k := range int64(5) {
			w.add(noon.Unix()+20-i, request("model-"+strconv.FormatInt(k, 10), 100+i, i%50 > 0))
		}
	}
	m := NewMetrics(w, 5*time.Minute)
	_, before := look(t, m, noon, live.Filter{})
	whole, largest := len(before.Data.AppendJSON(nil)), 0
	for i := range 10 {
		_, after := look(t, m, noon.Add(time.Duration(i+1)*time.Second), live.Filter{})
		patch, _ := live.Diff(before.Data, after.Data)
		largest = max(largest, len(patch.AppendJSON(nil)))
		before = after
	}
	t.Logf("snapshot %d bytes, largest update %d bytes", whole, largest)
	if largest > whole/4 || largest > 16<<10 {
		t.Errorf("an update of %d bytes for a state of %d", largest, whole)
	}
}

// TestManyModels: the busiest stay, the others are told as one, and nothing is lost.
func TestManyModels(t *testing.T) {
	w := &seconds{}
	for i := range 500 {
		for range 1 + (i+3)%7 {
			w.add(noon.Unix()-10, request("model-"+strconv.Itoa(i), 100, true))
		}
	}
	v, _ := look(t, NewMetrics(w, time.Minute), noon, live.Filter{})
	var sum uint64
	for _, s := range v.Models {
		sum += s.Requests
	}
	if len(v.Models) != maxModels+1 || sum != v.Overall.Requests || v.Models[otherModel].Requests == 0 {
		t.Errorf("%d models, %d of %d requests", len(v.Models), sum, v.Overall.Requests)
	}
	if n := len(v.Series.Models); n != lineModels+1 {
		t.Errorf("%d lines", n)
	}
	var lines float64
	for _, points := range v.Series.Models {
		for _, p := range points {
			lines += *p[0]
		}
	}
	if uint64(lines) != sum {
		t.Errorf("the lines tell %v of %d requests", lines, sum)
	}
}

func TestEmptyWindows(t *testing.T) {
	v, _ := look(t, NewMetrics(nothing{}, time.Minute), noon, live.Filter{})
	if v.Overall.Requests != 0 || v.Rates["seconds"] != 10 || int64(len(v.Series.Points)) != historySteps {
		t.Errorf("%+v", v)
	}
}

type nothing struct{}

func (nothing) Widen(from, to time.Time) (time.Time, time.Time) { return from, to }

func (nothing) Window(time.Time, time.Time) (*agg.Cell, map[string]*agg.Cell, time.Time, float64) {
	return nil, nil, time.Time{}, 1
}

func BenchmarkTick(b *testing.B) {
	w := &seconds{}
	for i := range int64(1000) {
		for k := range int64(8) {
			w.add(noon.Unix()-i, request("model-"+strconv.FormatInt(k, 10), 100+i, true))
		}
	}
	m := NewMetrics(w, 5*time.Minute)
	before, _ := m.State(b.Context(), noon, live.Filter{})
	now := noon
	for b.Loop() {
		now = now.Add(time.Millisecond) // within one second: the history stands still
		after, err := m.State(b.Context(), now, live.Filter{})
		if err != nil {
			b.Fatal(err)
		}
		patch, _ := live.Diff(before.Data, after.Data)
		_ = patch.AppendJSON(nil)
		before = after
	}
}
