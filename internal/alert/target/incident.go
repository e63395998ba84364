package target

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/hxp-enterprise/hxp/internal/alert/respond"
)

// incident opens an incident and resolves it when the alert is over, in the words of PagerDuty's Events API v2. The service knows an
// incident again by its dedup_key, so a call may be repeated.
type incident struct{ *caller }

// Can is part of respond.Target.
func (i *incident) Can(o *respond.Order) error {
	if o.Action != "incident" {
		return cannot(o, "incident", "incident")
	}
	return nil
}

// Reverts is part of respond.Target: the incident is resolved.
func (i *incident) Reverts(*respond.Order) bool { return true }

// Aim is part of respond.Target. An incident is about an alert, and nothing of the action is used.
func (i *incident) Aim(o *respond.Order) string {
	return fmt.Sprintf("%q %q", o.Rule, map[string]string(o.Key))
}

// Check is part of respond.Target.
func (i *incident) Check(context.Context, *respond.Order) (*respond.Sight, error) {
	return &respond.Sight{Lasting: true, Blind: true, Again: true}, nil
}

func (i *incident) event(ctx context.Context, action, key string, o *respond.Order) error {
	severity := o.Severity
	if severity != "critical" && severity != "warning" && severity != "info" {
		severity = "error"
	}
	body, err := json.Marshal(map[string]any{
		"routing_key": i.token, "event_action": action, "dedup_key": key,
		"payload": map[string]any{
			"summary": fmt.Sprintf("%s: %v", o.Rule, map[string]string(o.Key)), "source": "hxp", "severity": severity,
			"custom_details": map[string]any{"alert": o.Alert, "key": o.Key, "value": o.Value, "threshold": o.Threshold, "request_ids": o.RequestIDs},
		},
	})
	if err != nil {
		return err
	}
	for wait := time.Second; ; wait *= 2 {
		_, err := i.send(ctx, http.MethodPost, "", key+"-"+action, body, nil)
		if err == nil || said(err, http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(wait):
		}
	}
}

// Apply is part of respond.Target.
func (i *incident) Apply(ctx context.Context, key string, o *respond.Order, _ *respond.Sight) ([]byte, error) {
	return state(map[string]any{"dedup_key": key}), i.event(ctx, "trigger", key, o)
}

// Verify is part of respond.Target. The service took the event, and has no question for what became of it.
func (i *incident) Verify(context.Context, string, *respond.Order, *respond.Sight) error {
	return fmt.Errorf("%w: an incident service only takes events", respond.ErrUnverified)
}

// Revert is part of respond.Target.
func (i *incident) Revert(ctx context.Context, key string, o *respond.Order, _, _ []byte) (string, error) {
	return "", i.event(ctx, "resolve", key, o)
}
