package main

import (
	"encoding/json"
	"fmt"
	"strconv"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/hxp-enterprise/hxp/internal/app"
)

func capacityCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "capacity", Short: "How many machines the load needs, and what if", Args: noVerb,
		Example: "  hxp capacity show\n  hxp capacity simulate --traffic 2\n  hxp capacity simulate --lost 1",
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	cmd.AddCommand(capacityShow(), capacitySimulate())
	return cmd
}

func capacityShow() *cobra.Command {
	cmd := askingCommand(app.BatchProcessingAPI, "show", "Show what the stored hours say about capacity", "  hxp capacity show\n  hxp capacity show --json", noArgs,
		func(cmd *cobra.Command, api *app.Asked, _ []string) error {
			if asJSON, _ := cmd.Flags().GetBool("json"); asJSON {
				var raw json.RawMessage
				if err := api.Capacity(cmd.Context(), &raw); err != nil {
					return err
				}
				return printJSON(cmd, raw)
			}
			var plan app.CapacityPlan
			if err := api.Capacity(cmd.Context(), &plan); err != nil {
				return err
			}
			return printPlan(cmd, plan)
		})
	cmd.Long = "Shows how many machines the load of the next week asks for and why, where models break, and what there is too little data for."
	return cmd
}

func printPlan(cmd *cobra.Command, plan app.CapacityPlan) error {
	out := cmd.OutOrStdout()
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "MODEL\tMACHINES\tNEEDED\tBINDING\tDEMAND/H\tCARRIES/H\tDAYS LEFT\tCONFIDENCE\tUSD/MONTH")
	for _, r := range plan.Recommendations {
		days, cost := "-", "-"
		if e := r.Exhaustion; e != nil {
			if days = "now"; e.Days > 0 {
				days = fmt.Sprintf("%.0f (%.0f to %.0f)", e.Days, e.Lo, e.Hi)
			}
		}
		if r.CostDelta != nil {
			cost = fmt.Sprintf("%+.2f", *r.CostDelta)
		}
		fmt.Fprintf(w, "%s\t%d\t%d\t%s\t%.0f\t%.0f\t%s\t%.2f\t%s\n", r.Model, r.Current, r.Recommended, r.Binding, r.Demand, r.Carries, days, r.Confidence, cost)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, r := range plan.Recommendations {
		fmt.Fprintf(out, "%s: %s\n", r.Model, r.Reason)
	}
	for _, s := range plan.Saturation {
		if s.Knee != nil {
			fmt.Fprintf(out, "%s breaks at %.3g requests a second (%.3g to %.3g)\n", s.Model, s.Knee.Load, s.Knee.Lo, s.Knee.Hi)
		}
	}
	for _, p := range plan.Phases {
		if p.Knee != nil {
			fmt.Fprintf(out, "%s: %s breaks at %.3g tokens a second (%.3g to %.3g), %.0f a request\n", p.Model, p.Phase, p.Knee.Load, p.Knee.Lo, p.Knee.Hi, p.Tokens)
		}
	}
	if l := plan.Law; l != nil {
		fmt.Fprintf(out, "scaling: contention %.3g, coherency %.3g, fit %.2f", l.Sigma, l.Kappa, l.Fit)
		if l.Most != nil {
			fmt.Fprintf(out, "; beyond %.0f machines more carry less", *l.Most)
		}
		fmt.Fprintln(out)
	}
	for _, a := range plan.Alerts {
		fmt.Fprintf(out, "%s: %s: %s\n", a.Severity, a.Model, a.Text)
	}
	return printLacking(cmd, plan.Insufficient)
}

func printLacking(cmd *cobra.Command, lacking []app.Lacking) error {
	for _, l := range lacking {
		if _, err := fmt.Fprintf(cmd.OutOrStdout(), "insufficient data for %s: %d of %d days\n", l.What, l.Have, l.Need); err != nil {
			return err
		}
	}
	return nil
}

func capacitySimulate() *cobra.Command {
	cmd := askingCommand(app.BatchProcessingAPI, "simulate", "Tell what would become of the load if traffic grew or machines were lost",
		"  hxp capacity simulate --traffic 2               traffic doubles\n  hxp capacity simulate --lost 1                  one machine is lost\n  hxp capacity simulate --traffic 1.3 --lost 1 --model llama-3 --json", noArgs,
		func(cmd *cobra.Command, api *app.Asked, _ []string) error {
			traffic, _ := cmd.Flags().GetFloat64("traffic")
			lost, _ := cmd.Flags().GetInt("lost")
			if !(traffic >= 0) || lost < 0 {
				return usage(fmt.Errorf("%s: --traffic and --lost are not below 0", cmd.CommandPath()))
			}
			s, err := api.Suppose(cmd.Context(), traffic, lost, cmd.Flag("model").Value.String())
			if err != nil {
				return err
			}
			return printSupposition(cmd, s)
		})
	cmd.Long = "Takes the recommendations of the analysis and supposes another load, or fewer machines: does the busiest hour of the next week still fit,\n" +
		"and how many machines would be missing? Exit code 1 when something would break."
	cmd.Flags().Float64("traffic", 1, "times the load that is forecast")
	cmd.Flags().Int("lost", 0, "machines that are lost")
	cmd.Flags().String("model", "", "only this model; _all for all together")
	return cmd
}

func printSupposition(cmd *cobra.Command, s app.Supposition) error {
	breaks := false
	if err := printAs(cmd, s, func(w *tabwriter.Writer) {
		fmt.Fprintln(w, "MODEL\tVERDICT\tMACHINES LEFT\tMISSING\tDEMAND/H\tCARRIES/H\tUSE\tBINDING")
		for _, o := range s.Outcomes {
			use := "-"
			if o.Use != nil {
				use = strconv.FormatFloat(100**o.Use, 'f', 0, 64) + " %"
			}
			missing := strconv.Itoa(o.Missing)
			if o.Beyond {
				missing = "no number helps"
			}
			fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%.0f\t%.0f\t%s\t%s\n", o.Model, o.Verdict, o.Left, missing, o.Demand, o.Carries, use, o.Binding)
		}
	}); err != nil {
		return err
	}
	for _, o := range s.Outcomes {
		breaks = breaks || o.Verdict == "breaks"
	}
	if asJSON, _ := cmd.Flags().GetBool("json"); !asJSON {
		if err := printLacking(cmd, s.Insufficient); err != nil {
			return err
		}
	}
	if breaks {
		return &exitError{code: 1}
	}
	return nil
}
