package lake

import (
	"context"
	"fmt"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// Scan calls fn with each row of files, file by file, in the order of event time within a file. The row is used again for the
// next call; the text in it stays valid. An error of fn ends the scan and is returned as it is.
func (l *Lake) Scan(ctx context.Context, files []event.LakeFile, fn func(*event.LakeRow) error) error {
	return l.ScanSelected(ctx, files, event.AllLakeColumns, fn)
}

// ScanSelected is Scan that reads less: what is not among columns has no value.
func (l *Lake) ScanSelected(ctx context.Context, files []event.LakeFile, columns event.LakeColumns, fn func(*event.LakeRow) error) error {
	s, _ := l.scanners.Get().(*scanner)
	if s == nil {
		s = new(scanner)
	}
	defer l.scanners.Put(s)
	for i := range files {
		if err := s.file(ctx, l, &files[i], columns, fn); err != nil {
			return err
		}
	}
	return nil
}

// scanner takes files apart into rows. It keeps its memory for the next scan.
type scanner struct {
	row   event.LakeRow
	block event.LakeBlock
}

func (s *scanner) file(ctx context.Context, l *Lake, lf *event.LakeFile, columns event.LakeColumns, fn func(*event.LakeRow) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	r, err := l.OpenFile(ctx, *lf)
	if err != nil {
		return err
	}
	defer r.Close()
	s.row.TopicID, s.row.Topic, s.row.Partition = lf.TopicID, lf.Topic, lf.Partition
	for block := range r.Blocks() {
		if err := r.Read(ctx, block, columns, &s.block); err != nil {
			return err
		}
		s.block.KeepText()
		for i := range s.block.Rows {
			if err := s.block.Row(i, &s.row); err != nil {
				return fmt.Errorf("lake: %s: %w", lf.Path, err)
			}
			if err := fn(&s.row); err != nil {
				return err
			}
		}
	}
	return nil
}
