package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// airflow is a running Apache Airflow 3 that has the DAGs of deploy/airflow.
type airflow struct {
	base, token string
}

// startAirflow starts one whose tasks call h, on a database of its own, until the test ends.
func startAirflow(t *testing.T, h *instance, venv, postgres string, env ...string) *airflow {
	t.Helper()
	script, err := filepath.Abs("../../tools/real/airflow")
	if err != nil {
		t.Fatal(err)
	}
	dags, err := filepath.Abs("../../deploy/airflow/dags")
	if err != nil {
		t.Fatal(err)
	}
	state := t.TempDir()
	var out, errs bytes.Buffer
	cmd := exec.Command(script, "start", venv, state, dags, postgres)
	cmd.Env = append(append(os.Environ(), "HXP_BATCH_URL="+h.url("batch-processing-api")), env...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	cmd.WaitDelay = time.Second // the processes that it leaves running hold its output open
	t.Cleanup(func() {
		if text, err := exec.Command(script, "stop", state).CombinedOutput(); err != nil {
			t.Errorf("stop Apache Airflow: %v\n%s", err, text)
		}
		if t.Failed() {
			logs, _ := filepath.Glob(filepath.Join(state, "*.out"))
			for _, l := range logs {
				text, _ := os.ReadFile(l)
				t.Logf("%s:\n%s", filepath.Base(l), text[max(0, len(text)-2000):])
			}
		}
	})
	if err := cmd.Run(); err != nil && cmd.ProcessState.ExitCode() != 0 {
		t.Fatalf("start Apache Airflow: %v\n%s", err, errs.Bytes())
	}
	f := strings.Fields(out.String()) // base URL, user, password
	if len(f) != 3 {
		t.Fatalf("tools/real/airflow start printed %q\n%s", out.String(), errs.Bytes())
	}
	a := &airflow{base: f[0]}
	var login struct {
		Token string `json:"access_token"`
	}
	a.do(t, "POST", "/auth/token", map[string]any{"username": f[1], "password": f[2]}, http.StatusCreated, &login)
	a.token = login.Token
	return a
}

// patient waits for an Airflow that has started on a busy machine.
var patient = &http.Client{Timeout: 5 * time.Minute}

// do calls Airflow and wants a status.
func (a *airflow) do(t testing.TB, method, path string, body any, want int, out any) {
	t.Helper()
	data := []byte(nil)
	if body != nil {
		data, _ = json.Marshal(body)
	}
	res, answer, err := callBy(patient, method, a.base+path, map[string]string{"Content-Type": "application/json", "Authorization": "Bearer " + a.token}, data)
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != want {
		t.Fatalf("Airflow: %s %s: %d %s, want %d", method, path, res.StatusCode, answer, want)
	}
	if err := json.Unmarshal(answer, out); err != nil {
		t.Fatalf("Airflow: %s %s: %v in %s", method, path, err, answer)
	}
}

type airflowRun struct {
	ID    string `json:"dag_run_id"`
	Type  string `json:"run_type"`
	State string
	Start *time.Time `json:"data_interval_start"`
}

// runs waits until at least n runs of a kind are there and all of them have ended, and wants them to have succeeded.
func (a *airflow) runs(t *testing.T, dag, kind string, n int) []airflowRun {
	t.Helper()
	var mine []airflowRun
	eventually(t, 10*time.Minute, fmt.Sprintf("%d %s runs of %s", n, kind, dag), func() bool {
		var list struct {
			Runs []airflowRun `json:"dag_runs"`
		}
		a.do(t, "GET", "/api/v2/dags/"+dag+"/dagRuns?limit=100", nil, http.StatusOK, &list)
		mine = slices.DeleteFunc(list.Runs, func(r airflowRun) bool { return r.Type != kind })
		ended := !slices.ContainsFunc(mine, func(r airflowRun) bool { return r.State != "success" && r.State != "failed" })
		return len(mine) >= n && ended
	})
	for _, r := range mine {
		if r.State != "success" {
			t.Errorf("%s of %s: %s", r.ID, dag, r.State)
		}
	}
	return mine
}

// TestRealAirflow lets Apache Airflow 3 drive the batch service: by schedule, by hand with and without an interval, by backfill;
// what it asked for stands in the tables. Mapped tasks ask for the parts of each hour.
func TestRealAirflow(t *testing.T) {
	venv, postgres := need(t, "HXP_REAL_AIRFLOW", "Apache Airflow 3"), need(t, "HXP_REAL_AIRFLOW_DB", "the database of Apache Airflow")
	h := start(t, "127.0.0.1:0")
	day := time.Date(2025, 1, 6, 0, 0, 0, 0, time.UTC)
	sent := map[int][]request{}
	for hour := range 4 {
		sent[hour] = generate(uint64(60+hour), 200, fmt.Sprintf("airflow-%d", hour), day.Add(time.Duration(hour)*time.Hour))
		h.send(t, sent[hour])
	}
	stored := func(hour int) {
		t.Helper()
		all, models := h.rows(t, day.Add(time.Duration(hour)*time.Hour))
		same(t, fmt.Sprintf("hour %d in SQL", hour), all, models, sent[hour])
	}
	const parts = 3
	a := startAirflow(t, h, venv, postgres, fmt.Sprint("HXP_HOURLY_PARTS=", parts))
	const hourly = "hxp_hourly_aggregation"
	eventually(t, 10*time.Minute, "the DAGs are parsed", func() bool {
		var list struct {
			Dags []struct {
				ID string `json:"dag_id"`
			}
		}
		a.do(t, "GET", "/api/v2/dags", nil, http.StatusOK, &list)
		return len(list.Dags) == 5
	})
	var faults struct {
		N int `json:"total_entries"`
	}
	if a.do(t, "GET", "/api/v2/importErrors", nil, http.StatusOK, &faults); faults.N != 0 {
		t.Errorf("%d import errors", faults.N)
	}
	var any_ map[string]any
	last := time.Now().UTC().Truncate(time.Hour).Add(-time.Hour)
	for _, dag := range []string{hourly, "hxp_watch"} {
		a.do(t, "PATCH", "/api/v2/dags/"+dag, map[string]any{"is_paused": false}, http.StatusOK, &any_)
	}
	scheduled := a.runs(t, hourly, "scheduled", 1)[0].Start
	if scheduled == nil || scheduled.Before(last) {
		t.Fatalf("the scheduled run covers the hour from %v, want %v or later", scheduled, last)
	}
	a.do(t, "POST", "/api/v2/dags/"+hourly+"/dagRuns", map[string]any{"logical_date": nil}, http.StatusOK, &any_)
	a.do(t, "POST", "/api/v2/dags/"+hourly+"/dagRuns", map[string]any{"logical_date": nil,
		"conf": map[string]any{"data_interval_start": stamp(day), "data_interval_end": stamp(day.Add(time.Hour))}}, http.StatusOK, &any_)
	a.runs(t, hourly, "manual", 2)
	stored(0)
	a.do(t, "POST", "/api/v2/backfills", map[string]any{"dag_id": hourly, "from_date": stamp(day.Add(time.Hour)), "to_date": stamp(day.Add(3 * time.Hour)),
		"reprocess_behavior": "completed"}, http.StatusOK, &any_)
	a.runs(t, hourly, "backfill", 3)
	for hour := 1; hour < 4; hour++ {
		stored(hour)
	}
	a.runs(t, "hxp_watch", "scheduled", 1)
	type hourRun struct {
		State string
		Task  string    `json:"task_id"`
		Start time.Time `json:"data_interval_start"`
	}
	var mine struct{ Runs []hourRun }
	h.get(t, "batch-processing-api", "/dags/"+hourly+"/runs?limit=1000", &mine)
	for _, want := range []time.Time{*scheduled, day, day.Add(time.Hour), day.Add(2 * time.Hour), day.Add(3 * time.Hour)} {
		if !slices.ContainsFunc(mine.Runs, func(r hourRun) bool {
			return r.Start.Equal(want) && r.State == "success" && r.Task == "hourly_aggregation"
		}) {
			t.Errorf("hxp has no run of the hour from %s that succeeded", want)
		}
		for k := range parts {
			if task := fmt.Sprintf("hourly_aggregation.part_%02d_of_%02d", k, parts); !slices.ContainsFunc(mine.Runs, func(r hourRun) bool {
				return r.Start.Equal(want) && r.State == "success" && r.Task == task
			}) {
				t.Errorf("hxp has no run of %s of the hour from %s that succeeded", task, want)
			}
		}
	}
	var order struct {
		Tasks []struct {
			ID         string   `json:"task_id"`
			Downstream []string `json:"downstream_task_ids"`
			Mapped     bool     `json:"is_mapped"`
		}
	}
	a.do(t, "GET", "/api/v2/dags/"+hourly+"/tasks", nil, http.StatusOK, &order)
	if got := fmt.Sprint(order.Tasks); got != "[{hourly_aggregation [] false} {hourly_aggregation_part [hourly_aggregation] true}]" {
		t.Errorf("tasks of %s: %s", hourly, got)
	}
}

// TestRealAirflow2 runs the same DAG file on Airflow 2.11: as it is, and with mapped tasks for parts.
func TestRealAirflow2(t *testing.T) {
	venv := need(t, "HXP_REAL_AIRFLOW2", "Apache Airflow 2.11")
	h := start(t, "127.0.0.1:0")
	hour := time.Date(2025, 1, 6, 2, 0, 0, 0, time.UTC)
	rs := generate(70, 300, "airflow2", hour)
	h.send(t, rs)
	dags, err := filepath.Abs("../../deploy/airflow/dags")
	if err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	var more []string
	airflow := func(args ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), filepath.Join(venv, "bin", "airflow"), args...)
		cmd.Env = append(os.Environ(), "AIRFLOW_HOME="+home, "AIRFLOW__CORE__DAGS_FOLDER="+dags, "AIRFLOW__CORE__LOAD_EXAMPLES=False",
			"HXP_BATCH_URL="+h.url("batch-processing-api"), "PATH="+filepath.Join(venv, "bin")+":"+os.Getenv("PATH"))
		cmd.Env = append(cmd.Env, more...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("airflow %s: %v\n%.4000s", strings.Join(args, " "), err, out)
		}
	}
	airflow("db", "migrate")
	airflow("dags", "test", "hxp_hourly_aggregation", stamp(hour.Add(time.Hour)))
	all, models := h.rows(t, hour)
	same(t, "hour in SQL", all, models, rs)

	later := generate(71, 300, "airflow2-parts", hour.Add(time.Hour))
	h.send(t, later)
	more = []string{"HXP_HOURLY_PARTS=2"}
	airflow("dags", "test", "hxp_hourly_aggregation", stamp(hour.Add(2*time.Hour)))
	all, models = h.rows(t, hour.Add(time.Hour))
	same(t, "hour in SQL, in parts", all, models, later)
	var runs struct {
		Runs []struct {
			Task string `json:"task_id"`
		}
	}
	h.get(t, "batch-processing-api", "/runs?limit=3", &runs)
	if got := fmt.Sprint(runs.Runs); got != "[{hourly_aggregation} {hourly_aggregation.part_01_of_02} {hourly_aggregation.part_00_of_02}]" {
		t.Errorf("the last runs are %s", got)
	}
}
