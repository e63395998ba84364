package batch

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/batch/cost"
	"github.com/hxp-enterprise/hxp/internal/event"
)

// What requests cost, by what people ask for. Every hour is read from where it is told most cheaply: from its stored cells when they are up
// to date and kept apart by what is asked for, else from its raw events, each identity once, by the rules of the fold (fold.go). Cells count
// the smallest values together (agg.Others) where there are very many; then the raw events tell them apart, as long as they are there and
// not too many to be read. So it shows only in such hours which was read.

// Bounds of one question.
const (
	maxCostHours = 24 * 400
	maxCostRows  = 30_000_000 // raw events that are read
	keptLines    = 200_000    // of the tables that are kept for who asks again
)

// reading counts the raw events that one question reads. Its methods may be called from any goroutine.
type reading struct{ rows atomic.Int64 }

// take counts more, unless they are too many.
func (r *reading) take(n int64) bool {
	for {
		taken := r.rows.Load()
		if taken+n > maxCostRows {
			return false
		}
		if r.rows.CompareAndSwap(taken, taken+n) {
			return true
		}
	}
}

// fits tells whether so many more would be taken.
func (r *reading) fits(n int64) bool { return r.rows.Load()+n <= maxCostRows }

// costQuery asks what requests within [from, to) cost, by parts.
type costQuery struct {
	from, to time.Time
	by       []string
	only     []string // values of the last part that are asked for; nil = all
	narrow   []string // parts of which only some values are asked for
	rows     *reading // what several questions read together; nil = this one alone
	own      bool     // also what they took of own GPUs, in the hours that were over at ended
	ended    time.Time
}

// add counts requests under a key when they are asked for.
func (q *costQuery) add(t *cost.Table, key []string, u *agg.Usage) {
	if q.asks(key) {
		t.Add(key, u)
	}
}

func (q *costQuery) asks(key []string) bool {
	return q.only == nil || slices.Contains(q.only, key[len(key)-1])
}

// costTable answers a question. Nobody changes the table: who asks for the next page of the same costs gets the same one.
func (s *Service) costTable(ctx context.Context, q *costQuery) (*cost.Table, error) {
	first := q.from.Truncate(time.Hour).Unix()
	if hours := (q.to.Unix() - first + 3599) / 3600; hours > maxCostHours {
		return nil, tooMuch("from", "%d hours; at most %d are read at a time", hours, maxCostHours)
	}
	setup := s.setup.Load()
	hours, state, err := s.hourStates(ctx, q.from, q.to)
	if err != nil {
		return nil, err
	}
	if q.ended = earlierOf(s.now().UTC().Truncate(time.Hour), q.to); !q.own || len(setup.cfg.Costs.SelfHosted) == 0 {
		q.own, q.ended = false, time.Time{}
	}
	key := fmt.Sprintf("%d %d %d %q %q %q %d %s", setup.number, q.from.UnixMicro(), q.to.UnixMicro(), q.by, q.only, q.narrow, q.ended.Unix(), state)
	if t, ok := s.tables.look(key); ok {
		return t, nil
	}
	table := cost.NewTable(q.by)
	if q.rows == nil {
		q.rows = new(reading)
	}
	pools := newOwnPools(setup.cfg.Costs.SelfHosted)
	err = inOrder(ctx, len(hours), setup.cfg.Processing.Workers, func(ctx context.Context, i int) (h costHour, err error) {
		if q.owns(hours[i].Hour) && pools.any(hours[i].Hour) {
			return s.costWithOwn(ctx, q, pools, hours[i])
		}
		h.table, err = s.costOfHour(ctx, q, hours[i], nil)
		return h, err
	}, func(h costHour) error { table.Merge(h.table); pools.add(h.own); return nil })
	if err != nil {
		return nil, err
	}
	if q.own {
		pools.finish(q, hours, table)
	}
	weight := 1000 + table.Len() // so no more than two hundred, which are searched one by one
	if q.only != nil {
		weight = 200 + table.Len() // the days of budgets
	}
	s.tables.keep(key, weight, table)
	return table, nil
}

// costOfHour adds up one hour. cells are its stored ones where they were read already.
func (s *Service) costOfHour(ctx context.Context, q *costQuery, h event.HourState, cells map[agg.Group][]byte) (*cost.Table, error) {
	one := cost.NewTable(q.by)
	done, err := s.costOfCells(ctx, q, h, cells, one)
	if err == nil && !done {
		err = s.costOfEvents(ctx, q, h.Hour, one)
	}
	return one, err
}

func tooMuch(field, format string, args ...any) *agg.Refusal {
	return &agg.Refusal{Kind: agg.RefusedInvalid, Detail: "the question reads too much at a time", Fields: []agg.FieldFault{{Field: field, Code: "too_much", Detail: fmt.Sprintf(format, args...)}}}
}

// asking reads for a question while it holds one of the slots for them, since anybody may ask and each takes seconds of a core. The slot
// is free again before the answer is written: readers may be slow.
func asking[T any](ctx context.Context, s *Service, read func() (T, error)) (answer T, err error) {
	if !take(ctx, s.asks) {
		return answer, context.Cause(ctx)
	}
	defer func() { <-s.asks }()
	return read()
}
