package stream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
	"github.com/hxp-enterprise/hxp/internal/stream/join"
)

// shelf is hours at rest.
type shelf struct {
	events   []*event.Event
	from, to time.Time // that were asked for
	err      error
	joined   agg.Joined
}

func (s *shelf) Joined(_ context.Context, from, to time.Time) (agg.Joined, error) {
	return s.joined, s.err
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
	if a.Completeness.Batch != nil {
		t.Errorf("no hour tells what it joins: %v", *a.Completeness.Batch)
	}
	stored.joined = agg.Joined{Requests: 8, Complete: 2}
	if a := get("since=2020-01-01T00:00:00Z"); a.Completeness.Batch == nil || *a.Completeness.Batch != 0.25 {
		t.Errorf("%+v", a.Completeness)
	}
	if a := get(""); a.Stored != nil {
		t.Errorf("without an id: %+v", a)
	}
	stored.err = errors.New("no disk")
	if a := get("request_id=r"); a.Stored.Whole || len(a.Correlations) != 1 {
		t.Errorf("with an error: %+v", a)
	}
}

// One client has one search under way and few in line; others have theirs beside it, whatever the one does.
func TestSearchesTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSearches()
		greedy, ok := s.begin(t.Context(), "greedy")
		if !ok {
			t.Fatal("the first one waits")
		}
		var waiting sync.WaitGroup
		var served, refused atomic.Int32
		for range 3 * searchesInLine {
			waiting.Go(func() {
				if done, ok := s.begin(t.Context(), "greedy"); ok {
					served.Add(1)
					done()
				} else {
					refused.Add(1)
				}
			})
		}
		synctest.Wait()
		if refused.Load() != 2*searchesInLine+1 || served.Load() != 0 {
			t.Errorf("%d refused, %d served beside the one under way", refused.Load(), served.Load())
		}
		var others []func()
		for i := range searchesAtOnce - 1 {
			done, ok := s.begin(t.Context(), fmt.Sprint("other", i))
			if !ok {
				t.Fatal("another client finds no place")
			}
			others = append(others, done)
		}
		began := time.Now()
		if _, ok := s.begin(t.Context(), "third"); ok || time.Since(began) != searchWait {
			t.Error("more are under way than may be, or nobody waits")
		}
		waiting.Wait() // those in line have waited long enough as well
		if refused.Load() != 3*searchesInLine {
			t.Errorf("%d refused", refused.Load())
		}
		waiting.Go(func() {
			if done, ok := s.begin(t.Context(), "third"); ok {
				served.Add(1)
				done()
			}
		})
		synctest.Wait()
		others[0]()
		waiting.Wait()
		for _, done := range append(others[1:], greedy) {
			done()
		}
		if served.Load() != 1 || len(s.lines) != 0 || len(s.free) != 0 {
			t.Errorf("%d served, %d lines, %d under way are left", served.Load(), len(s.lines), len(s.free))
		}
	})
}

// Few look at what remembered requests say at once: who finds no place is told when to come back, who goes away waits no longer, and the others,
// who look at no request, wait for nobody.
func TestScansAreFew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(testConfig(), nil, Options{Log: slog.New(slog.DiscardHandler)})
		mux := httpx.NewMux(slog.New(slog.DiscardHandler), nil)
		mountCorrelations(s, mux, Beside{})
		get := func(ctx context.Context, query string) *httptest.ResponseRecorder {
			w := httptest.NewRecorder()
			mux.ServeHTTP(w, httptest.NewRequestWithContext(ctx, "GET", "/correlations?"+query, nil))
			return w
		}
		for range scansAtOnce {
			s.scans <- struct{}{}
		}
		began := time.Now()
		if w := get(t.Context(), "status=open"); w.Code != 200 || time.Since(began) != 0 {
			t.Errorf("without a look at requests: %d after %s", w.Code, time.Since(began))
		}
		for _, query := range []string{"from=2026-03-01T00:00:00Z", "model=m", "order=slowest"} {
			began := time.Now()
			if w := get(t.Context(), query); w.Code != 503 || w.Header().Get("Retry-After") != "10" || time.Since(began) != searchWait {
				t.Errorf("%s without a place: %d, Retry-After %q after %s", query, w.Code, w.Header().Get("Retry-After"), time.Since(began))
			}
		}
		ctx, leave := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, leave)
		began = time.Now()
		if w := get(ctx, "model=m"); w.Body.Len() > 0 || time.Since(began) != time.Second {
			t.Errorf("who went away heard %s after %s", w.Body, time.Since(began))
		}
		<-s.scans
		for range 2 {
			if w := get(t.Context(), "model=m"); w.Code != 200 {
				t.Errorf("with a place: %d %s", w.Code, w.Body)
			}
		}
		if w := get(ctx, "status=open"); w.Body.Len() > 0 {
			t.Errorf("who had gone away heard %s", w.Body)
		}
	})
}
