package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"regexp"
	"strconv"
	"time"
)

//go:embed migrations/sqlite/*.sql migrations/postgres/*.sql
var migrations embed.FS

// migration is one step of the schema: the file NNNN_name.sql of a dialect's folder. A database keeps the number, the name and the
// checksum of each step that it has had, so a file that was released never changes; what changes is a new file with a higher number.
type migration struct {
	number int64
	name   string
	sha256 string
	text   string // statements of SQL; empty for one that was read from a database
}

func (m migration) String() string { return fmt.Sprintf("%04d_%s", m.number, m.name) }

var migrationName = regexp.MustCompile(`^(\d{4})_(\w+)\.sql$`)

// readMigrations returns the steps of a folder by number.
func readMigrations(dir fs.FS) ([]migration, error) {
	files, err := fs.ReadDir(dir, ".") // sorted by name
	if err != nil {
		return nil, err
	}
	var all []migration
	for _, f := range files {
		parts := migrationName.FindStringSubmatch(f.Name())
		if parts == nil {
			return nil, fmt.Errorf("migration %s: its name is not NNNN_name.sql", f.Name())
		}
		text, err := fs.ReadFile(dir, f.Name())
		if err != nil {
			return nil, err
		}
		number, _ := strconv.ParseInt(parts[1], 10, 64) // four digits
		sum := sha256.Sum256(text)
		m := migration{number, parts[2], hex.EncodeToString(sum[:]), string(text)}
		if n := len(all); n > 0 && all[n-1].number == number {
			return nil, fmt.Errorf("migrations %s and %s have the same number", all[n-1], m)
		}
		all = append(all, m)
	}
	return all, nil
}

// migrate brings the schema up to date. Another process may be doing the same: who has the lock of the schema looks at what is done,
// does one step, and lets go.
func (s *Store) migrate(ctx context.Context, dir fs.FS) error {
	all, err := readMigrations(dir)
	for more := true; more && err == nil; {
		more, err = s.migrateNext(ctx, all)
	}
	return err
}

// migrateNext does the first step that the database has not had, in one transaction with the note that it has. It tells whether there
// was one.
func (s *Store) migrateNext(ctx context.Context, all []migration) (more bool, err error) {
	var next *migration
	began := time.Now()
	// Not serializable: the look must see what was committed while it waited for the lock.
	err = within(ctx, s.write, nil, func(tx *sql.Tx) error {
		if err := s.dialect.lockSchema(ctx, tx); err != nil {
			return err
		}
		done, err := s.migrated(ctx, tx, all)
		if err != nil {
			return err
		}
		if next, err = nextMigration(all, done); err != nil || next == nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, next.text); err != nil { // without parameters both drivers take several statements
			return fmt.Errorf("migration %s: %w", next, err)
		}
		return s.noteMigration(ctx, tx, *next)
	})
	if err != nil || next == nil {
		return false, err
	}
	s.log.Info("schema migrated", "database", s.dialect.name, "migration", next.String(), "took", time.Since(began))
	return true, nil
}

// nextMigration is the first of all that is not done, nil when there is none. It refuses a database with another past than ours.
func nextMigration(all, done []migration) (*migration, error) {
	known, last := map[int64]migration{}, migration{}
	for _, m := range all {
		known[m.number], last = m, m
	}
	had, newest := map[int64]bool{}, migration{}
	for _, m := range done { // by number
		had[m.number], newest = true, m
		ours, ok := known[m.number]
		switch {
		case !ok && m.number > last.number:
			return nil, fmt.Errorf("the database has migration %s and this hxp knows none after %s: a newer hxp has used the database; start that one, or bring back a copy from before", m, last)
		case !ok:
			return nil, fmt.Errorf("the database has migration %s, which this hxp does not know: another build of hxp made it; start that one, or name an empty database", m)
		case ours.sha256 != m.sha256:
			return nil, fmt.Errorf("migration %s is not the one that made this database (as %s): sha256 %s here, %s there; start the build of hxp that made it, or name an empty database", ours, m, ours.sha256, m.sha256)
		}
	}
	for i, m := range all {
		switch {
		case had[m.number]:
		case m.number < newest.number:
			return nil, fmt.Errorf("the database has migration %s and lacks %s, which comes before it: another build of hxp made it; start that one, or name an empty database", newest, m)
		default:
			return &all[i], nil
		}
	}
	return nil, nil
}

// migrated returns what the database has had, by number. It makes the table where that is kept.
func (s *Store) migrated(ctx context.Context, tx *sql.Tx, all []migration) ([]migration, error) {
	// Looking first, since IF NOT EXISTS asks for the right to make tables even where nothing is to be made.
	if there, err := s.hasTable(ctx, tx, "hxp_migrations"); err != nil {
		return nil, err
	} else if !there {
		if err := s.beginMigrations(ctx, tx, all); err != nil {
			return nil, err
		}
	}
	return noted(ctx, tx)
}

// noted are the migrations that the database has had, by number.
func noted(ctx context.Context, q querier) (done []migration, err error) {
	rows, err := q.QueryContext(ctx, "SELECT number, name, sha256 FROM hxp_migrations ORDER BY number")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var m migration
		if err := rows.Scan(&m.number, &m.name, &m.sha256); err != nil {
			return nil, err
		}
		done = append(done, m)
	}
	return done, rows.Err()
}

// beginMigrations makes the table. Versions of hxp before it kept their numbers in a table of the tool goose: these count as done. That
// table stays, so that such a version can be started once more.
func (s *Store) beginMigrations(ctx context.Context, tx *sql.Tx, all []migration) error {
	_, err := tx.ExecContext(ctx, `CREATE TABLE hxp_migrations (
		number     BIGINT NOT NULL PRIMARY KEY,
		name       TEXT   NOT NULL,
		sha256     TEXT   NOT NULL, -- of the file
		applied_at BIGINT NOT NULL  -- microseconds since the epoch
	)`)
	if err != nil {
		return err
	}
	if before, err := s.hasTable(ctx, tx, "goose_db_version"); err != nil || !before {
		return err
	}
	rows, err := tx.QueryContext(ctx, "SELECT DISTINCT version_id FROM goose_db_version WHERE version_id > 0 AND is_applied")
	if err != nil {
		return err
	}
	defer rows.Close()
	done := map[int64]bool{}
	for rows.Next() {
		var number int64
		if err := rows.Scan(&number); err != nil {
			return err
		}
		done[number] = true
	}
	if err := rows.Err(); err != nil {
		return err
	}
	for _, m := range all {
		if done[m.number] {
			if err := s.noteMigration(ctx, tx, m); err != nil {
				return err
			}
			delete(done, m.number)
		}
	}
	for number := range done { // refused like any other that is not known
		if err := s.noteMigration(ctx, tx, migration{number: number, name: "unknown"}); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) noteMigration(ctx context.Context, tx *sql.Tx, m migration) error {
	now, err := s.now(ctx, tx)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, "INSERT INTO hxp_migrations (number, name, sha256, applied_at) VALUES (?, ?, ?, ?)", m.number, m.name, m.sha256, micros(now))
	return err
}

func (s *Store) hasTable(ctx context.Context, tx *sql.Tx, name string) (bool, error) {
	var n int
	err := tx.QueryRowContext(ctx, s.dialect.hasTable, name).Scan(&n)
	return n > 0, err
}
