package app

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/lake"
	"github.com/hxp-enterprise/hxp/internal/store"
	"github.com/hxp-enterprise/hxp/internal/stream"
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

// HoursAtRest is part of stream.History.
func (s atRest) HoursAtRest(ctx context.Context, from, to int64) ([]stream.HourAtRest, error) {
	l, db := s.both()
	if l == nil {
		return nil, stream.ErrNoHistory
	}
	if whole, err := s.arrived(ctx, db, time.Unix(to, 0)); err != nil {
		return nil, err
	} else if !whole {
		return nil, stream.ErrNoHistory
	}
	left, err := db.HoursWithout(ctx, from, to)
	if err != nil {
		return nil, err
	}
	files, err := db.Files(ctx, event.LakeFilter{FromHour: from, ToHour: to, State: event.LakeLive})
	if err != nil {
		return nil, err
	}
	rows := map[int64]int64{}
	for hour := range left {
		rows[hour] = 0
	}
	for _, f := range files {
		rows[f.Hour] += f.Rows
	}
	var hours []stream.HourAtRest
	for _, hour := range slices.Backward(slices.Sorted(maps.Keys(rows))) {
		hours = append(hours, stream.HourAtRest{Start: hour, Rows: rows[hour], Whole: !left[hour]})
	}
	return hours, nil
}

// arrived tells whether the lake has everything that came before a time.
func (s atRest) arrived(ctx context.Context, db *store.Store, at time.Time) (bool, error) {
	until, err := s.bus.OffsetsAt(ctx, at, inputTopics()...)
	if err != nil {
		return false, err
	}
	topics, err := s.bus.Shapes(ctx, inputTopics()...)
	if err != nil {
		return false, err
	}
	positions, err := db.Positions(ctx)
	return published(until, topics, positions), err
}

// published tells whether everything below some offsets is in the lake.
func published(until map[string]map[int32]int64, topics map[string]bus.Shape, positions map[event.TopicPartition]int64) bool {
	for topic, parts := range until {
		for partition, end := range parts {
			if positions[event.TopicPartition{TopicID: topics[topic].ID, Topic: topic, Partition: partition}] < end {
				return false
			}
		}
	}
	return true
}

// EventsAtRest is part of stream.History.
func (s atRest) EventsAtRest(ctx context.Context, hour int64, fn func(*event.Event, int64) error) error {
	l, db := s.both()
	if l == nil {
		return stream.ErrNoHistory
	}
	return l.Events(ctx, db, hour, func(r *event.LakeRow) error { return fn(&r.Event, r.IngestedAt) })
}
