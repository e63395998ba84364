package e2e

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Two processes take the same topics into one lake and one database, and one of them is killed now and then: every event counts
// once, and both answer the same.
func TestTwoOnOneDatabase(t *testing.T) {
	if os.Getenv("HXP_TEST_POSTGRES") == "" {
		t.Skip("only with PostgreSQL (HXP_TEST_POSTGRES)")
	}
	first := start(t, "127.0.0.1:0")
	second := prepare(t, first.url("kafka"))
	second.services = []string{"run", "batch-processing-api"}
	second.sql, second.lake = first.sql, first.lake
	if first.lake == "" {
		second.lake = filepath.Join(first.dir, "data", "lake")
	}
	second.up(t)

	hour := time.Date(2025, 12, 31, 23, 0, 0, 0, time.UTC)
	l := push(first, 3, "two", hour)
	for n := 1; n <= 3; n++ {
		eventually(t, 30*time.Second, "load", func() bool { return l.count() > n*5000 })
		second.kill()
		second.up(t)
	}
	rs := l.end(t)
	for what, h := range map[string]*instance{"the second process": second, "the first process": first} {
		all, models := h.aggregate(t, hour)
		same(t, what, all, models, rs)
	}
	all, models := second.rows(t, hour)
	same(t, "the second process again", all, models, rs)
	if code := second.stop(t); code != 0 {
		t.Errorf("the second process ends with %d", code)
	}
}
