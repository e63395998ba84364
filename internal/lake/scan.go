package lake

import (
	"context"
	"fmt"

	"github.com/parquet-go/parquet-go"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// Selection says which columns a scan reads. Columns that are not read leave their fields without a value.
type Selection struct {
	// Without names data fields that the caller does not need.
	Without []event.Field
	// NoEnvelope leaves out correlation id, schema version and metadata.
	NoEnvelope bool
	// NoExtra leaves out unknown fields and metrics under their own names.
	NoExtra bool
}

// Scan calls fn with each row of files, file by file, in the order of event time within a file. The row is used again for the
// next call; the text in it stays valid. An error of fn ends the scan and is returned as it is.
func (l *Lake) Scan(ctx context.Context, files []event.LakeFile, fn func(*event.LakeRow) error) error {
	return l.ScanSelected(ctx, files, Selection{}, fn)
}

// ScanSelected is Scan that reads less.
func (l *Lake) ScanSelected(ctx context.Context, files []event.LakeFile, sel Selection, fn func(*event.LakeRow) error) error {
	s, _ := l.scanners.Get().(*scanner)
	if s == nil {
		s = new(scanner)
	}
	defer l.scanners.Put(s)
	s.choose(sel)
	for i := range files {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := s.file(ctx, l, &files[i], fn); err != nil {
			return err
		}
	}
	return nil
}

// scanner decodes files, one row group at a time, into vectors that it uses again.
type scanner struct {
	sel     Selection
	without map[event.Field]bool
	row     event.LakeRow
	columns []*vector
}

func (s *scanner) choose(sel Selection) {
	s.sel, s.without = sel, make(map[event.Field]bool)
	for _, f := range sel.Without {
		s.without[f] = true
	}
}

func (s *scanner) file(ctx context.Context, l *Lake, lf *event.LakeFile, fn func(*event.LakeRow) error) error {
	f, pf, err := l.openParquet(ctx, lf.Path)
	if err != nil {
		return fmt.Errorf("lake: %s: %w", lf.Path, err)
	}
	defer f.Close()
	if pf.NumRows() != lf.Rows {
		return fmt.Errorf("lake: %s has %d rows, the manifest says %d; check it with `hxp lake verify`", lf.Path, pf.NumRows(), lf.Rows)
	}
	kind, ok := event.ParseKind(pf.Schema().Name())
	if !ok {
		return fmt.Errorf("lake: %s: schema %q is not a kind of event", lf.Path, pf.Schema().Name())
	}
	columns, err := s.plan(pf, kind)
	if err != nil {
		return fmt.Errorf("lake: %s: %w", lf.Path, err)
	}
	for g, group := range pf.RowGroups() {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := int(group.NumRows())
		meta := pf.Metadata().RowGroups[g].Columns
		if n > maxGroupRows {
			return fmt.Errorf("lake: %s: a row group of %d rows; at most %d are read", lf.Path, n, maxGroupRows)
		}
		chunks := group.ColumnChunks()
		for i, c := range columns {
			if int(meta[c.index].MetaData.Statistics.NullCount) == n {
				s.columns[i].clear(n)
				continue
			}
			if err := s.columns[i].load(chunks[c.index], n); err != nil {
				return fmt.Errorf("lake: %s: column %s: %w", lf.Path, c.name, err)
			}
		}
		if err := s.rows(kind, lf, columns, n, fn); err != nil {
			return err
		}
	}
	return nil
}

// maxGroupRows is more than any writer of ours puts into a group; a damaged footer shall not make us allocate without bound.
const maxGroupRows = 4 << 20

// plan finds the wanted columns in a file. A column that the file lacks (it was written before the column existed) is skipped
// when it is optional.
func (s *scanner) plan(pf *parquet.File, kind event.Kind) ([]column, error) {
	var out []column
	for _, c := range tableOf(kind).columns {
		if !s.wanted(&c) {
			continue
		}
		leaf, ok := pf.Schema().Lookup(c.name)
		if !ok {
			if c.optional {
				continue
			}
			return nil, fmt.Errorf("no column %s", c.name)
		}
		if got := leaf.Node.Type().Kind(); got != c.kind {
			return nil, fmt.Errorf("column %s is %s, not %s", c.name, got, c.kind)
		}
		c.index, c.optional = leaf.ColumnIndex, leaf.Node.Optional()
		out = append(out, c)
	}
	for len(s.columns) < len(out) {
		s.columns = append(s.columns, new(vector))
	}
	return out, nil
}

func (s *scanner) wanted(c *column) bool {
	switch c.source {
	case fromField:
		return !s.without[c.field]
	case fromTopic, fromPartition, fromType: // known from the manifest and the schema
		return false
	case fromCorrelation, fromSchemaVersion, fromMetadata:
		return !s.sel.NoEnvelope
	case fromExtra:
		return !s.sel.NoExtra
	}
	return true
}

// rows hands the loaded vectors to fn, row by row.
func (s *scanner) rows(kind event.Kind, lf *event.LakeFile, columns []column, n int, fn func(*event.LakeRow) error) error {
	row := &s.row
	row.TopicID, row.Topic, row.Partition = lf.TopicID, lf.Topic, lf.Partition
	for i := range n {
		e := &row.Event
		e.Reset()
		e.Kind = kind
		for j := range columns {
			v := s.columns[j]
			if !v.has(i) {
				continue
			}
			if err := setValue(row, &columns[j], v, i); err != nil {
				return fmt.Errorf("lake: %s: row %d: %w", lf.Path, i, err)
			}
		}
		if err := fn(row); err != nil {
			return err
		}
	}
	return nil
}

func setValue(row *event.LakeRow, c *column, v *vector, i int) error {
	e := &row.Event
	switch c.source {
	case fromField:
		switch {
		case c.kind == parquet.ByteArray:
			e.SetText(c.field, v.text[i])
		case c.duration:
			e.SetInt(c.field, fromMS(v.floats[i]))
		case c.kind == parquet.Double:
			e.SetFloat(c.field, v.floats[i])
		default:
			e.SetInt(c.field, v.ints[i])
		}
	case fromID:
		e.ID = v.text[i]
	case fromTime:
		e.Time, e.HasTime = v.ints[i], true
	case fromSource:
		e.Source = v.text[i]
	case fromCorrelation:
		e.CorrelationID = v.text[i]
	case fromSchemaVersion:
		e.SchemaVersion = v.text[i]
	case fromOffset:
		row.Offset = v.ints[i]
	case fromIngested:
		row.IngestedAt = v.ints[i]
	case fromMetadata:
		e.Metadata = []byte(v.text[i])
	case fromExtra:
		return splitExtra(v.text[i], e)
	}
	return nil
}
