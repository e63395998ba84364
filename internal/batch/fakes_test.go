package batch

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/batch/cost"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/deliver"
	"github.com/hxp-enterprise/hxp/internal/store"
)

// world is a lake and aggregates in memory, with the promises of the real ones, and a real database for the runs.
type world struct {
	alerts  inbox
	mu      sync.Mutex
	hours   map[int64]*worldHour
	periods map[claim]*worldPeriod
	db      *store.Store // runs, in a real database
	through Runs         // nil: straight to it
	lake    memLake
	saves   []savedHour

	looksEach time.Duration                // pause of the scheduler; 0: as ever. Hours of fake time are thousands of looks into the database.
	scanTakes time.Duration                // for each file
	scanFails func(f event.LakeFile) error // nil: never
	position  map[string]map[int32]int64   // of the lake
	moved     chan struct{}                // closed when position changes
	ends      map[string]map[int32]int64   // of the topics
	endsErr   error

	log        *slog.Logger // nil: nobody reads it
	prices     priceLog
	reports    *reportShelf
	mail       office // nil: a server of mail
	reportsDir string // "" = made with the first service
}

// office takes mail in the place of a server.
type office interface {
	send(ctx context.Context, s *deliver.Server, from, to string, message []byte) error
}

type worldHour struct {
	event.HourState
	files []event.LakeFile
	base  map[agg.Group][]byte
}

// worldPeriod is what is stored of a period of any level.
type worldPeriod struct {
	builtAt time.Time
	agg.Aggregate
	build  int64
	merged map[int64]int64 // builds of its children
}

type savedHour struct {
	hour    int64
	version int64
	at      time.Time
	changed bool
}

func newWorld() *world {
	w := &world{hours: map[int64]*worldHour{}, periods: map[claim]*worldPeriod{}, lake: memLake{}, moved: make(chan struct{}), position: map[string]map[int32]int64{}}
	w.reports = newShelf()
	w.prices.book = cost.NewBook()
	return w
}

// publish puts one file of rows of llm-requests/0 into an hour.
func (w *world) publish(hour int64, rows ...event.LakeRow) {
	w.mu.Lock()
	defer w.mu.Unlock()
	h := w.hours[hour]
	if h == nil {
		h = &worldHour{}
		h.Hour = hour
		w.hours[hour] = h
	}
	for i := range rows {
		rows[i].Event.Time += (hour - hour0) * 1e6
		rows[i].IngestedAt = rows[i].Event.Time
	}
	f := w.lake.put("f"+strconv.Itoa(len(w.lake)), rows...)
	f.Hour = hour
	h.files = append(h.files, f)
	h.Version++
	h.LastPublished = time.Now().UnixMicro()
}

func (w *world) OpenFile(ctx context.Context, f event.LakeFile) (event.LakeReader, error) {
	if w.scanTakes > 0 {
		select {
		case <-time.After(w.scanTakes):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.scanFails != nil {
		if err := w.scanFails(f); err != nil {
			return nil, err
		}
	}
	return w.lake.OpenFile(ctx, f)
}

func (w *world) DirtyHours(_ context.Context, ended time.Time) (out []event.HourState, _ error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, hour := range slices.Sorted(maps.Keys(w.hours)) {
		if h := w.hours[hour]; hour+3600 <= ended.Unix() && h.Version != h.Built {
			out = append(out, h.HourState)
		}
	}
	return out, nil
}

func (w *world) HourBuild(_ context.Context, hour int64) (event.HourState, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if h := w.hours[hour]; h != nil {
		return h.HourState, nil
	}
	return event.HourState{Hour: hour}, nil
}

func (w *world) HourStates(_ context.Context, from, to int64) (out []event.HourState, _ error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, hour := range slices.Sorted(maps.Keys(w.hours)) {
		if hour >= from && hour < to {
			out = append(out, w.hours[hour].HourState)
		}
	}
	return out, nil
}

func (w *world) HourSnapshot(_ context.Context, hour int64) ([]event.LakeFile, map[agg.Group][]byte, int64, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	h := w.hours[hour]
	if h == nil {
		return nil, nil, 0, nil
	}
	return slices.Clone(h.files), maps.Clone(h.base), h.Version, nil
}

func (w *world) SaveHour(ctx context.Context, hour, version int64, a agg.Aggregate) (c agg.Change, _ error) {
	if err := ctx.Err(); err != nil {
		return c, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	h := w.hours[hour]
	if version < h.Built {
		return agg.Change{Overtaken: true}, nil
	}
	h.Built = version
	c = w.period("hourly", hour).save(a)
	w.saves = append(w.saves, savedHour{hour, version, time.Now(), c.Any()})
	return c, nil
}

// period returns what is stored of a period.
func (w *world) period(level string, start int64) *worldPeriod {
	k := claim{level, start}
	p := w.periods[k]
	if p == nil {
		p = &worldPeriod{merged: map[int64]int64{}}
		w.periods[k] = p
	}
	return p
}

func (p *worldPeriod) save(a agg.Aggregate) (c agg.Change) {
	if !maps.EqualFunc(p.Cells, a.Cells, func(a, b []byte) bool { return string(a) == string(b) }) {
		c.Cells = 1
	}
	for _, dimension := range agg.Dimensions {
		if !slices.EqualFunc(p.Rows[dimension], a.Rows[dimension], func(a, b agg.Row) bool { return reflect.DeepEqual(a, b) }) {
			c.Rows++
		}
	}
	if p.build == 0 || c.Cells > 0 {
		p.build++
		p.builtAt = time.Now()
	}
	p.Aggregate = a
	return c
}

func (w *world) Cells(_ context.Context, level string, start int64) (map[agg.Group][]byte, int64, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := w.period(level, start)
	return maps.Clone(p.Cells), p.build, nil
}

func (w *world) PeriodBase(context.Context, string, int64) (map[agg.Group][]byte, error) {
	return nil, nil
}

func (w *world) Unmerged(_ context.Context, level string, from, to int64) (out []int64, _ error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	l := levels[level]
	for k, p := range maps.Clone(w.periods) {
		if k.level == l.below && k.start >= from && k.start < to && p.build > 0 && w.period(level, l.of(k.start).start).merged[k.start] != p.build {
			out = append(out, k.start)
		}
	}
	slices.Sort(out)
	return out, nil
}

func (w *world) LastBuilt(_ context.Context, level string) (start int64, at time.Time, _ error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for k, p := range w.periods {
		if k.level == level && p.builtAt.After(at) {
			start, at = k.start, p.builtAt
		}
	}
	return start, at, nil
}

func (w *world) SavePeriod(_ context.Context, level string, start, _ int64, children map[int64]int64, a agg.Aggregate) (c agg.Change, _ error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := w.period(level, start)
	for child, build := range children {
		if build < p.merged[child] {
			return agg.Change{Overtaken: true}, nil
		}
	}
	if len(children) == 0 && p.build == 0 {
		return c, nil
	}
	c = p.save(a)
	p.merged = maps.Clone(children)
	return c, nil
}

func (w *world) Rows(_ context.Context, level, dimension string, from, to time.Time, value string, limit int, cursor string) (out []agg.Row, next string, _ error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	skip := 0
	if cursor != "" {
		n, err := strconv.Atoi(cursor)
		if err != nil {
			return nil, "", store.ErrBadCursor
		}
		skip = n
	}
	for k, p := range w.periods {
		if k.level != level {
			continue
		}
		for _, r := range p.Aggregate.Rows[dimension] {
			t := r.Timestamp
			if (from.IsZero() || !t.Before(from)) && (to.IsZero() || t.Before(to)) && (value == "*" || value == r.Model) {
				out = append(out, r)
			}
		}
	}
	slices.SortFunc(out, func(a, b agg.Row) int { return cmp.Or(a.Timestamp.Compare(b.Timestamp), cmp.Compare(a.Model, b.Model)) })
	out = out[min(skip, len(out)):]
	if limit > 0 && len(out) > limit {
		return out[:limit], strconv.Itoa(skip + limit), nil
	}
	return out, "", nil
}

func (w *world) Ends(context.Context) (map[string]map[int32]int64, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.ends, w.endsErr
}

// setEnds moves the ends of the topics.
func (w *world) setEnds(ends map[string]map[int32]int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ends = ends
}

func (w *world) Flush(context.Context) error { return nil }

func (w *world) Wait(ctx context.Context, until map[string]map[int32]int64) error {
	for {
		w.mu.Lock()
		behind, moved := false, w.moved
		for topic, parts := range until {
			for p, end := range parts {
				behind = behind || w.position[topic][p] < end
			}
		}
		w.mu.Unlock()
		if !behind {
			return nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return errors.New("llm-requests/0 is not published yet")
		}
	}
}

// reach moves the position of the lake.
func (w *world) reach(topic string, partition int32, next int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.position[topic] = map[int32]int64{partition: next}
	close(w.moved)
	w.moved = make(chan struct{})
}

func (w *world) saved(hour int64) (out []savedHour) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.saves {
		if s.hour == hour {
			out = append(out, s)
		}
	}
	return out
}

// priceLog is a control log that is applied at once.
type priceLog struct {
	book *cost.Book
	fail atomic.Bool
	next int64
}

func (l *priceLog) Append(_ context.Context, key string, value []byte) (int64, error) {
	if l.fail.Load() {
		return 0, errors.New("no broker is there")
	}
	l.next++
	return l.next, l.book.Apply(key, value, l.next)
}

func (l *priceLog) WaitFor(context.Context, int64) error { return nil }
