package plan

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// span is Times as they are asked.
type span struct {
	minutes        []bounds // of the day
	weekdays, days []bounds // days may count from the end of the month: -1 is its last
	months, years  []bounds
	location       *time.Location
}

type bounds struct{ from, to int } // both included, but for minutes

// holds tells whether a time is within the span.
func (s *span) holds(t time.Time) bool {
	t = t.In(s.location)
	minute := t.Hour()*60 + t.Minute()
	last := time.Date(t.Year(), t.Month()+1, 0, 12, 0, 0, 0, time.UTC).Day()
	within := func(list []bounds, v int) bool {
		return list == nil || slices.ContainsFunc(list, func(b bounds) bool { return b.from <= v && v <= b.to })
	}
	day := s.days == nil || slices.ContainsFunc(s.days, func(b bounds) bool {
		from, to := b.from, b.to
		if from < 0 {
			from = last + 1 + from
		}
		if to < 0 {
			to = last + 1 + to
		}
		return max(from, 1) <= t.Day() && t.Day() <= min(to, last)
	})
	clock := s.minutes == nil || slices.ContainsFunc(s.minutes, func(b bounds) bool { return b.from <= minute && minute < b.to })
	return clock && day && within(s.weekdays, int(t.Weekday())) && within(s.months, int(t.Month())) && within(s.years, t.Year())
}

var (
	weekdays = []string{"sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"}
	months   = []string{"", "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december"}
)

// spanOf reads Times; at names the part that is wrong.
func spanOf(t *Times) (s span, at string, err error) {
	s.location = time.UTC
	if t.Location != "" {
		if s.location, err = time.LoadLocation(t.Location); err != nil {
			return s, "location", fmt.Errorf("%.60q is no place of the time zone database such as Europe/Berlin, or this machine has none", t.Location)
		}
	}
	for i, c := range t.Times {
		from, err1 := clock(c.Start)
		to, err2 := clock(c.End)
		if err := errors.Join(err1, err2); err != nil {
			return s, fmt.Sprintf("times/%d", i), err
		}
		if from >= to {
			return s, fmt.Sprintf("times/%d", i), fmt.Errorf("%s does not end after it begins; a night is two spans, one up to 24:00 and one from 00:00", c.Start)
		}
		s.minutes = append(s.minutes, bounds{from, to})
	}
	for _, part := range []struct {
		name      string
		texts     []string
		words     []string
		low, high int
		to        *[]bounds
	}{
		{"weekdays", t.Weekdays, weekdays, 0, 6, &s.weekdays}, {"days_of_month", t.Days, nil, -31, 31, &s.days},
		{"months", t.Months, months, 1, 12, &s.months}, {"years", t.Years, nil, 1970, 9999, &s.years},
	} {
		for i, text := range part.texts {
			b, err := rangeOf(text, part.words, part.low, part.high)
			if err != nil {
				return s, fmt.Sprintf("%s/%d", part.name, i), err
			}
			*part.to = append(*part.to, b)
		}
	}
	return s, "", nil
}

// clock reads HH:MM as minutes of the day; 24:00 is its end.
func clock(text string) (int, error) {
	h, m, ok := strings.Cut(text, ":")
	hour, err1 := strconv.ParseUint(h, 10, 8)
	minute, err2 := strconv.ParseUint(m, 10, 8)
	if !ok || len(h) != 2 || len(m) != 2 || err1 != nil || err2 != nil || minute > 59 || hour > 24 || hour == 24 && minute > 0 {
		return 0, fmt.Errorf("%.20q is no time of the day; write HH:MM, from 00:00 to 24:00", text)
	}
	return int(hour*60 + minute), nil
}

// rangeOf reads one value or FROM:TO, both included, as words or numbers.
func rangeOf(text string, words []string, low, high int) (bounds, error) {
	first, second, two := strings.Cut(strings.ToLower(text), ":")
	if !two {
		second = first
	}
	var b bounds
	for _, end := range []struct {
		text string
		to   *int
	}{{first, &b.from}, {second, &b.to}} {
		v := slices.Index(words, end.text)
		if v < 0 || end.text == "" {
			n, err := strconv.Atoi(end.text)
			if err != nil || len(words) == 7 {
				return b, fmt.Errorf("%.40q is not understood; write a value, or FROM:TO", text)
			}
			v = n
		}
		if v < low || v > high || v == 0 && low < 0 {
			return b, fmt.Errorf("%.40q is not from %d to %d", text, low, high)
		}
		*end.to = v
	}
	if b.from > b.to && (b.from < 0) == (b.to < 0) {
		return b, fmt.Errorf("%.40q ends before it begins", text)
	}
	return b, nil
}
