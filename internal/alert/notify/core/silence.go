package core

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hxp-enterprise/hxp/internal/alert/notify/label"
)

// Silence keeps alerts from being told for a time.
type Silence struct {
	ID        string           `json:"id"`
	Matchers  []SilenceMatcher `json:"matchers"`
	StartsAt  time.Time        `json:"startsAt"`
	EndsAt    time.Time        `json:"endsAt"`
	UpdatedAt time.Time        `json:"updatedAt"`
	CreatedBy string           `json:"createdBy"`
	Comment   string           `json:"comment"`

	matchers label.Matchers
}

// SilenceMatcher is a condition in the shape of Alertmanager's API.
type SilenceMatcher struct {
	Name    string `json:"name"`
	Value   string `json:"value"`
	IsRegex bool   `json:"isRegex"`
	IsEqual *bool  `json:"isEqual,omitempty"` // true when it is not there
}

// The states of a silence.
const (
	SilencePending = "pending"
	SilenceActive  = "active"
	SilenceExpired = "expired"
)

// Check reads the matchers; at names the field that is wrong.
func (s *Silence) Check() (at string, err error) {
	switch {
	case len(s.Matchers) == 0 || len(s.Matchers) > label.MaxLabels:
		return "matchers", fmt.Errorf("give 1 to %d matchers", label.MaxLabels)
	case s.StartsAt.IsZero() || s.EndsAt.IsZero():
		return "endsAt", errors.New("give startsAt and endsAt (RFC 3339)")
	case !s.EndsAt.After(s.StartsAt):
		return "endsAt", errors.New("it must end after it begins")
	case s.CreatedBy == "" || len(s.CreatedBy) > 256:
		return "createdBy", errors.New("say who, in at most 256 bytes")
	case s.Comment == "" || len(s.Comment) > 4096:
		return "comment", errors.New("say why, in at most 4096 bytes")
	}
	s.matchers = nil
	for i := range s.Matchers {
		m := &s.Matchers[i]
		if m.IsEqual == nil {
			m.IsEqual = new(true)
		}
		read, err := label.NewMatcher(m.Name, m.Value, m.IsRegex, !*m.IsEqual)
		if err != nil {
			return fmt.Sprintf("matchers/%d", i), err
		}
		s.matchers = append(s.matchers, read)
	}
	if s.matchers.Match(nil) {
		return "matchers", errors.New("they would silence everything: at least one of them must ask for a label that is there")
	}
	return "", nil
}

// State is that of a time.
func (s *Silence) State(now time.Time) string {
	switch {
	case now.Before(s.StartsAt):
		return SilencePending
	case now.Before(s.EndsAt):
		return SilenceActive
	}
	return SilenceExpired
}

// Conditions are the matchers.
func (s *Silence) Conditions() label.Matchers { return s.matchers }

// active are the silences of a time.
func (e *Engine) active(now time.Time) (out []*Silence) {
	for _, s := range e.silences {
		if s.State(now) == SilenceActive {
			out = append(out, s)
		}
	}
	return out
}

// silencedBy are those of active silences that keep labels from being told.
func silencedBy(active []*Silence, l label.Set) []string {
	var out []string
	for _, s := range active {
		if s.matchers.Match(l) {
			out = append(out, s.ID)
		}
	}
	slices.Sort(out)
	return out
}
