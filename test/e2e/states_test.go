package e2e

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/kit/bundle"
)

// states are backups that earlier versions of hxp wrote, of a small run: state-N.tar.zst is of data folder format N (docs/formats.md). This
// version must start on each of them. HXP_TEST_WRITE_STATE names the file for one of this version.
const states = "testdata/state-*.tar.zst"

// stateHour is the hour of their events.
var stateHour = time.Date(2026, 3, 1, 5, 0, 0, 0, time.UTC)

func stateEvents() []request { return generate(17, 200, "state", stateHour) }

// TestStatesOfEarlierVersions starts on what earlier versions left, and finds everything that they counted.
func TestStatesOfEarlierVersions(t *testing.T) {
	t.Parallel()
	if file := os.Getenv("HXP_TEST_WRITE_STATE"); file != "" {
		writeState(t, file)
	}
	files, err := filepath.Glob(states)
	if err != nil || len(files) == 0 {
		t.Fatal("no states: ", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			h := own(t)
			h.env = append(h.env, "DATA_RETENTION_DAILY=false") // the events are old
			if _, errs, code := h.offline(t, "restore", file, "--data-dir", filepath.Join(h.dir, "data")); code != 0 {
				t.Fatalf("restore: exit %d: %s", code, errs)
			}
			h.up(t)
			rs := stateEvents()
			if age := time.Since(stateAge(t, file)); age < 300*24*time.Hour { // windows are kept for 400 days
				h.caughtUp(t, stateHour, int64(len(rs)))
				all, models := h.window(t, stateHour)
				same(t, "windows", all, models, rs)
			}
			all, models := h.aggregate(t, stateHour)
			same(t, "hour in SQL", all, models, rs)
			for what, ask := range map[string][2]string{
				"price": {"batch-processing-api", "/prices"}, "report": {"batch-processing-api", "/reports/list"}, "silence": {"data-streaming-api", "/api/v2/silences"},
			} {
				if res, body, err := call("GET", h.url(ask[0])+ask[1], nil, nil); err != nil || res.StatusCode != http.StatusOK || !strings.Contains(string(body), stateMark[what]) {
					t.Errorf("%s: %v %s", what, err, body)
				}
			}
			// and it goes on
			more := generate(18, 50, "state-more", stateHour)
			h.do(t, "POST", "kafka-api", "/events", string(ndjson(more)))
			all, models = h.aggregate(t, stateHour)
			same(t, "hour with more", all, models, append(rs, more...))
		})
	}
}

// stateMark is what the answers contain of each thing that a state has.
var stateMark = map[string]string{"price": "state-model", "report": `"test"`, "silence": "kept in a state"}

// writeState makes a state of this version.
func writeState(t *testing.T, file string) {
	h := own(t)
	h.up(t)
	h.do(t, "POST", "kafka-api", "/events", string(ndjson(stateEvents())))
	h.counted(t, stateHour, stateEvents())
	h.do(t, "PUT", "batch-processing-api", "/prices", `{"prices":[{"model":"state-model","effective_from":"2026-01-01T00:00:00Z","input_cost_per_token":1e-6,"output_cost_per_token":2e-6}]}`)
	h.do(t, "POST", "batch-processing-api", "/reports/generate", `{"report_type":"test","format":"json"}`)
	h.do(t, "POST", "data-streaming-api", "/api/v2/silences", `{"matchers":[{"name":"alertname","value":"Kept","isRegex":false}],"startsAt":"2026-03-01T00:00:00Z","endsAt":"2126-03-01T00:00:00Z","createdBy":"test","comment":"kept in a state"}`)
	if code := h.stop(t); code != 0 { // writes snapshots
		t.Fatalf("exit %d", code)
	}
	if _, errs, code := h.offline(t, "backup", file, "--data-dir", filepath.Join(h.dir, "data")); code != 0 {
		t.Fatalf("backup: exit %d: %s", code, errs)
	}
}

// offline runs a command of hxp while no instance runs.
func (h *instance) offline(t testing.TB, args ...string) (stdout, stderr []byte, code int) {
	h.mu.Lock()
	h.urls = map[string]string{"kafka": "127.0.0.1:0"}
	h.mu.Unlock()
	return h.cli(t, args...)
}

// do sends a request that must be taken.
func (h *instance) do(t testing.TB, method, service, path, body string) {
	t.Helper()
	kind := "application/json"
	if path == "/events" {
		kind = "application/x-ndjson"
	}
	if res, answer, err := call(method, h.url(service)+path, map[string]string{"Content-Type": kind}, []byte(body)); err != nil || res.StatusCode >= 300 {
		t.Fatalf("%s %s: %v %v %s", method, path, err, res, answer)
	}
}

// stateAge is when a state was written.
func stateAge(t testing.TB, file string) time.Time {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	index, err := bundle.Extract(t.Context(), f, "hxp-backup", func(bundle.Member) (io.WriteCloser, error) { return nil, nil })
	if err != nil {
		t.Fatal(err)
	}
	return index.Created
}
