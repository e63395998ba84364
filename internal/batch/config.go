package batch

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // zones are known on machines without them

	"github.com/robfig/cron/v3"
)

// Config is what operators set of the batch room, under the names of batch-processing-api.yaml.
type Config struct {
	Processing   Processing   `yaml:"batch_processing" doc:"when batch work runs, and for how long"`
	Aggregation  Aggregation  `yaml:"data_aggregation" doc:"which periods are aggregated"`
	Reports      Reporting    `yaml:"report_generation" doc:"which reports are made"`
	ReportsDir   string       `yaml:"reports" env:"REPORT_GENERATION_PATH" doc:"folder of the reports; reports in the data folder when empty"`
	Mail         Mail         `yaml:"mail" doc:"the mail server, and who gets every report"`
	Routes       Routing      `yaml:"report_distribution" doc:"who else gets which report, how and when"`
	Capacity     Planning     `yaml:"capacity_analysis" doc:"what is learnt of capacity"`
	Costs        Costing      `yaml:"costs" doc:"what requests cost"`
	Intelligence Intelligence `yaml:"business_intelligence" doc:"which findings are made"`
}

// Processing says when and how batch work runs. Crons are in the time zone that is set, UTC by default.
type Processing struct {
	HourlyCron  string `yaml:"hourly_cron" env:"BATCH_PROCESSING_HOURLY_CRON" default:"0 * * * *" doc:"cron (five fields) of hxp_hourly_aggregation: when the period that is over is aggregated"`
	DailyCron   string `yaml:"daily_cron" env:"BATCH_PROCESSING_DAILY_CRON" default:"0 0 * * *" doc:"cron (five fields) of hxp_daily_aggregation: when the period that is over is aggregated"`
	WeeklyCron  string `yaml:"weekly_cron" env:"BATCH_PROCESSING_WEEKLY_CRON" default:"0 0 * * 0" doc:"cron (five fields) of hxp_weekly_aggregation: when the period that is over is aggregated"`
	MonthlyCron string `yaml:"monthly_cron" env:"BATCH_PROCESSING_MONTHLY_CRON" default:"0 0 1 * *" doc:"cron (five fields) of hxp_monthly_aggregation: when the period that is over is aggregated"`

	Timezone string   `yaml:"timezone" env:"BATCH_PROCESSING_TIMEZONE" default:"UTC" doc:"time zone in which the crons are read, such as Europe/Berlin; the periods themselves are always UTC"`
	Policies Policies `yaml:"policies" doc:"how each DAG catches up, overlaps and warns"`

	Timeout    int `yaml:"timeout" env:"BATCH_PROCESSING_TIMEOUT" default:"3600" min:"1" max:"604800" doc:"seconds after which a run is failed, its waiting for data included"`
	Retries    int `yaml:"retries" env:"BATCH_PROCESSING_RETRIES" default:"3" min:"0" max:"100" doc:"further tries of a task that failed"`
	RetryDelay int `yaml:"retry_delay" env:"BATCH_PROCESSING_RETRY_DELAY" default:"300" min:"0" max:"86400" doc:"seconds between two tries of a task"`

	Workers  int   `yaml:"workers" env:"BATCH_PROCESSING_WORKERS" default:"2" min:"1" max:"64" doc:"hours folded at the same time"`
	MemoryMB int   `yaml:"memory_mb" env:"BATCH_PROCESSING_MEMORY_MB" default:"256" min:"16" max:"1048576" doc:"MiB that the identities of the events of one hour may take while duplicates are removed, divided by the workers; an hour with more is read in several passes"`
	PartRows int64 `yaml:"part_rows" env:"BATCH_PROCESSING_PART_ROWS" default:"20000000" min:"0" max:"1000000000000" doc:"rows of an hour above which its aggregation is divided into parts of about so many rows each (64 at most), which all instances on one database share; an instance that is alone folds in one piece. 0 = never"`
}

// Policies are the rules of the four DAGs.
type Policies struct {
	Hourly  Policy `yaml:"hourly" doc:"rules of hxp_hourly_aggregation"`
	Daily   Policy `yaml:"daily" doc:"rules of hxp_daily_aggregation"`
	Weekly  Policy `yaml:"weekly" doc:"rules of hxp_weekly_aggregation"`
	Monthly Policy `yaml:"monthly" doc:"rules of hxp_monthly_aggregation"`
}

// Policy says what a DAG does when it could not run in time.
type Policy struct {
	CatchUp   string `yaml:"catchup" default:"all" enum:"all,latest" doc:"intervals that passed while nothing ran or the DAG was paused: run all, or the latest alone"`
	MaxActive int    `yaml:"max_active_runs" default:"16" min:"1" max:"1000" doc:"scheduled and manual runs of the DAG under way at the same time; more wait"`
	Deadline  int    `yaml:"deadline_seconds" default:"7200" min:"0" max:"2678400" doc:"seconds after it came due by which a scheduled run should have succeeded; when it is missed, an error is logged and counted; 0 = none"`
}

func defaultPolicy() Policy { return Policy{CatchUp: "all", MaxActive: 16, Deadline: 7200} }

func (p *Policies) of(period string) Policy {
	return map[string]Policy{"hourly": p.Hourly, "daily": p.Daily, "weekly": p.Weekly, "monthly": p.Monthly}[period]
}

// Aggregation switches kinds of aggregation on and off; one that is off answers 409 and is shown as disabled.
type Aggregation struct {
	Enabled   bool      `yaml:"enabled" env:"DATA_AGGREGATION_ENABLED" default:"true" doc:"false switches all aggregation off"`
	Intervals Intervals `yaml:"intervals" doc:"periods that are aggregated"`
	Metrics   []string  `yaml:"metrics" env:"DATA_AGGREGATION_METRICS" default:"throughput,latency,error_rate,user_satisfaction,business_value,cost_analysis,capacity_utilization" enum:"throughput,latency,error_rate,user_satisfaction,business_value,cost_analysis,capacity_utilization" doc:"groups of columns that are filled: throughput_rps; latency_*_ms and ttft_*_ms; error_rate; user_satisfaction; business_value_usd; cost_usd; capacity_utilization, cpu_usage, memory_usage and gpu_usage. The columns of the others stay and are null in what is aggregated from then on; counts and tokens are always there"`
}

// Intervals are the switches of the four periods.
type Intervals struct {
	Hourly  bool `yaml:"hourly" env:"DATA_AGGREGATION_INTERVAL_HOURLY" default:"true" doc:"aggregate hours"`
	Daily   bool `yaml:"daily" env:"DATA_AGGREGATION_INTERVAL_DAILY" default:"true" doc:"aggregate days"`
	Weekly  bool `yaml:"weekly" env:"DATA_AGGREGATION_INTERVAL_WEEKLY" default:"true" doc:"aggregate weeks, from Sunday"`
	Monthly bool `yaml:"monthly" env:"DATA_AGGREGATION_INTERVAL_MONTHLY" default:"true" doc:"aggregate months"`
}

// Defaults returns the configuration with every default in place.
func Defaults() Config {
	return Config{
		Processing: Processing{
			HourlyCron: "0 * * * *", DailyCron: "0 0 * * *", WeeklyCron: "0 0 * * 0", MonthlyCron: "0 0 1 * *",
			Timezone: "UTC", Policies: Policies{defaultPolicy(), defaultPolicy(), defaultPolicy(), defaultPolicy()},
			Timeout: 3600, Retries: 3, RetryDelay: 300, Workers: 2, MemoryMB: 256, PartRows: 20_000_000,
		},
		Aggregation:  Aggregation{Enabled: true, Intervals: Intervals{Hourly: true, Daily: true, Weekly: true, Monthly: true}, Metrics: slices.Clone(columnGroups)},
		Reports:      reportingDefaults(),
		Mail:         mailDefaults(),
		Capacity:     planningDefaults(),
		Costs:        costingDefaults(),
		Intelligence: intelligenceDefaults(),
	}
}

// Validate reports everything that is wrong with c at once, each by its YAML path.
func (c *Config) Validate() error {
	var errs []error
	for _, s := range []struct{ path, cron string }{
		{"batch_processing.hourly_cron", c.Processing.HourlyCron}, {"batch_processing.daily_cron", c.Processing.DailyCron},
		{"batch_processing.weekly_cron", c.Processing.WeeklyCron}, {"batch_processing.monthly_cron", c.Processing.MonthlyCron},
	} {
		if _, err := parseCron(s.cron); err != nil {
			errs = append(errs, fmt.Errorf("%s: %q is no cron of five fields (minute hour day-of-month month day-of-week): %w", s.path, s.cron, err))
		}
	}
	if _, err := time.LoadLocation(c.Processing.Timezone); err != nil {
		errs = append(errs, fmt.Errorf("batch_processing.timezone: %q is no time zone such as UTC or Europe/Berlin", c.Processing.Timezone))
	}
	for _, period := range periods {
		path, p := "batch_processing.policies."+period, c.Processing.Policies.of(period)
		if p.CatchUp != "all" && p.CatchUp != "latest" {
			errs = append(errs, fmt.Errorf("%s.catchup: %q is neither all nor latest", path, p.CatchUp))
		}
		if p.MaxActive < 1 {
			errs = append(errs, fmt.Errorf("%s.max_active_runs: %d is less than 1", path, p.MaxActive))
		}
		if p.Deadline < 0 {
			errs = append(errs, fmt.Errorf("%s.deadline_seconds: %d is negative; 0 is none", path, p.Deadline))
		}
	}
	for _, n := range []struct {
		path        string
		v, min, max int
	}{
		{"batch_processing.part_rows", int(c.Processing.PartRows), 0, 1e12},
		{"batch_processing.timeout", c.Processing.Timeout, 1, 604800}, {"batch_processing.retries", c.Processing.Retries, 0, 100},
		{"batch_processing.retry_delay", c.Processing.RetryDelay, 0, 86400}, {"batch_processing.workers", c.Processing.Workers, 1, 64},
		{"batch_processing.memory_mb", c.Processing.MemoryMB, 16, 1 << 20},
	} {
		if n.v < n.min || n.v > n.max {
			errs = append(errs, fmt.Errorf("%s: %d is not within %d to %d", n.path, n.v, n.min, n.max))
		}
	}
	for i, name := range c.Aggregation.Metrics {
		if !slices.Contains(columnGroups, name) {
			errs = append(errs, fmt.Errorf("data_aggregation.metrics[%d]: %q is not one of %s", i, name, strings.Join(columnGroups, ", ")))
		}
	}
	errs = append(errs, c.Reports.validate(), c.Mail.validate(), c.Routes.validate(), c.Capacity.validate(), c.Costs.validate(), c.Intelligence.validate())
	return errors.Join(errs...)
}

func (p *Processing) timeout() time.Duration    { return time.Duration(p.Timeout) * time.Second }
func (p *Processing) retryDelay() time.Duration { return time.Duration(p.RetryDelay) * time.Second }

// idBudget is the memory in bytes that the identities of one fold may take.
func (p *Processing) idBudget() int { return p.MemoryMB << 20 / max(p.Workers, 1) }

// enabled tells whether aggregation of a period (hourly, daily, weekly, monthly) is on.
func (a *Aggregation) enabled(period string) bool {
	on := map[string]bool{"hourly": a.Intervals.Hourly, "daily": a.Intervals.Daily, "weekly": a.Intervals.Weekly, "monthly": a.Intervals.Monthly}
	return a.Enabled && on[period]
}

// fiveFields reads exactly five fields: no seconds, no "@daily", and no time zone, which batch_processing.timezone sets.
var fiveFields = cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow)

func parseCron(spec string) (cron.Schedule, error) {
	if len(spec) > 3 && (spec[:3] == "TZ=" || (len(spec) > 8 && spec[:8] == "CRON_TZ=")) {
		return nil, errors.New("leave the time zone out; batch_processing.timezone sets it for all")
	}
	s, err := fiveFields.Parse(spec)
	if err != nil {
		return nil, err
	}
	if s.Next(time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() { // e.g. 30 February
		return nil, errors.New("it never comes due")
	}
	return s, nil
}
