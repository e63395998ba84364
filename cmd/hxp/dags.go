package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/hxp-enterprise/hxp/internal/app"
)

// filters are the flags of these names that were given, as parameters of the same names.
func filters(cmd *cobra.Command, names ...string) url.Values {
	q := url.Values{}
	for _, name := range names {
		if v := cmd.Flag(name).Value.String(); v != "" {
			q.Set(name, v)
		}
	}
	return q
}

// askingCommand is a command that talks to a running service.
func askingCommand(service, use, short, example string, args cobra.PositionalArgs, run func(cmd *cobra.Command, a *app.Asked, args []string) error) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Example: example, Args: args, RunE: func(cmd *cobra.Command, args []string) error {
		return asking(cmd, service, func(a *app.Asked) error { return run(cmd, a, args) })
	}}
	cmd.Flags().String("url", "", "base URL of "+service+"; where the configuration says when absent")
	cmd.Flags().Bool("json", false, "as JSON")
	configFlags(cmd.Flags())
	return cmd
}

// asking runs with the API of the service that the flags of a command name.
func asking(cmd *cobra.Command, service string, run func(a *app.Asked) error) error {
	cfg, err := settings(cmd)
	if err != nil {
		return err
	}
	base, _ := cmd.Flags().GetString("url")
	a, err := app.Ask(cfg, service, base)
	if err != nil {
		return usage(err)
	}
	return run(a)
}

// batchCommand is a command that talks to the batch service.
func batchCommand(use, short, example string, args cobra.PositionalArgs, run func(cmd *cobra.Command, c *app.BatchClient, args []string) error) *cobra.Command {
	return askingCommand(app.BatchProcessingAPI, use, short, example, args, func(cmd *cobra.Command, a *app.Asked, args []string) error {
		return run(cmd, &app.BatchClient{Asked: a}, args)
	})
}

// exactly refuses any other number of arguments and says what is asked for.
func exactly(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != len(names) || slices.Contains(args, "") { // as where a list that was to tell it is empty
			return usage(fmt.Errorf("%s: give %s", cmd.CommandPath(), strings.Join(names, " and ")))
		}
		return nil
	}
}

// printAs prints v as JSON where that was asked for, else by text.
func printAs(cmd *cobra.Command, v any, text func(w *tabwriter.Writer)) error {
	if asJSON, _ := cmd.Flags().GetBool("json"); asJSON {
		return printJSON(cmd, v)
	}
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
	text(w)
	return w.Flush()
}

func dagsCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "dags", Short: "Schedules of batch work: list, run, pause, backfill", Args: noVerb,
		Example: "  hxp dags list\n  hxp dags trigger hxp_hourly_aggregation --wait\n  hxp dags backfill hxp_daily_aggregation --from 2026-01-01 --to 2026-02-01",
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	cmd.AddCommand(dagsListCommand(), dagsShowCommand(), dagsTriggerCommand(), dagsRunsCommand(), dagsBackfillCommand(), dagsPauseCommand(true), dagsPauseCommand(false))
	return cmd
}

func dagsListCommand() *cobra.Command {
	return batchCommand("list", "List the DAGs", "  hxp dags list --json", noArgs, func(cmd *cobra.Command, c *app.BatchClient, _ []string) error {
		dags, err := c.DAGs(cmd.Context())
		if err != nil {
			return err
		}
		return printAs(cmd, map[string]any{"dags": dags}, func(w *tabwriter.Writer) {
			fmt.Fprintln(w, "DAG\tCRON\tPAUSED\tNEXT RUN\tTASKS")
			for _, d := range dags {
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", d.ID, d.Cron, yes(d.Paused), stamp(&d.NextRun), chain(&d))
			}
		})
	})
}

// chain shows the tasks of a DAG in their order.
func chain(d *app.DAG) string {
	var names []string
	for _, t := range d.Tasks {
		names = append(names, t.ID)
	}
	return strings.Join(names, " > ")
}

func yes(b bool) string { return map[bool]string{true: "yes", false: "no"}[b] }

// stamp writes a time as people read it, in UTC.
func stamp(t *time.Time) string {
	if t == nil || t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02 15:04:05Z")
}

func dagsShowCommand() *cobra.Command {
	return batchCommand("show DAG", "Describe one DAG", "  hxp dags show hxp_daily_aggregation", exactly("a DAG"), func(cmd *cobra.Command, c *app.BatchClient, args []string) error {
		d, err := c.DAG(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		return printAs(cmd, d, func(w *tabwriter.Writer) {
			fmt.Fprintf(w, "dag\t%s\n\t%s\n", d.ID, d.Description)
			fmt.Fprintf(w, "cron\t%s (%s)\npaused\t%s\n", d.Cron, d.Timezone, yes(d.Paused))
			if d.Disabled {
				fmt.Fprintf(w, "disabled\tby data_aggregation.enabled or data_aggregation.intervals\n")
			}
			fmt.Fprintf(w, "next run\t%s\nnext interval\t%s to %s\n", stamp(&d.NextRun), stamp(&d.NextStart), stamp(&d.NextEnd))
			fmt.Fprintf(w, "catch up\t%s\nactive runs\tat most %d\n", d.CatchUp, d.MaxActive)
			fmt.Fprintf(w, "retries\t%d, %d s apart\ntimeout\t%d s\ndeadline\t%d s\n", d.Retries, d.RetryDelay, d.Timeout, d.Deadline)
			for _, t := range d.Tasks {
				after := ""
				if len(t.DependsOn) > 0 {
					after = " (after " + strings.Join(t.DependsOn, ", ") + ")"
				}
				fmt.Fprintf(w, "task\t%s%s\n", t.ID, after)
			}
		})
	})
}

func dagsTriggerCommand() *cobra.Command {
	cmd := batchCommand("trigger DAG", "Run a DAG, for the last whole interval when none is named",
		"  hxp dags trigger hxp_hourly_aggregation --wait\n  hxp dags trigger hxp_daily_aggregation --start 2026-03-01 --end 2026-03-02 --run-id again-after-repair",
		exactly("a DAG"), func(cmd *cobra.Command, c *app.BatchClient, args []string) error {
			fields := map[string]any{}
			for flag, field := range map[string]string{"start": "data_interval_start", "end": "data_interval_end", "run-id": "run_id", "note": "note"} {
				if v, _ := cmd.Flags().GetString(flag); v != "" {
					fields[field] = v
				}
			}
			if err := times(fields, "data_interval_start", "data_interval_end"); err != nil {
				return err
			}
			if conf, _ := cmd.Flags().GetString("conf"); conf != "" {
				if !json.Valid([]byte(conf)) {
					return usage(fmt.Errorf("--conf is no JSON object: %s", conf))
				}
				fields["conf"] = json.RawMessage(conf)
			}
			r, err := c.Trigger(cmd.Context(), args[0], fields)
			if err != nil {
				return err
			}
			if wait, _ := cmd.Flags().GetBool("wait"); wait {
				if r, err = c.AwaitRun(cmd.Context(), r); err != nil {
					return err
				}
			}
			if err := showRun(cmd, &r); err != nil {
				return err
			}
			return failed(&r)
		})
	f := cmd.Flags()
	f.String("start", "", "start of the interval, RFC 3339 or a date")
	f.String("end", "", "end of the interval, exclusive")
	f.String("run-id", "", "id of the run; one that exists is not run again")
	f.String("note", "", "note on the run")
	f.String("conf", "", "JSON object that the run carries")
	f.Bool("wait", false, "return when the run is over; exit code 1 when it failed")
	return cmd
}

// times turns dates among fields into RFC 3339 times.
func times(fields map[string]any, names ...string) error {
	for _, name := range names {
		text, given := fields[name].(string)
		if !given {
			continue
		}
		t, err := time.Parse(time.DateOnly, text)
		if err != nil {
			if t, err = time.Parse(time.RFC3339, text); err != nil {
				return usage(fmt.Errorf("%q is no time such as 2026-03-01T10:00:00Z or 2026-03-01", text))
			}
		}
		fields[name] = t.UTC().Format(time.RFC3339Nano)
	}
	return nil
}

// failed is the error of a run that ended otherwise than well.
func failed(r *app.BatchRun) error {
	if r.State.Final() && r.State != "success" {
		return fmt.Errorf("run %s is %s: %s", r.ID, r.State, r.Error)
	}
	return nil
}

func dagsRunsCommand() *cobra.Command {
	cmd := batchCommand("runs DAG", "List the newest runs of a DAG", "  hxp dags runs hxp_hourly_aggregation --state failed", exactly("a DAG"),
		func(cmd *cobra.Command, c *app.BatchClient, args []string) error { return listRuns(cmd, c, args[0]) })
	runListFlags(cmd)
	return cmd
}

func dagsPauseCommand(paused bool) *cobra.Command {
	use, short := "pause DAG", "Keep a DAG from starting anything"
	if !paused {
		use, short = "unpause DAG", "Let a DAG go on; what was missed is made up for"
	}
	return batchCommand(use, short, "  hxp dags "+strings.Fields(use)[0]+" hxp_weekly_aggregation", exactly("a DAG"), func(cmd *cobra.Command, c *app.BatchClient, args []string) error {
		d, err := c.SetPaused(cmd.Context(), args[0], paused)
		if err != nil {
			return err
		}
		return printAs(cmd, d, func(w *tabwriter.Writer) { fmt.Fprintf(w, "%s is paused: %s\n", d.ID, yes(d.Paused)) })
	})
}

func dagsBackfillCommand() *cobra.Command {
	cmd := batchCommand("backfill DAG", "Run a DAG for every interval that starts in a range",
		"  hxp dags backfill hxp_hourly_aggregation --from 2026-01-01 --to 2026-02-01 --dry-run\n  hxp dags backfill hxp_daily_aggregation --from 2026-01-01 --to 2026-02-01 --reprocess completed",
		exactly("a DAG"), func(cmd *cobra.Command, c *app.BatchClient, args []string) error {
			f := cmd.Flags()
			from, _ := f.GetString("from")
			to, _ := f.GetString("to")
			if from == "" || to == "" {
				return usage(errors.New("hxp dags backfill: give --from and --to"))
			}
			reprocess, _ := f.GetString("reprocess")
			backwards, _ := f.GetBool("backwards")
			active, _ := f.GetInt("max-active-runs")
			fields := map[string]any{"from": from, "to": to, "reprocess": reprocess, "run_backwards": backwards, "max_active_runs": active}
			if err := times(fields, "from", "to"); err != nil {
				return err
			}
			if dry, _ := f.GetBool("dry-run"); dry {
				return planBackfill(cmd, c, args[0], fields)
			}
			return runBackfill(cmd, c, args[0], fields)
		})
	f := cmd.Flags()
	f.String("from", "", "start of the range, RFC 3339 or a date")
	f.String("to", "", "end of the range, exclusive")
	f.String("reprocess", "none", "none: intervals without a run; failed: also those whose last run failed; completed: all")
	f.Bool("dry-run", false, "only say what would be run")
	f.Bool("backwards", false, "newest interval first")
	f.Bool("no-wait", false, "return at once")
	f.Int("max-active-runs", 10, "runs under way at the same time")
	return cmd
}

func planBackfill(cmd *cobra.Command, c *app.BatchClient, dag string, fields map[string]any) error {
	p, err := c.PlanBackfill(cmd.Context(), dag, fields)
	if err != nil {
		return err
	}
	return printAs(cmd, p, func(w *tabwriter.Writer) {
		fmt.Fprintln(w, "START\tEND\tACTION\tREASON")
		for _, r := range p.Runs {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", stamp(&r.Start), stamp(&r.End), r.Action, r.Reason)
		}
		fmt.Fprintf(w, "%d runs\n", p.Total)
	})
}

func runBackfill(cmd *cobra.Command, c *app.BatchClient, dag string, fields map[string]any) error {
	b, err := c.CreateBackfill(cmd.Context(), dag, fields)
	if err != nil {
		return err
	}
	if detach, _ := cmd.Flags().GetBool("no-wait"); !detach {
		p := newProgress(cmd.ErrOrStderr(), "runs")
		if b, err = c.AwaitBackfill(cmd.Context(), b, func(b app.Backfill) { p.show(b.Done+b.Failed+b.Cancelled, b.Total) }); err != nil {
			return fmt.Errorf("%w; the backfill goes on as GET /backfills/%d shows", err, b.ID)
		}
	}
	if err := printAs(cmd, b, func(w *tabwriter.Writer) {
		fmt.Fprintf(w, "backfill %d of %s is %s: %d of %d runs done, %d failed\n", b.ID, b.DagID, b.State, b.Done, b.Total, b.Failed)
	}); err != nil {
		return err
	}
	if b.State.Final() && b.State != "success" {
		return fmt.Errorf("backfill %d is %s; hxp dags runs %s --state failed lists what failed", b.ID, b.State, b.DagID)
	}
	return nil
}
