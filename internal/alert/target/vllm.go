package target

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"

	"github.com/hxp-enterprise/hxp/internal/alert/respond"
)

// vllmRouter is the router of vLLM's production stack. An engine that sleeps gets no requests; the engines must run with
// --enable-sleep-mode.
type vllmRouter struct{ *caller }

// Can is part of respond.Target.
func (v *vllmRouter) Can(o *respond.Order) error {
	if o.Action == "restart" {
		return errBareRestart
	}
	if o.Action != "cool_down" && o.Action != "drain" {
		return cannot(o, "vllm_router", "cool_down", "drain")
	}
	return needs(o, "endpoint")
}

// Reverts is part of respond.Target.
func (v *vllmRouter) Reverts(*respond.Order) bool { return true }

// Aim is part of respond.Target.
func (v *vllmRouter) Aim(o *respond.Order) string { return aim(o, "endpoint") }

type engine struct {
	ID     string   `json:"engine_id"`
	Models []string `json:"serving_models"`
}

// Check is part of respond.Target.
func (v *vllmRouter) Check(ctx context.Context, o *respond.Order) (*respond.Sight, error) {
	id := o.With["endpoint"]
	asleep, err := v.sleeping(ctx, id)
	if err != nil {
		return nil, err
	}
	s := &respond.Sight{Before: state(map[string]any{"sleeping": asleep}), InPlace: asleep, Lasting: true, Takes: id}
	var all []engine
	if err := v.call(ctx, http.MethodGet, "/engines", "", nil, &all); err != nil {
		return nil, err
	}
	i := slices.IndexFunc(all, func(e engine) bool { return e.ID == id })
	if i < 0 {
		return nil, fmt.Errorf("the router has no engine %q", id)
	}
	for _, e := range all { // the engines themselves answer whether they sleep, so one that does works
		if e.ID == id {
			s.Group = append(s.Group, respond.Endpoint{Name: id, Healthy: !asleep})
		} else if slices.ContainsFunc(e.Models, func(m string) bool { return slices.Contains(all[i].Models, m) }) {
			sleeps, err := v.sleeping(ctx, e.ID)
			s.Group = append(s.Group, respond.Endpoint{Name: e.ID, Healthy: err == nil && !sleeps})
		}
	}
	v.health(ctx, s.Group)
	return s, nil
}

func (v *vllmRouter) sleeping(ctx context.Context, id string) (bool, error) {
	var out struct {
		Sleeping *bool `json:"is_sleeping"`
	}
	if err := v.call(ctx, http.MethodGet, "/is_sleeping?"+query(id, nil), "", nil, &out); err != nil {
		return false, err
	}
	if out.Sleeping == nil {
		return false, errors.New("GET /is_sleeping answers without is_sleeping")
	}
	return *out.Sleeping, nil
}

func query(id string, more map[string]string) string {
	q := url.Values{"id": {id}}
	for k, v := range more {
		q.Set(k, v)
	}
	return q.Encode()
}

// Apply is part of respond.Target. What runs is waited for where vLLM knows how (mode=wait).
func (v *vllmRouter) Apply(ctx context.Context, key string, o *respond.Order, _ *respond.Sight) ([]byte, error) {
	return state(map[string]any{"sleeping": true}), v.call(ctx, http.MethodPost, "/sleep?"+query(o.With["endpoint"], map[string]string{"level": "1", "mode": "wait"}), key, nil, nil)
}

// Verify is part of respond.Target.
func (v *vllmRouter) Verify(ctx context.Context, _ string, o *respond.Order, _ *respond.Sight) error {
	s, err := v.Check(ctx, o)
	switch {
	case err != nil:
		return err
	case !s.InPlace:
		return errors.New("the engine does not sleep")
	case !slices.ContainsFunc(s.Group, func(e respond.Endpoint) bool { return e.Healthy }):
		return errors.New("no other engine works")
	}
	return nil
}

// Revert is part of respond.Target.
func (v *vllmRouter) Revert(ctx context.Context, key string, o *respond.Order, _, _ []byte) (string, error) {
	id := o.With["endpoint"]
	asleep, err := v.sleeping(ctx, id)
	if err != nil {
		return "", err
	}
	if !asleep {
		return "it was awake already", nil
	}
	sent := v.call(ctx, http.MethodPost, "/wake_up?"+query(id, nil), key+"-revert", nil, nil)
	if asleep, err = v.sleeping(ctx, id); err != nil || asleep {
		return "", errors.Join(sent, err, errors.New("the engine still sleeps"))
	}
	return "", nil
}
