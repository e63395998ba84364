package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
)

// capturedCLI is what real Airflows printed. It is not part of the repository.
const capturedCLI = "../../../shared/data/captured"

// printedBy returns what a real Airflow printed for a command, without the command and its exit code.
func printedBy(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(filepath.FromSlash(capturedCLI), filepath.FromSlash(file)))
	if err != nil {
		t.Skipf("what a real Airflow prints is not at hand: %v", err)
	}
	_, text, _ := strings.Cut(string(data), "\n")
	text, _, _ = strings.Cut(text, "[exit ")
	return text
}

// rowsOf reads what -o json of a real Airflow printed, in its order.
func rowsOf(t *testing.T, text string) []airflowRow {
	t.Helper()
	var raw []json.RawMessage
	if err := json.Unmarshal([]byte(text), &raw); err != nil {
		t.Fatal(err)
	}
	var rows []airflowRow
	for _, r := range raw {
		row, err := inOrder(r)
		if err != nil {
			t.Fatal(err)
		}
		for i := range row {
			if items, ok := row[i].value.([]any); ok && len(items) > 0 {
				if word, ok := items[0].(string); ok {
					row[i].value = []string{word}
				}
			}
		}
		rows = append(rows, row)
	}
	return rows
}

// TestOutputIsThatOfARealAirflow prints the rows that a real Airflow gave as JSON in every format and compares byte by byte.
func TestOutputIsThatOfARealAirflow(t *testing.T) {
	for _, c := range []struct{ json, format, want string }{
		{"dags-list-json", "json", "dags-list-json"}, {"dags-list-json", "table", "dags-list"}, {"dags-list-json", "plain", "dags-list-plain"}, {"dags-list-json", "yaml", "dags-list-yaml"},
		{"dags-import-errors-json", "json", "dags-import-errors-json"}, {"dags-import-errors-json", "table", "dags-import-errors"},
	} {
		t.Run(c.want, func(t *testing.T) {
			var out bytes.Buffer
			if err := printAirflow(&out, c.format, rowsOf(t, printedBy(t, "airflow3-cli/"+c.json+".txt"))); err != nil {
				t.Fatal(err)
			}
			if want := printedBy(t, "airflow3-cli/"+c.want+".txt"); out.String() != want {
				t.Errorf("got:\n%q\nwant:\n%q", out.String(), want)
			}
		})
	}
	t.Run("dags report", func(t *testing.T) {
		var out bytes.Buffer
		ids := []string{"hxp_daily_aggregation", "hxp_hourly_aggregation", "hxp_monthly_aggregation", "hxp_weekly_aggregation"}
		if err := printAirflow(&out, "table", []airflowRow{{{"file", "hxp_batch_processing.py"}, {"duration", "0:00:00.048601"}, {"dag_num", "4"}, {"task_num", "6"}, {"dags", ids}}}); err != nil {
			t.Fatal(err)
		}
		if want := printedBy(t, "airflow3-cli/dags-report.txt"); out.String() != want {
			t.Errorf("got:\n%q\nwant:\n%q", out.String(), want)
		}
	})
	t.Run("dags show", func(t *testing.T) {
		tasks := []airflowTask{{"daily_aggregation", []string{"report_generation"}, "#ffefeb", "#000"}, {"report_generation", nil, "#ffefeb", "#000"}}
		if got, want := dot("hxp_daily_aggregation", tasks)+"\n", printedBy(t, "airflow3-cli/dags-show.txt"); got != want {
			t.Errorf("got:\n%q\nwant:\n%q", got, want)
		}
	})
	t.Run("backfill create --dry-run", func(t *testing.T) {
		var out bytes.Buffer
		cmd := backfillCreate()
		cmd.SetOut(&out)
		if err := cmd.ParseFlags([]string{"--dag-id", "hxp_weekly_aggregation", "--from-date", "2025-01-01", "--to-date", "2025-01-07", "--dry-run"}); err != nil {
			t.Fatal(err)
		}
		if err := printDryRun(cmd, []time.Time{time.Date(2025, 1, 5, 0, 0, 0, 0, time.UTC)}); err != nil {
			t.Fatal(err)
		}
		if want := printedBy(t, "airflow3-cli/backfill-create-dry.txt"); out.String() != want {
			t.Errorf("got:\n%s\nwant:\n%s", out.String(), want)
		}
	})
}

func TestValuesAreWrittenAsPythonDoes(t *testing.T) {
	conf := json.RawMessage(`{"a":1,"b":[true,null,"it's"],"c":{"d":1.5}}`)
	row := []airflowRow{{{"conf", conf}, {"none", nil}, {"when", pyTime(new(time.Date(2026, 3, 4, 5, 6, 7, 89000, time.UTC)))}}}
	for format, want := range map[string]string{
		"table": "conf                                                  | none | when                            \n" +
			"======================================================+======+=================================\n" +
			`{'a': 1, 'b': [True, None, 'it\'s'], 'c': {'d': 1.5}} | None | 2026-03-04 05:06:07.000089+00:00` + "\n" + strings.Repeat(" ", 95) + "\n",
		"json":  `[{"conf": {"a": 1, "b": [true, null, "it's"], "c": {"d": 1.5}}, "none": null, "when": "2026-03-04 05:06:07.000089+00:00"}]` + "\n",
		"yaml":  "- conf:\n    a: 1\n    b:\n    - true\n    - null\n    - it's\n    c:\n      d: 1.5\n  none: null\n  when: '2026-03-04 05:06:07.000089+00:00'\n\n",
		"plain": "conf                                                   none    when\n" + `{'a': 1, 'b': [True, None, 'it\'s'], 'c': {'d': 1.5}}          2026-03-04 05:06:07.000089+00:00` + "\n",
	} {
		var out bytes.Buffer
		if err := printAirflow(&out, format, row); err != nil {
			t.Fatal(err)
		}
		if out.String() != want {
			t.Errorf("%s: got:\n%q\nwant:\n%q", format, out.String(), want)
		}
	}
}

func TestIntervalsThatFollow(t *testing.T) {
	at := func(y, m, d int) time.Time { return time.Date(y, time.Month(m), d, 0, 0, 0, 0, time.UTC) }
	for _, c := range []struct{ from, to, next time.Time }{
		{at(2026, 1, 1), at(2026, 2, 1), at(2026, 2, 1)}, {at(2026, 2, 1), at(2026, 3, 1), at(2026, 3, 1)}, {at(2026, 1, 4), at(2026, 1, 11), at(2026, 1, 11)}, {at(2026, 1, 1), at(2026, 1, 2), at(2026, 1, 2)},
	} {
		if got := following(c.from, c.from, c.to); !got.Equal(c.next) {
			t.Errorf("after [%v, %v): %v", c.from, c.to, got)
		}
	}
	if got := following(at(2026, 3, 1), at(2026, 2, 1), at(2026, 3, 1)); !got.Equal(at(2026, 4, 1)) {
		t.Errorf("after March: %v", got)
	}
}

// scheduler answers requests by "METHOD path" from a table; a path that is asked again gets the next answer, the last one for ever.
type scheduler struct {
	t       *testing.T
	answers map[string][]string
	asked   []string
}

func (s *scheduler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body bytes.Buffer
	if _, err := body.ReadFrom(r.Body); err != nil {
		s.t.Error(err)
	}
	key := r.Method + " " + r.URL.Path
	s.asked = append(s.asked, strings.TrimSpace(key+" "+body.String()))
	if r.Header.Get("Authorization") != "Bearer a token" {
		s.t.Errorf("%s without the token", key)
	}
	list := s.answers[key]
	if len(list) == 0 {
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `{"detail":"not found"}`)
		return
	}
	if len(list) > 1 {
		s.answers[key] = list[1:]
	}
	if code, text, ok := strings.Cut(list[0], "!"); ok {
		var status int
		if _, err := fmt.Sscan(code, &status); err != nil {
			s.t.Error(err)
		}
		w.WriteHeader(status)
		list[0] = text
	}
	fmt.Fprint(w, list[0])
}

// airflow runs a command against a scheduler.
func (s *scheduler) airflow(args ...string) (out string, err error) {
	s.t.Helper()
	server := httptest.NewServer(s)
	defer server.Close()
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Setenv("AIRFLOW_WEBSERVER_PORT", port)
	s.t.Setenv("AIRFLOW_CLI_TOKEN", "a token")
	s.t.Setenv("HXP_DATA_DIR", s.t.TempDir())
	var buf bytes.Buffer
	root := airflowCommand()
	refuseBadFlags(root)
	root.SetOut(&buf)
	root.SetErr(&buf)
	root.SetArgs(args)
	err = root.ExecuteContext(s.t.Context())
	return buf.String(), err
}

// codeOf is the exit code of an error.
func codeOf(err error) int {
	exit, ok := errors.AsType[*exitError](err)
	switch {
	case err == nil:
		return 0
	case ok:
		return exit.code
	}
	return 1
}

func TestDagsBackfillWaitsAndTellsHowFarItIs(t *testing.T) {
	const created, progress = "POST /api/v2/backfills", "GET /ui/backfills/7"
	s := &scheduler{t: t, answers: map[string][]string{
		created: {`{"id":7}`},
		progress: {`{"id":7,"state":"running","total":2,"tasks":{"waiting":3,"running":1}}`,
			`{"id":7,"state":"success","total":2,"done":2,"tasks":{"succeeded":4}}`},
	}}
	out, err := s.airflow("dags", "backfill", "hxp_weekly_aggregation", "--start-date", "2025-01-01", "--end-date", "2025-01-07")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"[backfill progress] | finished run 0 of 2 | tasks waiting: 3 | succeeded: 0 | running: 1 | failed: 0 | skipped: 0 | deadlocked: 0 | not ready: 0\n",
		"[backfill progress] | finished run 2 of 2 | tasks waiting: 0 | succeeded: 4 | running: 0 | failed: 0 |", "Backfill done for DAG <DAG: hxp_weekly_aggregation>. Exiting.\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	want := created + ` {"dag_id":"hxp_weekly_aggregation","dag_run_conf":null,"from_date":"2025-01-01T00:00:00Z","reprocess_behavior":"none","run_backwards":false,"to_date":"2025-01-07T00:00:00Z"}`
	if s.asked[0] != want {
		t.Errorf("asked\n%s\nwant\n%s", s.asked[0], want)
	}
}

func TestDagsBackfillFailsWhenARunFails(t *testing.T) {
	s := &scheduler{t: t, answers: map[string][]string{
		"POST /api/v2/backfills":        {`{"id":7}`},
		"GET /ui/backfills/7":           {`{"id":7,"state":"failed","total":2,"done":1,"failed":1}`},
		"GET /api/v2/dags/some/dagRuns": {`{"dag_runs":[{"dag_run_id":"backfill__2025-01-12"}],"total_entries":1}`},
	}}
	_, err := s.airflow("dags", "backfill", "some", "-s", "2025-01-05", "-c", `{"why":"test"}`, "--reset-dagruns", "-B", "-y")
	if codeOf(err) != 1 || !strings.Contains(err.Error(), "1 of 2 runs of some did not succeed: backfill__2025-01-12") {
		t.Errorf("%v", err)
	}
	for _, want := range []string{`"from_date":"2025-01-05T00:00:00Z"`, `"to_date":"2025-01-05T00:00:00Z"`, `"reprocess_behavior":"completed"`, `"run_backwards":true`, `"dag_run_conf":{"why":"test"}`} {
		if !strings.Contains(s.asked[0], want) {
			t.Errorf("no %s in %s", want, s.asked[0])
		}
	}
}

func TestPauseSaysWhatIsSoNow(t *testing.T) {
	const get, patch = "GET /api/v2/dags/d", "PATCH /api/v2/dags/d"
	s := &scheduler{t: t, answers: map[string][]string{get: {`{"dag_id":"d","is_paused":false}`}, patch: {`{"dag_id":"d","is_paused":true}`}}}
	if out, err := s.airflow("dags", "pause", "d", "-o", "json"); err != nil || out != `[{"dag_id": "d", "is_paused": "True"}]`+"\n" {
		t.Errorf("%q %v", out, err)
	}
	s = &scheduler{t: t, answers: map[string][]string{get: {`{"dag_id":"d","is_paused":true}`}}}
	if out, err := s.airflow("dags", "pause", "d"); err != nil || out != "No unpaused DAGs were found\n" {
		t.Errorf("%q %v", out, err)
	}
}

func TestUnknownDAGsAreNamed(t *testing.T) {
	for _, args := range [][]string{
		{"dags", "show", "nope"}, {"dags", "details", "nope"}, {"dags", "trigger", "nope"}, {"dags", "list-runs", "nope"}, {"dags", "list-runs", "-d", "nope"}, {"dags", "pause", "nope"}, {"dags", "unpause", "nope"},
		{"dags", "next-execution", "nope"}, {"dags", "state", "nope", "2025-01-01"}, {"tasks", "list", "nope"}, {"dags", "backfill", "nope", "-s", "2025-01-01"},
		{"dags", "backfill", "nope", "-s", "2025-01-01", "-n"}, {"backfill", "create", "--dag-id", "nope", "--from-date", "2025-01-01", "--to-date", "2025-01-02"},
	} {
		_, err := (&scheduler{t: t}).airflow(args...)
		if codeOf(err) != 1 || !strings.Contains(err.Error(), "nope") {
			t.Errorf("airflow %s: code %d, %v", strings.Join(args, " "), codeOf(err), err)
		}
	}
}

func TestWrongUsage(t *testing.T) {
	for _, args := range [][]string{
		{"nonsense"}, {"dags", "nonsense"}, {"dags", "list", "--bogus"}, {"dags", "list", "x"}, {"dags", "show"}, {"dags", "show", "a", "b"}, {"dags", "trigger", "a", "-c", "[1]"}, {"dags", "trigger", "a", "-l", "soon"},
		{"dags", "backfill", "a"}, {"dags", "backfill", "a", "-s", "x"}, {"dags", "backfill", "a", "-s", "2025-01-01", "-t", "x"}, {"backfill", "create", "--dag-id", "a"},
		{"backfill", "create", "--dag-id", "a", "--from-date", "2025-01-01", "--to-date", "2025-01-02", "--reprocess-behavior", "all"},
		{"backfill", "create", "--dag-id", "a", "--from-date", "2025-01-01", "--to-date", "2025-01-02", "--max-active-runs", "0"}, {"dags", "next-execution", "a", "-n", "0"}, {"users", "create"}, {"dags", "show", "a", "--imgcat"},
	} {
		s := &scheduler{t: t}
		if _, err := s.airflow(args...); codeOf(err) != 2 || len(s.asked) > 0 {
			t.Errorf("airflow %s: code %d, %v, asked %v", strings.Join(args, " "), codeOf(err), err, s.asked)
		}
	}
}

func TestRefusalsAreTold(t *testing.T) {
	s := &scheduler{t: t, answers: map[string][]string{"POST /api/v2/backfills": {`409!{"detail":"There is already a running backfill for dag d"}`}}}
	_, err := s.airflow("backfill", "create", "--dag-id", "d", "--from-date", "2025-01-01", "--to-date", "2025-01-02")
	if codeOf(err) != 1 || !strings.Contains(err.Error(), "another backfill is running for Dag d") {
		t.Errorf("%v", err)
	}
	s = &scheduler{t: t, answers: map[string][]string{"POST /api/v2/dags/d/dagRuns": {`422!{"detail":[{"type":"x","loc":["body","conf"],"msg":"Input should be a valid dictionary"}]}`}}}
	_, err = s.airflow("dags", "trigger", "d")
	if codeOf(err) != 1 || err.Error() != "conf: Input should be a valid dictionary" {
		t.Errorf("%v", err)
	}
}

func TestUsersOfTheDataFolder(t *testing.T) {
	t.Setenv("HXP_DATA_DIR", t.TempDir())
	run := func(args ...string) string {
		t.Helper()
		var out bytes.Buffer
		root := airflowCommand()
		root.SetOut(&out)
		root.SetIn(strings.NewReader("typed\n"))
		root.SetArgs(args)
		if err := root.Execute(); err != nil {
			t.Fatalf("airflow %s: %v", strings.Join(args, " "), err)
		}
		return out.String()
	}
	run("users", "create", "--username", "admin", "--firstname", "Admin", "--lastname", "User", "--role", "Admin", "--email", "admin@citadel.ai", "--password", "admin123")
	run("users", "create", "-u", "eve", "-r", "viewer")
	if got := run("users", "list", "-o", "json"); !strings.Contains(got, `"username": "admin", "email": "admin@citadel.ai", "first_name": "Admin", "last_name": "User", "roles": "Admin"`) || !strings.Contains(got, `"roles": "Viewer"`) {
		t.Errorf("%s", got)
	}
	data, err := os.ReadFile(filepath.Join(os.Getenv("HXP_DATA_DIR"), "airflow", "simple_auth_manager_passwords.json.generated"))
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"admin":"admin123","eve":"typed"}`; strings.TrimSpace(string(data)) != want {
		t.Errorf("%s, want %s", data, want)
	}
}

func TestTheNameDecidesWhichProgramItIs(t *testing.T) {
	for argv0, want := range map[string]bool{"airflow": true, "/usr/local/bin/airflow": true, "airflow.exe": true, "hxp": false, "./airflow-old": false} {
		if got := calledAs(argv0, "airflow"); got != want {
			t.Errorf("%s: %v", argv0, got)
		}
	}
}

// TestEveryAirflowCommandHelps checks that each command says what it does and shows an example.
func TestEveryAirflowCommandHelps(t *testing.T) {
	var missing []string
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		if c.Short == "" || c.Example == "" {
			missing = append(missing, c.CommandPath())
		}
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(airflowCommand())
	slices.Sort(missing)
	if len(missing) > 0 {
		t.Errorf("without a sentence or an example: %s", strings.Join(missing, ", "))
	}
}

func TestPausedDAGsAreRemindedOf(t *testing.T) {
	s := &scheduler{t: t, answers: map[string][]string{"GET /api/v2/dags/d": {`{"dag_id":"d","is_paused":true}`}, "POST /api/v2/backfills": {`{"id":1}`}}}
	out, err := s.airflow("backfill", "create", "--dag-id", "d", "--from-date", "2025-01-01", "--to-date", "2025-01-02")
	if err != nil || !strings.Contains(out, "[WARN] d is paused: its runs wait until `airflow dags unpause d`\n") {
		t.Errorf("%q %v", out, err)
	}
}

func TestDBCheckLooksAtBothDatabases(t *testing.T) {
	data := t.TempDir()
	check := func(connection string) (string, error) {
		t.Helper()
		t.Setenv("HXP_DATA_DIR", data)
		t.Setenv("AIRFLOW_DB_CONNECTION", connection)
		var out bytes.Buffer
		root := airflowCommand()
		root.SetOut(&out)
		root.SetArgs([]string{"db", "check"})
		err := root.ExecuteContext(t.Context())
		return out.String(), err
	}
	theirs := filepath.Join(t.TempDir(), "airflow.db")
	if err := os.WriteFile(theirs, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, good := range []string{"", "sqlite:///" + theirs} {
		if out, err := check(good); err != nil || !strings.Contains(out, "Connection successful.") {
			t.Errorf("%q: %q %v", good, out, err)
		}
	}
	for bad, want := range map[string]string{"sqlite:///" + theirs + ".gone": "no such file", "mysql://u:p@h/airflow": "mysql", "postgresql+psycopg2://u:secret@127.0.0.1:x/airflow": "Airflow"} {
		if _, err := check(bad); codeOf(err) != 1 || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: code %d, %v", bad, codeOf(err), err)
		}
	}
}
