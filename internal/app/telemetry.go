package app

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"strings"

	"github.com/hxp-enterprise/hxp/internal/kit/conf"
	"github.com/hxp-enterprise/hxp/internal/kit/telemetry"
)

// checkTelemetry finds what is wrong with the collector and what it is to be told.
func (c *Config) checkTelemetry(t *conf.Tree) (faults []conf.Fault) {
	if u, err := url.Parse(c.OTelEndpoint); c.OTelEndpoint != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
		faults = append(faults, t.NewFault("otel_endpoint", "%q is no address; write http://HOST:4318, without /v1/traces", c.OTelEndpoint))
	}
	for _, list := range []struct {
		path  string
		pairs []string
	}{{"otel_headers", c.otelHeaders()}, {"otel_resource_attributes", c.OTelResource}} {
		for i, pair := range list.pairs {
			if _, _, err := nameAndValue(pair); err != nil {
				faults = append(faults, t.NewFault(list.path, "entry %d %v", i+1, err))
			}
		}
	}
	return faults
}

// otelHeaders are the headers of what is sent; one text, because it is a secret.
func (c *Config) otelHeaders() []string {
	if c.OTelHeaders == "" {
		return nil
	}
	return strings.Split(c.OTelHeaders, ",")
}

// nameAndValue reads name=value, the value in percent encoding, as OpenTelemetry has it (W3C Baggage).
func nameAndValue(pair string) (name, value string, err error) {
	name, value, ok := strings.Cut(strings.TrimSpace(pair), "=")
	if name = strings.TrimSpace(name); !ok || name == "" {
		return "", "", fmt.Errorf("is not of the form name=value")
	}
	if value, err = url.PathUnescape(strings.TrimSpace(value)); err != nil {
		return "", "", fmt.Errorf("has a %% that begins no %%XX")
	}
	return name, value, nil
}

// exporter sends what hxp tells of itself; nil where nobody asked for it. The tracer and the logger of s go through it then.
func (s *system) exporter(cfg *Config) *telemetry.Exporter {
	if cfg.OTelEndpoint == "" {
		return nil
	}
	x := telemetry.ExportConfig{Endpoint: cfg.OTelEndpoint, Headers: map[string]string{}, Resource: resource(cfg)}
	for _, pair := range cfg.otelHeaders() {
		name, value, _ := nameAndValue(pair) // checked
		x.Headers[name] = value
	}
	out := telemetry.NewExporter(x, s.log, s.reg)
	if cfg.OTelTraces != "none" {
		s.reg.UseTracer(telemetry.NewTracer(out, cfg.OTelRatio))
	}
	if cfg.OTelLogs != "none" {
		s.log = out.Tee(s.log)
	}
	return out
}

// resource is what hxp is, by OpenTelemetry's semantic conventions.
func resource(cfg *Config) []slog.Attr {
	host, _ := os.Hostname()
	out := []slog.Attr{slog.String("service.name", cfg.OTelService), slog.String("service.version", Version), slog.String("host.name", host), slog.Int("process.pid", os.Getpid())}
	for _, pair := range cfg.OTelResource {
		name, value, _ := nameAndValue(pair) // checked
		out = append(out, slog.String(name, value))
	}
	return out
}

// export sends until stop is called, which waits for what is left to be sent.
func export(x *telemetry.Exporter) (stop func()) {
	if x == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = x.Run(ctx) // ends without an error
	}()
	return func() {
		cancel()
		<-ended
	}
}
