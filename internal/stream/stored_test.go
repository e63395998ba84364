package stream

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
	"github.com/hxp-enterprise/hxp/internal/stream/join"
)

// shelf is hours at rest.
type shelf struct {
	events   []*event.Event
	from, to time.Time // that were asked for
	err      error
}

func (s *shelf) Request(_ context.Context, id string, from, to time.Time, fn func(*event.Event) error) (bool, error) {
	s.from, s.to = from, to
	for _, e := range s.events {
		if e.Text(event.RequestID) != id {
			continue
		}
		if err := fn(e); err != nil {
			return false, err
		}
	}
	return s.err == nil, s.err
}

// A request that memory does not know is joined out of the hours at rest, and the answer says what was looked through.
func TestForgottenRequestIsJoinedFromTheHours(t *testing.T) {
	s := New(testConfig(), nil, Options{Log: slog.New(slog.DiscardHandler)})
	asked, feedback := request(1_767_225_600, "m"), &event.Event{Kind: event.UserFeedback, ID: "f", Source: "test", Time: 1_767_225_660e6, HasTime: true}
	asked.ID, asked.Source = "e", "test"
	feedback.SetFloat(event.SatisfactionScore, 4)
	for _, e := range []*event.Event{asked, feedback} {
		e.SetText(event.RequestID, "r")
	}
	stored := &shelf{events: []*event.Event{feedback, asked}}
	mux := httpx.NewMux(slog.New(slog.DiscardHandler), nil)
	mountCorrelations(s, mux, Beside{Stored: stored})
	get := func(query string) (out correlationsAnswer) {
		t.Helper()
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "/correlations?"+query, nil))
		if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil || w.Code != 200 {
			t.Fatalf("%s: %d %s", query, w.Code, w.Body)
		}
		return out
	}
	a := get("request_id=r")
	if len(a.Correlations) != 1 || a.Stored == nil || !a.Stored.Whole || a.Summary != (correlationCounts{Partial: 1, WithFeedback: 1}) {
		t.Fatalf("%+v", a)
	}
	v := a.Correlations[0]
	if v.RequestID != "r" || v.Tier != "batch" || v.Status != join.StatusPartial || v.Sequence != 2 || len(v.Feedback) != 1 || v.Request == nil || v.ClosedAt != nil || *v.Derived.Satisfaction != 4 || *v.Derived.FeedbackDelay != 60_000 {
		t.Errorf("%+v", v)
	}
	if reach := stored.to.Sub(stored.from); reach < storedReach || reach > storedReach+2*time.Hour || stored.to.Before(time.Now()) {
		t.Errorf("looked from %s to %s", stored.from, stored.to)
	}
	get("request_id=r&since=2020-01-01T00:00:00Z")
	if reach := stored.to.Sub(stored.from); reach > storedMost+2*time.Hour {
		t.Errorf("looked through %s", reach)
	}
	if a := get("request_id=nobody"); len(a.Correlations) != 0 || a.Stored == nil || !a.Stored.Whole {
		t.Errorf("of nobody: %+v", a)
	}
	if a := get(""); a.Stored != nil {
		t.Errorf("without an id: %+v", a)
	}
	stored.err = errors.New("no disk")
	if a := get("request_id=r"); a.Stored.Whole || len(a.Correlations) != 1 {
		t.Errorf("with an error: %+v", a)
	}
	s.searching.Lock()
	defer s.searching.Unlock()
	if a := get("request_id=r"); a.Stored.Whole || len(a.Correlations) != 0 {
		t.Errorf("beside another search: %+v", a)
	}
}
