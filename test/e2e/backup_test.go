package e2e

import (
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// own is an instance that keeps everything in its folder, whatever the other tests are run against.
func own(t testing.TB, args ...string) *instance {
	t.Helper()
	h := prepare(t, "127.0.0.1:0", args...)
	h.sql, h.lake = "", ""
	return h
}

// A backup that is taken under load holds a beginning of what was acknowledged, and all of what was acknowledged before it. What is sent
// again after the restore is known where it was counted and new where it was not: nothing is lost or counted twice.
func TestBackupUnderLoad(t *testing.T) {
	t.Parallel()
	h, start := own(t), time.Date(2026, 3, 1, 5, 0, 0, 0, time.UTC)
	h.up(t)
	l := push(h, 2, "backup", start)
	eventually(t, 30*time.Second, "some events are acknowledged", func() bool { return l.count() > 1000 })
	h.aggregate(t, start) // so that SQL and lake hold a part
	least := l.count()
	file := filepath.Join(h.dir, "backup.tar.zst")
	_, errs, code := h.cli(t, "backup", file)
	rs := l.end(t)
	if code != 0 {
		t.Fatalf("backup: exit %d: %s", code, errs)
	}
	if _, errs, code := h.cli(t, "restore", file); code != 1 || !strings.Contains(string(errs), "in use") {
		t.Errorf("over a running instance: exit %d: %s", code, errs)
	}
	other := own(t)
	into := filepath.Join(other.dir, "data")
	if _, errs, code := h.cli(t, "restore", file, "--data-dir", into); code != 0 {
		t.Fatalf("restore: exit %d: %s", code, errs)
	}
	if _, errs, code := h.cli(t, "restore", file, "--data-dir", into); code != 1 || !strings.Contains(string(errs), "not empty") {
		t.Errorf("a second time: exit %d: %s", code, errs)
	}
	if _, errs, code := h.cli(t, "restore", file, "--verify"); code != 0 {
		t.Errorf("verify: exit %d: %s", code, errs)
	}
	other.up(t)
	other.caughtUp(t, start, int64(least))
	if got, _ := other.window(t, start); got.requests > int64(len(rs)) {
		t.Errorf("%d requests in the restored windows, %d were acknowledged", got.requests, len(rs))
	}
	for batch := range slices.Chunk(rs, 500) {
		res, body, err := call("POST", other.url("kafka-api")+"/events", map[string]string{"Content-Type": "application/x-ndjson"}, ndjson(batch))
		if err != nil || res.StatusCode != http.StatusAccepted {
			t.Fatalf("sent again: %v %v %s", err, res, body)
		}
	}
	other.counted(t, start, rs)
}
