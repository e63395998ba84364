package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/hxp-enterprise/hxp/internal/app"
)

func responsesCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "responses", Short: "What is done about alerts: list, approve, dismiss, revert, audit, kill switch", Args: noVerb,
		Long: "Rules can propose or make changes of configured targets. These commands talk to event-processing-api.",
		Example: "  hxp responses list --state proposed\n  hxp responses approve 5f0c… --reason \"seen it\"\n  hxp responses revert 5f0c…\n" +
			"  hxp responses audit --verify\n  hxp responses kill-switch on --reason \"maintenance\"",
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	cmd.AddCommand(responsesList(), responsesShow(), responsesDecide("approve", "Let a proposal be carried out"), responsesDecide("dismiss", "End a proposal"),
		responsesDecide("revert", "Take back a change that is in place"), responsesAudit(), responsesSwitch())
	return cmd
}

func responseCommand(use, short, example string, args cobra.PositionalArgs, run func(cmd *cobra.Command, api *app.Asked, args []string) error) *cobra.Command {
	return askingCommand(app.EventProcessingAPI, use, short, example, args, run)
}

func responsesList() *cobra.Command {
	cmd := responseCommand("list", "List responses, the newest first", "  hxp responses list --state proposed\n  hxp responses list --rule error-burst --json", noArgs,
		func(cmd *cobra.Command, api *app.Asked, _ []string) error {
			q := filters(cmd, "state", "rule")
			limit, _ := cmd.Flags().GetInt("limit")
			if limit < 0 {
				return usage(fmt.Errorf("--limit %d: give how many responses, 0 for all", limit))
			}
			list, err := api.Responses(cmd.Context(), q, limit)
			if err != nil {
				return err
			}
			return printAs(cmd, map[string]any{"responses": list}, func(w *tabwriter.Writer) {
				fmt.Fprintln(w, "ID\tSTATE\tRULE\tACTION\tTARGET\tENDPOINT\tUPDATED\tREASON")
				for i := range list {
					r := &list[i]
					fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.ID, r.State, r.Rule, r.Action, r.Target, r.With["endpoint"], moment(r.UpdatedAt), r.Reason)
				}
			})
		})
	cmd.Flags().String("state", "", "only responses in this state, such as proposed")
	cmd.Flags().String("rule", "", "only responses of this rule")
	cmd.Flags().Int("limit", 100, "how many; 0 for all")
	return cmd
}

func moment(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func responsesShow() *cobra.Command {
	return responseCommand("show ID", "Show a response", "  hxp responses show 5f0c…", exactly("an id"), func(cmd *cobra.Command, api *app.Asked, args []string) error {
		r, err := api.Response(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		return showResponse(cmd, &r)
	})
}

func showResponse(cmd *cobra.Command, r *app.Response) error {
	return printAs(cmd, r, func(w *tabwriter.Writer) {
		fmt.Fprintf(w, "response\t%s\nstate\t%s\nreason\t%s\nrule\t%s\naction\t%s\ntarget\t%s\n", r.ID, r.State, r.Reason, r.Rule, r.Action, r.Target)
		if r.Phase != nil {
			fmt.Fprintf(w, "phase\t%s\n", *r.Phase)
		}
		if r.Step != nil {
			fmt.Fprintf(w, "step\t%s\n", *r.Step)
		}
		for _, name := range slices.Sorted(maps.Keys(r.With)) {
			fmt.Fprintf(w, "with %s\t%s\n", name, r.With[name])
		}
		fmt.Fprintf(w, "alert\t%s\nproposed\t%s\n", r.Alert, moment(r.ProposedAt))
		if r.AppliedAt != nil {
			fmt.Fprintf(w, "applied\t%s\n", moment(*r.AppliedAt))
		}
		if r.ExpiresAt != nil {
			fmt.Fprintf(w, "expires\t%s\n", moment(*r.ExpiresAt))
		}
		for _, state := range []struct {
			when string
			is   json.RawMessage
		}{{"before", r.Before}, {"after", r.After}} {
			if len(state.is) > 0 && string(state.is) != "null" { // a target that cannot be seen, or taken back, has none
				fmt.Fprintf(w, "%s\t%s\n", state.when, state.is)
			}
		}
		if r.InPlace {
			fmt.Fprintf(w, "in place\t%s\n", yes(r.InPlace))
		}
	})
}

func responsesDecide(verb, short string) *cobra.Command {
	cmd := responseCommand(verb+" ID", short, "  hxp responses "+verb+" 5f0c… --reason \"seen it\"", exactly("an id"), func(cmd *cobra.Command, api *app.Asked, args []string) error {
		by, reason := word(cmd)
		r, err := api.Decide(cmd.Context(), args[0], verb, by, reason)
		if err != nil {
			return err
		}
		return showResponse(cmd, &r)
	})
	wordFlags(cmd)
	return cmd
}

func wordFlags(cmd *cobra.Command) {
	cmd.Flags().String("reason", "", "why; it stands in the audit log")
	cmd.Flags().String("by", os.Getenv("USER"), "who")
}

func word(cmd *cobra.Command) (by, reason string) {
	by, _ = cmd.Flags().GetString("by")
	reason, _ = cmd.Flags().GetString("reason")
	return by, reason
}

func responsesAudit() *cobra.Command {
	cmd := responseCommand("audit", "Print the audit log, or prove that nothing in it was changed", "  hxp responses audit --limit 20\n  hxp responses audit --json > audit.ndjson\n  hxp responses audit --verify", noArgs,
		func(cmd *cobra.Command, api *app.Asked, _ []string) error {
			if prove, _ := cmd.Flags().GetBool("verify"); prove {
				v, err := api.VerifyAudit(cmd.Context())
				if err != nil {
					return err
				}
				return printProof(cmd, v)
			}
			limit, _ := cmd.Flags().GetInt("limit")
			if limit < 0 {
				return usage(fmt.Errorf("--limit %d: give how many records, 0 for all", limit))
			}
			asJSON, _ := cmd.Flags().GetBool("json")
			return api.Audit(cmd.Context(), limit, func(text json.RawMessage) error {
				if asJSON {
					_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s\n", text)
					return err
				}
				var r app.AuditRecord
				if err := json.Unmarshal(text, &r); err != nil {
					return err
				}
				_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s  %-16s %-24s %s  %s\n", r.At, r.What, r.Response, r.Who, r.Reason)
				return err
			})
		})
	cmd.Long = "Prints a record a line, in the order of the log; with --json each as it was written. With --verify the whole log is read and its\nchain of hashes proved; exit code 1 when it is not as it was written."
	cmd.Flags().Bool("verify", false, "prove the chain")
	cmd.Flags().Int("limit", 0, "how many, from the beginning; 0 for all")
	return cmd
}

func responsesSwitch() *cobra.Command {
	cmd := responseCommand("kill-switch [on|off]", "Show the kill switch, or turn it on or off", "  hxp responses kill-switch\n  hxp responses kill-switch on --reason \"maintenance\"\n  hxp responses kill-switch off", atMostOneOf("on", "off"),
		func(cmd *cobra.Command, api *app.Asked, args []string) error {
			show := api.KillSwitch
			if len(args) == 1 {
				by, reason := word(cmd)
				if _, err := api.SetKillSwitch(cmd.Context(), args[0] == "on", by, reason); err != nil {
					return err
				}
			}
			s, err := show(cmd.Context())
			if err != nil {
				return err
			}
			return printAs(cmd, s, func(w *tabwriter.Writer) {
				fmt.Fprintf(w, "kill switch\t%s\nby API\t%s\nby file\t%s\nby configuration\t%s\nreason\t%s\n", onOff(s.On), onOff(s.API), onOff(s.File), onOff(s.Config), s.Reason)
			})
		})
	wordFlags(cmd)
	return cmd
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

func atMostOneOf(words ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) > 1 || len(args) == 1 && !slices.Contains(words, args[0]) {
			return usage(fmt.Errorf("%s: give one of %v, or nothing", cmd.CommandPath(), words))
		}
		return nil
	}
}
