package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/hxp-enterprise/hxp/internal/app"
)

func schemasCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "schemas", Short: "Schemas of events, and the schema registry", Args: noArgs,
		Long: "list, show and validate need no running hxp. subjects and register talk to the schema registry of kafka-api.",
		Example: "  hxp schemas list\n  hxp schemas show llm_request > llm_request.schema.json\n  hxp schemas validate events.ndjson\n" +
			"  hxp schemas register llm-requests-value request.avsc --type AVRO\n  hxp schemas subjects --json",
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	cmd.AddCommand(schemasList(), schemasShow(), schemasValidate(), schemasSubjects(), schemasRegister())
	return cmd
}

func schemasList() *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "List the JSON Schemas of hxp's own events", Args: noArgs, Example: "  hxp schemas list\n  hxp schemas list --json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			all := app.EventSchemas()
			return printAs(cmd, map[string]any{"schemas": all}, func(w *tabwriter.Writer) {
				fmt.Fprintln(w, "EVENT TYPE\tTOPIC\tVERSIONS")
				for _, s := range all {
					fmt.Fprintf(w, "%s\t%s\t%s\n", s.Name, s.Topic, numbers(s.Versions))
				}
			})
		}}
	cmd.Flags().Bool("json", false, "as JSON")
	return cmd
}

func numbers(list []int) string { return strings.Trim(fmt.Sprint(list), "[]") }

func schemasShow() *cobra.Command {
	cmd := &cobra.Command{Use: "show EVENT_TYPE", Short: "Print a JSON Schema (2020-12)", Args: exactly("an event type, or envelope"), Example: "  hxp schemas show llm_request\n  hxp schemas show envelope --version 1",
		RunE: func(cmd *cobra.Command, args []string) error {
			version, _ := cmd.Flags().GetInt("version")
			text, err := app.EventSchemaText(args[0], version)
			if err != nil {
				return err
			}
			_, err = cmd.OutOrStdout().Write(text)
			return err
		}}
	cmd.Flags().Int("version", 0, "which version; the newest when absent")
	return cmd
}

func schemasValidate() *cobra.Command {
	cmd := &cobra.Command{Use: "validate FILE…", Short: "Judge events as the way in would, without sending them",
		Long:    "Reads files with one event a line, or a single event; - is standard input. Exit code 1 when an event is wrong.",
		Example: "  hxp schemas validate events.ndjson\n  echo '{\"event_type\":\"llm_request\",\"data\":{\"model\":\"m\"}}' | hxp schemas validate -",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usage(fmt.Errorf("hxp schemas validate: name files, or - for standard input"))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			asJSON, _ := cmd.Flags().GetBool("json")
			type bad struct {
				File string `json:"file"`
				app.BadEvent
			}
			found, events := []bad{}, 0
			for _, name := range args {
				n, err := validateFile(cmd, name, func(b app.BadEvent) {
					if len(found) < 10_000 { // more is no news
						found = append(found, bad{name, b})
					}
					if !asJSON {
						fmt.Fprintf(cmd.OutOrStdout(), "%s:%d: %s at %q: %s\n", name, b.Line, b.Code, b.Pointer, b.Detail)
					}
				})
				if err != nil {
					return err
				}
				events += n
			}
			if asJSON {
				if err := printJSON(cmd, map[string]any{"events": events, "valid": len(found) == 0, "errors": found}); err != nil {
					return err
				}
			} else {
				fmt.Fprintf(cmd.OutOrStdout(), "%d events, %d wrong\n", events, len(found))
			}
			if len(found) > 0 {
				return &exitError{1, nil}
			}
			return nil
		}}
	cmd.Flags().Bool("json", false, "as JSON")
	return cmd
}

func validateFile(cmd *cobra.Command, name string, each func(app.BadEvent)) (int, error) {
	in := io.NopCloser(cmd.InOrStdin())
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return 0, err
		}
		in = f
	}
	defer func() { _ = in.Close() }() // only read
	return app.ValidateEvents(in, each)
}

// registryCommand is a command that talks to the schema registry.
func registryCommand(use, short, example string, args cobra.PositionalArgs, run func(cmd *cobra.Command, c *app.SchemaRegistry, args []string) error) *cobra.Command {
	return askingCommand(app.KafkaAPI, use, short, example, args, func(cmd *cobra.Command, a *app.Asked, args []string) error {
		return run(cmd, &app.SchemaRegistry{Asked: a}, args)
	})
}

func schemasSubjects() *cobra.Command {
	return registryCommand("subjects", "List the subjects of the schema registry with their versions", "  hxp schemas subjects --json", noArgs, func(cmd *cobra.Command, c *app.SchemaRegistry, _ []string) error {
		subjects, err := c.Subjects(cmd.Context())
		if err != nil {
			return err
		}
		return printAs(cmd, map[string]any{"subjects": subjects}, func(w *tabwriter.Writer) {
			fmt.Fprintln(w, "SUBJECT\tVERSIONS")
			for _, s := range subjects {
				fmt.Fprintf(w, "%s\t%s\n", s.Subject, numbers(s.Versions))
			}
		})
	})
}

func schemasRegister() *cobra.Command {
	cmd := registryCommand("register SUBJECT FILE", "Register a schema under a subject", "  hxp schemas register llm-requests-value request.avsc --type AVRO\n  hxp schemas register llm-requests-value request.schema.json --type JSON",
		exactly("a subject", "a file"), func(cmd *cobra.Command, c *app.SchemaRegistry, args []string) error {
			kind, _ := cmd.Flags().GetString("type")
			if kind = strings.ToUpper(kind); kind != "JSON" && kind != "AVRO" {
				return usage(fmt.Errorf("--type %q is neither JSON nor AVRO", kind))
			}
			text, err := os.ReadFile(args[1])
			if err != nil {
				return err
			}
			id, err := c.Register(cmd.Context(), args[0], kind, string(text))
			if err != nil {
				return err
			}
			return printAs(cmd, map[string]any{"subject": args[0], "id": id}, func(w *tabwriter.Writer) { fmt.Fprintf(w, "%s has id %d\n", args[0], id) })
		})
	cmd.Flags().String("type", "JSON", "JSON or AVRO")
	return cmd
}
