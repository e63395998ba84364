package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/hxp-enterprise/hxp/internal/app"
)

// maxRulesFile is one byte more than a file of rules may have, so that the reader of rules can say so.
const maxRulesFile = 1<<20 + 1

func rulesCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "rules", Short: "Write and test rules: what must be seen in the events before somebody is told",
		Long: "A file holds one rule or a list of rules, as YAML or JSON. All types share the keys name, type, when (CEL), group_by, for,\n" +
			"keep_firing_for, severity, labels, annotations, mode, actions and tests. `hxp rules schema` has every key with its meaning.",
		Example: `  hxp rules test                       the rules that come with hxp
  hxp rules test my-rules.yaml         your own
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
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usage(fmt.Errorf("unknown command %q%s", args[0], suggestions(cmd, args[0])))
			}
			return cmd.Help()
		},
	}
	cmd.AddCommand(rulesTestCommand(), &cobra.Command{
		Use: "schema", Short: "Print the JSON Schema of rules", Args: noArgs, Example: "  hxp rules schema > rules.schema.json",
		RunE: func(cmd *cobra.Command, _ []string) error { return app.RuleSchema(cmd.OutOrStdout()) },
	})
	return cmd
}

func rulesTestCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "test [FILE|-]…", Short: "Run the tests that rules carry",
		Long: "Shows each rule the events of its tests and compares the alerts with those that are expected. Without files it tests the rules\n" +
			"that come with hxp. No running instance is needed. Faults of a file go to stderr as FILE:LINE: where: what.\n" +
			"Exit codes: 0 all passed, 1 a rule is faulty or a test failed, 2 wrong usage.",
		Example: "  hxp rules test\n  hxp rules test rules/*.yaml\n  hxp rules test --json my-rules.yaml",
		RunE: func(cmd *cobra.Command, args []string) error {
			files, err := readRuleFiles(cmd.InOrStdin(), args)
			if err != nil {
				return &exitError{1, err}
			}
			if err := app.TestRules(cmd.Context(), files, asJSON, cmd.OutOrStdout(), cmd.ErrOrStderr()); errors.Is(err, app.ErrRules) {
				return &exitError{code: 1}
			} else if err != nil {
				return &exitError{1, err}
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "results as JSON")
	return cmd
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
