package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// inState counts the files and rows of the lake in a state.
func (h *instance) inState(t testing.TB, state string) (files int, rows int64) {
	t.Helper()
	out, errs, code := h.cli(t, "lake", "ls", "--json", "--state", state)
	var list struct{ Files []kept }
	if err := json.Unmarshal(out, &list); code != 0 || err != nil {
		t.Fatalf("hxp lake ls: %d %s %v", code, errs, err)
	}
	for _, f := range list.Files {
		rows += f.Rows
	}
	return len(list.Files), rows
}

// retention runs a command of hxp retention and decodes what it prints.
func (h *instance) retention(t testing.TB, out any, args ...string) {
	t.Helper()
	data, errs, code := h.cli(t, append(append([]string{"retention"}, args...), "--json", "--url", h.url("batch-processing-api"))...)
	if err := json.Unmarshal(data, out); code != 0 || err != nil {
		t.Fatalf("hxp retention %s: %d %v %s %.500s", strings.Join(args, " "), code, err, errs, data)
	}
}

// Old raw events leave by a plan: looked at first, copied to the archive, marked, and removed after their grace, wherever lake and
// archive lie. Then they come back. The aggregates stay what they are all the time.
func TestRealRetention(t *testing.T) {
	need(t, "", "")
	h := prepare(t, "127.0.0.1:0")
	archive := lakeURL() // a bucket where there is one
	if archive == "" {
		archive = filepath.Join(h.dir, "archive")
	}
	h.env = append(h.env, "DATA_RETENTION_DAYS_RAW=30", "DATA_RETENTION_GRACE=1m", "DATA_RETENTION_DAILY=false", "DATA_ARCHIVAL_PATH="+archive,
		"AWS_ACCESS_KEY_ID="+os.Getenv("AWS_ACCESS_KEY_ID"), "AWS_SECRET_ACCESS_KEY="+os.Getenv("AWS_SECRET_ACCESS_KEY"))
	h.up(t)
	now := time.Now().UTC().Truncate(time.Hour)
	sent := map[time.Time][]request{}
	var old []time.Time
	leaves := int64(0)
	for i := range 12 {
		hour := now.Add(-time.Duration(3+i) * time.Hour)
		if i < 2 {
			hour = now.AddDate(0, 0, -40-i)
			old = append(old, hour)
		}
		sent[hour] = generate(uint64(200+i), 300, fmt.Sprintf("retention-%d", i), hour)
		if h.send(t, sent[hour]); i < 2 {
			leaves += int64(len(sent[hour]))
		}
	}
	counted := func(when string) {
		t.Helper()
		for _, hour := range slices.SortedFunc(maps.Keys(sent), time.Time.Compare) {
			all, models := h.aggregate(t, hour)
			same(t, when+", hour "+stamp(hour), all, models, sent[hour])
		}
	}
	counted("before")
	_, total := h.live(t)

	var plan struct {
		ID    string `json:"plan_id"`
		State string
		Items []struct{ Class, Action string }
	}
	h.retention(t, &plan, "plan")
	if n := len(slices.DeleteFunc(slices.Clone(plan.Items), func(i struct{ Class, Action string }) bool { return i.Class != "raw" || i.Action != "archive" })); n < 2 {
		t.Fatalf("%d raw files are to be archived: %+v", n, plan.Items)
	}
	if _, rows := h.live(t); rows != total {
		t.Errorf("looking at a plan moved %d rows", total-rows)
	}
	h.retention(t, &plan, "cleanup")
	if _, rows := h.live(t); plan.State != "done" || rows != total-leaves {
		t.Fatalf("the cleanup is %s, %d of %d rows are live", plan.State, rows, total)
	}
	var checked struct {
		Checked int
		Bad     []json.RawMessage
	}
	if h.retention(t, &checked, "verify"); checked.Checked < 2 || len(checked.Bad) > 0 {
		t.Errorf("the archive: %+v", checked)
	}
	counted("after the cleanup")

	eventually(t, 4*time.Minute, "files are removed after their grace", func() bool {
		marked, _ := h.inState(t, "marked")
		_, rows := h.inState(t, "archived")
		return marked == 0 && rows == leaves
	})
	if out, errs, code := h.cli(t, "lake", "verify"); code != 0 {
		t.Errorf("hxp lake verify after the sweep: %d %s %s", code, out, errs)
	}
	counted("after the sweep")

	var back map[string]any
	h.retention(t, &back, "restore", plan.ID)
	if _, rows := h.live(t); rows != total {
		t.Errorf("%d of %d rows came back: %v", rows, total, back)
	}
	counted("after the restore")
	for _, hour := range old { // folded from their events again, not from a base
		run := h.succeeded(t, h.ask(t, hour, `{"parts":1}`))
		if s := run.Tasks[0].Summary; s.Events != int64(len(sent[hour])) || s.Changed != 0 {
			t.Errorf("hour %s folded from its events: %+v", stamp(hour), s)
		}
	}
	if out, errs, code := h.cli(t, "lake", "verify"); code != 0 {
		t.Errorf("hxp lake verify: %d %s %s", code, out, errs)
	}
	if h.retention(t, &checked, "verify"); len(checked.Bad) > 0 {
		t.Errorf("the archive in the end: %+v", checked)
	}
}
