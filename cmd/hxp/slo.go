package main

import (
	"errors"
	"fmt"
	"net/url"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/hxp-enterprise/hxp/internal/app"
)

func sloCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "slo", Short: "Service level objectives: what share of the events must be good, and what is left of the budget", Args: noVerb,
		Long: "Objectives are defined under slos: in slos/*.yaml or rules/*.yaml of the configuration; two come with hxp. hxp rules test FILE runs the tests\n" +
			"that they carry, hxp rules schema has their keys. list and show talk to event-processing-api.",
		Example: `  hxp slo list                             how they stand, by model
  hxp slo list --model llama-70b --json
  hxp slo show availability                how one is defined, and how it stands
  hxp slo prometheus > slo.rules.yaml      the same objectives as rules of Prometheus

  # slos/chat.yaml
  slos:
    - name: chat-ttft
      indicator: ttft          # availability, ttft, inter_token, latency, cost, satisfaction
      limit: 500               # ms
      when: data.model == "llama-70b"
      objective: 0.95
      group_by: [model, tenant]`,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	cmd.AddCommand(sloList(), sloShow(), sloPrometheus())
	return cmd
}

func sloList() *cobra.Command {
	cmd := askingCommand(app.EventProcessingAPI, "list", "List how objectives stand, for each key", "  hxp slo list\n  hxp slo list --name ttft --tenant acme --json", noArgs,
		func(cmd *cobra.Command, api *app.Asked, _ []string) error {
			q := filters(cmd, "name", "model", "tenant")
			list, err := api.Objectives(cmd.Context(), q)
			if err != nil {
				return err
			}
			return printAs(cmd, map[string]any{"slos": list}, func(w *tabwriter.Writer) { listObjectives(w, list) })
		})
	f := cmd.Flags()
	f.String("name", "", "only the objective of this name")
	f.String("model", "", "only those of this model")
	f.String("tenant", "", "only those of this tenant")
	return cmd
}

func listObjectives(w *tabwriter.Writer, list []app.Objective) {
	fmt.Fprintln(w, "NAME\tKEY\tOBJECTIVE\tGOOD\tTOTAL\tSHARE\tBUDGET LEFT\tPERIOD COUNTED\tSPENT TOO FAST OVER")
	for i := range list {
		o := &list[i]
		fmt.Fprintf(w, "%s\t%s\t%v\t%d\t%d\t%.6f\t%.1f %%\t%.0f %%\t%s\n", o.Name, pairs(o.Key), o.Objective, o.Good, o.Total, float64(o.Good)/float64(o.Total), 100*o.Budget.Remaining, 100*o.Complete, tooFast(o))
	}
}

// tooFast names the windows over which a budget is spent too fast.
func tooFast(o *app.Objective) string {
	text := ""
	for _, b := range o.Burn {
		if b.Holds {
			text += fmt.Sprintf("%s and %s (%s) ", b.Long, b.Short, b.Class)
		}
	}
	return text
}

func sloShow() *cobra.Command {
	return askingCommand(app.EventProcessingAPI, "show NAME", "Show how an objective is defined, as YAML, and how it stands", "  hxp slo show availability\n  hxp slo show ttft --json", exactly("an objective"),
		func(cmd *cobra.Command, api *app.Asked, args []string) error {
			one, err := api.SLO(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			list, err := api.Objectives(cmd.Context(), url.Values{"name": {args[0]}})
			if err != nil {
				return err
			}
			if asJSON, _ := cmd.Flags().GetBool("json"); !asJSON {
				if _, err := fmt.Fprintf(cmd.OutOrStdout(), "%s# rule: %s\n", one.Definition.YAML(), one.Rule); err != nil {
					return err
				}
			}
			return printAs(cmd, map[string]any{"name": one.Name, "rule": one.Rule, "definition": one.Definition, "slos": list}, func(w *tabwriter.Writer) { listObjectives(w, list) })
		})
}

func sloPrometheus() *cobra.Command {
	cmd := &cobra.Command{Use: "prometheus [FILE|-]…", Short: "Print rules of Prometheus for the objectives",
		Long: "Prints a rule file: burn rates over the windows of the SRE workbook, what is left of the budgets, and the alerts that hxp makes itself. It stands on\n" +
			"slo_events_total and slo_good_events_total, which event-processing-api exports. Without files it is about the objectives of the configuration and\n" +
			"those that come with hxp; it needs no running hxp. GET /slo/prometheus has those that count there.",
		Example: "  hxp slo prometheus > slo.rules.yaml && promtool check rules slo.rules.yaml\n  hxp slo prometheus slos/chat.yaml",
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := settings(cmd)
			if err != nil {
				return err
			}
			files, err := readRuleFiles(cmd.InOrStdin(), args)
			if err != nil {
				return err
			}
			asJSON, _ := cmd.Flags().GetBool("json")
			err = app.PrometheusRules(cfg, files, asJSON, cmd.OutOrStdout(), cmd.ErrOrStderr())
			if errors.Is(err, app.ErrRules) {
				return &exitError{code: 1}
			}
			return err
		}}
	cmd.Flags().Bool("json", false, "as JSON, which Prometheus reads as well")
	configFlags(cmd.Flags())
	return cmd
}
