package store

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// onPostgres opens a store when it is PostgreSQL's turn.
func onPostgres(t *testing.T) *Store {
	t.Helper()
	if postgresServer == "" {
		t.Skip("only with PostgreSQL")
	}
	return open(t)
}

// A server that drops its connections, as when it is started anew, is asked again over new ones.
func TestPostgresLostConnections(t *testing.T) {
	s := onPostgres(t)
	ctx := t.Context()
	if _, err := s.InitPosition(ctx, tp, 7); err != nil {
		t.Fatal(err)
	}
	var name string
	if err := s.read.QueryRowContext(ctx, "SELECT current_database()").Scan(&name); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		ask(t, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '"+name+"'")
		if got, err := s.Positions(ctx); err != nil || got[tp] != 7 {
			t.Error(got, err)
		}
		if _, _, version, err := s.HourSnapshot(ctx, anHour); err != nil || version != 0 {
			t.Error(version, err)
		}
		if next, err := s.InitPosition(ctx, tp, 9); err != nil || next != 7 {
			t.Error(next, err)
		}
	}
}

// Each month has a partition of its own in the big tables, and what is asked of one month reads no other.
func TestPostgresPartitions(t *testing.T) {
	s := onPostgres(t)
	ctx := t.Context()
	for _, hour := range []time.Time{time.Date(2023, 12, 31, 23, 0, 0, 0, time.UTC), time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC), time.Unix(0, 0).UTC()} {
		r := row("_all", 1)
		r.Timestamp = hour
		if _, err := s.SaveHour(ctx, hour.Unix(), 1, models(map[string][]byte{"_all": {1}}, r)); err != nil {
			t.Fatal(err)
		}
	}
	for _, table := range []string{"hourly_aggregations", "hourly_states"} {
		for _, month := range []string{"_y2023m12", "_y2024m01", "_y1970m01"} {
			var n int
			if err := s.read.QueryRowContext(ctx, "SELECT COUNT(*) FROM "+table+month).Scan(&n); err != nil || n != 1 {
				t.Errorf("%s%s: %d rows, %v", table, month, n, err)
			}
		}
	}
	rows, err := s.read.QueryContext(ctx, "EXPLAIN SELECT * FROM hourly_aggregations WHERE timestamp = ?", time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	plan := ""
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			t.Fatal(err)
		}
		plan += line + "\n"
	}
	holds(t, plan, "_y2024m01")
	lacks(t, plan, "_y2023m12")
}

func TestPostgresURL(t *testing.T) {
	for _, url := range []string{"postgres://u:pl4nted%zz@h/d", "postgres://u:pl4nted@h:port/d", "postgres://u:pl4 nted@h/d", "postgresql://u:pl4nted@h/d?sslmode=perhaps"} {
		err := CheckURL(url)
		if err == nil {
			t.Errorf("%s is taken", url)
			continue
		}
		holds(t, err.Error(), "postgres://USER:PASSWORD@HOST:PORT/NAME")
		lacks(t, err.Error(), "pl4")
	}
	cfg, err := pgConfig("postgres://u:p@h/d?connect_timeout=3&default_query_exec_mode=exec&application_name=mine")
	if err != nil || cfg.ConnectTimeout != 3*time.Second || cfg.RuntimeParams["application_name"] != "mine" || cfg.RuntimeParams["default_query_exec_mode"] != "" {
		t.Errorf("%+v %v", cfg, err)
	}
}

// What the server refuses for good is not waited for, and the error says in one line where, why and how to mend it.
func TestPostgresRefused(t *testing.T) {
	for code, final := range map[string]bool{"28P01": true, "3D000": true, "42501": true, "57P03": false, "53300": false} {
		err := error(&connectError{"h:5432 (database d, user u)", fmt.Errorf("failed:\n\ttwice: %w", &pgconn.PgError{Severity: "FATAL", Message: "no entry", Code: code})})
		if (pgCure(err) != "") != final {
			t.Errorf("%s: cure %q", code, pgCure(err))
		}
		if want := "no connection to PostgreSQL at h:5432 (database d, user u): FATAL: no entry (SQLSTATE " + code + ")"; err.Error() != want {
			t.Errorf("%v\nwant %s", err, want)
		}
	}
	for message, final := range map[string]bool{"SASL authentication failed": true, "server login has been failing, try again later": false} { // pgbouncer has one code
		if err := (&connectError{"h", &pgconn.PgError{Severity: "FATAL", Message: message, Code: "08P01"}}); pgFinal(err) != final {
			t.Errorf("%s: final %v", message, !final)
		}
	}
	if err := (&connectError{"h", errors.New("a\n\tb")}); err.Error() != "no connection to PostgreSQL at h: a b" {
		t.Error(err)
	}
}

// A server that is not there is waited for, and then named; nothing shows the password.
func TestPostgresAbsent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		address := l.Addr().String()
		l.Close()
		began := time.Now()
		_, err = Open(t.Context(), "postgres://u:pl4nted@"+address+"/d", quiet)
		if err == nil {
			t.Fatal("nobody answers, and the store opens")
		}
		holds(t, err.Error(), address, "connection refused", "tried for")
		lacks(t, err.Error(), "pl4nted", "\n")
		if waited := time.Since(began); waited < pgStartLimit/2 || waited > 2*pgStartLimit {
			t.Errorf("waited %s", waited)
		}
	})
}

// The longest names that an event may have fit into the tables, whatever they consist of.
func TestLongNames(t *testing.T) {
	s := open(t)
	chance := rand.New(rand.NewPCG(1, 2))
	name := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(chance.IntN(2) * (1 + chance.IntN(127))) // half of it NUL, which takes most room
		}
		return string(b)
	}
	a := agg.Aggregate{Rows: map[string][]agg.Row{}, Cells: map[agg.Group][]byte{}}
	for dimension, n := range map[string]int{agg.ByModel: 256, agg.ByUser: 512, agg.ByTenant: 1024, agg.ByEndpoint: 1024} {
		r := row(name(n), 1)
		a.Rows[dimension] = []agg.Row{r}
		a.Cells[agg.Group{Dimension: dimension, Value: r.Model}] = []byte{1}
	}
	if _, err := s.SaveHour(t.Context(), anHour, 1, a); err != nil {
		t.Fatal(err)
	}
	cells, _, err := s.Cells(t.Context(), "hourly", anHour)
	if err != nil || !reflect.DeepEqual(cells, a.Cells) {
		t.Error("the names come back otherwise", err)
	}
}
