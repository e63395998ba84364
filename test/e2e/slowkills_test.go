package e2e

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Kills while the slow path is at work: the lake publishes, hours are compacted by the service and by the command line, hours and days
// are aggregated, old raw files leave for the archive and come back.
func TestKillsOfTheSlowPath(t *testing.T) {
	if testing.Short() {
		t.Skip("takes long")
	}
	slowKills(t, 4)
}

func TestRealKillsOfTheSlowPath(t *testing.T) {
	need(t, "", "")
	slowKills(t, killCount(t, 25))
}

func slowKills(t *testing.T, kills int) {
	h := prepare(t, "127.0.0.1:0")
	h.env = append(h.env, "HXP_LAKE_COMPACT_AFTER=1s", "HXP_LAKE_ORPHAN_GRACE=1m", "HXP_LAKE_SUPERSEDED_GRACE=1m",
		"DATA_RETENTION_DAYS_RAW=30", "DATA_ARCHIVAL_ENABLED=true", "DATA_ARCHIVAL_PATH="+filepath.Join(h.dir, "archive"))
	h.up(t)
	r := rand.New(rand.NewPCG(uint64(kills), 9))
	now := time.Now().UTC().Truncate(time.Hour)
	recent := now.Add(-3 * time.Hour)
	old := map[time.Time][]request{} // hours whose raw files are due to leave
	for i := range 6 {
		hour := now.AddDate(0, 0, -40-i)
		old[hour] = generate(uint64(90+i), 300, fmt.Sprintf("slow-old-%d", i), hour)
		h.send(t, old[hour])
	}
	l := push(h, 2, "slow", recent)
	stopped := false
	defer func() {
		if !stopped {
			close(l.stop)
		}
	}()
	for range kills {
		seen, moment := l.count(), time.After(time.Duration(100+r.IntN(900))*time.Millisecond)
		eventually(t, 30*time.Second, "events are acknowledged after a restart", func() bool { return l.count() > seen })
		tool := h.disturb(t, r, recent)
		<-moment
		h.kill()
		tool.end()
		h.up(t)
	}
	stopped = true
	rs := l.end(t)
	h.bringBack(t)
	t.Logf("%d events acknowledged over %d kills", len(rs), kills)
	h.counted(t, recent, rs)
	for hour, some := range old {
		h.counted(t, hour, some)
	}
	if out, errs, code := h.cli(t, "lake", "verify"); code != 0 {
		t.Errorf("hxp lake verify: %d %s %s", code, out, errs)
	}
	h.withoutOrphans(t)
}

// disturb starts some work of the slow path; the kill that follows interrupts it. The command that it returns runs beside hxp.
func (h *instance) disturb(t *testing.T, r *rand.Rand, hour time.Time) *background {
	ask := func(path string, body any) {
		data, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		_, _, _ = call("POST", h.url("batch-processing-api")+path, map[string]string{"Content-Type": "application/json"}, data) // refused or not, the kill follows
	}
	day := hour.Truncate(24 * time.Hour)
	switch r.IntN(5) {
	case 0:
		ask("/runs", map[string]any{"dag_id": "hxp_hourly_aggregation", "data_interval_start": stamp(hour), "data_interval_end": stamp(hour.Add(time.Hour))})
	case 1:
		ask("/runs", map[string]any{"dag_id": "hxp_daily_aggregation", "data_interval_start": stamp(day), "data_interval_end": stamp(day.AddDate(0, 0, 1))})
	case 2:
		ask("/retention/cleanup", map[string]any{"force": true})
	case 3:
		for _, plan := range h.archives(t) {
			ask("/retention/restore", map[string]any{"archive": plan})
		}
	}
	return h.begin(t, "lake", "compact")
}

// archives are the plans that have lines in the manifest of the archive.
func (h *instance) archives(t testing.TB) (plans []string) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(h.dir, "archive", "manifest.jsonl"))
	if err != nil {
		return nil // nothing was archived yet
	}
	known := map[string]bool{}
	for line := range strings.Lines(string(data)) {
		var entry struct {
			Plan string `json:"plan_id"`
		}
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			continue // a line that a kill cut short
		}
		if !known[entry.Plan] {
			known[entry.Plan], plans = true, append(plans, entry.Plan)
		}
	}
	return plans
}

// bringBack restores everything that was archived.
func (h *instance) bringBack(t *testing.T) {
	for _, plan := range h.archives(t) {
		body, _ := json.Marshal(map[string]any{"archive": plan})
		res, answer, err := call("POST", h.url("batch-processing-api")+"/retention/restore", map[string]string{"Content-Type": "application/json"}, body)
		if err != nil || res.StatusCode != http.StatusOK && res.StatusCode != http.StatusAccepted {
			t.Fatalf("restore %s: %v %v %s", plan, err, res, answer)
		}
	}
	var verified struct {
		Checked int
		Bad     []json.RawMessage
	}
	res, answer, err := call("POST", h.url("batch-processing-api")+"/retention/verify", nil, nil)
	if err != nil || res.StatusCode != http.StatusOK || json.Unmarshal(answer, &verified) != nil || len(verified.Bad) > 0 {
		t.Errorf("verify of the archive: %v %v %.500s", err, res, answer)
	}
}

// withoutOrphans waits out the grace of files that the manifest does not name; a start after it sweeps them away.
func (h *instance) withoutOrphans(t *testing.T) {
	root := filepath.Join(h.dir, "data", "lake")
	var strange []string
	var newest time.Time
	eventually(t, 4*time.Minute, "files that the manifest does not know are removed", func() bool {
		files, errs, code := h.cli(t, "lake", "ls", "--json")
		if code != 0 {
			t.Fatalf("hxp lake ls: %s", errs)
		}
		strange = strange[:0]
		_ = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if rel, _ := filepath.Rel(root, path); err == nil && strings.HasSuffix(path, ".parquet") && !strings.Contains(string(files), filepath.ToSlash(rel)) {
				strange = append(strange, rel)
				if info, err := d.Info(); err == nil && info.ModTime().After(newest) {
					newest = info.ModTime()
				}
			}
			return nil // what goes away meanwhile is no orphan
		})
		if len(strange) == 0 {
			return true
		}
		if time.Since(newest) > 61*time.Second {
			h.kill()
			h.up(t) // a start sweeps
		}
		return false
	})
}
