package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/hxp-enterprise/hxp/internal/app"
)

// maxRulesFile is one byte more than a file of rules may have, so that the reader of rules can say so.
const maxRulesFile = 1<<20 + 1

func rulesCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "rules", Short: "Rules: what must be seen in the events before somebody is told", Args: noVerb,
		Long: "A file holds one rule or a list of rules, as YAML or JSON. All types share the keys name, type, when (CEL), group_by, for,\n" +
			"keep_firing_for, severity, labels, annotations, mode, actions and tests. `hxp rules schema` has every key with its meaning.\n" +
			"test and schema need no running hxp; the others talk to event-processing-api.",
		Example: `  hxp rules list                       the rules that count, and where they come from
  hxp rules show error-burst           one of them, as YAML
  hxp rules test my-rules.yaml         run the tests that your rules carry
  hxp rules put my-rules.yaml          let them count
  hxp rules delete silent-model        switch off one that comes with hxp
  hxp rules restore silent-model       and on again
  hxp rules import alerts.rules.yml    make rules of those of Prometheus
  hxp rules schema > rules.schema.json for your editor

  # my-rules.yaml
  name: slow-answers
  type: threshold
  when: event_type == "llm_request" && data.model == "llama-70b"
  metric: latency_ms.p95
  op: ">"
  value: 3000
  window: 60s
  for: 30s
  group_by: [tenant]
  severity: warning
  tests:
    - name: slow for a minute
      events:
        - {at: 0s, every: 1s, count: 60, event_type: llm_request, data: {model: llama-70b, tenant: t1, success: true, duration_ms: 5000}}
      expect:
        - {key: {tenant: t1}, fires_by: 40s}`,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(rulesList(), rulesShow(), rulesPut(), rulesDelete(), rulesRestore(), rulesTest(), rulesImport(), &cobra.Command{
		Use: "schema", Short: "Print the JSON Schema of rules", Args: noArgs, Example: "  hxp rules schema > rules.schema.json",
		RunE: func(cmd *cobra.Command, _ []string) error { return app.RuleSchema(cmd.OutOrStdout()) },
	})
	return cmd
}

func rulesList() *cobra.Command {
	cmd := askingCommand(app.EventProcessingAPI, "list", "List the rules, those that are switched off as well", "  hxp rules list --type absence\n  hxp rules list --origin api --json", noArgs,
		func(cmd *cobra.Command, api *app.Asked, _ []string) error {
			q := filters(cmd, "type", "severity", "origin")
			list, err := api.Rules(cmd.Context(), q)
			if err != nil {
				return err
			}
			return printAs(cmd, map[string]any{"rules": list}, func(w *tabwriter.Writer) {
				fmt.Fprintln(w, "NAME\tTYPE\tSEVERITY\tMODE\tGROUP BY\tFROM\tTESTS\tSUMMARY")
				for i := range list {
					r := &list[i]
					fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%d\t%s\n", r.Name, r.Type, r.Severity, r.Mode, strings.Join(r.GroupBy, ","), cameFrom(r), r.Tests, r.Summary)
				}
			})
		})
	f := cmd.Flags()
	f.String("type", "", "only rules of this type")
	f.String("severity", "", "only rules of this severity")
	f.String("origin", "", "only rules of this layer: pack, file or api")
	complete(cmd, "type", app.RuleTypes)
	complete(cmd, "severity", app.Severities)
	complete(cmd, "origin", app.RuleOrigins)
	return cmd
}

// cameFrom says which layer a rule is of, and whether it counts.
func cameFrom(r *app.ListedRule) string {
	switch {
	case !r.Enabled:
		return string(r.Origin) + ", deleted"
	case r.Below != nil:
		return fmt.Sprintf("%s over %s", r.Origin, *r.Below)
	case r.File != nil:
		return *r.File
	}
	return string(r.Origin)
}

func rulesShow() *cobra.Command {
	cmd := askingCommand(app.EventProcessingAPI, "show NAME", "Print a rule as YAML, with its tests", "  hxp rules show error-burst\n  hxp rules show error-burst --origin pack > error-burst.yaml", exactly("a rule"),
		func(cmd *cobra.Command, api *app.Asked, args []string) error {
			asJSON, _ := cmd.Flags().GetBool("json")
			text, err := api.RuleText(cmd.Context(), args[0], cmd.Flag("origin").Value.String(), asJSON)
			if err != nil {
				return err
			}
			_, err = cmd.OutOrStdout().Write(text)
			return err
		})
	cmd.Flags().String("origin", "", "what this layer says (pack, file or api), also where it does not count")
	complete(cmd, "origin", app.RuleOrigins)
	return completeRules(cmd)
}

func rulesPut() *cobra.Command {
	cmd := askingCommand(app.EventProcessingAPI, "put FILE…", "Let rules count, on all instances", "  hxp rules put my-rules.yaml\n  hxp rules show slow-answers | sed 's/3000/5000/' | hxp rules put -\n  hxp rules put slow-answers.yaml --if-match '\"0b6c3f\"'", nil,
		func(cmd *cobra.Command, api *app.Asked, args []string) error {
			files, err := readRuleFiles(cmd.InOrStdin(), args)
			if err != nil {
				return err
			}
			rules, ok := app.ReadRules(files, cmd.ErrOrStderr())
			if !ok {
				return &exitError{code: 1}
			}
			condition := cmd.Flag("if-match").Value.String()
			if isNew, _ := cmd.Flags().GetBool("new"); isNew {
				condition = "new"
			}
			names := []string{}
			for i := range rules {
				text, err := json.Marshal(&rules[i])
				if err != nil {
					return err
				}
				if err := api.PutRule(cmd.Context(), rules[i].Name, text, condition); err != nil {
					return fmt.Errorf("rule %s: %w", rules[i].Name, err)
				}
				names = append(names, rules[i].Name)
			}
			return printAs(cmd, map[string]any{"put": names}, func(w *tabwriter.Writer) {
				for _, name := range names {
					fmt.Fprintf(w, "%s counts\n", name)
				}
			})
		})
	cmd.Long = "A rule that is put counts before one of the same name in a file of the configuration, or one that comes with hxp.\nIts own tests are run first."
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return usage(errors.New("hxp rules put: name files of rules, or - for standard input"))
		}
		return nil
	}
	cmd.Flags().String("if-match", "", "only if this is the ETag of the rule that counts now (see list --json)")
	cmd.Flags().Bool("new", false, "only if there is no rule of this name")
	cmd.MarkFlagsMutuallyExclusive("if-match", "new")
	return cmd
}

func rulesDelete() *cobra.Command {
	return completeRules(askingCommand(app.EventProcessingAPI, "delete NAME", "Take a rule away, or switch off one of a file or of hxp", "  hxp rules delete slow-answers", exactly("a rule"),
		func(cmd *cobra.Command, api *app.Asked, args []string) error {
			if err := api.DeleteRule(cmd.Context(), args[0]); err != nil {
				return err
			}
			return printAs(cmd, map[string]any{"deleted": args[0]}, func(w *tabwriter.Writer) { fmt.Fprintf(w, "%s counts no more\n", args[0]) })
		}))
}

func rulesRestore() *cobra.Command {
	return completeRules(askingCommand(app.EventProcessingAPI, "restore NAME", "Put a rule back as the configuration or hxp itself has it", "  hxp rules restore silent-model", exactly("a rule"),
		func(cmd *cobra.Command, api *app.Asked, args []string) error {
			origin, err := api.RestoreRule(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return printAs(cmd, map[string]any{"restored": args[0], "origin": origin}, func(w *tabwriter.Writer) { fmt.Fprintf(w, "%s counts again as the %s has it\n", args[0], origin) })
		}))
}

// completeRules offers the names of the rules for the first argument.
func completeRules(cmd *cobra.Command) *cobra.Command {
	cmd.ValidArgsFunction = func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var names []string
		_ = asking(cmd, app.EventProcessingAPI, func(api *app.Asked) error { // without an answer there is nothing to offer
			list, err := api.Rules(cmd.Context(), url.Values{})
			for i := range list {
				names = append(names, list[i].Name)
			}
			return err
		})
		return names, cobra.ShellCompDirectiveNoFileComp
	}
	return cmd
}

func rulesTest() *cobra.Command {
	cmd := &cobra.Command{
		Use: "test [FILE|-]…", Short: "Run the tests that rules carry",
		Long: "Without files the rules that come with hxp and those of the configuration are tested. Exit code 1 when a rule is faulty or a test fails.\n" +
			"With --from it is a dry run: event-processing-api reads what arrived since then and says which alerts the rules would have made,\nwithout files those that count there.",
		Example: "  hxp rules test\n  hxp rules test rules/*.yaml\n  hxp rules test --json my-rules.yaml\n  hxp rules test --from 6h my-rules.yaml\n  hxp rules test --from 2026-03-01T10:00:00Z --to 2026-03-01T12:00:00Z",
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := settings(cmd)
			if err != nil {
				return err
			}
			files, err := readRuleFiles(cmd.InOrStdin(), args)
			if err != nil {
				return err
			}
			if cmd.Flags().Changed("from") || cmd.Flags().Changed("to") {
				return dryRun(cmd, files)
			}
			asJSON, _ := cmd.Flags().GetBool("json")
			err = app.TestRules(cmd.Context(), cfg, files, asJSON, cmd.OutOrStdout(), cmd.ErrOrStderr())
			if errors.Is(err, app.ErrRules) {
				return &exitError{code: 1}
			}
			return err
		},
	}
	cmd.Flags().Bool("json", false, "results as JSON")
	cmd.Flags().String("from", "", "dry run over what arrived from this time (RFC 3339) on, or since so long ago (6h)")
	cmd.Flags().String("to", "", "end of the dry run, at most 24 hours later; now when absent")
	cmd.Flags().String("url", "", "base URL of event-processing-api, for a dry run; where the configuration says when absent")
	configFlags(cmd.Flags())
	return cmd
}

func rulesImport() *cobra.Command {
	cmd := &cobra.Command{Use: "import FILE…", Short: "Make rules of the alerting rules of Prometheus",
		Long: "Prints rules for the alerts whose metrics are numbers of events here: rate(event_processing_total[5m]), requests, tokens, cost, latency and time to\n" +
			"first token by the names of vLLM, LiteLLM and OpenTelemetry, and gauges of vLLM. What does not map is told on stderr with line and reason;\nthen the exit code is 1. Look at the rules, add tests, and put them.",
		Example: "  hxp rules import alerts.rules.yml > my-rules.yaml\n  hxp rules test my-rules.yaml && hxp rules put my-rules.yaml",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usage(errors.New("hxp rules import: name rule files of Prometheus, or - for standard input"))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			files, err := readRuleFiles(cmd.InOrStdin(), args)
			if err != nil {
				return err
			}
			asJSON, _ := cmd.Flags().GetBool("json")
			err = app.ImportRules(files, asJSON, cmd.OutOrStdout(), cmd.ErrOrStderr())
			if errors.Is(err, app.ErrRules) {
				return &exitError{code: 1}
			}
			return err
		}}
	cmd.Flags().Bool("json", false, "rules as JSON")
	return cmd
}

// dryRun says what rules would have told of what happened.
func dryRun(cmd *cobra.Command, files []app.RuleFile) error {
	now := time.Now()
	from, err := momentOf(cmd.Flag("from").Value.String(), now)
	if err == nil && from.IsZero() {
		err = errors.New("is missing; a dry run needs a beginning")
	}
	if err != nil {
		return usage(fmt.Errorf("hxp rules test: --from %w", err))
	}
	to, err := momentOf(cmd.Flag("to").Value.String(), now)
	if err != nil {
		return usage(fmt.Errorf("hxp rules test: --to %w", err))
	}
	rules, good := app.ReadRules(files, cmd.ErrOrStderr())
	if !good {
		return &exitError{code: 1}
	}
	bar := newProgress(cmd.ErrOrStderr(), "thousandths of the time")
	return asking(cmd, app.EventProcessingAPI, func(api *app.Asked) error {
		out, err := api.TryRules(cmd.Context(), rules, from, to, func(p app.RuleProgress) { bar.show(int(1000*p.Share), 1000) })
		if err != nil {
			return err
		}
		bar.show(1000, 1000)
		return printAs(cmd, out, func(w *tabwriter.Writer) {
			fmt.Fprintf(w, "%d rules on %d records from %s to %s: %d alerts\n", out.Rules, out.Records, out.From.Format(time.RFC3339), out.Until.Format(time.RFC3339), total(out.Fired))
			if !out.Complete {
				fmt.Fprintf(w, "not complete: %s\n", out.Reason)
			}
			if len(out.Alerts) > 0 {
				listAlerts(w, out.Alerts)
			}
		})
	})
}

func total(counts map[string]int) (n int) {
	for _, c := range counts {
		n += c
	}
	return n
}

func readRuleFiles(in io.Reader, names []string) ([]app.RuleFile, error) {
	files := make([]app.RuleFile, len(names))
	for i, name := range names {
		from := in
		if name != "-" {
			f, err := os.Open(name)
			if err != nil {
				return nil, err
			}
			defer f.Close()
			from = f
		}
		text, err := io.ReadAll(io.LimitReader(from, maxRulesFile))
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
		files[i] = app.RuleFile{Name: name, Text: text}
	}
	return files, nil
}
