package app

import (
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A hxp whose ports are taken names all of them and begins nothing: it makes no database and joins nobody's topics.
func TestTakenPorts(t *testing.T) {
	var taken []string
	for range 2 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
		taken = append(taken, l.Addr().String())
	}
	port := func(i int) string { _, p, _ := net.SplitHostPort(taken[i]); return p }
	dir := t.TempDir()
	cfg, _, err := LoadConfig(LoadOptions{ConfigDir: none(t), Environ: []string{
		"HXP_DATA_DIR=" + dir, "HXP_BROKER=embedded", "KAFKA_BOOTSTRAP_SERVERS=127.0.0.1:0",
		"KAFKA_API_PORT=" + port(0), "EVENT_PROCESSING_API_PORT=0", "BATCH_PROCESSING_API_PORT=0", "DATA_STREAMING_API_PORT=" + port(1), "AIRFLOW_WEBSERVER_PORT=0",
		"OPERATIONS_DASHBOARD_PORT=0", "BUSINESS_DASHBOARD_PORT=0", "PERFORMANCE_DASHBOARD_PORT=0", "SYSTEM_DASHBOARD_PORT=0",
	}})
	if err != nil {
		t.Fatal(err)
	}
	err = Run(t.Context(), cfg, Options{Log: slog.New(slog.DiscardHandler)})
	if want := "kafka-api on " + taken[0] + ", data-streaming-api on " + taken[1]; err == nil || !strings.Contains(err.Error(), "address already in use: "+want+" (") {
		t.Fatalf("%v; want %s", err, want)
	}
	if _, err := os.Stat(filepath.Join(dir, "hxp.db")); !os.IsNotExist(err) {
		t.Errorf("a database was made: %v", err)
	}
}
