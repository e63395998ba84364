package lake

import (
	"context"
	"fmt"

	"github.com/parquet-go/parquet-go"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// reader is an open file. A block is a row group.
type reader struct {
	path    string
	object  object
	file    *parquet.File
	kind    event.Kind
	columns []column // those that blocks have, as they lie in this file
	groups  []parquet.RowGroup
	rows    []int // of each group
}

// maxGroupRows is more than any writer of ours puts into a group; a damaged footer shall not make us allocate without bound.
const maxGroupRows = 4 << 20

// OpenFile opens a file that the manifest names. The caller closes it.
func (l *Lake) OpenFile(ctx context.Context, lf event.LakeFile) (event.LakeReader, error) {
	f, pf, err := l.openParquet(ctx, lf.Path)
	if err != nil {
		return nil, fmt.Errorf("lake: %s: %w", lf.Path, err)
	}
	r := &reader{path: lf.Path, object: f, file: pf, groups: pf.RowGroups()}
	if err := r.check(&lf); err != nil {
		f.Close()
		return nil, fmt.Errorf("lake: %s: %w", lf.Path, err)
	}
	return r, nil
}

// check compares the footer with the manifest and finds the columns.
func (r *reader) check(lf *event.LakeFile) (err error) {
	if r.file.NumRows() != lf.Rows {
		return fmt.Errorf("it has %d rows, the manifest says %d; check it with `hxp lake verify`", r.file.NumRows(), lf.Rows)
	}
	var ok bool
	if r.kind, ok = event.ParseKind(r.file.Schema().Name()); !ok {
		return fmt.Errorf("schema %q is not a kind of event", r.file.Schema().Name())
	}
	for _, g := range r.groups {
		if n := g.NumRows(); n > maxGroupRows {
			return fmt.Errorf("a row group of %d rows; at most %d are read", n, maxGroupRows)
		}
		r.rows = append(r.rows, int(g.NumRows()))
	}
	r.columns, err = plan(r.file, r.kind)
	return err
}

// plan finds the columns of a kind in a file. A column that the file lacks (it was written before the column existed) is skipped
// when it is optional.
func plan(pf *parquet.File, kind event.Kind) ([]column, error) {
	all := tableOf(kind).columns
	out := make([]column, 0, len(all))
	for _, c := range all {
		if _, ok := c.blockColumn(); !ok {
			continue
		}
		leaf := pf.Root().Column(c.name) // Schema().Lookup makes a map first, which takes a tenth of the time to open a small file
		if leaf == nil || !leaf.Leaf() {
			if leaf == nil && c.optional {
				continue
			}
			return nil, fmt.Errorf("no column %s", c.name)
		}
		if got := leaf.Type().Kind(); got != c.kind {
			return nil, fmt.Errorf("column %s is %s, not %s", c.name, got, c.kind)
		}
		c.index = int(leaf.Index())
		out = append(out, c)
	}
	return out, nil
}

// blockColumn returns the column of a block that c fills. Those that are the same for every row of a file fill none: the
// manifest and the schema tell them.
func (c *column) blockColumn() (event.LakeColumn, bool) {
	switch c.source {
	case fromField:
		return event.LakeColumn(c.field), true
	case fromID:
		return event.LakeID, true
	case fromTime:
		return event.LakeTime, true
	case fromSource:
		return event.LakeSource, true
	case fromCorrelation:
		return event.LakeCorrelation, true
	case fromSchemaVersion:
		return event.LakeSchemaVersion, true
	case fromOffset:
		return event.LakeOffset, true
	case fromIngested:
		return event.LakeIngested, true
	case fromMetadata:
		return event.LakeMetadata, true
	case fromExtra:
		return event.LakeExtra, true
	}
	return 0, false
}

func (r *reader) Kind() event.Kind { return r.kind }
func (r *reader) Blocks() []int    { return r.rows }
func (r *reader) Close() error     { return r.object.Close() }

func (r *reader) Read(ctx context.Context, block int, columns event.LakeColumns, b *event.LakeBlock) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	n := r.rows[block]
	b.Empty(r.kind, n)
	b.SplitExtra = splitExtra
	chunks := r.groups[block].ColumnChunks()
	meta := r.file.Metadata().RowGroups[block].Columns
	for i := range r.columns {
		c := &r.columns[i]
		into, _ := c.blockColumn()
		if !columns.Has(into) || int(meta[c.index].MetaData.Statistics.NullCount) == n {
			continue
		}
		v := vector{LakeVector: b.Fill(into), duration: c.duration, rows: n}
		if err := v.load(chunks[c.index]); err != nil {
			return fmt.Errorf("lake: %s: column %s: %w", r.path, c.name, err)
		}
	}
	return nil
}
