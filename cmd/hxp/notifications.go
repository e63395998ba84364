package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/hxp-enterprise/hxp/internal/app"
)

func notificationsCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "notifications", Short: "Who hears of alerts: messages, configuration, silences, acknowledgements", Args: noVerb,
		Long: "These commands talk to data-streaming-api.",
		Example: "  hxp notifications list --state waiting\n  hxp notifications alerts\n  hxp notifications config --file routes.yaml\n  hxp notifications test ops\n" +
			"  hxp notifications silence add 'model=\"m1\"' --for 2h --comment \"new driver\"\n  hxp notifications ack 0123456789abcdef",
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	cmd.AddCommand(notificationsList(), notificationsAlerts(), notificationsConfig(), notificationsTest(), notificationsSilence(), notificationsAck())
	return cmd
}

func notificationCommand(use, short, example string, args cobra.PositionalArgs, run func(cmd *cobra.Command, api *app.Asked, args []string) error) *cobra.Command {
	return askingCommand(app.DataStreamingAPI, use, short, example, args, run)
}

func notificationsList() *cobra.Command {
	cmd := notificationCommand("list", "List messages to receivers, the newest first", "  hxp notifications list --state waiting\n  hxp notifications list --receiver ops --json", noArgs,
		func(cmd *cobra.Command, api *app.Asked, _ []string) error {
			list, err := api.Notifications(cmd.Context(), filters(cmd, "state", "receiver", "limit"))
			if err != nil {
				return err
			}
			return printAs(cmd, map[string]any{"notifications": list}, func(w *tabwriter.Writer) {
				fmt.Fprintln(w, "CREATED\tRECEIVER\tCHANNEL\tSTATE\tATTEMPTS\tTITLE\tERROR")
				for i := range list {
					n := &list[i]
					fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%s\t%s\n", moment(n.CreatedAt), n.Receiver, n.Channel, n.Status, n.Attempts, n.Title, n.Error)
				}
			})
		})
	cmd.Flags().String("state", "", "only messages in this state: waiting, sent or failed")
	cmd.Flags().String("receiver", "", "only those to this receiver")
	cmd.Flags().Int("limit", 100, "how many at most")
	return cmd
}

func notificationsAlerts() *cobra.Command {
	cmd := notificationCommand("alerts", "List the alerts that fire, and who hears of them", "  hxp notifications alerts\n  hxp notifications alerts --filter 'severity=\"critical\"' --json", noArgs,
		func(cmd *cobra.Command, api *app.Asked, _ []string) error {
			list, err := api.RoutedAlerts(cmd.Context(), filters(cmd, "filter"))
			if err != nil {
				return err
			}
			return printAs(cmd, list, func(w *tabwriter.Writer) {
				fmt.Fprintln(w, "FINGERPRINT\tALERT\tSINCE\tSTATE\tRECEIVERS\tACKNOWLEDGED\tSUMMARY")
				for i := range list {
					a := &list[i]
					var to []string
					for _, r := range a.Receivers {
						to = append(to, r["name"])
					}
					fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", a.Fingerprint, a.Labels["alertname"], moment(a.StartsAt), a.State(), strings.Join(to, ","), a.AcknowledgedBy, a.Annotations["summary"])
				}
			})
		})
	cmd.Flags().String("filter", "", "a matcher, such as severity=\"critical\"")
	return cmd
}

func notificationsConfig() *cobra.Command {
	cmd := notificationCommand("config", "Show the routes and receivers, or replace them", "  hxp notifications config\n  hxp notifications config --file routes.yaml\n  hxp notifications config --file - < routes.yaml", noArgs,
		func(cmd *cobra.Command, api *app.Asked, _ []string) error {
			var document []byte
			switch name := cmd.Flag("file").Value.String(); name {
			case "":
			case "-":
				text, err := io.ReadAll(io.LimitReader(cmd.InOrStdin(), 2<<20))
				if err != nil {
					return err
				}
				document = append([]byte{}, text...)
			default:
				text, err := os.ReadFile(name)
				if err != nil {
					return usage(err)
				}
				document = append([]byte{}, text...)
			}
			shown, err := api.NotificationConfig(cmd.Context(), document)
			if err != nil {
				return err
			}
			return indented(cmd.OutOrStdout(), shown)
		})
	cmd.Flags().String("file", "", "YAML or JSON in Alertmanager's vocabulary; - is standard input")
	return cmd
}

func notificationsTest() *cobra.Command {
	cmd := notificationCommand("test RECEIVER", "Send a receiver a message made up for it", "  hxp notifications test ops\n  hxp notifications test ops --preview", exactly("a receiver"),
		func(cmd *cobra.Command, api *app.Asked, args []string) error {
			preview, _ := cmd.Flags().GetBool("preview")
			out, err := api.TestReceiver(cmd.Context(), args[0], preview)
			if err != nil {
				return err
			}
			return indented(cmd.OutOrStdout(), out)
		})
	cmd.Flags().Bool("preview", false, "show the texts and send nothing")
	return cmd
}

func notificationsSilence() *cobra.Command {
	cmd := &cobra.Command{Use: "silence", Short: "Silences: list, add, end", Args: noVerb, Example: "  hxp notifications silence list\n  hxp notifications silence add 'model=\"m1\"' --for 2h --comment \"new driver\"\n  hxp notifications silence end ID",
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	list := notificationCommand("list", "List silences, those that last longest first", "  hxp notifications silence list --json", noArgs, func(cmd *cobra.Command, api *app.Asked, _ []string) error {
		all, err := api.Silences(cmd.Context())
		if err != nil {
			return err
		}
		return printSilences(cmd, all)
	})
	add := notificationCommand("add MATCHER…", "Keep alerts that match from being told", "  hxp notifications silence add 'alertname=\"slow\"' 'model=~\"m.*\"' --for 2h --comment \"new driver\"", cobra.MinimumNArgs(1), addSilence)
	add.Flags().Duration("for", 2*time.Hour, "how long")
	add.Flags().String("comment", "", "why")
	add.Flags().String("by", whoAmI(), "who")
	end := notificationCommand("end ID", "End a silence", "  hxp notifications silence end 4f0c…", exactly("an id"), func(cmd *cobra.Command, api *app.Asked, args []string) error {
		return api.EndSilence(cmd.Context(), args[0])
	})
	cmd.AddCommand(list, add, end)
	return cmd
}

func addSilence(cmd *cobra.Command, api *app.Asked, args []string) error {
	matchers, err := app.MatchersOf(args)
	if err != nil {
		return usage(err)
	}
	d, _ := cmd.Flags().GetDuration("for")
	s := app.Silence{Matchers: matchers, StartsAt: time.Now(), EndsAt: time.Now().Add(d), CreatedBy: cmd.Flag("by").Value.String(), Comment: cmd.Flag("comment").Value.String()}
	switch {
	case d <= 0:
		return usage(errors.New("--for: give how long, such as 2h"))
	case s.CreatedBy == "":
		return usage(errors.New("--by: say who"))
	case s.Comment == "":
		return usage(errors.New("--comment: say why"))
	}
	made, err := api.AddSilence(cmd.Context(), s)
	if err != nil {
		return err
	}
	return printSilences(cmd, []app.Silence{made})
}

func printSilences(cmd *cobra.Command, all []app.Silence) error {
	return printAs(cmd, map[string]any{"silences": all}, func(w *tabwriter.Writer) {
		fmt.Fprintln(w, "ID\tSTATE\tENDS\tMATCHERS\tBY\tCOMMENT")
		for i := range all {
			s := &all[i]
			var texts []string
			for _, m := range s.Matchers {
				op := map[[2]bool]string{{false, true}: "=", {false, false}: "!=", {true, true}: "=~", {true, false}: "!~"}[[2]bool{m.IsRegex, m.IsEqual}]
				texts = append(texts, fmt.Sprintf("%s%s%q", m.Name, op, m.Value))
			}
			state := ""
			if s.Status != nil {
				state = s.Status.State
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", s.ID, state, moment(s.EndsAt), strings.Join(texts, ","), s.CreatedBy, s.Comment)
		}
	})
}

func notificationsAck() *cobra.Command {
	cmd := notificationCommand("ack FINGERPRINT", "Say that somebody looks at an alert, so that nobody else is woken", "  hxp notifications ack 0123456789abcdef --comment \"on it\"", exactly("a fingerprint"),
		func(cmd *cobra.Command, api *app.Asked, args []string) error {
			return api.AcknowledgeAlert(cmd.Context(), args[0], cmd.Flag("by").Value.String(), cmd.Flag("comment").Value.String())
		})
	cmd.Flags().String("by", whoAmI(), "who")
	cmd.Flags().String("comment", "", "what is done")
	return cmd
}

// indented writes JSON for people.
func indented(w io.Writer, document []byte) error {
	var b bytes.Buffer
	if err := json.Indent(&b, document, "", "  "); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "%s\n", strings.TrimSpace(b.String()))
	return err
}

// whoAmI names whoever sits at this machine, as well as that is known.
func whoAmI() string {
	host, _ := os.Hostname()
	return cmp.Or(os.Getenv("USER"), os.Getenv("LOGNAME"), "somebody at "+host)
}
