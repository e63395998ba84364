package report

import (
	"fmt"
	"time"
)

// Period is a span of time [Start, End) in UTC.
type Period struct {
	Start time.Time `json:"start"`
	End   time.Time `json:"end"`
}

// Floor returns the start of the period of a level that holds t. Weeks start on Sunday.
func Floor(level string, t time.Time) time.Time {
	t = t.UTC()
	y, m, d := t.Date()
	switch level {
	case "daily":
		return time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
	case "weekly":
		return time.Date(y, m, d-int(t.Weekday()), 0, 0, 0, 0, time.UTC)
	case "monthly":
		return time.Date(y, m, 1, 0, 0, 0, 0, time.UTC)
	}
	return t.Truncate(time.Hour)
}

// Step returns the start of the nth period after the one that starts at t (before it, for a negative n).
func Step(level string, t time.Time, n int) time.Time {
	switch level {
	case "daily":
		return t.AddDate(0, 0, n)
	case "weekly":
		return t.AddDate(0, 0, 7*n)
	case "monthly":
		return t.AddDate(0, n, 0)
	}
	return t.Add(time.Duration(n) * time.Hour)
}

// Last is the last period of a level that is over at now.
func Last(level string, now time.Time) Period {
	end := Floor(level, now)
	return Period{Step(level, end, -1), end}
}

// Count returns how many periods of a level p is made of, or an error when it is not made of whole ones.
func (p Period) Count(level string) (int, error) {
	if !p.Start.Before(p.End) {
		return 0, fmt.Errorf("it must end after it starts")
	}
	if !Floor(level, p.Start).Equal(p.Start) || !Floor(level, p.End).Equal(p.End) {
		near := Period{Floor(level, p.Start), Floor(level, p.End)}
		if !near.End.Equal(p.End) || !near.Start.Before(near.End) {
			near.End = Step(level, near.End, 1)
		}
		return 0, fmt.Errorf("it is not made of whole %s (UTC%s); the nearest that is starts at %s and ends at %s", unit(level, 2),
			map[bool]string{true: ", from Sunday"}[level == "weekly"], near.Start.Format(time.RFC3339), near.End.Format(time.RFC3339))
	}
	n := 0
	for t := p.Start; t.Before(p.End) && n < maxPeriods+1; t = Step(level, t, 1) {
		n++
	}
	if n > maxPeriods {
		return 0, fmt.Errorf("it has more than %d %s; take a shorter one, or a summary of a longer level", maxPeriods, unit(level, 2))
	}
	return n, nil
}

// maxPeriods bounds what one report is made from: three months of hours, six years of days.
const maxPeriods = 2232

// Previous is the period of as many periods of the level that ends where p starts.
func (p Period) Previous(level string) Period {
	n, err := p.Count(level)
	if err != nil {
		return Period{p.Start.Add(p.Start.Sub(p.End)), p.Start}
	}
	return Period{Step(level, p.Start, -n), p.Start}
}

// hours of p.
func (p Period) hours() float64 { return p.End.Sub(p.Start).Hours() }

// String says the period as people do; both days are part of it.
func (p Period) String() string {
	const day, hour = "Monday, 2 January 2006", "15:04"
	s, e := p.Start.UTC(), p.End.UTC()
	if Floor("daily", s).Equal(s) && Floor("daily", e).Equal(e) {
		last := e.AddDate(0, 0, -1)
		switch {
		case last.Equal(s):
			return s.Format(day)
		case Floor("monthly", s).Equal(s) && Step("monthly", s, 1).Equal(e):
			return s.Format("January 2006")
		}
		return s.Format(day) + " to " + last.Format(day)
	}
	if Floor("daily", s).Equal(Floor("daily", e.Add(-time.Nanosecond))) {
		return s.Format(day+", "+hour) + " to " + endClock(e)
	}
	return s.Format(day+", "+hour) + " to " + e.Format(day+", "+hour)
}

func endClock(t time.Time) string {
	if Floor("daily", t).Equal(t) {
		return "24:00"
	}
	return t.Format("15:04")
}

// label names one period of a level on an axis or in a table.
func label(level string, t time.Time) string {
	t = t.UTC()
	switch level {
	case "hourly":
		return t.Format("2 Jan 15:04")
	case "monthly":
		return t.Format("Jan 2006")
	}
	return t.Format("2 Jan 2006")
}
