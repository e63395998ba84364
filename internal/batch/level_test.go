package batch

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func at(text string) time.Time {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		panic(err)
	}
	return t
}

// Periods of a level follow on each other without gap or overlap, and each second lies in the one that of names.
func TestPeriodsTileTime(t *testing.T) {
	for _, l := range levels {
		rapid.Check(t, func(rt *rapid.T) {
			sec := rapid.Int64Range(0, 4e9).Draw(rt, "second")
			p := l.of(sec)
			if sec < p.start || sec >= p.end || l.of(p.start) != p || l.of(p.end-1) != p || l.of(p.end).start != p.end {
				rt.Fatalf("%s of %d is %+v", l.noun, sec, p)
			}
			if l.below != "" && levels[l.below].of(p.start).start != p.start {
				rt.Fatalf("%s %s does not begin with a %s", l.noun, p, l.below)
			}
			start, end := l.last(time.Unix(sec, 0))
			if end.Unix() != p.start || l.of(start.Unix()).end != p.start {
				rt.Fatalf("the last %s before %s is %s to %s", l.noun, p, start, end)
			}
		})
	}
	for name, want := range map[string]string{"hourly": "2026-03-04T10:00:00Z", "daily": "2026-03-04T00:00:00Z", "weekly": "2026-03-01T00:00:00Z", "monthly": "2026-03-01T00:00:00Z"} {
		if got := levels[name].floor(at("2026-03-04T10:59:59Z")); !got.Equal(at(want)) { // a Wednesday
			t.Errorf("%s begins at %s, want %s", name, got, want)
		}
	}
}

// However a schedule cuts time into intervals, each period belongs to exactly one of them.
func TestEachPeriodBelongsToOneInterval(t *testing.T) {
	for _, l := range levels {
		rapid.Check(t, func(rt *rapid.T) {
			t0 := time.Unix(rapid.Int64Range(1e9, 2e9).Draw(rt, "start"), 0)
			var got []period
			cut := t0
			for range rapid.IntRange(1, 5).Draw(rt, "intervals") {
				next := cut.Add(time.Duration(rapid.Int64Range(1, 4000*3600).Draw(rt, "seconds")) * time.Second)
				got = append(got, l.within(cut, next)...)
				cut = next
			}
			want := l.within(t0, cut)
			if len(got) != len(want) {
				rt.Fatalf("%d periods in parts, %d in the whole", len(got), len(want))
			}
			for i := range got {
				if got[i] != want[i] || i > 0 && got[i].start != got[i-1].end {
					rt.Fatalf("%s, not %s", got[i], want[i])
				}
			}
		})
	}
	if got := levels["daily"].within(at("2026-03-01T01:30:00Z"), at("2026-03-02T01:30:00Z")); len(got) != 1 || got[0].String() != "day 2026-03-01" {
		t.Error("the day of a schedule at 01:30 is", got)
	}
}

func TestSpanSaysWhatIsWrong(t *testing.T) {
	for _, tc := range []struct{ level, start, end, says string }{
		{"hourly", "2026-03-01T10:00:00Z", "2026-03-01T11:00:00Z", ""},
		{"weekly", "2026-03-01T00:00:00Z", "2026-03-15T00:00:00Z", ""},
		{"monthly", "2016-03-01T00:00:00Z", "2026-03-01T00:00:00Z", ""},
		{"weekly", "2026-03-02T00:00:00Z", "2026-03-09T00:00:00Z", "2026-03-02T00:00:00Z is not the start of a whole week: weeks begin on Sunday 00:00 UTC, such as 2026-03-01T00:00:00Z or 2026-03-08T00:00:00Z"},
		{"daily", "2026-03-01T00:00:00Z", "2026-03-01T12:00:00Z", "data_interval_end 2026-03-01T12:00:00Z"},
		{"daily", "2026-03-01T00:00:00Z", "2026-03-01T00:00:00Z", "empty"},
		{"daily", "2016-03-01T00:00:00Z", "2026-04-01T00:00:00Z", "at most 10 years"},
	} {
		err := levels[tc.level].span(at(tc.start), at(tc.end))
		if (err == nil) != (tc.says == "") || err != nil && !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s %s to %s: %v", tc.level, tc.start, tc.end, err)
		}
	}
}
