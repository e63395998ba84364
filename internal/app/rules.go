package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/hxp-enterprise/hxp/internal/stream/rule"
	"github.com/hxp-enterprise/hxp/internal/stream/ruleset"
)

// RuleFile is a file of rules as it was read.
type RuleFile struct {
	Name string
	Text []byte
}

// ErrRules says that a file of rules is faulty or a test failed; what and where has been told.
var ErrRules = errors.New("rules are faulty or fail their tests")

// RuleSchema writes the JSON Schema of rules.
func RuleSchema(out io.Writer) error {
	_, err := out.Write(rule.Schema())
	return err
}

// TestRules runs the tests that rules carry: those of the files, or without files those of the configuration and those that come
// with hxp.
func TestRules(ctx context.Context, cfg *Config, files []RuleFile, asJSON bool, out, faults io.Writer) error {
	rules, _ := ruleset.New(cfg.rules).Current()
	good := true
	if len(files) > 0 {
		rules, good = cfg.readRuleFiles(files, faults)
	}
	results := []rule.Result{}
	for i := range rules {
		of, err := rule.Check(ctx, &rules[i])
		if err != nil {
			return err
		}
		if len(of) == 0 && !asJSON {
			fmt.Fprintf(out, "none  %s: no tests\n", rules[i].Name)
		}
		for _, r := range of {
			good = good && len(r.Failed) == 0
			if !asJSON {
				tell(out, r)
			}
		}
		results = append(results, of...)
	}
	if err := summary(out, len(rules), results, asJSON); err != nil {
		return err
	}
	if !good {
		return ErrRules
	}
	return nil
}

// ImportRules writes the rules that the alerting rules of Prometheus rule files come to, and tells what does not map as FILE:LINE:
// where: what.
func ImportRules(files []RuleFile, asJSON bool, out, left io.Writer) error {
	rules, all := []rule.Rule{}, true
	for _, f := range files {
		of, faults := rule.FromPrometheus(f.Text)
		rules = append(rules, of...)
		for _, fault := range faults {
			all = false
			where, what := fault.In(f.Name)
			fmt.Fprintf(left, "%s: %s\n", where, what)
		}
	}
	var err error
	if asJSON {
		err = json.NewEncoder(out).Encode(rules)
	} else {
		_, err = out.Write(rule.YAML(rules))
	}
	if err == nil && !all {
		err = ErrRules
	}
	return err
}

// ReadRules reads files of rules and tells every fault as FILE:LINE: where: what.
func ReadRules(files []RuleFile, out io.Writer) (all []rule.Rule, good bool) {
	good = true
	for _, f := range files {
		rules, faults := rule.Decode(f.Text)
		for _, fault := range faults {
			good = false
			where, what := fault.In(f.Name)
			fmt.Fprintf(out, "%s: %s\n", where, what)
		}
		all = append(all, rules...)
	}
	return all, good
}

// readRuleFiles reads files of rules as those of the configuration are: their actions must fit its targets.
func (c *Config) readRuleFiles(files []RuleFile, out io.Writer) (all []rule.Rule, good bool) {
	good = true
	vet := vetRule(c.EventProcessing.Responses)
	for _, f := range files {
		rules, ok := ReadRules([]RuleFile{f}, out)
		good = good && ok
		for i := range rules {
			for _, fault := range vet(&rules[i]) {
				good = false
				where, what := fault.In(f.Name)
				fmt.Fprintf(out, "%s: %s\n", where, what)
			}
		}
		all = append(all, rules...)
	}
	return all, good
}

func tell(out io.Writer, r rule.Result) {
	if len(r.Failed) == 0 {
		fmt.Fprintf(out, "ok    %s: %s\n", r.Rule, r.Test)
		return
	}
	fmt.Fprintf(out, "FAIL  %s: %s\n", r.Rule, r.Test)
	for _, fault := range r.Failed {
		fmt.Fprintf(out, "      %s\n", fault)
	}
}

func summary(out io.Writer, rules int, results []rule.Result, asJSON bool) error {
	failed := 0
	for _, r := range results {
		if len(r.Failed) > 0 {
			failed++
		}
	}
	if asJSON {
		return json.NewEncoder(out).Encode(map[string]any{"rules": rules, "passed": len(results) - failed, "failed": failed, "results": results})
	}
	_, err := fmt.Fprintf(out, "%d rules, %d tests passed, %d failed\n", rules, len(results)-failed, failed)
	return err
}
