package respond

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Alert is what a record of hxp-alerts says, as far as responses are concerned. Its writer may say more.
type Alert struct {
	ID         string            `json:"id"` // of the episode
	Rule       string            `json:"rule"`
	Version    string            `json:"version"`
	State      string            `json:"state"`
	Severity   string            `json:"severity"`
	Class      string            `json:"class"` // page or ticket; each has episodes of its own
	Key        Key               `json:"key"`
	Mode       string            `json:"mode"`
	Actions    []Action          `json:"actions"`
	At         time.Time         `json:"at"`
	CausedAt   time.Time         `json:"caused_at"` // when the latest event came that made it
	StartsAt   time.Time         `json:"starts_at"`
	Value      json.Number       `json:"value"`
	Threshold  json.Number       `json:"threshold"`
	RequestIDs []string          `json:"request_ids"`
	Labels     map[string]string `json:"labels"`
}

// Action is what a rule asks for.
type Action struct {
	Type   string            `json:"type"`
	Target string            `json:"target"`
	With   map[string]string `json:"with"`
}

// Key are the values that an alert is about. Alerts that come from no rule have a plain name there.
type Key map[string]string

// UnmarshalJSON is part of json.Unmarshaler.
func (k *Key) UnmarshalJSON(text []byte) error {
	var name string
	if json.Unmarshal(text, &name) == nil {
		*k = nil
		if name != "" {
			*k = Key{"name": name}
		}
		return nil
	}
	var m map[string]string
	if err := json.Unmarshal(text, &m); err != nil {
		return errors.New("key is neither a name nor an object of texts")
	}
	*k = m
	return nil
}

// Limits of what is believed of an alert.
const (
	maxAlert    = 1 << 20
	maxActions  = 8
	maxName     = 256
	maxWith     = 32
	maxExamples = 5
)

// ParseAlert reads a record of hxp-alerts.
func ParseAlert(value []byte) (*Alert, error) {
	if len(value) > maxAlert {
		return nil, fmt.Errorf("it has %d bytes; an alert has at most %d", len(value), maxAlert)
	}
	a := &Alert{}
	if err := json.Unmarshal(value, a); err != nil {
		return nil, fmt.Errorf("it is no alert: %w", err)
	}
	a.RequestIDs = a.RequestIDs[:min(len(a.RequestIDs), maxExamples)]
	switch {
	case a.ID == "" || len(a.ID) > maxName:
		return nil, fmt.Errorf("it has no id of 1 to %d bytes", maxName)
	case a.Rule == "" || len(a.Rule) > maxName:
		return nil, fmt.Errorf("it names no rule of 1 to %d bytes", maxName)
	case len(a.Version) > maxName || len(a.Class) > maxName || len(a.Severity) > maxName || len(a.Mode) > maxName || len(a.Value) > maxName || len(a.Threshold) > maxName:
		return nil, errors.New("one of version, class, severity, mode, value and threshold is too long")
	case len(a.Actions) > maxActions:
		return nil, fmt.Errorf("it has %d actions; at most %d are read", len(a.Actions), maxActions)
	case tooLong(a.Key) || tooLong(a.Labels):
		return nil, errors.New("its key or labels are too long")
	}
	for i, x := range a.Actions {
		if len(x.Type) > maxName || len(x.Target) > maxName || tooLong(x.With) {
			return nil, fmt.Errorf("action %d is too long", i)
		}
	}
	for _, id := range a.RequestIDs {
		if len(id) > 4*maxName {
			return nil, errors.New("a request id is too long")
		}
	}
	return a, nil
}

func tooLong(m map[string]string) bool {
	if len(m) > maxWith {
		return true
	}
	for k, v := range m {
		if len(k) > maxName || len(v) > 4096 {
			return true
		}
	}
	return false
}

// Moment is when the alert was caused, as well as that is known.
func (a *Alert) Moment() time.Time {
	if a.CausedAt.IsZero() {
		return a.At
	}
	return a.CausedAt
}

// subject tells alerts of one rule apart by what they are about, over all episodes.
func (a *Alert) subject() string { return subject(a.Rule, a.Class, a.Key) }

func subject(rule, class string, key Key) string {
	var b strings.Builder
	b.WriteString(rule + "\x00" + class)
	for _, name := range slices.Sorted(maps.Keys(key)) {
		fmt.Fprintf(&b, "\x00%s=%s", name, key[name])
	}
	return b.String()
}

// id names the response to an action of an episode. It is the idempotency key: whoever makes it, however often, makes the same.
func (a *Alert) id(x Action) string {
	text, err := json.Marshal([]any{a.ID, x.Type, x.Target, x.With})
	if err != nil {
		panic("respond: " + err.Error()) // texts
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:12])
}

// order is all that a response to x needs to know of the alert.
func (a *Alert) order(x Action) *Order {
	return &Order{
		Rule: a.Rule, Version: a.Version, Alert: a.ID, Severity: a.Severity, Class: a.Class, Key: a.Key, Mode: a.Mode, Action: x.Type, Target: x.Target, With: a.filled(x.With),
		Value: a.Value, Threshold: a.Threshold, RequestIDs: a.RequestIDs, CausedAt: stamp(a.Moment()), StartsAt: stamp(a.StartsAt), At: stamp(a.At),
	}
}

// filled puts values of the key where a text is {NAME}. A name that the key has not stays as it is, and is refused later.
func (a *Alert) filled(with map[string]string) map[string]string {
	if len(with) == 0 {
		return nil
	}
	out := maps.Clone(with)
	for k, text := range out {
		if inner, ok := strings.CutPrefix(text, "{"); ok && strings.HasSuffix(inner, "}") {
			if v, ok := a.Key[strings.TrimSuffix(inner, "}")]; ok {
				out[k] = v
			}
		}
	}
	return out
}

// Order is what shall be done, and why.
type Order struct {
	Rule       string            `json:"rule"`
	Version    string            `json:"version,omitempty"`
	Alert      string            `json:"alert"`
	Severity   string            `json:"severity,omitempty"`
	Class      string            `json:"class,omitempty"`
	Key        Key               `json:"key,omitempty"`
	Mode       string            `json:"mode"`
	Action     string            `json:"action"`
	Target     string            `json:"target"`
	With       map[string]string `json:"with,omitempty"`
	Aim        string            `json:"aim,omitempty"` // what the action is about at the target, as the target says
	Value      json.Number       `json:"value,omitempty"`
	Threshold  json.Number       `json:"threshold,omitempty"`
	RequestIDs []string          `json:"request_ids,omitempty"`
	CausedAt   time.Time         `json:"caused_at,omitzero"`
	StartsAt   time.Time         `json:"starts_at,omitzero"`
	At         time.Time         `json:"at,omitzero"` // of the decision
}

// subject is that of its alert.
func (o *Order) subject() string { return subject(o.Rule, o.Class, o.Key) }

// aim is what the order is about: where two orders have the same aim, the second one waits.
func (o *Order) aim() string { return strings.Join([]string{o.Target, o.Action, o.Aim}, "\x00") }

// habit is what a rule does again and again: cooldowns count by it.
func (o *Order) habit() string { return o.Rule + "\x00" + o.aim() }
