package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// partsRun is what the test wants to know of a run.
type partsRun struct {
	ID, State, Error string
	Progress         struct{ Done, Total int }
	Tasks            []struct {
		Task    string `json:"task_id"`
		State   string
		Owner   string `json:"hostname"`
		Try     int    `json:"try_number"`
		Summary struct{ Rows, Events, Duplicates, Changed int64 }
	}
}

// ask submits a run of the hourly aggregation with a conf and returns its path.
func (h *instance) ask(t testing.TB, hour time.Time, conf string) string {
	t.Helper()
	body, _ := json.Marshal(map[string]any{"dag_id": "hxp_hourly_aggregation", "task_id": "hourly_aggregation", "conf": json.RawMessage(conf),
		"data_interval_start": stamp(hour), "data_interval_end": stamp(hour.Add(time.Hour))})
	res, data, err := call("POST", h.url("batch-processing-api")+"/runs", map[string]string{"Content-Type": "application/json"}, body)
	if err != nil || res.StatusCode != http.StatusAccepted {
		t.Fatalf("POST /runs with %s: %v %v %s", conf, err, res, data)
	}
	return res.Header.Get("Location")
}

// succeeded waits for the end of a run and wants it to be good.
func (h *instance) succeeded(t testing.TB, path string) (run partsRun) {
	t.Helper()
	eventually(t, 3*time.Minute, "the end of "+path, func() bool {
		run = partsRun{}
		h.get(t, "batch-processing-api", path, &run)
		return run.State == "success" || run.State == "failed" || run.State == "cancelled"
	})
	if run.State != "success" {
		t.Fatalf("%s is %s: %s", path, run.State, run.Error)
	}
	return run
}

// held keeps every part of an hour from being stored until let is called, in this database alone: so that each process has one
// that it works on, however fast the first one is.
func held(t testing.TB, url string) (let func()) {
	t.Helper()
	c, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(context.Background()) })
	exec := func(query string) {
		t.Helper()
		if _, err := c.Exec(t.Context(), query, pgx.QueryExecModeSimpleProtocol); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
	}
	exec(`CREATE OR REPLACE FUNCTION held() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_advisory_xact_lock_shared(1); RETURN NEW; END'`)
	exec(`CREATE OR REPLACE TRIGGER held BEFORE INSERT ON hour_parts FOR EACH ROW EXECUTE FUNCTION held()`)
	exec(`BEGIN`)
	exec(`SELECT pg_advisory_xact_lock(1)`)
	return func() { exec(`COMMIT`) }
}

// atWork waits until each process works on a part of a run, and returns which part that is.
func atWork(t testing.TB, path string, all []*instance) map[*instance]string {
	t.Helper()
	parts := map[*instance]string{}
	eventually(t, time.Minute, "every process works on a part of "+path, func() bool {
		var run partsRun
		all[0].get(t, "batch-processing-api", path, &run)
		for _, task := range run.Tasks {
			for _, h := range all {
				if task.State == "running" && h.owns(task.Owner) {
					parts[h] = task.Task
				}
			}
		}
		return len(parts) == len(all)
	})
	return parts
}

// owns tells whether the owner of a task is the process of h.
func (h *instance) owns(owner string) bool {
	return strings.Contains(owner, fmt.Sprintf(":%d:", h.cmd.Process.Pid))
}

// Three processes fold an hour in parts, in one run and by runs for each part, and one of them is killed meanwhile. What is stored is
// what a fold in one piece stores, byte by byte: it finds nothing to change.
func TestHourInParts(t *testing.T) {
	if os.Getenv("HXP_TEST_POSTGRES") == "" {
		t.Skip("only with PostgreSQL (HXP_TEST_POSTGRES)")
	}
	first := prepare(t, "127.0.0.1:0")
	first.env = append(first.env, "BATCH_PROCESSING_WORKERS=1")
	first.up(t)
	all := []*instance{first}
	for range 2 {
		h := prepare(t, first.url("kafka"))
		h.services, h.sql, h.lake = []string{"run", "batch-processing-api"}, first.sql, first.lake
		if first.lake == "" {
			h.lake = filepath.Join(first.dir, "data", "lake")
		}
		h.env = append(h.env, "BATCH_PROCESSING_WORKERS=1")
		h.up(t)
		all = append(all, h)
	}
	hour := time.Date(2025, 12, 30, 5, 0, 0, 0, time.UTC)
	rs := generate(80, 40_000, "parts", hour)
	first.send(t, rs)
	first.produce(t, "llm-requests", lines(rs[:3000])...) // once more, most of them in another partition

	const n = 24
	let := held(t, first.sql)
	path := first.ask(t, hour, fmt.Sprintf(`{"parts":%d}`, n))
	atWork(t, path, all)
	let()
	run := first.succeeded(t, path)
	owners := map[string]int{}
	var rows, events int64
	for _, task := range run.Tasks[:n] {
		owners[task.Owner]++
		rows, events = rows+task.Summary.Rows, events+task.Summary.Events
	}
	if len(run.Tasks) != n+1 || len(owners) != len(all) || events != int64(len(rs)) || rows < events+3000 {
		t.Errorf("%d tasks by %v, %d rows, %d events", len(run.Tasks), owners, rows, events)
	}
	t.Logf("parts by process: %v", owners)
	piece := func(after string) {
		t.Helper()
		run := first.succeeded(t, first.ask(t, hour, `{"parts":1}`))
		if s := run.Tasks[0].Summary; s.Changed != 0 || s.Events != int64(len(rs)) {
			t.Errorf("after %s a fold in one piece changes the hour: %+v", after, s)
		}
		got, models := first.rows(t, hour)
		same(t, "the hour after "+after, got, models, rs)
	}
	piece("a run in parts")

	// A process dies over a part, which is taken over when its lease is over.
	let = held(t, first.sql)
	path = first.ask(t, hour, `{"parts":16}`)
	orphan, dead := atWork(t, path, all)[all[2]], all[2]
	dead.kill()
	let()
	run = first.succeeded(t, path)
	for _, task := range run.Tasks {
		if task.Task == orphan && (task.Try < 2 || dead.owns(task.Owner)) {
			t.Errorf("%s was left by the process that died: %+v", orphan, task)
		}
	}
	all[2].up(t)
	piece("the death of a process")

	// As Airflow's mapped tasks do, in the midst of which more data comes.
	more := generate(81, 500, "parts-late", hour)
	part := func(k int) string { return all[k%3].ask(t, hour, fmt.Sprintf(`{"part":%d,"parts":3}`, k)) }
	first.succeeded(t, part(0))
	first.send(t, more)
	rs = append(rs, more...)
	one, two := part(1), part(2)
	first.succeeded(t, one)
	first.succeeded(t, two)
	run = first.succeeded(t, all[1].ask(t, hour, `{"merge":true,"parts":3}`))
	if len(run.Tasks) < 2 || run.Tasks[len(run.Tasks)-1].Summary.Events != int64(len(rs)) {
		t.Errorf("the merge: %+v", run.Tasks)
	}
	piece("runs for each part")
}
