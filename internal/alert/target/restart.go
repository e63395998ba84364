package target

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/alert/respond"
)

// restarter restarts workers behind a target that can drain: one is taken out of its group, left alone until no request runs there,
// restarted by a webhook, seen to be well, and put back. All other actions are those of the target itself.
type restarter struct {
	respond.Target
	c    Config
	ask  *caller // of workers, without the secrets of anybody
	hook *webhook
}

// The steps of a restart.
const (
	stepDrain   = "drain"
	stepRestart = "restart"
)

func newRestarter(behind respond.Target, c Config) (*restarter, error) {
	ask, err := newCaller(Config{Endpoints: c.Endpoints})
	if err != nil {
		return nil, err
	}
	hook := Config{URL: c.RestartURL, Token: c.RestartToken, TokenEnv: c.RestartTokenEnv}
	to, err := newCaller(hook)
	if err != nil {
		return nil, fmt.Errorf("restart_%w", err)
	}
	return &restarter{behind, c, ask, &webhook{to, hook}}, nil
}

// drain is the order by which the worker is taken out of its group.
func drain(o *respond.Order) *respond.Order {
	d := *o
	d.Action = "drain"
	return &d
}

func restarts(o *respond.Order) bool { return o.Action == "restart" }

// Can is part of respond.Target.
func (r *restarter) Can(o *respond.Order) error {
	if !restarts(o) {
		return r.Target.Can(o)
	}
	if err := needs(o, "endpoint"); err != nil {
		return err
	}
	switch e := o.With["endpoint"]; {
	case r.c.Metrics[e] == "":
		return fmt.Errorf("nobody can tell whether requests run at endpoint %q; give the target the address of its metrics (metrics)", clip(e))
	case r.c.Endpoints[e] == "":
		return fmt.Errorf("nobody can tell when endpoint %q is well again; give the target the address of its health (endpoints)", clip(e))
	}
	return r.Target.Can(drain(o))
}

// Aim is part of respond.Target. One worker of a target is restarted at a time, whichever it is.
func (r *restarter) Aim(o *respond.Order) string {
	if restarts(o) {
		return ""
	}
	return r.Target.Aim(o)
}

// Reverts is part of respond.Target.
func (r *restarter) Reverts(o *respond.Order) bool { return r.Target.Reverts(behind(o)) }

// behind is what the target itself is asked for.
func behind(o *respond.Order) *respond.Order {
	if restarts(o) {
		return drain(o)
	}
	return o
}

// was is what a worker looked like before it was restarted.
type was struct {
	Drain   json.RawMessage `json:"drain"` // of the target that drains
	Sick    bool            `json:"sick,omitempty"`
	Started float64         `json:"started,omitempty"` // Unix time, 0 = it does not tell
}

// Check is part of respond.Target. A worker that would not be known to be another one afterwards is not restarted.
func (r *restarter) Check(ctx context.Context, o *respond.Order) (*respond.Sight, error) {
	s, err := r.Target.Check(ctx, behind(o))
	if err != nil || !restarts(o) {
		return s, err
	}
	name := o.With["endpoint"]
	before := was{Drain: s.Before, Sick: !r.well(ctx, name)}
	load, err := r.load(ctx, name)
	switch {
	case err != nil && !before.Sick:
		return nil, err
	case err == nil:
		before.Started = load.started
	}
	if before.Started == 0 && !before.Sick && !r.c.RestartVerify {
		return nil, fmt.Errorf("nobody could tell that endpoint %q was restarted: its metrics have no process_start_time_seconds; let the webhook tell (restart_verify)", name)
	}
	s.Before, err = json.Marshal(before)
	return s, err
}

// Apply is part of respond.Target: the worker is drained.
func (r *restarter) Apply(ctx context.Context, key string, o *respond.Order, s *respond.Sight) ([]byte, error) {
	if !restarts(o) {
		return r.Target.Apply(ctx, key, o, s)
	}
	before, err := r.inner(s.Before)
	if err != nil {
		return nil, err
	}
	own := *s
	own.Before = before.Drain
	return r.Target.Apply(ctx, key, drain(o), &own)
}

func (r *restarter) inner(before []byte) (w was, err error) { return w, json.Unmarshal(before, &w) }

// Verify is part of respond.Target. A restart is verified by its steps.
func (r *restarter) Verify(ctx context.Context, key string, o *respond.Order, s *respond.Sight) error {
	return r.Target.Verify(ctx, key, behind(o), s)
}

// Revert is part of respond.Target: the worker is put back. One that never became well is put back as well, when its lease is over:
// nothing that hxp changes stays, and those who send requests see for themselves who answers.
func (r *restarter) Revert(ctx context.Context, key string, o *respond.Order, before, after []byte) (string, error) {
	if !restarts(o) {
		return r.Target.Revert(ctx, key, o, before, after)
	}
	w, err := r.inner(before)
	if err != nil {
		return "", err
	}
	return r.Target.Revert(ctx, key, drain(o), w.Drain, after)
}

// Begins is part of respond.Stepwise.
func (r *restarter) Begins(o *respond.Order) (step string, passing bool) {
	if restarts(o) {
		return stepDrain, true
	}
	if s, ok := r.Target.(respond.Stepwise); ok {
		return s.Begins(o)
	}
	return "", false
}

// Await is part of respond.Stepwise.
func (r *restarter) Await(ctx context.Context, o *respond.Order, at respond.At) (respond.Progress, error) {
	w, err := r.inner(at.Before)
	if err != nil {
		return respond.Progress{}, err
	}
	if at.Step == stepDrain {
		return r.awaitQuiet(ctx, o, at.For, w)
	}
	return r.awaitWell(ctx, o, at, w)
}

// onTheWay is the time in which a request that was sent before the drain reaches its worker.
const onTheWay = 2 * time.Second

// awaitQuiet waits until no request runs, for a bounded time. A worker that answers nothing at all is waited for as long, and
// restarted then. The process that is to end is noted at the last moment: one that began meanwhile is not the one of after.
func (r *restarter) awaitQuiet(ctx context.Context, o *respond.Order, since time.Duration, before was) (respond.Progress, error) {
	name := o.With["endpoint"]
	load, err := r.load(ctx, name)
	late := since >= r.c.IdleWithin
	switch {
	case since < onTheWay:
		return respond.Progress{Note: "requests may be on their way"}, nil
	case err == nil && load.runs > 0 && late:
		return respond.Progress{}, fmt.Errorf("%v requests still run at endpoint %q after %s, so it is not restarted", load.runs, name, r.c.IdleWithin)
	case err == nil && load.runs > 0:
		return respond.Progress{Note: fmt.Sprintf("%v requests run at endpoint %q", load.runs, name)}, nil
	case err != nil && !late:
		return respond.Progress{Note: err.Error()}, nil
	case err != nil && r.well(ctx, name):
		return respond.Progress{}, fmt.Errorf("nobody can tell whether requests run, so it is not restarted: %w", err)
	}
	s, err := r.Target.Check(ctx, drain(o))
	switch {
	case err != nil && late:
		return respond.Progress{}, fmt.Errorf("nobody can tell whether it is still drained, so it is not restarted: %w", err)
	case err != nil:
		return respond.Progress{Note: err.Error()}, nil
	case !s.InPlace:
		return respond.Progress{}, errors.New("somebody else has put it back meanwhile, so it is not restarted")
	case !slices.ContainsFunc(s.Group, func(e respond.Endpoint) bool { return e.Name != name && e.Healthy }):
		return respond.Progress{}, errors.New("no other endpoint of the group works, so it is not restarted")
	}
	if load.started > 0 {
		before.Started = load.started
	}
	seen, err := json.Marshal(before)
	return respond.Progress{Next: stepRestart, Note: "no request runs", Seen: seen}, err
}

// Step is part of respond.Stepwise: the webhook is told to restart the worker.
func (r *restarter) Step(ctx context.Context, key string, o *respond.Order, step string) error {
	if step != stepRestart {
		return fmt.Errorf("a restart has no step %q", step)
	}
	_, err := r.hook.post(ctx, stepRestart, key, o, nil)
	if no, ok := errors.AsType[*hookNo](err); ok {
		return fmt.Errorf("%w: %w", respond.ErrNotDone, no)
	}
	if status, ok := errors.AsType[*statusError](err); ok && status.status/100 == 4 && status.status != http.StatusRequestTimeout {
		return fmt.Errorf("%w: %w", respond.ErrNotDone, status)
	}
	return err
}

// awaitWell waits until the worker is another one and well. The lease bounds it. Where nobody saw when the process of before had begun, because
// it answered nothing, the one of now must have begun after the webhook was told: it may be the former one, which is well again and yet to be
// restarted.
func (r *restarter) awaitWell(ctx context.Context, o *respond.Order, at respond.At, before was) (respond.Progress, error) {
	name := o.With["endpoint"]
	if !r.well(ctx, name) {
		return respond.Progress{Note: fmt.Sprintf("endpoint %q is not well yet", name)}, nil
	}
	if r.c.RestartVerify {
		if _, err := r.hook.post(ctx, "verify", at.ID, o, nil); err != nil {
			return respond.Progress{Note: "the webhook does not say that it is restarted: " + err.Error()}, nil
		}
		return respond.Progress{Done: true, Note: "the webhook says that it was restarted, and it is well"}, nil
	}
	load, err := r.load(ctx, name)
	switch {
	case err != nil:
		return respond.Progress{Note: err.Error()}, nil
	case load.started == 0:
		return respond.Progress{Note: fmt.Sprintf("endpoint %q is well, and nobody can tell that it was restarted: its metrics have no process_start_time_seconds; let the webhook tell (restart_verify)", name)}, nil
	case before.Started > 0 && load.started <= before.Started, before.Started == 0 && load.started < unixTime(time.Now().Add(-at.For)):
		return respond.Progress{Note: fmt.Sprintf("endpoint %q is still the process of before", name)}, nil
	}
	return respond.Progress{Done: true, Note: "it was restarted, and it is well"}, nil
}

func unixTime(t time.Time) float64 { return float64(t.UnixMicro()) / 1e6 }

// load is what the metrics of a worker tell.
type load struct {
	runs    float64 // requests that run or wait
	started float64 // Unix time of its process, 0 = it does not tell
}

const maxMetrics = 8 << 20

// well asks a worker for its health. One that hangs is soon told from one that is well: it is what a restart is for.
func (r *restarter) well(ctx context.Context, name string) bool {
	ctx, stop := context.WithTimeout(ctx, probeLimit)
	defer stop()
	return r.ask.well(ctx, r.c.Endpoints[name])
}

// load reads the metrics of a worker.
func (r *restarter) load(ctx context.Context, name string) (l load, err error) {
	ctx, stop := context.WithTimeout(ctx, probeLimit)
	defer stop()
	page, err := r.ask.page(ctx, r.c.Metrics[name], maxMetrics)
	if err != nil {
		return l, fmt.Errorf("the metrics of endpoint %q: %w", name, err)
	}
	known := false
	for _, metric := range r.c.BusyMetrics {
		if v, ok := reading(page, metric); ok {
			l.runs, known = l.runs+v, true
		}
	}
	if !known {
		return l, fmt.Errorf("the metrics of endpoint %q have none of %s (busy_metrics)", name, strings.Join(r.c.BusyMetrics, ", "))
	}
	l.started, _ = reading(page, "process_start_time_seconds")
	return l, nil
}
