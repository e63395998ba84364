package scrape

import (
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/hxp-enterprise/hxp/internal/kit/secret"
)

// Target is one element of scrape in kafka-api.yaml.
type Target struct {
	Name      string            `yaml:"name" doc:"Name of the target; the source of its events is scrape/NAME."`
	URL       string            `yaml:"url" secret:"url" doc:"http or https address of the metrics; without a path /metrics is read."`
	Interval  time.Duration     `yaml:"interval" default:"15s" min:"1s" max:"24h" doc:"Time between two readings."`
	Timeout   time.Duration     `yaml:"timeout" default:"10s" min:"100ms" max:"5m" doc:"Limit of one reading; never longer than the interval."`
	Labels    map[string]string `yaml:"labels" doc:"Labels of every series, stronger than those of the exporter: host and model name the event, others go to its metadata."`
	Token     string            `yaml:"token" secret:"place" doc:"Where the token is that is sent as Authorization: Bearer: file:PATH or env:NAME; it is read anew for each reading."`
	TokenFile string            `yaml:"token_file" doc:"The same as token: file:PATH. File whose text is sent as Authorization: Bearer; it is read anew for each reading."`
	// Aside marks a target that another setting names; kafka-api is not degraded when nobody answers there.
	Aside bool `yaml:"-"`
}

// MaxTargets bounds the list.
const MaxTargets = 1000

// Validate reports what is wrong with one target.
func (t Target) Validate() error {
	var errs []error
	if t.Name == "" || len(t.Name) > 200 {
		errs = append(errs, errors.New("name: give the target a name of up to 200 bytes"))
	}
	if _, err := address(t.URL); err != nil {
		errs = append(errs, err)
	}
	if t.Token != "" && !secret.Named(t.Token) {
		errs = append(errs, errors.New("token: say where the token is, file:PATH or env:NAME, rather than what it is"))
	}
	if t.Token != "" && t.TokenFile != "" {
		errs = append(errs, errors.New("token: token_file is there too; give one of them"))
	}
	if len(t.Labels) > 32 {
		errs = append(errs, errors.New("labels: more than 32"))
	}
	return errors.Join(errs...)
}

// CheckTargets reports what is wrong between targets.
func CheckTargets(list []Target) error {
	if len(list) > MaxTargets {
		return fmt.Errorf("%d targets; at most %d are read", len(list), MaxTargets)
	}
	seen := map[string]bool{}
	for _, t := range list {
		if seen[t.Name] {
			return fmt.Errorf("two targets are called %q; their events could not be told apart", t.Name)
		}
		seen[t.Name] = true
	}
	return nil
}

func address(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, errors.New("url: write an address that begins with http:// or https://")
	}
	if u.Path == "" {
		u.Path = "/metrics"
	}
	return u, nil
}

// Config are the limits of one reading, which hold for remote write as well where they apply.
type Config struct {
	MaxBodyBytes int64 `yaml:"max_body_bytes" env:"HXP_METRICS_MAX_BODY_BYTES" default:"16777216" min:"1024" max:"1073741824" doc:"Most bytes of one reading of a target, unpacked."`
	MaxSeries    int   `yaml:"max_series" env:"HXP_METRICS_MAX_SERIES" default:"20000" min:"1" max:"1000000" doc:"Most series of one target; a target with more is not read. Remote write remembers ten times as many for the rates of its counters."`
	MaxMetrics   int   `yaml:"max_metrics" env:"HXP_METRICS_MAX_METRICS" default:"64" min:"0" max:"256" doc:"Most numbers of one system metric beside the fields of the catalogue: those that have a name here first, then others by name. The windows keep 64 names."`
}

// Defaults are the limits of an installation that sets none.
func Defaults() Config { return Config{MaxBodyBytes: 16 << 20, MaxSeries: 20_000, MaxMetrics: 64} }
