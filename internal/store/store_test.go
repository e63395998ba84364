package store

import (
	"context"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t testing.TB) *Store {
	t.Helper()
	return reopen(t, filepath.Join(t.TempDir(), "sub folder", "hxp ?#%.db"))
}

func reopen(t testing.TB, path string) *Store {
	t.Helper()
	s, err := Open(context.Background(), "sqlite:"+path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestOpenRefuses(t *testing.T) {
	for _, url := range []string{"", "sqlite:", "postgres://x", "mysql:x"} {
		if s, err := Open(t.Context(), url, slog.New(slog.DiscardHandler)); err == nil {
			s.Close()
			t.Errorf("%q opens", url)
		}
	}
}

// Several processes may open a fresh database at the same moment.
func TestOpenTogether(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hxp.db")
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			s, err := Open(context.Background(), "sqlite:"+path, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Error(err)
				return
			}
			if err := s.Ping(context.Background()); err != nil {
				t.Error(err)
			}
			s.Close()
		})
	}
	wg.Wait()
}

// The tables that people and tools ask for by name exist from the start, with the columns in their order.
func TestSchema(t *testing.T) {
	s := open(t)
	for _, table := range []string{"hourly_aggregations", "daily_aggregations", "weekly_aggregations", "monthly_aggregations",
		"lake_positions", "lake_files", "lake_gaps", "hour_versions", "hour_builds", "hourly_states", "dag_runs", "task_instances"} {
		if _, err := s.read.Exec("SELECT * FROM " + table); err != nil {
			t.Error(err)
		}
	}
	if _, err := s.read.Exec("DELETE FROM lake_files"); err == nil {
		t.Error("a reader can write")
	}
}
