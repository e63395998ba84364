package app

import (
	"context"
	"time"

	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/lake"
)

// atRest finds events in the lake, where this process has it.
type atRest struct{ *system }

// mostSearched bounds the rows that one search looks at.
const mostSearched = 50_000_000

// Request is part of stream.Stored.
func (s atRest) Request(ctx context.Context, id string, from, to time.Time, fn func(*event.Event) error) (whole bool, err error) {
	s.mu.Lock()
	l := s.lake // it is built when its store is there
	s.mu.Unlock()
	if l == nil {
		return false, nil
	}
	return l.Find(ctx, s.store, lake.FindOptions{RequestID: id, From: from, To: to, Rows: mostSearched}, fn)
}
