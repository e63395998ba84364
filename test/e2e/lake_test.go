package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// kept is a file as `hxp lake ls --json` lists it.
type kept struct {
	Path, Topic, DT, State string
	Hour                   int
	Rows                   int64
}

// live lists the live files.
func (h *instance) live(t testing.TB) (files []kept, rows int64) {
	t.Helper()
	out, errs, code := h.cli(t, "lake", "ls", "--json", "--state", "live")
	var list struct{ Files []kept }
	if err := json.Unmarshal(out, &list); code != 0 || err != nil {
		t.Fatalf("hxp lake ls: %d %s %v", code, errs, err)
	}
	for _, f := range list.Files {
		rows += f.Rows
	}
	return list.Files, rows
}

// lakeOf sends the requests of some hours and a second copy of each straight to the topic, and waits until the lake has all.
func lakeOf(t testing.TB, h *instance, hours []time.Time, each int) (all []request) {
	t.Helper()
	for i, hour := range hours {
		all = append(all, generate(uint64(500+i), each, fmt.Sprintf("lake-%d", i), hour)...)
	}
	h.produceKeyed(t, "llm-requests", all)
	h.produceKeyed(t, "llm-requests", all)
	eventually(t, readyWithin, "everything is in the lake", func() bool {
		_, rows := h.live(t)
		return rows == int64(2*len(all))
	})
	return all
}

// TestLakeKeepsThroughKills kills hxp lake compact at random moments, beside a running instance: nothing is lost, nothing is there
// twice at the end, no result changes, and an export holds what was sent.
func TestLakeKeepsThroughKills(t *testing.T) {
	if testing.Short() {
		t.Skip("takes long")
	}
	kills := 8
	if os.Getenv("HXP_REAL") == "1" {
		kills = 60
	}
	h := start(t, "127.0.0.1:0")
	first := time.Date(2025, 6, 30, 8, 0, 0, 0, time.UTC)
	hours := []time.Time{first, first.Add(time.Hour), first.Add(2 * time.Hour), first.Add(14 * time.Hour), first.Add(40 * time.Hour)}
	sent := lakeOf(t, h, hours, 800)
	before, models := h.aggregate(t, first)
	r := rand.New(rand.NewPCG(7, 7))
	most := int64(2 * len(sent))
	for n := range kills {
		if n%4 == 3 { // more copies, so that there is something to do
			h.produceKeyed(t, "llm-requests", sent)
			most += int64(len(sent))
			eventually(t, readyWithin, "the copies are in the lake", func() bool {
				_, rows := h.live(t)
				return rows > int64(len(sent))
			})
		}
		compact := exec.Command(binary, "lake", "compact")
		compact.Env = append(cleanEnv(), "HXP_DATA_DIR="+filepath.Join(h.dir, "data"))
		compact.Env = append(compact.Env, h.stores()...)
		if err := compact.Start(); err != nil {
			t.Fatal(err)
		}
		kill := time.AfterFunc(time.Duration(r.IntN(250))*time.Millisecond, func() { _ = compact.Process.Kill() }) // fails when it has ended
		_ = compact.Wait()                                                                                         // killed or not, the lake tells
		kill.Stop()
		if _, rows := h.live(t); rows < int64(len(sent)) || rows > most {
			t.Fatalf("%d rows after a kill; %d events were sent, %d with copies", rows, len(sent), most)
		}
		if _, errs, code := h.cli(t, "lake", "verify"); code != 0 {
			t.Fatalf("hxp lake verify: %d %s", code, errs)
		}
	}
	h.aggregate(t, first) // all that was acknowledged is in the lake
	if out, errs, code := h.cli(t, "lake", "compact"); code != 0 {
		t.Fatalf("hxp lake compact: %d %s%s", code, out, errs)
	}
	if files, rows := h.live(t); rows != int64(len(sent)) || len(files) > 3*len(hours) {
		t.Fatalf("%d rows in %d files, %d events were sent", rows, len(files), len(sent))
	}
	after, modelsAfter := h.aggregate(t, first)
	if !before.equal(after) || len(models) != len(modelsAfter) {
		t.Errorf("the first hour was %+v and is %+v", before, after)
	}
	h.exported(t, sent)
}

// exported checks that an export holds exactly what was sent.
func (h *instance) exported(t testing.TB, sent []request) {
	t.Helper()
	out, errs, code := h.cli(t, "lake", "export", "--topic", "llm-requests", "--format", "ndjson")
	if code != 0 {
		t.Fatalf("hxp lake export: %d %s", code, errs)
	}
	var ids, want []string
	for line := range strings.Lines(string(out)) {
		var e struct {
			ID string `json:"event_id"`
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, e.ID)
	}
	for _, q := range sent {
		want = append(want, q.id)
	}
	slices.Sort(ids)
	slices.Sort(want)
	if !slices.Equal(ids, want) {
		t.Errorf("%d events exported, %d sent", len(ids), len(want))
	}
}

// TestRealReaders lets DuckDB and pandas run what `hxp lake sql` prints, before and after compaction: they find what was sent.
func TestRealReaders(t *testing.T) {
	python := need(t, "HXP_REAL_READERS", "DuckDB, pandas and pyarrow")
	h := start(t, "127.0.0.1:0")
	first := time.Date(2025, 6, 30, 8, 0, 0, 0, time.UTC)
	hours := []time.Time{first, first.Add(2 * time.Hour), first.Add(16 * time.Hour)} // of one and of two digits, on two days
	sent := lakeOf(t, h, hours, 500)
	for _, when := range []string{"as published", "compacted"} {
		queries, errs, code := h.cli(t, "lake", "sql", "--json")
		if code != 0 {
			t.Fatalf("hxp lake sql: %d %s", code, errs)
		}
		dir := t.TempDir()
		write := func(name string, data []byte) string {
			path := filepath.Join(dir, name)
			if err := os.WriteFile(path, data, 0o600); err != nil {
				t.Fatal(err)
			}
			return path
		}
		where := h.lake
		if where == "" {
			where = filepath.Join(h.dir, "data", "lake")
		}
		cmd := exec.CommandContext(t.Context(), python, "testdata/readers.py", write("queries.json", queries), write("expected.json", expectation(t, sent)), where)
		cmd.Env = append(os.Environ(), "AWS_EC2_METADATA_DISABLED=true")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s\n%s", when, err, out, queries[:min(len(queries), 3000)])
		}
		t.Logf("%s: read by %s", when, bytes.ReplaceAll(bytes.TrimSpace(out), []byte("\n"), []byte(", ")))
		if out, errs, code := h.cli(t, "lake", "compact"); code != 0 {
			t.Fatalf("hxp lake compact: %d %s%s", code, out, errs)
		}
	}
}

// expectation is what readers should find.
func expectation(t testing.TB, sent []request) []byte {
	t.Helper()
	type group struct {
		DT         string `json:"dt"`
		Hour       int    `json:"hour"`
		Model      string `json:"model"`
		Events     int64  `json:"events"`
		Prompt     int64  `json:"prompt_tokens"`
		Completion int64  `json:"completion_tokens"`
	}
	by := map[group]*group{}
	first, last := sent[0].at, sent[0].at
	for _, q := range sent {
		k := group{DT: q.at.Format(time.DateOnly), Hour: q.at.Hour(), Model: q.model}
		if by[k] == nil {
			by[k] = &group{DT: k.DT, Hour: k.Hour, Model: k.Model}
		}
		g := by[k]
		g.Events, g.Prompt, g.Completion = g.Events+1, g.Prompt+q.prompt, g.Completion+q.completion
		if q.at.Before(first) {
			first = q.at
		}
		if q.at.After(last) {
			last = q.at
		}
	}
	var groups []*group
	for _, g := range by {
		groups = append(groups, g)
	}
	data, err := json.Marshal(map[string]any{"groups": groups, "first": stamp(first), "last": stamp(last)})
	if err != nil {
		t.Fatal(err)
	}
	return data
}
