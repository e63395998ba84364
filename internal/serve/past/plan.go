package past

import "context"

// plan chooses the step, and asks the store what it has. wished is the step that would be, were everything told apart.
func (s *Service) plan(ctx context.Context, q *question, points int64) (step, wished int64, have stored) {
	wished = q.step
	if wished == 0 {
		wished = sizeOf(q.to-q.from, points, 1)
	}
	step, have = s.planned(ctx, q, points, wished)
	return step, wished, have
}

func (s *Service) planned(ctx context.Context, q *question, points, wanted int64) (int64, stored) {
	from, to, step := q.from, q.to, q.step
	coarsest, _, _ := s.Live.About(from, to, q.filter, q.without, q.by)
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
	case len(lost) == 0: // the panes tell it
	case to-from <= longestRaw && hour%wanted == 0 && q.plain() && s.readable(ctx, lost):
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
			coarsest, _, _ = s.Live.About(start, start+hour, q.filter, q.without, q.by)
		}
		if coarsest > 1 && step%coarsest != 0 || have.held(start) == 0 {
			out[start] = true
		}
	}
	return out
}
