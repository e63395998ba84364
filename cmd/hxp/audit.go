package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/hxp-enterprise/hxp/internal/app"
)

func auditCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "audit", Short: "Who changed what, and whether the record of it is whole", Args: noVerb,
		Long:    "Every change that services make for somebody is a record on hxp-audit, with the hash of the one before. These commands talk to kafka-api\nand need a token with the scope admin where tokens are asked for.",
		Example: "  hxp audit list --since 2026-03-01T00:00:00Z\n  hxp audit verify",
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	cmd.AddCommand(auditList(), auditVerify())
	return cmd
}

func auditList() *cobra.Command {
	cmd := askingCommand(app.KafkaAPI, "list", "List changes in the order in which they were made", "  hxp audit list\n  hxp audit list --who 'oncall (k3v5xq7a2b)' --json > changes.ndjson", noArgs,
		func(cmd *cobra.Command, api *app.Asked, _ []string) error {
			asJSON, _ := cmd.Flags().GetBool("json")
			return api.Changes(cmd.Context(), filters(cmd, "who", "since"), func(text json.RawMessage) error {
				if asJSON {
					_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s\n", text)
					return err
				}
				var c app.ChangeRecord
				if err := json.Unmarshal(text, &c); err != nil {
					return err
				}
				_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s  %-24s %-16s %d  %s\n", moment(c.At), c.Who, c.From, c.Status, changed(c))
				return err
			})
		})
	cmd.Long = "Prints a record a line; with --json each as it was written."
	cmd.Flags().String("who", "", "only changes of this principal, as records name him")
	cmd.Flags().String("since", "", "RFC 3339: only changes of this time or later")
	return cmd
}

// changed is the endpoint and what it was asked at, where that says more.
func changed(c app.ChangeRecord) string {
	if _, path, ok := strings.Cut(c.What, " "); ok && path == c.Target {
		return c.What
	}
	return c.What + "  " + c.Target
}

func auditVerify() *cobra.Command {
	cmd := askingCommand(app.KafkaAPI, "verify", "Prove that nothing in the log was changed", "  hxp audit verify\n  hxp audit verify --json", noArgs, func(cmd *cobra.Command, api *app.Asked, _ []string) error {
		v, err := api.VerifyChanges(cmd.Context())
		if err != nil {
			return err
		}
		return printProof(cmd, v)
	})
	cmd.Long = "Reads the whole log and proves its chain of hashes; exit code 1 when it is not as it was written. Keep the head elsewhere to notice a log whose\nend was cut."
	return cmd
}

// printProof prints what a proof of a chained log found; the error is for a log that is not as it was written.
func printProof(cmd *cobra.Command, v app.Proof) error {
	if err := printAs(cmd, v, func(w *tabwriter.Writer) {
		fmt.Fprintf(w, "records\t%d\nwhole\t%s\n", v.Records, yes(v.Valid))
		if v.Head != nil {
			fmt.Fprintf(w, "head\t%s\n", *v.Head)
		}
		for _, f := range v.Faults {
			fmt.Fprintf(w, "fault at offset %d\t%s\n", f.Offset, f.Detail)
		}
	}); err != nil {
		return err
	}
	if !v.Valid {
		return &exitError{1, errors.New("the audit log is not as it was written")}
	}
	return nil
}
