package batch

import (
	"fmt"
	"slices"
	"strings"
)

// Intelligence is the section business_intelligence: what is looked for.
type Intelligence struct {
	Enabled     bool     `yaml:"enabled" env:"BUSINESS_INTELLIGENCE_ENABLED" default:"true" doc:"look for findings; false answers 409"`
	Metrics     bool     `yaml:"metrics_enabled" env:"BUSINESS_INTELLIGENCE_METRICS_ENABLED" default:"true" doc:"show the numbers at large (sections) beside the findings: activity, cohorts, sessions, satisfaction, costs by model"`
	Trends      bool     `yaml:"trends_enabled" env:"BUSINESS_INTELLIGENCE_TRENDS_ENABLED" default:"true" doc:"look for changes of level and drifts over time"`
	Forecasting bool     `yaml:"forecasting_enabled" env:"BUSINESS_INTELLIGENCE_FORECASTING_ENABLED" default:"true" doc:"answer GET /forecasts and POST /forecasts/backtest; false answers 409. Plans of capacity and budgets stand on forecasts in any case"`
	Types       []string `yaml:"analysis_types" env:"BUSINESS_INTELLIGENCE_ANALYSIS_TYPES" default:"user_behavior,performance_trends,cost_optimization,capacity_planning" enum:"user_behavior,performance_trends,cost_optimization,capacity_planning" doc:"kinds of analysis that are made; the others answer 409"`
	Funnels     []Funnel `yaml:"funnels" doc:"ways that sessions or users go, for GET /business-intelligence/funnels; when empty one, value: llm_request, user_feedback and business_event of a session within a day"`
}

func intelligenceDefaults() Intelligence {
	return Intelligence{Enabled: true, Metrics: true, Trends: true, Forecasting: true, Types: slices.Clone(insightKinds)}
}

// on tells whether a kind is made.
func (c *Intelligence) on(kind string) bool { return c.Enabled && slices.Contains(c.Types, kind) }

func (c *Intelligence) validate() error {
	for i, name := range c.Types {
		if !slices.Contains(insightKinds, name) {
			return fmt.Errorf("business_intelligence.analysis_types[%d]: %q is not one of %s", i, name, strings.Join(insightKinds, ", "))
		}
	}
	return checkFunnels(c.Funnels)
}
