package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/hxp-enterprise/hxp/internal/app"
)

func forecastCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "forecast --input FILE|- --horizon N", Short: "Tell how series of numbers go on", Args: noArgs,
		Long: "Reads regular series from CSV, plain or gzip, and tells the values to come with an interval, and how good the method would have been in the past.\n" +
			"Two forms are known by their header: id,part,values has one series a line, its values apart by blanks (lines of another part than train are\n" +
			"passed over); t,value has one series, t an integer or a time, an empty value or a missing line being a gap. No running instance is needed.\n" +
			"Exit code 0: all series have a forecast; 1: some have none, or the table cannot be read; 2: wrong usage.",
		Example: "  hxp forecast --input requests.csv --horizon 48\n  zcat series.csv.gz | hxp forecast --input - --horizon 48 --season 24,168 --json\n  hxp forecast --input daily.csv --horizon 14 --season 7 --interval 0.8",
		RunE:    runForecast,
	}
	cmd.Flags().String("input", "", "table of series; - for standard input")
	cmd.Flags().Int("horizon", 0, "steps ahead")
	cmd.Flags().String("season", "24,168", "lengths of the seasons in steps, from the shortest; empty for none")
	cmd.Flags().Float64("interval", 0.95, "share of the values to come that the interval shall hold")
	cmd.Flags().Bool("json", false, "as JSON, one line a series")
	return cmd
}

func runForecast(cmd *cobra.Command, _ []string) error {
	o, err := forecastOptions(cmd)
	if err != nil {
		return usage(fmt.Errorf("%s: %w", cmd.CommandPath(), err))
	}
	file, _ := cmd.Flags().GetString("input")
	in, name := cmd.InOrStdin(), "-"
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return err
		}
		defer f.Close()
		in, name = f, file
	}
	show := showForecast(cmd.OutOrStdout())
	if asJSON, _ := cmd.Flags().GetBool("json"); asJSON {
		lines := json.NewEncoder(cmd.OutOrStdout())
		lines.SetEscapeHTML(false)
		show = func(f app.Forecast) error { return lines.Encode(f) }
	}
	failed, err := app.ForecastTable(cmd.Context(), name, in, o, show)
	if err == nil && failed > 0 {
		return &exitError{code: 1}
	}
	return err
}

func forecastOptions(cmd *cobra.Command) (o app.ForecastOptions, err error) {
	o.Horizon, _ = cmd.Flags().GetInt("horizon")
	o.Interval, _ = cmd.Flags().GetFloat64("interval")
	if file, _ := cmd.Flags().GetString("input"); file == "" {
		return o, fmt.Errorf("give a table by --input, - for standard input")
	}
	seasons, _ := cmd.Flags().GetString("season")
	for s := range strings.SplitSeq(seasons, ",") {
		if seasons == "" {
			break
		}
		n, err := strconv.Atoi(strings.TrimSpace(s))
		if err != nil {
			return o, fmt.Errorf("--season %q: %q is no count of steps; give them as in 24,168", seasons, s)
		}
		o.Seasons = append(o.Seasons, n)
	}
	return o, o.Validate()
}

// showForecast prints a table for each series.
func showForecast(out io.Writer) func(app.Forecast) error {
	return func(f app.Forecast) error {
		w := tabwriter.NewWriter(out, 0, 4, 2, ' ', tabwriter.AlignRight)
		if f.Error != nil {
			_, err := fmt.Fprintf(out, "%s: %s\n\n", f.ID, f.Error)
			return err
		}
		fmt.Fprintf(out, "%s: %s\nbacktest of %d origins: MASE %s, seasonal naive %s, coverage %s\n", f.ID, f.Method, f.Backtest.Origins,
			numberOrDash(f.Backtest.MASE), numberOrDash(f.Backtest.MASESeasonalNaive), numberOrDash(f.Backtest.Coverage))
		for _, s := range f.Warnings {
			fmt.Fprintln(out, "warning:", s)
		}
		fmt.Fprintln(w, "STEP\tFORECAST\tLO\tHI\t")
		for i, v := range f.Forecast {
			fmt.Fprintf(w, "%d\t%.6g\t%.6g\t%.6g\t\n", i+1, v, f.Lo[i], f.Hi[i])
		}
		if err := w.Flush(); err != nil {
			return err
		}
		_, err := fmt.Fprintln(out)
		return err
	}
}

func numberOrDash(v *float64) string {
	if v == nil {
		return "-"
	}
	return strconv.FormatFloat(*v, 'f', 3, 64)
}
