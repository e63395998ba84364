package app

import "time"

// What the specification names and no room uses yet. A setting moves to its room's Config when it begins to work.

// LaterBatch are the sections of batch-processing-api.yaml that come with later releases.
type LaterBatch struct {
	Reports      LaterReports         `yaml:"report_generation"`
	Business     BusinessIntelligence `yaml:"business_intelligence" doc:"Which findings are made."`
	Capacity     LaterCapacity        `yaml:"capacity_analysis"`
	Distribution Mail                 `yaml:"mail" doc:"How reports are mailed."`
}

// LaterReports is the rest of the section report_generation.
type LaterReports struct {
	Distribution bool `yaml:"distribution_enabled" env:"REPORT_DISTRIBUTION_ENABLED" default:"true" doc:"Send reports when they are made." later:"distribution comes with the insight release"`
	Email        bool `yaml:"email_enabled" env:"REPORT_DISTRIBUTION_EMAIL_ENABLED" default:"true" doc:"Send reports by mail." later:"distribution comes with the insight release"`
}

// BusinessIntelligence is the section business_intelligence.
type BusinessIntelligence struct {
	Enabled     bool     `yaml:"enabled" env:"BUSINESS_INTELLIGENCE_ENABLED" default:"true" doc:"Look for findings." later:"business intelligence comes with the insight release"`
	Metrics     bool     `yaml:"metrics_enabled" env:"BUSINESS_INTELLIGENCE_METRICS_ENABLED" default:"true" doc:"Compute its metrics." later:"business intelligence comes with the insight release"`
	Trends      bool     `yaml:"trends_enabled" env:"BUSINESS_INTELLIGENCE_TRENDS_ENABLED" default:"true" doc:"Compute trends." later:"business intelligence comes with the insight release"`
	Forecasting bool     `yaml:"forecasting_enabled" env:"BUSINESS_INTELLIGENCE_FORECASTING_ENABLED" default:"true" doc:"Compute forecasts." later:"forecasts come with the insight release"`
	Dashboards  bool     `yaml:"dashboards_enabled" env:"BUSINESS_INTELLIGENCE_DASHBOARDS_ENABLED" default:"true" doc:"Show findings on the business dashboard." later:"the business dashboard comes with the live release"`
	Types       []string `yaml:"analysis_types" default:"user_behavior,performance_trends,cost_optimization,capacity_planning" enum:"user_behavior,performance_trends,cost_optimization,capacity_planning" doc:"Kinds of analysis that are made." later:"business intelligence comes with the insight release"`
}

// LaterCapacity is the rest of the section capacity_analysis.
type LaterCapacity struct {
	Models      bool `yaml:"models_enabled" env:"CAPACITY_ANALYSIS_MODELS_ENABLED" default:"true" doc:"Plan for each model." later:"growth is shown for each model; plans come with the insight release"`
	Predictions bool `yaml:"predictions_enabled" env:"CAPACITY_ANALYSIS_PREDICTIONS_ENABLED" default:"true" doc:"Predict the load." later:"forecasts come with the insight release"`
	Alerts      bool `yaml:"alerts_enabled" env:"CAPACITY_ANALYSIS_ALERTS_ENABLED" default:"true" doc:"Warn before capacity is exhausted." later:"capacity plans come with the insight release"`
	Reporting   bool `yaml:"reporting_enabled" env:"CAPACITY_ANALYSIS_REPORTING_ENABLED" default:"true" doc:"Report plans." later:"capacity plans come with the insight release"`
}

// Mail says how reports are mailed.
type Mail struct {
	Host       string        `yaml:"smtp_host" env:"SMTP_HOST" doc:"Mail server." later:"mail comes with the insight release"`
	Port       int           `yaml:"smtp_port" env:"SMTP_PORT" default:"587" min:"1" max:"65535" doc:"Port of the mail server." later:"mail comes with the insight release"`
	Username   string        `yaml:"smtp_username" env:"SMTP_USERNAME" doc:"User at the mail server; none when empty." later:"mail comes with the insight release"`
	Password   string        `yaml:"smtp_password" env:"SMTP_PASSWORD" secret:"true" doc:"Password of the user." later:"mail comes with the insight release"`
	From       string        `yaml:"smtp_from" env:"SMTP_FROM" doc:"Sender." later:"mail comes with the insight release"`
	TLS        string        `yaml:"smtp_tls" env:"SMTP_TLS" default:"starttls" enum:"none,starttls,tls" doc:"Protection of the connection." later:"mail comes with the insight release"`
	Recipients []string      `yaml:"recipients" env:"REPORT_DISTRIBUTION_RECIPIENTS" doc:"Who gets the reports." later:"mail comes with the insight release"`
	Retry      time.Duration `yaml:"retry_seconds" env:"REPORT_DISTRIBUTION_RETRY_SECONDS" default:"300" unit:"s" min:"1" max:"86400" doc:"Time between two tries of a delivery." later:"mail comes with the insight release"`
}
