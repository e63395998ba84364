package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// ErrServer says that a database is not a file: its server copies it.
var ErrServer = errors.New("the database is on a server of its own")

// FilePath is the file of the database that a URL names; ErrServer for one on a server.
func FilePath(url string) (string, error) {
	scheme, path, err := splitURL(url)
	if err == nil && scheme != "sqlite" {
		err = ErrServer
	}
	return path, err
}

// Copied says what a copy of a database is.
type Copied struct {
	Migration string           // the last step that its schema has had, NNNN_name
	Files     []event.LakeFile // of the manifest
}

// CopyFile writes the database in the file at path as of one moment to a new file, also while others write to it, and reads from the copy
// what it says of the lake. There may be no database yet: fs.ErrNotExist.
func CopyFile(ctx context.Context, path, to string) (*Copied, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, err
	}
	if err := copyFile(ctx, path, to); err != nil {
		return nil, fmt.Errorf("copy the database %s: %w", path, err)
	}
	c, err := readCopy(ctx, to)
	if err != nil {
		return nil, fmt.Errorf("read the copy of the database %s: %w", path, err)
	}
	return c, nil
}

// copyFile lets SQLite write the copy: one read transaction, so it is of one moment and keeps nobody from writing.
func copyFile(ctx context.Context, path, to string) error {
	abs, err := filepath.Abs(path) // what follows "file:" would be taken for a host otherwise
	if err != nil {
		return err
	}
	db, err := sql.Open("sqlite", fileDSN(abs, "mode=rw"))
	if err != nil {
		return err
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	_, err = db.ExecContext(ctx, "VACUUM INTO ?", to)
	return err
}

// readCopy reads a file that nobody else has open.
func readCopy(ctx context.Context, path string) (*Copied, error) {
	db, err := sql.Open("sqlite", fileDSN(path, "mode=ro&immutable=1"))
	if err != nil {
		return nil, err
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	var c Copied
	err = db.QueryRowContext(ctx, "SELECT printf('%04d_%s', number, name) FROM hxp_migrations ORDER BY number DESC LIMIT 1").Scan(&c.Migration)
	if err != nil {
		return nil, err
	}
	c.Files, err = queryFiles(ctx, db, event.LakeFilter{})
	return &c, err
}

func fileDSN(path, mode string) string {
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + mode + "&_pragma=busy_timeout(10000)"
}

// CheckFile tells whether this build can use the database in a file, which nobody else has open.
func CheckFile(ctx context.Context, path string) error {
	db, err := sql.Open("sqlite", fileDSN(path, "mode=ro&immutable=1"))
	if err != nil {
		return err
	}
	defer db.Close()
	dir, err := fs.Sub(migrations, "migrations/sqlite")
	if err != nil {
		return err
	}
	all, err := readMigrations(dir)
	if err != nil {
		return err
	}
	done, err := noted(ctx, db)
	if err != nil {
		return err
	}
	_, err = nextMigration(all, done)
	return err
}
