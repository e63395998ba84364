package app

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/hxp-enterprise/hxp/internal/audit"
	"github.com/hxp-enterprise/hxp/internal/ingest/prom"
	"github.com/hxp-enterprise/hxp/internal/kit/conf"
	"github.com/hxp-enterprise/hxp/internal/kit/run"
	"github.com/hxp-enterprise/hxp/internal/kit/sdnotify"
	"github.com/hxp-enterprise/hxp/internal/kit/telemetry"
)

// Reload says when and from where the configuration is read anew.
type Reload struct {
	Signals <-chan os.Signal // one is one reading
	Sources LoadOptions
	Tree    *conf.Tree     // of the configuration that runs
	Level   *slog.LevelVar // of the log
}

// reloadable are the settings that take effect without a restart.
var reloadable = []string{"scrape", "metric_names", "kafka-api.monitoring.custom_metrics_endpoint", "kafka-api.monitoring.api_gateway_endpoint", "costs.price_file", "costs.price_file_from",
	"log_level", "kafka-api.performance.log_level", "event-processing-api.performance.log_level", "data-streaming-api.performance.log_level", "performance.log_level"}

// reloader reads the configuration anew: all of it is checked first, and on any fault nothing changes.
type reloader struct {
	*system
	Reload
}

func (s *system) buildReload(context.Context) (run.Service, error) {
	return &reloader{s, s.demo.Reload}, nil
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
	changed := changes(r.Tree, tree)
	r.mu.Lock()
	sc, rules, b := r.scraper, r.rules, r.batch // scraper is set after ingest
	r.mu.Unlock()
	if sc != nil {
		m := cfg.metricSources()
		sc.Reload(ctx, m.targets, m.names)
		r.ingest.RemoteWrite.SetNames(prom.NewNames(m.names))
	}
	if rules != nil {
		rules.SetFiles(cfg.rules)
	}
	if b != nil && cfg.prices != nil {
		b.SetPrices(cfg.prices)
	}
	if level, err := telemetry.ParseLevel(cfg.LogLevel); err == nil && r.Level != nil {
		r.Level.Set(level)
	}
	waiting := slices.DeleteFunc(slices.Clone(changed), func(path string) bool { return slices.Contains(reloadable, path) })
	r.log.Info("configuration reloaded", "changed", strings.Join(changed, " "), "scrape_targets", len(cfg.scrapeTargets()), "rules", len(cfg.rules))
	changedJSON, _ := json.Marshal(changed) // texts
	r.note(audit.Record{Who: "SIGHUP", Service: "configuration", What: "configuration reloaded", After: changedJSON})
	if len(waiting) > 0 {
		r.log.Warn("some changes wait for a restart", "settings", strings.Join(waiting, " "))
	}
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
