package app

import (
	"context"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/lake"
	"github.com/hxp-enterprise/hxp/internal/store"
)

// atRest finds events in the lake, where this process has it.
type atRest struct{ *system }

// both are the lake, which is built when its store is there, and the store; nil until then.
func (s atRest) both() (*lake.Lake, *store.Store) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lake, s.store
}

// mostSearched bounds the rows that one search looks at.
const mostSearched = 50_000_000

// Request is part of stream.Stored.
func (s atRest) Request(ctx context.Context, id string, from, to time.Time, fn func(*event.Event) error) (whole bool, err error) {
	l, db := s.both()
	if l == nil {
		return false, nil
	}
	return l.Find(ctx, db, lake.FindOptions{RequestID: id, From: from, To: to, Rows: mostSearched}, fn)
}

// Joined is part of stream.Stored.
func (s atRest) Joined(ctx context.Context, from, to time.Time) (sum agg.Joined, err error) {
	if _, db := s.both(); db != nil {
		sum, err = db.JoinedHours(ctx, from.Unix(), to.Unix())
	}
	return sum, err
}
