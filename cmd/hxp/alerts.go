package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/hxp-enterprise/hxp/internal/app"
)

func alertsCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "alerts", Short: "Alerts: what rules saw, and since when", Args: noVerb,
		Long:    "These commands talk to event-processing-api.",
		Example: "  hxp alerts list --state firing\n  hxp alerts list --rule error-burst --since 24h --json\n  hxp alerts show 5f0c9a",
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	cmd.AddCommand(alertsList(), alertsShow())
	return cmd
}

func alertsList() *cobra.Command {
	cmd := askingCommand(app.EventProcessingAPI, "list", "List alerts, those that began last first", "  hxp alerts list --state firing,pending\n  hxp alerts list --severity critical --since 2026-03-01T10:00:00Z --json", noArgs,
		func(cmd *cobra.Command, api *app.Asked, _ []string) error {
			q := filters(cmd, "state", "rule", "severity")
			since, err := momentOf(cmd.Flag("since").Value.String(), time.Now())
			if err != nil {
				return usage(fmt.Errorf("hxp alerts list: --since %w", err))
			}
			if !since.IsZero() {
				q.Set("since", since.Format(time.RFC3339))
			}
			limit, _ := cmd.Flags().GetInt("limit")
			if limit < 0 {
				return usage(fmt.Errorf("--limit %d: give how many alerts, 0 for all", limit))
			}
			list, err := api.Alerts(cmd.Context(), q, limit)
			if err != nil {
				return err
			}
			return printAs(cmd, map[string]any{"alerts": list}, func(w *tabwriter.Writer) {
				listAlerts(w, list)
			})
		})
	f := cmd.Flags()
	f.String("state", "", strings.Join(app.AlertStates, ", ")+", or several separated by commas")
	f.String("rule", "", "only alerts of this rule")
	f.String("severity", "", strings.Join(app.Severities, ", ")+", or several separated by commas")
	f.String("since", "", "only alerts that began at this time (RFC 3339) or later, or so long ago (24h)")
	f.Int("limit", 100, "how many; 0 for all")
	complete(cmd, "state", app.AlertStates)
	complete(cmd, "severity", app.Severities)
	return cmd
}

func listAlerts(w *tabwriter.Writer, list []*app.ListedAlert) {
	fmt.Fprintln(w, "STARTS\tSTATE\tSEVERITY\tRULE\tKEY\tVALUE\tTHRESHOLD\tID")
	for _, a := range list {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%.6g\t%.6g\t%s\n", a.StartsAt.Format(time.RFC3339), a.State, a.Severity, a.Rule, pairs(a.Key), a.Value, a.Threshold, a.ID)
	}
}

func alertsShow() *cobra.Command {
	return askingCommand(app.EventProcessingAPI, "show ID", "Show an alert with the window, the numbers and examples behind it", "  hxp alerts show 5f0c9a", exactly("an id"), func(cmd *cobra.Command, api *app.Asked, args []string) error {
		a, err := api.Alert(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		return printAs(cmd, a, func(w *tabwriter.Writer) {
			fmt.Fprintf(w, "alert\t%s\nrule\t%s\nstate\t%s\nseverity\t%s\nkey\t%s\nstarts\t%s\n", a.ID, a.Rule, a.State, a.Severity, pairs(a.Key), a.StartsAt.Format(time.RFC3339Nano))
			if a.EndsAt != nil {
				fmt.Fprintf(w, "ends\t%s\n", a.EndsAt.Format(time.RFC3339Nano))
			}
			fmt.Fprintf(w, "window\t%s to %s\nvalue\t%.6g\nthreshold\t%.6g\nlabels\t%s\n", a.Window.Start.Format(time.RFC3339), a.Window.End.Format(time.RFC3339), a.Value, a.Threshold, pairs(a.Labels))
			for _, name := range slices.Sorted(maps.Keys(a.Annotations)) {
				fmt.Fprintf(w, "%s\t%s\n", name, a.Annotations[name])
			}
			for _, s := range a.Top {
				fmt.Fprintf(w, "of these\t%.0f %% %s=%s\n", 100*s.Share, s.Field, s.Value)
			}
			if len(a.RequestIDs) > 0 {
				fmt.Fprintf(w, "requests\t%s\n", strings.Join(a.RequestIDs, " "))
			}
		})
	})
}

// pairs writes names and values in the order of the names.
func pairs(m map[string]string) string {
	out := make([]string, 0, len(m))
	for _, name := range slices.Sorted(maps.Keys(m)) {
		out = append(out, name+"="+m[name])
	}
	return strings.Join(out, " ")
}

// momentOf reads a time in RFC 3339, or how long ago it was; "" is none.
func momentOf(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if ago, err := time.ParseDuration(text); err == nil && ago > 0 {
		return now.Add(-ago).UTC(), nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return t, fmt.Errorf("%q is neither a time such as 2026-03-01T10:00:00Z nor a duration such as 24h", text)
	}
	return t, nil
}

// complete offers words for the value of a flag.
func complete(cmd *cobra.Command, flag string, words []string) {
	_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)) // the flag is there
}
