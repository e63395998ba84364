package batch

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hxp-enterprise/hxp/internal/batch/report"
)

// Reporting is the section report_generation: which reports are made.
type Reporting struct {
	Enabled bool     `yaml:"enabled" env:"REPORT_GENERATION_ENABLED" default:"true" doc:"make reports; false answers 409 and lets the task report_generation do nothing"`
	Formats []string `yaml:"formats" env:"REPORT_GENERATION_FORMATS" default:"json,csv,pdf" enum:"json,csv,pdf" doc:"formats that are made; the others answer 409"`
	Kinds   []string `yaml:"reports" env:"REPORT_GENERATION_REPORTS" default:"hourly_summary,daily_summary,weekly_summary,monthly_summary,business_intelligence,capacity_analysis" enum:"hourly_summary,daily_summary,weekly_summary,monthly_summary,business_intelligence,monthly_business_intelligence,capacity_analysis,cost,test" doc:"reports that are made by themselves when they are due. Of the six of the default, one that is left out answers 409 on request too; the others are made on request in any case."`

	Templates    bool   `yaml:"templates_enabled" env:"REPORT_GENERATION_TEMPLATES_ENABLED" default:"true" doc:"use the templates of the folder; false uses the built-in one alone"`
	TemplatesDir string `yaml:"templates_path" env:"REPORT_GENERATION_TEMPLATES_PATH" doc:"folder of templates, NAME.yaml each; one is used for the report of its name, else for those that it lists, else for all. None when empty. docs/reports.md says what they may hold"`

	Distribution bool `yaml:"distribution_enabled" env:"REPORT_DISTRIBUTION_ENABLED" default:"true" doc:"send reports: those that are due to the recipients and by the routes, others as options.email_to asks"`
	Email        bool `yaml:"email_enabled" env:"REPORT_DISTRIBUTION_EMAIL_ENABLED" default:"true" doc:"send reports by mail"`
}

// named are the kinds that the default of Reporting.Kinds names.
var named = []report.Kind{report.Hourly, report.Daily, report.Weekly, report.Monthly, report.Business, report.CapacityReport}

func reportingDefaults() Reporting {
	return Reporting{Enabled: true, Formats: slices.Clone(report.Formats), Kinds: texts(named), Templates: true, Distribution: true, Email: true}
}

func (r *Reporting) validate() error {
	var errs []error
	for _, f := range r.Formats {
		if !slices.Contains(report.Formats, f) {
			errs = append(errs, fmt.Errorf("report_generation.formats: %q is not one of %s", f, strings.Join(report.Formats, ", ")))
		}
	}
	for _, k := range r.Kinds {
		if !report.Kind(k).Known() {
			errs = append(errs, fmt.Errorf("report_generation.reports: there is no report %q", k))
		}
	}
	return errors.Join(errs...)
}

// on tells whether a kind is made on request.
func (r *Reporting) on(k report.Kind) bool {
	return r.Enabled && (!slices.Contains(named, k) || slices.Contains(r.Kinds, string(k)))
}

// Planning is the section capacity_analysis.
type Planning struct {
	Enabled     bool     `yaml:"enabled" env:"CAPACITY_ANALYSIS_ENABLED" default:"true" doc:"learn about capacity; false answers 409 and lets the task capacity_analysis do nothing"`
	Metrics     []string `yaml:"analysis_metrics" env:"CAPACITY_ANALYSIS_METRICS" default:"resource_utilization,growth_trends,capacity_forecasts,scaling_recommendations" enum:"resource_utilization,growth_trends,capacity_forecasts,scaling_recommendations" doc:"parts of the analysis that are made"`
	Models      bool     `yaml:"models_enabled" env:"CAPACITY_ANALYSIS_MODELS_ENABLED" default:"true" doc:"forecast and plan for each model, not for all together alone"`
	Predictions bool     `yaml:"predictions_enabled" env:"CAPACITY_ANALYSIS_PREDICTIONS_ENABLED" default:"true" doc:"show forecasts of the load; plans stand on them in any case"`
	Reporting   bool     `yaml:"reporting_enabled" env:"CAPACITY_ANALYSIS_REPORTING_ENABLED" default:"true" doc:"make the report capacity_analysis, by the task report_generation and on request; false answers 409"`
	Alerts      bool     `yaml:"alerts_enabled" env:"CAPACITY_ANALYSIS_ALERTS_ENABLED" default:"true" doc:"warn before capacity is exhausted: in the analysis, and by the task capacity_analysis on hxp-alerts"`
	TTFT        float64  `yaml:"ttft_p95_ms" env:"CAPACITY_ANALYSIS_TTFT_P95_MS" default:"2000" unit:"ms" doc:"the time to the first token that 95 % of the requests of a window shall meet; where it breaks is where capacity ends"`
	TPOT        float64  `yaml:"tpot_p95_ms" env:"CAPACITY_ANALYSIS_TPOT_P95_MS" default:"200" unit:"ms" doc:"the time per output token that 95 % of the requests of a window shall meet, 200 ms being about as fast as people read; where it breaks is where decode ends; 0 = no objective"`
	Target      float64  `yaml:"target_utilization" env:"CAPACITY_ANALYSIS_TARGET_UTILIZATION" default:"0.7" doc:"share of what machines can carry that the demand may take, above 0 and up to 1"`
	Spare       int      `yaml:"failure_domain" env:"CAPACITY_ANALYSIS_FAILURE_DOMAIN" default:"1" doc:"machines that may be lost at a time without the rest being too few; not counted where there is one machine alone"`
	MachineUSD  float64  `yaml:"machine_hour_usd" env:"CAPACITY_ANALYSIS_MACHINE_HOUR_USD" default:"0" doc:"price of a machine for an hour, to tell what a recommendation costs; 0 = not known"`
}

// The parts of a capacity analysis.
const (
	partUtilization     = "resource_utilization"
	partGrowth          = "growth_trends"
	partForecasts       = "capacity_forecasts"
	partRecommendations = "scaling_recommendations"
)

func planningDefaults() Planning {
	return Planning{Enabled: true, Metrics: []string{partUtilization, partGrowth, partForecasts, partRecommendations}, Models: true, Predictions: true, Reporting: true, Alerts: true,
		TTFT: 2000, TPOT: 200, Target: 0.7, Spare: 1}
}

func (p *Planning) validate() error {
	for _, m := range p.Metrics {
		if !slices.Contains(planningDefaults().Metrics, m) {
			return fmt.Errorf("capacity_analysis.analysis_metrics: there is no part %q", m)
		}
	}
	switch {
	case !(p.TTFT > 0 && p.TTFT <= 1e9):
		return fmt.Errorf("capacity_analysis.ttft_p95_ms: %v is not above 0", p.TTFT)
	case !(p.TPOT >= 0 && p.TPOT <= 1e9):
		return fmt.Errorf("capacity_analysis.tpot_p95_ms: %v is not 0 or above", p.TPOT)
	case !(p.Target > 0 && p.Target <= 1):
		return fmt.Errorf("capacity_analysis.target_utilization: %v is not above 0 and up to 1", p.Target)
	case p.Spare < 0 || p.Spare > 1000:
		return fmt.Errorf("capacity_analysis.failure_domain: %d is not from 0 to 1000", p.Spare)
	case !(p.MachineUSD >= 0 && p.MachineUSD <= 1e9):
		return fmt.Errorf("capacity_analysis.machine_hour_usd: %v is not 0 or above", p.MachineUSD)
	}
	return nil
}

func (p *Planning) makes(part string) bool { return slices.Contains(p.Metrics, part) }
