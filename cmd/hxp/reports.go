package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/hxp-enterprise/hxp/internal/app"
)

func reportsCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "reports", Short: "Reports of a running hxp", Args: noVerb, Example: "  hxp reports list\n  hxp reports generate daily_summary --format pdf -o yesterday.pdf",
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	for _, c := range []*cobra.Command{reportsList(), reportsGenerate(), reportsShow(), reportsGet(), reportsOpen(), reportsSchedule()} {
		configFlags(c.Flags())
		cmd.AddCommand(c)
	}
	return cmd
}

// batchAPI is the batch-processing-api that the configuration names.
func batchAPI(cmd *cobra.Command) (*app.Asked, error) {
	cfg, err := settings(cmd)
	if err != nil {
		return nil, err
	}
	return app.Ask(cfg, app.BatchProcessingAPI, "")
}

// oneArg refuses more or fewer than one argument.
func oneArg(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return usage(fmt.Errorf("%s: give one %s", cmd.CommandPath(), what))
		}
		return nil
	}
}

func reportsList() *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "List the reports, newest first", Args: noArgs, Example: "  hxp reports list --type daily_summary --limit 7\n  hxp reports list --json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			api, err := batchAPI(cmd)
			if err != nil {
				return err
			}
			kind, _ := cmd.Flags().GetString("type")
			limit, _ := cmd.Flags().GetInt("limit")
			if limit < 0 {
				return usage(fmt.Errorf("--limit %d: give how many reports, 0 for all", limit))
			}
			reports, err := api.Reports(cmd.Context(), kind, limit)
			if err != nil {
				return err
			}
			if asJSON, _ := cmd.Flags().GetBool("json"); asJSON {
				return printJSON(cmd, map[string]any{"reports": reports})
			}
			return reportTable(cmd, reports)
		}}
	cmd.Flags().String("type", "", "only reports of this type")
	cmd.Flags().Int("limit", 0, "how many; 0 for all")
	cmd.Flags().Bool("json", false, "as JSON")
	return cmd
}

func reportTable(cmd *cobra.Command, reports []app.Report) error {
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tSTATUS\tSTART\tEND\tCOMPLETE\tBYTES\tCREATED")
	for _, r := range reports {
		bytes, complete := "-", "-"
		if r.Bytes != nil {
			bytes = strconv.FormatInt(*r.Bytes, 10)
		}
		if r.Completeness != nil {
			complete = strconv.FormatFloat(*r.Completeness*100, 'f', 1, 64) + "%"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.ID, r.Status, r.Period.Start.Format(time.RFC3339), r.Period.End.Format(time.RFC3339), complete, bytes, r.CreatedAt.Format(time.RFC3339))
	}
	return w.Flush()
}

func reportsGenerate() *cobra.Command {
	cmd := &cobra.Command{Use: "generate TYPE", Short: "Make a report", Args: oneArg("type, such as daily_summary"),
		Long: "Makes a report and waits until it is done. Without --start and --end it is about the last complete period.\nThe same type, format and period is the same report: it is made again, and changes when the data did.",
		Example: "  hxp reports generate weekly_summary --format pdf -o week.pdf\n  hxp reports generate daily_summary --start 2026-03-01 --end 2026-03-08 --format csv -o -\n" +
			"  hxp reports generate cost --template house --email finance@example.org\n  hxp reports generate test --json",
		ValidArgs: app.ReportTypes(),
		RunE: func(cmd *cobra.Command, args []string) error {
			o := app.ReportOrder{Type: args[0]}
			o.Format, _ = cmd.Flags().GetString("format")
			o.Template, _ = cmd.Flags().GetString("template")
			o.EmailTo, _ = cmd.Flags().GetStringSlice("email")
			for name, to := range map[string]*time.Time{"start": &o.Start, "end": &o.End} {
				if err := periodFlag(cmd, name, to); err != nil {
					return usage(err)
				}
			}
			if o.Start.IsZero() != o.End.IsZero() {
				return usage(fmt.Errorf("%s: give --start and --end, or none of them for the last complete period", cmd.CommandPath()))
			}
			api, err := batchAPI(cmd)
			if err != nil {
				return err
			}
			r, err := api.MakeReport(cmd.Context(), o)
			if err != nil {
				return err
			}
			for _, warning := range r.Warnings {
				fmt.Fprintln(cmd.ErrOrStderr(), "hxp: "+warning)
			}
			if to, _ := cmd.Flags().GetString("output"); to != "" {
				if err := saveReport(cmd, api, r.ID, to); err != nil || to == "-" {
					return err
				}
			}
			return showReport(cmd, r)
		}}
	cmd.Flags().String("format", "pdf", "json, csv or pdf")
	cmd.Flags().String("start", "", "start of the period, RFC 3339 or a date (UTC)")
	cmd.Flags().String("end", "", "end of the period, exclusive")
	cmd.Flags().String("template", "", "name of a template; that of the report when not given")
	cmd.Flags().StringSlice("email", nil, "mail it to these addresses")
	cmd.Flags().StringP("output", "o", "", "write the report to this file; - for standard output")
	cmd.Flags().Bool("json", false, "what is known of it, as JSON")
	return cmd
}

// periodFlag reads an end of a period: a time or a date.
func periodFlag(cmd *cobra.Command, name string, to *time.Time) error {
	text, _ := cmd.Flags().GetString(name)
	if text == "" {
		return nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			*to = t.UTC()
			return nil
		}
	}
	return fmt.Errorf("--%s %q: write a time such as 2026-03-01T10:00:00Z or a date such as 2026-03-01", name, text)
}

func reportsShow() *cobra.Command {
	cmd := &cobra.Command{Use: "show ID", Short: "Tell what is known of a report", Args: oneArg("id; `hxp reports list` has them"), Example: "  hxp reports show daily_summary-20260301-20260302-pdf --json",
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := batchAPI(cmd)
			if err != nil {
				return err
			}
			r, err := api.Report(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return showReport(cmd, r)
		}}
	cmd.Flags().Bool("json", false, "as JSON")
	return cmd
}

func showReport(cmd *cobra.Command, r app.Report) error {
	if asJSON, _ := cmd.Flags().GetBool("json"); asJSON {
		return printJSON(cmd, r)
	}
	if err := reportTable(cmd, []app.Report{r}); err != nil {
		return err
	}
	if r.Error != "" {
		fmt.Fprintln(cmd.OutOrStdout(), "error: "+r.Error)
	}
	if len(r.Deliveries) == 0 {
		return nil
	}
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "\nWAY\tTO\tSTATE\tTRIES\tUNCERTAIN\tERROR")
	for _, d := range r.Deliveries {
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d\t%s\n", d.Way, d.To, d.State, d.Attempts, d.Uncertain, d.Error)
	}
	return w.Flush()
}

func reportsOpen() *cobra.Command {
	cmd := &cobra.Command{Use: "open ID", Short: "Show the document with the program of this machine for such files", Args: oneArg("id; `hxp reports list` has them"),
		Long:    "Fetches the document into the folder for temporary files and hands it to xdg-open (open on macOS).",
		Example: "  hxp reports open daily_summary-20260301-20260302-pdf",
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := batchAPI(cmd)
			if err != nil {
				return err
			}
			r, err := api.Report(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			body, err := api.ReportContent(cmd.Context(), r.ID)
			if err != nil {
				return err
			}
			dir, err := os.MkdirTemp("", "hxp-report-")
			if err != nil {
				return err
			}
			name := filepath.Join(dir, r.ID+"."+r.Format)
			if err := os.WriteFile(name, body, 0o600); err != nil {
				return err
			}
			program := map[string]string{"darwin": "open"}[runtime.GOOS]
			if program == "" {
				program = "xdg-open"
			}
			if out, err := exec.CommandContext(cmd.Context(), program, name).CombinedOutput(); err != nil {
				return fmt.Errorf("%s cannot show it: %w %s; it lies in %s", program, err, out, name)
			}
			fmt.Fprintln(cmd.OutOrStdout(), name)
			return nil
		}}
	return cmd
}

func reportsGet() *cobra.Command {
	cmd := &cobra.Command{Use: "get ID", Short: "Fetch the document", Args: oneArg("id; `hxp reports list` has them"),
		Example: "  hxp reports get daily_summary-20260301-20260302-json | jq .headline\n  hxp reports get daily_summary-20260301-20260302-pdf -o day.pdf",
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := batchAPI(cmd)
			if err != nil {
				return err
			}
			to, _ := cmd.Flags().GetString("output")
			return saveReport(cmd, api, args[0], to)
		}}
	cmd.Flags().StringP("output", "o", "-", "file; - for standard output")
	return cmd
}

// saveReport writes a document to a file, or to standard output unless that would fill a terminal with a PDF.
func saveReport(cmd *cobra.Command, api *app.Asked, id, to string) error {
	body, err := api.ReportContent(cmd.Context(), id)
	if err != nil {
		return err
	}
	if to != "-" {
		return os.WriteFile(to, body, 0o644)
	}
	if term.IsTerminal(int(os.Stdout.Fd())) && len(body) > 4 && string(body[:4]) == "%PDF" {
		return fmt.Errorf("a PDF does not belong on a terminal; name a file with -o")
	}
	_, err = cmd.OutOrStdout().Write(body)
	return err
}
