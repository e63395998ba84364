package main

import (
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/hxp-enterprise/hxp/internal/app"
)

func eraseCommand() *cobra.Command {
	cmd := batchCommand("erase", "Take out what is stored of a user or a tenant", "  hxp erase --user jane@example.org --dry-run\n  hxp erase --tenant acme --topics\n  hxp erase verify --user jane@example.org\n  hxp erase list --json", noArgs,
		func(cmd *cobra.Command, c *app.BatchClient, _ []string) error {
			by, name, err := whom(cmd)
			if err != nil {
				return err
			}
			dryRun, _ := cmd.Flags().GetBool("dry-run")
			var w app.ErasureWords
			w.Topics, _ = cmd.Flags().GetBool("topics")
			if w.PastGroups, _ = cmd.Flags().GetBool("past-groups"); w.PastGroups && !w.Topics {
				return usage(errors.New("--past-groups says how far topics are shortened; say --topics as well"))
			}
			r, err := c.Erase(cmd.Context(), by, name, w, dryRun)
			if err != nil {
				return err
			}
			if err := printAs(cmd, r, func(w *tabwriter.Writer) { showErasure(w, &r) }); err != nil || r.Error == "" {
				return err
			}
			return fmt.Errorf("erasure %s is not complete: %s", r.ID, r.Error)
		})
	cmd.Long = "Raw events leave the lake, rows and cells by that name leave the database, the topics of the embedded broker are shortened; then\n" +
		"everything is looked through again. What cannot be emptied from here is listed with what ends it. Totals stay: they name nobody.\n" +
		"Brokers may serve others: topics of Apache Kafka are shortened with --topics, and beyond what consumer groups of others have read\n" +
		"with --past-groups. A log loses its beginning up to the last record of the name; --dry-run tells from where to where.\n" +
		"The record of it is chained and holds no name. See docs/privacy.md. Exit code 1 when it fails."
	cmd.Flags().Bool("dry-run", false, "only count")
	cmd.Flags().Bool("topics", false, "shorten topics on brokers that may serve others too, however long that takes")
	cmd.Flags().Bool("past-groups", false, "with --topics: also what consumer groups of others have not read")
	whose(cmd)
	cmd.AddCommand(eraseVerify(), eraseList())
	return cmd
}

// whose adds the flags that name a person or a tenant.
func whose(cmd *cobra.Command) {
	cmd.Flags().String("user", "", "user_id of the events")
	cmd.Flags().String("tenant", "", "tenant of the events")
}

func whom(cmd *cobra.Command) (by, name string, err error) {
	user, _ := cmd.Flags().GetString("user")
	tenant, _ := cmd.Flags().GetString("tenant")
	switch {
	case (user == "") == (tenant == ""):
		return "", "", usage(errors.New("name --user or --tenant, one of the two"))
	case user != "":
		return "user_id", user, nil
	}
	return "tenant", tenant, nil
}

func showErasure(w *tabwriter.Writer, r *app.Erasure) {
	fmt.Fprintln(w, "HOUR\tFILES\tROWS")
	for _, h := range r.Hours {
		fmt.Fprintf(w, "%s\t%d\t%d\n", stamp(&h.Hour), h.Files, h.Rows)
	}
	found := "STILL FOUND"
	if r.DryRun { // nothing was to go
		found = "FOUND"
	}
	fmt.Fprintln(w, "\nTOPIC\tRECORDS DELETED\t"+found)
	for _, t := range r.Topics {
		found := "?"
		if t.Found != nil {
			found = fmt.Sprint(*t.Found)
		}
		fmt.Fprintf(w, "%s\t%d\t%s\n", t.Name, t.Deleted, found)
	}
	showCuts(w, r)
	if len(r.Left) > 0 {
		fmt.Fprintln(w, "\nLEFT\tCOUNT\tENDED BY")
		for _, l := range r.Left {
			count := "?"
			if l.Count >= 0 {
				count = fmt.Sprint(l.Count)
			}
			fmt.Fprintf(w, "%s\t%s\t%s\n", l.Where, count, l.Ends)
		}
	}
	what := "left"
	if r.DryRun {
		what = "would leave (dry run)"
	}
	fmt.Fprintf(w, "\nerasure %s is %s: %d events and %d rows of aggregates %s\n", r.ID, r.State, r.LakeRows, r.SQLRows, what)
}

// showCuts tells which records of topics went, or would go, and in a dry run what would stay; else that is among what is left.
func showCuts(w *tabwriter.Writer, r *app.Erasure) {
	what := "CUT"
	if r.DryRun {
		what = "TO BE CUT"
	}
	head := "\nPARTITION\t" + what + "\tRECORDS\tNOT READ BY\n"
	for _, t := range r.Topics {
		for _, c := range t.Cuts {
			fmt.Fprintf(w, "%s%s/%d\t%d to %d\t%d\t%s\n", head, t.Name, c.Partition, c.From, c.Before-1, c.Before-c.From, strings.Join(c.UnreadBy, ", "))
			head = ""
		}
		if t.Moved > 0 {
			fmt.Fprintf(w, "%s\t\t%d\twritten again behind them, since they are of others\n", t.Name, t.Moved)
		}
	}
	head = "\nPARTITION\tSTAYS FROM\tFOUND THERE\tHELD BY\tENDED BY\n"
	for _, t := range r.Topics {
		for _, h := range t.Held {
			if r.DryRun {
				fmt.Fprintf(w, "%s%s/%d\t%d\t%d\t%s\t%s\n", head, t.Name, h.Partition, h.From, h.Count, h.By, h.Ends)
				head = ""
			}
		}
	}
}

func eraseVerify() *cobra.Command {
	cmd := batchCommand("verify", "Look for a user or a tenant everywhere again", "  hxp erase verify --user jane@example.org --json", noArgs,
		func(cmd *cobra.Command, c *app.BatchClient, _ []string) error {
			by, name, err := whom(cmd)
			if err != nil {
				return err
			}
			v, err := c.VerifyErasure(cmd.Context(), by, name)
			if err != nil {
				return err
			}
			err = printAs(cmd, v, func(w *tabwriter.Writer) {
				fmt.Fprintf(w, "events in the lake\t%d\nrows of aggregates\t%d\n", v.LakeRows, v.SQLRows)
				for _, t := range v.Topics {
					if t.Found == nil || *t.Found > 0 {
						found := "not looked through, it is too long"
						if t.Found != nil {
							found = fmt.Sprint(*t.Found, " records")
						}
						fmt.Fprintf(w, "topic %s\t%s\n", t.Name, found)
					}
				}
				fmt.Fprintf(w, "records of erasures\t%d, about this name %d, chain %s\n", v.Records, v.About, v.Chain)
			})
			switch {
			case err != nil:
				return err
			case v.Chain != "ok":
				return fmt.Errorf("the records of erasures were changed: %s", v.Chain)
			case !v.Erased:
				return errors.New("the name is still found")
			}
			return nil
		})
	cmd.Long = "Exit code 1 when the name is found in the lake, the aggregates or a topic, or the records of erasures were changed."
	whose(cmd)
	return cmd
}

func eraseList() *cobra.Command {
	return batchCommand("list", "List the records of erasures, newest first", "  hxp erase list --json", noArgs, func(cmd *cobra.Command, c *app.BatchClient, _ []string) error {
		all, err := c.Erasures(cmd.Context())
		if err != nil {
			return err
		}
		return printAs(cmd, map[string]any{"erasures": all}, func(w *tabwriter.Writer) {
			listErasures(w, all)
		})
	})
}

func listErasures(w *tabwriter.Writer, all []app.Erasure) {
	fmt.Fprintln(w, "ERASURE\tBY\tSTATE\tREQUESTED\tEVENTS\tROWS\tLEFT\tERROR")
	for i := range all {
		r := &all[i]
		state := r.State
		if r.DryRun { // nothing went
			state += " (dry run)"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%d\t%d\t%s\n", r.ID, r.By, state, stamp(&r.RequestedAt), r.LakeRows, r.SQLRows, len(r.Left), r.Error)
	}
}
