package report

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func at(text string) time.Time {
	t, err := time.Parse("2006-01-02T15", text)
	if err != nil {
		panic(err)
	}
	return t
}

var levels = []string{"hourly", "daily", "weekly", "monthly"}

// The periods of a level tile the time.
func TestPeriodsTileTheTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		level := rapid.SampledFrom(levels).Draw(t, "level")
		when := time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "time"), 0).UTC()
		start := Floor(level, when)
		end := Step(level, start, 1)
		if start.After(when) || !end.After(when) || !Floor(level, end).Equal(end) || !Step(level, end, -1).Equal(start) {
			t.Fatalf("%s of %s is %s to %s", level, when, start, end)
		}
		n := rapid.IntRange(1, 60).Draw(t, "n")
		p := Period{start, Step(level, start, n)}
		if got, err := p.Count(level); err != nil || got != n {
			t.Fatalf("%d periods are counted as %d: %v", n, got, err)
		}
		if b := p.Previous(level); !b.End.Equal(start) {
			t.Fatalf("before %v comes %v", p, b)
		} else if got, err := b.Count(level); err != nil || got != n {
			t.Fatalf("%d periods before are counted as %d: %v", n, got, err)
		}
	})
}

func TestLastPeriod(t *testing.T) {
	now := at("2025-06-04T10").Add(30 * time.Minute) // a Wednesday
	for level, want := range map[string]Period{
		"hourly": {at("2025-06-04T09"), at("2025-06-04T10")}, "daily": {at("2025-06-03T00"), at("2025-06-04T00")},
		"weekly": {at("2025-05-25T00"), at("2025-06-01T00")}, "monthly": {at("2025-05-01T00"), at("2025-06-01T00")},
	} {
		if got := Last(level, now); got != want {
			t.Errorf("%s: %v, want %v", level, got, want)
		}
	}
}

func TestWrongPeriods(t *testing.T) {
	for _, tc := range []struct {
		level, start, end, why string
	}{
		{"daily", "2025-06-02T00", "2025-06-02T00", "it must end after it starts"},
		{"daily", "2025-06-03T00", "2025-06-02T00", "it must end after it starts"},
		{"daily", "2025-06-02T10", "2025-06-03T00", "it is not made of whole days (UTC); the nearest that is starts at 2025-06-02T00:00:00Z and ends at 2025-06-03T00:00:00Z"},
		{"daily", "2025-06-02T10", "2025-06-02T11", "it is not made of whole days (UTC); the nearest that is starts at 2025-06-02T00:00:00Z and ends at 2025-06-03T00:00:00Z"},
		{"weekly", "2025-06-02T00", "2025-06-09T00", "it is not made of whole weeks (UTC, from Sunday); the nearest that is starts at 2025-06-01T00:00:00Z and ends at 2025-06-15T00:00:00Z"},
		{"hourly", "2025-01-01T00", "2025-12-01T00", "it has more than 2232 hours; take a shorter one, or a summary of a longer level"},
	} {
		if _, err := (Period{at(tc.start), at(tc.end)}).Count(tc.level); err == nil || err.Error() != tc.why {
			t.Errorf("%s %s to %s: %v", tc.level, tc.start, tc.end, err)
		}
	}
}

func TestPeriodsInWords(t *testing.T) {
	for _, tc := range [][3]string{
		{"2025-06-02T00", "2025-06-03T00", "Monday, 2 June 2025"},
		{"2025-06-02T00", "2025-06-05T00", "2 Jun 2025 – 4 Jun 2025"},
		{"2025-06-01T00", "2025-07-01T00", "June 2025"},
		{"2025-06-02T09", "2025-06-02T10", "Monday, 2 June 2025, 09:00 – 10:00"},
		{"2025-06-02T23", "2025-06-03T00", "Monday, 2 June 2025, 23:00 – 24:00"},
		{"2025-06-02T23", "2025-06-03T01", "2 Jun 2025, 23:00 – 3 Jun 2025, 01:00"},
	} {
		if got := (Period{at(tc[0]), at(tc[1])}).String(); got != tc[2] {
			t.Errorf("%s, want %s", got, tc[2])
		}
	}
}

// A week or month is due with the day that ends it, and with no other.
func TestDue(t *testing.T) {
	for _, tc := range []struct {
		start, end string
		want       []string
	}{
		{"2025-06-03T00", "2025-06-04T00", []string{"hourly_summary 24h", "daily_summary 24h"}},
		{"2025-05-31T00", "2025-06-01T00", []string{"hourly_summary 24h", "daily_summary 24h", "weekly_summary 168h", "business_intelligence 168h", "capacity_analysis 168h", "monthly_summary 744h", "monthly_business_intelligence 744h", "cost 744h"}}, // Saturday, 31 May
		{"2025-06-07T00", "2025-06-08T00", []string{"hourly_summary 24h", "daily_summary 24h", "weekly_summary 168h", "business_intelligence 168h", "capacity_analysis 168h"}},
		{"2025-06-29T00", "2025-07-01T00", []string{"hourly_summary 24h", "daily_summary 24h", "hourly_summary 24h", "daily_summary 24h", "monthly_summary 720h", "monthly_business_intelligence 720h", "cost 720h"}},
		{"2025-06-03T10", "2025-06-04T09", nil},
		{"2025-06-03T10", "2025-06-05T09", []string{"hourly_summary 24h", "daily_summary 24h"}},
	} {
		var got []string
		for _, i := range Due(Period{at(tc.start), at(tc.end)}) {
			if _, err := i.Period.Count(i.Kind.Level()); err != nil {
				t.Errorf("%v is due: %v", i, err)
			}
			got = append(got, fmt.Sprintf("%s %gh", i.Kind, i.Period.hours()))
		}
		if !slices.Equal(got, tc.want) {
			t.Errorf("%s to %s: %q", tc.start, tc.end, got)
		}
	}
}
