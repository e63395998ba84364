package event

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestTimeIsThatOfTheLibrary(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		us := rapid.Int64Range(0, maxMicros-1).Draw(r, "micros")
		text := time.UnixMicro(us).UTC().Format("2006-01-02T15:04:05.999999Z07:00")
		if got := FormatTime(us); got != text {
			r.Fatalf("%d is written %s, want %s", us, got, text)
		}
		zone := time.FixedZone("", 60*rapid.IntRange(-23*60-59, 23*60+59).Draw(r, "offset"))
		text = time.UnixMicro(us).In(zone).Format(time.RFC3339Nano)
		if got, err := ParseTime(text); len(text) <= 32 && text[4] == '-' && (err != nil || got != us) {
			r.Fatalf("%s is %d, want %d: %v", text, got, us, err)
		}
	})
}

func TestEveryDay(t *testing.T) {
	day := time.Unix(0, 0).UTC()
	for n := 0; day.Year() <= 9999; n++ {
		y, m, d := civilFromDays(n)
		if y != day.Year() || m != int(day.Month()) || d != day.Day() || daysFromCivil(y, m, d) != n {
			t.Fatalf("day %d is %d-%d-%d, want %v", n, y, m, d, day)
		}
		day = day.AddDate(0, 0, 1)
	}
}

func TestTimesOutside(t *testing.T) {
	if got := FormatTime(-5); got != "1970-01-01T00:00:00Z" {
		t.Error(got)
	}
	if got := FormatTime(1 << 62); got != "9999-12-31T23:59:59.999999Z" {
		t.Error(got)
	}
	if _, err := ParseTime("yesterday"); err == nil || err.Error() != `"yesterday" is not an RFC 3339 time from 1970 to 9999; write it like 2026-05-01T12:00:00Z` {
		t.Error(err)
	}
}
