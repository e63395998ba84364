package store

import (
	"context"
	"database/sql"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
)

// steps is a folder of migrations: name and text in turn.
func steps(namesAndTexts ...string) fs.FS {
	dir := fstest.MapFS{}
	for i := 0; i < len(namesAndTexts); i += 2 {
		dir[namesAndTexts[i]] = &fstest.MapFile{Data: []byte(namesAndTexts[i+1])}
	}
	return dir
}

// unmigrated opens a database as it is.
func unmigrated(t *testing.T, url string) *Store {
	t.Helper()
	s, err := connect(t.Context(), url, quiet)
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

func mustExec(t *testing.T, s *Store, queries ...string) {
	t.Helper()
	for _, q := range queries {
		if _, err := s.write.ExecContext(t.Context(), q); err != nil {
			t.Fatalf("%s: %v", q, err)
		}
	}
}

// column returns one column of what a query finds.
func column[T any](t *testing.T, s *Store, query string) []T {
	t.Helper()
	rows, err := s.read.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var all []T
	for rows.Next() {
		var v T
		if err := rows.Scan(&v); err != nil {
			t.Fatal(err)
		}
		all = append(all, v)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// schemaOf lists all tables and indexes but the migrator's, so that two schemas can be compared.
func schemaOf(t *testing.T, s *Store) []string {
	t.Helper()
	query := "SELECT type || ' ' || name || ' ' || COALESCE(sql, '') FROM sqlite_master WHERE tbl_name NOT IN ('hxp_migrations', 'goose_db_version', 'sqlite_sequence') ORDER BY 1"
	if s.dialect.name == "postgres" {
		query = `SELECT table_name || ' ' || column_name || ' ' || data_type || ' ' || is_nullable FROM information_schema.columns
			WHERE table_schema = 'public' AND table_name NOT IN ('hxp_migrations', 'goose_db_version')
			UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename NOT IN ('hxp_migrations', 'goose_db_version') ORDER BY 1`
	}
	return column[string](t, s, query)
}

// The folders of all dialects hold the same steps, and each file says nothing but what is done: what undoes it would be done too.
func TestMigrationFiles(t *testing.T) {
	var want []string
	for _, folder := range []string{"migrations/sqlite", "migrations/postgres"} {
		dir, err := fs.Sub(migrations, folder)
		if err != nil {
			t.Fatal(err)
		}
		all, err := readMigrations(dir)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, m := range all {
			names = append(names, m.String())
			for _, bad := range []string{"+goose", "BEGIN;", "COMMIT;", "IF NOT EXISTS"} {
				lacks(t, m.text, bad)
			}
		}
		if want == nil {
			want = names
		}
		if len(names) < 9 || !slices.Equal(names, want) {
			t.Errorf("%s has %v, the other folder %v", folder, names, want)
		}
	}
}

func TestReadMigrations(t *testing.T) {
	for want, dir := range map[string]fs.FS{
		"migration 1_a.sql: its name":                 steps("1_a.sql", ""),
		"migration 0001_a.txt: its name":              steps("0001_a.txt", ""),
		"0001_a and 0001_b have the same number":      steps("0001_a.sql", "", "0001_b.sql", ""),
		"migration 0002_a b.sql: its name is not NNN": steps("0001_a.sql", "", "0002_a b.sql", ""),
	} {
		if _, err := readMigrations(dir); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %s", err, want)
		}
	}
	all, err := readMigrations(steps("0001_a.sql", "", "0010_b_c.sql", "x"))
	if err != nil || len(all) != 2 || all[0].sha256 != "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" ||
		all[1].String() != "0010_b_c" || all[1].text != "x" {
		t.Errorf("%+v %v", all, err)
	}
}

func TestNextMigration(t *testing.T) {
	m := func(number int64, sum string) migration { return migration{number: number, name: "s", sha256: sum} }
	all := []migration{m(1, "a"), m(5, "b"), m(9, "c")}
	for _, c := range []struct {
		done []migration
		next int64 // 0 = none
		err  string
	}{
		{nil, 1, ""},
		{all[:1], 5, ""},
		{all[:2], 9, ""},
		{all, 0, ""},
		{append(slices.Clone(all), m(10, "d")), 0, "the database has migration 0010_s and this hxp knows none after 0009_s: a newer hxp"},
		{[]migration{m(1, "a"), m(3, "d")}, 0, "the database has migration 0003_s, which this hxp does not know"},
		{[]migration{m(1, "a"), m(5, "x")}, 0, "migration 0005_s is not the one that made this database (as 0005_s): sha256 b here, x there"},
		{[]migration{m(1, "a"), m(9, "c")}, 0, "the database has migration 0009_s and lacks 0005_s, which comes before it"},
	} {
		next, err := nextMigration(all, c.done)
		switch {
		case c.err != "" && (err == nil || !strings.HasPrefix(err.Error(), c.err)), c.err == "" && err != nil:
			t.Errorf("%v: %v; want %q", c.done, err, c.err)
		case c.next == 0 && next != nil, c.next != 0 && (next == nil || next.number != c.next):
			t.Errorf("%v: next is %v, not %d", c.done, next, c.next)
		}
	}
}

// A fresh database has each step once, with its time; a second start does nothing.
func TestMigrateFresh(t *testing.T) {
	url := database(t)
	s := reopen(t, url)
	if n := len(column[int64](t, s, "SELECT number FROM hxp_migrations WHERE applied_at > 1700000000000000 AND LENGTH(sha256) = 64")); n < 9 {
		t.Errorf("%d steps are noted", n)
	}
	mustExec(t, s, "UPDATE hxp_migrations SET applied_at = 1")
	again := reopen(t, url)
	if late := column[int64](t, again, "SELECT number FROM hxp_migrations WHERE applied_at <> 1"); len(late) > 0 {
		t.Errorf("done again: %v", late)
	}
}

// Several processes that find the same old database do each step once between them.
func TestMigrateTogether(t *testing.T) {
	url := database(t)
	var dir []string
	for i := range 20 {
		dir = append(dir, fmt.Sprintf("%04d_step.sql", i+1), fmt.Sprintf("CREATE TABLE step_%d (n BIGINT); INSERT INTO step_%d VALUES (%d);", i, i, i))
	}
	stores := make([]*Store, 6)
	for i := range stores {
		stores[i] = unmigrated(t, url)
	}
	together(t, stores, func(ctx context.Context, _ int, s *Store) error { return s.migrate(ctx, steps(dir...)) })
	for i := range 20 {
		if got := column[int64](t, stores[0], fmt.Sprintf("SELECT n FROM step_%d", i)); !slices.Equal(got, []int64{int64(i)}) {
			t.Errorf("step %d left %v", i, got)
		}
	}
}

// A step that fails leaves nothing of itself and all of what came before; mended, it is done.
func TestMigrateFails(t *testing.T) {
	s := unmigrated(t, database(t))
	first := "CREATE TABLE one (n BIGINT);"
	err := s.migrate(t.Context(), steps("0001_one.sql", first, "0002_two.sql", "CREATE TABLE two (n BIGINT); INSERT INTO two VALUES (1); INSERT INTO nowhere VALUES (1);"))
	if err == nil {
		t.Fatal("no error")
	}
	holds(t, err.Error(), "migration 0002_two", "nowhere")
	if got := column[string](t, s, "SELECT name FROM hxp_migrations"); !slices.Equal(got, []string{"one"}) {
		t.Errorf("noted: %v", got)
	}
	if _, err := s.read.QueryContext(t.Context(), "SELECT n FROM two"); err == nil {
		t.Error("the table of the failed step is there")
	}
	if err := s.migrate(t.Context(), steps("0001_one.sql", first, "0002_two.sql", "CREATE TABLE two (n BIGINT);")); err != nil {
		t.Error(err)
	}
	if got := column[int64](t, s, "SELECT n FROM two"); len(got) > 0 {
		t.Errorf("rows of the failed step: %v", got)
	}
}

// A database with another past is refused as it is: a file that changed, a step from a newer hxp.
func TestMigrateRefuses(t *testing.T) {
	s := unmigrated(t, database(t))
	if err := s.migrate(t.Context(), steps("0001_one.sql", "CREATE TABLE one (n BIGINT);", "0007_two.sql", "CREATE TABLE two (n BIGINT);")); err != nil {
		t.Fatal(err)
	}
	for want, dir := range map[string]fs.FS{
		"migration 0001_one is not the one":            steps("0001_one.sql", "CREATE TABLE one (n BIGINT) ;", "0007_two.sql", "CREATE TABLE two (n BIGINT);", "0008_three.sql", "CREATE TABLE three (n BIGINT);"),
		"has migration 0007_two and this hxp knows no": steps("0001_one.sql", "CREATE TABLE one (n BIGINT);"),
	} {
		if err := s.migrate(t.Context(), dir); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %s", err, want)
		}
	}
	if got := column[int64](t, s, "SELECT number FROM hxp_migrations ORDER BY 1"); !slices.Equal(got, []int64{1, 7}) {
		t.Errorf("noted: %v", got)
	}
}

// gooseTable is the table in which hxp kept its steps before, as the tool goose makes it.
func gooseTable(dialect string) string {
	if dialect == "postgres" {
		return `CREATE TABLE goose_db_version (id integer PRIMARY KEY GENERATED BY DEFAULT AS IDENTITY, version_id bigint NOT NULL, is_applied boolean NOT NULL, tstamp timestamp NOT NULL DEFAULT now());
			INSERT INTO goose_db_version (version_id, is_applied) VALUES (0, true)`
	}
	return `CREATE TABLE goose_db_version (id INTEGER PRIMARY KEY AUTOINCREMENT, version_id INTEGER NOT NULL, is_applied INTEGER NOT NULL, tstamp TIMESTAMP DEFAULT (datetime('now')));
		INSERT INTO goose_db_version (version_id, is_applied) VALUES (0, 1)`
}

// gooseMade makes a database as hxp left it while goose migrated it, up to a number.
func gooseMade(t *testing.T, s *Store, last int64) {
	t.Helper()
	dir, err := fs.Sub(migrations, s.dialect.migrations)
	if err != nil {
		t.Fatal(err)
	}
	all, err := readMigrations(dir)
	if err != nil {
		t.Fatal(err)
	}
	mustExec(t, s, gooseTable(s.dialect.name))
	for _, m := range all {
		if m.number <= last {
			mustExec(t, s, m.text, fmt.Sprintf("INSERT INTO goose_db_version (version_id, is_applied) SELECT %d, is_applied FROM goose_db_version WHERE version_id = 0", m.number))
		}
	}
}

// What goose did is done: such a database goes on with the first step that it lacks, and ends with the same schema as a fresh one.
func TestMigrateFromGoose(t *testing.T) {
	want := schemaOf(t, open(t))
	for _, last := range []int64{0, 3, 30, 50} {
		url := database(t)
		s := unmigrated(t, url)
		gooseMade(t, s, last)
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				again, err := Open(context.Background(), url, quiet)
				if err != nil {
					t.Error(err)
					return
				}
				if err := again.Close(); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if got := schemaOf(t, s); !slices.Equal(got, want) {
			t.Errorf("after %d: the schema differs:\n%v\nwant\n%v", last, got, want)
		}
	}
}

// A database that a newer hxp left with goose's table is refused, and nothing is taken over.
func TestMigrateFromNewerGoose(t *testing.T) {
	url := database(t)
	s := unmigrated(t, url)
	gooseMade(t, s, 50)
	mustExec(t, s, "INSERT INTO goose_db_version (version_id, is_applied) SELECT 9000, is_applied FROM goose_db_version WHERE version_id = 0")
	_, err := Open(t.Context(), url, quiet)
	if err == nil {
		t.Fatal("it is taken")
	}
	holds(t, err.Error(), "migration 9000_unknown", "newer hxp")
	err = within(t.Context(), s.read, s.dialect.view, func(tx *sql.Tx) error {
		if there, err := s.hasTable(t.Context(), tx, "hxp_migrations"); err != nil || there {
			return fmt.Errorf("hxp_migrations is there: %v, %w", there, err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
