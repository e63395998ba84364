package lake

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/parquet-go/parquet-go"
)

// storage keeps the files of the lake, whole and never changed, under names with slashes. It is safe for concurrent use.
type storage interface {
	// String says where it is, for people; it shows no secret.
	String() string
	// place brings files from the staging folder to their names, so that they survive whatever the storage promises to
	// survive. None of the names was ever used before. On error some of the files may have arrived.
	place(ctx context.Context, files []staged) error
	// open returns ErrMissing for a name that is not there.
	open(ctx context.Context, name string) (object, error)
	// remove is content with a name that is not there.
	remove(ctx context.Context, name string) error
	// walk calls fn with every file below a folder, in the order of their names; a missing folder has none.
	walk(ctx context.Context, dir string, fn func(entry) error) error
}

// staged is a file that waits in the staging folder for its place.
type staged struct {
	local  string // path on this machine
	name   string // where it shall be
	bytes  int64
	sha256 string // hexadecimal
}

// object is an open file of a storage.
type object interface {
	io.ReaderAt
	io.Closer
	Size() int64
}

// entry is a file as walk finds it.
type entry struct {
	name     string
	modified time.Time
}

// ErrMissing is the error of a file that the manifest names and the storage does not have.
var ErrMissing = errors.New("file of the lake is missing")

// stagedPath is where a file lies on this machine until it is brought to its place.
func (l *Lake) stagedPath(name string) string {
	return filepath.Join(l.stage, filepath.Base(filepath.FromSlash(name)))
}

// openParquet opens a file and reads its footer. The caller closes f.
func (l *Lake) openParquet(ctx context.Context, name string) (f object, pf *parquet.File, err error) {
	if f, err = l.storage.open(ctx, name); err != nil {
		return nil, nil, err
	}
	if pf, err = readFooter(f); err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, pf, nil
}

func readFooter(f object) (*parquet.File, error) {
	pf, err := parquet.OpenFile(f, f.Size(), parquet.SkipBloomFilters(true), parquet.SkipPageIndex(true), parquet.ReadBufferSize(64<<10))
	if err != nil {
		return nil, fmt.Errorf("not a readable Parquet file: %w", err)
	}
	return pf, nil
}
