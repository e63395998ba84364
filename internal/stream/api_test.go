package stream

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

// ask answers a GET as the service does over HTTP.
func (r *rig) ask(path string, out any) int {
	r.t.Helper()
	mux := httpx.NewMux(slog.New(slog.DiscardHandler), nil)
	r.Mount(mux, Beside{})
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
	if err := json.Unmarshal(w.Body.Bytes(), out); err != nil {
		r.t.Fatalf("GET %s: %d %v in %s", path, w.Code, err, w.Body)
	}
	return w.Code
}

func (r *rig) analytics(query string) (a analyticsAnswer) {
	r.t.Helper()
	if code := r.ask("/analytics?"+query, &a); code != http.StatusOK {
		r.t.Fatalf("GET /analytics?%s: %d", query, code)
	}
	return a
}

func rfc(t time.Time) string { return url.QueryEscape(t.UTC().Format(time.RFC3339Nano)) }

func TestAnalyticsWindow(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		r := w.start(quick(), t.TempDir())
		noon := time.Date(2000, 1, 1, 0, 10, 0, 0, time.UTC)
		time.Sleep(time.Until(noon))
		for s := range 310 { // one a second, the last one now
			w.put(requests0, at(noon.Add(-time.Duration(s)*time.Second), fmt.Sprint("e", s)))
		}
		r.settle() // 50 ms: now lies within a second
		for _, c := range []struct {
			query    string
			start    time.Time
			seconds  int64
			widened  bool
			requests uint64
		}{
			{"", noon.Add(-299 * time.Second), 300, false, 300},
			{"window=60", noon.Add(-59 * time.Second), 60, false, 60},
			{"window=1", noon, 1, false, 1},
			{"at=" + rfc(noon), noon.Add(-300 * time.Second), 300, false, 300},
			{"window=10&at=" + rfc(noon), noon.Add(-10 * time.Second), 10, false, 10},
			{"window=10&at=" + rfc(noon.Add(time.Millisecond)), noon.Add(-10 * time.Second), 11, true, 11},
			{"window=10&at=" + rfc(noon.Add(-time.Nanosecond)), noon.Add(-11 * time.Second), 11, true, 11},
			{"window=10&at=" + url.QueryEscape("2000-01-01T01:10:00+01:00"), noon.Add(-10 * time.Second), 10, false, 10},
			{"window=34560000&at=" + rfc(noon.Add(time.Second)), noon.Add(time.Second - 34560000*time.Second), 34560000, false, 310},
		} {
			a := r.analytics(c.query)
			if !a.Window.Start.Equal(c.start) || a.Window.Seconds != c.seconds || a.Window.End.Sub(a.Window.Start) != time.Duration(c.seconds)*time.Second || a.Window.Widened != c.widened {
				t.Errorf("%q: %+v, want %d seconds from %v, widened %v", c.query, a.Window, c.seconds, c.start, c.widened)
			}
			if a.Overall.Requests != c.requests || *a.Overall.ThroughputRPS != float64(c.requests)/float64(c.seconds) {
				t.Errorf("%q: %d requests, %v a second; want %d in %d s", c.query, a.Overall.Requests, *a.Overall.ThroughputRPS, c.requests, c.seconds)
			}
			if a.Groups == nil || len(a.Groups) > 0 || a.NextCursor != nil || a.Completeness != 1 {
				t.Errorf("%q: groups %v, cursor %v, completeness %v", c.query, a.Groups, a.NextCursor, a.Completeness)
			}
		}
		r.stop()
	})
}

func TestAnalyticsGroups(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		r := w.start(quick(), t.TempDir())
		put := func(n int, model, tenant string) {
			for i := range n {
				e := at(time.Now(), fmt.Sprint(model, tenant, i))
				e.SetText(event.Model, model)
				if tenant != "" {
					e.SetText(event.Tenant, tenant)
				}
				w.put(requests0, e)
			}
		}
		put(3, "a", "x")
		put(2, "a", "")
		put(4, "b", "x")
		put(1, "c", "y")
		r.settle()
		type group struct {
			key      string
			requests uint64
		}
		key := func(k map[string]*string) string {
			var parts []string
			for _, dim := range []string{"model", "tenant"} {
				if v, ok := k[dim]; ok && v != nil {
					parts = append(parts, dim+"="+*v)
				} else if ok {
					parts = append(parts, dim+" null")
				}
			}
			return strings.Join(parts, ",")
		}
		for _, c := range []struct {
			query    string
			requests uint64
			groups   []group
		}{
			{"group_by=model", 10, []group{{"model=a", 5}, {"model=b", 4}, {"model=c", 1}}},
			{"group_by=tenant", 10, []group{{"tenant=x", 7}, {"tenant null", 2}, {"tenant=y", 1}}},
			{"group_by=model,tenant", 10, []group{{"model=b,tenant=x", 4}, {"model=a,tenant=x", 3}, {"model=a,tenant null", 2}, {"model=c,tenant=y", 1}}},
			{"group_by=model&tenant=x", 7, []group{{"model=b", 4}, {"model=a", 3}}},
			{"group_by=tenant&model=a", 5, []group{{"tenant=x", 3}, {"tenant null", 2}}},
			{"model=a&tenant=x", 3, nil},
			{"model=nobody&group_by=model", 0, nil},
		} {
			a := r.analytics(c.query)
			var got []group
			for _, g := range a.Groups {
				got = append(got, group{key(g.Key), g.Stats.Requests})
			}
			if a.Overall.Requests != c.requests || fmt.Sprint(got) != fmt.Sprint(c.groups) {
				t.Errorf("%s: %d requests, %v; want %d, %v", c.query, a.Overall.Requests, got, c.requests, c.groups)
			}
		}
		var pages []string
		for cursor := ""; ; {
			a := r.analytics("group_by=model,tenant&limit=3&cursor=" + cursor)
			for _, g := range a.Groups {
				pages = append(pages, key(g.Key))
			}
			pages = append(pages, "|")
			if a.NextCursor == nil {
				break
			}
			cursor = *a.NextCursor
		}
		if got := strings.Join(pages, " "); got != "model=b,tenant=x model=a,tenant=x model=a,tenant null | model=c,tenant=y |" {
			t.Errorf("pages of three: %s", got)
		}
		r.stop()
	})
}

func TestAnalyticsRefuses(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		r := w.start(quick(), t.TempDir())
		for query, names := range map[string]string{
			"window=0":                      "?window",
			"window=-1":                     "?window",
			"window=1.5":                    "?window",
			"window=five":                   "?window",
			"window=34560001":               "?window",
			"window=99999999999999999999":   "?window",
			"at=yesterday":                  "?at",
			"at=1700000000":                 "?at",
			"at=1969-12-31T23:59:59Z":       "?at",
			"group_by=color":                "?group_by",
			"group_by=model,":               "?group_by",
			"limit=0":                       "?limit",
			"limit=1001":                    "?limit",
			"limit=x":                       "?limit",
			"cursor=!":                      "?cursor",
			"cursor=LTE":                    "?cursor", // -1
			"window=0&at=x&group_by=color":  "?window ?at ?group_by",
			"window=10&at=x&limit=0&model=": "?at ?limit",

			"group_by=model&cursor=OTIyMzM3MjAzNjg1NDc3NTgwNw": "?cursor", // the largest whole number
		} {
			var problem struct {
				Status int
				Detail string
				Errors []struct{ Pointer, Code, Detail string }
			}
			code := r.ask("/analytics?"+query, &problem)
			var got []string
			for _, e := range problem.Errors {
				got = append(got, e.Pointer)
				if e.Detail == "" || e.Code == "" {
					t.Errorf("%s: %+v says too little", query, e)
				}
			}
			if code != http.StatusUnprocessableEntity || problem.Status != code || strings.Join(got, " ") != names || problem.Detail == "" {
				t.Errorf("%s: %d %+v, want 422 for %s", query, code, problem, names)
			}
		}
		r.stop()
	})
}

func TestPerformanceSaysWhatIsMissing(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		dir := t.TempDir()
		w.put(requests0, many(time.Now(), 0, 10)...)
		log := w.inputs[requests0]
		r := w.start(quick(), dir)
		w.put(requests0, at(time.Now(), "e0"), at(time.Now().Add(time.Hour), "early"))
		r.settle()
		r.stop()
		w.put(requests0, many(time.Now(), 10, 8)...)
		log.change(func() { log.start = 17 })
		r = w.start(quick(), dir)
		r.settle()
		var a performanceAnswer
		if code := r.ask("/analytics/performance", &a); code != http.StatusOK {
			t.Fatal(code)
		}
		p := a.Partitions[0]
		if a.EventsTotal != 13 || a.Duplicates != 1 || a.Future != 1 || a.DeadLetters != 1 || a.Completeness != 15./20 || a.ConsumerLag != 0 {
			t.Errorf("%+v", a)
		}
		if p.Topic != "llm-requests" || p.Offset != 20 || p.End != 20 || p.Lag != 0 || p.Lost != 5 || p.GapReason != reasonDeleted {
			t.Errorf("%+v", p)
		}
		r.stop()
	})
}
