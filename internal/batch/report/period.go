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

// Earlier is the same period before: as long, and at the same place of the week or of the year.
func (p Period) Earlier(level string) Period {
	back := func(t time.Time) time.Time { return t.AddDate(0, 0, -7) }
	switch n, _ := p.Count(level); {
	case level == "monthly":
		back = func(t time.Time) time.Time { return t.AddDate(-1, 0, 0) }
	case level == "weekly", level == "daily" && n >= 7, level == "hourly" && n >= 7*24:
		back = func(t time.Time) time.Time { return t.AddDate(0, 0, -52*7) }
	}
	return Period{back(p.Start), back(p.End)}
}

// earlierName is the short name of Earlier at the head of a column.
func (p Period) earlierName(level string) string {
	switch e := p.Earlier(level); {
	case level == "monthly":
		return "Year before"
	case p.Start.Sub(e.Start) > 8*24*time.Hour:
		return "52 weeks before"
	}
	return "Week before"
}

// hours of p.
func (p Period) hours() float64 { return p.End.Sub(p.Start).Hours() }

// String says the period as people do; both days are part of it.
func (p Period) String() string { return english.span(p) }

func endClock(t time.Time) string {
	if Floor("daily", t).Equal(t) {
		return "24:00"
	}
	return t.UTC().Format("15:04")
}
