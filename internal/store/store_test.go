package store

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"go.uber.org/goleak"
)

// postgresServer is the URL of the server that the tests use; "" while they use SQLite.
var postgresServer string

// engines runs every test of the store with SQLite and then, where HXP_TEST_POSTGRES is the URL of a server whose user may
// create databases, with PostgreSQL.
type engines struct{ m *testing.M }

func (e engines) Run() int {
	code := e.m.Run()
	if postgresServer = os.Getenv("HXP_TEST_POSTGRES"); postgresServer == "" {
		return code
	}
	fmt.Println("--- again, with PostgreSQL")
	return max(code, e.m.Run())
}

func TestMain(m *testing.M) { goleak.VerifyTestMain(engines{m}) }

// database returns the URL of a database that is new and lasts as long as the test.
func database(t testing.TB) string {
	t.Helper()
	if postgresServer == "" {
		return "sqlite:" + filepath.Join(t.TempDir(), "sub folder", "hxp ?#%.db")
	}
	name := "hxp_test_" + strings.ToLower(rand.Text())
	ask(t, "CREATE DATABASE "+name)
	t.Cleanup(func() { ask(t, "DROP DATABASE "+name+" WITH (FORCE)") })
	return elsewhere(t, postgresServer, name)
}

// elsewhere is server with another database.
func elsewhere(t testing.TB, server, name string) string {
	t.Helper()
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal("HXP_TEST_POSTGRES: ", err)
	}
	u.Path = "/" + name
	return u.String()
}

var quiet = slog.New(slog.DiscardHandler)

// holds and lacks tell what a text should and should not have in it.
func holds(t testing.TB, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			t.Errorf("%q is not in %s", p, text)
		}
	}
}

func lacks(t testing.TB, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if strings.Contains(text, p) {
			t.Errorf("%q is in %s", p, text)
		}
	}
}

// ask has the server of the tests do something.
func ask(t testing.TB, query string) {
	t.Helper()
	cfg, err := pgConfig(postgresServer)
	if err != nil {
		t.Fatal(err)
	}
	c, err := pgconn.ConnectConfig(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Exec(context.Background(), query).ReadAll(); err != nil {
		t.Error(err)
	}
	if err := c.Close(context.Background()); err != nil {
		t.Error(err)
	}
}

func open(t testing.TB) *Store {
	t.Helper()
	return reopen(t, database(t))
}

func reopen(t testing.TB, url string) *Store {
	t.Helper()
	s, err := Open(context.Background(), url, quiet)
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
	for _, url := range []string{"", "sqlite:", "postgres://u:p%zz@127.0.0.1/x", "postgres://127.0.0.1:port/x", "mysql:x"} {
		if s, err := Open(t.Context(), url, quiet); err == nil {
			s.Close()
			t.Errorf("%q opens", url)
		}
	}
}

// Several processes may open a fresh database at the same moment.
func TestOpenTogether(t *testing.T) {
	url := database(t)
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			s, err := Open(context.Background(), url, quiet)
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
		"lake_positions", "lake_files", "lake_gaps", "hour_versions", "hour_builds", "hourly_states", "daily_states", "weekly_states", "monthly_states", "hour_bases", "period_builds", "merged_children",
		"hourly_dimensions", "daily_dimensions", "weekly_dimensions", "monthly_dimensions", "dag_runs", "task_instances"} {
		var n int
		if err := s.read.QueryRow("SELECT COUNT(*) FROM " + table).Scan(&n); err != nil || n != 0 {
			t.Error(table, n, err)
		}
	}
	if _, err := s.read.Exec("DELETE FROM lake_files"); err == nil {
		t.Error("a reader can write")
	}
}
