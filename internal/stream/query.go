package stream

import (
	"maps"
	"slices"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// Span is a window of event time in whole seconds, half-open.
type Span struct{ Start, End int64 }

// Result is what is known of a window.
type Result struct {
	Span         Span // what the numbers cover: the span asked for, widened outwards to the edges of panes
	Widened      bool
	Groups       map[agg.Key]*agg.Cell
	Watermark    time.Time // everything up to here has been seen; zero when nothing was
	Completeness float64   // 1 = nothing of the window is known to be missing
	Final        bool      // the watermark has passed the end by more than the lateness
}

// Query merges what is counted within a span, by model and tenant. The cells belong to the caller.
func (s *Service) Query(want Span) Result {
	r := s.about(want, 0)
	r.Groups = map[agg.Key]*agg.Cell{}
	for _, l := range s.allLanes() {
		l.window(r.Span.Start, r.Span.End, r.Groups)
	}
	return r
}

// about widens a span to the edges of what the panes of some sets can tell apart, and says what is known of it.
func (s *Service) about(want Span, sets ...int) Result {
	span := s.widen(want, sets...)
	r := Result{Span: span, Widened: span != want}
	parts, now := s.nameless(), time.Now()
	r.Completeness = completeness(parts)
	low := watermark(parts, s.cfg.Disorder, now)
	r.Final = low != noWatermark && low-s.cfg.Lateness.Microseconds() >= span.End*1e6
	if seen := watermark(current(parts), s.cfg.Disorder, now); seen != noWatermark {
		r.Watermark = time.UnixMicro(seen).UTC()
	}
	return r
}

// widen grows a span to the edges of what the panes of some sets can tell apart.
func (s *Service) widen(span Span, sets ...int) Span {
	lanes := s.allLanes()
	for was := (Span{}); was != span; {
		was = span
		for _, l := range lanes {
			for _, set := range sets {
				span.Start, span.End = l.widen(set, span.Start, span.End)
			}
		}
	}
	return span
}

// covered is the share of what counts in a span that a set knows of: what counted before its dimensions were configured is not told
// apart by them.
func (s *Service) covered(set int, span Span) float64 {
	if set == 0 {
		return 1
	}
	all := s.cells(0, span, named{which: byNone})[0].Events
	if all == 0 {
		return 1
	}
	return min(1, float64(s.cells(set, span, named{which: byNone})[0].Events)/float64(all))
}

// Hours are the starts of the hours of event time that hold something, in seconds, rising.
func (s *Service) Hours() []int64 {
	hours := map[int64]struct{}{}
	for _, l := range s.allLanes() {
		l.mu.Lock()
		for h := range l.ladders[0].hours {
			hours[h] = struct{}{}
		}
		l.mu.Unlock()
	}
	return slices.Sorted(maps.Keys(hours))
}

// Widen grows a span, taken in whole seconds, to what Window counts of it: to the edges of what the panes tell apart.
func (s *Service) Widen(from, to time.Time) (time.Time, time.Time) {
	span := s.widen(Span{Start: from.Unix(), End: ceilSecond(to)}, 0)
	return time.Unix(span.Start, 0).UTC(), time.Unix(span.End, 0).UTC()
}

// Window merges what is counted in [from, to), taken in whole seconds: of everything, and of each model that has requests.
func (s *Service) Window(from, to time.Time) (overall *agg.Cell, models map[string]*agg.Cell, watermark time.Time, completeness float64) {
	return s.WindowOf("", from, to)
}

// WindowOf is Window of what is of a tenant, of everything when it is "".
func (s *Service) WindowOf(tenant string, from, to time.Time) (overall *agg.Cell, models map[string]*agg.Cell, watermark time.Time, completeness float64) {
	r := s.about(Span{Start: from.Unix(), End: ceilSecond(to)}, 0)
	q := question{groupBy: []string{"model"}}
	if tenant != "" {
		q.filter = filterOf{"tenant": tenant}
	}
	models = map[string]*agg.Cell{}
	overall, groups := s.everyGroup(&q, r.Span, s.sizes(0, r.Span))
	for _, g := range groups {
		if g.values[0] != "" {
			models[g.values[0]] = g.cell
		}
	}
	return overall, models, r.Watermark, r.Completeness
}

// Models is what Window says of each model alone, also of those that have no requests, and under "" of what names none. It is less work:
// nobody adds up the whole of it.
func (s *Service) Models(from, to time.Time) map[string]*agg.Cell {
	span := s.widen(Span{Start: from.Unix(), End: ceilSecond(to)}, 0)
	q := question{groupBy: []string{"model"}}
	which := s.sets[0].which(q.needs())
	names := s.boards[0].names(s.rank(&q, s.sizes(0, span), which), which)
	models := make(map[string]*agg.Cell, len(names))
	for i, c := range s.cells(0, span, names...) {
		models[names[i].values[0]] = c
	}
	return models
}

func ceilSecond(t time.Time) int64 {
	if t.Nanosecond() > 0 {
		return t.Unix() + 1
	}
	return t.Unix()
}

// lag is how far the watermark is behind the clock; 0 when nothing was seen.
func (s *Service) lag() time.Duration {
	low := watermark(current(s.nameless()), s.cfg.Disorder, time.Now())
	if low == noWatermark {
		return 0
	}
	return max(time.Since(time.UnixMicro(low)), 0)
}

// behind is how many records wait to be counted.
func (s *Service) behind() (n int64) {
	for _, p := range s.nameless() {
		n += max(p.High-p.Counted, 0)
	}
	return n
}

// reach is how far back the shortest duplicate filter remembers; -1 s when none has forgotten anything.
func (s *Service) reach() time.Duration {
	reach := time.Duration(-1)
	for _, p := range s.nameless() {
		if !p.Partial {
			continue
		}
		if d := time.Since(time.UnixMicro(p.Reach)); reach < 0 || d < reach {
			reach = d
		}
	}
	if reach < 0 {
		return -time.Second
	}
	return reach
}

// Counted is how many records of the input topics count, since the topics began.
func (s *Service) Counted() (n int64) {
	for _, p := range s.nameless() {
		n += p.Counted
	}
	return n
}
