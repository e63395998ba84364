package main

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/hxp-enterprise/hxp/internal/app"
)

func topicsCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "topics", Short: "Topics of the bus: create, alter, read, lag and positions of consumer groups", Args: noVerb,
		Long: "These commands talk to kafka-api.",
		Example: "  hxp topics list\n  hxp topics create team.extra --partitions 4 --set retention.ms=3600000\n  hxp topics alter llm-requests --partitions 6\n" +
			"  hxp topics messages llm-requests --from 2026-03-01T10:00:00Z --contains gpt-4 --limit 20\n  hxp topics lag hxp-event-processing\n  hxp topics reset my-group --to earliest --dry-run",
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	cmd.AddCommand(topicsList(), topicsShow(), topicsCreate(), topicsAlter(), topicsDelete(), topicsMessages(), topicsGroups(), topicsLag(), topicsReset())
	return cmd
}

// kafkaCommand is a command that talks to kafka-api.
func kafkaCommand(use, short, example string, args cobra.PositionalArgs, run func(cmd *cobra.Command, api *app.Asked, args []string) error) *cobra.Command {
	return askingCommand(app.KafkaAPI, use, short, example, args, run)
}

func topicsList() *cobra.Command {
	return kafkaCommand("list", "List the topics", "  hxp topics list --json", noArgs, func(cmd *cobra.Command, api *app.Asked, _ []string) error {
		topics, err := api.Topics(cmd.Context())
		if err != nil {
			return err
		}
		return printAs(cmd, map[string]any{"topics": topics}, func(w *tabwriter.Writer) {
			fmt.Fprintln(w, "NAME\tPARTITIONS\tREPLICAS\tMESSAGES\tBYTES\tRETENTION\tDIFFERS")
			for i := range topics {
				t := &topics[i]
				fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%s\t%s\t%s\n", t.Name, t.Partitions, t.ReplicationFactor, t.Messages, orUnknown(t.Bytes), keeps(t), differs(t))
			}
		})
	})
}

func orUnknown(n *int64) string {
	if n == nil {
		return "unknown"
	}
	return strconv.FormatInt(*n, 10)
}

// keeps says for how long and how much a topic keeps.
func keeps(t *app.Topic) string {
	var out []string
	if t.RetentionMS != nil {
		out = append(out, span(time.Duration(*t.RetentionMS)*time.Millisecond))
	}
	if t.RetentionBytes != nil {
		out = append(out, fmt.Sprintf("%d bytes a partition", *t.RetentionBytes))
	}
	if out == nil {
		return "for ever"
	}
	return strings.Join(out, ", ")
}

// span writes a duration in days where it is whole days.
func span(d time.Duration) string {
	const day = 24 * time.Hour
	if d >= day && d%day == 0 {
		return fmt.Sprintf("%dd", d/day)
	}
	return d.String()
}

func differs(t *app.Topic) string {
	var out []string
	for _, d := range t.Differs {
		out = append(out, fmt.Sprintf("%s %s, configured %s", d.Setting, d.Has, d.Configured))
	}
	return strings.Join(out, "; ")
}

func showTopic(cmd *cobra.Command, t *app.Topic) error {
	return printAs(cmd, t, func(w *tabwriter.Writer) {
		fmt.Fprintf(w, "topic\t%s\npartitions\t%d\nreplicas\t%d\nmessages\t%d\nbytes\t%s\nkeeps\t%s\n", t.Name, t.Partitions, t.ReplicationFactor, t.Messages, orUnknown(t.Bytes), keeps(t))
		if t.EventsPerSecond != nil {
			fmt.Fprintf(w, "rate\t%g/s\n", *t.EventsPerSecond)
		}
		for _, d := range t.Differs {
			fmt.Fprintf(w, "differs\t%s is %s, configured is %s: %s\n", d.Setting, d.Has, d.Configured, d.Detail)
		}
		for _, l := range t.Logs {
			fmt.Fprintf(w, "partition %d\t%d to %d\n", l.Partition, l.Start, l.End)
		}
		for _, name := range slices.Sorted(maps.Keys(t.Config)) {
			fmt.Fprintf(w, "%s\t%s\n", name, t.Config[name])
		}
	})
}

func topicsShow() *cobra.Command {
	return kafkaCommand("show TOPIC", "Show a topic with its settings and logs", "  hxp topics show llm-requests", exactly("a topic"), func(cmd *cobra.Command, api *app.Asked, args []string) error {
		t, err := api.Topic(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		return showTopic(cmd, &t)
	})
}

// wishFlags are what a topic can be wished to be.
func wishFlags(cmd *cobra.Command) {
	cmd.Flags().Int("partitions", 0, "number of partitions")
	cmd.Flags().StringArray("set", nil, "NAME=VALUE of a setting by Kafka's names, once for each")
}

func wishOf(cmd *cobra.Command) (w app.TopicWish, err error) {
	w.Partitions, _ = cmd.Flags().GetInt("partitions")
	if cmd.Flags().Changed("partitions") && w.Partitions < 1 {
		return w, usage(fmt.Errorf("--partitions %d: give a number from 1 on", w.Partitions))
	}
	pairs, _ := cmd.Flags().GetStringArray("set")
	for _, pair := range pairs {
		name, value, ok := strings.Cut(pair, "=")
		if !ok || name == "" {
			return w, usage(fmt.Errorf("--set %q is not NAME=VALUE", pair))
		}
		if w.Config == nil {
			w.Config = map[string]*string{}
		}
		w.Config[name] = &value
	}
	return w, nil
}

func topicsCreate() *cobra.Command {
	cmd := kafkaCommand("create TOPIC", "Make a topic", "  hxp topics create team.extra --partitions 4 --set retention.ms=3600000", exactly("a name"),
		func(cmd *cobra.Command, api *app.Asked, args []string) error {
			wish, err := wishOf(cmd)
			if err != nil {
				return err
			}
			wish.Name = args[0]
			wish.Replication, _ = cmd.Flags().GetInt("replication-factor")
			t, err := api.CreateTopic(cmd.Context(), wish)
			if err != nil {
				return err
			}
			return showTopic(cmd, &t)
		})
	wishFlags(cmd)
	cmd.Flags().Int("replication-factor", 0, "number of replicas")
	return cmd
}

func topicsAlter() *cobra.Command {
	cmd := kafkaCommand("alter TOPIC", "Give a topic more partitions or other settings", "  hxp topics alter llm-requests --partitions 6\n  hxp topics alter llm-requests --set retention.ms=86400000\n  hxp topics alter team.extra --unset retention.bytes",
		exactly("a topic"), func(cmd *cobra.Command, api *app.Asked, args []string) error {
			wish, err := wishOf(cmd)
			if err != nil {
				return err
			}
			unset, _ := cmd.Flags().GetStringArray("unset")
			for _, name := range unset {
				if wish.Config == nil {
					wish.Config = map[string]*string{}
				}
				wish.Config[name] = nil
			}
			t, err := api.AlterTopic(cmd.Context(), args[0], wish)
			if err != nil {
				return err
			}
			return showTopic(cmd, &t)
		})
	wishFlags(cmd)
	cmd.Flags().StringArray("unset", nil, "name of a setting that goes back to the brokers' default, once for each")
	return cmd
}

func topicsDelete() *cobra.Command {
	cmd := kafkaCommand("delete TOPIC", "Delete a topic with everything in it", "  hxp topics delete team.extra --yes", exactly("a topic"), func(cmd *cobra.Command, api *app.Asked, args []string) error {
		if sure, _ := cmd.Flags().GetBool("yes"); !sure {
			return usage(errors.New("hxp topics delete: everything in the topic is lost; say --yes if that is meant"))
		}
		if err := api.DeleteTopic(cmd.Context(), args[0]); err != nil {
			return err
		}
		return printAs(cmd, map[string]any{"deleted": args[0]}, func(w *tabwriter.Writer) { fmt.Fprintf(w, "%s is deleted\n", args[0]) })
	})
	cmd.Flags().Bool("yes", false, "it is meant")
	return cmd
}

func topicsMessages() *cobra.Command {
	cmd := kafkaCommand("messages TOPIC", "Read messages of a topic", "  hxp topics messages llm-requests --from 2026-03-01T10:00:00Z --limit 20\n  hxp topics messages llm-requests --partition 0 --offset 100\n  hxp topics messages hxp-dead-letters --contains gpt-4 --json | jq .key",
		exactly("a topic"), func(cmd *cobra.Command, api *app.Asked, args []string) error {
			q := url.Values{}
			for flag, name := range map[string]string{"partition": "partition", "offset": "offset", "from": "from", "key": "key", "event-type": "event_type", "contains": "contains"} {
				if cmd.Flags().Changed(flag) {
					q.Set(name, cmd.Flag(flag).Value.String())
				}
			}
			limit, _ := cmd.Flags().GetInt("limit")
			if limit < 0 {
				return usage(fmt.Errorf("--limit %d: give how many messages, 0 for all", limit))
			}
			return api.Messages(cmd.Context(), args[0], q, limit, func(m app.TopicMessage) error { return printMessage(cmd, &m) })
		})
	cmd.Long = "Prints a message a line, in the order of their time within each page; with --json one JSON object a line."
	f := cmd.Flags()
	f.Int("partition", 0, "only this partition")
	f.Int64("offset", 0, "first offset; needs --partition")
	f.String("from", "", "RFC 3339: messages that the broker took at this time or later")
	f.String("key", "", "only messages with this key")
	f.String("event-type", "", "only events of this type")
	f.String("contains", "", "only messages whose value has this text")
	f.Int("limit", 100, "how many; 0 for all")
	return cmd
}

func printMessage(cmd *cobra.Command, m *app.TopicMessage) error {
	if asJSON, _ := cmd.Flags().GetBool("json"); asJSON {
		return printLine(cmd, m)
	}
	key, value := "-", string(m.Value)
	if m.Key != nil {
		key = *m.Key
	}
	switch {
	case m.Reason == nil:
	case m.PayloadText != nil:
		value = fmt.Sprintf("(%s) %q", m.Reason.Code, *m.PayloadText)
	default:
		value = fmt.Sprintf("(%s) base64 %s", m.Reason.Code, *m.PayloadBase64)
	}
	_, err := fmt.Fprintf(cmd.OutOrStdout(), "%d:%d  %s  %s  %s\n", m.Partition, m.Offset, m.Timestamp, key, value)
	return err
}

func topicsGroups() *cobra.Command {
	return kafkaCommand("groups", "List the consumer groups with their lag", "  hxp topics groups --json", noArgs, func(cmd *cobra.Command, api *app.Asked, _ []string) error {
		groups, err := api.Groups(cmd.Context())
		if err != nil {
			return err
		}
		return printAs(cmd, map[string]any{"groups": groups}, func(w *tabwriter.Writer) {
			fmt.Fprintln(w, "GROUP\tSTATE\tLAG\tOF HXP")
			for _, g := range groups {
				fmt.Fprintf(w, "%s\t%s\t%d\t%s\n", g.ID, g.State, g.Lag, yes(g.Own))
			}
		})
	})
}

func topicsLag() *cobra.Command {
	return kafkaCommand("lag GROUP", "Show where a consumer group stands in each partition", "  hxp topics lag hxp-event-processing", exactly("a group"), func(cmd *cobra.Command, api *app.Asked, args []string) error {
		g, err := api.Group(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		return printAs(cmd, g, func(w *tabwriter.Writer) {
			fmt.Fprintf(w, "%s is %s, lag %d\n", g.ID, g.State, g.Lag)
			fmt.Fprintln(w, "TOPIC\tPARTITION\tPOSITION\tEND\tLAG")
			for _, p := range g.Partitions {
				fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\n", p.Topic, p.Partition, orUnknown(p.Position), orUnknown(p.End), orUnknown(p.Lag))
			}
			for _, m := range g.Members {
				fmt.Fprintf(w, "member %s\t%s\t%s\n", m.ID, m.Client, m.Host)
			}
		})
	})
}

func topicsReset() *cobra.Command {
	cmd := kafkaCommand("reset GROUP", "Put a consumer group without members elsewhere", "  hxp topics reset my-group --to earliest --dry-run\n  hxp topics reset my-group --to 2026-03-01T00:00:00Z\n  hxp topics reset my-group --offset llm-requests:0=1500 --offset llm-requests:1=1200",
		exactly("a group"), func(cmd *cobra.Command, api *app.Asked, args []string) error {
			to, err := resetTo(cmd)
			if err != nil {
				return err
			}
			dry, _ := cmd.Flags().GetBool("dry-run")
			r, err := api.ResetGroup(cmd.Context(), args[0], to, dry)
			if err != nil {
				return err
			}
			return printAs(cmd, r, func(w *tabwriter.Writer) {
				fmt.Fprintln(w, "TOPIC\tPARTITION\tFROM\tTO\tLAG")
				for _, m := range r.Partitions {
					fmt.Fprintf(w, "%s\t%d\t%s\t%d\t%d\n", m.Topic, m.Partition, orUnknown(m.From), m.To, m.Lag)
				}
				if dry {
					fmt.Fprintln(w, "nothing was changed")
				}
			})
		})
	cmd.Flags().String("to", "", "earliest, latest, or a time in RFC 3339")
	cmd.Flags().StringArray("offset", nil, "TOPIC:PARTITION=OFFSET, once for each partition")
	cmd.Flags().Bool("dry-run", false, "only say what would be done")
	return cmd
}

// resetTo is what --to or --offset say.
func resetTo(cmd *cobra.Command) (any, error) {
	to, _ := cmd.Flags().GetString("to")
	list, _ := cmd.Flags().GetStringArray("offset")
	if (to == "") == (len(list) == 0) {
		return nil, usage(errors.New("hxp topics reset: give either --to or --offset"))
	}
	if to != "" {
		return to, nil
	}
	offsets := map[string]map[string]int64{}
	for _, text := range list {
		place, offset, ok := strings.Cut(text, "=")
		i := strings.LastIndexByte(place, ':')
		n, err := strconv.ParseInt(offset, 10, 64)
		if !ok || i < 0 || err != nil {
			return nil, usage(fmt.Errorf("--offset %q is not TOPIC:PARTITION=OFFSET", text))
		}
		if offsets[place[:i]] == nil {
			offsets[place[:i]] = map[string]int64{}
		}
		offsets[place[:i]][place[i+1:]] = n
	}
	return offsets, nil
}

// noVerb refuses a verb that does not exist.
func noVerb(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usage(fmt.Errorf("%s has no command %q%s", cmd.CommandPath(), args[0], suggestions(cmd, args[0])))
	}
	return nil
}
