package retention

import (
	"errors"
	"fmt"
	"time"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// Config is the section data_retention.
type Config struct {
	RawDays         int           `yaml:"raw_data_days" env:"DATA_RETENTION_DAYS_RAW" default:"30" min:"1" max:"36500" doc:"days that raw events stay in the lake, by their own time"`
	AggregatedDays  int           `yaml:"aggregated_data_days" env:"DATA_RETENTION_DAYS_AGGREGATED" default:"365" min:"1" max:"36500" doc:"days that hourly aggregates stay; days, weeks and months stay for good"`
	ReportsDays     int           `yaml:"reports_days" env:"DATA_RETENTION_DAYS_REPORTS" default:"730" min:"1" max:"36500" doc:"days that reports stay, from when they were made"`
	ArchivalEnabled bool          `yaml:"archival_enabled" env:"DATA_ARCHIVAL_ENABLED" default:"true" doc:"copy to the archive before anything leaves; false deletes for good"`
	ArchivalPath    string        `yaml:"archival_path" env:"DATA_ARCHIVAL_PATH" doc:"folder of the archive, or s3://BUCKET/PREFIX with the keys of lake.s3; archive in the data folder when empty"`
	Daily           bool          `yaml:"daily" env:"DATA_RETENTION_DAILY" default:"true" doc:"clean up by itself every day at 03:00 UTC; POST /retention/cleanup and hxp retention cleanup always can"`
	Grace           time.Duration `yaml:"grace" env:"DATA_RETENTION_GRACE" default:"24h" min:"1m" max:"8760h" doc:"time that raw files stay in their place after they were let go; restore is then immediate"`
	BudgetBytes     int64         `yaml:"storage_budget_bytes" env:"DATA_RETENTION_STORAGE_BUDGET_BYTES" default:"0" min:"0" doc:"bytes that lake and archive may take together, of which data_retention_storage_usage is the used share; 0 = the file systems that hold them"`
}

// Defaults returns the configuration with every default in place.
func Defaults() Config {
	return Config{RawDays: 30, AggregatedDays: 365, ReportsDays: 730, ArchivalEnabled: true, Daily: true, Grace: 24 * time.Hour}
}

// Validate reports everything that is wrong with c at once, each by its YAML path.
func (c *Config) Validate() error {
	var errs []error
	for name, days := range map[string]int{"raw_data_days": c.RawDays, "aggregated_data_days": c.AggregatedDays, "reports_days": c.ReportsDays} {
		if days < 1 || days > 36500 {
			errs = append(errs, fmt.Errorf("data_retention.%s: %d is not within 1 to 36500", name, days))
		}
	}
	if c.Grace <= 0 {
		errs = append(errs, fmt.Errorf("data_retention.grace: %s is no time that files stay", c.Grace))
	}
	if c.BudgetBytes < 0 {
		errs = append(errs, fmt.Errorf("data_retention.storage_budget_bytes: %d is negative; 0 is none", c.BudgetBytes))
	}
	return errors.Join(errs...)
}

// cutoffs are the times before which periods are old, by class. Raw events leave by whole hours, aggregates by whole days.
func (c *Config) cutoffs(now time.Time) map[string]time.Time {
	days := func(n int) time.Time { return now.UTC().AddDate(0, 0, -n) }
	return map[string]time.Time{
		event.ClassRaw:        days(c.RawDays).Truncate(time.Hour),
		event.ClassAggregated: days(c.AggregatedDays).Truncate(24 * time.Hour),
		event.ClassReports:    days(c.ReportsDays).Truncate(time.Second),
	}
}
