package app

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/hxp-enterprise/hxp/internal/alert"
	"github.com/hxp-enterprise/hxp/internal/alert/target"
	"github.com/hxp-enterprise/hxp/internal/event"
)

// actionRulesText are rules that ask for a change for each probe.
const actionRulesText = `
- {name: probe-event, type: sequence, when: 'data.model == "probe"', steps: ['event_type == "llm_request"'], within: 1m, group_by: [request_id], max_groups: 100000,
   mode: auto, actions: [{type: scale, target: event, with: {id: "{request_id}"}}]}
- {name: probe-window, type: threshold, when: 'data.model == "probe"', metric: requests, op: '>=', value: 1, window: 1m, keep_firing_for: 1m, group_by: [request_id], max_groups: 100000,
   mode: auto, actions: [{type: scale, target: window, with: {id: "{request_id}"}}]}
`

// benchActions: under 1,000 other events a second, how long after the acknowledgement of an event the system that a rule names is asked
// to change: by a rule about single events, and by one about a window. Between them lie the windows, the decision, the rails and the
// claim in the audit log.
func benchActions(ctx context.Context, s *system, d time.Duration) (map[string]any, error) {
	asked, err := newAskedSystem()
	if err != nil {
		return nil, err
	}
	defer asked.close()
	a, err := alert.New(asked.config(), s.bus, alert.Options{DataDir: s.set.dataDir, Log: s.log, Registry: s.registry(EventProcessingAPI), Lag: s.stream.Lag})
	if err != nil {
		return nil, err
	}
	work, stop := context.WithTimeout(ctx, d)
	defer stop()
	answering, end := context.WithCancelCause(ctx)
	var acting sync.WaitGroup
	acting.Go(func() { end(a.Run(answering)) })
	defer acting.Wait()
	defer end(nil)
	select {
	case <-a.Ready():
	case <-answering.Done():
		return nil, context.Cause(answering)
	}
	if err := s.runFiles(actionRulesText); err != nil {
		return nil, err
	}
	paced, acked, err := s.probeActions(work, min(time.Second, d/4))
	if err != nil {
		return nil, err
	}
	delays, err := asked.delays(answering, acked)
	if err != nil {
		return nil, err
	}
	return map[string]any{"events_per_second": paced, "event_action_ms": spread(delays["event"]), "window_action_ms": spread(delays["window"])}, nil
}

// probeActions sends probes until ctx ends, and returns when each was acknowledged, and the rate of the events beside them, which begin some
// time before. A target is changed once at a time, so that probes leave it time.
func (s *system) probeActions(ctx context.Context, before time.Duration) (paced float64, acked map[string]time.Time, err error) {
	acked = map[string]time.Time{}
	var background sync.WaitGroup
	background.Go(func() { paced = s.pace(ctx, 1000) })
	client := benchClient(1)
	defer client.CloseIdleConnections()
	url := s.allURLs()[KafkaAPI] + "/events"
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	rest := time.After(before) // the traffic begins, and the rules
	for n := 1; ctx.Err() == nil && err == nil; {
		select {
		case <-rest:
			rest = nil
		case <-tick.C:
			if rest != nil {
				continue
			}
			e := &event.Event{ID: "probe-" + strconv.Itoa(n), Source: "bench", Kind: event.LLMRequest, Time: time.Now().UnixMicro(), HasTime: true}
			e.SetText(event.Model, "probe")
			e.SetText(event.RequestID, e.ID)
			if err = post(client, url, "application/json", event.AppendJSON(nil, e)); err == nil {
				acked[e.ID] = time.Now()
				n++
			}
		case <-ctx.Done():
		}
	}
	background.Wait()
	if len(acked) == 0 && err == nil {
		err = fmt.Errorf("no probe was sent: --duration is too short")
	}
	return paced, acked, err
}

// askedSystem is a system that is asked to change, once for each probe and rule.
type askedSystem struct {
	server *http.Server
	url    string

	mu    sync.Mutex
	made  map[string]map[string]time.Time // by target and probe
	moved chan struct{}                   // has a token when one more is made
}

func newAskedSystem() (*askedSystem, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	a := &askedSystem{url: "http://" + l.Addr().String(), made: map[string]map[string]time.Time{"event": {}, "window": {}}, moved: make(chan struct{}, 1)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{target}/{id}", func(w http.ResponseWriter, r *http.Request) {
		a.mu.Lock()
		defer a.mu.Unlock()
		_, made := a.made[r.PathValue("target")][r.PathValue("id")]
		_, _ = io.WriteString(w, `{"applied":`+strconv.FormatBool(made)+`}`)
	})
	mux.HandleFunc("POST /{target}/{id}", func(_ http.ResponseWriter, r *http.Request) {
		now := time.Now()
		a.mu.Lock()
		defer a.mu.Unlock()
		if of := a.made[r.PathValue("target")]; of != nil {
			of[r.PathValue("id")] = now
		}
		select {
		case a.moved <- struct{}{}:
		default:
		}
	})
	mux.HandleFunc("DELETE /{target}/{id}", func(_ http.ResponseWriter, r *http.Request) {
		a.mu.Lock()
		defer a.mu.Unlock()
		delete(a.made[r.PathValue("target")], r.PathValue("id"))
	})
	a.server = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = a.server.Serve(l) }() // ends with close
	return a, nil
}

func (a *askedSystem) close() { _ = a.server.Close() }

// config lets rules change the system by themselves, as often as there are probes.
func (a *askedSystem) config() alert.Config {
	c := alert.Config{
		Automatic: true, ApprovalExpiry: time.Minute, Lease: time.Hour, MaxLease: time.Hour, Recovery: time.Hour, Cooldown: time.Second, MaxCooldown: time.Second, MaxLag: time.Minute,
		Deadline: 5 * time.Second, Settle: time.Millisecond, ActionBurst: 1 << 20, ActionRefill: time.Second, TotalBurst: 1 << 20, TotalRefill: time.Second,
		FlapCycles: 3, FlapWindow: time.Hour, FlapFreeze: time.Hour,
	}
	for _, name := range []string{"event", "window"} {
		c.Targets = append(c.Targets, target.Config{Name: name, Type: "http", URL: a.url, Check: "GET /" + name + "/{id}", Field: "applied", Apply: "POST /" + name + "/{id}", Revert: "DELETE /" + name + "/{id}"})
	}
	return c
}

// delays waits until every probe has led to its changes, and returns by target how long that took, in milliseconds, the shortest first.
func (a *askedSystem) delays(ctx context.Context, acked map[string]time.Time) (map[string][]float64, error) {
	late := time.After(20 * time.Second)
	for {
		out, missing := a.seen(acked)
		if missing == 0 {
			return out, nil
		}
		select {
		case <-a.moved:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-late:
			return nil, fmt.Errorf("%d of %d changes were not made within 20 s", missing, 2*len(acked))
		}
	}
}

func (a *askedSystem) seen(acked map[string]time.Time) (out map[string][]float64, missing int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	out = map[string][]float64{}
	for name, made := range a.made {
		for id, at := range acked {
			when, ok := made[id]
			if !ok {
				missing++
			}
			out[name] = append(out[name], max(float64(when.Sub(at))/1e6, 0))
		}
		slices.Sort(out[name])
	}
	return out, missing
}
