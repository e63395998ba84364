package batch

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// periodTotals is the summary of daily_, weekly_ and monthly_aggregation.
type periodTotals struct {
	Periods  int64 `json:"periods"`  // of the interval
	Children int64 `json:"children"` // hours or days with data that were merged
	Folded   int64 `json:"folded"`   // hours that were missing or behind and were folded first
	Changed  int64 `json:"changed"`  // periods whose rows differ from before
	Repaired int64 `json:"repaired"` // older periods that were behind and were made again
}

func (t *periodTotals) count(m made) {
	t.Children, t.Folded = t.Children+m.Children, t.Folded+m.Folded
	if m.Changed {
		t.Changed++
	}
}

// aggregation returns the task that makes the days, weeks or months of a run's interval: it waits until the lake holds what was
// acknowledged when the run was accepted, then makes one period after the other. A scheduled run then also repairs every older
// period of its level that was made before and is behind, so late events reach days, weeks and months with the next run of the
// schedule.
func (s *Service) aggregation(l *level) taskFunc {
	return func(ctx context.Context, r *agg.Run, progress func(done, total int64, unit string)) (any, error) {
		var t periodTotals
		err := s.counting(ctx, r, func(again bool) error { return s.makeInterval(ctx, l, r, &t, again, progress) })
		return t, err
	}
}

// makeInterval makes the periods of the interval of a run, or only those that are behind.
func (s *Service) makeInterval(ctx context.Context, l *level, r *agg.Run, t *periodTotals, onlyBehind bool, progress func(done, total int64, unit string)) error {
	periods := l.within(r.Start, r.End)
	if len(periods) == 0 {
		return fmt.Errorf("no %s ends between %s and %s; %s", l.noun, r.Start, r.End, l.rule)
	}
	t.Periods = int64(len(periods))
	unit := l.noun + "s"
	for i, p := range periods {
		progress(int64(i), t.Periods, unit)
		m, err := s.makePeriod(ctx, p, onlyBehind)
		if err != nil {
			return err
		}
		t.count(m)
	}
	progress(t.Periods, t.Periods, unit)
	if r.Trigger != agg.RunScheduled {
		return nil
	}
	return s.repair(ctx, l, periods[0].start, t)
}

// repair makes what lies before the given start and is behind: data that came late, to periods that were made or to such as had none.
func (s *Service) repair(ctx context.Context, l *level, before int64, t *periodTotals) error {
	behind, err := s.behind(ctx, l, time.Time{}, timeOf(before))
	if err != nil {
		return err
	}
	for _, start := range slices.Sorted(maps.Keys(behind)) {
		if l.of(start).end > before {
			continue
		}
		m, err := s.makePeriod(ctx, l.of(start), true)
		if err != nil {
			return fmt.Errorf("repair %s: %w", l.of(start), err)
		}
		t.Repaired++
		t.count(m)
	}
	return nil
}
