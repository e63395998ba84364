package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/hxp-enterprise/hxp/internal/app"
)

func reportsSchedule() *cobra.Command {
	cmd := &cobra.Command{Use: "schedule [TYPE]", Short: "Show or change which reports are made by themselves, and who gets them by mail",
		Long: "Without a type and flags it shows what holds now: what the configuration says, or of a type what was set here or on the business board.\n" +
			"With a type it sets that type: what no flag names stays. --reset leaves the type to the configuration again. Webhooks and folders are set\nin the configuration alone.",
		Example: "  hxp reports schedule\n  hxp reports schedule daily_summary --to ops@example.org,boss@example.org --at \"0 8 * * 1-5\"\n" +
			"  hxp reports schedule cost --made\n  hxp reports schedule weekly_summary --made=false\n  hxp reports schedule daily_summary --reset",
		Args: func(cmd *cobra.Command, args []string) error { return usage(cobra.MaximumNArgs(1)(cmd, args)) }, ValidArgs: app.ReportTypes(),
		RunE: func(cmd *cobra.Command, args []string) error {
			changes := slices.ContainsFunc([]string{"made", "to", "format", "at", "reset"}, cmd.Flags().Changed)
			if len(args) == 0 && changes {
				return usage(fmt.Errorf("%s: name the type that is to change, such as daily_summary", cmd.CommandPath()))
			}
			api, err := batchAPI(cmd)
			if err != nil {
				return err
			}
			all, err := api.ReportSchedules(cmd.Context())
			if err != nil {
				return err
			}
			if len(args) == 0 {
				return showSchedules(cmd, all)
			}
			i := slices.IndexFunc(all.Schedules, func(s app.ReportSchedule) bool { return s.Type == args[0] })
			if i < 0 {
				return usage(fmt.Errorf("%q is no type of report that is ever due", args[0]))
			}
			if changes {
				changeSchedule(cmd, &all.Schedules[i])
				if all, err = api.PutReportSchedules(cmd.Context(), all); err != nil {
					return err
				}
			}
			all.Schedules = slices.DeleteFunc(all.Schedules, func(s app.ReportSchedule) bool { return s.Type != args[0] })
			return showSchedules(cmd, all)
		}}
	cmd.Flags().Bool("made", true, "made by itself when it is due")
	cmd.Flags().StringSlice("to", nil, "mail addresses, with commas; \"\" for nobody")
	cmd.Flags().StringSlice("format", nil, "formats that are mailed: json, csv, pdf")
	cmd.Flags().String("at", "", "cron (five fields): what is due is mailed at the next such time; \"\" for at once")
	cmd.Flags().Bool("reset", false, "leave the type to the configuration again")
	cmd.Flags().Bool("json", false, "as JSON")
	return cmd
}

// changeSchedule does to a schedule what the flags say. They speak of one group of people: it takes the place of all that there were.
func changeSchedule(cmd *cobra.Command, s *app.ReportSchedule) {
	flags := cmd.Flags()
	if reset, _ := flags.GetBool("reset"); reset {
		s.Origin = "configuration"
		return
	}
	if s.Origin = "api"; flags.Changed("made") {
		s.Made, _ = flags.GetBool("made")
	}
	if !flags.Changed("to") && !flags.Changed("format") && !flags.Changed("at") {
		return
	}
	var m app.ReportMail
	if len(s.Mail) > 0 {
		m = s.Mail[0]
	}
	if flags.Changed("to") {
		m.Recipients, _ = flags.GetStringSlice("to")
	}
	if flags.Changed("format") {
		m.Formats, _ = flags.GetStringSlice("format")
	}
	if flags.Changed("at") {
		m.Schedule, _ = flags.GetString("at")
	}
	if s.Mail = []app.ReportMail{m}; flags.Changed("to") && len(m.Recipients) == 0 {
		s.Mail = []app.ReportMail{}
	}
}

func showSchedules(cmd *cobra.Command, all app.ReportSchedules) error {
	if asJSON, _ := cmd.Flags().GetBool("json"); asJSON {
		return printJSON(cmd, all)
	}
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "REPORT\tMADE\tSAID BY\tMAILED TO\tFORMATS\tAT")
	for _, s := range all.Schedules {
		fmt.Fprintf(w, "%s\t%s\t%s\t", s.Type, strconv.FormatBool(s.Made), s.Origin)
		if len(s.Mail) == 0 {
			fmt.Fprintln(w, "-\t-\t-")
		}
		for i, m := range s.Mail {
			if i > 0 {
				fmt.Fprint(w, "\t\t\t")
			}
			at := m.Schedule
			if at == "" {
				at = "once it is made"
			}
			fmt.Fprintf(w, "%s\t%s\t%s\n", strings.Join(m.Recipients, ","), strings.Join(m.Formats, ","), at)
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if !all.Mail {
		fmt.Fprintln(cmd.ErrOrStderr(), "hxp: nothing is mailed: there is no mail server, or mail is switched off (smtp_host, report_generation.email_enabled)")
	}
	return nil
}
