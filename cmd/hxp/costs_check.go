package main

import (
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/hxp-enterprise/hxp/internal/app"
)

// The questions that check costs: what an accepted answer costs, and whether gateways and engines count the same.

func costsAccepted() *cobra.Command {
	cmd := &cobra.Command{Use: "accepted", Short: "Show what an accepted answer costs, by model", Args: noArgs,
		Long:    "Shows what the requests that users judged cost, by those that they accepted: a thumb up, or a score of 4 or 5 and no thumb down.\nA model of whose judged requests some have no price has no cost of an answer.",
		Example: "  hxp costs accepted\n  hxp costs accepted --from 2026-03-01 --to 2026-04-01\n  hxp costs accepted --json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := shown(cmd, (*app.Asked).Accepted, func(w io.Writer, _ app.CostQuery, a app.Accepted) {
				fmt.Fprintln(w, "MODEL\tJUDGED\tACCEPTED\tRATE\tUNPRICED\tCOST USD\tUSD PER ACCEPTED ANSWER")
				for _, m := range a.Models {
					each := "-"
					if m.Each != nil {
						each = strconv.FormatFloat(*m.Each, 'f', 6, 64)
					}
					fmt.Fprintf(w, "%s\t%d\t%d\t%.1f%%\t%d\t%s\t%s\n", m.Model, m.Judged, m.Accepted, m.Rate*100, m.Unpriced, dollars(m.CostUSD), each)
				}
				fmt.Fprintf(cmd.ErrOrStderr(), "hxp: %d of %d judgements lie in the hour of their request\n", a.Matched, a.Judged)
			})
			return err
		}}
	timeFlags(cmd)
	cmd.Flags().Bool("json", false, "as JSON")
	return cmd
}

func costsReconcile() *cobra.Command {
	cmd := &cobra.Command{Use: "reconcile", Short: "Compare the tokens of requests with those that engines counted", Args: noArgs,
		Long: "Compares, for each hour with samples of engines, the tokens that requests tell with those that the engines counted (prompt_tokens_per_second and\n" +
			"generation_tokens_per_second of system metrics). A ratio well above 1 is work that nobody is charged for; below 1, requests that no scraped engine served.\n" +
			"With --within the exit code is 1 when a ratio of all hours together is farther from 1 than that.",
		Example: "  hxp costs reconcile --from 2026-03-01 --to 2026-03-02\n  hxp costs reconcile --within 5% && echo in order\n  hxp costs reconcile --json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			within, err := percentFlag(cmd, "within")
			if err != nil {
				return usage(err)
			}
			a, err := shown(cmd, (*app.Asked).Reconciliation, func(w io.Writer, _ app.CostQuery, a app.Reconciliation) {
				fmt.Fprintln(w, "HOUR\tENGINES\tGATEWAY PROMPT\tENGINE PROMPT\tRATIO\tGATEWAY ANSWER\tENGINE ANSWER\tRATIO")
				for _, h := range append(a.Hours, a.Total) {
					hour := "total"
					if h.Hour != nil {
						hour = moment(*h.Hour)
					}
					fmt.Fprintf(w, "%s\t%d\t%d\t%.0f\t%s\t%d\t%.0f\t%s\n", hour, h.Engines, h.GatewayPrompt, h.EnginePrompt, money(h.PromptRatio), h.GatewayCompletion, h.EngineCompletion, money(h.CompletionRatio))
				}
			})
			if err != nil {
				return err
			}
			return a.Total.Judge(within)
		}}
	timeFlags(cmd)
	cmd.Flags().String("within", "", "how far a ratio may be from 1, such as 5% or 0.05; nothing is judged when not given")
	cmd.Flags().Bool("json", false, "as JSON")
	return cmd
}

// percentFlag reads a share as a percentage or a number from 0 to 1; negative when the flag is not given.
func percentFlag(cmd *cobra.Command, name string) (float64, error) {
	text, _ := cmd.Flags().GetString(name)
	if text == "" {
		return -1, nil
	}
	number, unit := text, 1.0
	if n := len(text) - 1; text[n] == '%' {
		number, unit = text[:n], 100
	}
	f, err := strconv.ParseFloat(number, 64)
	if f /= unit; err != nil || !(f >= 0 && f <= 1) {
		return 0, fmt.Errorf("--%s %q: give a share such as 5%% or 0.05", name, text)
	}
	return f, nil
}
