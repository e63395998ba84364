package deploy

import (
	"path/filepath"
	"testing"

	"github.com/hxp-enterprise/hxp/internal/app"
)

// TestSamples: the shipped files load without a fault and without a warning, and name the ports of the specification.
func TestSamples(t *testing.T) {
	if files := glob(t, "deploy/config/services/*.yaml"); len(files) != 4 {
		t.Errorf("%d samples", len(files))
	}
	cfg, tree, err := app.LoadConfig(app.LoadOptions{ConfigDir: filepath.Join(root, "deploy/config")})
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range tree.Notices() {
		t.Error(n)
	}
	for name, want := range map[string]string{app.KafkaAPI: "127.0.0.1:9099", app.EventProcessingAPI: "127.0.0.1:9100", app.BatchProcessingAPI: "127.0.0.1:9101", app.DataStreamingAPI: "127.0.0.1:9102", app.Scheduler: "127.0.0.1:8080", "operations": "127.0.0.1:8501"} {
		if got := cfg.Addr(name); got != want {
			t.Errorf("%s listens on %s", name, got)
		}
	}
	if cfg.Batch.Retention.ArchivalPath != "/opt/citadel/archive" || cfg.Batch.ReportsDir != "/opt/citadel/reports" || cfg.Batch.Airflow.Home != "/opt/citadel/airflow" {
		t.Errorf("%s, %s, %s", cfg.Batch.Retention.ArchivalPath, cfg.Batch.ReportsDir, cfg.Batch.Airflow.Home)
	}
}
