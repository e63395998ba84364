package batch

import (
	"fmt"
	"time"
)

// level is one of the four kinds of periods. All are in UTC; weeks begin on Sunday 00:00, as the weekly cron says.
type level struct {
	name  string // hourly, daily, weekly, monthly
	noun  string
	rule  string // where its periods begin
	below string // the level that it is merged from, "" = folded from raw events
	floor func(time.Time) time.Time
	next  func(time.Time) time.Time // of a start of a period
}

var levels = map[string]*level{
	"hourly": {"hourly", "hour", "hours begin at minute 0", "",
		func(t time.Time) time.Time { return t.Truncate(time.Hour) },
		func(t time.Time) time.Time { return t.Add(time.Hour) }},
	"daily": {"daily", "day", "days begin at 00:00 UTC", "hourly",
		midnight,
		func(t time.Time) time.Time { return t.AddDate(0, 0, 1) }},
	"weekly": {"weekly", "week", "weeks begin on Sunday 00:00 UTC", "daily",
		func(t time.Time) time.Time { return midnight(t).AddDate(0, 0, -int(t.Weekday())) },
		func(t time.Time) time.Time { return t.AddDate(0, 0, 7) }},
	"monthly": {"monthly", "month", "months begin on the 1st at 00:00 UTC", "daily",
		func(t time.Time) time.Time { return time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC) },
		func(t time.Time) time.Time { return t.AddDate(0, 1, 0) }},
}

func midnight(t time.Time) time.Time { return t.Truncate(24 * time.Hour) } // UTC has no other days

// of returns the period that holds a second since the epoch.
func (l *level) of(sec int64) period {
	start := l.floor(time.Unix(sec, 0).UTC())
	return period{l, start.Unix(), l.next(start).Unix()}
}

// period is one period [start, end) of a level, in seconds since the epoch.
type period struct {
	*level
	start, end int64
}

func (p period) length() time.Duration { return time.Duration(p.end-p.start) * time.Second }

// String names the period by its start, as in logs.
func (p period) String() string {
	return p.noun + " " + time.Unix(p.start, 0).UTC().Format(map[bool]string{true: "2006-01-02T15Z", false: time.DateOnly}[p.below == ""])
}

// maxYears bounds what one run may take.
const maxYears = 10

// span checks that an interval is made of whole periods of the level and is not too long.
func (l *level) span(start, end time.Time) error {
	for _, edge := range []struct {
		name string
		at   time.Time
	}{{"data_interval_start", start}, {"data_interval_end", end}} {
		at := edge.at.UTC()
		if floor := l.floor(at); !floor.Equal(at) {
			return fmt.Errorf("%s %s is not the start of a whole %s: %s, such as %s or %s", edge.name, at.Format(time.RFC3339Nano),
				l.noun, l.rule, floor.Format(time.RFC3339), l.next(floor).Format(time.RFC3339))
		}
	}
	switch {
	case !start.Before(end):
		return fmt.Errorf("the interval from %s to %s is empty", start.Format(time.RFC3339), end.Format(time.RFC3339))
	case end.After(start.AddDate(maxYears, 0, 1)):
		return fmt.Errorf("the interval has %d hours; one run takes at most %d years", int64(end.Sub(start).Hours()), maxYears)
	}
	return nil
}

// within returns the periods that end in (start, end], oldest first. For an interval of whole periods these are the periods that
// it is made of. A schedule at another time than midnight has other intervals; each period still belongs to exactly one of
// them, the first that ends when the period is over.
func (l *level) within(start, end time.Time) (out []period) {
	for t := l.floor(start.UTC()); ; {
		next := l.next(t)
		if next.After(end) {
			return out
		}
		if next.After(start) {
			out = append(out, period{l, t.Unix(), next.Unix()})
		}
		t = next
	}
}

// last returns the last period that is over at a time.
func (l *level) last(now time.Time) (start, end time.Time) {
	end = l.floor(now.UTC())
	return l.floor(end.Add(-time.Nanosecond)), end
}

func timeOf(sec int64) time.Time { return time.Unix(sec, 0).UTC() }
