package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hxp-enterprise/hxp/internal/app"
)

func doctorCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "doctor [NAME…]", Short: "Find what keeps hxp from starting or from working well, and tell the cure",
		Long: "Looks at the configuration, ports, folders, brokers, topics, database, mail and the other systems around. Where hxp runs at these ports it is asked how\n" +
			"it is: health, paused DAGs, failed runs, dead letters, lag. With names it looks at what `hxp run NAME…` needs. It changes nothing and sends nothing.\n" +
			"Exit code 1 when a check has failed.",
		Example:   "  hxp doctor\n  hxp doctor --config /opt/citadel/config --json\n  hxp doctor kafka-api stream\n  hxp doctor --env-file /etc/hxp/hxp.env",
		ValidArgs: app.Names,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := app.CheckNames(args); err != nil {
				return usage(err)
			}
			var services []string // nil: all
			if len(args) > 0 {
				services = args
			}
			found, failed := app.Doctor(cmd.Context(), loadOptions(cmd), services)
			if err := printFindings(cmd, found); err != nil || !failed {
				return err
			}
			return &exitError{code: 1}
		},
	}
	cmd.Flags().Bool("json", false, "as JSON")
	configFlags(cmd.Flags())
	return cmd
}

func printFindings(cmd *cobra.Command, found []app.Finding) error {
	if asJSON, _ := cmd.Flags().GetBool("json"); asJSON {
		return printJSON(cmd, map[string]any{"checks": found})
	}
	widest, counts := 0, map[string]int{}
	for _, f := range found {
		widest = max(widest, len(f.Name))
		counts[string(f.Status)]++
	}
	var b strings.Builder
	for _, f := range found {
		fmt.Fprintf(&b, "%-4s  %-*s  %s\n", f.Status, widest, f.Name, f.Detail)
		if f.Cure != "" {
			fmt.Fprintf(&b, "      %*s  cure: %s\n", widest, "", f.Cure)
		}
	}
	fmt.Fprintf(&b, "\n%d checks: %d ok, %d to look at, %d failed\n", len(found), counts["ok"], counts["warn"], counts["fail"])
	_, err := io.WriteString(cmd.OutOrStdout(), b.String())
	return err
}
