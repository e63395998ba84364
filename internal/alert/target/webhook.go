package target

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/hxp-enterprise/hxp/internal/alert/respond"
	"github.com/hxp-enterprise/hxp/internal/kit/deliver"
)

// webhook tells somebody else to act. Which phases it is called for says how much the other side can: with check, verify and revert it
// is a target like the others, without them it is told once.
type webhook struct {
	*caller
	c Config
}

// hookCall is the body of a call.
type hookCall struct {
	Phase  string          `json:"phase"`
	ID     string          `json:"id"` // of the response; the same at each try
	Order  *respond.Order  `json:"order"`
	Before json.RawMessage `json:"before,omitempty"`
}

// hookAnswer may be the body of an answer; an empty one is as good as {}.
type hookAnswer struct {
	OK      *bool           `json:"ok"` // false = no, and detail says why
	Detail  string          `json:"detail"`
	InPlace *bool           `json:"in_place"`
	State   json.RawMessage `json:"state"`
}

// hookNo is a webhook that understood and says no.
type hookNo struct{ phase, detail string }

func (e *hookNo) Error() string {
	return fmt.Sprintf("the webhook says no to %s: %s", e.phase, e.detail)
}

func (w *webhook) has(phase string) bool { return slices.Contains(w.c.Phases, phase) }

// Can is part of respond.Target.
func (w *webhook) Can(o *respond.Order) error {
	if len(w.c.Actions) > 0 && !slices.Contains(w.c.Actions, o.Action) {
		return cannot(o, "webhook", w.c.Actions...)
	}
	if o.Action == "restart" {
		return errBareRestart
	}
	if takesEndpoint(o) {
		return w.canTake(o, w.c.reverts(), "the phase revert")
	}
	return nil
}

// errBareRestart is about targets that would restart what serves requests.
var errBareRestart = errors.New("a restart without a drain ends requests that run; set restart_url of the target that drains (litellm, vllm_router, http): hxp drains, waits until nothing runs, has it restarted, and puts it back")

// Reverts is part of respond.Target.
func (w *webhook) Reverts(*respond.Order) bool { return w.c.reverts() }

// Aim is part of respond.Target. What the other side reads is not known; what has an endpoint is about that.
func (w *webhook) Aim(o *respond.Order) string {
	if o.With["endpoint"] != "" {
		return aim(o, "endpoint")
	}
	return aim(o, "model", "tenant")
}

// post calls the other side, signed as Standard Webhooks has it when there is a secret.
func (w *webhook) post(ctx context.Context, phase, key string, o *respond.Order, before []byte) (*hookAnswer, error) {
	body, err := json.Marshal(hookCall{phase, key, o, before})
	if err != nil {
		return nil, err
	}
	id, at := key+"-"+phase, time.Now()
	headers := map[string]string{"webhook-id": id, "webhook-timestamp": strconv.FormatInt(at.Unix(), 10)}
	if w.token != "" {
		if headers["webhook-signature"], err = deliver.Signature(w.token, id, at, body); err != nil {
			return nil, fmt.Errorf("the token of the webhook: %w", err)
		}
	}
	text, err := w.send(ctx, http.MethodPost, "", id, body, headers)
	if err != nil {
		return nil, err
	}
	a := &hookAnswer{}
	if err := json.Unmarshal(text, a); err != nil && w.has("check") && phase == "check" {
		return nil, fmt.Errorf("the webhook answers to check with something else than expected: %w", err)
	}
	if a.OK != nil && !*a.OK {
		return nil, &hookNo{phase, clip(a.Detail)}
	}
	return a, nil
}

// Check is part of respond.Target.
func (w *webhook) Check(ctx context.Context, o *respond.Order) (*respond.Sight, error) {
	s := &respond.Sight{Lasting: w.c.reverts(), Blind: true}
	if w.has("check") {
		a, err := w.look(ctx, o)
		if err != nil {
			return nil, err
		}
		s.InPlace, s.Blind, s.Before = *a.InPlace, false, state(map[string]any{"in_place": *a.InPlace})
		if len(a.State) > 0 {
			s.Before = a.State
		}
	}
	if takesEndpoint(o) {
		s.Takes, s.Group = o.With["endpoint"], w.configured(ctx)
	}
	return s, nil
}

// look asks whether the change is in place.
func (w *webhook) look(ctx context.Context, o *respond.Order) (*hookAnswer, error) {
	a, err := w.post(ctx, "check", "", o, nil)
	if err == nil && a.InPlace == nil {
		err = errors.New("the webhook answers to check without in_place")
	}
	return a, err
}

// Apply is part of respond.Target.
func (w *webhook) Apply(ctx context.Context, key string, o *respond.Order, s *respond.Sight) ([]byte, error) {
	a, err := w.post(ctx, "apply", key, o, s.Before)
	if err != nil {
		return nil, err
	}
	return a.State, nil
}

// Verify is part of respond.Target. A webhook that only hears of changes cannot tell what became of them.
func (w *webhook) Verify(ctx context.Context, key string, o *respond.Order, s *respond.Sight) error {
	switch {
	case w.has("verify"):
		_, err := w.post(ctx, "verify", key, o, s.Before)
		return err
	case w.has("check"):
		a, err := w.look(ctx, o)
		if err == nil && !*a.InPlace {
			err = errors.New("the webhook says that it is not in place")
		}
		return err
	}
	return fmt.Errorf("%w: the webhook has neither the phase verify nor check", respond.ErrUnverified)
}

// Revert is part of respond.Target.
func (w *webhook) Revert(ctx context.Context, key string, o *respond.Order, before, _ []byte) (string, error) {
	_, err := w.post(ctx, "revert", key, o, before)
	return "", err
}
