package stream

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// row is an event as the test made it: what it says of every dimension, written down when it is made.
type row struct {
	at     int64
	cost   int64
	called map[string]string
}

// mixed makes n events of two kinds in [from, to), some of which name nothing.
func mixed(rnd *rand.Rand, n int, from, to int64, tag string) (events []*event.Event, rows []row) {
	pick := func(name string, n int) string {
		if i := rnd.IntN(n + 1); i < n {
			return fmt.Sprint(name, i)
		}
		return ""
	}
	for i := range n {
		e := &event.Event{ID: fmt.Sprint(tag, i), Source: fmt.Sprint("source", rnd.IntN(3)), Kind: event.LLMRequest, Time: (from+rnd.Int64N(to-from))*1e6 + rnd.Int64N(1e6), HasTime: true}
		r := row{at: e.Time / 1e6, called: map[string]string{"source": e.Source}}
		text := func(f event.Field, name, value string) {
			if r.called[name] = value; value != "" {
				e.SetText(f, value)
			}
		}
		text(event.Model, "model", pick("m", 4))
		text(event.Tenant, "tenant", pick("t", 3))
		text(event.UserID, "user_id", pick("u", 20))
		text(event.SessionID, "session_id", pick("s", 5))
		if rnd.IntN(5) == 0 {
			e.Kind = event.UserFeedback
			text(event.Thumbs, "thumbs", []string{"up", "down", ""}[rnd.IntN(3)])
		} else {
			text(event.Operation, "operation", pick("o", 2))
			text(event.Endpoint, "endpoint", pick("/v", 3))
			text(event.Host, "host", pick("h", 3))
			text(event.ErrorType, "error_type", pick("e", 2))
			text(event.FinishReason, "finish_reason", pick("f", 2))
			if code := rnd.IntN(6) * 100; code > 0 {
				e.SetInt(event.StatusCode, int64(code+rnd.IntN(30)))
				r.called["status_class"] = fmt.Sprintf("%dxx", code/100)
			}
			if yes := rnd.IntN(3); yes < 2 {
				e.SetBool(event.Streaming, yes == 1)
				r.called["streaming"] = fmt.Sprint(yes == 1)
			}
			if version := pick("p", 2); version != "" {
				e.Extra = fmt.Appendf(nil, `{"prompt_version":%q}`, version)
				r.called["prompt_version"] = version
			}
			r.cost = rnd.Int64N(1e9)
			e.SetInt(event.Cost, r.cost)
			e.SetBool(event.Success, true)
		}
		r.called["event_type"] = e.Kind.String()
		e.Settle()
		events, rows = append(events, e), append(rows, r)
	}
	return events, rows
}

// sum is what rows come to within a window, by the values of some dimensions.
type sum struct{ events, cost int64 }

func fold(rows []row, from, to int64, dims []string, filter filterOf) map[string]sum {
	out := map[string]sum{}
	for _, r := range rows {
		let := from <= r.at && r.at < to
		for name, v := range filter {
			let = let && r.called[name] == v
		}
		if !let {
			continue
		}
		var key []string
		for _, d := range dims {
			key = append(key, r.called[d])
		}
		s := out[strings.Join(key, "|")]
		s.events++
		s.cost += r.cost
		out[strings.Join(key, "|")] = s
	}
	return out
}

// groupsOf asks for groups.
func (r *rig) groupsOf(from, to int64, dims []string, filter filterOf) (groups map[string]sum, overall sum) {
	r.t.Helper()
	query := fmt.Sprintf("window=%d&at=%s&limit=1000&group_by=%s", to-from, rfc(time.Unix(to, 0)), strings.Join(dims, ","))
	for name, v := range filter {
		query += "&" + name + "=" + v
	}
	a := r.analytics(query)
	if a.Completeness != 1 || a.Window.Widened {
		r.t.Errorf("%s: complete to %v, widened %v", query, a.Completeness, a.Window.Widened)
	}
	numbers := func(events uint64, cost *int64) sum {
		s := sum{events: int64(events)}
		if cost != nil {
			s.cost = *cost
		}
		return s
	}
	groups = map[string]sum{}
	for _, g := range a.Groups {
		var key []string
		for _, d := range dims {
			key = append(key, text(g.Key[d]))
		}
		groups[strings.Join(key, "|")] = numbers(g.Stats.Events, (*int64)(g.Stats.CostUSD))
	}
	return groups, numbers(a.Overall.Events, (*int64)(a.Overall.CostUSD))
}

func TestDimensionsEqualTheRows(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		c := quick()
		c.DimensionValues = 1000
		for _, name := range dimensionNames()[2:] {
			if len(c.Dimensions) < maxSets-2 {
				c.Dimensions = append(c.Dimensions, name)
			}
		}
		c.Dimensions = append(c.Dimensions, "model+endpoint", "user_id+status_class")
		dir, rnd := t.TempDir(), rand.New(rand.NewPCG(4, 2))
		now := time.Now().Unix()
		from, to := now-500, now-50 // some are late when they come
		events, rows := mixed(rnd, 900, from, to, "e")
		r := w.start(c, dir)
		send := func(some []*event.Event) {
			for _, e := range some {
				src := requests0
				if e.Kind == event.UserFeedback {
					src = feedback0
				}
				w.put(src, e)
			}
			r.settle()
		}
		check := func() {
			t.Helper()
			for range 3 {
				start := from + rnd.Int64N(to-from)
				end := start + 1 + rnd.Int64N(to-start)
				for i := range r.sets {
					for _, dims := range subsets(&r.sets[i]) {
						r.wants(rows, start, end, dims, filterOf{})
						for _, name := range dims {
							some := rows[rnd.IntN(len(rows))].called[name]
							if some != "" {
								r.wants(rows, start, end, dims, filterOf{name: some})
							}
						}
					}
				}
			}
		}
		send(events[:300])
		send(events[200:300]) // known
		send(events[300:600])
		r.stop()
		r = w.start(c, dir) // from the snapshot
		send(events[600:])
		check()
		r.kill()
		r = w.start(c, dir) // from the journal behind it
		check()
		r.stop()
	})
}

// subsets are the dimensions of a set, alone and together.
func subsets(s *set) (out [][]string) {
	var all []string
	for _, d := range s.dims {
		out = append(out, []string{d.name})
		all = append(all, d.name)
	}
	if len(all) == 2 {
		out = append(out, all, []string{all[1], all[0]})
	}
	return out
}

func (r *rig) wants(rows []row, from, to int64, dims []string, filter filterOf) {
	r.t.Helper()
	got, overall := r.groupsOf(from, to, dims, filter)
	want := fold(rows, from, to, dims, filter)
	if len(got) != len(want) {
		r.t.Errorf("[%d, %d) by %v of %v: %d groups, want %d", from, to, dims, filter, len(got), len(want))
	}
	for key, x := range want {
		if got[key] != x {
			r.t.Errorf("[%d, %d) by %v of %v: %q has %+v, want %+v", from, to, dims, filter, key, got[key], x)
		}
	}
	if whole := fold(rows, from, to, nil, filter)[""]; overall != whole {
		r.t.Errorf("[%d, %d) of %v: all in all %+v, want %+v", from, to, filter, overall, whole)
	}
}

// A budget keeps what comes first; the rest is counted exactly, and how many values it has is known within 5 %.
func TestOverflowIsCounted(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		c := quick()
		c.DimensionValues = 1000
		c.Dimensions = []string{"endpoint:10", "operation+host:5"}
		dir, now := t.TempDir(), time.Now()
		r := w.start(c, dir)
		put := func(first, n int) {
			for i := first; i < first+n; i++ {
				e := at(now.Add(-time.Minute), fmt.Sprint("e", i))
				e.SetText(event.Endpoint, fmt.Sprint("/", i%1500))
				e.SetText(event.Operation, fmt.Sprint("o", i%3))
				e.SetText(event.Host, fmt.Sprint("h", i/3%4))
				w.put(requests0, e)
			}
			r.settle()
		}
		check := func(n int) {
			t.Helper()
			query := "window=300&at=" + rfc(now) + "&limit=1000&group_by="
			for by, most := range map[string]int{"endpoint": 11, "operation,host": 6} {
				a, events := r.analytics(query+by), uint64(0)
				for _, g := range a.Groups {
					events += g.Stats.Events
				}
				if len(a.Groups) != most || events != uint64(n) || a.Overall.Events != uint64(n) {
					t.Errorf("%s: %d groups of %d events, want %d of %d", by, len(a.Groups), events, most, n)
				}
				name, values := "endpoint", float64(min(n, 1500)-10)
				if by != name {
					name, values = "operation+host", 12-5
				}
				if got := float64(a.Overflow[name]); got < .95*values || got > 1.05*values || len(a.Overflow) != 1 {
					t.Errorf("%s: overflow %v, want %v of %s", by, a.Overflow, values, name)
				}
			}
			if a := r.analytics(query + "model"); a.Overflow != nil {
				t.Errorf("models have overflown: %v", a.Overflow)
			}
		}
		put(0, 1000)
		check(1000)
		r.stop()
		r = w.start(c, dir)
		check(1000)
		put(1000, 1000)
		check(2000)
		r.kill()
		r = w.start(c, dir)
		if a := r.analytics("window=300&at=" + rfc(now) + "&group_by=endpoint"); a.Overall.Events != 2000 {
			t.Errorf("%d events after a kill, want 2000", a.Overall.Events)
		}
		r.stop()
	})
}

// A dimension knows nothing of what counted before it was configured, and says so; one that is no longer configured is forgotten.
func TestDimensionsComeAndGo(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		dir, now := t.TempDir(), time.Now()
		query := "window=300&at=" + rfc(now) + "&group_by=endpoint"
		put := func(first, n int) {
			for i := range n {
				e := at(now.Add(-time.Minute), fmt.Sprint("e", first+i))
				e.SetText(event.Endpoint, "/v1")
				w.put(requests0, e)
			}
		}
		with := quick()
		with.DimensionValues, with.Dimensions = 10, []string{"endpoint"}
		r := w.start(quick(), dir)
		put(0, 30)
		r.settle()
		if code := r.ask("/analytics?"+query, new(map[string]any)); code != http.StatusUnprocessableEntity {
			t.Errorf("a dimension that is not kept apart: %d", code)
		}
		r.stop()
		r = w.start(with, dir)
		put(30, 10)
		r.settle()
		if a := r.analytics(query); a.Completeness != .25 || len(a.Groups) != 1 || a.Groups[0].Stats.Requests != 10 {
			t.Errorf("complete to %v, groups %+v; want a quarter, and 10 requests", a.Completeness, a.Groups)
		}
		whole := func(by string) (float64, uint64) {
			span := Span{now.Unix() - 300, now.Unix()}
			cells, told, bad := r.Steps(span, 300, nil, nil, by, nil)
			if len(bad) > 0 || len(told) != 1 {
				t.Fatal(bad, told)
			}
			return told[0], cells[0][0].Events
		}
		if share, n := whole("endpoint"); share != .25 || n != 10 {
			t.Errorf("of steps by endpoint %v is told with %d events; want a quarter, and 10", share, n)
		}
		if share, n := whole(""); share != 1 || n != 40 {
			t.Errorf("of steps %v is told with %d events; want all 40", share, n)
		}
		if a := r.analytics("window=300&group_by=model&at=" + rfc(now)); a.Completeness != 1 || a.Overall.Requests != 40 {
			t.Errorf("of models: complete to %v, %d requests", a.Completeness, a.Overall.Requests)
		}
		r.stop()
		r = w.start(quick(), dir)
		r.counts(40)
		r.stop()
	})
}

func TestWhatCannotBeToldApart(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		c := quick()
		c.DimensionValues, c.Dimensions = 10, []string{"endpoint", "model+host"}
		r := w.start(c, t.TempDir())
		for query, want := range map[string]string{
			"group_by=colour":                "unknown dimension",
			"group_by=user_id":               `add "user_id" to event_processing.dimensions`,
			"group_by=model&endpoint=/v1":    `are not kept apart together here: add "model+endpoint"`,
			"user_id=u":                      `user_id is not kept apart here: add "user_id"`,
			"group_by=model,tenant,endpoint": "at most two dimensions",
			"group_by=model,host":            "",
			"group_by=host":                  "",
			"model=m&host=h":                 "",
			"group_by=tenant&model=m":        "",
		} {
			for _, path := range []string{"/analytics?", "/analytics/series?metric=requests&"} {
				var a struct{ Detail string }
				code := r.ask(path+query, &a)
				if (code == http.StatusOK) != (want == "") || !strings.Contains(a.Detail, want) {
					t.Errorf("%s%s: %d %q, want %q", path, query, code, a.Detail, want)
				}
			}
		}
		r.stop()
	})
}

// A value that the catalogue does not bound takes no more memory than others, and is still told apart.
func TestLongValuesAreShortened(t *testing.T) {
	of := func(version string) string {
		e := &event.Event{Kind: event.LLMRequest, Extra: fmt.Appendf(nil, `{"prompt_version":%q}`, version)}
		return noted(e, `"prompt_version"`)
	}
	long := strings.Repeat("é", 100_000)
	a, b := of(long+"a"), of(long+"b")
	if a == b || a != of(long+"a") || len(a) > maxNoted || !strings.HasPrefix(a, "éé") || !utf8.ValidString(a) {
		t.Errorf("%q and %q", a, b)
	}
	if exact := strings.Repeat("v", maxNoted); of(exact) != exact {
		t.Error("a value that is not too long is changed")
	}
}

func TestDimensionSettings(t *testing.T) {
	for text, want := range map[string]string{
		"endpoint":            "",
		"user_id:5000":        "",
		"model+endpoint:9":    "",
		"colour":              `unknown dimension "colour", known are model, tenant`,
		"endpoint+":           `unknown dimension ""`,
		"endpoint:0":          "how many values",
		"endpoint:x":          "how many values",
		"a+b+c":               "at most two",
		"host+host":           "twice",
		"model":               "always kept apart",
		"tenant+model":        "always kept apart",
		"endpoint,endpoint:7": "twice",
	} {
		c := testConfig()
		c.DimensionValues, c.Dimensions = 10, strings.Split(text, ",")
		err := c.Validate()
		if (err == nil) != (want == "") || err != nil && (!strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "dimensions: ")) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
	c := testConfig()
	for i := range maxSets + 1 {
		c.Dimensions = append(c.Dimensions, "host+"+slices.DeleteFunc(dimensionNames(), func(n string) bool { return n == "host" })[i%16])
	}
	if err := c.Validate(); err == nil {
		t.Error("more sets than there may be")
	}
}

// Cards of two machines have the same numbers.
func TestDimensionOfGPUs(t *testing.T) {
	of := vocabulary[slices.IndexFunc(vocabulary, func(d dimension) bool { return d.name == "gpu" })].of
	for _, c := range []struct{ host, extra, want string }{
		{"gpu-01", `{"gpu":"0","gpu_model":"H100"}`, "gpu-01/0"}, {"gpu-02", `{"gpu":"0"}`, "gpu-02/0"}, {"", `{"gpu":"3"}`, "3"}, {"gpu-01", `{"gpu_model":"H100"}`, ""}, {"gpu-01", "", ""},
	} {
		e := event.Event{Kind: event.SystemMetric, Extra: []byte(c.extra)}
		if c.host != "" {
			e.SetText(event.Host, c.host)
		}
		if got := of(&e); got != c.want {
			t.Errorf("%s of %q is %q, want %q", c.extra, c.host, got, c.want)
		}
	}
}
