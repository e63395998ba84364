package app

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/alert/notify"
)

// Notification is a message to a receiver, as data-streaming-api lists it.
type Notification = notify.Notification

// RoutedAlert is what a person reads of an alert of GET /api/v2/alerts.
type RoutedAlert struct {
	Fingerprint string              `json:"fingerprint"`
	Labels      map[string]string   `json:"labels"`
	Annotations map[string]string   `json:"annotations"`
	StartsAt    time.Time           `json:"startsAt"`
	Receivers   []map[string]string `json:"receivers"`
	Status      struct {
		State       string   `json:"state"`
		SilencedBy  []string `json:"silencedBy"`
		InhibitedBy []string `json:"inhibitedBy"`
		MutedBy     []string `json:"mutedBy"`
	} `json:"status"`
	AcknowledgedBy string `json:"acknowledgedBy"`
}

// State is how the alert stands, in words.
func (a *RoutedAlert) State() string {
	switch s := &a.Status; {
	case len(s.SilencedBy) > 0:
		return "silenced"
	case len(s.InhibitedBy) > 0:
		return "inhibited"
	case len(s.MutedBy) > 0:
		return "quiet: " + strings.Join(s.MutedBy, ",")
	}
	return "firing"
}

// Silence is a silence of GET /notifications/silences.
type Silence struct {
	ID        string           `json:"id,omitempty"`
	Matchers  []SilenceMatcher `json:"matchers"`
	StartsAt  time.Time        `json:"startsAt"`
	EndsAt    time.Time        `json:"endsAt"`
	CreatedBy string           `json:"createdBy"`
	Comment   string           `json:"comment"`
	Status    *struct {
		State string `json:"state"`
	} `json:"status,omitempty"`
}

// SilenceMatcher is one of its conditions.
type SilenceMatcher struct {
	Name    string `json:"name"`
	Value   string `json:"value"`
	IsRegex bool   `json:"isRegex"`
	IsEqual bool   `json:"isEqual"`
}

// MatchersOf reads conditions such as model="m1" or team=~"a|b".
func MatchersOf(texts []string) ([]SilenceMatcher, error) {
	var out []SilenceMatcher
	for _, text := range texts {
		ms, err := notify.ParseMatchers(text)
		if err != nil {
			return nil, err
		}
		for _, m := range ms {
			out = append(out, SilenceMatcher{m.Name, m.Value, m.Regex, !m.Not})
		}
	}
	return out, nil
}

// Notifications lists messages, the newest first.
func (a *Asked) Notifications(ctx context.Context, q url.Values) ([]Notification, error) {
	var out struct {
		Notifications []Notification `json:"notifications"`
	}
	return out.Notifications, a.Into(ctx, http.MethodGet, "/notifications?"+q.Encode(), nil, &out)
}

// RoutedAlerts lists the alerts that fire.
func (a *Asked) RoutedAlerts(ctx context.Context, q url.Values) (list []RoutedAlert, err error) {
	return list, a.Into(ctx, http.MethodGet, "/api/v2/alerts?"+q.Encode(), nil, &list)
}

// NotificationConfig shows the configuration, or replaces it when document is not nil.
func (a *Asked) NotificationConfig(ctx context.Context, document []byte) (json.RawMessage, error) {
	if document == nil {
		return a.Call(ctx, http.MethodGet, "/notifications/config", nil)
	}
	return a.With("Content-Type", "application/yaml").Call(ctx, http.MethodPut, "/notifications/config", document) // JSON is YAML
}

// TestReceiver sends a receiver a message made up for it, or shows its texts.
func (a *Asked) TestReceiver(ctx context.Context, receiver string, preview bool) (out json.RawMessage, err error) {
	return a.Call(ctx, http.MethodPost, "/notifications/test", map[string]any{"receiver": receiver, "preview": preview})
}

// Silences lists silences.
func (a *Asked) Silences(ctx context.Context) ([]Silence, error) {
	var out struct {
		Silences []Silence `json:"silences"`
	}
	return out.Silences, a.Into(ctx, http.MethodGet, "/notifications/silences", nil, &out)
}

// AddSilence makes a silence.
func (a *Asked) AddSilence(ctx context.Context, s Silence) (made Silence, err error) {
	return made, a.Into(ctx, http.MethodPost, "/notifications/silences", s, &made)
}

// EndSilence ends one.
func (a *Asked) EndSilence(ctx context.Context, id string) error {
	_, err := a.Call(ctx, http.MethodDelete, "/notifications/silences/"+url.PathEscape(id), nil)
	return err
}

// AcknowledgeAlert says that somebody looks at an alert.
func (a *Asked) AcknowledgeAlert(ctx context.Context, fingerprint, by, comment string) error {
	_, err := a.Call(ctx, http.MethodPost, "/notifications/ack", map[string]string{"fingerprint": fingerprint, "by": by, "comment": comment})
	return err
}
