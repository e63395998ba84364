package app

import (
	"context"
	"fmt"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
	"github.com/hxp-enterprise/hxp/internal/serve/past"
	"github.com/hxp-enterprise/hxp/internal/store"
	"github.com/hxp-enterprise/hxp/internal/stream"
)

var (
	_ past.Live   = livePanes{}
	_ past.Stored = storedHours{}
	_ past.Raw    = rawEvents{}
)

// livePanes is past.Live.
type livePanes struct{ *stream.Service }

// About is part of past.Live.
func (p livePanes) About(from, to int64, filter map[string]string, without httpx.LeftOut, by string) (int64, time.Time, float64) {
	return p.Service.About(stream.Span{Start: from, End: to}, filter, without, by)
}

// Events is part of past.Live.
func (p livePanes) Events(from, to int64) map[int64]uint64 {
	return p.Service.Events(stream.Span{Start: from, End: to})
}

// Busiest is part of past.Live.
func (p livePanes) Busiest(from, to int64, filter map[string]string, without httpx.LeftOut, by string, most int) ([]string, []httpx.FieldError) {
	return p.Service.Busiest(stream.Span{Start: from, End: to}, filter, without, by, most)
}

// Steps is part of past.Live.
func (p livePanes) Steps(from, to, step int64, filter map[string]string, without httpx.LeftOut, by string, values []string) ([][]*agg.Cell, []float64, []httpx.FieldError) {
	return p.Service.Steps(stream.Span{Start: from, End: to}, step, filter, without, by, values)
}

// storedHours is past.Stored, where this process has the store.
type storedHours struct{ *system }

func (s storedHours) db() *store.Store {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.store
}

// Clean is part of past.Stored.
func (s storedHours) Clean(ctx context.Context, from, to int64) (hours, days map[int64]bool, ok bool, err error) {
	db := s.db()
	if db == nil {
		return nil, nil, false, nil
	}
	hours, days, err = db.Clean(ctx, from, to)
	return hours, days, true, err
}

// Events is part of past.Stored.
func (s storedHours) Events(ctx context.Context, from, to int64) (map[int64]uint64, error) {
	return s.db().HourEvents(ctx, from, to)
}

// Busiest is part of past.Stored.
func (s storedHours) Busiest(ctx context.Context, level, dimension string, from, to int64, most int) ([]string, error) {
	return s.db().Busiest(ctx, level, dimension, time.Unix(from, 0), time.Unix(to, 0), most)
}

// Cells is part of past.Stored.
func (s storedHours) Cells(ctx context.Context, level, dimension string, values []string, from, to int64, fn func(int64, string, *agg.Cell)) error {
	list, err := s.db().CellsWithin(ctx, level, dimension, values, from, to)
	if err != nil {
		return err
	}
	for _, p := range list {
		var c agg.Cell
		if _, err := c.Decode(p.Cell); err != nil {
			return fmt.Errorf("%s cell of %s %q: %w", level, dimension, p.Value, err)
		}
		fn(p.Start, p.Value, &c)
	}
	return nil
}

// rawEvents is past.Raw, where this process has the lake.
type rawEvents struct {
	*system
	one chan struct{} // held by who reads an hour: what it has seen of one takes tens of MB
}

func (r rawEvents) files(ctx context.Context, from, to int64) ([]event.LakeFile, bool, error) {
	r.mu.Lock()
	l, db := r.lake, r.store
	r.mu.Unlock()
	if l == nil || db == nil {
		return nil, false, nil
	}
	files, err := db.Files(ctx, event.LakeFilter{FromHour: from, ToHour: to, State: event.LakeLive})
	return files, true, err
}

// Rows is part of past.Raw.
func (r rawEvents) Rows(ctx context.Context, from, to int64) (n int64, ok bool, err error) {
	files, ok, err := r.files(ctx, from, to)
	for i := range files {
		n += files[i].Rows
	}
	return n, ok, err
}

// Events is part of past.Raw.
func (r rawEvents) Events(ctx context.Context, from, to int64, fn func(*event.Event)) error {
	select {
	case r.one <- struct{}{}:
		defer func() { <-r.one }()
	case <-ctx.Done():
		return ctx.Err()
	}
	files, _, err := r.files(ctx, from, to)
	if err != nil {
		return err
	}
	seen := map[[2]uint64]bool{} // an hour that is not compacted yet may hold an event twice
	for i := range files {
		if err := r.file(ctx, files[i], seen, fn); err != nil {
			return err
		}
	}
	return nil
}

func (r rawEvents) file(ctx context.Context, f event.LakeFile, seen map[[2]uint64]bool, fn func(*event.Event)) error {
	reader, err := r.lake.OpenFile(ctx, f)
	if err != nil {
		return err
	}
	defer reader.Close()
	var block event.LakeBlock
	var row event.LakeRow
	for n := range reader.Blocks() {
		if err := reader.Read(ctx, n, event.AllLakeColumns, &block); err != nil {
			return err
		}
		for i := range block.Rows {
			if err := block.Row(i, &row); err != nil {
				return err
			}
			if id := row.Event.Identity(); !seen[id] {
				seen[id] = true
				fn(&row.Event)
			}
		}
	}
	return nil
}

// anyRange answers for any span of time. There is one in a process, so that its bounds hold for all who ask it.
func (s *system) anyRange() *past.Service {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.past == nil {
		s.past = past.New(livePanes{s.stream}, storedHours{s}, rawEvents{s, make(chan struct{}, 1)}, s.log.With("part", "range"))
	}
	return s.past
}
