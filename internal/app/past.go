package app

import (
	"context"
	"fmt"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
	"github.com/hxp-enterprise/hxp/internal/serve/past"
	"github.com/hxp-enterprise/hxp/internal/store"
	"github.com/hxp-enterprise/hxp/internal/stream"
)

var (
	_ past.Live   = livePanes{}
	_ past.Stored = storedHours{}
)

// livePanes is past.Live.
type livePanes struct{ *stream.Service }

// About is part of past.Live.
func (p livePanes) About(from, to int64) (int64, time.Time, float64) {
	return p.Service.About(stream.Span{Start: from, End: to})
}

// Busiest is part of past.Live.
func (p livePanes) Busiest(from, to int64, filter map[string]string, by string, most int) ([]string, []httpx.FieldError) {
	return p.Service.Busiest(stream.Span{Start: from, End: to}, filter, by, most)
}

// Steps is part of past.Live.
func (p livePanes) Steps(from, to, step int64, filter map[string]string, by string, values []string) ([][]*agg.Cell, []httpx.FieldError) {
	return p.Service.Steps(stream.Span{Start: from, End: to}, step, filter, by, values)
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
