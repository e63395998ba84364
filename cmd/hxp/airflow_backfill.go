package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hxp-enterprise/hxp/internal/app"
)

// airflowProgress is how far a backfill is, as the scheduler tells it.
type airflowProgress struct {
	ID        int64  `json:"id"`
	State     string `json:"state"`
	Total     int    `json:"total"`
	Done      int    `json:"done"`
	Failed    int    `json:"failed"`
	Cancelled int    `json:"cancelled"`
	Tasks     struct {
		Waiting, Running, Succeeded, Failed int
	} `json:"tasks"`
}

func (p *airflowProgress) finished() int { return p.Done + p.Failed + p.Cancelled }
func (p *airflowProgress) over() bool    { return p.State != "running" && p.State != "queued" }

// dagsBackfill is the command of 2.x: it stays until the backfill is over. The range holds both its ends.
func dagsBackfill() *cobra.Command {
	cmd := &cobra.Command{Use: "backfill DAG", Short: "Run a DAG for all intervals of a range of dates, and wait (2.x)", Args: dagArg,
		Long: "Runs the intervals that start within --start-date and --end-date, both included, and shows how far it is until all have ended. An interval\n" +
			"that has a run is left alone, unless --rerun-failed-tasks (its run failed) or --reset-dagruns (whatever became of it) is given.",
		Example: "  airflow dags backfill hxp_weekly_aggregation --start-date 2025-01-01 --end-date 2025-01-07\n  airflow dags backfill hxp_hourly_aggregation -s 2025-01-01 -e 2025-01-31 --reset-dagruns",
		RunE: func(cmd *cobra.Command, args []string) error {
			body, err := backfillOf2(cmd, dagOf(cmd, args))
			if err != nil {
				return err
			}
			c, err := airflowClient(cmd)
			if err != nil {
				return err
			}
			if dry, _ := cmd.Flags().GetBool("dry-run"); dry {
				return dryRun2(cmd, c, body)
			}
			var made struct{ ID int64 }
			if err := c.Call(cmd.Context(), http.MethodPost, "/api/v2/backfills", body, &made); err != nil {
				return unknown(err, "Dag '%s' could not be found", body["dag_id"])
			}
			remindPaused(cmd, c, fmt.Sprint(body["dag_id"]))
			return follow(cmd, c, made.ID, fmt.Sprint(body["dag_id"]))
		}}
	f := cmd.Flags()
	f.StringP("start-date", "s", "", "first date; --end-date alone stands for both")
	f.StringP("end-date", "e", "", "last date; --start-date alone stands for both")
	f.BoolP("dry-run", "n", false, "only say what would be run")
	f.StringP("conf", "c", "", "JSON object that the runs carry")
	f.Bool("reset-dagruns", false, "run again whatever has a run")
	f.Bool("rerun-failed-tasks", false, "run again what failed")
	f.BoolP("run-backwards", "B", false, "begin with the latest")
	ignored(cmd, map[string]string{"yes": "y", "continue-on-failures": "", "mark-success": "m", "local": "l", "donot-pickle": "x", "ignore-first-depends-on-past": "I", "ignore-dependencies": "i",
		"task-regex": "=t", "pool": "=", "delay-on-limit": "=", "subdir": "=S", "disable-retry": "", "treat-dag-id-as-regex": ""})
	return cmd
}

// backfillOf2 turns the flags of 2.x into a backfill of 3.x.
func backfillOf2(cmd *cobra.Command, dag string) (map[string]any, error) {
	from, err := timeFlag(cmd, "start-date")
	if err != nil {
		return nil, err
	}
	to, err := timeFlag(cmd, "end-date")
	if err != nil {
		return nil, err
	}
	switch {
	case from == "" && to == "":
		return nil, usage(errors.New("airflow dags backfill: Provide a start_date and/or end_date (--start-date, --end-date)"))
	case from == "":
		from = to
	case to == "":
		to = from
	}
	if pattern, _ := cmd.Flags().GetString("task-regex"); pattern != "" {
		return nil, usage(errors.New("airflow dags backfill: -t chooses tasks, and a backfill here runs all of them; hxp dags trigger runs one"))
	}
	conf, err := confFlag(cmd, "conf")
	if err != nil {
		return nil, err
	}
	body := map[string]any{"dag_id": dag, "from_date": from, "to_date": to, "dag_run_conf": conf, "reprocess_behavior": "none"}
	if again, _ := cmd.Flags().GetBool("rerun-failed-tasks"); again {
		body["reprocess_behavior"] = "failed"
	}
	if reset, _ := cmd.Flags().GetBool("reset-dagruns"); reset {
		body["reprocess_behavior"] = "completed"
	}
	body["run_backwards"], _ = cmd.Flags().GetBool("run-backwards")
	return body, nil
}

// planned asks which runs a backfill would start, by their logical dates.
func planned(cmd *cobra.Command, c *app.AirflowClient, body map[string]any) ([]time.Time, error) {
	var answer struct {
		Backfills []struct {
			Logical time.Time `json:"logical_date"`
		}
	}
	if err := c.Call(cmd.Context(), http.MethodPost, "/api/v2/backfills/dry_run", body, &answer); err != nil {
		return nil, err
	}
	out := make([]time.Time, len(answer.Backfills))
	for i, b := range answer.Backfills {
		out[i] = b.Logical
	}
	return out, nil
}

func dryRun2(cmd *cobra.Command, c *app.AirflowClient, body map[string]any) error {
	dag := fmt.Sprint(body["dag_id"])
	dates, err := planned(cmd, c, body)
	if err != nil {
		return unknown(err, "Dag '%s' could not be found", dag)
	}
	var tasks struct{ Tasks []airflowTask }
	if err := c.Call(cmd.Context(), http.MethodGet, dagPath(dag)+"/tasks", nil, &tasks); err != nil {
		return err
	}
	w := cmd.OutOrStdout()
	for _, d := range dates {
		fmt.Fprintf(w, "Dry run of DAG %s on %v\n", dag, pyTime(&d))
		for _, t := range tasks.Tasks {
			fmt.Fprintf(w, "Task %s located in DAG %s\n", t.ID, dag)
		}
	}
	if len(dates) == 0 {
		_, err = fmt.Fprintln(w, noDates)
	}
	return err
}

const noDates = "No run dates were found for the given dates and dag interval."

// follow prints how far a backfill is until it is over. When the command is stopped, the backfill is cancelled with it, as in 2.x.
func follow(cmd *cobra.Command, c *app.AirflowClient, id int64, dag string) error {
	path := "/ui/backfills/" + strconv.FormatInt(id, 10)
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	last := ""
	for {
		var p airflowProgress
		err := c.Call(cmd.Context(), http.MethodGet, path, nil, &p)
		if cmd.Context().Err() != nil {
			ctx, stop := context.WithTimeout(context.WithoutCancel(cmd.Context()), 5*time.Second)
			defer stop()
			return errors.Join(errors.New("stopped; the backfill is cancelled"), c.Call(ctx, http.MethodPut, "/api/v2/backfills/"+strconv.FormatInt(id, 10)+"/cancel", nil, nil))
		}
		if err != nil {
			return err
		}
		line := fmt.Sprintf("[backfill progress] | finished run %d of %d | tasks waiting: %d | succeeded: %d | running: %d | failed: %d | skipped: 0 | deadlocked: 0 | not ready: 0",
			p.finished(), p.Total, p.Tasks.Waiting, p.Tasks.Succeeded, p.Tasks.Running, p.Tasks.Failed)
		if line != last {
			logged(cmd.OutOrStdout(), line)
			last = line
		}
		if p.over() {
			return ended(cmd, c, &p, dag)
		}
		select {
		case <-tick.C:
		case <-cmd.Context().Done():
		}
	}
}

// logged prints a line as the log of Airflow 2 does.
func logged(w io.Writer, line string) {
	fmt.Fprintf(w, "[%s] {hxp} INFO - %s\n", time.Now().UTC().Format("2006-01-02T15:04:05.000-0700"), line)
}

// ended tells how a backfill went; runs that failed are named.
func ended(cmd *cobra.Command, c *app.AirflowClient, p *airflowProgress, dag string) error {
	if p.Total == 0 {
		logged(cmd.OutOrStdout(), noDates)
	}
	if p.Failed+p.Cancelled == 0 && p.State == "success" {
		logged(cmd.OutOrStdout(), "Backfill done for DAG <DAG: "+dag+">. Exiting.")
		return nil
	}
	var names []string
	for r, err := range airflowRuns(cmd, c, dag, url.Values{"run_type": {"backfill"}, "state": {"failed"}, "order_by": {"-queued_at"}}) {
		if err != nil || len(names) == min(p.Failed+p.Cancelled, 10) {
			break // the names are a help, no more
		}
		names = append(names, r.ID)
	}
	slices.Sort(names)
	return fmt.Errorf("some task instances failed: %d of %d runs of %s did not succeed: %s", p.Failed+p.Cancelled, p.Total, dag, strings.Join(names, ", "))
}

func airflowBackfill() *cobra.Command {
	cmd := group(&cobra.Command{Use: "backfill", Short: "Manage backfills (3.x)", Example: "  airflow backfill create --dag-id hxp_weekly_aggregation --from-date 2025-01-01 --to-date 2025-01-07"})
	cmd.AddCommand(backfillCreate())
	return cmd
}

// backfillCreate is the command of 3.x: it starts the backfill and does not wait.
func backfillCreate() *cobra.Command {
	cmd := &cobra.Command{Use: "create", Short: "Run a DAG for all intervals of a range of dates (3.x)", Args: noArgs,
		Example: "  airflow backfill create --dag-id hxp_weekly_aggregation --from-date 2025-01-01 --to-date 2025-01-07 --dry-run",
		RunE: func(cmd *cobra.Command, _ []string) error {
			body, err := backfillOf3(cmd)
			if err != nil {
				return err
			}
			c, err := airflowClient(cmd)
			if err != nil {
				return err
			}
			dag := fmt.Sprint(body["dag_id"])
			if dry, _ := cmd.Flags().GetBool("dry-run"); dry {
				dates, err := planned(cmd, c, body)
				if err != nil {
					return unknown(err, "Could not find dag %s", dag)
				}
				return printDryRun(cmd, dates)
			}
			var made struct{ ID int64 }
			if err := c.Call(cmd.Context(), http.MethodPost, "/api/v2/backfills", body, &made); err != nil {
				if e, ok := errors.AsType[*app.AirflowError](err); ok && e.Status == http.StatusConflict {
					return fmt.Errorf("another backfill is running for Dag %s; there can be only one running backfill per Dag", dag)
				}
				return unknown(err, "Could not find dag %s", dag)
			}
			remindPaused(cmd, c, dag)
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s [info     ] Created backfill.              [hxp] backfill_id=%d dag_id=%s from_date=%s to_date=%s\n",
				time.Now().UTC().Format("2006-01-02T15:04:05.000000Z"), made.ID, dag, body["from_date"], body["to_date"])
			return err
		}}
	f := cmd.Flags()
	f.String("dag-id", "", "the DAG")
	f.String("from-date", "", "first date")
	f.String("to-date", "", "last date; it belongs to the range")
	f.Bool("dry-run", false, "only say what would be run")
	f.String("reprocess-behavior", "", "where a run exists: none (leave it), failed, completed")
	f.Int("max-active-runs", 0, "runs at the same time (default 10)")
	f.Bool("run-backwards", false, "begin with the latest")
	f.String("dag-run-conf", "", "JSON object that the runs carry")
	ignored(cmd, map[string]string{"run-on-latest-version": "", "no-run-on-latest-version": ""})
	return cmd
}

func backfillOf3(cmd *cobra.Command) (map[string]any, error) {
	dag, _ := cmd.Flags().GetString("dag-id")
	from, err := timeFlag(cmd, "from-date")
	if err != nil {
		return nil, err
	}
	to, err := timeFlag(cmd, "to-date")
	if err != nil {
		return nil, err
	}
	if dag == "" || from == "" || to == "" {
		return nil, usage(errors.New("airflow backfill create: the following arguments are required: --dag-id, --from-date, --to-date"))
	}
	conf, err := confFlag(cmd, "dag-run-conf")
	if err != nil {
		return nil, err
	}
	body := map[string]any{"dag_id": dag, "from_date": from, "to_date": to, "dag_run_conf": conf}
	if again, _ := cmd.Flags().GetString("reprocess-behavior"); again != "" {
		if !slices.Contains([]string{"none", "failed", "completed"}, again) {
			return nil, usage(fmt.Errorf("airflow backfill create: --reprocess-behavior %q is none of none, failed, completed", again))
		}
		body["reprocess_behavior"] = again
	}
	if cmd.Flags().Changed("max-active-runs") {
		n, _ := cmd.Flags().GetInt("max-active-runs")
		if n < 1 {
			return nil, usage(fmt.Errorf("airflow backfill create: --max-active-runs %d: give 1 or more", n))
		}
		body["max_active_runs"] = n
	}
	body["run_backwards"], _ = cmd.Flags().GetBool("run-backwards")
	return body, nil
}

// printDryRun prints the parameters and a grid of the runs, as Airflow 3 does.
func printDryRun(cmd *cobra.Command, dates []time.Time) error {
	w, f := cmd.OutOrStdout(), cmd.Flags()
	text := func(name string) string {
		if g := f.Lookup(name); g.Changed {
			return g.Value.String()
		}
		return "None"
	}
	date := func(name string) any {
		t, _ := app.ParseAirflowTime(f.Lookup(name).Value.String()) // read before
		return pyTime(&t)
	}
	backwards, _ := f.GetBool("run-backwards")
	fmt.Fprintf(w, "Performing dry run of backfill.\nPrinting params:\n    - dag_id = %s\n    - from_date = %v\n    - to_date = %v\n    - max_active_runs = %s\n    - reverse = %s\n"+
		"    - dag_run_conf = %s\n    - reprocess_behavior = %s\n    - run_on_latest_version = True\nRuns to be attempted:\n",
		text("dag-id"), date("from-date"), date("to-date"), text("max-active-runs"), pyBool(backwards), text("dag-run-conf"), text("reprocess-behavior"))
	names := []string{"logical_date", "partition_key", "partition_date"}
	widths := make([]int, len(names))
	for i, n := range names {
		widths[i] = len(n) + 2
	}
	cells := make([]string, len(dates))
	for i, d := range dates {
		cells[i] = fmt.Sprint(pyTime(&d))
		widths[0] = max(widths[0], len(cells[i]))
	}
	rule := func(fill string) string {
		var b strings.Builder
		for _, width := range widths {
			b.WriteString("+" + strings.Repeat(fill, width+2))
		}
		return b.String() + "+\n"
	}
	line := func(texts ...string) string {
		var b strings.Builder
		for i, t := range texts {
			b.WriteString("| " + pad(t, widths[i]) + " ")
		}
		return b.String() + "|\n"
	}
	out := rule("-") + line(names...) + rule("=")
	for _, c := range cells {
		out += line(c, "", "") + rule("-")
	}
	_, err := io.WriteString(w, out)
	return err
}
