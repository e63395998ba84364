package target

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hxp-enterprise/hxp/internal/alert/respond"
)

// engines are workers behind a gateway, with the operator's webhook that restarts them. They answer in memory, so that minutes pass
// at once in a bubble of synctest.
type engines struct {
	mu      sync.Mutex
	gateway http.Handler
	runs    map[string]int // requests that run, by worker
	started map[string]float64
	down    map[string]bool
	silent  map[string]bool // it answers nothing at all
	hangs   bool            // and takes its time for that
	blank   bool            // metrics without process_start_time_seconds
	calls   []string        // of the webhook
	ids     []string        // webhook-id of each
	answer  func(w http.ResponseWriter, phase string)
	restart func(name string) // what the webhook does
}

func newEngines(gateway http.Handler, names ...string) *engines {
	e := &engines{gateway: gateway, runs: map[string]int{}, started: map[string]float64{}, down: map[string]bool{}, silent: map[string]bool{}}
	for _, name := range names {
		e.runs[name], e.started[name] = 2, 1000
	}
	e.restart = func(name string) {
		e.started[name], e.down[name], e.silent[name] = unixTime(time.Now())+0.5, true, false
	}
	e.answer = func(w http.ResponseWriter, _ string) { fmt.Fprint(w, `{"ok":true}`) }
	return e
}

func (e *engines) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	name := r.URL.Hostname()
	switch {
	case name == "gateway":
		e.gateway.ServeHTTP(w, r)
	case name == "ops":
		e.hook(w, r)
	default:
		if err := e.engine(w, r, name); err != nil {
			if e.hangs {
				<-r.Context().Done()
				return nil, r.Context().Err()
			}
			return nil, err
		}
	}
	return w.Result(), nil
}

func (e *engines) engine(w http.ResponseWriter, r *http.Request, name string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.silent[name]:
		return fmt.Errorf("dial %s: connection refused", name)
	case e.down[name]:
		w.WriteHeader(http.StatusServiceUnavailable)
	case r.URL.Path == "/metrics":
		fmt.Fprintf(w, "# TYPE vllm:num_requests_running gauge\nvllm:num_requests_running{model_name=\"a } b\"} %d\nvllm:num_requests_running_total 99\nvllm:num_requests_waiting{} 0.0 1700000000000\n", e.runs[name])
		if !e.blank {
			fmt.Fprintf(w, "process_start_time_seconds %v\n", e.started[name])
		}
	}
	return nil
}

func (e *engines) hook(w http.ResponseWriter, r *http.Request) {
	var call struct {
		Phase string
		Order respond.Order
	}
	if err := json.NewDecoder(r.Body).Decode(&call); err != nil || r.Header.Get("Authorization") != "" {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.calls, e.ids = append(e.calls, call.Phase+" "+call.Order.With["endpoint"]), append(e.ids, r.Header.Get("webhook-id"))
	if call.Phase == "restart" {
		e.restart(call.Order.With["endpoint"])
	}
	e.answer(w, call.Phase)
}

func (e *engines) set(f func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	f()
}

// asked is what the webhook was called for so far, and with which ids.
func (e *engines) asked() (calls, ids []string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.calls), slices.Clone(e.ids)
}

func (e *engines) called() string {
	calls, _ := e.asked()
	return fmt.Sprint(calls)
}

func (e *engines) times() int {
	calls, _ := e.asked()
	return len(calls)
}

// workshop is a machine that may restart workers behind a gateway.
type workshop struct {
	*testing.T
	*engines
	log *auditLog
	n   int
}

// inWorkshop runs a test with workers a, b and c behind a gateway that knows them as engines e1, e2 (the vLLM router) or llama-a, llama-b.
func inWorkshop(t *testing.T, kind string, gateway http.Handler, names []string, change func(*Config), f func(w *workshop)) {
	t.Helper()
	t.Setenv("TEST_LITELLM_KEY", "sk-admin")
	synctest.Test(t, func(t *testing.T) {
		c := Config{
			Name: "gpu", Type: kind, URL: "http://gateway", TokenEnv: "TEST_LITELLM_KEY", Endpoints: map[string]string{}, Metrics: map[string]string{}, RestartURL: "http://ops/restart",
			BusyMetrics: []string{"vllm:num_requests_running", "vllm:num_requests_waiting"}, IdleWithin: 2 * time.Minute,
		}
		for _, name := range names {
			c.Endpoints[name], c.Metrics[name] = "http://"+name+"/health", "http://"+name+"/metrics"
		}
		if change != nil {
			change(&c)
		}
		if err := c.Validate(); err != nil {
			t.Fatal(err)
		}
		targets, err := New([]Config{c})
		if err != nil {
			t.Fatal(err)
		}
		w := &workshop{T: t, engines: newEngines(gateway, names...)}
		r := targets["gpu"].(*restarter)
		for _, to := range []*caller{r.ask, r.hook.caller, callerOf(r.Target)} {
			to.client.Transport = w.engines
		}
		log, stop := startMachine(targets)
		defer stop()
		w.log = log
		f(w)
		log.machine.Look(func(b *respond.Book) {
			if _, faults := b.Faults(); faults > 0 {
				t.Errorf("the log has %d faults", faults)
			}
		})
	})
}

func callerOf(t respond.Target) *caller {
	switch t := t.(type) {
	case *litellm:
		return t.caller
	case *vllmRouter:
		return t.caller
	case *generic:
		return t.caller
	}
	panic("target: no caller")
}

// fire asks for a restart, and returns the state of the response after a time.
func (w *workshop) fire(endpoint string) {
	w.Helper()
	w.n++
	now := time.Now()
	a := &respond.Alert{
		ID: fmt.Sprint("a", w.n), Rule: fmt.Sprint("r", w.n), State: "firing", Mode: "auto", At: now, CausedAt: now, StartsAt: now,
		Actions: []respond.Action{{Type: "restart", Target: "gpu", With: map[string]string{"endpoint": endpoint}}},
	}
	if err := w.log.machine.Handle(context.Background(), a); err != nil {
		w.Fatal(err)
	}
}

func (w *workshop) is(want respond.State, says string) (r respond.Response) {
	w.Helper()
	w.log.machine.Look(func(b *respond.Book) { r = *b.All()[len(b.All())-1] })
	if r.State != want || !strings.Contains(r.Reason, says) {
		w.Errorf("the response is %s (%s): %q; want %s: %q", r.State, r.Step, r.Reason, want, says)
	}
	return r
}

func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// gateways are those that can drain, with what tells whether an endpoint is out.
func gateways() map[string]func() (kind string, h http.Handler, names []string, out func(string) bool) {
	return map[string]func() (string, http.Handler, []string, func(string) bool){
		"LiteLLM": func() (string, http.Handler, []string, func(string) bool) {
			p := newProxy()
			return "litellm", p, []string{"llama-a", "llama-b"}, func(id string) bool {
				p.mu.Lock()
				defer p.mu.Unlock()
				return p.model(id)["model_info"].(map[string]any)["blocked"] == true
			}
		},
		"vLLM's router": func() (string, http.Handler, []string, func(string) bool) {
			v := &router{sleeping: map[string]bool{"e1": false, "e2": false}}
			return "vllm_router", v, []string{"e1", "e2"}, func(id string) bool {
				v.mu.Lock()
				defer v.mu.Unlock()
				return v.sleeping[id]
			}
		},
	}
}

// A worker is drained, left alone until its requests have ended, restarted once, and put back when it is well.
func TestRestartAfterDrain(t *testing.T) {
	for name, open := range gateways() {
		t.Run(name, func(t *testing.T) {
			kind, h, names, out := open()
			inWorkshop(t, kind, h, names, nil, func(w *workshop) {
				w.fire(names[0])
				pass(40 * time.Second)
				if w.is(respond.Applied, "2 requests run"); !out(names[0]) || w.times() > 0 {
					w.Fatalf("out %v, calls %v", out(names[0]), w.called())
				}
				w.set(func() { w.runs[names[0]] = 0 })
				pass(3 * time.Second)
				if w.called() != "[restart "+names[0]+"]" || !out(names[0]) {
					w.Fatalf("calls %v, out %v", w.called(), out(names[0]))
				}
				pass(4 * time.Minute)
				w.is(respond.Applied, "not well yet")
				w.set(func() { w.down[names[0]] = false })
				pass(3 * time.Second)
				if w.is(respond.Reverted, "done its work"); out(names[0]) || w.times() != 1 {
					w.Errorf("out %v, calls %v", out(names[0]), w.called())
				}
				if n := w.log.count(respond.WhatVerified); n != 1 {
					w.Errorf("it was verified %d times", n)
				}
			})
		})
	}
}

func TestRestartThatIsNotMade(t *testing.T) {
	cases := map[string]struct {
		change func(*Config)
		set    func(e *engines, name string)
		after  time.Duration
		want   respond.State
		says   string
		calls  int
	}{
		"requests never end":     {nil, func(*engines, string) {}, 3 * time.Minute, respond.Reverted, "2 requests still run", 0},
		"the webhook says no":    {nil, func(e *engines, n string) { e.runs[n] = 0; e.answer = saysNo }, time.Minute, respond.Reverted, "no budget", 1},
		"the webhook is unknown": {nil, func(e *engines, n string) { e.runs[n] = 0; e.answer = notFound }, time.Minute, respond.Reverted, "404 Not Found", 1},
		"nothing is restarted":   {nil, func(e *engines, n string) { e.runs[n] = 0; e.restart = func(string) {} }, 11 * time.Minute, respond.Reverted, "still the process of before", 1},
		"it never comes back":    {nil, func(e *engines, n string) { e.runs[n] = 0 }, 11 * time.Minute, respond.Reverted, "its lease is over", 1},
		"it tells nothing of itself": {func(c *Config) { c.BusyMetrics = []string{"sglang:num_running_reqs"} }, func(*engines, string) {}, time.Minute, respond.Refused,
			"have none of sglang:num_running_reqs", 0},
		"nobody could tell":         {nil, func(e *engines, _ string) { e.blank = true }, time.Minute, respond.Refused, "process_start_time_seconds", 0},
		"no other endpoint works":   {nil, func(e *engines, n string) { sicken(e, n) }, time.Minute, respond.Refused, "the last one that is known to work", 0},
		"no metrics are configured": {func(c *Config) { c.Metrics = nil }, func(*engines, string) {}, time.Second, respond.Refused, "whether requests run", 0},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			kind, h, names, out := gateways()["LiteLLM"]()
			inWorkshop(t, kind, h, names, c.change, func(w *workshop) {
				w.set(func() { c.set(w.engines, names[0]) })
				w.fire(names[0])
				pass(c.after)
				if w.is(c.want, c.says); w.times() != c.calls || out(names[0]) {
					w.Errorf("calls %v, out %v", w.called(), out(names[0]))
				}
			})
		})
	}
}

func saysNo(w http.ResponseWriter, _ string)   { fmt.Fprint(w, `{"ok":false,"detail":"no budget"}`) }
func notFound(w http.ResponseWriter, _ string) { w.WriteHeader(http.StatusNotFound) }

// sicken lets all workers fail but one.
func sicken(e *engines, but string) {
	for name := range e.runs {
		e.down[name] = name != but
	}
}

// The rest of the group fails while a worker is drained: it is put back at once, and not restarted.
func TestRestartWhileTheOthersFail(t *testing.T) {
	kind, h, names, out := gateways()["LiteLLM"]()
	inWorkshop(t, kind, h, names, nil, func(w *workshop) {
		w.fire(names[0])
		pass(10 * time.Second)
		w.set(func() { sicken(w.engines, names[0]); w.runs[names[0]] = 0 })
		pass(3 * time.Second)
		if w.is(respond.Reverted, "no other endpoint"); out(names[0]) || w.times() > 0 {
			w.Errorf("out %v, calls %v", out(names[0]), w.called())
		}
	})
}

// A worker that hangs and answers nothing is restarted all the same, after the time that requests are given.
func TestRestartOfAWorkerThatHangs(t *testing.T) {
	for hangs, says := range map[bool]string{false: "connection refused", true: "deadline exceeded"} {
		t.Run(says, func(t *testing.T) {
			kind, h, names, out := gateways()["LiteLLM"]()
			inWorkshop(t, kind, h, names, nil, func(w *workshop) {
				w.set(func() { w.silent[names[0]], w.hangs = true, hangs })
				w.fire(names[0])
				pass(90 * time.Second)
				if w.is(respond.Applied, says); w.times() > 0 {
					w.Fatalf("calls %v", w.called())
				}
				pass(60 * time.Second)
				w.set(func() { w.down[names[0]] = false })
				pass(5 * time.Second)
				if w.is(respond.Reverted, "done its work"); out(names[0]) || w.times() != 1 {
					w.Errorf("out %v, calls %v", out(names[0]), w.called())
				}
			})
		})
	}
}

// A webhook that says yes at once and restarts later: until then the worker is the one of before, also when that was too busy to answer and
// is well again, or began anew by itself.
func TestRestartThatComesLater(t *testing.T) {
	for name, c := range map[string]struct {
		before func(e *engines, name string) // the order comes
		then   func(e *engines, name string) // it is drained
		says   string
		end    respond.State // after another process is well
	}{
		"it was well":         {func(*engines, string) {}, func(*engines, string) {}, "still the process of before", respond.Reverted},
		"it answered nothing": {hang, func(e *engines, n string) { e.silent[n] = false }, "still the process of before", respond.Reverted},
		"it answers very late": {hang, func(e *engines, n string) {
			time.AfterFunc(2*time.Minute, func() { e.set(func() { e.silent[n] = false }) })
		}, "still the process of before", respond.Reverted},
		"it began anew":         {func(*engines, string) {}, func(e *engines, n string) { e.started[n] = unixTime(time.Now()) }, "still the process of before", respond.Reverted},
		"it tells of no start":  {func(e *engines, n string) { e.blank = true; hang(e, n) }, func(e *engines, n string) { e.silent[n] = false }, "restart_verify", respond.Applied},
		"it tells of it by now": {hang, func(e *engines, n string) { e.silent[n], e.started[n] = false, unixTime(time.Now()) }, "still the process of before", respond.Reverted},
	} {
		t.Run(name, func(t *testing.T) {
			kind, h, names, out := gateways()["LiteLLM"]()
			inWorkshop(t, kind, h, names, nil, func(w *workshop) {
				n := names[0]
				w.set(func() { c.before(w.engines, n); w.restart = func(string) {} })
				w.fire(n)
				pass(20 * time.Second)
				w.set(func() { w.runs[n] = 0; c.then(w.engines, n) })
				pass(150 * time.Second)
				if w.is(respond.Applied, ""); !out(n) || w.times() != 1 {
					t.Fatalf("out %v, calls %v", out(n), w.called())
				}
				pass(time.Minute)
				w.is(respond.Applied, c.says)
				w.set(func() { w.started[n] = unixTime(time.Now()) })
				pass(5 * time.Second)
				if w.is(c.end, ""); out(n) != (c.end == respond.Applied) || w.times() != 1 {
					t.Errorf("out %v, calls %v", out(n), w.called())
				}
			})
		})
	}
}

func hang(e *engines, name string) { e.silent[name], e.hangs = true, true }

// An answer that is lost is no second restart, and metrics that do not tell leave the word to the webhook.
func TestRestartThatTheWebhookVerifies(t *testing.T) {
	kind, h, names, _ := gateways()["LiteLLM"]()
	inWorkshop(t, kind, h, names, func(c *Config) { c.RestartVerify = true }, func(w *workshop) {
		ready := false
		w.set(func() {
			w.blank, w.runs[names[0]] = true, 0
			w.restart = func(string) {}
			w.answer = func(to http.ResponseWriter, phase string) {
				if phase == "restart" {
					to.WriteHeader(http.StatusBadGateway)
					return
				}
				fmt.Fprintf(to, `{"ok":%v,"detail":"in a moment"}`, ready)
			}
		})
		w.fire(names[0])
		pass(20 * time.Second)
		w.is(respond.Applied, "")
		w.set(func() { ready = true })
		pass(5 * time.Second)
		w.is(respond.Reverted, "done its work")
		restarts := 0
		calls, ids := w.asked()
		for i, call := range calls {
			if strings.HasPrefix(call, "restart") {
				restarts++
			} else if !strings.HasSuffix(ids[i], "-verify") || len(ids[i]) < 10 {
				w.Errorf("the webhook is asked with the id %q", ids[i])
			}
		}
		if restarts != 1 {
			w.Errorf("%d restarts", restarts)
		}
	})
}

// One worker is restarted at a time, and the other actions of the target stay what they were.
func TestOneRestartAtATime(t *testing.T) {
	kind, h, names, out := gateways()["LiteLLM"]()
	inWorkshop(t, kind, h, names, nil, func(w *workshop) {
		w.fire(names[0])
		pass(5 * time.Second)
		w.fire(names[1])
		pass(5 * time.Second)
		if r := w.is(respond.Refused, "does the same"); r.Rail != respond.RailSingleFlight || out(names[1]) {
			w.Errorf("the rail is %s", r.Rail)
		}
	})
}

func TestReading(t *testing.T) {
	page := []byte("a 1\na{x=\"}\"} 2.5 1700\na_total 7\nab 9\n# a 4\na{\na NaN\na{y=\"1\"} +Inf\na\t3\nb -1e3")
	for name, want := range map[string]float64{"a": 6.5, "a_total": 7, "b": -1000} {
		if got, ok := reading(page, name); !ok || got != want {
			t.Errorf("%s: %v, %v, want %v", name, got, ok, want)
		}
	}
	if got, ok := reading(page, "c"); ok {
		t.Errorf("c: %v", got)
	}
}

func FuzzReading(f *testing.F) {
	f.Add([]byte("a{x=\"}\"} 2.5 1700\n"), "a")
	f.Fuzz(func(t *testing.T, page []byte, name string) {
		if v, ok := reading(page, name); !ok && v != 0 {
			t.Errorf("%v of nothing", v)
		}
	})
}
