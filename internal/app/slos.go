package app

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"

	"github.com/hxp-enterprise/hxp/internal/stream/rule"
	"github.com/hxp-enterprise/hxp/internal/stream/ruleset"
)

// What event-processing-api tells of objectives, for commands.
type (
	Objective  = rule.Objective
	DefinedSLO struct {
		Name       string    `json:"name"`
		Rule       string    `json:"rule"`
		Definition *rule.SLO `json:"definition"`
	}
)

// Objectives lists how objectives stand. The query is that of GET /slo.
func (a *Asked) Objectives(ctx context.Context, q url.Values) ([]Objective, error) {
	return gather[Objective](ctx, a, "/slo", "slos", q, 0)
}

// SLO shows how an objective is defined.
func (a *Asked) SLO(ctx context.Context, name string) (one DefinedSLO, err error) {
	return one, a.Into(ctx, http.MethodGet, "/slo/"+url.PathEscape(name), nil, &one)
}

// PrometheusRules writes a rule file of Prometheus for the objectives of the files, or without files for those of the configuration and
// those that come with hxp.
func PrometheusRules(cfg *Config, files []RuleFile, asJSON bool, out, faults io.Writer) error {
	rules, _ := ruleset.New(cfg.rules).Current()
	if len(files) > 0 {
		var good bool
		if rules, good = ReadRules(files, faults); !good {
			return ErrRules
		}
	}
	file := rule.Prometheus(rules)
	if asJSON {
		return json.NewEncoder(out).Encode(file)
	}
	_, err := out.Write(file.YAML())
	return err
}
