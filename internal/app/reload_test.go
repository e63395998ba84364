package app

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/ingest/scrape"
	"github.com/hxp-enterprise/hxp/internal/kit/conf"
)

type nowhere struct{}

func (nowhere) Take(context.Context, []event.Event) error { return nil }

// TestReload: a hangup brings other targets; a faulty file changes nothing and is named.
func TestReload(t *testing.T) {
	const one = "scrape:\n  - {name: one, url: 'http://one:9400/metrics', interval: 24h}\n"
	dir := configDir(t, map[string]string{"kafka-api": one})
	file := filepath.Join(dir, "services", "kafka-api.yaml")
	sources := LoadOptions{ConfigDir: dir, Environ: []string{"API_GATEWAY_ENDPOINT=http://gateway:8000"}}
	cfg, tree, err := LoadConfig(sources)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		m := cfg.metricSources()
		var said bytes.Buffer
		hangups := make(chan os.Signal)
		from := Reload{Signals: hangups, Sources: sources, Tree: tree, Level: new(slog.LevelVar)}
		s := &system{log: slog.New(slog.NewTextHandler(&said, nil)), scraper: scrape.New(m.limits, m.targets, m.names, scrape.Options{Intake: nowhere{}}), demo: Options{Reload: from}}
		r := &reloader{system: s, Reload: from}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 2)
		go func() { ended <- s.scraper.Run(ctx) }()
		go func() { ended <- r.Run(ctx) }()
		reload := func(text string) string {
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			said.Reset()
			hangups <- syscall.SIGHUP
			synctest.Wait()
			var names []string
			for _, st := range s.scraper.Statuses() {
				names = append(names, st.Name)
			}
			return strings.Join(names, " ")
		}
		holds := func(path string) (value any) {
			for _, v := range s.inForce() {
				if v.Path == path {
					value = v.Value
				}
			}
			return value
		}
		if got := reload(one + "  - {name: two, url: 'ftp://two'}\n"); got != "one api_gateway" || !strings.Contains(said.String(), file+":3:5: scrape[1].url: ") {
			t.Errorf("%s: %s", got, said.String())
		}
		if got := reload(one + "  - {name: one, url: 'http://two'}\n"); got != "one api_gateway" || !strings.Contains(said.String(), `two targets are called`) {
			t.Errorf("%s: %s", got, said.String())
		}
		if got := reload("scrape:\n  - {name: two, url: 'http://two'}\ningest: {spill_bytes: 7}\n"); got != "two api_gateway" || !strings.Contains(said.String(), "settings=ingest.spill_bytes") {
			t.Errorf("%s: %s", got, said.String())
		}
		if targets, waits := fmt.Sprint(holds("scrape")), fmt.Sprint(holds("ingest.spill_bytes")); !strings.Contains(targets, "two") || waits == "7" {
			t.Errorf("in force are said to be %s and %s", targets, waits)
		}
		if reload(one + "performance: {log_level: DEBUG}\n"); r.Level.Level() != slog.LevelDebug || strings.Contains(said.String(), "settings=") {
			t.Errorf("%s: %s", r.Level.Level(), said.String())
		}
		stop()
		for range 2 {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
	})
}

// TestReloadIsToldWithBothSides: the audit gets what the settings that differ were and are, and no secret.
func TestReloadIsToldWithBothSides(t *testing.T) {
	load := func(port, password string) *conf.Tree {
		_, tree, err := LoadConfig(LoadOptions{Environ: []string{"KAFKA_API_PORT=" + port, "SMTP_PASSWORD=" + password}})
		if err != nil {
			t.Fatal(err)
		}
		return tree
	}
	before, after := load("9099", "hush-one"), load("9199", "hush-two")
	changed := changes(before, after)
	was, is := string(valuesAt(before, changed)), string(valuesAt(after, changed))
	if !strings.Contains(was, ":9099") || !strings.Contains(is, ":9199") || strings.Contains(was+is, "hush") {
		t.Errorf("%s became %s", was, is)
	}
	if got := string(valuesAt(nil, changed)); got != "{}" {
		t.Error(got)
	}
}

// What is said to take effect without a restart, or not to, are settings that there are.
func TestReloadableSettingsExist(t *testing.T) {
	_, tree, err := LoadConfig(LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, v := range tree.Values() {
		paths = append(paths, v.Path)
	}
	for _, name := range slices.Concat(reloadable, fixed) {
		if !slices.ContainsFunc(paths, func(p string) bool { return p == name || strings.HasPrefix(p, name+".") }) {
			t.Errorf("there is no setting %s", name)
		}
	}
	for path, want := range map[string]string{
		"batch_processing.daily_cron": onReload, "batch_processing.workers": onRestart, "data_retention.raw_data_days": onReload, "data_retention.archival_path": onRestart, "costs.budgets": onReload,
		"ingest.max_items": onReload, "ingest.event.max_bytes": onRestart, "service.port": onRestart, "responses.lease": onReload, "responses.targets": onRestart, "responses.targets[].url": onRestart,
		"notifications.external_url": onReload, "notifications.secret_names": onRestart, "data_streaming.sse_max_connections": onReload, "data_streaming.environment": onRestart, "otel_traces_ratio": onReload,
	} {
		if got := takesEffect(path); got != want {
			t.Errorf("%s takes effect on a %s, want %s", path, got, want)
		}
	}
}
