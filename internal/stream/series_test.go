package stream

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

// spent is a request with a user, tokens and a cost.
func spent(when time.Time, id, model, user string, tokens, nanoUSD int64) *event.Event {
	e := at(when, id)
	e.SetText(event.Model, model)
	e.SetText(event.UserID, user)
	e.SetInt(event.PromptTokens, tokens)
	e.Clear(event.CompletionTokens)
	e.SetInt(event.TotalTokens, tokens)
	e.SetInt(event.Cost, nanoUSD)
	return e
}

func TestSeriesAddUpToTheWindow(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		r := w.start(quick(), t.TempDir())
		noon := time.Date(2000, 1, 1, 0, 10, 0, 0, time.UTC)
		time.Sleep(time.Until(noon.Add(5 * time.Minute)))
		for i := range 240 { // one a second for four minutes, models in turn
			w.put(requests0, spent(noon.Add(time.Duration(i)*time.Second), fmt.Sprint(i), []string{"a", "a", "b"}[i%3], "u", 10, 0))
		}
		r.settle()
		path := "/analytics/series?from=" + rfc(noon) + "&to=" + rfc(noon.Add(5*time.Minute))
		var a struct {
			Step   int64
			Series []struct {
				Metric string
				Key    map[string]*string
				Points [][2]any
			}
		}
		if code := r.ask(path+"&metric=requests,tokens.total,latency_ms.p95&step=60", &a); code != http.StatusOK || a.Step != 60 || len(a.Series) != 3 {
			t.Fatalf("%d %+v", code, a)
		}
		for i, want := range []any{60., 60., 60., 60., 0.} {
			if p := a.Series[0].Points[i]; p[1] != want || p[0] != noon.Add(time.Duration(i)*time.Minute).Format(time.RFC3339) {
				t.Errorf("requests, point %d: %v, want %v", i, p, want)
			}
		}
		if p := a.Series[2].Points; p[0][1] == nil || p[4][1] != nil {
			t.Errorf("latency: %v; a minute without requests has none", p)
		}
		if r.ask(path+"&metric=requests&step=60&group_by=model", &a); len(a.Series) != 2 || *a.Series[0].Key["model"] != "a" || a.Series[0].Points[1][1] != 40. || a.Series[1].Points[1][1] != 20. {
			t.Errorf("by model: %+v", a)
		}
		if r.ask(path+"&metric=requests&step=60&model=b", &a); a.Series[0].Points[0][1] != 20. {
			t.Errorf("of one model: %+v", a)
		}
		whole := "from=" + rfc(noon) + "&to=" + rfc(noon.Add(5*time.Minute))
		for _, bad := range []string{whole, whole + "&metric=nothing", whole + "&metric=requests&step=0", whole + "&metric=requests&group_by=colour", "metric=requests&from=yesterday",
			"metric=requests&step=1&from=" + rfc(noon.Add(-time.Hour)), "metric=requests&from=" + rfc(noon) + "&to=" + rfc(noon)} {
			if code := r.ask("/analytics/series?"+bad, new(map[string]any)); code != http.StatusUnprocessableEntity {
				t.Errorf("%q: %d", bad, code)
			}
		}
		r.stop()
	})
}

// The pages of a series are those of its groups, the busiest first, each once, whatever the limit asks for.
func TestSeriesPageByPage(t *testing.T) {
	s := newVisitors(0, 1)
	for i := range 30 {
		for range 30 - i {
			cell := new(agg.Cell)
			cell.Add(request(s.now, ""), false)
			s.lanes[i%3].ladders[0].add(s.now, values{fmt.Sprintf("model-%02d", i), "t"}, cell, s.now)
		}
	}
	read := func(more string, most int) (seen []string) {
		span := "&from=" + rfc(time.Unix(s.now-1999, 0)) + "&to=" + rfc(time.Unix(s.now+1, 0))
		for cursor := ""; ; {
			w := httptest.NewRecorder()
			s.getSeries(w, httptest.NewRequest("GET", "/analytics/series?group_by=model"+span+more+cursor, nil))
			var a struct {
				Series []struct{ Key map[string]string }
				Next   *string `json:"next_cursor"`
			}
			if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil || w.Code != http.StatusOK || len(a.Series) == 0 || len(a.Series) > most {
				t.Fatalf("%q: %d, %v, %d lines", more+cursor, w.Code, err, len(a.Series))
			}
			for _, line := range a.Series {
				if name := line.Key["model"]; len(seen) == 0 || seen[len(seen)-1] != name {
					seen = append(seen, name)
				}
			}
			if a.Next == nil {
				return seen
			}
			cursor = "&cursor=" + *a.Next
		}
	}
	for _, c := range []struct {
		query string
		most  int
	}{{"&metric=requests&step=60", 100}, {"&metric=requests,errors&step=60&limit=7", 14}} {
		if seen := read(c.query, c.most); len(seen) != 30 || !slices.IsSorted(seen) {
			t.Errorf("%s: %d groups: %v", c.query, len(seen), seen)
		}
	}
	bad := httptest.NewRecorder()
	if s.getSeries(bad, httptest.NewRequest("GET", "/analytics/series?metric=requests&cursor=x", nil)); bad.Code != http.StatusUnprocessableEntity {
		t.Errorf("cursor=x: %d", bad.Code)
	}
}

// A page has no more points than an answer may have, and no more steps than are added up for one.
func TestSeriesOfManyStepsHaveSmallPages(t *testing.T) {
	s := newVisitors(0, 1)
	for i := range 120 {
		cell := new(agg.Cell)
		cell.Add(request(s.now, ""), false)
		s.lanes[0].ladders[0].add(s.now, values{fmt.Sprint("model-", i), "t"}, cell, s.now)
	}
	for _, c := range []struct{ metrics, offset, want int }{{maxMetrics, 0, 50}, {maxMetrics, 100, 20}, {1, 0, 100}, {1, 100, 20}} {
		p := params{Values: url.Values{"metric": {strings.Join(agg.MetricNames()[:c.metrics], ",")}}}
		lines, next, _ := s.series(Span{s.now - maxPoints + 1, s.now + 1}, 1, p.metrics("metric", maxMetrics), question{groupBy: []string{"model"}, offset: c.offset, limit: 1000})
		if len(lines) != c.want*c.metrics || (next == nil) != (c.offset == 100) {
			t.Errorf("from %d on: %d lines of %d metrics, next %v; want %d groups", c.offset, len(lines), c.metrics, next, c.want)
		}
	}
}

func TestStepsFollowThePanes(t *testing.T) {
	l := newLadder(1000, true)
	l.insert(7200, 0, group{who: l.keys.id(values{"m"}), cell: new(agg.Cell)}, 0)   // an hour
	l.insert(14_400, 3, group{who: l.keys.id(values{"m"}), cell: new(agg.Cell)}, 0) // a second
	for _, c := range []struct{ from, to, want int64 }{{7200, 7260, 3600}, {14_400, 14_460, 1}, {0, 20_000, 3600}, {0, 100, 1}} {
		if got := l.coarsest(c.from, c.to); got != c.want {
			t.Errorf("[%d, %d): %d, want %d", c.from, c.to, got, c.want)
		}
	}
}

func TestTopUsersOutliveAKill(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		dir := t.TempDir()
		r := w.start(quick(), dir)
		put := func(n int, user string, tokens, cost int64) {
			for i := range n {
				w.put(requests0, spent(time.Now(), fmt.Sprint(user, i, tokens), "m", user, tokens, cost))
			}
		}
		put(50, "heavy", 10, 1_000_000)
		put(30, "costly", 1, 9_000_000)
		put(5, "rare", 1000, 0)
		r.settle()
		r.stop()
		r = w.start(quick(), dir)
		put(7, "heavy", 11, 0)
		r.settle()
		r.kill()
		r = w.start(quick(), dir)
		for metric, want := range map[string]string{
			"requests": "[heavy 57 costly 30 rare 5]", "tokens": "[rare 5000 heavy 577 costly 30]", "cost_usd": "[costly 0.27 heavy 0.05 rare 0]",
		} {
			var a topAnswer
			if code := r.ask("/analytics/top?by=user_id&window=3600&metric="+metric, &a); code != http.StatusOK {
				t.Fatalf("%s: %d", metric, code)
			}
			var got []any
			for _, i := range a.Items {
				got = append(got, *i.Key["user_id"], i.Value)
			}
			if fmt.Sprint(got) != want {
				t.Errorf("%s: %v, want %s", metric, got, want)
			}
		}
		if got := r.topPages("user_id", ""); got != "heavy costly rare " {
			t.Errorf("page by page: %s", got)
		}
		var a topAnswer
		if r.ask("/analytics/top?by=model&metric=latency_ms.p95&window=3600", &a); len(a.Items) != 1 || *a.Items[0].Key["model"] != "m" {
			t.Errorf("by model: %+v", a)
		}
		for _, bad := range []string{"by=colour&metric=requests", "by=user_id&metric=errors", "by=user_id&metric=requests&model=m", "by=model"} {
			if code := r.ask("/analytics/top?"+bad, new(map[string]any)); code != http.StatusUnprocessableEntity {
				t.Errorf("%s: %d", bad, code)
			}
		}
		r.stop()
	})
}

// TestUnknownParameters: a slip of the pen, or the parameter of another question, is refused and never answered as if it were not there.
func TestUnknownParameters(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		r := w.start(quick(), t.TempDir())
		all := "&limit=10&without=model:x&without=model:y"
		span := "2000-01-01T00:00:00Z/2000-01-01T00:05:00Z"
		for known, unknown := range map[string]string{
			"/analytics?window=60&at=2000-01-01T00:05:00Z&group_by=model&tenant=a" + all:                                                "withou=model:m by=model metric=requests from=x",
			"/analytics/series?metric=requests&from=2000-01-01T00:00:00Z&to=2000-01-01T00:05:00Z&step=60&group_by=model&tenant=a" + all: "window=60 at=x withou=x",
			"/analytics/top?by=model&metric=requests&window=60&at=2000-01-01T00:05:00Z&tenant=a" + all:                                  "group_by=model step=60",
			"/analytics/compare?metric=requests&window=60&a=" + span + "&b=" + span + all:                                               "tenant=acme model=m group_by=model at=x",
			"/analytics/performance?": "tenant=acme window=60",
		} {
			if code := r.ask(known, new(map[string]any)); code != http.StatusOK {
				t.Errorf("%s: %d", known, code)
			}
			for _, more := range strings.Fields(unknown) {
				var a struct{ Errors []httpx.FieldError }
				code := r.ask(known+"&"+more, &a)
				name, _, _ := strings.Cut(more, "=")
				if code != http.StatusUnprocessableEntity || len(a.Errors) != 1 || a.Errors[0].Code != "unknown_parameter" || a.Errors[0].Pointer != "?"+name || !strings.HasPrefix(a.Errors[0].Detail, name+": ") {
					t.Errorf("%s&%s: %d %+v", known, more, code, a.Errors)
				}
			}
		}
		r.stop()
	})
}

// topPages are the first ones by requests, read one by one.
func (r *rig) topPages(by, more string) (names string) {
	for cursor := ""; ; {
		var a topAnswer
		if code := r.ask("/analytics/top?limit=1&window=3600&metric=requests&by="+by+more+cursor, &a); code != http.StatusOK || len(a.Items) != 1 {
			r.t.Fatalf("%d %+v", code, a)
		}
		if names += *a.Items[0].Key[by] + " "; a.NextCursor == nil {
			return names
		}
		cursor = "&cursor=" + *a.NextCursor
	}
}

func TestCompareNamesWhatChanged(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		r := w.start(quick(), t.TempDir())
		noon := time.Date(2000, 1, 1, 0, 10, 0, 0, time.UTC)
		time.Sleep(time.Until(noon.Add(2 * time.Minute)))
		id := 0
		put := func(when time.Time, n int, model string) {
			for range n {
				id++
				w.put(requests0, spent(when, fmt.Sprint(id), model, "u", 1, 0))
			}
		}
		put(noon, 10, "a")
		put(noon, 10, "b")
		put(noon.Add(time.Minute), 11, "a")
		put(noon.Add(time.Minute), 40, "b")
		put(noon.Add(time.Minute), 3, "new")
		r.settle()
		spans := "a=" + rfc(noon) + "/" + rfc(noon.Add(time.Minute)) + "&b=" + rfc(noon.Add(time.Minute)) + "/" + rfc(noon.Add(2*time.Minute))
		for _, q := range []string{spans, "window=60&a=" + rfc(noon.Add(time.Minute)) + "&b=" + rfc(noon.Add(2*time.Minute))} {
			var a compareAnswer
			if code := r.ask("/analytics/compare?metric=requests&"+q, &a); code != http.StatusOK || *a.A.Value != 20 || *a.B.Value != 54 {
				t.Fatalf("%d %+v", code, a)
			}
			var got string
			for _, c := range a.Contributions {
				if c.Dimension == "model" {
					got += fmt.Sprint(text(c.Value), c.Change, " ")
				}
			}
			if got != "b30 new3 a1 " {
				t.Errorf("%s", got)
			}
		}
		r.stop()
	})
}

// Of a mean the part of a value is by how many requests it has: over a dimension the parts add up to the change of the whole, and one failed request
// of a model that has no others stands below a hundred of a busy one.
func TestCompareOfMeans(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		r := w.start(quick(), t.TempDir())
		noon := time.Date(2000, 1, 1, 0, 10, 0, 0, time.UTC)
		time.Sleep(time.Until(noon.Add(2 * time.Minute)))
		put := func(when time.Time, model string, n, failed int, ms int64) {
			for i := range n {
				e := at(when, fmt.Sprint(when.Unix(), model, i))
				e.SetText(event.Model, model)
				e.SetBool(event.Success, i >= failed)
				e.SetInt(event.DurationMS, ms*1e6)
				w.put(requests0, e)
			}
		}
		put(noon, "busy", 100, 10, 100)
		put(noon, "rare", 1, 0, 100)
		put(noon.Add(time.Minute), "busy", 100, 20, 200)
		put(noon.Add(time.Minute), "rare", 1, 1, 100)
		put(noon.Add(time.Minute), "new", 4, 0, 900)
		r.settle()
		spans := "&a=" + rfc(noon) + "/" + rfc(noon.Add(time.Minute)) + "&b=" + rfc(noon.Add(time.Minute)) + "/" + rfc(noon.Add(2*time.Minute))
		for metric, first := range map[string]string{"error_rate": "busy", "latency_ms.avg": "busy", "latency_ms.p95": "busy", "requests": "new"} {
			var a, page compareAnswer
			if code := r.ask("/analytics/compare?metric="+metric+spans, &a); code != http.StatusOK {
				t.Fatalf("%s: %d", metric, code)
			}
			var models []contribution
			sum := 0.0
			for _, c := range a.Contributions {
				if c.Dimension == "model" {
					models = append(models, c)
					sum += c.Part
				}
			}
			if len(models) != 3 || text(models[0].Value) != first {
				t.Errorf("%s: %+v", metric, models)
			}
			if change := *a.B.Value - *a.A.Value; metric != "latency_ms.p95" && math.Abs(sum-change) > 1e-9 {
				t.Errorf("%s: the parts add up to %v, the whole has changed by %v", metric, sum, change)
			}
			r.ask("/analytics/compare?limit=2&metric="+metric+spans, &page)
			got := page.Contributions
			for page.NextCursor != nil {
				cursor := *page.NextCursor
				page = compareAnswer{}
				r.ask("/analytics/compare?limit=2&metric="+metric+spans+"&cursor="+cursor, &page)
				got = append(got, page.Contributions...)
			}
			if len(got) != len(a.Contributions) || text(got[0].Value) != text(a.Contributions[0].Value) || a.NextCursor != nil {
				t.Errorf("%s: %d in pages of two, %d at once", metric, len(got), len(a.Contributions))
			}
		}
		if got := r.topPages("model", "&at="+rfc(noon.Add(2*time.Minute))); got != "busy new rare " {
			t.Errorf("page by page: %s", got)
		}
		r.stop()
	})
}

// A wallet holds the same sums whatever is folded together, and comes back from its bytes as it was.
func TestWalletKeepsItsSums(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	w, want := newWallet(), spend{}
	for i := range 200_000 {
		x := spend{1, rnd.Int64N(100), rnd.Int64N(1000)}
		want.add(x)
		w.add(int64(i/10), fmt.Sprint("u", rnd.IntN(50_000)), x, int64(i/100))
		if i%1000 == 0 {
			w.age(int64(i / 100))
		}
	}
	total := func(w *wallet) (sum spend) {
		all := &spenders{}
		w.window(0, 1<<40, all)
		for _, x := range all.all() {
			sum.add(x)
		}
		return sum
	}
	if got := total(w); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	for level := range w.levels {
		if n := w.levels[level].entries; n > maxSpends+mostSpenders+1 {
			t.Errorf("level %d: %d entries", level, n)
		}
	}
	bytes1 := w.appendTo(nil)
	d, again := decoder{src: bytes1}, newWallet()
	if d.wallet(again); d.err != nil || len(d.src) != 0 || !bytes.Equal(again.appendTo(nil), bytes1) {
		t.Errorf("from its bytes it is another one: %v, %d left", d.err, len(d.src))
	}
}
