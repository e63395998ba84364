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
	Enabled bool     `yaml:"enabled" env:"CAPACITY_ANALYSIS_ENABLED" default:"true" doc:"learn about capacity; false answers 409 and lets the task capacity_analysis do nothing"`
	Metrics []string `yaml:"analysis_metrics" env:"CAPACITY_ANALYSIS_METRICS" default:"resource_utilization,growth_trends,capacity_forecasts,scaling_recommendations" enum:"resource_utilization,growth_trends,capacity_forecasts,scaling_recommendations" doc:"parts of the analysis that are made; capacity_forecasts and scaling_recommendations are empty in this version"`
}

// The parts of a capacity analysis.
const (
	partUtilization     = "resource_utilization"
	partGrowth          = "growth_trends"
	partForecasts       = "capacity_forecasts"
	partRecommendations = "scaling_recommendations"
)

func planningDefaults() Planning {
	return Planning{Enabled: true, Metrics: []string{partUtilization, partGrowth, partForecasts, partRecommendations}}
}

func (p *Planning) validate() error {
	for _, m := range p.Metrics {
		if !slices.Contains(planningDefaults().Metrics, m) {
			return fmt.Errorf("capacity_analysis.analysis_metrics: there is no part %q", m)
		}
	}
	return nil
}

func (p *Planning) makes(part string) bool { return slices.Contains(p.Metrics, part) }
