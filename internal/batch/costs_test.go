package batch

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/batch/cost"
	"github.com/hxp-enterprise/hxp/internal/event"
)

// spent makes requests of an hour, of which every fifth comes twice.
func spent(rng *rand.Rand, n int) (rows []event.LakeRow) {
	pick := func(of ...string) string { return of[rng.IntN(len(of))] }
	for i := range n {
		r := event.LakeRow{TopicID: "t", Topic: "llm-requests", Offset: int64(len(rows))}
		e := &r.Event
		e.Kind, e.ID, e.Source, e.HasTime, e.Time = event.LLMRequest, fmt.Sprint("e", i), "s", true, hour0*1e6+rng.Int64N(3_600_000_000)
		for f, v := range map[event.Field]string{event.Model: pick("a", "b", ""), event.Tenant: pick("x", "y", ""), event.Endpoint: pick("/1", ""), event.UserID: pick("u", "v", "w")} {
			if v != "" {
				e.SetText(f, v)
			}
		}
		e.SetInt(event.PromptTokens, rng.Int64N(1000))
		if rng.IntN(3) > 0 {
			e.SetInt(event.Cost, rng.Int64N(1e9))
		}
		if rng.IntN(2) > 0 {
			e.Extra = []byte(`{"feature":"` + pick("chat", "search") + `","prompt_version":"` + pick("v1", "v2") + `"}`)
		}
		if e.Metadata = nil; rng.IntN(2) > 0 {
			e.Metadata = []byte(`{"key_alias":"` + pick("k1", "k2") + `"}`)
		}
		rows = append(rows, r)
		if i%5 == 0 {
			r.Offset++
			rows = append(rows, r)
		}
	}
	return rows
}

// plainly adds up requests the plain way.
func plainly(rows []event.LakeRow, by []string, from, to time.Time) *cost.Table {
	t, seen := cost.NewTable(by), map[string]bool{}
	for i := range rows {
		e := &rows[i].Event
		if seen[e.ID] || e.Time < from.UnixMicro() || e.Time >= to.UnixMicro() {
			continue
		}
		seen[e.ID] = true
		u := agg.Usage{Requests: 1, Unknown: 1, Cost: e.Int(event.Cost), Tokens: agg.Tokens{Prompt: e.Int(event.PromptTokens)}}
		if e.Has(event.Cost) {
			u.Priced = 1
		}
		key := make([]string, len(by))
		for n, part := range by {
			switch part {
			case "key":
				key[n] = strings.TrimSuffix(strings.TrimPrefix(string(e.Metadata), `{"key_alias":"`), `"}`)
			case "feature":
				key[n] = extra(e, 3)
			case "prompt_version":
				key[n] = extra(e, 7)
			case "day":
				key[n] = time.UnixMicro(e.Time).UTC().Format(time.DateOnly)
			default:
				key[n] = e.Text(partField[part])
			}
		}
		t.Add(key, &u)
	}
	return t
}

// extra is the text between two quotes of what the catalogue does not know of an event, "" when it says nothing.
func extra(e *event.Event, quote int) string {
	if parts := strings.Split(string(e.Extra), `"`); len(parts) > quote {
		return parts[quote]
	}
	return ""
}

func TestCosts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(7, 7))
		w := newWorld()
		rows := spent(rng, 200)
		w.publish(hour0, slices.Clone(rows)...)
		s, _ := newService(t, w, nil)
		from, to := time.Unix(hour0, 0).UTC(), time.Unix(hour0+3600, 0).UTC()
		ask := func(by []string, from, to time.Time) {
			t.Helper()
			got, err := s.costTable(context.Background(), &costQuery{from: from, to: to, by: by})
			if err != nil {
				t.Fatal(err)
			}
			want := plainly(rows, by, from, to)
			if got.Total != want.Total || !slices.EqualFunc(got.Groups(), want.Groups(), func(a, b cost.Group) bool { return slices.Equal(a.Key, b.Key) && a.Usage == b.Usage }) {
				t.Errorf("by %v:\n%+v\n%+v\nwant\n%+v\n%+v", by, got.Total, got.Groups(), want.Total, want.Groups())
			}
		}
		one := func(from, to time.Time) { // a budget of one tenant keeps no lines of the others
			t.Helper()
			got, err := s.costTable(context.Background(), &costQuery{from: from, to: to, by: []string{"day", "tenant"}, only: []string{"x"}})
			if err != nil {
				t.Fatal(err)
			}
			want := plainly(rows, []string{"day", "tenant"}, from, to).Of("2026-03-01", "x")
			if groups := got.Groups(); len(groups) != 1 || groups[0].Sum != *want || got.Total != *want {
				t.Errorf("tenant x alone: %+v, want %+v", groups, want)
			}
		}
		all := func() {
			for _, by := range [][]string{nil, {"model"}, {"tenant"}, {"endpoint"}, {"day", "tenant"}, {"model", "tenant"}, {"user_id"}, {"key"}, {"feature", "model"}, {"prompt_version", "tenant"}} {
				ask(by, from, to)
			}
			ask([]string{"model"}, from.Add(10*time.Minute), to.Add(-10*time.Minute))
			one(from, to)
		}
		all() // from the events: nothing is folded yet
		if _, err := s.foldHour(context.Background(), hour0, false, 0); err != nil {
			t.Fatal(err)
		}
		clear(w.lake) // from here on a question by one dimension that read the events would fail
		for _, by := range [][]string{nil, {"model"}, {"tenant"}, {"endpoint"}, {"user_id"}, {"day", "tenant"}} {
			ask(by, from, to)
		}
		one(from, to)
	})
}

// TestCostsOnly: a question about one model, or one tenant, is answered with the lines that the question about all has of it.
func TestCostsOnly(t *testing.T) {
	rows := spent(rand.New(rand.NewPCG(8, 8)), 200)
	from, to := time.Unix(hour0, 0).UTC(), time.Unix(hour0+3600, 0).UTC()
	all := plainly(rows, []string{"model", "tenant"}, from, to)
	for _, values := range []map[string]string{{"tenant": "x"}, {"model": "a"}, {"model": "a", "tenant": "x"}, {"model": "nobody"}} {
		n := narrow{only: values}
		got, want := all.Only(n.lets, []string{"model"}), cost.NewTable([]string{"model"})
		for _, g := range all.Groups() {
			if (values["model"] == "" || g.Key[0] == values["model"]) && (values["tenant"] == "" || g.Key[1] == values["tenant"]) {
				want.Add(g.Key[:1], &g.Usage)
			}
		}
		if got.Total != want.Total || !reflect.DeepEqual(got.Groups(), want.Groups()) || (values["model"] == "nobody") != (got.Total.Requests == 0) {
			t.Errorf("%v: %+v, want %+v", values, got.Groups(), want.Groups())
		}
		if whole := all.Only(n.lets, nil); whole.Total != want.Total || whole.Len() > 1 {
			t.Errorf("%v in one line: %+v, want %+v", values, whole.Groups(), want.Total)
		}
	}
}

func TestCostAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.publish(hour0, spent(rand.New(rand.NewPCG(1, 1)), 50)...)
		s, _ := newService(t, w, nil)
		h := s.Handler()
		for _, tc := range []struct {
			method, path, body string
			status             int
			has                string
		}{
			{"GET", "/costs?from=2026-03-01&to=2026-03-02", "", 200, `"groups":[{"key":{}`},
			{"GET", "/costs?from=2026-03-01&to=2026-03-02&group_by=model", "", 200, `"key":{"model":null}`},
			{"GET", "/costs?from=2026-03-01&to=2026-03-02&group_by=model&limit=1", "", 200, `"next_cursor":"1"`},
			{"GET", "/costs?from=2026-03-01&to=2026-03-02&group_by=model&limit=1&cursor=2", "", 200, `"next_cursor":null`},
			{"GET", "/costs?from=2026-03-01&to=2026-03-02&group_by=model,user_id&format=csv", "", 200, "model,user_id,cost_usd,requests,errors,unpriced_requests"},
			{"GET", "/costs?from=2026-03-01&to=2026-03-02&format=focus", "", 200, "AI and Machine Learning"},
			{"GET", "/costs?from=2026-03-01&to=2026-03-02&format=focus&group_by=model", "", 422, "leave group_by out"},
			{"GET", "/costs?from=2026-03-02&to=2026-03-01", "", 422, "does not lie behind"},
			{"GET", "/costs?from=2020-03-02&to=2026-03-01", "", 422, "too_much"},
			{"GET", "/costs?group_by=colour", "", 422, "unknown_value"},
			{"GET", "/costs?group_by=model,model", "", 422, "twice"},
			{"GET", "/costs?group_by=,", "", 422, "unknown_value"},
			{"GET", "/costs?cursor=x", "", 422, "bad_cursor"},
			{"GET", "/costs?from=2026-03-01&to=2026-03-02&group_by=model&tenant=nobody", "", 200, `"groups":[]`},
			{"GET", "/costs?from=2026-03-01&to=2026-03-02&tenant=x", "", 200, `"groups":[{"key":{},`},
			{"GET", "/costs?from=2026-03-01&to=2026-03-02&format=focus&model=nobody", "", 200, "BilledCost"},
			{"GET", "/costs?tenant=", "", 422, "leave tenant out"},
			{"GET", "/costs?model=" + strings.Repeat("m", 513), "", 422, "too_long"},
			{"GET", "/prices", "", 200, `"prices":[]`},
			{"GET", "/prices?cursor=%21", "", 422, "bad_cursor"},
			{"GET", "/prices?history=maybe", "", 422, "unknown_value"},
			{"PUT", "/prices", `{"prices":[{"model":"a","effective_from":"2026-01-01","input_cost_per_token":1e-9,"output_cost_per_token":0,"output_cost_per_image":1}]}`, 200, `"changed":1`},
			{"PUT", "/prices", `{"prices":[{"model":"a","effective_from":"2026-01-01","input_cost_per_token":1e-9,"output_cost_per_token":0}]}`, 200, `"changed":0`},
			{"PUT", "/prices", `{"prices":[{"model":"a","effective_from":"2026-01-01","input_cost_per_token":2e-9,"output_cost_per_token":0}]}`, 200, `"changed":1`},
			{"GET", "/prices", "", 200, `"input_cost_per_token":0.000000002`},
			{"GET", "/prices?history=true&limit=1", "", 200, `"next_cursor":"`},
			{"PUT", "/prices", `{"prices":[{"model":"a","effective_from":"then"}]}`, 422, "/prices/0/effective_from"},
			{"PUT", "/prices", `{`, 400, "cannot be read"},
			{"PUT", "/prices", strings.Repeat(" ", cost.MaxBytes+1), 413, "more than"},
		} {
			rec := httptest.NewRecorder()
			h.ServeHTTP(rec, httptest.NewRequest(tc.method, tc.path, strings.NewReader(tc.body)))
			if rec.Code != tc.status || !strings.Contains(rec.Body.String(), tc.has) {
				t.Errorf("%s %s: %d %s; want %d with %q", tc.method, tc.path, rec.Code, rec.Body, tc.status, tc.has)
			}
		}
		w.prices.fail.Store(true)
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, httptest.NewRequest("PUT", "/prices", strings.NewReader(`{"prices":[{"model":"b","effective_from":"2026-01-01","input_cost_per_request":1}]}`)))
		if rec.Code != 503 || rec.Header().Get("Retry-After") == "" {
			t.Errorf("without brokers: %d", rec.Code)
		}
	})
}

// Hours that count small values together in their cells are told apart by their raw events, while those are there.
func TestCostsOfManyTenants(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rows := spent(rand.New(rand.NewPCG(3, 3)), 100)
		w := newWorld()
		w.publish(hour0, slices.Clone(rows)...)
		s, _ := newService(t, w, nil)
		s.folder.limits = map[string]int{agg.ByModel: 1, agg.ByTenant: 1, agg.ByEndpoint: 1}
		if _, err := s.foldHour(context.Background(), hour0, false, 0); err != nil {
			t.Fatal(err)
		}
		from, to := time.Unix(hour0, 0).UTC(), time.Unix(hour0+3600, 0).UTC()
		want := plainly(rows, []string{"tenant"}, from, to)
		for _, name := range []string{"x", "y"} {
			got, err := s.costTable(context.Background(), &costQuery{from: from, to: to, by: []string{"tenant"}})
			if err != nil {
				t.Fatal(err)
			}
			if *got.Of(name) != *want.Of(name) || got.Of(agg.Others).Requests != 0 {
				t.Errorf("tenant %s: %+v, want %+v", name, got.Of(name), want.Of(name))
			}
			one, err := s.costTable(context.Background(), &costQuery{from: from, to: to, by: []string{"tenant"}, only: []string{name}})
			if err != nil || one.Total != *want.Of(name) {
				t.Errorf("tenant %s alone: %+v, %v, want %+v", name, one.Total, err, want.Of(name))
			}
		}
	})
}
