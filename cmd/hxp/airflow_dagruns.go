package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/hxp-enterprise/hxp/internal/app"
)

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
