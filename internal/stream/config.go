package stream

import (
	"time"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// Config holds the settings of the fast path.
type Config struct {
	WindowSeconds int           `yaml:"window_size" env:"REAL_TIME_ANALYTICS_WINDOW_SIZE" default:"300" min:"1" max:"34560000" doc:"default window of GET /analytics, in seconds"`
	Lateness      time.Duration `yaml:"lateness" env:"EVENT_PROCESSING_LATENESS" default:"5m" doc:"how long a window stays open for late events before it is final; later ones still count, and are copied to hxp-late"`
	Disorder      time.Duration `yaml:"out_of_order" env:"EVENT_PROCESSING_OUT_OF_ORDER" default:"2s" doc:"how far the watermark stays behind the newest event"`
	Future        time.Duration `yaml:"future_tolerance" env:"EVENT_PROCESSING_FUTURE_TOLERANCE" default:"5m" doc:"events stamped further ahead of the broker's clock are quarantined in the dead letters"`
	Idle          time.Duration `yaml:"idle_after" env:"EVENT_PROCESSING_IDLE_AFTER" default:"10s" doc:"a partition without new records for so long no longer holds the watermark back"`
	FilterBytes   int64         `yaml:"duplicate_filter_bytes" env:"EVENT_PROCESSING_DUPLICATE_FILTER_BYTES" default:"25165824" min:"65536" doc:"memory of the duplicate filter of one input partition"`
	LadderCells   int           `yaml:"ladder_cells" env:"EVENT_PROCESSING_LADDER_CELLS" default:"30000" min:"100" doc:"most groups kept by one lane at one resolution; beyond, the oldest arrivals are held at the next coarser one, and the oldest hours as a whole, under __other__"`
	MaxModels     int           `yaml:"max_models" env:"EVENT_PROCESSING_MAX_MODELS" default:"1000" min:"1" doc:"distinct models told apart by a lane; the rest count under __other__"`
	MaxTenants    int           `yaml:"max_tenants" env:"EVENT_PROCESSING_MAX_TENANTS" default:"200" min:"1" doc:"distinct tenants told apart by a lane; the rest count under __other__"`
	Dimensions    []string      `yaml:"dimensions" env:"EVENT_PROCESSING_DIMENSIONS" doc:"what windows tell apart beside model and tenant: NAME for one dimension, NAME+NAME for two together, with :BUDGET behind it where the default does not fit, such as endpoint or user_id:5000 or model+endpoint. What a further one costs stands in docs/DESIGN.md"`
	// How many values a further dimension tells apart.
	DimensionValues int `yaml:"dimension_values" env:"EVENT_PROCESSING_DIMENSION_VALUES" default:"1000" min:"1" max:"100000" doc:"distinct values of a further dimension, or pairs of two, told apart by a lane; the rest count under __other__"`
	// A request is joined with its feedback and its business events.
	Correlation       bool          `yaml:"correlation" env:"EVENT_CORRELATION_ENABLED" default:"true" doc:"join requests as they come; all instances alike. false: no record goes to hxp-correlations, and GET /correlations knows a request by its id alone, out of the hours at rest. What is not joined while it is off is not joined later"`
	CorrelationWindow time.Duration `yaml:"correlation_window_size" env:"EVENT_CORRELATION_WINDOW_SIZE" default:"60" unit:"s" min:"1" max:"86400" doc:"how long the parts of a request are awaited after the first one; later parts are added while memory lasts"`
	CorrelationBytes  int64         `yaml:"correlation_bytes" env:"EVENT_CORRELATION_BYTES" default:"67108864" min:"1048576" doc:"memory for requests that are being joined, or were and may get later parts; beyond, the oldest are closed early and forgotten"`
	CorrelationParts  int           `yaml:"correlation_parts" env:"EVENT_CORRELATION_PARTS" default:"64" min:"3" max:"1024" doc:"most parts of one request; more are counted and left out"`

	// What is not as usual is told without a rule.
	AnomalySeverity string          `yaml:"anomaly_severity" env:"EVENT_PROCESSING_ANOMALY_SEVERITY" default:"warning" enum:"info,warning,critical" doc:"how bad an anomaly is that two detectors agree upon; one in which an objective suffers so much that people are called is critical"`
	AnomalyMode     string          `yaml:"anomaly_mode" env:"EVENT_PROCESSING_ANOMALY_MODE" default:"observe" enum:"observe,propose" doc:"whether the actions of anomalies are proposed, or what would be proposed is only noted; none is made without approval"`
	AnomalyActions  []AnomalyAction `yaml:"anomaly_actions" doc:"What an anomaly asks for in which an objective suffers so much that people are called, as actions of rules do."`

	// The group shares the partitions out among instances.
	Instance string        `yaml:"group_instance" env:"EVENT_PROCESSING_GROUP_INSTANCE" default:"" doc:"name of this instance in the consumer group hxp-event-processing, which no other instance has; empty: the host and the first free number of the state folder"`
	Session  time.Duration `yaml:"group_session_timeout" env:"EVENT_PROCESSING_GROUP_SESSION_TIMEOUT" default:"10s" min:"6s" max:"5m" doc:"how long the partitions of an instance that is gone are kept for it before others take them"`

	SnapshotEvery time.Duration `yaml:"snapshot_every" env:"EVENT_PROCESSING_SNAPSHOT_EVERY" default:"60s" doc:"time between snapshots of the windows"`
	// Events are the limits of one event. They must be those of everybody who reads or writes the topics; app copies them.
	Events        event.Limits `yaml:"-"`
	SnapshotBytes int64        `yaml:"snapshot_journal_bytes" env:"EVENT_PROCESSING_SNAPSHOT_JOURNAL_BYTES" default:"67108864" doc:"journal written since the last snapshot that brings the next one forward"`
}

// AnomalyAction is one element of event_processing.anomaly_actions.
type AnomalyAction struct {
	Type   string            `yaml:"type" doc:"What is to be done, as in actions of rules."`
	Target string            `yaml:"target" doc:"One of responses.targets."`
	With   map[string]string `yaml:"with" doc:"Texts of the action; {model} takes the model."`
}

// Reloadable lists the settings of Config that Reconfigure takes over: what is said of anomalies, which changes nothing that is counted.
var Reloadable = []string{"event_processing.anomaly_severity", "event_processing.anomaly_mode", "event_processing.anomaly_actions"}

// Reconfigure lets other settings hold for the anomalies that are told from now on.
func (s *Service) Reconfigure(cfg Config) { s.voice.Store(&cfg) }
