package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/hxp-enterprise/hxp/internal/app"
)

func deadLettersCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "dead-letters", Short: "What was refused: list, show, summary, redrive", Args: noVerb,
		Long: "Input that is not a valid event is kept whole with the reason. When it is mended it can be sent again, under the identity that it\nwould have had, so that nothing is counted twice.",
		Example: "  hxp dead-letters summary\n  hxp dead-letters list --reason wrong_type --since 2026-03-01T00:00:00Z\n  hxp dead-letters show 9a41c0\n" +
			"  hxp dead-letters redrive 9a41c0 --patch '{\"data\":{\"duration_ms\":90}}'\n  hxp dead-letters redrive --reason future_timestamp --dry-run",
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	cmd.AddCommand(deadLettersList(), deadLettersShow(), deadLettersSummary(), deadLettersRedrive())
	return cmd
}

var letterFilters = []string{"topic", "reason", "since", "until", "state"}

func letterFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.String("topic", "", "where it was read or would have gone")
	f.String("reason", "", "reason code")
	f.String("since", "", "RFC 3339: received at this time or later")
	f.String("until", "", "RFC 3339: received before")
	f.String("state", "", "open or redriven")
}

func letterQuery(cmd *cobra.Command) url.Values {
	q := url.Values{}
	for _, name := range letterFilters {
		if v, _ := cmd.Flags().GetString(name); v != "" {
			q.Set(name, v)
		}
	}
	return q
}

func deadLettersList() *cobra.Command {
	cmd := kafkaCommand("list", "List dead letters, the newest first", "  hxp dead-letters list --state open --limit 20\n  hxp dead-letters list --json | jq -r '.dead_letters[].id'", noArgs,
		func(cmd *cobra.Command, api *app.Asked, _ []string) error {
			limit, _ := cmd.Flags().GetInt("limit")
			if limit < 0 {
				return usage(fmt.Errorf("--limit %d: give how many letters, 0 for all", limit))
			}
			list, err := api.DeadLetters(cmd.Context(), letterQuery(cmd), limit)
			if err != nil {
				return err
			}
			return printAs(cmd, map[string]any{"dead_letters": list}, func(w *tabwriter.Writer) {
				fmt.Fprintln(w, "ID\tRECEIVED\tTOPIC\tREASON\tSTATE\tTRIES\tBYTES\tDETAIL")
				for i := range list {
					d := &list[i]
					fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%d\t%d\t%s\n", d.ID, d.ReceivedAt, orDash(d.Topic), d.ReasonCode, d.State, d.RedriveCount, d.PayloadBytes, strings.TrimSpace(d.Pointer+" "+d.Reason))
				}
			})
		})
	letterFlags(cmd)
	cmd.Flags().Int("limit", 100, "how many; 0 for all")
	return cmd
}

func orDash(s *string) string {
	if s == nil {
		return "-"
	}
	return *s
}

func deadLettersShow() *cobra.Command {
	return kafkaCommand("show ID", "Show a dead letter with its payload", "  hxp dead-letters show 9a41c0 --json", exactly("the id of a letter"), func(cmd *cobra.Command, api *app.Asked, args []string) error {
		d, err := api.DeadLetter(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		return printAs(cmd, d, func(w *tabwriter.Writer) {
			fmt.Fprintf(w, "id\t%s\nreceived\t%s\nstate\t%s, tried %d times\nreason\t%s %s: %s\n", d.ID, d.ReceivedAt, d.State, d.RedriveCount, d.ReasonCode, d.Pointer, d.Reason)
			if d.Topic != nil {
				fmt.Fprintf(w, "topic\t%s\n", *d.Topic)
			}
			if d.Partition != nil && d.Offset != nil {
				fmt.Fprintf(w, "place\tpartition %d, offset %d\n", *d.Partition, *d.Offset)
			}
			if d.RedrivableAt != nil {
				fmt.Fprintf(w, "redrivable\tfrom %s on\n", *d.RedrivableAt)
			}
			for _, h := range d.Headers {
				fmt.Fprintf(w, "header\t%s: %s\n", h.Name, h.Value)
			}
			payload := d.PayloadBase64
			if d.PayloadText != nil {
				payload = *d.PayloadText
			}
			fmt.Fprintf(w, "payload\t%d bytes\n%s\n", d.PayloadBytes, payload)
		})
	})
}

func deadLettersSummary() *cobra.Command {
	cmd := kafkaCommand("summary", "Count dead letters by reason", "  hxp dead-letters summary --since 2026-03-01T00:00:00Z", noArgs, func(cmd *cobra.Command, api *app.Asked, _ []string) error {
		s, err := api.DeadLetterSummary(cmd.Context(), letterQuery(cmd))
		if err != nil {
			return err
		}
		return printAs(cmd, s, func(w *tabwriter.Writer) {
			fmt.Fprintln(w, "REASON\tLETTERS\tOPEN")
			for _, code := range slices.Sorted(maps.Keys(s.Counts)) {
				fmt.Fprintf(w, "%s\t%d\t%d\n", code, s.Counts[code], s.Open[code])
			}
			fmt.Fprintf(w, "all\t%d\t%d\n", s.Total, s.Total-s.Redriven)
		})
	})
	letterFlags(cmd)
	return cmd
}

func deadLettersRedrive() *cobra.Command {
	cmd := kafkaCommand("redrive [ID…]", "Send dead letters again", "  hxp dead-letters redrive 9a41c0 --patch '{\"data\":{\"duration_ms\":90}}'\n  hxp dead-letters redrive --reason negative --patch-file mend.json --dry-run\n  hxp dead-letters redrive --all",
		cobra.ArbitraryArgs, func(cmd *cobra.Command, api *app.Asked, args []string) error {
			o, err := redriveOrder(cmd, args)
			if err != nil {
				return err
			}
			total, bad := app.Redrive{DryRun: o.DryRun, Counts: map[string]int{}}, false
			err = api.Redrive(cmd.Context(), o, func(r app.Redrive) error {
				for outcome, n := range r.Counts {
					total.Counts[outcome] += n
					bad = bad || !good(outcome)
				}
				total.Results = append(total.Results, r.Results...)
				total.Error = r.Error
				return nil
			})
			if err != nil {
				return err
			}
			if err := showRedrive(cmd, &total); err != nil {
				return err
			}
			switch {
			case total.Error != "":
				return errors.New(total.Error)
			case bad:
				return &exitError{1, nil}
			}
			return nil
		})
	cmd.Long = "Letters are named by their ids, or found by filters (--all without any). Exit code 1 when one of them is still not an event. Of those\nthat were tried 5 times in vain filters let go; send them by id."
	letterFlags(cmd)
	f := cmd.Flags()
	f.Bool("all", false, "every open letter that the filters find")
	f.String("patch", "", "JSON merge patch (RFC 7396) for each payload")
	f.String("patch-file", "", "file that holds it")
	f.Bool("dry-run", false, "only say what would become of them")
	return cmd
}

func good(outcome string) bool {
	return outcome == "redriven" || outcome == "already_redriven" || outcome == "valid"
}

func redriveOrder(cmd *cobra.Command, ids []string) (o app.RedriveOrder, err error) {
	f := cmd.Flags()
	every, _ := f.GetBool("all")
	filter := map[string]string{}
	for name, v := range letterQuery(cmd) {
		filter[name] = v[0]
	}
	switch {
	case len(ids) > 0 && (every || len(filter) > 0):
		return o, usage(errors.New("hxp dead-letters redrive: name letters or give filters, not both"))
	case len(ids) == 0 && !every && len(filter) == 0:
		return o, usage(errors.New("hxp dead-letters redrive: name letters, give filters, or say --all"))
	case len(ids) > 0:
		o.IDs = ids
	default:
		o.Filter = filter
	}
	o.DryRun, _ = f.GetBool("dry-run")
	patch, _ := f.GetString("patch")
	file, _ := f.GetString("patch-file")
	if patch != "" && file != "" {
		return o, usage(errors.New("hxp dead-letters redrive: give --patch or --patch-file, not both"))
	}
	if file != "" {
		text, err := os.ReadFile(file)
		if err != nil {
			return o, err
		}
		patch = string(text)
	}
	if patch != "" {
		if !json.Valid([]byte(patch)) {
			return o, usage(errors.New("hxp dead-letters redrive: the patch is not JSON"))
		}
		o.Patch = json.RawMessage(patch)
	}
	return o, nil
}

func showRedrive(cmd *cobra.Command, r *app.Redrive) error {
	return printAs(cmd, r, func(w *tabwriter.Writer) {
		fmt.Fprintln(w, "ID\tOUTCOME\tEVENT\tPLACE\tDETAIL")
		for _, one := range r.Results {
			place := one.Topic
			if one.Partition != nil && one.Offset != nil {
				place = fmt.Sprintf("%s %d:%d", one.Topic, *one.Partition, *one.Offset)
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", one.ID, one.Outcome, one.EventID, place, strings.TrimSpace(strings.Join([]string{one.Code, one.Pointer, one.Detail}, " ")))
		}
		for _, outcome := range slices.Sorted(maps.Keys(r.Counts)) {
			fmt.Fprintf(w, "%s\t%d\n", outcome, r.Counts[outcome])
		}
	})
}
