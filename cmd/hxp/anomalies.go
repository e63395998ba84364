package main

import (
	"bufio"
	"fmt"

	"os"

	"github.com/spf13/cobra"

	"github.com/hxp-enterprise/hxp/internal/app"
)

func anomaliesCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "anomalies", Short: "Find what is unusual in a series of numbers",
		Example: "  hxp anomalies score latencies.csv",
	}
	cmd.AddCommand(&cobra.Command{
		Use: "score FILE|-", Short: "Score how surprising each value of a table is", Args: oneTable,
		Long: "Reads CSV with the columns timestamp and value and writes it with a third one, anomaly_score, from 0 (expected) to 1.\n" +
			"A score follows from the values before it alone. No running instance is needed. The first values are surprising by nature.",
		Example: "  hxp anomalies score latencies.csv > scored.csv\n  zcat long.csv.gz | hxp anomalies score -",
		RunE: func(cmd *cobra.Command, args []string) error {
			in, name := cmd.InOrStdin(), "-"
			if args[0] != "-" {
				f, err := os.Open(args[0])
				if err != nil {
					return &exitError{1, err}
				}
				defer f.Close()
				in, name = f, args[0]
			}
			if err := app.ScoreAnomalies(name, bufio.NewReader(in), cmd.OutOrStdout()); err != nil {
				return &exitError{1, err}
			}
			return nil
		},
	})
	return cmd
}

func oneTable(cmd *cobra.Command, args []string) error {
	if len(args) != 1 {
		return usage(fmt.Errorf("%s: give one file, or - for standard input", cmd.CommandPath()))
	}
	return nil
}
