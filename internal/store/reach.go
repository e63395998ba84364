package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"time"

	"github.com/hxp-enterprise/hxp/internal/kit/cure"
)

// Reach tells whether the database that url names answers. It changes nothing in it.
func Reach(ctx context.Context, url string, log *slog.Logger) error {
	s, err := connect(ctx, url, log)
	if err == nil {
		err = errors.Join(s.Ping(ctx), s.Close())
	}
	if help := pgCure(err); help != "" {
		return cure.With(fmt.Errorf("store: %w", err), help)
	}
	return err
}

// Inspection is what a look at a database finds.
type Inspection struct {
	There   bool // false for the file of an SQLite database that nobody has made yet
	Done    int  // steps of the schema that it has had
	Pending int  // steps that the next start will do
	// Strange says why this hxp does not start on it: another build made it, or a newer one.
	Strange error
	Barred  bool      // the user may not make tables
	Clock   time.Time // of the database; zero where that is the one of this machine
}

// Inspect looks at the database that url names and changes nothing in it. An error says that it cannot be reached, and how to mend that.
func Inspect(ctx context.Context, url string, log *slog.Logger) (in Inspection, err error) {
	if scheme, path, err := splitURL(url); err == nil && scheme == "sqlite" {
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			in.Pending, err = countMigrations("migrations/sqlite")
			return in, err
		}
	}
	s, err := connect(ctx, url, log)
	if err == nil {
		in, err = s.inspect(ctx)
		err = errors.Join(err, s.Close())
	}
	return in, cure.With(err, pgCure(err))
}

func countMigrations(folder string) (int, error) {
	dir, err := fs.Sub(migrations, folder)
	if err != nil {
		return 0, err
	}
	all, err := readMigrations(dir)
	return len(all), err
}

func (s *Store) inspect(ctx context.Context) (in Inspection, err error) {
	dir, err := fs.Sub(migrations, s.dialect.migrations)
	if err != nil {
		return in, err
	}
	all, err := readMigrations(dir)
	if err != nil {
		return in, err
	}
	in.There, in.Pending = true, len(all)
	err = s.view(ctx, func(tx *sql.Tx) error {
		if s.dialect.clock != "" {
			now, err := s.now(ctx, tx)
			if err != nil {
				return err
			}
			in.Clock = now
		}
		if s.dialect.mayCreate != "" {
			var may int
			if err := tx.QueryRowContext(ctx, s.dialect.mayCreate).Scan(&may); err != nil {
				return err
			}
			in.Barred = may == 0
		}
		if there, err := s.hasTable(ctx, tx, "hxp_migrations"); err != nil || !there {
			return err
		}
		done, err := noted(ctx, tx)
		if err != nil {
			return err
		}
		_, in.Strange = nextMigration(all, done)
		in.Done, in.Pending = len(done), max(len(all)-len(done), 0)
		return nil
	})
	return in, err
}
