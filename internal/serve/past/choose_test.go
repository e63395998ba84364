package past

import (
	"math"
	"slices"
	"testing"
)

func TestSizeOf(t *testing.T) {
	for _, tc := range []struct{ span, points, coarsest, want int64 }{
		{300, 300, 1, 1}, {900, 300, 1, 5}, {3600, 300, 1, 15}, {6 * hour, 300, 1, 120}, {day, 300, 1, 300}, {7 * day, 300, 1, hour},
		{30 * day, 300, 1, 3 * hour}, {365 * day, 300, 1, 2 * day}, {365 * day, 400, 1, day}, {3600, 300, 60, 60}, {3600, 300, hour, hour}, {400 * day, 10, 1, 41 * day},
	} {
		got := sizeOf(tc.span, tc.points, tc.coarsest)
		if got != tc.want {
			t.Errorf("sizeOf(%d, %d, %d) is %d, not %d", tc.span, tc.points, tc.coarsest, got, tc.want)
		}
		if n := (tc.span + got - 1) / got; n > tc.points {
			t.Errorf("sizeOf(%d, %d, %d) gives %d points", tc.span, tc.points, tc.coarsest, n)
		}
	}
}

func TestAlign(t *testing.T) {
	for _, tc := range [][5]int64{{7, 21, 5, 5, 25}, {10, 20, 5, 10, 20}, {3599, 3601, hour, 0, 2 * hour}} {
		if from, to := align(tc[0], tc[1], tc[2]); from != tc[3] || to != tc[4] {
			t.Errorf("align(%d, %d, %d) is [%d, %d), not [%d, %d)", tc[0], tc[1], tc[2], from, to, tc[3], tc[4])
		}
	}
}

// TestParts: every second of a step comes from exactly one source, and from the store wherever that has it.
func TestParts(t *testing.T) {
	have := stored{hours: map[int64]bool{0: true, hour: true, 25 * hour: true, 26 * hour: true}, days: map[int64]bool{0: true}, raw: map[int64]bool{4 * hour: true}}
	for _, tc := range []struct {
		from, step int64
		want       []part
	}{
		{0, 60, []part{{FromPanes, 0, 60}}},
		{1800, hour, []part{{FromPanes, 1800, 1800 + hour}}},
		{0, hour, []part{{FromHours, 0, hour}}},
		{2 * hour, hour, []part{{FromPanes, 2 * hour, 3 * hour}}},
		{0, 3 * hour, []part{{FromHours, 0, hour}, {FromHours, hour, 2 * hour}, {FromPanes, 2 * hour, 3 * hour}}},
		{0, day, []part{{FromDays, 0, day}}},
		{4*hour + 60, 60, []part{{FromRaw, 4*hour + 60, 4*hour + 120}}},
		{4 * hour, 2 * hour, []part{{FromPanes, 4 * hour, 6 * hour}}},
		{24 * hour, day, []part{{FromPanes, 24 * hour, 25 * hour}, {FromHours, 25 * hour, 26 * hour}, {FromHours, 26 * hour, 27 * hour}, {FromPanes, 27 * hour, 48 * hour}}},
	} {
		got := have.parts(tc.from, tc.step)
		if !slices.Equal(got, tc.want) {
			t.Errorf("parts(%d, %d): %v, not %v", tc.from, tc.step, got, tc.want)
		}
		at := tc.from
		for _, p := range got {
			if p.from != at {
				t.Errorf("parts(%d, %d): %v has a seam at %d", tc.from, tc.step, got, at)
			}
			at = p.to
		}
		if at != tc.from+tc.step {
			t.Errorf("parts(%d, %d): %v ends at %d", tc.from, tc.step, got, at)
		}
	}
}

func TestSourceOf(t *testing.T) {
	panes, hours, days := part{FromPanes, 0, hour}, part{FromHours, hour, 2 * hour}, part{FromDays, 0, day}
	nothing, something := func(part) bool { return true }, func(part) bool { return false }
	for i, tc := range []struct {
		parts []part
		empty func(part) bool
		want  string
	}{
		{[]part{panes}, nothing, FromPanes}, {[]part{panes, hours}, nothing, FromHours}, {[]part{panes, hours}, something, FromBoth}, {[]part{days}, something, FromDays}, {[]part{days, hours}, something, FromHours}, {[]part{panes, panes}, nothing, FromPanes},
	} {
		if got := sourceOf(tc.parts, tc.empty); got != tc.want {
			t.Errorf("case %d: %s, not %s", i, got, tc.want)
		}
	}
}

func TestComplete(t *testing.T) {
	for _, tc := range []struct{ watermark, completeness, want float64 }{{10, 1, 0}, {105, 1, 0.5}, {110, 0.9, 0.9}, {500, 1, 1}, {math.Inf(-1), 1, 0}} {
		if got := complete(100, 110, tc.watermark, tc.completeness); got != tc.want {
			t.Errorf("complete to %v of %v: %v, not %v", tc.watermark, tc.completeness, got, tc.want)
		}
	}
}
