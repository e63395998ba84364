package batch

import (
	"context"
	"math"
	"time"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// isBehind tells whether a day, week or month differs from the merge of what lies below it as that would be now. hours are those
// with data of its time.
func (s *Service) isBehind(ctx context.Context, p period, hours []event.HourState) (bool, error) {
	for _, h := range hours {
		if h.Version != h.Built {
			return true, nil
		}
	}
	for l := p.level; l.below != ""; l = levels[l.below] {
		unmerged, err := s.deps.Periods.Unmerged(ctx, l.name, p.start, p.end)
		if err != nil || len(unmerged) > 0 {
			return true, err
		}
	}
	return false, nil
}

// coverage is how much of each period that is behind its row counts: at least 0 and less than 1, by start. Periods that are not
// named are covered.
type coverage map[int64]float64

// behind finds the periods of a level that are not up to date among those that lie in [from, to); a zero time is no bound. An hour
// counts by the share of its publications, a longer period by the mean of its children with data; a child that was not merged as it
// is now counts nothing.
func (s *Service) behind(ctx context.Context, l *level, from, to time.Time) (coverage, error) {
	if l.below == "" {
		return s.hoursBehind(ctx, from, to)
	}
	children, err := s.behind(ctx, levels[l.below], from, to)
	if err != nil {
		return nil, err
	}
	return s.lift(ctx, l, children, from, to)
}

func (s *Service) hoursBehind(ctx context.Context, from, to time.Time) (coverage, error) {
	var hours []event.HourState
	var err error
	if from.IsZero() || to.IsZero() {
		hours, err = s.deps.Hours.DirtyHours(ctx, timeOf(seconds(to, maxSeconds)))
	} else {
		hours, err = s.deps.Hours.HourStates(ctx, from.Unix(), to.Unix())
	}
	c := coverage{}
	for _, h := range hours {
		if h.Version != h.Built && h.Hour >= seconds(from, math.MinInt64) {
			c[h.Hour] = min(completeness(h), almost)
		}
	}
	return c, err
}

// lift tells of a level from what is known of the level below. children is used up.
func (s *Service) lift(ctx context.Context, l *level, children coverage, from, to time.Time) (coverage, error) {
	unmerged, err := s.deps.Periods.Unmerged(ctx, l.name, seconds(from, math.MinInt64), seconds(to, math.MaxInt64))
	if err != nil {
		return nil, err
	}
	for _, child := range unmerged {
		children[child] = 0
	}
	return s.coverageOf(ctx, l, children)
}

const (
	almost     = 1 - 1e-9 // what is behind is never shown as complete
	maxSeconds = 1 << 37  // beyond the year 6000
)

// seconds since the epoch, or what stands for no bound.
func seconds(t time.Time, none int64) int64 {
	if t.IsZero() {
		return none
	}
	return t.Unix()
}

// coverageOf spreads the children that are behind over their periods.
func (s *Service) coverageOf(ctx context.Context, l *level, children coverage) (coverage, error) {
	missing := map[int64]float64{}
	first, last := int64(math.MaxInt64), int64(math.MinInt64)
	for child, covered := range children {
		p := l.of(child)
		missing[p.start] += 1 - covered
		first, last = min(first, p.start), max(last, p.end)
	}
	if len(missing) == 0 {
		return coverage{}, nil
	}
	hours, err := s.deps.Hours.HourStates(ctx, first, last)
	if err != nil {
		return nil, err
	}
	with := map[int64]int{} // children with data, by period
	for i, below := 0, levels[l.below]; i < len(hours); {
		child := below.of(hours[i].Hour)
		with[l.of(child.start).start]++
		for i < len(hours) && hours[i].Hour < child.end {
			i++
		}
	}
	c := make(coverage, len(missing))
	for start, n := range missing {
		c[start] = max(0, min(1-n/float64(max(with[start], 1)), almost))
	}
	return c, nil
}

// ended leaves only periods that are over.
func (c coverage) ended(l *level, now time.Time) coverage {
	for start := range c {
		if l.of(start).end > now.Unix() {
			delete(c, start)
		}
	}
	return c
}
