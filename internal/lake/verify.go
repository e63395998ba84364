package lake

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/parquet-go/parquet-go"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// checkPaths wants each column chunk under the path of its column, which readers in other languages go by; ours goes by position.
func checkPaths(pf *parquet.File) error {
	columns := pf.Schema().Columns()
	for _, g := range pf.Metadata().RowGroups {
		if len(g.Columns) != len(columns) {
			return fmt.Errorf("a row group of %d columns, the schema has %d", len(g.Columns), len(columns))
		}
		for i := range g.Columns {
			if path := g.Columns[i].MetaData.PathInSchema; !slices.Equal(path, columns[i]) {
				return fmt.Errorf("column %v lies under the path %q", columns[i], path)
			}
		}
	}
	return nil
}

// verifyStaged reads a file in _tmp again, after bringing it to the disk when sync is set, and compares its size, rows and
// oldest and newest time with what was meant to be written.
func (l *Lake) verifyStaged(want *event.LakeFile, sync bool) error {
	f, err := openLocal(l.stagedPath(want.Path))
	if err != nil {
		return fmt.Errorf("verify %s: %w", want.Path, err)
	}
	defer f.Close()
	if sync {
		if err := f.Sync(); err != nil {
			return fmt.Errorf("sync %s: %w", want.Path, err)
		}
	}
	pf, err := readFooter(f)
	if err != nil {
		return fmt.Errorf("verify %s: %w", want.Path, err)
	}
	if pf.Size() != want.Bytes || pf.NumRows() != want.Rows {
		return fmt.Errorf("verify %s: it has %d bytes and %d rows, not %d and %d", want.Path, pf.Size(), pf.NumRows(), want.Bytes, want.Rows)
	}
	if err := checkPaths(pf); err != nil {
		return fmt.Errorf("verify %s: %w", want.Path, err)
	}
	oldest, newest, err := timesOf(pf)
	if err != nil {
		return fmt.Errorf("verify %s: %w", want.Path, err)
	}
	if oldest != want.MinTime || newest != want.MaxTime {
		return fmt.Errorf("verify %s: its times are %d to %d µs, not %d to %d", want.Path, oldest, newest, want.MinTime, want.MaxTime)
	}
	return nil
}

// timesOf returns the oldest and newest event time by the statistics of the file.
func timesOf(pf *parquet.File) (oldest, newest int64, err error) {
	leaf, ok := pf.Schema().Lookup("timestamp")
	if !ok {
		return 0, 0, errors.New("no column timestamp")
	}
	for i, g := range pf.Metadata().RowGroups {
		if leaf.ColumnIndex >= len(g.Columns) {
			return 0, 0, errors.New("the footer lacks columns")
		}
		s := g.Columns[leaf.ColumnIndex].MetaData.Statistics
		if len(s.MinValue) != 8 || len(s.MaxValue) != 8 {
			return 0, 0, errors.New("the column timestamp has no statistics")
		}
		lo, hi := int64(binary.LittleEndian.Uint64(s.MinValue)), int64(binary.LittleEndian.Uint64(s.MaxValue))
		if i == 0 {
			oldest, newest = lo, hi
		}
		oldest, newest = min(oldest, lo), max(newest, hi)
	}
	return oldest, newest, nil
}

// Bad is a file that is not what the manifest says.
type Bad struct {
	Path   string `json:"path"`
	Reason string `json:"reason"`
}

// Verify reads every file that the manifest counts as part of the lake (live and superseded) and compares its bytes with the
// recorded hash. progress, if not nil, is called after each file.
func (l *Lake) Verify(ctx context.Context, m Manifest, progress func(done, total int)) (checked int, bad []Bad, err error) {
	all, err := m.Files(ctx, event.LakeFilter{})
	if err != nil {
		return 0, nil, err
	}
	bad = []Bad{} // as JSON it is a list, also when it is empty
	var files []event.LakeFile
	for _, f := range all {
		if f.State == event.LakeLive || f.State == event.LakeSuperseded {
			files = append(files, f)
		}
	}
	for i := range files {
		if err := ctx.Err(); err != nil {
			return i, bad, err
		}
		if reason := l.CheckRaw(ctx, files[i]); reason != "" {
			bad = append(bad, Bad{files[i].Path, reason})
		}
		if progress != nil {
			progress(i+1, len(files))
		}
	}
	return len(files), bad, nil
}

// compareStored says what is wrong with a file of a storage, "" when nothing is.
func compareStored(ctx context.Context, s storage, name string, size int64, hash string) string {
	f, err := s.open(ctx, name)
	if errors.Is(err, ErrMissing) {
		return "the file is missing"
	}
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	sum := sha256.New()
	n, err := io.CopyBuffer(struct{ io.Writer }{sum}, io.NewSectionReader(f, 0, f.Size()), make([]byte, 256<<10))
	if err != nil {
		return err.Error()
	}
	if n != size {
		return fmt.Sprintf("it has %d bytes, the manifest says %d", n, size)
	}
	if want, err := hex.DecodeString(hash); err != nil || !bytes.Equal(want, sum.Sum(nil)) {
		return "its bytes are not those that were written: the sha256 differs"
	}
	return ""
}
