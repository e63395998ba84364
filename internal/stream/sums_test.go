package stream

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

// timed is mixed with durations, so that cells have something to merge that cannot be taken away again.
func timed(rnd *rand.Rand, n int, from, to int64) ([]*event.Event, []row) {
	events, rows := mixed(rnd, n, from, to, "e")
	for _, e := range events {
		if e.Kind == event.LLMRequest {
			e.SetInt(event.DurationMS, 1e6*(1+rnd.Int64N(900)))
		}
	}
	return events, rows
}

// cellOfRows is what the events of some rows come to, in one cell.
func cellOfRows(events []*event.Event, rows []row, let func(*row) bool) *agg.Cell {
	c := new(agg.Cell)
	for i := range rows {
		if let(&rows[i]) {
			c.Add(events[i], false)
		}
	}
	return c
}

// except is the query that leaves values out.
func except(out httpx.LeftOut) string {
	v := url.Values{}
	for dimension, values := range out {
		for _, value := range values {
			v.Add("without", dimension+":"+value)
		}
	}
	return v.Encode()
}

// TestWithoutEqualsTheRows: sums, percentiles and distinct users without some values are what folding all other events gives, by every question, however
// coarse the panes have become.
func TestWithoutEqualsTheRows(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		c := quick()
		c.DimensionValues, c.Dimensions = 1000, []string{"endpoint", "user_id", "user_id+status_class", "host+operation"}
		rnd := rand.New(rand.NewPCG(4, 2))
		from := floor(time.Now().Unix(), 3600) + 3600
		to := from + 3600
		time.Sleep(time.Until(time.Unix(to, 0)))
		events, rows := timed(rnd, 800, from, to)
		r := w.start(c, t.TempDir())
		for _, e := range events {
			src := requests0
			if e.Kind == event.UserFeedback {
				src = feedback0
			}
			w.put(src, e)
		}
		r.settle()
		span := fmt.Sprintf("&from=%s&to=%s", rfc(time.Unix(from, 0)), rfc(time.Unix(to, 0)))
		window := fmt.Sprintf("&window=3600&at=%s", rfc(time.Unix(to, 0)))
		check := func(dims []string, filter filterOf, out httpx.LeftOut) {
			t.Helper()
			query := except(out)
			for name, v := range filter {
				query += "&" + name + "=" + v
			}
			let := func(x *row) bool {
				for name, v := range filter {
					if x.called[name] != v {
						return false
					}
				}
				for name := range out {
					if out.Has(name, x.called[name]) {
						return false
					}
				}
				return true
			}
			same := func(what string, got agg.Stats, want *agg.Cell) {
				t.Helper()
				got.LateEvents = 0
				a, _ := json.Marshal(got)
				if b, _ := json.Marshal(want.Stats(3600)); string(a) != string(b) {
					t.Errorf("%s by %v %s:\n%s, want\n%s", query, dims, what, a, b)
				}
			}
			a := r.analytics(query + window + "&limit=1000&group_by=" + strings.Join(dims, ","))
			same("in all", a.Overall, cellOfRows(events, rows, let))
			keys := map[string]bool{}
			key := func(x *row) (k string) {
				for _, d := range dims {
					k += x.called[d] + "|"
				}
				return k
			}
			for i := range rows {
				if let(&rows[i]) && len(dims) > 0 {
					keys[key(&rows[i])] = true
				}
			}
			if len(a.Groups) != len(keys) {
				t.Errorf("%s by %v: %d groups, want %d", query, dims, len(a.Groups), len(keys))
			}
			for _, g := range a.Groups {
				k := ""
				for _, d := range dims {
					k += text(g.Key[d]) + "|"
				}
				same(k, g.Stats, cellOfRows(events, rows, func(x *row) bool { return let(x) && key(x) == k }))
			}
			whole := cellOfRows(events, rows, let)
			var lines struct {
				Series []struct{ Points [][2]any }
			}
			r.ask("/analytics/series?metric=requests&step=600&limit=1000&"+query+span+"&group_by="+strings.Join(dims, ","), &lines)
			sum := 0.0
			for _, l := range lines.Series {
				for _, p := range l.Points {
					sum += p[1].(float64)
				}
			}
			if sum != float64(whole.Requests) {
				t.Errorf("series %s by %v: %v requests, want %d", query, dims, sum, whole.Requests)
			}
			by, values := "", []string(nil)
			if len(dims) == 1 {
				by = dims[0]
				values, _ = r.Busiest(Span{from, to}, filter, out, by, 1000)
			}
			cells, _, bad := r.Steps(Span{from, to}, 3600, filter, out, by, values)
			if len(bad) > 0 || len(values) != len(keys) && by != "" {
				t.Errorf("steps %s: %v, %d values", query, bad, len(values))
				return
			}
			same("of steps", cells[0][0].Stats(3600), whole)
			for i, v := range values {
				same("of steps "+v, cells[i+1][0].Stats(3600), cellOfRows(events, rows, func(x *row) bool { return let(x) && x.called[by] == v }))
			}
		}
		all := func() {
			t.Helper()
			for i := range r.sets {
				for _, d := range r.sets[i].dims {
					some := httpx.LeftOut{d.name: {rows[rnd.IntN(len(rows))].called[d.name], "nobody"}}
					check(nil, nil, some)
					for _, dims := range subsets(&r.sets[i]) {
						check(dims, nil, some)
						if name := dims[0]; name != d.name {
							if value := rows[rnd.IntN(len(rows))].called[name]; value != "" {
								check(nil, filterOf{name: value}, some)
								check([]string{d.name}, filterOf{name: value}, some)
							}
						}
					}
				}
			}
			check([]string{"model"}, nil, httpx.LeftOut{"model": {"m0"}, "tenant": {"t0", "t1"}})
			check(nil, filterOf{"model": "m0"}, httpx.LeftOut{"model": {"m0"}}) // nothing
		}
		all()
		time.Sleep(8 * time.Hour) // hours are one pane by now
		r.settle()
		all()
		r.stop()
	})
}

// TestCompareWithout: what changed is told of what is left, by the dimensions that are kept apart together with what is not; the others are named.
func TestCompareWithout(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		c := quick()
		c.DimensionValues, c.Dimensions = 1000, []string{"endpoint", "host+model"}
		r := w.start(c, t.TempDir())
		noon := time.Now().Truncate(time.Hour)
		time.Sleep(time.Until(noon.Add(2 * time.Minute)))
		put := func(second, n int, model, tenant, host string) {
			for i := range n {
				e := at(noon.Add(time.Duration(second)*time.Second), fmt.Sprint(second, model, tenant, host, i))
				e.SetText(event.Model, model)
				e.SetText(event.Tenant, tenant)
				e.SetText(event.Host, host)
				w.put(requests0, e)
			}
		}
		put(10, 5, "a", "x", "h")
		put(10, 100, "b", "x", "h")
		put(70, 9, "a", "y", "h")
		put(70, 3, "b", "y", "i")
		r.settle()
		spans := fmt.Sprintf("&a=%s/%s&b=%s/%s", rfc(noon), rfc(noon.Add(time.Minute)), rfc(noon.Add(time.Minute)), rfc(noon.Add(2*time.Minute)))
		var a compareAnswer
		if code := r.ask("/analytics/compare?metric=requests&without=model:b"+spans, &a); code != http.StatusOK || *a.A.Value != 5 || *a.B.Value != 9 {
			t.Fatalf("%d %+v", code, a)
		}
		got := map[string]float64{}
		for _, c := range a.Contributions {
			got[c.Dimension+" "+text(c.Value)] = c.Change
		}
		if want := map[string]float64{"model a": 4, "tenant x": -5, "tenant y": 9, "host h": 4}; fmt.Sprint(got) != fmt.Sprint(want) || !slices.Equal(a.Untold, []string{"endpoint"}) {
			t.Errorf("%v, untold %v; want %v", got, a.Untold, want)
		}
		if r.ask("/analytics/compare?metric=requests"+spans, &a); *a.A.Value != 105 {
			t.Errorf("with all: %+v", a)
		}
		var top topAnswer
		if r.ask("/analytics/top?by=tenant&metric=requests&window=120&without=model:b&at="+rfc(noon.Add(2*time.Minute)), &top); len(top.Items) != 2 || *top.Items[0].Key["tenant"] != "y" || top.Items[0].Value != 9 || top.Items[1].Value != 5 {
			t.Errorf("top without b: %+v", top)
		}
		r.stop()
	})
}

// TestTopUsersWithout: users that are left out are not among those that spend most.
func TestTopUsersWithout(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		r := w.start(quick(), t.TempDir())
		noon := time.Now().Truncate(time.Hour)
		time.Sleep(time.Until(noon.Add(time.Minute)))
		for i, user := range []string{"u", "v", "v", "w", "w", "w"} {
			w.put(requests0, spent(noon.Add(time.Second), fmt.Sprint(i), "m", user, 10, 0))
		}
		r.settle()
		var a topAnswer
		if r.ask("/analytics/top?by=user_id&metric=requests&window=120&without=user_id:w&at="+rfc(noon.Add(time.Minute)), &a); len(a.Items) != 2 || *a.Items[0].Key["user_id"] != "v" || a.Items[0].Value != 2 {
			t.Errorf("%+v", a)
		}
		if code := r.ask("/analytics/top?by=user_id&metric=requests&without=model:m", new(map[string]any)); code != http.StatusUnprocessableEntity {
			t.Errorf("users without a model: %d", code)
		}
		w.put(requests0, spent(noon.Add(2*time.Second), "beyond", "m", otherName, 10, 0)) // what is beyond the budget, and may be w
		r.settle()
		for query, want := range map[string]int{"without=user_id:w": http.StatusUnprocessableEntity, "without=user_id:w&without=user_id:__other__": http.StatusOK} {
			if code := r.ask("/analytics/top?by=user_id&metric=requests&window=120&at="+rfc(noon.Add(time.Minute))+"&"+query, &a); code != want {
				t.Errorf("%s: %d %+v, want %d", query, code, a, want)
			}
		}
		r.stop()
	})
}

// TestWhatCannotBeLeftOut: where a value may hide among what is beyond a budget, or is not kept apart with what is asked for, the answer is a
// refusal that says what can be done, and never a sum that may hold it.
func TestWhatCannotBeLeftOut(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		c := quick()
		c.DimensionValues, c.Dimensions = 10, []string{"endpoint:2", "host+model"}
		r := w.start(c, t.TempDir())
		noon := time.Now().Truncate(time.Hour)
		time.Sleep(time.Until(noon.Add(10 * time.Minute)))
		for i := range 40 {
			e := at(noon.Add(time.Duration(i)*time.Second), fmt.Sprint(i))
			e.SetText(event.Endpoint, fmt.Sprint("/", i%4)) // of which two are told apart
			e.SetText(event.Host, "h")
			w.put(requests0, e)
		}
		r.settle()
		window := "&window=600&at=" + rfc(noon.Add(10*time.Minute))
		span := "&metric=requests&from=" + rfc(noon) + "&to=" + rfc(noon.Add(10*time.Minute))
		for query, want := range map[string]string{
			"without=endpoint:/0":                            "20 events of this span count together as __other__, with whatever else was beyond the budget of endpoint (event_processing.dimensions raises it, as endpoint:BUDGET)",
			"without=endpoint:/3":                            "Leave endpoint:__other__ out as well",
			"without=endpoint:/0&without=endpoint:__other__": "",
			"without=endpoint:nobody":                        "cannot be left out exactly",
			"without=endpoint:/0&endpoint=/1":                "", // a filter that holds none of the others
			"without=model:m":                                "",
			"without=model:m&group_by=endpoint":              `add "endpoint+model"`,
			"without=model:m&group_by=host":                  "",
			"without=model:m&group_by=tenant,host":           "at most two dimensions are kept apart together, in groups, filters and what is left out; ask for two of these 3",
			"without=user_id:u":                              `add "user_id"`,
			"without=colour:red":                             "give DIMENSION:VALUE",
			"without=model":                                  "give DIMENSION:VALUE",
			"without=model:":                                 "",
			strings.Repeat("without=model:m&", 51):           "at most 50",
		} {
			for _, path := range []string{"/analytics?" + query + window, "/analytics/series?" + query + span} {
				var a struct {
					Detail string
					Errors []httpx.FieldError
				}
				code := r.ask(path, &a)
				if code != http.StatusOK && code != http.StatusUnprocessableEntity || (code == http.StatusOK) != (want == "") || !strings.Contains(a.Detail, want) {
					t.Errorf("%.120s: %d %q, want %q", path, code, a.Detail, want)
				}
				if code != http.StatusOK && (len(a.Errors) == 0 || a.Errors[0].Pointer != "?without") {
					t.Errorf("%.120s blames %+v", path, a.Errors)
				}
			}
		}
		if a := r.analytics("without=endpoint:/0&without=endpoint:__other__" + window); a.Overall.Requests != 10 {
			t.Errorf("%d requests of those that are told apart, want 10", a.Overall.Requests)
		}
		if _, _, bad := r.Steps(Span{noon.Unix(), noon.Unix() + 600}, 60, nil, httpx.LeftOut{"endpoint": {"/0"}}, "", nil); len(bad) == 0 {
			t.Error("steps hold what may be left out")
		}
		var compared struct{ Detail string }
		spans := fmt.Sprintf("&metric=requests&a=%s/%s&b=%s/%s", rfc(noon), rfc(noon.Add(time.Minute)), rfc(noon.Add(time.Minute)), rfc(noon.Add(2*time.Minute)))
		if code := r.ask("/analytics/compare?without=endpoint:/0"+spans, &compared); code != http.StatusUnprocessableEntity || !strings.Contains(compared.Detail, "__other__") {
			t.Errorf("compare: %d %s", code, compared.Detail)
		}
		r.stop()
	})
}

// TestWithoutBesideAFilter: what a filter by one dimension of a pair lets through may hide among pairs beyond their budget as well.
func TestWithoutBesideAFilter(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		c := quick()
		c.DimensionValues, c.Dimensions = 10, []string{"host+model:1"}
		r := w.start(c, t.TempDir())
		noon := time.Now().Truncate(time.Hour)
		time.Sleep(time.Until(noon.Add(time.Minute)))
		for i, host := range []string{"g", "h", "h"} {
			e := at(noon.Add(time.Duration(i)*time.Second), fmt.Sprint(i))
			e.SetText(event.Model, "m")
			e.SetText(event.Host, host)
			w.put(requests0, e)
		}
		r.settle()
		for query, want := range map[string]string{
			"model=m&without=host:i":                        "what the filter lets through may be among them",
			"model=m&without=host:i&without=host:__other__": "",
			"model=m&host=g&without=host:i":                 "",
		} {
			var a struct{ Detail string }
			code := r.ask("/analytics?window=60&at="+rfc(noon.Add(time.Minute))+"&"+query, &a)
			if (code == http.StatusOK) != (want == "") || !strings.Contains(a.Detail, want) {
				t.Errorf("%s: %d %q, want %q", query, code, a.Detail, want)
			}
		}
		r.stop()
	})
}
