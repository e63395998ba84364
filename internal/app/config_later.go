package app

// What the specification names and no room uses yet. A setting moves to its room's Config when it begins to work.

// LaterBatch are the sections of batch-processing-api.yaml that come with later releases.
type LaterBatch struct {
	Business BusinessIntelligence `yaml:"business_intelligence"`
}

// BusinessIntelligence is the rest of the section business_intelligence.
type BusinessIntelligence struct {
	Dashboards bool `yaml:"dashboards_enabled" env:"BUSINESS_INTELLIGENCE_DASHBOARDS_ENABLED" default:"true" doc:"Show findings on the business dashboard." later:"the business dashboard comes with the live release"`
}
