package app

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/ingest/prom"
	"github.com/hxp-enterprise/hxp/internal/ingest/scrape"
)

// TestProducersPages: what the pages tell to write into kafka-api.yaml is taken as it stands, and every family that a page
// names with a number of ours is known.
func TestProducersPages(t *testing.T) {
	pages, err := filepath.Glob("../../docs/producers/*.md")
	if err != nil || len(pages) == 0 {
		t.Fatalf("%d pages, %v", len(pages), err)
	}
	tried := 0
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, block := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
			if !strings.HasPrefix(block[1], "scrape:") && !strings.HasPrefix(block[1], "metric_names:") {
				continue // of another system
			}
			tried++
			if _, _, err := LoadConfig(LoadOptions{ConfigDir: configDir(t, map[string]string{"kafka-api": block[1]})}); err != nil {
				t.Errorf("%s: %v\n%s", page, err, block[1])
			}
		}
	}
	if tried < 4 {
		t.Errorf("only %d examples", tried)
	}
	known := strings.Join(prom.Families(), " ") + " "
	for page, pattern := range map[string]string{"vllm.md": "`(vllm:[a-z0-9_]+)`", "dcgm.md": "`(DCGM_[A-Z0-9_]+)`", "prometheus.md": "`(node_[a-zA-Z0-9_]+)`"} {
		text, err := os.ReadFile("../../docs/producers/" + page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(string(text), -1) {
			if name := m[1]; !strings.Contains(known, name) && name != "vllm:engine_sleep_state" {
				t.Errorf("%s names %s, which no table has", page, name)
			}
		}
	}
}

// TestScrapeTargets: the two endpoints that the specification names are targets, beside the list and unless the list has them.
func TestScrapeTargets(t *testing.T) {
	dir := configDir(t, map[string]string{"kafka-api": "scrape: [{name: one, url: 'http://one'}, {name: gateway, url: 'http://g:8000'}]\n"})
	for _, c := range []struct{ env, want string }{
		{"", "one 15s false,gateway 15s false"},
		{"CUSTOM_METRICS_ENDPOINT=http://192.168.10.29:9091", "one 15s false,gateway 15s false,custom_metrics 15s true"},
		{"API_GATEWAY_ENDPOINT=http://g:8000", "one 15s false,gateway 15s false"},
	} {
		cfg, _, err := LoadConfig(LoadOptions{ConfigDir: dir, Environ: []string{c.env}})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, x := range cfg.scrapeTargets() {
			got = append(got, fmt.Sprint(x.Name, " ", x.Interval, " ", x.Aside))
		}
		if s := strings.Join(got, ","); s != c.want {
			t.Errorf("%s: %s", c.env, s)
		}
	}
	cfg, _, err := LoadConfig(LoadOptions{ConfigDir: none(t)})
	if err != nil || cfg.KafkaAPI.Metrics != scrape.Defaults() || cfg.KafkaAPI.Host.Interval != 15*time.Second || cfg.KafkaAPI.Host.On(false) || !cfg.KafkaAPI.Host.On(true) {
		t.Errorf("%+v, %v", cfg.KafkaAPI, err)
	}
}
