package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hxp-enterprise/hxp/internal/app"
)

// airflowDAG is what the commands use of a DAG.
type airflowDAG struct {
	ID      string     `json:"dag_id"`
	File    string     `json:"fileloc"`
	RelFile string     `json:"relative_fileloc"`
	Owners  []string   `json:"owners"`
	Paused  bool       `json:"is_paused"`
	Bundle  string     `json:"bundle_name"`
	Parse   float64    `json:"last_parse_duration"`
	Start   *time.Time `json:"next_dagrun_data_interval_start"`
	End     *time.Time `json:"next_dagrun_data_interval_end"`
}

type airflowRun struct {
	ID        string          `json:"dag_run_id"`
	DagID     string          `json:"dag_id"`
	State     string          `json:"state"`
	Type      string          `json:"run_type"`
	RunAfter  *time.Time      `json:"run_after"`
	Logical   *time.Time      `json:"logical_date"`
	StartDate *time.Time      `json:"start_date"`
	EndDate   *time.Time      `json:"end_date"`
	From      *time.Time      `json:"data_interval_start"`
	To        *time.Time      `json:"data_interval_end"`
	Decision  *time.Time      `json:"last_scheduling_decision"`
	Conf      json.RawMessage `json:"conf"`
	User      *string         `json:"triggering_user_name"`
}

type airflowTask struct {
	ID         string   `json:"task_id"`
	Downstream []string `json:"downstream_task_ids"`
	Colour     string   `json:"ui_color"`
	Text       string   `json:"ui_fgcolor"`
}

func airflowDags() *cobra.Command {
	cmd := group(&cobra.Command{Use: "dags", Short: "Manage DAGs", Example: "  airflow dags list\n  airflow dags show hxp_daily_aggregation"})
	cmd.AddCommand(dagsList(), dagsShow(), dagsDetails(), dagsTrigger(), dagsListRuns(), dagsPause("pause", true), dagsPause("unpause", false), dagsNext(), dagsState(), dagsBackfill(),
		dagsImportErrors(), dagsReport())
	return cmd
}

func dagPath(id string) string { return "/api/v2/dags/" + url.PathEscape(id) }

func dagsList() *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "List all the DAGs", Args: noArgs, Example: "  airflow dags list\n  airflow dags list -o json\n  airflow dags list --columns dag_id,is_paused",
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := airflowClient(cmd)
			if err != nil {
				return err
			}
			var answer struct{ DAGs []airflowDAG }
			if err := c.Call(cmd.Context(), http.MethodGet, "/api/v2/dags?limit=100", nil, &answer); err != nil {
				return err
			}
			var rows []airflowRow
			for _, d := range answer.DAGs {
				rows = append(rows, airflowRow{{"dag_id", d.ID}, {"fileloc", d.File}, {"owners", d.Owners}, {"is_paused", pyBool(d.Paused)}, {"bundle_name", d.Bundle}, {"bundle_version", nil}})
			}
			columns, _ := cmd.Flags().GetString("columns")
			if rows, err = chosenColumns(rows, columns); err != nil {
				return usage(fmt.Errorf("%s: --columns: %w", cmd.CommandPath(), err))
			}
			return show(cmd, rows)
		}}
	outputFlag(cmd)
	cmd.Flags().String("columns", "", "names of columns, separated by commas")
	ignored(cmd, map[string]string{"subdir": "=S", "bundle-name": "=B", "local": "l"})
	return cmd
}

// chosenColumns keeps the named columns, in their order.
func chosenColumns(rows []airflowRow, names string) ([]airflowRow, error) {
	if names == "" {
		return rows, nil
	}
	var out []airflowRow
	for _, r := range rows {
		var line airflowRow
		for name := range strings.SplitSeq(names, ",") {
			i := slices.IndexFunc(r, func(f airflowField) bool { return f.name == strings.TrimSpace(name) })
			if i < 0 {
				return nil, fmt.Errorf("there is no column %q", name)
			}
			line = append(line, r[i])
		}
		out = append(out, line)
	}
	return out, nil
}

func dagsShow() *cobra.Command {
	cmd := &cobra.Command{Use: "show DAG", Short: "Print the tasks of a DAG with their order, as DOT of Graphviz", Args: dagArg,
		Example: "  airflow dags show hxp_daily_aggregation\n  airflow dags show hxp_daily_aggregation | dot -Tsvg > daily.svg",
		RunE: func(cmd *cobra.Command, args []string) error {
			id := dagOf(cmd, args)
			if draw, _ := cmd.Flags().GetBool("imgcat"); draw {
				return usage(errors.New("airflow dags show --imgcat: pictures are not drawn here; pipe the output into dot of Graphviz"))
			}
			c, err := airflowClient(cmd)
			if err != nil {
				return err
			}
			var answer struct{ Tasks []airflowTask }
			if err := c.Call(cmd.Context(), http.MethodGet, dagPath(id)+"/tasks", nil, &answer); err != nil {
				return unknown(err, "Can not find dag '%s' in database", id)
			}
			file, _ := cmd.Flags().GetString("save")
			if file == "" {
				_, err = fmt.Fprintln(cmd.OutOrStdout(), dot(id, answer.Tasks))
				return err
			}
			if ext := filepath.Ext(file); ext != ".dot" && ext != ".gv" {
				return usage(fmt.Errorf("airflow dags show --save %s: only .dot is written here; dot -T%s of Graphviz draws it", file, strings.TrimPrefix(ext, ".")))
			}
			if err := os.WriteFile(file, []byte(dot(id, answer.Tasks)), 0o644); err != nil { //nolint:gosec // a drawing
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "File %s saved\n", file)
			return err
		}}
	cmd.Flags().StringP("save", "s", "", "file to write, .dot")
	cmd.Flags().Bool("imgcat", false, "not available")
	ignored(cmd, map[string]string{"subdir": "=S", "bundle-name": "=B"})
	return cmd
}

// dot draws a DAG as Airflow does.
func dot(id string, tasks []airflowTask) string {
	var b strings.Builder
	fmt.Fprintf(&b, "digraph %s {\n\tgraph [label=%s labelloc=t rankdir=LR]\n", id, id)
	sorted := slices.Clone(tasks)
	slices.SortFunc(sorted, func(x, y airflowTask) int { return strings.Compare(x.ID, y.ID) })
	for _, t := range sorted {
		fmt.Fprintf(&b, "\t%s [color=%q fillcolor=%q label=%s shape=rectangle style=\"filled,rounded\"]\n", t.ID, longColour(t.Text), t.Colour, t.ID)
	}
	for _, t := range sorted {
		for _, d := range t.Downstream {
			fmt.Fprintf(&b, "\t%s -> %s\n", t.ID, d)
		}
	}
	b.WriteString("}\n")
	return b.String()
}

// longColour writes #000 as #000000.
func longColour(c string) string {
	if len(c) != 4 {
		return c
	}
	return "#" + strings.Repeat(c[1:2], 2) + strings.Repeat(c[2:3], 2) + strings.Repeat(c[3:4], 2)
}

func dagsDetails() *cobra.Command {
	cmd := &cobra.Command{Use: "details DAG", Short: "Show what is known of a DAG", Args: dagArg, Example: "  airflow dags details hxp_daily_aggregation",
		RunE: func(cmd *cobra.Command, args []string) error {
			id := dagOf(cmd, args)
			c, err := airflowClient(cmd)
			if err != nil {
				return err
			}
			var raw json.RawMessage
			if err := c.Call(cmd.Context(), http.MethodGet, dagPath(id), nil, &raw); err != nil {
				return unknown(err, "Can not find dag '%s' in database", id)
			}
			fields, err := inOrder(raw)
			if err != nil {
				return err
			}
			if format, _ := cmd.Flags().GetString("output"); format == "json" || format == "yaml" {
				return show(cmd, []airflowRow{fields})
			}
			var rows []airflowRow
			for _, f := range fields {
				rows = append(rows, airflowRow{{"property_name", f.name}, {"property_value", f.value}})
			}
			return show(cmd, rows)
		}}
	outputFlag(cmd)
	return cmd
}

// inOrder reads a JSON object into a row in the order of its fields, with flags, numbers and times as Python prints them.
func inOrder(raw json.RawMessage) (airflowRow, error) {
	dec := json.NewDecoder(strings.NewReader(string(raw)))
	if _, err := dec.Token(); err != nil {
		return nil, err
	}
	var row airflowRow
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return nil, err
		}
		var v any
		if err := dec.Decode(&v); err != nil {
			return nil, err
		}
		switch x := v.(type) {
		case bool:
			v = pyBool(x)
		case float64:
			v = strconv.FormatFloat(x, 'f', -1, 64)
		case string:
			if t, err := time.Parse(time.RFC3339, x); err == nil {
				v = pyTime(&t)
			}
		}
		row = append(row, airflowField{fmt.Sprint(name), v})
	}
	return row, nil
}

func dagsTrigger() *cobra.Command {
	cmd := &cobra.Command{Use: "trigger DAG", Short: "Trigger a run of a DAG", Args: dagArg,
		Long:    "Triggers a run. Without a date it takes the last whole interval; -l (3.x) or -e (2.x) name a date, and the interval is the last whole one\nbefore it. The run of a paused DAG waits until the DAG is resumed, as in Airflow.",
		Example: "  airflow dags trigger hxp_hourly_aggregation\n  airflow dags trigger hxp_weekly_aggregation -e 2025-01-12 -r fix-2025-01-05",
		RunE: func(cmd *cobra.Command, args []string) error {
			id := dagOf(cmd, args)
			date, err := timeFlag(cmd, "logical-date")
			if err != nil {
				return err
			}
			if date == "" {
				if date, err = timeFlag(cmd, "exec-date"); err != nil {
					return err
				}
			}
			conf, err := confFlag(cmd, "conf")
			if err != nil {
				return err
			}
			body := map[string]any{"logical_date": nil, "conf": conf}
			if date != "" {
				body["logical_date"] = date
			}
			if run, _ := cmd.Flags().GetString("run-id"); run != "" {
				body["dag_run_id"] = run
			}
			c, err := airflowClient(cmd)
			if err != nil {
				return err
			}
			var r airflowRun
			if err := c.Call(cmd.Context(), http.MethodPost, dagPath(id)+"/dagRuns", body, &r); err != nil {
				return unknown(err, "Dag id %s not found in DagModel", id)
			}
			remindPaused(cmd, c, id)
			return show(cmd, []airflowRow{{{"conf", decoded(r.Conf)}, {"dag_id", r.DagID}, {"dag_run_id", r.ID}, {"data_interval_start", pyTime(r.From)}, {"data_interval_end", pyTime(r.To)},
				{"end_date", pyTime(r.EndDate)}, {"last_scheduling_decision", pyTime(r.Decision)}, {"logical_date", pyTime(r.Logical)}, {"run_type", r.Type}, {"start_date", pyTime(r.StartDate)},
				{"state", r.State}, {"triggering_user_name", orNone(r.User)}}})
		}}
	outputFlag(cmd)
	f := cmd.Flags()
	f.StringP("conf", "c", "", "JSON object that the run carries")
	f.StringP("run-id", "r", "", "id of the run")
	f.StringP("logical-date", "l", "", "date, as in 3.x")
	f.StringP("exec-date", "e", "", "date, as in 2.x")
	f.StringP("dag-id", "d", "", "the DAG, instead of the argument")
	ignored(cmd, map[string]string{"subdir": "=S", "no-replace-microseconds": ""})
	return cmd
}

// remindPaused says on stderr that runs of a paused DAG wait. It is a help: what goes wrong with it is left alone.
func remindPaused(cmd *cobra.Command, c *app.AirflowClient, id string) {
	var d airflowDAG
	if err := c.Call(cmd.Context(), http.MethodGet, dagPath(id), nil, &d); err == nil && d.Paused {
		fmt.Fprintf(cmd.ErrOrStderr(), "[WARN] %s is paused: its runs wait until `airflow dags unpause %s`\n", id, id)
	}
}

func orNone(s *string) any {
	if s == nil {
		return nil
	}
	return *s
}

func dagsListRuns() *cobra.Command {
	cmd := &cobra.Command{Use: "list-runs DAG", Short: "List the runs of a DAG, newest first", Args: dagArg, Example: "  airflow dags list-runs hxp_daily_aggregation\n  airflow dags list-runs -d hxp_daily_aggregation --state failed -o json",
		RunE: func(cmd *cobra.Command, args []string) error {
			id := dagOf(cmd, args)
			q := url.Values{"order_by": {"-run_after"}}
			if state, _ := cmd.Flags().GetString("state"); state != "" {
				q.Set("state", state)
			}
			if no, _ := cmd.Flags().GetBool("no-backfill"); no {
				q["run_type"] = []string{"scheduled", "manual"}
			}
			for flag, bound := range map[string]string{"start-date": "logical_date_gte", "end-date": "logical_date_lte"} {
				at, err := timeFlag(cmd, flag)
				if err != nil {
					return err
				}
				if at != "" {
					q.Set(bound, at)
				}
			}
			c, err := airflowClient(cmd)
			if err != nil {
				return err
			}
			var rows []airflowRow
			for r, err := range airflowRuns(cmd, c, id, q) {
				if err != nil {
					return unknown(err, "Can not find dag '%s' in database", id)
				}
				rows = append(rows, airflowRow{{"dag_id", r.DagID}, {"run_id", r.ID}, {"state", r.State}, {"run_after", pyISO(r.RunAfter)}, {"logical_date", pyISO(r.Logical)},
					{"start_date", pyISO(r.StartDate)}, {"end_date", pyISO(r.EndDate)}})
			}
			return show(cmd, rows)
		}}
	outputFlag(cmd)
	f := cmd.Flags()
	f.StringP("dag-id", "d", "", "the DAG, as in 2.x")
	f.String("state", "", "only runs in this state: queued, running, success, failed")
	f.Bool("no-backfill", false, "leave out the runs of backfills")
	f.StringP("start-date", "s", "", "only runs from this date on")
	f.StringP("end-date", "e", "", "only runs up to this date")
	return cmd
}

// airflowRuns goes through the pages of a list of runs.
func airflowRuns(cmd *cobra.Command, c *app.AirflowClient, dag string, q url.Values) func(yield func(airflowRun, error) bool) {
	const size = 100
	return func(yield func(airflowRun, error) bool) {
		q.Set("limit", strconv.Itoa(size))
		for offset := 0; ; offset += size {
			q.Set("offset", strconv.Itoa(offset))
			var answer struct {
				Runs  []airflowRun `json:"dag_runs"`
				Total int          `json:"total_entries"`
			}
			if err := c.Call(cmd.Context(), http.MethodGet, dagPath(dag)+"/dagRuns?"+q.Encode(), nil, &answer); err != nil {
				yield(airflowRun{}, err)
				return
			}
			for _, r := range answer.Runs {
				if !yield(r, nil) {
					return
				}
			}
			if len(answer.Runs) < size {
				return
			}
		}
	}
}

// dagsPause sets whether a DAG is paused. Of a DAG that is so already it says what Airflow says.
func dagsPause(word string, paused bool) *cobra.Command {
	short := map[bool]string{true: "Pause a DAG", false: "Resume a paused DAG"}[paused]
	cmd := &cobra.Command{Use: word + " DAG", Short: short, Args: dagArg, Example: "  airflow dags " + word + " hxp_monthly_aggregation",
		RunE: func(cmd *cobra.Command, args []string) error {
			id := dagOf(cmd, args)
			c, err := airflowClient(cmd)
			if err != nil {
				return err
			}
			var d airflowDAG
			if err := c.Call(cmd.Context(), http.MethodGet, dagPath(id), nil, &d); err != nil {
				return unknown(err, "Can not find dag '%s' in database", id)
			}
			if d.Paused == paused {
				_, err := fmt.Fprintf(cmd.OutOrStdout(), "No %spaused DAGs were found\n", map[bool]string{true: "un", false: ""}[paused])
				return err
			}
			if err := c.Call(cmd.Context(), http.MethodPatch, dagPath(id)+"?update_mask=is_paused", map[string]bool{"is_paused": paused}, &d); err != nil {
				return err
			}
			return show(cmd, []airflowRow{{{"dag_id", d.ID}, {"is_paused", pyBool(d.Paused)}}})
		}}
	outputFlag(cmd)
	ignored(cmd, map[string]string{"yes": "y", "subdir": "=S"})
	return cmd
}

func dagsNext() *cobra.Command {
	cmd := &cobra.Command{Use: "next-execution DAG", Short: "Print the next logical dates of a DAG: where the intervals of its next runs start", Args: dagArg,
		Example: "  airflow dags next-execution hxp_weekly_aggregation -n 3",
		RunE: func(cmd *cobra.Command, args []string) error {
			id := dagOf(cmd, args)
			n, _ := cmd.Flags().GetInt("num-executions")
			if n < 1 {
				return usage(fmt.Errorf("airflow dags next-execution: -n %d: give 1 or more", n))
			}
			c, err := airflowClient(cmd)
			if err != nil {
				return err
			}
			var d airflowDAG
			if err := c.Call(cmd.Context(), http.MethodGet, dagPath(id), nil, &d); err != nil {
				return unknown(err, "Can not find dag '%s' in database", id)
			}
			if d.Start == nil || d.End == nil {
				_, err := fmt.Fprintln(cmd.ErrOrStderr(), "[WARN] No following schedule can be found. This DAG is switched off.")
				return err
			}
			if d.Paused {
				fmt.Fprintln(cmd.ErrOrStderr(), "[INFO] Please be reminded this DAG is PAUSED now.")
			}
			for i, start := 0, *d.Start; i < n; i, start = i+1, following(start, *d.Start, *d.End) {
				if _, err := fmt.Fprintln(cmd.OutOrStdout(), pyISO(&start)); err != nil {
					return err
				}
			}
			return nil
		}}
	cmd.Flags().IntP("num-executions", "n", 1, "how many dates")
	ignored(cmd, map[string]string{"subdir": "=S", "table": ""})
	return cmd
}

// following is the start of the interval after the one that starts at t, where [from, to) is one of the same DAG: a month is a month,
// everything else as long as that one.
func following(t, from, to time.Time) time.Time {
	if from.AddDate(0, 1, 0).Equal(to) {
		return t.AddDate(0, 1, 0)
	}
	return t.Add(to.Sub(from))
}

func dagsState() *cobra.Command {
	cmd := &cobra.Command{Use: "state DAG DATE", Short: "Print the state of the run of a logical date", Args: cobra.ArbitraryArgs, Example: "  airflow dags state hxp_daily_aggregation 2026-03-01",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) != 2 {
				return usage(errors.New("airflow dags state: name a DAG and a date"))
			}
			at, err := app.ParseAirflowTime(args[1])
			if err != nil {
				return usage(fmt.Errorf("airflow dags state: %q: %w", args[1], err))
			}
			c, err := airflowClient(cmd)
			if err != nil {
				return err
			}
			q := url.Values{"logical_date_gte": {at.Format(time.RFC3339Nano)}, "logical_date_lte": {at.Format(time.RFC3339Nano)}, "order_by": {"-run_after"}}
			for r, err := range airflowRuns(cmd, c, args[0], q) {
				if err != nil {
					return unknown(err, "Can not find dag '%s' in database", args[0])
				}
				_, err := fmt.Fprintln(cmd.OutOrStdout(), r.State)
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), "None")
			return err
		}}
	ignored(cmd, map[string]string{"subdir": "=S"})
	return cmd
}

func dagsImportErrors() *cobra.Command {
	cmd := &cobra.Command{Use: "list-import-errors", Short: "List the DAGs that cannot be read: none, they are built in", Args: noArgs, Example: "  airflow dags list-import-errors",
		RunE: func(cmd *cobra.Command, _ []string) error { return show(cmd, nil) }}
	outputFlag(cmd)
	ignored(cmd, map[string]string{"subdir": "=S", "bundle-name": "=B", "local": "l"})
	return cmd
}

func dagsReport() *cobra.Command {
	cmd := &cobra.Command{Use: "report", Short: "Report what DAGs there are by file", Args: noArgs, Example: "  airflow dags report",
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := airflowClient(cmd)
			if err != nil {
				return err
			}
			var answer struct{ DAGs []airflowDAG }
			if err := c.Call(cmd.Context(), http.MethodGet, "/api/v2/dags?limit=100", nil, &answer); err != nil {
				return err
			}
			tasks, ids, file := 0, []string{}, ""
			for _, d := range answer.DAGs {
				var t struct{ Tasks []airflowTask }
				if err := c.Call(cmd.Context(), http.MethodGet, dagPath(d.ID)+"/tasks", nil, &t); err != nil {
					return err
				}
				tasks, ids, file = tasks+len(t.Tasks), append(ids, d.ID), d.RelFile
			}
			return show(cmd, []airflowRow{{{"file", file}, {"duration", "0:00:00"}, {"dag_num", strconv.Itoa(len(ids))}, {"task_num", strconv.Itoa(tasks)}, {"dags", ids}}})
		}}
	outputFlag(cmd)
	ignored(cmd, map[string]string{"subdir": "=S", "bundle-name": "=B"})
	return cmd
}
