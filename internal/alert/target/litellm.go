package target

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/hxp-enterprise/hxp/internal/alert/respond"
)

// litellm is the admin API of the LiteLLM proxy. Deployments can be changed when the proxy keeps its models in its database
// (STORE_MODEL_IN_DB).
type litellm struct {
	*caller
	changes map[string]change
}

// change is what an action means at LiteLLM: which values it looks at, what they become, and how they are set.
type change struct {
	needs []string
	// look reads the values as they are.
	look func(ctx context.Context, o *respond.Order) (map[string]any, error)
	// want are the values as they shall be, or why that makes no sense.
	want func(o *respond.Order, now map[string]any) (map[string]any, error)
	// set makes the values so.
	set func(ctx context.Context, key string, o *respond.Order, v map[string]any) error
	// takes tells whether the endpoint gets no more traffic.
	takes func(want map[string]any) bool
}

func newLiteLLM(c *caller) *litellm {
	l := &litellm{caller: c}
	block := change{[]string{"endpoint"}, l.blocked, wantTrue("blocked"), l.block, func(map[string]any) bool { return true }}
	l.changes = map[string]change{
		"cool_down":      block, // what runs ends by itself, nothing new comes
		"drain":          block,
		"shift_weights":  {[]string{"endpoint", "weight"}, l.params("weight"), wantWeight, l.setParams, func(w map[string]any) bool { return weightless(w["weight"]) }},
		"fallback_model": {[]string{"model", "fallback"}, l.fallbacks, wantFallback, l.setFallbacks, nil},
		"cap":            {nil, l.caps, wantCaps, l.setCaps, nil},
		"pause_batch":    {[]string{"tenant"}, l.team("blocked"), wantTrue("blocked"), l.blockTeam, nil},
	}
	return l
}

// Can is part of respond.Target.
func (l *litellm) Can(o *respond.Order) error {
	if o.Action == "restart" {
		return errBareRestart
	}
	c, ok := l.changes[o.Action]
	if !ok {
		return cannot(o, "litellm", "cool_down", "drain", "shift_weights", "fallback_model", "cap", "pause_batch")
	}
	if o.Action == "cap" {
		if o.With["endpoint"] == "" {
			return errors.Join(needs(o, "tenant"), checkCaps(o))
		}
		return errors.Join(needs(o, "endpoint"), checkCaps(o))
	}
	err := needs(o, c.needs...)
	if want, _ := wantWeight(o, nil); err == nil && c.takes != nil && c.takes(want) {
		err = l.canTake(o, true, "")
	}
	return err
}

// Reverts is part of respond.Target.
func (l *litellm) Reverts(*respond.Order) bool { return true }

// Aim is part of respond.Target.
func (l *litellm) Aim(o *respond.Order) string {
	switch {
	case o.Action == "fallback_model":
		return aim(o, "model")
	case o.Action == "pause_batch", o.Action == "cap" && o.With["endpoint"] == "":
		return aim(o, "tenant")
	}
	return aim(o, "endpoint")
}

// Check is part of respond.Target.
func (l *litellm) Check(ctx context.Context, o *respond.Order) (*respond.Sight, error) {
	c := l.changes[o.Action]
	now, err := c.look(ctx, o)
	if err != nil {
		return nil, err
	}
	want, err := c.want(o, now)
	if err != nil {
		return nil, err
	}
	s := &respond.Sight{Before: state(now), InPlace: bytes.Equal(state(now), state(want)), Lasting: true}
	if c.takes != nil && c.takes(want) {
		s.Takes = o.With["endpoint"]
		s.Group, err = l.group(ctx, s.Takes)
	}
	return s, err
}

// Apply is part of respond.Target.
func (l *litellm) Apply(ctx context.Context, key string, o *respond.Order, s *respond.Sight) ([]byte, error) {
	c := l.changes[o.Action]
	now, err := unstate(s.Before)
	if err != nil {
		return nil, err
	}
	want, err := c.want(o, now)
	if err != nil {
		return nil, err
	}
	return state(want), c.set(ctx, key, o, want)
}

// Verify is part of respond.Target.
func (l *litellm) Verify(ctx context.Context, _ string, o *respond.Order, s *respond.Sight) error {
	now, err := l.Check(ctx, o)
	switch {
	case err != nil:
		return err
	case !now.InPlace:
		return fmt.Errorf("LiteLLM has %s", now.Before)
	case s.Takes != "" && !slices.ContainsFunc(now.Group, func(e respond.Endpoint) bool { return e.Name != s.Takes && e.Healthy }):
		return errors.New("no other endpoint of the group works")
	}
	return nil
}

// Revert is part of respond.Target.
func (l *litellm) Revert(ctx context.Context, key string, o *respond.Order, before, _ []byte) (string, error) {
	c := l.changes[o.Action]
	now, err := c.look(ctx, o)
	if err != nil {
		return "", err
	}
	old, err := unstate(before)
	if err != nil {
		return "", err
	}
	if bytes.Equal(state(now), before) {
		return "it was so already", nil
	}
	made, err := c.want(o, old)
	if err != nil {
		return "", err
	}
	if !bytes.Equal(state(now), state(made)) {
		return fmt.Sprintf("somebody else has changed it to %s meanwhile, so it was left alone", state(now)), nil
	}
	if err := c.set(ctx, key+"-revert", o, old); err != nil {
		if again, look := c.look(ctx, o); look != nil || !bytes.Equal(state(again), before) {
			return "", err
		}
	}
	return "", nil
}

// deployment is an entry of GET /model/info.
type deployment struct {
	Name   string         `json:"model_name"`
	Params map[string]any `json:"litellm_params"`
	Info   struct {
		ID      string `json:"id"`
		Blocked bool   `json:"blocked"`
	} `json:"model_info"`
}

func (l *litellm) deployments(ctx context.Context) ([]deployment, error) {
	var text json.RawMessage
	if err := l.call(ctx, http.MethodGet, "/model/info", "", nil, &text); err != nil {
		return nil, err
	}
	var out struct {
		Data []deployment `json:"data"`
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&out); err != nil {
		return nil, fmt.Errorf("GET /model/info answers with something else than expected: %w", err)
	}
	return out.Data, nil
}

func (l *litellm) deployment(ctx context.Context, id string) (*deployment, error) {
	all, err := l.deployments(ctx)
	if err != nil {
		return nil, err
	}
	for i := range all {
		if all[i].Info.ID == id {
			return &all[i], nil
		}
	}
	return nil, fmt.Errorf("LiteLLM has no deployment with the model id %q", id)
}

// group are the deployments that serve the same model as one of them. That one is not blocked is no sign that it works, so one without
// a health address counts as one that does not.
func (l *litellm) group(ctx context.Context, id string) (group []respond.Endpoint, err error) {
	all, err := l.deployments(ctx)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(all, func(d deployment) bool { return d.Info.ID == id })
	if i < 0 {
		return nil, fmt.Errorf("LiteLLM has no deployment with the model id %q", id)
	}
	for _, d := range all {
		if d.Name == all[i].Name {
			group = append(group, respond.Endpoint{Name: d.Info.ID, Healthy: l.endpoints[d.Info.ID] != "" && !d.Info.Blocked && !weightless(d.Params["weight"])})
		}
	}
	l.health(ctx, group)
	return group, nil
}

// weightless tells of a weight that gets no traffic.
func weightless(weight any) bool {
	w, err := strconv.ParseFloat(fmt.Sprint(weight), 64)
	return err == nil && w <= 0
}

func (l *litellm) blocked(ctx context.Context, o *respond.Order) (map[string]any, error) {
	d, err := l.deployment(ctx, o.With["endpoint"])
	if err != nil {
		return nil, err
	}
	return map[string]any{"blocked": d.Info.Blocked}, nil
}

func wantTrue(name string) func(*respond.Order, map[string]any) (map[string]any, error) {
	return func(*respond.Order, map[string]any) (map[string]any, error) { return map[string]any{name: true}, nil }
}

// block blocks or unblocks a deployment. Versions without the calls for it take a patch.
func (l *litellm) block(ctx context.Context, key string, o *respond.Order, v map[string]any) error {
	path := "/model/unblock"
	if v["blocked"] == true {
		path = "/model/block"
	}
	err := l.call(ctx, http.MethodPost, path, key, map[string]any{"model_id": o.With["endpoint"]}, nil)
	if said(err, http.StatusNotFound, http.StatusMethodNotAllowed) {
		err = l.call(ctx, http.MethodPatch, "/model/"+segment(o.With["endpoint"])+"/update", key, v, nil)
	}
	return err
}

// params looks at parameters of a deployment. What is not set there cannot be put back, so it is not touched.
func (l *litellm) params(names ...string) func(context.Context, *respond.Order) (map[string]any, error) {
	return func(ctx context.Context, o *respond.Order) (map[string]any, error) {
		d, err := l.deployment(ctx, o.With["endpoint"])
		if err != nil {
			return nil, err
		}
		out := map[string]any{}
		for _, name := range names {
			if out[name] = d.Params[name]; out[name] == nil {
				return nil, fmt.Errorf("the deployment has no %s that could be put back; set one first", name)
			}
		}
		return out, nil
	}
}

func (l *litellm) setParams(ctx context.Context, key string, o *respond.Order, v map[string]any) error {
	return l.call(ctx, http.MethodPatch, "/model/"+segment(o.With["endpoint"])+"/update", key, map[string]any{"litellm_params": v}, nil)
}

func wantWeight(o *respond.Order, _ map[string]any) (map[string]any, error) {
	w, err := strconv.ParseUint(o.With["weight"], 10, 31)
	if err != nil {
		return nil, fmt.Errorf("with.weight %q is no whole number from 0 on", clip(o.With["weight"]))
	}
	return map[string]any{"weight": json.Number(strconv.FormatUint(w, 10))}, nil
}

func (l *litellm) fallbacks(ctx context.Context, o *respond.Order) (map[string]any, error) {
	var out struct {
		Models []any `json:"fallback_models"`
	}
	err := l.call(ctx, http.MethodGet, "/fallback/"+segment(o.With["model"]), "", nil, &out)
	if err != nil && !said(err, http.StatusNotFound) {
		return nil, err
	}
	return map[string]any{"fallback_models": append([]any{}, out.Models...)}, nil
}

func wantFallback(o *respond.Order, now map[string]any) (map[string]any, error) {
	old, _ := now["fallback_models"].([]any)
	out := []any{o.With["fallback"]}
	for _, m := range old {
		if m != o.With["fallback"] {
			out = append(out, m)
		}
	}
	return map[string]any{"fallback_models": out}, nil
}

func (l *litellm) setFallbacks(ctx context.Context, key string, o *respond.Order, v map[string]any) error {
	if list, _ := v["fallback_models"].([]any); len(list) == 0 {
		err := l.call(ctx, http.MethodDelete, "/fallback/"+segment(o.With["model"]), key, nil, nil)
		if said(err, http.StatusNotFound) {
			return nil
		}
		return err
	}
	return l.call(ctx, http.MethodPost, "/fallback", key, map[string]any{"model": o.With["model"], "fallback_models": v["fallback_models"], "fallback_type": "general"}, nil)
}

// capNames are the limits that a cap can set.
var capNames = []string{"rpm", "tpm", "max_parallel_requests", "max_tokens"}

// checkCaps refuses a cap of which any limit makes no sense.
func checkCaps(o *respond.Order) error {
	for _, name := range asked(o) {
		if _, err := limit(o, name); err != nil {
			return err
		}
		if name == "max_tokens" && o.With["endpoint"] == "" {
			return errors.New("max_tokens is a limit of an endpoint; name one with.endpoint")
		}
	}
	if len(asked(o)) == 0 {
		return fmt.Errorf("cap needs one of %v", capNames)
	}
	return nil
}

// limit is a limit that an order sets.
func limit(o *respond.Order, name string) (uint64, error) {
	n, err := strconv.ParseUint(o.With[name], 10, 31)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("with.%s %q is no whole number from 1 on", name, clip(o.With[name]))
	}
	return n, nil
}

// asked are the limits that an order sets.
func asked(o *respond.Order) (names []string) {
	for _, name := range capNames {
		if o.With[name] != "" {
			names = append(names, name)
		}
	}
	return names
}

// caps looks at the limits of an endpoint, or of a team.
func (l *litellm) caps(ctx context.Context, o *respond.Order) (map[string]any, error) {
	names := asked(o)
	if o.With["endpoint"] != "" {
		return l.params(names...)(ctx, o)
	}
	teamNames := make([]string, len(names))
	for i, name := range names {
		teamNames[i] = teamLimit(name)
	}
	return l.team(teamNames...)(ctx, o)
}

// teamLimit is what teams call a limit.
func teamLimit(name string) string {
	if name == "rpm" || name == "tpm" {
		return name + "_limit"
	}
	return name
}

// wantCaps are limits that are lower than those of now.
func wantCaps(o *respond.Order, now map[string]any) (map[string]any, error) {
	out := map[string]any{}
	for _, name := range asked(o) {
		field := name
		if o.With["endpoint"] == "" {
			field = teamLimit(name)
		}
		n, err := limit(o, name)
		if err != nil {
			return nil, err
		}
		if old, ok := now[field].(json.Number); ok {
			if v, err := old.Float64(); err == nil && v < float64(n) {
				return nil, fmt.Errorf("%s is %s already, which is lower than %s", field, old, o.With[name])
			}
		}
		out[field] = json.Number(strconv.FormatUint(n, 10))
	}
	return out, nil
}

func (l *litellm) setCaps(ctx context.Context, key string, o *respond.Order, v map[string]any) error {
	if o.With["endpoint"] != "" {
		return l.setParams(ctx, key, o, v)
	}
	body := map[string]any{"team_id": o.With["tenant"]}
	for name, x := range v {
		body[name] = x
	}
	return l.call(ctx, http.MethodPost, "/team/update", key, body, nil)
}

// team looks at values of a team. One that is not set is null.
func (l *litellm) team(names ...string) func(context.Context, *respond.Order) (map[string]any, error) {
	return func(ctx context.Context, o *respond.Order) (map[string]any, error) {
		var text json.RawMessage
		if err := l.call(ctx, http.MethodGet, "/team/info?"+url.Values{"team_id": {o.With["tenant"]}}.Encode(), "", nil, &text); err != nil {
			return nil, err
		}
		v, err := unstate(text)
		info, ok := v["team_info"].(map[string]any)
		if err != nil || !ok {
			return nil, errors.New("GET /team/info answers without a team_info")
		}
		out := map[string]any{}
		for _, name := range names {
			if out[name] = info[name]; name == "blocked" {
				out[name] = info[name] == true
			}
		}
		return out, nil
	}
}

func (l *litellm) blockTeam(ctx context.Context, key string, o *respond.Order, v map[string]any) error {
	path := "/team/unblock"
	if v["blocked"] == true {
		path = "/team/block"
	}
	return l.call(ctx, http.MethodPost, path, key, map[string]any{"team_id": o.With["tenant"]}, nil)
}
