package app

// What the specification names and no room uses yet. A setting moves to its room's Config when it begins to work.

// LaterBatch are the sections of batch-processing-api.yaml that come with later releases.
type LaterBatch struct {
	Business BusinessIntelligence `yaml:"business_intelligence"`
}

// BusinessIntelligence is the rest of the section business_intelligence.
type BusinessIntelligence struct {
	Forecasting bool `yaml:"forecasting_enabled" env:"BUSINESS_INTELLIGENCE_FORECASTING_ENABLED" default:"true" doc:"Compute forecasts." later:"forecasts come with the insight release"`
	Dashboards  bool `yaml:"dashboards_enabled" env:"BUSINESS_INTELLIGENCE_DASHBOARDS_ENABLED" default:"true" doc:"Show findings on the business dashboard." later:"the business dashboard comes with the live release"`
}
