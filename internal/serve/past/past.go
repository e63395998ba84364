package past

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

// Live tells what the panes know. Spans are in whole seconds since the epoch, half-open.
type Live interface {
	// About tells how finely the panes of a span that answer a question can be told apart, in seconds, up to when everything has been
	// seen, and the share of what was written that is counted.
	About(from, to int64, filter map[string]string, without httpx.LeftOut, by string) (coarsest int64, watermark time.Time, completeness float64)
	// Busiest names the values of a dimension with the most requests, at most so many; "" stands for what names none.
	Busiest(from, to int64, filter map[string]string, without httpx.LeftOut, by string, most int) ([]string, []httpx.FieldError)
	// Events tells how many events there are of each hour that starts in [from, to).
	Events(from, to int64) map[int64]uint64
	// Steps merges each step: of everything that passes the filter and is not left out, then of each value. Told is, by step, the share of what is there
	// that the panes tell apart as the question needs it.
	Steps(from, to, step int64, filter map[string]string, without httpx.LeftOut, by string, values []string) (cells [][]*agg.Cell, told []float64, bad []httpx.FieldError)
}

// Stored tells what the store has. Ok is false where there is no store.
type Stored interface {
	// Clean returns the hours and days in [from, to) that are stored as they are now.
	Clean(ctx context.Context, from, to int64) (hours, days map[int64]bool, ok bool, err error)
	// Events tells how many events each hour with data in [from, to) has at least.
	Events(ctx context.Context, from, to int64) (map[int64]uint64, error)
	// Busiest names the values of a dimension with the most requests.
	Busiest(ctx context.Context, level, dimension string, from, to int64, most int) ([]string, error)
	// Cells calls fn with the cells of some values of a dimension for the periods that start in [from, to).
	Cells(ctx context.Context, level, dimension string, values []string, from, to int64, fn func(start int64, value string, c *agg.Cell)) error
}

// Raw reads events that are at rest.
type Raw interface {
	// Rows tells how many rows the hours in [from, to) have; not ok where this process has no lake.
	Rows(ctx context.Context, from, to int64) (n int64, ok bool, err error)
	// Events calls fn with each event of the hours in [from, to) once. The event is used again for the next call.
	Events(ctx context.Context, from, to int64, fn func(*event.Event)) error
}

// question is what is asked for.
type question struct {
	from, to, step int64 // aligned
	filter         map[string]string
	without        httpx.LeftOut // what does not count
	by             string        // "" = no groups
	most           int
}

// answer is what is known of it.
type answer struct {
	question
	watermark    time.Time
	values       []string      // of by, busiest first
	cells        [][]*agg.Cell // of all, then of each value, by step
	sources      []string      // by step
	completeness []float64     // by step
}

// Service answers. Its fields do not change once it serves.
type Service struct {
	Live   Live
	Stored Stored
	Raw    Raw
	Now    func() time.Time
	Log    *slog.Logger
	slots  chan struct{}
}

// New makes a service.
func New(live Live, stored Stored, raw Raw, log *slog.Logger) *Service {
	return &Service{Live: live, Stored: stored, Raw: raw, Now: time.Now, Log: log, slots: make(chan struct{}, atOnce)}
}

const (
	atOnce  = 3         // questions that are answered at once
	mostRaw = 1_000_000 // rows that one answer reads
	finest  = 60        // seconds of a step that is read raw

	longestRaw = 2 * day // span whose hours are looked at one by one
)

// answer fills in the cells.
func (s *Service) answer(ctx context.Context, q question, have stored) (*answer, []httpx.FieldError, error) {
	a := &answer{question: q}
	dimension, storable := q.dimension()
	if !storable {
		have.hours, have.days = nil, nil // the store tells no such cells apart
	}
	if q.by != "" {
		names, bad := s.Live.Busiest(q.from, q.to, q.filter, q.without, q.by, q.most)
		if len(bad) > 0 {
			return nil, bad, nil
		}
		more, err := s.busiest(ctx, &q, have)
		if err != nil {
			return nil, nil, err
		}
		if a.values = names; len(have.hours)+len(have.days) > 0 && q.step%hour == 0 {
			a.values = slices.DeleteFunc(a.values, func(v string) bool { return v == "" }) // the store does not keep it apart
		}
		for _, v := range more {
			if !slices.Contains(a.values, v) {
				a.values = append(a.values, v)
			}
		}
		a.values = slices.DeleteFunc(a.values, func(v string) bool { return q.without.Has(q.by, v) })
	}
	var others map[string]map[int64]*period
	if len(q.without) > 0 {
		var err error
		if others, err = s.periodsWithout(ctx, a, have, dimension); err != nil {
			return nil, nil, err
		}
	}
	if bad, err := s.gather(ctx, a, have); len(bad) > 0 || err != nil {
		return nil, bad, err
	}
	if err := s.addStored(ctx, a, have, dimension, others); err != nil {
		return nil, nil, err
	}
	if err := s.addRaw(ctx, a, have.raw); err != nil {
		return nil, nil, err
	}
	a.rank()
	return a, nil, nil
}

// busiest names values of which the panes may not know: those with the most requests in stored hours, or in those that are read raw.
func (s *Service) busiest(ctx context.Context, q *question, have stored) ([]string, error) {
	if v, only := q.filter[q.by]; only {
		return []string{v}, nil
	}
	raw := slices.Sorted(maps.Keys(have.raw))
	unstored := func(start int64) bool { return !have.hours[start] }
	if q.step%hour != 0 && (len(raw) == 0 || slices.ContainsFunc(raw, unstored)) {
		return s.busiestRaw(ctx, q, raw)
	}
	var names []string
	for level, starts := range map[string]map[int64]bool{FromHours: have.hours, FromDays: have.days} { // a day may be left without its hours
		if len(starts) == 0 {
			continue
		}
		more, err := s.Stored.Busiest(ctx, level, q.by, q.from, q.to, q.most+len(q.without[q.by])) // of which some may be left out
		if err != nil {
			return nil, err
		}
		names = append(names, more...)
	}
	return names, nil
}

// plain tells whether raw events can answer a question.
func (q *question) plain() bool {
	for name := range q.filter {
		if _, ok := fields[name]; !ok {
			return false
		}
	}
	for name := range q.without {
		if _, ok := fields[name]; !ok {
			return false
		}
	}
	_, ok := fields[q.by]
	return ok || q.by == ""
}

// dimension is the one that stored cells are asked by, and whether they can answer at all: they are told apart by one dimension alone.
func (q *question) dimension() (string, bool) {
	names := map[string]bool{}
	for name := range q.filter {
		names[name] = true
	}
	if q.by != "" {
		names[q.by] = true
	}
	for name := range q.without {
		names[name] = true
	}
	switch len(names) {
	case 0:
		return agg.ByModel, true
	case 1:
		for name := range names {
			merged := len(q.without) == 0 || len(q.filter) == 0 && name != agg.ByUser // of users no durations are stored
			return name, merged && slices.Contains(agg.Dimensions, name)
		}
	}
	return "", false
}

// gather merges what comes from panes, and says of each step where it comes from and how complete it is.
func (s *Service) gather(ctx context.Context, a *answer, have stored) ([]httpx.FieldError, error) {
	_, watermark, completeness := s.Live.About(a.from, a.to, a.filter, a.without, a.by)
	a.watermark = watermark
	mark := math.Inf(-1)
	if !watermark.IsZero() {
		mark = float64(watermark.UnixMicro()) / 1e6
	}
	a.empty()
	for k := range a.sources {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		parts := have.parts(a.from+int64(k)*a.step, a.step)
		blank, known := map[part]bool{}, 0.0 // seconds of the step
		for _, p := range parts {
			if p.source != FromPanes {
				known += float64(p.to - p.from)
				continue
			}
			cells, told, bad := s.Live.Steps(p.from, p.to, p.to-p.from, a.filter, a.without, a.by, a.values)
			if len(bad) > 0 {
				return bad, nil
			}
			for i := range cells {
				a.cells[i][k].Merge(cells[i][0])
			}
			blank[p] = cells[0][0].Events == 0
			for start := p.from - p.from%hour; start < p.to; start += hour {
				from, to := max(start, p.from), min(start+hour, p.to)
				known += told[0] * have.held(start) * complete(from, to, mark, completeness) * float64(to-from)
			}
		}
		a.completeness[k] = known / float64(a.step)
		a.sources[k] = sourceOf(parts, func(p part) bool { return blank[p] })
	}
	return nil, nil
}

// empty makes room for the cells.
func (a *answer) empty() {
	n := int((a.to - a.from) / a.step)
	a.cells = make([][]*agg.Cell, 1+len(a.values))
	for i := range a.cells {
		a.cells[i] = make([]*agg.Cell, n)
		for k := range a.cells[i] {
			a.cells[i][k] = &agg.Cell{}
		}
	}
	a.sources, a.completeness = make([]string, n), make([]float64, n)
}

// addStored merges the stored hours and days, which are read in one pass each, or were already, without what is left out.
func (s *Service) addStored(ctx context.Context, a *answer, have stored, dimension string, others map[string]map[int64]*period) error {
	wanted := map[string]map[int64]bool{} // starts, by level
	for at := a.from; at < a.to; at += a.step {
		for _, p := range have.parts(at, a.step) {
			if p.source == FromHours || p.source == FromDays {
				if wanted[p.source] == nil {
					wanted[p.source] = map[int64]bool{}
				}
				wanted[p.source][p.from] = true
			}
		}
	}
	for level, starts := range wanted {
		if others != nil {
			a.merge(others[level], starts)
			continue
		}
		for dim, places := range a.places(dimension) {
			err := s.Stored.Cells(ctx, level, dim, keys(places), a.from, a.to, func(start int64, value string, c *agg.Cell) {
				if starts[start] {
					for _, i := range places[value] {
						a.cells[i][(start-a.from)/a.step].Merge(c)
					}
				}
			})
			if err != nil {
				return fmt.Errorf("stored cells: %w", err)
			}
		}
	}
	return nil
}
