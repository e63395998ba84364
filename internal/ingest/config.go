package ingest

import (
	"time"

	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/ingest/quota"
)

// Config are the limits of the way in.
type Config struct {
	MaxBodyBytes     int64         `yaml:"max_body_bytes" env:"HXP_INGEST_MAX_BODY_BYTES" default:"33554432" min:"1024" doc:"Largest body of POST /events as sent, in bytes; a larger one is answered 413."`
	MaxUnpackedBytes int64         `yaml:"max_unpacked_bytes" env:"HXP_INGEST_MAX_UNPACKED_BYTES" default:"134217728" min:"1024" doc:"Largest body after unpacking, in bytes."`
	MaxItems         int           `yaml:"max_items" env:"HXP_INGEST_MAX_ITEMS" default:"50000" min:"1" doc:"Most events of one body."`
	MaxInFlightBytes int64         `yaml:"max_in_flight_bytes" env:"HXP_INGEST_MAX_IN_FLIGHT_BYTES" default:"268435456" min:"1048576" doc:"Bytes of all bodies under way, unpacked; beyond it the answer is 429."`
	FilterBytes      int64         `yaml:"duplicate_filter_bytes" env:"HXP_INGEST_FILTER_BYTES" default:"67108864" min:"0" doc:"Memory of the duplicate filter; it knows about one id per 48 bytes. 0 switches it off."`
	MaxFuture        time.Duration `yaml:"max_future" env:"HXP_MAX_FUTURE" default:"5m" min:"0s" doc:"How far ahead of the clock a timestamp may be; later ones go to the dead letters."`
	Event            event.Limits  `yaml:"event" doc:"Limits of one event, for every way in and for every reader of the topics."`
	// Privacy stands with the limits: every process of an installation needs the same.
	Privacy event.PrivacyRules `yaml:"privacy" doc:"What of an event is not kept as its sender wrote it, for every way in, every reader of the topics, and dead letters. See docs/privacy.md."`

	RateLimit   float64 `yaml:"rate_limit_events_per_second" env:"HXP_INGEST_RATE_LIMIT" default:"0" min:"0" doc:"Events a second that one sender (principal, else address) may bring; beyond it the answer is 429 with RateLimit headers. 0 = without limit."`
	RateBurst   int64   `yaml:"rate_limit_burst" env:"HXP_INGEST_RATE_BURST" default:"0" min:"0" doc:"Events that one sender may bring at once. 0 = what the rate gives in ten seconds."`
	DailyQuota  int64   `yaml:"daily_quota_events" env:"HXP_INGEST_DAILY_QUOTA" default:"0" min:"0" doc:"Events that one sender may bring in a day (UTC), on each instance; the count is kept over restarts. 0 = without limit."`
	TenantRate  float64 `yaml:"tenant_rate_limit_events_per_second" env:"HXP_INGEST_TENANT_RATE_LIMIT" default:"0" min:"0" doc:"New events a second of one tenant, whoever sends them; beyond it the answer is 429. 0 = without limit."`
	TenantQuota int64   `yaml:"tenant_daily_quota_events" env:"HXP_INGEST_TENANT_DAILY_QUOTA" default:"0" min:"0" doc:"New events of one tenant in a day (UTC), whoever sends them, on each instance; the count is kept over restarts. 0 = without limit."`
	SpillBytes  int64   `yaml:"spill_bytes" env:"HXP_INGEST_SPILL_BYTES" default:"0" min:"0" doc:"Disk for events that come while the brokers are away: they are acknowledged when they are synced there, and brought to the brokers in order when those are back. 0 = off, the answer is 503 then."`
	OTLPGRPC    string  `yaml:"otlp_grpc_listen" env:"HXP_OTLP_GRPC_LISTEN" doc:"host:port of a listener of its own for OTLP over gRPC, as in 127.0.0.1:4317; empty = none. It takes OTLP/HTTP too."`
	OTLPHTTP    string  `yaml:"otlp_http_listen" env:"HXP_OTLP_HTTP_LISTEN" doc:"host:port of a listener of its own for OTLP over HTTP, as in 127.0.0.1:4318; empty = none. The port of the service takes it in any case."`
	// SpillDir is the folder for it, below HXP_DATA_DIR.
	SpillDir string `yaml:"-"`
	// QuotaFile keeps what senders brought in the day, below HXP_DATA_DIR; "" = a restart forgets it.
	QuotaFile string `yaml:"-"`
	// TenantFile is the same of tenants.
	TenantFile string `yaml:"-"`
	// Timeout bounds one write to the brokers; it is EVENT_PROCESSING_TIMEOUT, which another room owns.
	Timeout time.Duration `yaml:"-" default:"30s"`
}

// Defaults are the limits of an installation that sets none.
func Defaults() Config {
	return Config{
		MaxBodyBytes: 32 << 20, MaxUnpackedBytes: 128 << 20, MaxItems: 50_000, MaxInFlightBytes: 256 << 20,
		FilterBytes: 64 << 20, MaxFuture: 5 * time.Minute, Timeout: 30 * time.Second,
	}
}

// Reloadable lists the settings of Config that Reconfigure takes over.
var Reloadable = []string{
	"ingest.max_body_bytes", "ingest.max_unpacked_bytes", "ingest.max_items", "ingest.max_in_flight_bytes", "ingest.rate_limit_events_per_second", "ingest.rate_limit_burst",
	"ingest.daily_quota_events", "ingest.tenant_rate_limit_events_per_second", "ingest.tenant_daily_quota_events",
}

// Reconfigure lets other limits, rates and quotas hold for the requests that come from now on. What was counted of the day stays counted.
// Everything else needs a start: memory and files that are laid out there, listeners, and limits of events, which all processes share.
func (a *API) Reconfigure(cfg Config) {
	next := *a.settings()
	next.MaxBodyBytes, next.MaxUnpackedBytes, next.MaxItems, next.MaxInFlightBytes = cfg.MaxBodyBytes, cfg.MaxUnpackedBytes, cfg.MaxItems, cfg.MaxInFlightBytes
	next.RateLimit, next.RateBurst, next.DailyQuota, next.TenantRate, next.TenantQuota = cfg.RateLimit, cfg.RateBurst, cfg.DailyQuota, cfg.TenantRate, cfg.TenantQuota
	counted := map[*quota.Book]bool{a.quotas: a.quotas.On(), a.tenants: a.tenants.On()}
	a.set(&next)
	if err := a.recallQuotas(counted); err != nil {
		a.log.Error("what senders brought today before this quota is counted anew", "error", err)
	}
}

func (a *API) set(cfg *Config) {
	a.cfg.Store(cfg)
	a.gate.limit.Store(cfg.MaxInFlightBytes)
	a.quotas.SetPolicy(quota.Policy{Rate: cfg.RateLimit, Burst: cfg.RateBurst, Day: cfg.DailyQuota})
	a.tenants.SetPolicy(quota.Policy{Rate: cfg.TenantRate, Day: cfg.TenantQuota})
}

func (a *API) settings() *Config { return a.cfg.Load() }
