package lake

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/sorting"
)

// FindOptions say which events Find looks for.
type FindOptions struct {
	RequestID string
	From, To  time.Time // hours of event time that begin within [From, To)
	Rows      int64     // at most so many are looked at, 0 = no bound
}

// Find calls fn with the events of a request, each once. It looks at one column of the live files, those of the newest hours first. Whole is
// false when the bound or ctx ended it before it had seen all of them. The event is used again for the next call.
func (l *Lake) Find(ctx context.Context, m Manifest, o FindOptions, fn func(*event.Event) error) (whole bool, err error) {
	files, err := m.Files(ctx, Filter("", event.LakeLive, o.From, o.To))
	if err != nil {
		return false, err
	}
	files = slices.DeleteFunc(files, func(f event.LakeFile) bool { return kindOf(&f) == event.SystemMetric })
	sorting.By(files, func(a, b event.LakeFile) int { return cmp.Or(cmp.Compare(b.Hour, a.Hour), a.ComparePlace(b)) })
	f := finder{wanted: o.RequestID, seen: map[[2]uint64]bool{}, fn: fn}
	left := o.Rows
	for i := range files {
		if left -= files[i].Rows; o.Rows > 0 && left < 0 {
			return false, nil
		}
		switch err := f.file(ctx, l, &files[i]); {
		case err != nil && ctx.Err() != nil:
			return false, nil
		case err != nil:
			return false, err
		}
	}
	return true, nil
}

// finder looks for the rows of a request.
type finder struct {
	wanted string
	seen   map[[2]uint64]bool
	fn     func(*event.Event) error
	block  event.LakeBlock
	row    event.LakeRow
}

var requestIDs = event.FieldsOf(event.RequestID)

func (f *finder) file(ctx context.Context, l *Lake, lf *event.LakeFile) error {
	r, err := l.OpenFile(ctx, *lf)
	if err != nil {
		return err
	}
	defer r.Close()
	for n := range r.Blocks() {
		if err := r.Read(ctx, n, requestIDs, &f.block); err != nil {
			return err
		}
		var found []int
		for i := range f.block.Rows {
			if f.block.Field(event.RequestID).Text(i) == f.wanted {
				found = append(found, i)
			}
		}
		if err := f.show(ctx, r, n, found); err != nil {
			return fmt.Errorf("lake: %s: %w", lf.Path, err)
		}
	}
	return nil
}

// show reads the rows that were found whole.
func (f *finder) show(ctx context.Context, r event.LakeReader, n int, found []int) error {
	if len(found) == 0 {
		return nil
	}
	if err := r.Read(ctx, n, event.AllLakeColumns, &f.block); err != nil {
		return err
	}
	for _, i := range found {
		if err := f.block.Row(i, &f.row); err != nil {
			return err
		}
		id := f.row.Event.Identity()
		if f.seen[id] { // the hour is not compacted yet
			continue
		}
		f.seen[id] = true
		if err := f.fn(&f.row.Event); err != nil {
			return err
		}
	}
	return nil
}
