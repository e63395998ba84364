package app

import (
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/hxp-enterprise/hxp/internal/alert"
	"github.com/hxp-enterprise/hxp/internal/alert/notify"
	"github.com/hxp-enterprise/hxp/internal/audit"
	"github.com/hxp-enterprise/hxp/internal/batch"
	"github.com/hxp-enterprise/hxp/internal/batch/retention"
	"github.com/hxp-enterprise/hxp/internal/ingest"
	"github.com/hxp-enterprise/hxp/internal/ingest/prom"
	"github.com/hxp-enterprise/hxp/internal/kit/conf"
	"github.com/hxp-enterprise/hxp/internal/kit/run"
	"github.com/hxp-enterprise/hxp/internal/kit/sdnotify"
	"github.com/hxp-enterprise/hxp/internal/kit/telemetry"
	"github.com/hxp-enterprise/hxp/internal/stream"
)

// Reload says when and from where the configuration is read anew.
type Reload struct {
	Signals <-chan os.Signal // one is one reading
	Sources LoadOptions
	Tree    *conf.Tree // of the configuration that the process was started with
	Level   *slog.LevelVar
}

// reloadable are the settings and sections that take effect without a restart; fixed are left out of them.
var reloadable = slices.Concat([]string{
	"allowed_hosts", "otel_traces_ratio", "log_level", "kafka-api.performance.log_level", "event-processing-api.performance.log_level", "data-streaming-api.performance.log_level", "performance.log_level",
	"scrape", "metric_names", "kafka-api.monitoring.custom_metrics_endpoint", "kafka-api.monitoring.api_gateway_endpoint", "responses", "data_streaming", "notifications",
	"batch_processing", "data_aggregation", "report_generation", "mail", "report_distribution", "capacity_analysis", "costs", "business_intelligence", "data_retention",
}, ingest.Reloadable, stream.Reloadable)

var fixed = slices.Concat(batch.Fixed, retention.Fixed, alert.Fixed, notify.Fixed, []string{"data_streaming.environment", "business_intelligence.dashboards_enabled"})

// takesEffect tells whether a setting takes effect on a reload or on a restart.
func takesEffect(path string) string {
	within := func(section string) bool {
		rest, ok := strings.CutPrefix(path, section)
		return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
	}
	if slices.ContainsFunc(reloadable, within) && !slices.ContainsFunc(fixed, within) {
		return onReload
	}
	return onRestart
}

const (
	onReload  = "reload"
	onRestart = "restart"
)

// reloader reads the configuration anew: all of it is checked first, and on any fault nothing changes.
type reloader struct {
	*system
	Reload
	last *conf.Tree // what was read last; nil = nothing since the start
}

func (s *system) buildReload(context.Context) (run.Service, error) {
	return &reloader{system: s, Reload: s.demo.Reload}, nil
}

// Run waits for signals until ctx ends.
func (r *reloader) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-r.Signals:
			r.tell(sdnotify.Reloading)
			r.reload(ctx)
			r.tell(sdnotify.Ready)
		}
	}
}

func (r *reloader) reload(ctx context.Context) {
	cfg, tree, err := LoadConfig(r.Sources)
	if err != nil {
		r.log.Error("configuration is not reloaded, everything stays as it is", "error", err)
		return
	}
	before := r.last
	if before == nil {
		before = r.Tree
	}
	changed := changes(before, tree)
	r.last = tree
	if err := r.takeOver(ctx, cfg); err != nil {
		r.log.Error("configuration was read and is not usable", "error", err) // the tree checks the same before
		return
	}
	r.reloaded.Store(tree)
	if level, err := telemetry.ParseLevel(cfg.LogLevel); err == nil && r.Level != nil {
		r.Level.Set(level)
	}
	waiting := slices.DeleteFunc(changes(r.Tree, tree), func(path string) bool { return takesEffect(path) == onReload })
	r.log.Info("configuration reloaded", "changed", strings.Join(changed, " "), "scrape_targets", len(cfg.scrapeTargets()), "rules", len(cfg.rules))
	r.note(noteWithin, audit.Record{Who: "SIGHUP", Service: "configuration", What: "configuration reloaded", Before: valuesAt(before, changed), After: valuesAt(tree, changed)})
	if len(waiting) > 0 {
		r.log.Warn("some changes wait for a restart", "settings", strings.Join(waiting, " "))
	}
}

// takeOver lets a configuration hold in the parts that run. What can fail comes first.
func (r *reloader) takeOver(ctx context.Context, cfg *Config) (err error) {
	r.mu.Lock()
	sc, rules, b, ret, act, st, hub, tell, way := r.scraper, r.rules, r.batch, r.retention, r.alert, r.stream, r.hub, r.notify, r.ingest
	servers := slices.Collect(maps.Values(r.servers))
	r.mu.Unlock()
	if b != nil {
		err = b.Reconfigure(cfg.Batch.Config)
	}
	if ret != nil && err == nil {
		err = ret.Reconfigure(cfg.Batch.Retention)
	}
	if err != nil {
		return err
	}
	if b != nil && cfg.prices != nil {
		b.SetPrices(cfg.prices)
	}
	if sc != nil { // it is set after the way in
		m := cfg.metricSources()
		sc.Reload(ctx, m.targets, m.names)
		if way != nil {
			way.RemoteWrite.SetNames(prom.NewNames(m.names))
			way.Reconfigure(cfg.KafkaAPI.Ingest)
		}
	}
	if rules != nil {
		rules.SetFiles(cfg.rules)
	}
	if st != nil {
		st.Reconfigure(cfg.EventProcessing.Stream)
	}
	if act != nil {
		act.Reconfigure(cfg.EventProcessing.Responses)
	}
	if hub != nil {
		hub.Reconfigure(cfg.DataStreaming.Serve.Live())
	}
	if tell != nil {
		tell.Reconfigure(cfg.DataStreaming.Notify)
	}
	for _, s := range servers {
		s.AlsoNamed(cfg.Hosts...)
	}
	r.reg.Tracer().SetRatio(cfg.OTelRatio)
	return nil
}

// inForce are the settings as they hold now, without secrets: those that wait for a restart are still those of the start.
func (s *system) inForce() []conf.Value {
	start := s.demo.Reload.Tree
	if start == nil {
		return []conf.Value{}
	}
	values := start.Values()
	if tree := s.reloaded.Load(); tree != nil {
		for i, v := range tree.Values() { // of the same schema
			if v.Effect == onReload {
				values[i] = v
			}
		}
	}
	return values
}

// changes lists the settings that differ, by what config show tells of them. Those of monitoring are shared by all files, so
// only the first is named.
func changes(before, after *conf.Tree) (paths []string) {
	old := map[string]any{}
	if before != nil {
		for _, v := range before.Values() {
			old[v.Path] = v.Value
		}
	}
	for _, v := range after.Values() {
		shared := strings.Contains(v.Path, "monitoring.") && !strings.HasPrefix(v.Path, "kafka-api.")
		if o, known := old[v.Path]; !shared && (!known || !reflect.DeepEqual(o, v.Value)) {
			paths = append(paths, v.Path)
		}
	}
	return paths
}

// valuesAt are settings as the audit shows them, without secrets.
func valuesAt(t *conf.Tree, paths []string) json.RawMessage {
	out := map[string]any{}
	if t != nil {
		for _, v := range t.Values() {
			if slices.Contains(paths, v.Path) {
				out[v.Path] = v.Value
			}
		}
	}
	text, _ := json.Marshal(out) // what config show tells
	return text
}
