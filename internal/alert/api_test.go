package alert

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/alert/respond"
	"github.com/hxp-enterprise/hxp/internal/alert/target"
	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/bus/bustest"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
	"github.com/hxp-enterprise/hxp/internal/kit/telemetry"
)

// served is a service on a broker with one target, and its API.
func served(t *testing.T) (*Service, http.Handler) {
	t.Helper()
	return servedAs(t, nil)
}

func servedAs(t *testing.T, change func(*Config)) (*Service, http.Handler) {
	t.Helper()
	return servedOn(t, bustest.New(t), change)
}

func servedOn(t *testing.T, b *bus.Bus, change func(*Config), with ...func(*Options)) (*Service, http.Handler) {
	t.Helper()
	log, reg := slog.New(slog.DiscardHandler), telemetry.NewRegistry()
	cfg := Config{
		ApprovalExpiry: time.Hour, Lease: time.Hour, MaxLease: time.Hour, Recovery: time.Hour, Cooldown: time.Hour, MaxCooldown: time.Hour, MaxLag: time.Minute,
		Deadline: 30 * time.Second, Settle: time.Second, ActionBurst: 9, ActionRefill: time.Hour, TotalBurst: 9, TotalRefill: time.Hour, BlastRadius: .1,
		FlapCycles: 3, FlapWindow: time.Hour, FlapFreeze: time.Hour,
		Targets: []target.Config{{Name: "hook", Type: "webhook", URL: "http://127.0.0.1:1", Phases: []string{"apply"}}},
	}
	if change != nil {
		change(&cfg)
	}
	o := Options{DataDir: t.TempDir(), Log: log, Registry: reg}
	for _, f := range with {
		f(&o)
	}
	s, err := New(cfg, b, o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	<-s.Ready()
	m := httpx.NewMux(log, reg)
	s.Mount(m)
	return s, m
}

// proposal makes a proposed response and returns its id.
func proposal(t *testing.T, s *Service, episode string) (id string) {
	t.Helper()
	now := time.Now()
	err := s.machine.Handle(t.Context(), &respond.Alert{
		ID: episode, Rule: "rule " + episode, State: "firing", Mode: "propose", Key: respond.Key{"tenant": episode}, At: now, CausedAt: now,
		Actions: []respond.Action{{Type: "scale", Target: "hook", With: map[string]string{"tenant": "{tenant}"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	s.machine.Look(func(b *respond.Book) {
		r := b.All()[len(b.All())-1]
		if id = r.ID; r.State != respond.Proposed {
			t.Fatalf("the response is %s: %s", r.State, r.Reason)
		}
	})
	return id
}

func ask(h http.Handler, method, path, body string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	h.ServeHTTP(w, r)
	return w
}

func TestAPI(t *testing.T) {
	s, h := served(t)
	first, second := proposal(t, s, "e1"), proposal(t, s, "e2")
	long := `{"reason":"` + strings.Repeat("x", maxBody) + `"}`
	for _, c := range []struct {
		method, path, body string
		status             int
		says               string
	}{
		{"GET", "/responses", "", 200, second},
		{"GET", "/responses?state=proposed&limit=1", "", 200, `"next_cursor":"`},
		{"GET", "/responses?rule=other", "", 200, `"responses":[]`},
		{"GET", "/responses/" + first, "", 200, `"state":"proposed"`},
		{"GET", "/responses/none", "", 404, "there is no response"},
		{"GET", "/responses?state=sleeping", "", 422, "?state"},
		{"GET", "/responses?limit=0", "", 422, "?limit"},
		{"GET", "/responses?limit=1001", "", 422, "?limit"},
		{"GET", "/responses?until=now", "", 422, "?until"},
		{"GET", "/responses?until=1999-01-01T00:00:00Z", "", 200, `"responses":[]`},
		{"GET", "/responses?until=9999-01-01T00:00:00Z", "", 200, first},
		{"GET", "/responses?cursor=%21", "", 422, "?cursor"},
		{"GET", "/responses?cursor=LTE", "", 422, "?cursor"},
		{"POST", "/responses/none/approve", "", 404, "there is no response"},
		{"POST", "/responses/none/dismiss", "{", 404, "there is no response"},
		{"POST", "/responses/" + first + "/revert", "", 409, "nothing to take back"},
		{"POST", "/responses/none/dry-run", "", 404, "there is no response"},
		{"POST", "/responses/" + first + "/dry-run", "", 200, `"would":"apply"`},
		{"POST", "/responses/" + first + "/dismiss", "{", 400, "not a JSON object"},
		{"POST", "/responses/" + first + "/dismiss", "{}{}", 400, "something follows"},
		{"POST", "/responses/" + first + "/dismiss", "{}]", 400, "something follows"},
		{"POST", "/responses/" + first + "/dismiss", `{"reason":7}`, 422, "/reason"},
		{"POST", "/responses/" + first + "/dismiss", `[1]`, 400, "not a JSON object but an array"},
		{"POST", "/responses/" + first + "/dismiss", long, 413, "bytes"},
		{"POST", "/responses/" + first + "/dismiss", `{"reason":"no need","by":"ops"}`, 200, `"reason":"no need"`},
		{"POST", "/responses/" + first + "/dismiss", "", 409, "it is dismissed"},
		{"POST", "/responses/" + first + "/approve", "", 409, "it is dismissed"},
		{"PUT", "/responses/kill-switch", "", 400, "not a JSON object"},
		{"PUT", "/responses/kill-switch", "{}", 422, "/on"},
		{"PUT", "/responses/kill-switch", `{"on":"perhaps"}`, 422, "/on"},
		{"PUT", "/responses/kill-switch", `{"on":true,"reason":"night"}`, 200, `"on":true`},
		{"POST", "/responses/" + second + "/approve", "", 409, "the kill switch is on"},
		{"POST", "/responses/" + second + "/dry-run", "", 200, `"rail":"kill_switch"`},
		{"POST", "/responses/" + first + "/dry-run", "", 409, "it is dismissed"},
		{"GET", "/responses/kill-switch", "", 200, "night"},
		{"GET", "/responses/audit?limit=2", "", 200, `"prev_hash"`},
		{"GET", "/responses/audit?limit=x", "", 422, "?limit"},
		{"GET", "/responses/audit/verify", "", 200, `"records":4`}, // two proposals, one dismissed, the switch
	} {
		w := ask(h, c.method, c.path, c.body)
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.says) {
			t.Errorf("%s %s %.40q: %d %.300s; want %d and %s", c.method, c.path, c.body, w.Code, w.Body, c.status, c.says)
		}
		if !json.Valid(w.Body.Bytes()) {
			t.Errorf("%s %s answers with no JSON", c.method, c.path)
		}
	}
}

// The pages of a list are the list.
func TestPagesOfResponses(t *testing.T) {
	s, h := served(t)
	want := []string{proposal(t, s, "e1"), proposal(t, s, "e2"), proposal(t, s, "e3")}
	for path, at := "/responses?limit=1", len(want)-1; ; at-- {
		var page responseList
		if err := json.Unmarshal(ask(h, "GET", path, "").Body.Bytes(), &page); err != nil || len(page.Responses) != 1 || page.Responses[0].ID != want[at] {
			t.Fatalf("page %d: %v, %+v", at, err, page)
		}
		if at == 0 {
			if page.Next != nil {
				t.Error("there is a page behind the last one")
			}
			return
		}
		path = "/responses?limit=1&cursor=" + *page.Next
	}
}
