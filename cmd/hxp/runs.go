package main

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/hxp-enterprise/hxp/internal/app"
)

func runsCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "runs", Short: "Runs of batch work: list, show, logs, cancel", Args: noVerb,
		Example: "  hxp runs list --state failed\n  hxp runs logs accept-by-hand",
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	list := batchCommand("list", "List the newest runs of all DAGs", "  hxp runs list --state running --json", noArgs,
		func(cmd *cobra.Command, c *app.BatchClient, _ []string) error { return listRuns(cmd, c, "") })
	runListFlags(list)
	cmd.AddCommand(list, runsShow(), runsLogs(), runsCancel())
	return cmd
}

func runListFlags(cmd *cobra.Command) {
	cmd.Flags().String("state", "", "only queued, running, success, failed or cancelled ones")
	cmd.Flags().Int("limit", 20, "how many, at most 1000")
}

func listRuns(cmd *cobra.Command, c *app.BatchClient, dag string) error {
	state, _ := cmd.Flags().GetString("state")
	limit, _ := cmd.Flags().GetInt("limit")
	runs, err := c.Runs(cmd.Context(), dag, state, limit)
	if err != nil {
		return err
	}
	return printAs(cmd, map[string]any{"runs": runs}, func(w *tabwriter.Writer) {
		fmt.Fprintln(w, "RUN\tSTATE\tSTART\tEND\tTOOK\tTASKS")
		for i := range runs {
			r := &runs[i]
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", r.ID, r.State, stamp(&r.Start), stamp(&r.End), took(r.StartedAt, r.EndedAt), taskStates(r))
		}
	})
}

func took(from, to *time.Time) string {
	if from == nil || to == nil {
		return "-"
	}
	return to.Sub(*from).Round(time.Millisecond).String()
}

func taskStates(r *app.BatchRun) string {
	var out []string
	for _, t := range r.Tasks {
		out = append(out, t.TaskID+"="+string(t.State))
	}
	return strings.Join(out, " ")
}

func showRun(cmd *cobra.Command, r *app.BatchRun) error {
	return printAs(cmd, r, func(w *tabwriter.Writer) {
		fmt.Fprintf(w, "run\t%s\ndag\t%s\nstate\t%s\ninterval\t%s to %s\n", r.ID, r.DagID, r.State, stamp(&r.Start), stamp(&r.End))
		fmt.Fprintf(w, "type\t%s, by %s\nstarted\t%s\nended\t%s\n", r.Trigger, r.TriggeredBy, stamp(r.StartedAt), stamp(r.EndedAt))
		if r.Progress.Total > 0 {
			fmt.Fprintf(w, "progress\t%d of %d %s\n", r.Progress.Done, r.Progress.Total, r.Progress.Unit)
		}
		if r.Note != "" {
			fmt.Fprintf(w, "note\t%s\n", r.Note)
		}
		if r.Error != "" {
			fmt.Fprintf(w, "error\t%s\n", r.Error)
		}
		for _, t := range r.Tasks {
			fmt.Fprintf(w, "task\t%s is %s, try %d, took %s\n", t.TaskID, t.State, t.Try, took(t.StartedAt, t.EndedAt))
			if len(t.Summary) > 0 {
				fmt.Fprintf(w, "\t%s\n", t.Summary)
			}
		}
	})
}

func runsShow() *cobra.Command {
	return batchCommand("show RUN", "Show a run with its tasks", "  hxp runs show accept-by-hand --json", exactly("a run"), func(cmd *cobra.Command, c *app.BatchClient, args []string) error {
		r, err := c.Run(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		return showRun(cmd, &r)
	})
}

func runsLogs() *cobra.Command {
	cmd := batchCommand("logs RUN", "Show what a run did, step by step", "  hxp runs logs accept-by-hand --task hourly_aggregation --try 2", exactly("a run"),
		func(cmd *cobra.Command, c *app.BatchClient, args []string) error {
			task, _ := cmd.Flags().GetString("task")
			try, _ := cmd.Flags().GetInt("try")
			lines, err := c.Logs(cmd.Context(), args[0], task, try)
			if err != nil {
				return err
			}
			return printAs(cmd, map[string]any{"logs": lines}, func(w *tabwriter.Writer) {
				for _, l := range lines {
					fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", l.At.UTC().Format("2006-01-02T15:04:05.000Z"), strings.ToUpper(l.Level), l.TaskID, l.Event)
				}
			})
		})
	cmd.Flags().String("task", "", "only this task")
	cmd.Flags().Int("try", 0, "only this try of the task; the last one when absent")
	return cmd
}

func runsCancel() *cobra.Command {
	return batchCommand("cancel RUN", "End a run that waits or executes", "  hxp runs cancel accept-by-hand", exactly("a run"), func(cmd *cobra.Command, c *app.BatchClient, args []string) error {
		r, err := c.CancelRun(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		return printAs(cmd, r, func(w *tabwriter.Writer) { fmt.Fprintf(w, "%s is %s\n", r.ID, r.State) })
	})
}
