package stream

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/bus/bustest"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
	alertbook "github.com/hxp-enterprise/hxp/internal/stream/alerts"
)

const sequences = `
- {name: fails-then-complains, type: sequence, within: 60s, group_by: [session_id], keep_firing_for: 1h,
   steps: ["event_type == 'llm_request' && data.success == false", "event_type == 'user_feedback' && data.thumbs == 'down'"]}
- {name: user-gives-up, type: sequence, within: 60s, group_by: [user_id], keep_firing_for: 1h,
   steps: ["event_type == 'user_feedback' && data.thumbs == 'down'", "event_type == 'user_feedback' && data.thumbs == 'down'"]}
`

// visit is a request of a session that fails, and the feedback to it.
func visit(n int, session, user string) []*bus.Message {
	at := time.Now().UnixMicro()
	failed, down := request(at/1e6, "m"), &event.Event{Kind: event.UserFeedback, HasTime: true, Time: at + 1, Source: "test"}
	failed.ID, failed.Source, failed.Time = fmt.Sprint("request-", n), "test", at
	down.ID = fmt.Sprint("feedback-", n)
	failed.SetBool(event.Success, false)
	down.SetText(event.Thumbs, "down")
	for _, e := range []*event.Event{failed, down} {
		e.SetText(event.RequestID, fmt.Sprint("r", n))
		e.SetText(event.SessionID, session)
		e.SetText(event.UserID, user)
	}
	key := []byte(failed.ID)
	return []*bus.Message{{Topic: "llm-requests", Key: key, Value: event.AppendJSON(nil, failed)}, {Topic: "user-feedback", Key: key, Value: event.AppendJSON(nil, down)}}
}

// Patterns are what sequences saw, by session and by user, with the events that made them; what goes on is counted on.
func TestPatterns(t *testing.T) {
	b := bustest.New(t)
	s := judging(t, b, t.TempDir(), newRules(t, sequences))
	defer s.end(t)
	book := alertbook.NewBook(alertbook.Budget, slog.New(slog.DiscardHandler), nil)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- b.NewTail(event.TopicAlerts, book, slog.New(slog.DiscardHandler)).Run(ctx) }()
	defer func() { stop(); <-done }()
	mux := httpx.NewMux(slog.New(slog.DiscardHandler), nil)
	mountCorrelations(s.Service, mux, Beside{Alerts: book})
	get := func(query string) (out correlationsAnswer) {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "/correlations?"+query, nil))
		if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil || w.Code != 200 {
			t.Fatalf("%s: %d %s", query, w.Code, w.Body)
		}
		return out
	}
	count := func(rule string) (n int64) {
		for _, p := range get("").Patterns {
			if p.Rule == rule {
				n += p.Count
			}
		}
		return n
	}
	wait := func(rule string, want int64) {
		t.Helper()
		for end := time.Now().Add(2 * time.Minute); count(rule) < want; {
			if time.Now().After(end) {
				t.Fatalf("%s was seen %d times, want %d: %+v", rule, count(rule), want, get("").Patterns)
			}
			if _, err := s.Objectives(t.Context()); err != nil { // a question takes about as long as it needs
				t.Fatal(err)
			}
		}
	}
	produce(t, b, slices.Concat(visit(1, "s1", "u"), visit(2, "s2", "u")))
	wait("fails-then-complains", 2)
	produce(t, b, visit(3, "s1", "v")) // goes on with the episode of the session
	wait("fails-then-complains", 3)
	wait("user-gives-up", 1)
	var s1 pattern
	for _, p := range get("").Patterns {
		if p.Key["session_id"] == "s1" {
			s1 = p
		}
	}
	if s1.Count != 2 || !slices.Equal(s1.Events, []string{"request-1", "feedback-1", "request-3", "feedback-3"}) || s1.EndedAt.Before(s1.StartedAt) || s1.State != alertbook.Firing || book.Find(s1.Alert) == nil {
		t.Errorf("%+v", s1)
	}
	if got := get("request_id=r2").Patterns; len(got) != 2 { // its session complained, its user gave up
		t.Errorf("of one request: %+v", got)
	}
	if got := get("request_id=r9").Patterns; len(got) != 0 {
		t.Errorf("of an unknown request: %+v", got)
	}
	if got := get("model=other").Patterns; len(got) != 0 {
		t.Errorf("of another model: %+v", got)
	}
}
