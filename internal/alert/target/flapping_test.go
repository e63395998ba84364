package target

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hxp-enterprise/hxp/internal/alert/respond"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/stream/rule"
)

// inMemory answers calls without a network, which a bubble of synctest cannot wait for: those of the admin API by the proxy, and all
// questions of health with 200.
type inMemory struct{ admin http.Handler }

func (m inMemory) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	if r.URL.Host == "admin" {
		m.admin.ServeHTTP(w, r)
	}
	return w.Result(), nil
}

// auditLog is hxp-responses of one instance.
type auditLog struct {
	mu      sync.Mutex
	machine *respond.Machine
	records []*respond.Record
}

func (l *auditLog) Append(_ context.Context, value []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	rec, err := respond.Unseal(value)
	if err != nil {
		return err
	}
	l.machine.Apply(int64(len(l.records)), value)
	l.records = append(l.records, rec)
	return nil
}

func (l *auditLog) count(what respond.What) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range l.records {
		if r.What == what {
			n++
		}
	}
	return n
}

// startMachine lets a machine of its own respond to alerts with some targets.
func startMachine(targets map[string]respond.Target) (log *auditLog, stop func()) {
	log = &auditLog{}
	log.machine = respond.New(respond.Options{
		Limits: respond.Limits{
			Automatic: true, ApprovalExpiry: 15 * time.Minute, Lease: 10 * time.Minute, MaxLease: time.Hour, Recovery: 5 * time.Second, Cooldown: 10 * time.Second, MaxCooldown: 6 * time.Hour,
			MaxLag: time.Minute, Deadline: 30 * time.Second, Settle: time.Second, ActionBurst: 3, ActionRefill: 10 * time.Minute, GlobalBurst: 10, GlobalRefill: 3 * time.Minute, Blast: 0.1,
			FlapCycles: 3, FlapWindow: time.Hour, FlapFreeze: time.Hour,
		},
		Owner: "one", Journal: log, Targets: targets, Kill: func() string { return "" }, Lag: func() (time.Duration, bool) { return 0, true }, Observer: quiet{}, Log: slog.New(slog.DiscardHandler),
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { log.machine.Run(ctx); close(done) }()
	return log, func() { cancel(); <-done }
}

// quiet is an observer that looks away.
type quiet struct{}

func (quiet) Moved(*respond.Response, *respond.Record) {}
func (quiet) Refused(respond.Rail)                     {}
func (quiet) Acted(time.Time, time.Time)               {}

const drainFailing = `
name: failing-endpoint
type: ratio
when: event_type == "llm_request"
of: data.success == false
op: ">"
value: 0.5
min_count: 10
window: 5s
group_by: [endpoint]
severity: critical
mode: auto
actions: [{type: drain, target: gpu, with: {endpoint: "{endpoint}"}}]`

// flapper is an engine of rules that sees traffic of four endpoints which fail by turns, five seconds of every fifteen.
type flapper struct {
	engine *rule.Engine
	n      int64
}

func newFlapper(t *testing.T) *flapper {
	rules, faults := rule.Decode([]byte(drainFailing))
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	engine, err := rule.New(rules, rule.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return &flapper{engine: engine}
}

// second shows the engine a second of traffic that begins at a time, and returns the alerts as hxp-alerts has them.
func (f *flapper) second(t *testing.T, at time.Time, of int, calm bool) (out []*respond.Alert) {
	for i := range 40 {
		e := event.Event{Kind: event.LLMRequest, Time: at.UnixMicro() + int64(i)*20_000, HasTime: true}
		e.SetText(event.Endpoint, fmt.Sprintf("llama-%d", i%4))
		e.SetText(event.RequestID, fmt.Sprint("r", f.n))
		e.SetBool(event.Success, calm || i%4 != of/15%4 || of%15 >= 5)
		f.engine.Event(&e, rule.Position{Offset: f.n})
		f.n++
	}
	for _, d := range f.engine.Advance(at.Add(time.Second).UnixMicro()) {
		text, err := json.Marshal(&d)
		if err != nil {
			t.Fatal(err)
		}
		a, err := respond.ParseAlert(text)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, a)
	}
	return out
}

// Ten minutes of traffic that flaps, through the engine of rules and the machine, at a proxy that behaves like LiteLLM's: few changes, all taken
// back, all in the log. The same traffic once more, as a replay brings it: nothing.
func TestFlappingTrafficAtLiteLLM(t *testing.T) {
	t.Setenv("TEST_LITELLM_KEY", "sk-admin")
	synctest.Test(t, func(t *testing.T) {
		p, c := newProxy(), Config{Name: "gpu", Type: "litellm", URL: "http://admin", TokenEnv: "TEST_LITELLM_KEY", Endpoints: map[string]string{}}
		p.models = nil
		for i := range 20 {
			id := fmt.Sprintf("llama-%d", i)
			p.models = append(p.models, map[string]any{"model_name": "llama", "litellm_params": map[string]any{}, "model_info": map[string]any{"id": id, "blocked": false}})
			c.Endpoints[id] = "http://" + id
		}
		targets, err := New([]Config{c})
		if err != nil {
			t.Fatal(err)
		}
		targets["gpu"].(*litellm).client.Transport = inMemory{p}
		log, stop := startMachine(targets)
		defer stop()
		begin := time.Now()
		play := func(from time.Time, live bool) (alerts int) {
			f := newFlapper(t)
			for s := range 660 { // the last minute is calm
				if live {
					time.Sleep(time.Second)
				}
				for _, a := range f.second(t, from.Add(time.Duration(s)*time.Second), s, s >= 600) {
					alerts++
					if err := log.machine.Handle(context.Background(), a); err != nil {
						t.Fatal(err)
					}
				}
				synctest.Wait()
			}
			return alerts
		}
		alerts := play(begin, true)
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		changes, backs := p.times("POST /model/block"), p.times("POST /model/unblock")
		t.Logf("%d alerts, %d changes", alerts, changes)
		if alerts < 60 || changes == 0 || changes > 10 || changes != backs || p.out() > 0 {
			t.Errorf("%d alerts, %d changes, %d taken back, %d endpoints are out", alerts, changes, backs, p.out())
		}
		if claimed, applied, reverted := log.count(respond.WhatClaimed), log.count(respond.WhatApplied), log.count(respond.WhatReverted); claimed != changes || applied != changes || reverted != backs {
			t.Errorf("%d changes and %d reverts were made; the log has %d claimed, %d applied, %d reverted", changes, backs, claimed, applied, reverted)
		}
		log.machine.Look(func(b *respond.Book) {
			if _, faults := b.Faults(); faults > 0 || len(b.Open()) > 0 {
				t.Errorf("the log has %d faults, %d responses are open", faults, len(b.Open()))
			}
		})
		if again := play(begin, false); again != alerts {
			t.Errorf("a replay makes %d alerts of what made %d", again, alerts)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if n := p.times("POST /model/block"); n != changes || p.out() > 0 {
			t.Errorf("a replay made %d changes", n-changes)
		}
	})
}

// times is how often something was called.
func (p *proxy) times(call string) (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.calls {
		if c == call {
			n++
		}
	}
	return n
}

// out is how many deployments get no traffic.
func (p *proxy) out() (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range p.models {
		if m["model_info"].(map[string]any)["blocked"] == true {
			n++
		}
	}
	return n
}
