package main

import (
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/hxp-enterprise/hxp/internal/app"
)

func lakeCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "lake", Short: "Raw events at rest", Args: noVerb,
		Long:    "The raw events lie in Parquet files that any tool can read. The manifest, in the database, says which of them are the lake.\nAll commands work beside a running instance.",
		Example: "  hxp lake ls\n  hxp lake verify\n  hxp lake compact\n  hxp lake export --topic llm-requests --from 2026-03-01 --format csv > requests.csv\n  hxp lake sql --engine duckdb | duckdb",
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	cmd.AddCommand(lakeLs(), lakeVerify(), lakeCompact(), lakeExport(), lakeSQL())
	for _, c := range cmd.Commands() {
		configFlags(c.Flags())
	}
	cmd.AddCommand(restoreCommand("restore PLAN", "  hxp lake restore daily-20260301 --dry-run"))
	return cmd
}

// withLake runs fn on the lake of the configuration.
func withLake(cmd *cobra.Command, fn func(*app.LakeTool) error) error {
	cfg, err := settings(cmd)
	if err != nil {
		return err
	}
	t, err := app.OpenLake(cmd.Context(), cfg, quiet())
	if err != nil {
		return err
	}
	defer t.Close()
	return fn(t)
}

// chosen are the flags that choose files by topic and hour.
type chosen struct{ topic, from, to string }

func (c *chosen) timeFlags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&c.from, "from", "", "first hour: a day (2026-03-01) or a time in RFC 3339; UTC")
	cmd.Flags().StringVar(&c.to, "to", "", "end, exclusive, in the same forms")
}

func (c *chosen) times() (from, to time.Time, err error) {
	for _, f := range []struct {
		flag, text string
		into       *time.Time
	}{{"from", c.from, &from}, {"to", c.to, &to}} {
		if f.text == "" {
			continue
		}
		if *f.into, err = time.Parse(time.RFC3339, f.text); err != nil {
			*f.into, err = time.Parse(time.DateOnly, f.text)
		}
		if err != nil {
			return from, to, usage(fmt.Errorf("--%s %q is neither a day like 2026-03-01 nor a time like 2026-03-01T10:00:00Z", f.flag, f.text))
		}
		if !f.into.Equal(f.into.Truncate(time.Hour)) {
			return from, to, usage(fmt.Errorf("--%s %s is not a whole hour", f.flag, f.text))
		}
	}
	if !from.IsZero() && !to.IsZero() && !from.Before(to) {
		return from, to, usage(fmt.Errorf("--from %s is not before --to %s", c.from, c.to))
	}
	return from, to, nil
}

func lakeLs() *cobra.Command {
	var c chosen
	var state string
	var asJSON bool
	cmd := &cobra.Command{Use: "ls", Short: "List the files with their state", Args: noArgs,
		Long:    "Lists what the manifest names. The files with the state live are the lake; superseded ones were compacted and stay for a while\nfor those who read them.",
		Example: "  hxp lake ls --state live --from 2026-03-01\n  hxp lake ls --json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			from, to, err := c.times()
			if err != nil {
				return err
			}
			cfg, err := settings(cmd)
			if err != nil {
				return err
			}
			files, err := app.LakeFiles(cmd.Context(), cfg, c.topic, state, from, to, quiet())
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd, map[string]any{"files": files})
			}
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
			fmt.Fprintln(w, "PATH\tROWS\tBYTES\tSTATE")
			for _, f := range files {
				fmt.Fprintf(w, "%s\t%d\t%d\t%s\n", f.Path, f.Rows, f.Bytes, f.State)
			}
			return w.Flush()
		}}
	cmd.Flags().StringVar(&c.topic, "topic", "", "only what came by this topic")
	c.timeFlags(cmd)
	cmd.Flags().StringVar(&state, "state", "", "live, superseded, marked or archived")
	cmd.Flags().BoolVar(&asJSON, "json", false, "as JSON")
	return cmd
}

func lakeVerify() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{Use: "verify", Short: "Read every file again and compare it with the manifest", Args: noArgs,
		Long:    "Reads every file that the manifest counts as part of the lake and compares its size and sha256. Exit code 1 and the names when a\nfile is damaged or missing.",
		Example: "  hxp lake verify\n  hxp lake verify --json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withLake(cmd, func(t *app.LakeTool) error {
				checked, bad, err := t.Verify(cmd.Context(), newProgress(cmd.ErrOrStderr(), "files").show)
				if err != nil {
					return err
				}
				if asJSON {
					err = printJSON(cmd, map[string]any{"checked": checked, "bad": bad})
				} else {
					for _, b := range bad {
						fmt.Fprintf(cmd.ErrOrStderr(), "%s: %s\n", b.Path, b.Reason)
					}
					fmt.Fprintf(cmd.OutOrStdout(), "%d files checked, %d bad\n", checked, len(bad))
				}
				if len(bad) > 0 {
					err = errors.New("the lake has damaged files")
				}
				return err
			})
		}}
	cmd.Flags().BoolVar(&asJSON, "json", false, "as JSON")
	return cmd
}

func lakeCompact() *cobra.Command {
	var c chosen
	var asJSON bool
	cmd := &cobra.Command{Use: "compact", Short: "Rewrite hours that have ended: sorted, each event once, few files", Args: noArgs,
		Long:    "Compacts every hour that has ended and has changed since it was compacted. Running instances do the same by themselves when an hour\nhas been quiet for lake.compact_after. Replaced files stay for lake.superseded_grace. Results never change.",
		Example: "  hxp lake compact\n  hxp lake compact --from 2026-03-01 --to 2026-03-02",
		RunE: func(cmd *cobra.Command, _ []string) error {
			from, to, err := c.times()
			if err != nil {
				return err
			}
			return withLake(cmd, func(t *app.LakeTool) error {
				began, bar := time.Now(), newProgress(cmd.ErrOrStderr(), "hours compacted")
				done, err := t.Compact(cmd.Context(), from, to, bar.show)
				if err != nil {
					return err
				}
				if asJSON {
					return printJSON(cmd, map[string]any{"hours": done})
				}
				s := app.SumCompacted(done)
				fmt.Fprintf(cmd.OutOrStdout(), "%d hours compacted: %d files became %d, %d rows became %d (%d copies dropped), %d bytes became %d, in %s\n", len(done),
					s.FilesBefore, s.FilesAfter, s.RowsBefore, s.RowsAfter, s.RowsBefore-s.RowsAfter, s.BytesBefore, s.BytesAfter, time.Since(began).Round(time.Millisecond))
				return nil
			})
		}}
	c.timeFlags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "what was done for each hour, as JSON")
	return cmd
}

func lakeExport() *cobra.Command {
	var c chosen
	var format, out string
	var asJSON bool
	cmd := &cobra.Command{Use: "export", Short: "Copy the events of chosen hours, each once", Args: noArgs,
		Long: "Copies events out of the lake, each once, also where compaction has not been yet. A folder is laid out like the lake\n(TOPIC/dt=YYYY-MM-DD/hour=H/); without one, ndjson and csv go to standard output. In CSV, text is written as it is.",
		Example: "  hxp lake export --topic llm-requests --from 2026-03-01 --to 2026-03-02 --format ndjson | gzip > day.ndjson.gz\n" +
			"  hxp lake export --from 2026-03-01 --format parquet --out /backup/march",
		RunE: func(cmd *cobra.Command, _ []string) error {
			from, to, err := c.times()
			if err != nil {
				return err
			}
			return withLake(cmd, func(t *app.LakeTool) error {
				o := app.LakeExport{Topic: c.topic, From: from, To: to, Format: format, Dir: out, Out: cmd.OutOrStdout(),
					Progress: newProgress(cmd.ErrOrStderr(), "hours exported").show}
				sum, err := t.Export(cmd.Context(), o)
				if err != nil {
					return err
				}
				text := fmt.Sprintf("%d events of %d hours exported, %d copies left out\n", sum.Rows, sum.Hours, sum.Copies)
				switch {
				case out == "": // standard output belongs to the events
					fmt.Fprint(cmd.ErrOrStderr(), text)
				case asJSON:
					return printJSON(cmd, sum)
				default:
					fmt.Fprint(cmd.OutOrStdout(), text)
				}
				return nil
			})
		}}
	cmd.Flags().StringVar(&c.topic, "topic", "", "only events of this topic")
	c.timeFlags(cmd)
	cmd.Flags().StringVar(&format, "format", "ndjson", "parquet, ndjson or csv")
	cmd.Flags().StringVar(&out, "out", "", "folder; standard output when absent")
	cmd.Flags().BoolVar(&asJSON, "json", false, "summary as JSON, when there is a folder")
	return cmd
}

func lakeSQL() *cobra.Command {
	var c chosen
	var engine string
	var asJSON bool
	cmd := &cobra.Command{Use: "sql", Short: "Print queries that other tools run on the lake", Args: noArgs,
		Long:    "Prints text for " + strings.Join(app.LakeEngines, ", ") + " that reads exactly the live files. A bare pattern over the folder may also see\nfiles that were replaced and are not removed yet.",
		Example: "  hxp lake sql --engine duckdb | duckdb\n  hxp lake sql --engine pandas --topic user-feedback --from 2026-03-01 > report.py",
		RunE: func(cmd *cobra.Command, _ []string) error {
			from, to, err := c.times()
			if err != nil {
				return err
			}
			return withLake(cmd, func(t *app.LakeTool) error {
				queries, err := t.Queries(cmd.Context(), engine, c.topic, from, to)
				if err != nil {
					return err
				}
				if asJSON {
					return printJSON(cmd, map[string]any{"queries": queries})
				}
				for i, q := range queries {
					if i > 0 {
						fmt.Fprintln(cmd.OutOrStdout())
					}
					fmt.Fprint(cmd.OutOrStdout(), q.Text)
				}
				return nil
			})
		}}
	cmd.Flags().StringVar(&engine, "engine", "", strings.Join(app.LakeEngines, ", ")+"; all when absent")
	cmd.Flags().StringVar(&c.topic, "topic", "llm-requests", "topic to read")
	c.timeFlags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "as JSON")
	return cmd
}
