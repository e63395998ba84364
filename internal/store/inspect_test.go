package store

import (
	"context"
	"database/sql"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A look at a database tells how its schema stands and changes nothing.
func TestInspect(t *testing.T) {
	url := database(t)
	s := unmigrated(t, url)
	all, err := fs.Sub(migrations, s.dialect.migrations)
	if err != nil {
		t.Fatal(err)
	}
	steps, err := readMigrations(all)
	if err != nil {
		t.Fatal(err)
	}
	look := func(what string, done, pending int, strange string) {
		t.Helper()
		in, err := Inspect(t.Context(), url, quiet)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if !in.There || in.Done != done || in.Pending != pending || (in.Strange != nil) != (strange != "") {
			t.Errorf("%s: %+v, want %d done and %d pending", what, in, done, pending)
		}
		if strange != "" && in.Strange != nil {
			holds(t, in.Strange.Error(), strange)
		}
		if s.dialect.clock == "" != in.Clock.IsZero() || (!in.Clock.IsZero() && time.Since(in.Clock).Abs() > time.Hour) {
			t.Errorf("%s: its clock says %s", what, in.Clock)
		}
	}
	look("empty", 0, len(steps), "")
	if err := within(t.Context(), s.read, s.dialect.view, func(tx *sql.Tx) error {
		if there, err := s.hasTable(t.Context(), tx, "hxp_migrations"); err != nil || there {
			t.Errorf("the look made a table: %v, %v", there, err)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.migrateNext(t.Context(), steps[:1]); err != nil {
		t.Fatal(err)
	}
	look("behind", 1, len(steps)-1, "")
	if err := s.migrate(context.Background(), all); err != nil {
		t.Fatal(err)
	}
	look("as this hxp", len(steps), 0, "")
	mustExec(t, s, "INSERT INTO hxp_migrations (number, name, sha256, applied_at) VALUES (9000, 'of_tomorrow', 'x', 0)")
	look("ahead", len(steps)+1, 0, "newer hxp")
}

func TestInspectOfNoFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data", "hxp.db")
	in, err := Inspect(t.Context(), "sqlite:"+path, quiet)
	if err != nil || in.There || in.Pending == 0 {
		t.Errorf("%+v, %v", in, err)
	}
	if _, err := os.Stat(filepath.Dir(path)); err == nil {
		t.Error("the look made a folder")
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("this is no database, however long one looks at it: 0123456789012345678901234567890123456789"), 0o600); err != nil {
		t.Fatal(err)
	}
	if in, err := Inspect(t.Context(), "sqlite:"+path, quiet); err == nil {
		t.Errorf("a text is taken for a database: %+v", in)
	}
}
