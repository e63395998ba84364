package batch

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/batch/insight"
	"github.com/hxp-enterprise/hxp/internal/event"
)

// Sessions and users are followed over hours and kinds of events, each event once, in the order of their times.
func TestFunnels(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		at := func(hour int64, rows []event.LakeRow) {
			for i := range rows {
				rows[i].Event.ID = fmt.Sprint(hour, rows[i].Event.ID)
			}
			twice := rows[0]
			twice.Offset = 100
			w.publish(hour0+hour*3600, append(rows, twice)...)
		}
		session := func(n int) func(int, *event.Event) {
			return func(i int, e *event.Event) {
				e.SetText(event.SessionID, fmt.Sprint("s", i%n))
				e.SetText(event.UserID, fmt.Sprint("u", i%2))
			}
		}
		at(0, said("business-events", event.BusinessEvent, 1, session(1))) // before everything else, and so no step of anything
		at(1, said("llm-requests", event.LLMRequest, 8, session(8)))
		at(1, said("user-feedback", event.UserFeedback, 4, session(4)))
		at(2, said("business-events", event.BusinessEvent, 6, func(i int, e *event.Event) {
			session(6)(i, e)
			e.SetText(event.BusinessEventType, []string{"order", "signup"}[i/3])
		}))
		r := begin(t, w, func(c *Config) {
			c.Intelligence.Funnels = []Funnel{
				{Name: "value", By: "session_id", Within: 86400, Steps: []string{"llm_request", "user_feedback", "business_event"}},
				{Name: "orders", By: "session_id", Within: 86400, Steps: []string{"llm_request", "business_event:order"}},
				{Name: "soon", By: "session_id", Within: 60, Steps: []string{"llm_request", "business_event:order"}},
				{Name: "twice", By: "user_id", Within: 86400, Steps: []string{"business_event:order", "business_event:order"}},
			}
		})
		ask := func(query string) (got funnelAnswer) {
			a := r.call("GET", "/business-intelligence/funnels"+query, "")
			if err := json.Unmarshal([]byte(a.body), &got); err != nil || a.status != 200 {
				t.Fatalf("%d %v: %s", a.status, err, a.body)
			}
			return got
		}
		count := func(steps []insight.FunnelStep) (text string) {
			for _, s := range steps {
				text += fmt.Sprint(" ", s.Subjects)
			}
			return text
		}
		const day = "?from=2026-03-01&to=2026-03-02"
		got := ask(day)
		for i, want := range []string{" 8 4 4", " 8 3", " 8 0", " 2 1"} { // orders are of s0 to s2: two of u0, one of u1
			if f := got.Funnels[i]; count(f.Came) != want {
				t.Errorf("%s: %s, want %s", f.Name, count(f.Came), want)
			}
		}
		if len(got.Limits) != 0 || got.Funnels[2].Within != 60 || got.Funnels[3].By != "user_id" || *got.Funnels[1].Came[1].OfFirst != 0.375 || got.Funnels[1].Came[1].Step != "business_event:order" {
			t.Errorf("%+v", got)
		}
		if got := ask("?from=2026-03-01T12:00:00Z&to=2026-03-02"); count(got.Funnels[0].Came) != " 0 0 0" || got.Funnels[0].Came[0].OfFirst != nil {
			t.Errorf("without its first hours: %+v", got.Funnels[0])
		}
		w.hours[hour0].base = map[agg.Group][]byte{{}: nil}
		if got := ask(day); len(got.Limits) != 1 || got.Limits[0].Why != "raw events of 1 of 3 hours have left; these are of the rest" {
			t.Errorf("%+v", got.Limits)
		}
		for query, want := range map[string]string{"?from=then": "RFC 3339", "?by=x": "unknown parameter", "?from=2026-03-02&to=2026-03-01": "does not lie behind"} {
			if a := r.call("GET", "/business-intelligence/funnels"+query, ""); a.status != 422 || !strings.Contains(a.body, want) {
				t.Errorf("%s: %d %s", query, a.status, a.body)
			}
		}
	})
}

// Where nothing is set there is one funnel, and what is wrong with one is told.
func TestFunnelSettings(t *testing.T) {
	if p := newPassage(nil, time.Time{}, time.Time{}); len(p.told()) != 1 || len(p.told()[0].Came) != 3 {
		t.Errorf("%+v", p.told())
	}
	for _, tc := range []struct {
		f    Funnel
		want string
	}{
		{Funnel{By: "session_id", Within: 1, Steps: []string{"llm_request", "user_feedback"}}, "name: "},
		{Funnel{Name: "f", By: "host", Within: 1, Steps: []string{"llm_request", "user_feedback"}}, `by: "host"`},
		{Funnel{Name: "f", By: "user_id", Steps: []string{"llm_request", "user_feedback"}}, "within_seconds: 0"},
		{Funnel{Name: "f", By: "user_id", Within: 1, Steps: []string{"llm_request"}}, "steps: 1 steps"},
		{Funnel{Name: "f", By: "user_id", Within: 1, Steps: []string{"llm_request", "system_metric"}}, `"system_metric" is none of`},
		{Funnel{Name: "f", By: "user_id", Within: 1, Steps: []string{"llm_request:x", "business_event:"}}, `"business_event:" is none of`},
	} {
		if err := tc.f.Validate(); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%+v: %v, want %s", tc.f, err, tc.want)
		}
	}
	same := []Funnel{{Name: "f"}, {Name: "f"}}
	if err := checkFunnels(same); err == nil || !strings.Contains(err.Error(), "two funnels") {
		t.Errorf("%v", err)
	}
	if err := checkFunnels(make([]Funnel, maxFunnels+1)); err == nil {
		t.Error("any number is taken")
	}
}

// What waits for its turn is bounded, whatever the number of funnels, and has room again afterwards.
func TestFunnelsHoldSoMuchAtATime(t *testing.T) {
	w := newWorld()
	for hour := range int64(3) {
		w.publish(hour0+hour*3600, said("llm-requests", event.LLMRequest, 8, func(i int, e *event.Event) {
			e.ID = fmt.Sprint(hour, i)
			e.SetText(event.SessionID, e.ID)
		})...)
	}
	s, _ := newService(t, w, nil)
	p := newPassage(nil, time.Unix(hour0, 0), time.Unix(hour0+3*3600, 0))
	for _, most := range []int64{8, 7} {
		p.most = most
		for hour := range int64(3) {
			files := w.hours[hour0+hour*3600].files
			seen, err := s.folder.passages(t.Context(), hour0+hour*3600, files, p)
			if (err != nil) != (most < 8) || err == nil && len(seen) != 8 {
				t.Fatalf("hour %d, at most %d: %d, %v", hour, most, len(seen), err)
			}
			if err := p.take(seen); err != nil {
				t.Fatal(err)
			}
		}
	}
}
