package past

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// noon is a whole day, and now 26.5 hours later.
var noon = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

func seconds(h float64) int64 { return noon.Unix() + int64(h*3600) }

// cell counts n requests of a model that took so many milliseconds.
func cell(model string, n int, ms int64) *agg.Cell {
	c := &agg.Cell{}
	for range n {
		var e event.Event
		e.Kind = event.LLMRequest
		e.SetText(event.Model, model)
		e.SetBool(event.Success, true)
		e.SetInt(event.DurationMS, ms*1e6)
		c.Add(&e, false)
	}
	return c
}

// panes holds cells by second and model.
type panes struct {
	at       map[int64]map[string]*agg.Cell
	coarsest int64
	hosts    int64   // coarsest of those by host
	told     float64 // of what is asked by host
}

func (p panes) About(_, _ int64, filter map[string]string, _ httpx.LeftOut, by string) (int64, time.Time, float64) {
	if by == "host" {
		return max(p.hosts, 1), noon.Add(26*time.Hour + 15*time.Minute), 1
	}
	return max(p.coarsest, 1), noon.Add(26*time.Hour + 15*time.Minute), 1
}

func (p panes) Busiest(from, to int64, filter map[string]string, without httpx.LeftOut, by string, most int) ([]string, []httpx.FieldError) {
	if by == "host" {
		return []string{"h"}, nil
	}
	if by != "model" {
		return nil, []httpx.FieldError{{Pointer: "?group_by", Detail: by + " is not kept apart"}}
	}
	var names []string
	for at, models := range p.at {
		for name := range models {
			if at >= from && at < to && !slices.Contains(names, name) && (filter["model"] == "" || filter["model"] == name) && !without.Has("model", name) {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return names[:min(most, len(names))], nil
}

func (p panes) Steps(from, to, step int64, filter map[string]string, without httpx.LeftOut, by string, values []string) ([][]*agg.Cell, []float64, []httpx.FieldError) {
	if without.Has("model", "hidden") {
		return nil, nil, []httpx.FieldError{{Pointer: "?without", Detail: "it may be among them"}}
	}
	var told []float64
	out := make([][]*agg.Cell, 1+len(values))
	for start := from; start < to; start += step {
		sums := make([]*agg.Cell, len(out))
		for i := range sums {
			sums[i] = &agg.Cell{}
		}
		for at, models := range p.at {
			for name, c := range models {
				if at < start || at >= start+step || filter["model"] != "" && filter["model"] != name || without.Has("model", name) {
					continue
				}
				sums[0].Merge(c)
				if i := slices.Index(values, name); i >= 0 {
					sums[i+1].Merge(c)
				}
			}
		}
		for i := range out {
			out[i] = append(out[i], sums[i])
		}
		if told = append(told, 1); by == "host" {
			told[len(told)-1] = p.told
		}
	}
	return out, told, nil
}

func (p panes) Events(from, to int64) map[int64]uint64 {
	out := map[int64]uint64{}
	for at, models := range p.at {
		for _, c := range models {
			if at >= from && at < to {
				out[at-at%hour] += c.Events
			}
		}
	}
	return out
}

// hours holds cells by level, start and model.
type hours struct {
	cells map[string]map[int64]map[string]*agg.Cell
	dirty map[int64]uint64 // events of hours that are not stored as they are now
	err   error
}

func (h hours) Events(_ context.Context, from, to int64) (map[int64]uint64, error) {
	out := map[int64]uint64{}
	for at, values := range h.cells[FromHours] {
		if at >= from && at < to {
			out[at] = values[agg.AllModels].Events
		}
	}
	for at, n := range h.dirty {
		if at >= from && at < to {
			out[at] = n
		}
	}
	return out, nil
}

func (h hours) Clean(_ context.Context, from, to int64) (hs, days map[int64]bool, ok bool, err error) {
	hs, days = map[int64]bool{}, map[int64]bool{}
	for at := range h.cells[FromHours] {
		if at >= from && at < to {
			hs[at] = true
		}
	}
	for at := range h.cells[FromDays] {
		if at >= from && at < to {
			days[at] = true
		}
	}
	return hs, days, true, h.err
}

// refuse is what the store says to a level or a dimension that it does not keep.
func (h hours) refuse(level, dimension string) error {
	if level != FromHours && level != FromDays || !slices.Contains(agg.Dimensions, dimension) {
		return errors.New("asked for " + level + " by " + dimension)
	}
	return nil
}

func (h hours) Busiest(_ context.Context, level, dimension string, _, _ int64, most int) ([]string, error) {
	names := []string{"b"}
	if most == mostStored {
		names = append(names, "a", agg.Others)
	}
	return names, h.refuse(level, dimension)
}

func (h hours) Cells(_ context.Context, level, dimension string, values []string, from, to int64, fn func(int64, string, *agg.Cell)) error {
	if err := h.refuse(level, dimension); err != nil || dimension != agg.ByModel {
		return err
	}
	for at, models := range h.cells[level] {
		for name, c := range models {
			if at >= from && at < to && slices.Contains(values, name) {
				fn(at, name, c)
			}
		}
	}
	return nil
}

// events are raw ones, by hour.
type events map[int64][]event.Event

func (e events) Rows(_ context.Context, from, _ int64) (int64, bool, error) {
	return int64(len(e[from])), e != nil, nil
}

func (e events) Events(_ context.Context, from, _ int64, fn func(*event.Event)) error {
	for i := range e[from] {
		fn(&e[from][i])
	}
	return nil
}

func service(live Live, stored Stored) *Service { return withRaw(live, stored, nil) }

func withRaw(live Live, stored Stored, raw events) *Service {
	s := New(live, stored, raw, slog.New(slog.DiscardHandler))
	s.Now = func() time.Time { return noon.Add(26*time.Hour + 30*time.Minute) }
	return s
}

func get(t *testing.T, s *Service, query string) (shown, *httptest.ResponseRecorder) {
	t.Helper()
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequest("GET", "/range?"+query, nil))
	var v shown
	if w.Code == http.StatusOK {
		if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil {
			t.Fatal(err)
		}
	}
	return v, w
}

func numbers(l line) []float64 {
	out := make([]float64, len(l.Values))
	for i, v := range l.Values {
		if out[i] = -1; v != nil {
			out[i] = *v
		}
	}
	return out
}

// world: hour 0 is stored and gone from the panes, hour 1 is in both and the store knows more, hour 26 runs.
func world() (panes, hours) {
	live := panes{at: map[int64]map[string]*agg.Cell{
		seconds(1.5): {"a": cell("a", 2, 100)}, seconds(3): {"c": cell("c", 4, 100)}, seconds(26): {"a": cell("a", 5, 200), "c": cell("c", 1, 100)},
	}}
	all := cell("a", 3, 100)
	all.Merge(cell("b", 7, 50))
	return live, hours{cells: map[string]map[int64]map[string]*agg.Cell{
		FromHours: {seconds(0): {agg.AllModels: cell("b", 7, 50), "b": cell("b", 7, 50)}, seconds(1): {agg.AllModels: cell("a", 3, 100), "a": cell("a", 3, 100)}, seconds(26): {agg.AllModels: cell("a", 1, 1)}},
		FromDays:  {},
	}}
}

const span = "from=2026-03-01T00:00:00Z&to=2026-03-02T02:30:00Z&"

// TestSeams: what is stored, what is not and what runs make one series, and the running hour is never taken from the store.
func TestSeams(t *testing.T) {
	live, stored := world()
	v, w := get(t, service(live, stored), span+"step=3600&metric=requests,latency_ms.p95,latency_ms.p99.9&group_by=model&group_metric=requests")
	if w.Code != 200 || v.Step != 3600 || v.From != seconds(0) || v.To != seconds(27) {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	want := make([]float64, 27)
	want[0], want[1], want[3], want[26] = 7, 3, 4, 6
	if got := numbers(v.Series[0]); !slices.Equal(got, want) {
		t.Errorf("requests: %v, not %v", got, want)
	}
	if p95 := numbers(v.Series[1]); p95[0] < 49.5 || p95[0] > 50.5 || p95[2] != -1 {
		t.Errorf("p95: %v", p95)
	}
	if most := numbers(v.Series[2]); most[26] < 198 || most[26] > 202 || most[2] != -1 {
		t.Errorf("p99.9: %v", most)
	}
	sums := map[string]float64{}
	for _, l := range v.Series[3:] {
		for _, n := range numbers(l) {
			sums[*l.Key["model"]] += n
		}
	}
	if sums["a"] != 8 || sums["b"] != 7 || sums["c"] != 5 || *v.Series[3].Key["model"] != "a" {
		t.Errorf("models: %v, first %v", sums, *v.Series[3].Key["model"])
	}
	if got := v.Sources; len(got) != 2 || got[0] != (run{seconds(0), seconds(2), FromHours}) || got[1] != (run{seconds(2), seconds(27), FromPanes}) {
		t.Errorf("sources: %v", got)
	}
	if c := v.Completeness; c[0] != 1 || c[25] != 1 || c[26] != 0.25 {
		t.Errorf("completeness: %v", c)
	}
}

// TestFilters: stored cells are told apart by one dimension alone; with more the panes answer by themselves.
func TestFilters(t *testing.T) {
	live, stored := world()
	s := service(live, stored)
	v, _ := get(t, s, span+"step=10800&metric=requests&model=b")
	if got := numbers(v.Series[0]); got[0] != 7 || got[8] != 0 {
		t.Errorf("model b: %v", got)
	}
	if v, _ = get(t, s, span+"step=10800&metric=requests&model=a&tenant=t"); v.Sources[0].Source != FromPanes {
		t.Errorf("two dimensions: %v", v.Sources)
	}
}

// TestWithout: stored hours without a model are all other models and what names none, as panes and raw events are; an hour that cannot tell it
// exactly is left to the panes, and what these cannot leave out is refused.
func TestWithout(t *testing.T) {
	live, stored := world()
	of := func(n int, model string) *agg.Cell { // with ratings that name no model
		all := cell(model, n, 50)
		for range 2 {
			var e event.Event
			e.Kind = event.UserFeedback
			e.SetFloat(event.SatisfactionScore, 4)
			all.Add(&e, false)
		}
		return all
	}
	first, second := of(7, "b"), of(3, "a")
	first.Merge(cell("a", 5, 400))
	stored.cells[FromHours][seconds(0)] = map[string]*agg.Cell{agg.AllModels: first, "b": cell("b", 7, 50), "a": cell("a", 5, 400)}
	stored.cells[FromHours][seconds(1)] = map[string]*agg.Cell{agg.AllModels: second, agg.Others: cell("a", 3, 50)} // the panes have two of a
	day := of(1, "b")
	stored.cells[FromDays][seconds(-24)] = map[string]*agg.Cell{agg.AllModels: day, "b": cell("b", 1, 50)}
	raw := events{}
	s := withRaw(live, stored, raw)
	v, w := get(t, s, span+"step=3600&metric=requests,latency_ms.p99,feedback.count&group_by=model&group_metric=requests&without=model:a")
	if w.Code != 200 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if got := numbers(v.Series[0]); got[0] != 7 || got[1] != 0 || got[3] != 4 || got[26] != 1 {
		t.Errorf("requests without a: %v", got)
	}
	if got := numbers(v.Series[1])[0]; got > 51 {
		t.Errorf("p99 without the slow ones: %v ms", got)
	}
	if got := numbers(v.Series[2]); got[0] != 2 {
		t.Errorf("ratings that name no model: %v", got)
	}
	for _, l := range v.Series[3:] {
		if *l.Key["model"] == "a" {
			t.Error("a is told")
		}
	}
	if got := v.Sources; got[0] != (run{seconds(0), seconds(1), FromHours}) || got[1].Source != FromPanes {
		t.Errorf("sources: %v", got)
	}
	if v, _ := get(t, s, span+"step=3600&metric=requests,feedback.count&without=model:&without=model:a"); numbers(v.Series[0])[0] != 7 || numbers(v.Series[1])[0] != 0 {
		t.Errorf("without what names none: %v", v.Series)
	}
	if v, _ := get(t, s, "from=2026-02-28T00:00:00Z&to=2026-03-01T00:00:00Z&step=86400&metric=requests&without=model:a"); numbers(v.Series[0])[0] != 1 || v.Sources[0].Source != FromDays {
		t.Errorf("a day without a: %+v", v)
	}
	if v, _ := get(t, s, span+"step=3600&metric=requests&without=model:a&tenant=t"); v.Sources[0].Source != FromPanes {
		t.Errorf("two dimensions: %v", v.Sources)
	}
	for query, want := range map[string]string{"without=colour:red": "give DIMENSION:VALUE", "without=model:hidden": "may be among them"} {
		if _, w := get(t, s, span+"step=3600&metric=requests&"+query); w.Code != http.StatusUnprocessableEntity || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: %d %s", query, w.Code, w.Body)
		}
	}
	for i := range 4 {
		var e event.Event
		e.Kind, e.Time, e.HasTime = event.LLMRequest, seconds(0)*1e6, true
		e.SetText(event.Model, []string{"b", "a"}[i%2])
		raw[seconds(0)] = append(raw[seconds(0)], e)
	}
	if v, _ := get(t, s, "from=2026-03-01T00:00:00Z&to=2026-03-01T00:30:00Z&step=60&metric=requests&without=model:a"); v.Sources[0].Source != FromRaw || numbers(v.Series[0])[0] != 2 {
		t.Errorf("raw minutes without a: %+v", v)
	}
}

// ranked is a store that knows how busy values are, and which cells it is asked for.
type ranked struct {
	hours
	names []string
	calls *[]int // cells that may come at a time
}

func (r ranked) Busiest(_ context.Context, _, _ string, _, _ int64, most int) ([]string, error) {
	return r.names[:min(most, len(r.names))], nil
}

func (r ranked) Cells(ctx context.Context, level, dimension string, values []string, from, to int64, fn func(int64, string, *agg.Cell)) error {
	*r.calls = append(*r.calls, len(values)*int((to-from)/hour))
	return r.hours.Cells(ctx, level, dimension, values, from, to, fn)
}

// TestWithoutTheBusiest: the values that are told one by one are as many as there can be, also of hours that the store alone remembers.
func TestWithoutTheBusiest(t *testing.T) {
	live, stored := world()
	stored.cells[FromHours][seconds(0)]["a"] = cell("a", 5, 100)
	stored.cells[FromHours][seconds(0)][agg.AllModels].Merge(cell("a", 5, 100))
	v, w := get(t, service(live, ranked{stored, []string{"b", "a"}, new([]int)}), "from=2026-03-01T00:00:00Z&to=2026-03-01T01:00:00Z&step=3600&group_by=model&group_metric=requests&limit=1&without=model:b")
	if w.Code != 200 || len(v.Series) != 1 || *v.Series[0].Key["model"] != "a" || numbers(v.Series[0])[0] != 5 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// TestWithoutOfAYear: of many values in many hours a bounded number of cells is in memory at a time, and all of them are counted.
func TestWithoutOfAYear(t *testing.T) {
	_, stored := world()
	names, calls := []string{"b", "a"}, []int{}
	for i := range mostStored - 3 {
		names = append(names, fmt.Sprint("m", i))
	}
	v, w := get(t, service(panes{}, ranked{stored, names, &calls}), "from=2025-03-02T00:00:00Z&to=2026-03-02T00:00:00Z&step=86400&metric=requests&without=model:m0")
	if w.Code != 200 || numbers(v.Series[0])[364] != 10 {
		t.Errorf("%d %.300s", w.Code, w.Body)
	}
	if most := slices.Max(calls); most > cellsOnce {
		t.Errorf("%d cells at a time", most)
	}
}

// TestLost: a span of which the panes have lost an hour is answered by hours, unless all of it is there.
func TestLost(t *testing.T) {
	live, stored := world()
	s := service(live, stored)
	if v, _ := get(t, s, "from=2026-03-01T00:00:00Z&to=2026-03-01T01:00:00Z&metric=requests&points=100"); v.Step != 3600 || numbers(v.Series[0])[0] != 7 {
		t.Errorf("a lost hour: step %d, %v", v.Step, v.Series)
	}
	if v, _ := get(t, s, "from=2026-03-01T03:00:00Z&to=2026-03-01T04:00:00Z&metric=requests&points=100"); v.Step != 60 || v.Wished != 60 {
		t.Errorf("an hour that is there: step %d", v.Step)
	}
	live.coarsest = 3600
	if v, _ := get(t, service(live, stored), "from=2026-03-01T03:10:00Z&to=2026-03-01T04:00:00Z&metric=requests&step=60"); v.Step != 3600 || v.Wished != 60 || v.From != seconds(3) {
		t.Errorf("coarse panes: step %d from %d", v.Step, v.From)
	}
}

// TestRaw: minutes that the panes no longer tell apart come from raw events, beside those that they do.
func TestRaw(t *testing.T) {
	live, stored := world()
	raw := events{}
	for i := range 7 {
		var e event.Event
		e.Kind, e.Time, e.HasTime = event.LLMRequest, seconds(0)*1e6+int64(i/3)*60e6, true
		e.SetText(event.Model, []string{"b", "a"}[i%2])
		raw[seconds(0)] = append(raw[seconds(0)], e)
	}
	v, w := get(t, withRaw(live, stored, raw), "from=2026-03-01T00:00:00Z&to=2026-03-01T04:00:00Z&step=60&metric=requests&group_by=model&group_metric=requests")
	if w.Code != 200 || v.Step != 60 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if got := numbers(v.Series[0]); got[0] != 3 || got[1] != 3 || got[2] != 1 || got[90] != 2 || got[180] != 4 {
		t.Errorf("requests: %v", got)
	}
	for _, l := range v.Series[1:] {
		if *l.Key["model"] == "b" && numbers(l)[0] != 2 {
			t.Errorf("model b: %v", numbers(l))
		}
	}
	if len(v.Sources) != 2 || v.Sources[0] != (run{seconds(0), seconds(1), FromRaw}) || v.Sources[1].Source != FromPanes {
		t.Errorf("sources: %v", v.Sources)
	}
	for i := range raw[seconds(0)] {
		raw[seconds(0)][i].SetText(event.Tenant, []string{"t", "u", "u"}[i%3])
	}
	if v, _ = get(t, withRaw(live, stored, raw), "from=2026-03-01T00:00:00Z&to=2026-03-01T01:00:00Z&step=60&metric=requests&model=b&tenant=u"); v.Sources[0].Source != FromRaw || !slices.Equal(numbers(v.Series[0])[:3], []float64{1, 1, 0}) {
		t.Errorf("two dimensions: %v, %v", v.Sources, v.Series)
	}
	v, _ = get(t, withRaw(live, stored, raw), "from=2026-03-01T00:00:00Z&to=2026-03-01T01:00:00Z&step=60&tenant=t&group_by=model&group_metric=requests")
	if len(v.Series) != 2 || *v.Series[0].Key["model"] != "b" || !slices.Equal(numbers(v.Series[0])[:3], []float64{1, 0, 1}) || numbers(v.Series[1])[1] != 1 {
		t.Errorf("models of a tenant: %+v", v.Series)
	}
	if v, _ = get(t, withRaw(live, stored, raw), span+"step=3600&model=b&group_by=model&group_metric=requests"); len(v.Series) != 1 {
		t.Errorf("more than the model that is asked for: %+v", v.Series)
	}
	if v, _ = get(t, withRaw(live, stored, raw), "from=2026-03-01T00:00:00Z&to=2026-03-01T01:00:00Z&step=60&metric=requests&model=a"); numbers(v.Series[0])[0] != 1 {
		t.Errorf("model a: %v", v.Series)
	}
}

// TestUnknown: what the panes have lost and nothing else tells is absent and not complete.
func TestUnknown(t *testing.T) {
	live, stored := world()
	stored.dirty = map[int64]uint64{seconds(5): 10}
	for query, want := range map[string]struct{ requests, completeness float64 }{
		"from=2026-03-01T05:00:00Z&to=2026-03-01T06:00:00Z&step=3600":                  {-1, 0},     // it is behind
		"from=2026-03-01T05:00:00Z&to=2026-03-01T06:00:00Z&step=60":                    {-1, 0},     // and so is every minute of it
		"from=2026-03-01T00:00:00Z&to=2026-03-01T01:00:00Z&step=3600&model=b&tenant=t": {-1, 0},     // the store cannot say it
		"from=2026-03-01T01:00:00Z&to=2026-03-01T02:00:00Z&step=3600&model=a&tenant=t": {2, 2. / 3}, // the panes hold two of three
		"from=2026-03-01T00:00:00Z&to=2026-03-01T02:00:00Z&step=7200&model=a&tenant=t": {2, 1. / 3}, // and none of the hour before
		"from=2026-03-01T00:00:00Z&to=2026-03-01T01:30:00Z&step=5400":                  {10, 1},     // hours that are stored
		"from=2026-03-01T04:30:00Z&to=2026-03-01T06:00:00Z&step=5400":                  {0, 1. / 2}, // 4 to 6
		"from=2026-03-02T03:00:00Z&to=2026-03-02T04:00:00Z&step=3600":                  {-1, 0},     // the future
		"from=2026-03-01T07:00:00Z&to=2026-03-01T08:00:00Z&step=3600":                  {0, 1},      // nothing happened
	} {
		v, w := get(t, service(live, stored), query+"&metric=requests")
		if w.Code != 200 || numbers(v.Series[0])[0] != want.requests || v.Completeness[0] != want.completeness {
			t.Errorf("%s: %d %s; want %v", query, w.Code, w.Body, want)
		}
	}
}

// TestToldApart: steps and completeness are those of the panes that answer.
func TestToldApart(t *testing.T) {
	live := panes{at: map[int64]map[string]*agg.Cell{seconds(1): {"a": cell("a", 4, 100)}}, hosts: hour, told: 0.25}
	const query = "from=2026-03-01T01:00:00Z&to=2026-03-01T02:00:00Z&step=60&metric=requests&group_by=host&group_metric=requests"
	v, w := get(t, service(live, hours{}), query)
	if w.Code != 200 || v.Step != hour || v.Completeness[0] != 0.25 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if v, w = get(t, service(live, hours{}), "from=2026-02-26T00:00:00Z&to=2026-03-02T00:00:00Z&step=1800&group_by=host&group_metric=requests"); w.Code != 200 || v.Step != hour || v.Wished != 1800 {
		t.Errorf("of a longer span: %d %s", w.Code, w.Body)
	}
	live.told = 0
	if v, _ = get(t, service(live, hours{}), query); v.Completeness[0] != 0 || numbers(v.Series[1])[0] != -1 {
		t.Errorf("nothing is told apart: %+v", v)
	}
}

// TestLargeSteps: steps of several days begin before the span, and the store tells of all of them.
func TestLargeSteps(t *testing.T) {
	one, days := cell("a", 1, 100), map[int64]map[string]*agg.Cell{}
	for k := range 60 {
		days[seconds(float64(-24*k))] = map[string]*agg.Cell{agg.AllModels: one, "b": one}
	}
	s := service(panes{}, hours{cells: map[string]map[int64]map[string]*agg.Cell{FromDays: days}})
	v, w := get(t, s, "from=2026-01-20T00:00:00Z&to=2026-03-01T00:00:00Z&points=10&metric=requests&group_by=model&group_metric=requests")
	if w.Code != 200 || v.Step != 5*day {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if !slices.Equal(numbers(v.Series[0]), []float64{5, 5, 5, 5, 5, 5, 5, 5, 4}) || len(v.Series) != 2 || numbers(v.Series[1])[0] != 5 { // the last day runs
		t.Errorf("%v from %v", numbers(v.Series[0]), v.Sources)
	}
}

// TestStoreAway: without a store, or with one that does not answer, the panes answer alone.
func TestStoreAway(t *testing.T) {
	live, stored := world()
	stored.err = errors.New("away")
	v, w := get(t, service(live, stored), span+"step=3600&metric=requests")
	if w.Code != 200 || numbers(v.Series[0])[1] != 2 || v.Sources[0].Source != FromPanes {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// TestBins: every successful request lies in exactly one bin, whose edges hold its duration.
func TestBins(t *testing.T) {
	live := panes{at: map[int64]map[string]*agg.Cell{seconds(1): {"a": cell("a", 2, 100)}, seconds(2): {"a": cell("a", 500, 1000)}}}
	v, _ := get(t, service(live, hours{}), "from=2026-03-01T01:00:00Z&to=2026-03-01T03:00:00Z&step=3600&bins=latency_ms")
	if v.Bins == nil || len(v.Bins.Counts) != 2 {
		t.Fatalf("%+v", v.Bins)
	}
	for k, want := range []struct {
		n  uint64
		ms float64
	}{{2, 100}, {500, 1000}} {
		var n uint64
		for i, c := range v.Bins.Counts[k] {
			if n += c; c > 0 && (v.Bins.Edges[i] > want.ms*1.01 || v.Bins.Edges[i+1] < want.ms*0.99) {
				t.Errorf("step %d: %d in [%v, %v)", k, c, v.Bins.Edges[i], v.Bins.Edges[i+1])
			}
		}
		if n != want.n {
			t.Errorf("step %d: %d in bins, not %d", k, n, want.n)
		}
	}
	if v, _ = get(t, service(panes{}, hours{}), "from=2026-03-01T01:00:00Z&to=2026-03-01T03:00:00Z&step=3600&bins=ttft_ms"); len(v.Bins.Edges) != 0 || len(v.Bins.Counts) != 2 {
		t.Errorf("nothing: %+v", v.Bins)
	}
}

// TestRefusals: what is wrong is said with its parameter.
func TestRefusals(t *testing.T) {
	for query, pointer := range map[string]string{
		"metric=nope": "?metric", "from=yesterday": "?from", "from=2026-03-01T00:00:00Z&to=2026-03-01T00:00:00Z": "?to", "from=2020-03-01T00:00:00Z&to=2026-03-01T00:00:00Z": "?from",
		"step=0": "?step", "points=5": "?points", "group_by=colour": "?group_by", "bins=metres": "?bins", "limit=1000": "?limit", "step=1&from=2026-03-01T00:00:00Z&to=2026-03-02T00:00:00Z": "?step", "group_by=tenant": "?group_by",
	} {
		_, w := get(t, service(panes{}, hours{}), query)
		var p httpx.ProblemBody
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || w.Code != http.StatusUnprocessableEntity || len(p.Errors) == 0 || p.Errors[0].Pointer != pointer {
			t.Errorf("%s: %d %s", query, w.Code, w.Body)
		}
	}
}

// FuzzParse: no query makes more than the bounds allow.
func FuzzParse(f *testing.F) {
	f.Add(span + "step=60&metric=requests,errors&group_by=model&limit=3&bins=latency_ms&model=m")
	f.Add("from=1970-01-01T00:00:00Z&to=9999-12-31T00:00:00Z&points=10")
	f.Fuzz(func(t *testing.T, query string) {
		v, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		q := parse(v, noon)
		if len(q.bad) > 0 {
			return
		}
		if q.to <= q.from || q.to-q.from > longest || q.step > 0 && (q.to-q.from)/q.step > mostPoints || len(q.metrics) > mostMetrics || q.most > mostGroups {
			t.Errorf("%q is taken as %+v", query, q.question)
		}
		step := max(q.step, sizeOf(q.to-q.from, q.points, 1))
		if from, to := align(q.from, q.to, step); from > q.from || to < q.to || (to-from)/step > mostPoints+2 {
			t.Errorf("%q: %d steps of %d", query, (to-from)/step, step)
		}
	})
}
