package main

import (
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/hxp-enterprise/hxp/internal/app"
)

func retentionCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "retention", Short: "Old data: plan, clean up, restore, verify the archive, legal holds", Args: noArgs,
		Long: "Old raw events, hourly aggregates and reports leave by a plan, with proof, to the archive. The batch service does so by itself every\n" +
			"day at 03:00 UTC; these commands talk to it.",
		Example: "  hxp retention plan\n  hxp retention cleanup\n  hxp retention restore daily-20260301 --dry-run\n  hxp retention verify\n" +
			"  hxp retention holds set audit --class raw --from 2026-03-01 --to 2026-04-01 --reason \"case 17\"",
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	cmd.AddCommand(retentionPlan(), retentionCleanup(), retentionShow(), retentionList(), restoreCommand("restore PLAN", "  hxp retention restore daily-20260301"), retentionVerify(), holdsCommand())
	return cmd
}

func retentionPlan() *cobra.Command {
	cmd := batchCommand("plan", "Show what would leave, and why the rest stays", "  hxp retention plan\n  hxp retention plan --json | jq .refused", noArgs,
		func(cmd *cobra.Command, c *app.BatchClient, _ []string) error {
			p, err := c.Cleanup(cmd.Context(), true, false)
			if err != nil {
				return err
			}
			return showPlan(cmd, &p)
		})
	return cmd
}

func retentionCleanup() *cobra.Command {
	cmd := batchCommand("cleanup", "Let old data go now", "  hxp retention cleanup\n  hxp retention cleanup --force", noArgs,
		func(cmd *cobra.Command, c *app.BatchClient, _ []string) error {
			force, _ := cmd.Flags().GetBool("force")
			p, err := c.Cleanup(cmd.Context(), false, force)
			if err != nil {
				return err
			}
			if err := showPlan(cmd, &p); err != nil || p.Error == "" {
				return err
			}
			return fmt.Errorf("the plan %s is %s: %s", p.ID, p.State, p.Error)
		})
	cmd.Long = "Makes a plan and carries it out. Exit code 1 when it is refused as a whole or fails; data that cannot be proved stays and is listed.\n" +
		"More than a quarter of a class leaves only with --force, which overrides neither proof nor legal holds."
	cmd.Flags().Bool("force", false, "also when more than a quarter of a class leaves")
	return cmd
}

func retentionShow() *cobra.Command {
	return batchCommand("show PLAN", "Show a plan", "  hxp retention show daily-20260301", exactly("a plan"), func(cmd *cobra.Command, c *app.BatchClient, args []string) error {
		p, err := c.RetentionPlan(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		return showPlan(cmd, &p)
	})
}

func retentionList() *cobra.Command {
	return batchCommand("list", "List the plans and restores, newest first", "  hxp retention list --json", noArgs, func(cmd *cobra.Command, c *app.BatchClient, _ []string) error {
		plans, err := c.RetentionPlans(cmd.Context())
		if err != nil {
			return err
		}
		return printAs(cmd, map[string]any{"plans": plans}, func(w *tabwriter.Writer) {
			fmt.Fprintln(w, "PLAN\tKIND\tSTATE\tCREATED\tARCHIVED\tDELETED\tBYTES\tERROR")
			for i := range plans {
				p := &plans[i]
				state := p.State
				if p.DryRun {
					state += " (dry run)"
				}
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%d\t%d\t%s\n", p.ID, p.Kind, state, stamp(&p.CreatedAt), p.Totals.Archived, p.Totals.Deleted, p.Totals.BytesFreed, p.Error)
			}
		})
	})
}

// showPlan prints a plan: what leaves by period, what was refused, the sums.
func showPlan(cmd *cobra.Command, p *app.RetentionPlan) error {
	return printAs(cmd, p, func(w *tabwriter.Writer) {
		fmt.Fprintln(w, "CLASS\tPERIOD\tACTION\tOBJECTS\tROWS\tBYTES\tREASON")
		for i := 0; i < len(p.Items); {
			first, rows, bytes, n := &p.Items[i], int64(0), int64(0), 0
			for ; i < len(p.Items) && p.Items[i].Class == first.Class && p.Items[i].Period.Equal(first.Period) && p.Items[i].Action == first.Action; i++ {
				n, rows, bytes = n+1, rows+p.Items[i].Rows, bytes+p.Items[i].Bytes
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d\t%d\t%s\n", first.Class, stamp(&first.Period), first.Action, n, rows, bytes, first.Reason)
		}
		fmt.Fprintf(w, "\nplan %s is %s: %d objects archived, %d deleted, %d kept, %d bytes freed\n", p.ID, p.State, p.Totals.Archived, p.Totals.Deleted, p.Totals.Kept, p.Totals.BytesFreed)
		for i := range p.Refused {
			if r := &p.Refused[i]; r.Period == nil {
				fmt.Fprintf(w, "refused: %s\n", r.Reason)
			}
		}
		if p.Postponed > 0 {
			fmt.Fprintf(w, "%d more old periods are left for the next plan\n", p.Postponed)
		}
	})
}

// restoreCommand brings back what a plan let go; it stands under two names.
func restoreCommand(use, example string) *cobra.Command {
	cmd := batchCommand(use, "Bring back what a plan let go", example, exactly("the plan that let the data go; `hxp retention list` has them"),
		func(cmd *cobra.Command, c *app.BatchClient, args []string) error {
			dryRun, _ := cmd.Flags().GetBool("dry-run")
			r, err := c.RestoreArchive(cmd.Context(), args[0], dryRun)
			if err != nil {
				return err
			}
			err = printAs(cmd, &r, func(w *tabwriter.Writer) {
				fmt.Fprintln(w, "CLASS\tPERIOD\tACTION\tROWS\tBYTES\tREASON\tPATH")
				for i := range r.Items {
					it := &r.Items[i]
					fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d\t%s\t%s\n", it.Class, stamp(&it.Period), it.Action, it.Rows, it.Bytes, it.Reason, it.Path)
				}
				fmt.Fprintf(w, "\n%s is %s: %d objects with %d rows\n", r.ID, r.State, r.Totals.Restored, r.Totals.Rows)
			})
			if err == nil && r.Error != "" {
				err = fmt.Errorf("not all of it came back: %s", r.Error)
			}
			return err
		})
	cmd.Long = "Raw files in their grace lose their mark; others are copied from the archive, hashed before they are used. The hours are then folded from\ntheir events again. Exit code 1 when something does not come back."
	cmd.Flags().Bool("dry-run", false, "only show what would come back")
	return cmd
}

func retentionVerify() *cobra.Command {
	cmd := batchCommand("verify", "Read the archive again and follow the chain of its manifest", "  hxp retention verify --json", noArgs,
		func(cmd *cobra.Command, c *app.BatchClient, _ []string) error {
			v, err := c.VerifyArchive(cmd.Context())
			if err != nil {
				return err
			}
			err = printAs(cmd, v, func(w *tabwriter.Writer) {
				for _, b := range v.Bad {
					fmt.Fprintf(w, "%s\t%s\n", b.Path, b.Reason)
				}
				fmt.Fprintf(w, "%d copies checked, %d good, %d faults\n", v.Checked, v.OK, len(v.Bad))
			})
			if err == nil && len(v.Bad) > 0 {
				err = errors.New("the archive is damaged")
			}
			return err
		})
	cmd.Long = "Exit code 1 and the names when a copy is damaged or missing, or the chain of the manifest is broken."
	return cmd
}

func holdsCommand() *cobra.Command {
	list := func(cmd *cobra.Command, c *app.BatchClient, _ []string) error {
		holds, err := c.Holds(cmd.Context())
		if err != nil {
			return err
		}
		return printAs(cmd, map[string]any{"holds": holds}, func(w *tabwriter.Writer) {
			fmt.Fprintln(w, "HOLD\tCLASS\tFROM\tTO\tREASON")
			for i := range holds {
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", holds[i].Name, holds[i].Class, stamp(&holds[i].From), stamp(&holds[i].To), holds[i].Reason)
			}
		})
	}
	cmd := batchCommand("holds", "Legal holds: list, set, lift", "  hxp retention holds\n  hxp retention holds lift audit", noArgs, list)
	cmd.AddCommand(batchCommand("list", "List the holds", "  hxp retention holds list --json", noArgs, list), holdSet(),
		batchCommand("lift NAME", "Lift a hold", "  hxp retention holds lift audit", exactly("a hold"), func(cmd *cobra.Command, c *app.BatchClient, args []string) error {
			return c.LiftHold(cmd.Context(), args[0])
		}))
	return cmd
}

func holdSet() *cobra.Command {
	cmd := batchCommand("set NAME", "Keep everything of a class and time, whatever its age", "  hxp retention holds set audit --class raw --from 2026-03-01 --to 2026-04-01 --reason \"case 17\"", exactly("a name"),
		func(cmd *cobra.Command, c *app.BatchClient, args []string) error {
			h := app.LegalHold{Name: args[0]}
			h.Class, _ = cmd.Flags().GetString("class")
			h.Reason, _ = cmd.Flags().GetString("reason")
			for name, to := range map[string]*time.Time{"from": &h.From, "to": &h.To} {
				if err := periodFlag(cmd, name, to); err != nil {
					return usage(err)
				}
				if to.IsZero() {
					return usage(fmt.Errorf("%s: --%s is missing: a hold has a beginning and an end", cmd.CommandPath(), name))
				}
			}
			set, err := c.SetHold(cmd.Context(), h)
			if err != nil {
				return err
			}
			return printAs(cmd, set, func(w *tabwriter.Writer) {
				fmt.Fprintf(w, "hold %s keeps everything of class %s from %s to %s\n", set.Name, set.Class, stamp(&set.From), stamp(&set.To))
			})
		})
	cmd.Flags().String("class", "raw", "raw, aggregated or reports")
	cmd.Flags().String("from", "", "first moment: a day (2026-03-01) or a time in RFC 3339; UTC")
	cmd.Flags().String("to", "", "end, exclusive, in the same forms")
	cmd.Flags().String("reason", "", "why, for whoever wants to lift it")
	return cmd
}
