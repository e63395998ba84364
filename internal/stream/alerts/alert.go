package alerts

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"
)

// State of an alert.
type State string

// The states. What lapsed before it fired is no alert.
const (
	Pending  State = "pending"
	Firing   State = "firing"
	Resolved State = "resolved"
	lapsed   State = "lapsed"
)

// rank orders the states of an episode; 0 is none of them.
func (s State) rank() int {
	return 1 + slices.Index([]State{Pending, Firing, Resolved, lapsed}, s)
}

// Lapsed tells that what was pending went away: it is no alert.
func (a *Alert) Lapsed() bool { return a.State == lapsed }

func (s State) over() bool { return s == Resolved || s == lapsed }

// Severities from mild to bad.
var severities = []string{"info", "warning", "critical"}

// Window is the span of time that an alert rests on.
type Window struct {
	Start time.Time `json:"start"`
	End   time.Time `json:"end"`
}

// Share is how much a value of a field has of what caused an alert.
type Share struct {
	Field string  `json:"field"`
	Value string  `json:"value"`
	Share float64 `json:"share"`
	Of    int     `json:"of"` // events that were looked at
}

// Alert is an episode of a rule and a key.
type Alert struct {
	ID          string            `json:"id"`
	Rule        string            `json:"rule"`
	Version     string            `json:"version"` // of the rule; "" for what no rule decided
	State       State             `json:"state"`
	Severity    string            `json:"severity"`
	Mode        string            `json:"mode"` // of the rule; "" for what no rule decided
	Key         map[string]string `json:"key"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
	StartsAt    time.Time         `json:"starts_at"`
	EndsAt      *time.Time        `json:"ends_at"`
	UpdatedAt   time.Time         `json:"updated_at"` // when it came to its state
	Window      Window            `json:"window"`
	Value       float64           `json:"value"`
	Threshold   float64           `json:"threshold"`
	Top         []Share           `json:"top"`
	RequestIDs  []string          `json:"request_ids"`
	Events      []string          `json:"events,omitempty"` // ids of those that made a sequence, the first ones; none of other rules
}

// Tenant is the one tenant that an alert is about: by its key or, where that names none, by a label; "" when it is about several, or all.
func (a *Alert) Tenant() string {
	if of, ok := a.Key["tenant"]; ok {
		return of
	}
	return a.Labels["tenant"]
}

// The limits of a record: a stranger may write to the topic.
const (
	maxRecord = 256 << 10
	maxID     = 256
	maxTexts  = 256 // labels, annotations, fields of a key
	maxList   = 100 // of top and request ids
)

// Decode reads a record of the topic.
func Decode(value []byte) (*Alert, error) {
	if len(value) > maxRecord {
		return nil, fmt.Errorf("it has %d bytes; at most %d are read", len(value), maxRecord)
	}
	var in struct {
		Alert
		At  *time.Time      `json:"at"`
		Key json.RawMessage `json:"key"`
	}
	if err := json.Unmarshal(value, &in); err != nil {
		return nil, fmt.Errorf("it is no decision: %w", err)
	}
	a := &in.Alert
	if err := a.key(in.Key); err != nil {
		return nil, err
	}
	if err := a.check(); err != nil {
		return nil, err
	}
	a.settle()
	if a.UpdatedAt = a.StartsAt; in.At != nil && between(*in.At) {
		a.UpdatedAt = in.At.UTC()
	}
	return a, nil
}

// key reads the fields of a key. A plain text, as of a run, is the label that has it.
func (a *Alert) key(text json.RawMessage) error {
	var plain string
	if json.Unmarshal(text, &plain) != nil {
		if err := json.Unmarshal(text, &a.Key); err != nil {
			return errors.New("key is neither an object of texts nor a text")
		}
		return nil
	}
	a.Key = map[string]string{}
	for name, value := range a.Labels {
		if value == plain && plain != "" {
			a.Key[name] = value
			return nil
		}
	}
	if plain != "" {
		a.Key["key"] = plain
	}
	return nil
}

func (a *Alert) check() error {
	switch {
	case a.ID == "" || len(a.ID) > maxID || !utf8.ValidString(a.ID):
		return fmt.Errorf("id has not 1 to %d bytes of UTF-8", maxID)
	case a.Rule == "" || len(a.Rule) > maxID:
		return fmt.Errorf("rule has not 1 to %d bytes", maxID)
	case a.State.rank() == 0:
		return fmt.Errorf("state %.40q is none of pending, firing, resolved and lapsed", a.State)
	case !slices.Contains(severities, a.Severity):
		return fmt.Errorf("severity %.40q is none of info, warning and critical", a.Severity)
	case !between(a.StartsAt) || !between(a.Window.Start) || !between(a.Window.End) || a.EndsAt != nil && !between(*a.EndsAt):
		return errors.New("starts_at, ends_at or a time of the window is not from 1970 to 9999")
	case max(len(a.Key), len(a.Labels), len(a.Annotations)) > maxTexts:
		return fmt.Errorf("there are more than %d labels, annotations or fields of the key", maxTexts)
	case max(len(a.Top), len(a.RequestIDs), len(a.Events)) > maxList:
		return fmt.Errorf("there are more than %d entries in top, request_ids or events", maxList)
	}
	return nil
}

func between(t time.Time) bool { return t.UTC().Year() >= 1970 && t.UTC().Year() <= 9999 }

// settle makes absent lists and objects empty and all times UTC.
func (a *Alert) settle() {
	for _, m := range []*map[string]string{&a.Key, &a.Labels, &a.Annotations} {
		if *m == nil {
			*m = map[string]string{}
		}
	}
	if a.Top == nil {
		a.Top = []Share{}
	}
	if a.RequestIDs == nil {
		a.RequestIDs = []string{}
	}
	a.StartsAt = a.StartsAt.UTC()
	a.Window = Window{a.Window.Start.UTC(), a.Window.End.UTC()}
	if a.EndsAt != nil {
		a.EndsAt = new(a.EndsAt.UTC())
	}
	if !a.State.over() {
		a.EndsAt = nil
	}
}

// bytes is about what an alert takes in memory.
func (a *Alert) bytes() int {
	n := 512 + len(a.ID) + len(a.Rule)
	for _, m := range []map[string]string{a.Key, a.Labels, a.Annotations} {
		for k, v := range m {
			n += 64 + len(k) + len(v)
		}
	}
	for _, s := range a.Top {
		n += 64 + len(s.Field) + len(s.Value)
	}
	for _, id := range append(slices.Clip(a.RequestIDs), a.Events...) {
		n += 16 + len(id)
	}
	return n
}
