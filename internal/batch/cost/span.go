package cost

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// Span is the time in which a pool is there: the hours that begin in [From, To), in seconds since the epoch.
type Span struct{ From, To int64 }

// Holds tells whether an hour belongs to the span.
func (s Span) Holds(hour int64) bool { return s.From <= hour && hour < s.To }

func (s Span) meets(o Span) bool { return s.From < o.To && o.From < s.To }

// Span is when the pool is there: always, where nobody says.
func (p *Pool) Span() Span {
	s, _ := p.span() // Validate has read it
	return s
}

// span reads when the pool is there. Its hours are whole ones: costs are told by the hour, and nobody could say who used half of one.
func (p *Pool) span() (Span, error) {
	s := Span{math.MinInt64, math.MaxInt64}
	var errs []error
	for _, end := range []struct {
		name, text string
		to         *int64
	}{{"from", p.From, &s.From}, {"to", p.To, &s.To}} {
		if end.text == "" {
			continue
		}
		t, err := ParseTime(end.text)
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("%s: %w", end.name, err))
		case !t.Equal(t.Truncate(time.Hour)):
			errs = append(errs, fmt.Errorf("%s: %q is no whole hour, and costs are told by the hour", end.name, end.text))
		}
		*end.to = t.Unix()
	}
	if len(errs) == 0 && s.From >= s.To {
		errs = append(errs, fmt.Errorf("to: %q does not lie behind %q, which from says", p.To, p.From))
	}
	return s, errors.Join(errs...)
}

// ends are the two as times, nil where nobody says.
func (s Span) ends() (from, to *time.Time) {
	if s.From != math.MinInt64 {
		from = new(time.Unix(s.From, 0).UTC())
	}
	if s.To != math.MaxInt64 {
		to = new(time.Unix(s.To, 0).UTC())
	}
	return from, to
}

// ParseTime reads a day or an RFC 3339 time of a setting.
func ParseTime(text string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no day or RFC 3339 time such as 2026-03-01", text)
}
