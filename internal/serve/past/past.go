package past

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

// Live tells what the panes know. Spans are in whole seconds since the epoch, half-open.
type Live interface {
	// About tells how finely the panes of a span that answer a question can be told apart, in seconds, up to when everything has been
	// seen, and the share of what was written that is counted.
	About(from, to int64, filter map[string]string, by string) (coarsest int64, watermark time.Time, completeness float64)
	// Busiest names the values of a dimension with the most requests, at most so many; "" stands for what names none.
	Busiest(from, to int64, filter map[string]string, by string, most int) ([]string, []httpx.FieldError)
	// Events tells how many events there are of each hour that starts in [from, to).
	Events(from, to int64) map[int64]uint64
	// Steps merges each step: of everything that passes the filter, then of each value. Told is, by step, the share of what is there
	// that the panes tell apart as the question needs it.
	Steps(from, to, step int64, filter map[string]string, by string, values []string) (cells [][]*agg.Cell, told []float64, bad []httpx.FieldError)
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
	by             string // "" = no groups
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

// plan chooses the step, and asks the store what it has.
func (s *Service) plan(ctx context.Context, q *question, points int64) (int64, stored) {
	from, to, step := q.from, q.to, q.step
	coarsest, _, _ := s.Live.About(from, to, q.filter, q.by)
	wanted := step
	if wanted == 0 {
		wanted = sizeOf(to-from, points, 1)
	}
	if step == 0 {
		step = sizeOf(to-from, points, coarsest)
	}
	if step%coarsest != 0 {
		step = (step + coarsest - 1) / coarsest * coarsest
	}
	have := s.stored(ctx, from, to, step)
	if wanted >= hour && step%hour == 0 {
		return step, have
	}
	wanted = max(wanted, finest)
	lost := s.coarse(have, q, wanted)
	switch {
	case len(lost) == 0 && step < hour:
	case len(lost) == 0: // panes of an hour, in a long span
	case len(lost) > 0 && to-from <= longestRaw && hour%wanted == 0 && q.plain() && s.readable(ctx, lost):
		step, have.raw = wanted, lost
	default:
		step = (step + hour - 1) / hour * hour
	}
	return step, have
}

// stored asks the store what it has of whole days around steps of a size, or of an hour, that hold a span.
func (s *Service) stored(ctx context.Context, from, to, step int64) stored {
	from, to = align(from, to, max(step, hour))
	from, to = align(from, to, day)
	hours, days, ok, err := s.Stored.Clean(ctx, from, to)
	if err != nil {
		s.Log.Warn("stored hours cannot be asked for, the panes answer alone", "err", err)
	}
	if err != nil || !ok {
		return stored{}
	}
	least, err := s.Stored.Events(ctx, from, to)
	if err != nil {
		s.Log.Warn("stored hours cannot be asked for their events", "err", err)
	}
	have := stored{hours: hours, days: days, least: least, panes: s.Live.Events(from, to)}
	have.ended(s.Now().Unix())
	return have
}

// readable tells whether the raw events of some hours are there and few enough.
func (s *Service) readable(ctx context.Context, hours map[int64]bool) bool {
	sum := int64(0)
	for start := range hours {
		n, ok, err := s.Raw.Rows(ctx, start, start+hour)
		if err != nil {
			s.Log.Warn("raw events cannot be asked for", "err", err)
		}
		if err != nil || !ok || n == 0 {
			return false
		}
		sum += n
	}
	return sum <= mostRaw
}

// ended leaves out what is not over: the store has it only as it was.
func (s stored) ended(now int64) {
	for start := range s.hours {
		if start+hour > now {
			delete(s.hours, start)
		}
	}
	for start := range s.days {
		if start+day > now {
			delete(s.days, start)
		}
	}
}

// coarse are the hours of a span of which the panes cannot tell steps of a size apart: they hold them as larger ones, or have lost an
// hour with data.
func (s *Service) coarse(have stored, q *question, step int64) map[int64]bool {
	from, to := q.from, q.to
	out := map[int64]bool{}
	for start := from - from%hour; start < to; start += hour {
		coarsest := int64(1)
		if to-from <= longestRaw {
			coarsest, _, _ = s.Live.About(start, start+hour, q.filter, q.by)
		}
		if coarsest > 1 && step%coarsest != 0 || have.held(start) == 0 {
			out[start] = true
		}
	}
	return out
}

// answer fills in the cells.
func (s *Service) answer(ctx context.Context, q question, have stored) (*answer, []httpx.FieldError, error) {
	a := &answer{question: q}
	dimension, storable := q.dimension()
	if !storable {
		have.hours, have.days = nil, nil // the store tells no such cells apart
	}
	if q.by != "" {
		names, bad := s.Live.Busiest(q.from, q.to, q.filter, q.by, q.most)
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
	}
	if bad, err := s.gather(ctx, a, have); len(bad) > 0 || err != nil {
		return nil, bad, err
	}
	if err := s.addStored(ctx, a, have, dimension); err != nil {
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
		more, err := s.Stored.Busiest(ctx, level, q.by, q.from, q.to, q.most)
		if err != nil {
			return nil, err
		}
		names = append(names, more...)
	}
	return names, nil
}

// busiestRaw counts the requests of each value in hours that are read raw.
func (s *Service) busiestRaw(ctx context.Context, q *question, hours []int64) ([]string, error) {
	requests := map[string]int{}
	for _, start := range hours {
		err := s.Raw.Events(ctx, start, start+hour, func(e *event.Event) {
			if q.lets(e) && e.Kind == event.LLMRequest {
				requests[strings.Clone(e.Text(fields[q.by]))]++
			}
		})
		if err != nil {
			return nil, fmt.Errorf("raw events: %w", err)
		}
	}
	names := slices.SortedFunc(maps.Keys(requests), func(a, b string) int {
		return cmp.Or(cmp.Compare(requests[b], requests[a]), cmp.Compare(a, b))
	})
	return names[:min(len(names), q.most)], nil
}

// fields are the dimensions that an event names plainly.
var fields = map[string]event.Field{
	"model": event.Model, "tenant": event.Tenant, "user_id": event.UserID, "session_id": event.SessionID, "operation": event.Operation, "endpoint": event.Endpoint,
	"host": event.Host, "error_type": event.ErrorType, "finish_reason": event.FinishReason, "usage_source": event.UsageSource,
}

// plain tells whether raw events can answer a question.
func (q *question) plain() bool {
	for name := range q.filter {
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
	switch len(names) {
	case 0:
		return agg.ByModel, true
	case 1:
		for name := range names {
			return name, slices.Contains(agg.Dimensions, name)
		}
	}
	return "", false
}

// gather merges what comes from panes, and says of each step where it comes from and how complete it is.
func (s *Service) gather(ctx context.Context, a *answer, have stored) ([]httpx.FieldError, error) {
	_, watermark, completeness := s.Live.About(a.from, a.to, a.filter, a.by)
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
			cells, told, bad := s.Live.Steps(p.from, p.to, p.to-p.from, a.filter, a.by, a.values)
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

// addStored merges the stored hours and days, which are read in one pass each.
func (s *Service) addStored(ctx context.Context, a *answer, have stored, dimension string) error {
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

// lets tells whether a raw event takes part.
func (q *question) lets(e *event.Event) bool {
	for dimension, wanted := range q.filter {
		if e.Text(fields[dimension]) != wanted {
			return false
		}
	}
	at := e.Time / 1e6
	return q.from <= at && at < q.to
}

// addRaw counts the events of the hours that are read raw.
func (s *Service) addRaw(ctx context.Context, a *answer, hours map[int64]bool) error {
	for start := range hours {
		err := s.Raw.Events(ctx, start, start+hour, func(e *event.Event) {
			if !a.lets(e) {
				return
			}
			k := (e.Time/1e6 - a.from) / a.step
			a.cells[0][k].Add(e, false)
			if a.by == "" {
				return
			}
			if i := slices.Index(a.values, e.Text(fields[a.by])); i >= 0 {
				a.cells[i+1][k].Add(e, false)
			}
		})
		if err != nil {
			return fmt.Errorf("raw events: %w", err)
		}
	}
	return nil
}

// places says, by dimension and value, which rows of the cells a stored cell belongs to. The total of everything is kept beside the models.
func (a *answer) places(dimension string) map[string]map[string][]int {
	out := map[string]map[string][]int{}
	add := func(dim, value string, i int) {
		if out[dim] == nil {
			out[dim] = map[string][]int{}
		}
		out[dim][value] = append(out[dim][value], i)
	}
	if v, filtered := a.filter[dimension]; filtered {
		add(dimension, v, 0)
	} else {
		add(agg.ByModel, agg.AllModels, 0)
	}
	for i, v := range a.values {
		add(dimension, v, i+1)
	}
	return out
}

// rank puts the values with the most requests first and leaves out those that are too many.
func (a *answer) rank() {
	type line struct {
		value    string
		cells    []*agg.Cell
		requests uint64
	}
	var lines []line
	for i, v := range a.values {
		l := line{value: v, cells: a.cells[i+1]}
		for _, c := range l.cells {
			l.requests += c.Requests
		}
		lines = append(lines, l)
	}
	slices.SortFunc(lines, func(x, y line) int {
		return cmp.Or(cmp.Compare(y.requests, x.requests), cmp.Compare(x.value, y.value))
	})
	lines = lines[:min(len(lines), a.most)]
	a.values, a.cells = a.values[:0], a.cells[:1]
	for _, l := range lines {
		a.values, a.cells = append(a.values, l.value), append(a.cells, l.cells)
	}
}

func keys(m map[string][]int) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}
