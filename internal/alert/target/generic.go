package target

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/hxp-enterprise/hxp/internal/alert/respond"
)

// generic is any HTTP API with a call that makes a change, one that takes it back, and one that tells.
type generic struct {
	*caller
	c Config
}

func newGeneric(c Config, to *caller) (respond.Target, error) {
	return &generic{to, c}, errors.Join(c.checkCalls()...)
}

// Can is part of respond.Target.
func (g *generic) Can(o *respond.Order) error {
	if len(g.c.Actions) > 0 && !slices.Contains(g.c.Actions, o.Action) {
		return cannot(o, "http", g.c.Actions...)
	}
	if o.Action == "restart" {
		return errBareRestart
	}
	for _, call := range []string{g.c.Check, g.c.Apply, g.c.Revert} {
		if err := needs(o, names(call)...); err != nil {
			return err
		}
	}
	if takesEndpoint(o) {
		return g.canTake(o, g.c.reverts(), "revert")
	}
	return nil
}

// Reverts is part of respond.Target.
func (g *generic) Reverts(*respond.Order) bool { return g.c.reverts() }

// Aim is part of respond.Target. The paths say what a call is about.
func (g *generic) Aim(o *respond.Order) string {
	used := names(g.c.Check + g.c.Apply + g.c.Revert)
	slices.Sort(used)
	return aim(o, slices.Compact(used)...)
}

// takesEndpoint tells of orders that may take an endpoint out of its group. What an action of that name does there, only the other
// side knows: one that names an endpoint counts.
func takesEndpoint(o *respond.Order) bool {
	return o.With["endpoint"] != "" || slices.Contains([]string{"cool_down", "drain", "restart"}, o.Action) || o.Action == "shift_weights" && weightless(o.With["weight"])
}

// names are those in braces.
func names(call string) (out []string) {
	for {
		_, after, ok := strings.Cut(call, "{")
		name, rest, closed := strings.Cut(after, "}")
		if !ok || !closed {
			return out
		}
		out, call = append(out, name), rest
	}
}

// fill puts the texts of an order into a path, each as one segment.
func fill(path string, o *respond.Order) string {
	for _, name := range names(path) {
		path = strings.ReplaceAll(path, "{"+name+"}", segment(o.With[name]))
	}
	return path
}

func (g *generic) do(ctx context.Context, call, key string, o *respond.Order, to any) error {
	method, path, err := splitCall(call)
	if err != nil {
		return err
	}
	var body any
	if method != http.MethodGet && method != http.MethodDelete {
		body = map[string]any{"action": o.Action, "with": o.With, "rule": o.Rule, "alert": o.Alert}
	}
	return g.call(ctx, method, fill(path, o), key, body, to)
}

func (g *generic) inPlace(ctx context.Context, o *respond.Order) (bool, error) {
	var out map[string]json.RawMessage
	if err := g.do(ctx, g.c.Check, "", o, &out); err != nil {
		return false, err
	}
	switch v := bytes.TrimSpace(out[g.c.Field]); string(v) {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, fmt.Errorf("%s answers without a field %q that is true or false", g.c.Check, g.c.Field)
}

// Check is part of respond.Target.
func (g *generic) Check(ctx context.Context, o *respond.Order) (*respond.Sight, error) {
	is, err := g.inPlace(ctx, o)
	if err != nil {
		return nil, err
	}
	s := &respond.Sight{Before: state(map[string]any{g.c.Field: is}), InPlace: is, Lasting: g.c.reverts()}
	if takesEndpoint(o) {
		s.Takes, s.Group = o.With["endpoint"], g.configured(ctx)
	}
	return s, nil
}

// Apply is part of respond.Target.
func (g *generic) Apply(ctx context.Context, key string, o *respond.Order, _ *respond.Sight) ([]byte, error) {
	return state(map[string]any{g.c.Field: true}), g.do(ctx, g.c.Apply, key, o, nil)
}

// Verify is part of respond.Target.
func (g *generic) Verify(ctx context.Context, _ string, o *respond.Order, _ *respond.Sight) error {
	is, err := g.inPlace(ctx, o)
	if err == nil && !is {
		err = fmt.Errorf("%s says that %q is false", g.c.Check, g.c.Field)
	}
	return err
}

// Revert is part of respond.Target.
func (g *generic) Revert(ctx context.Context, key string, o *respond.Order, _, _ []byte) (string, error) {
	is, err := g.inPlace(ctx, o)
	switch {
	case err != nil:
		return "", err
	case !is:
		return "it was so already", nil
	}
	sent := g.do(ctx, g.c.Revert, key+"-revert", o, nil)
	if is, err = g.inPlace(ctx, o); err != nil || is {
		return "", errors.Join(sent, err, errors.New("it is still in place"))
	}
	return "", nil
}
