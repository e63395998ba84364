package app

// What the specification names and no room uses yet. A setting moves to its room's Config when it begins to work.

// LaterBatch are the sections of batch-processing-api.yaml that come with later releases.
type LaterBatch struct {
	Business BusinessIntelligence `yaml:"business_intelligence" doc:"Which findings are made."`
	Capacity LaterCapacity        `yaml:"capacity_analysis"`
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
	Reporting bool `yaml:"reporting_enabled" env:"CAPACITY_ANALYSIS_REPORTING_ENABLED" default:"true" doc:"Report plans." later:"capacity plans come with the insight release"`
}
