package batch

import (
	"context"
	"fmt"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// hourResult is what folding one hour did.
type hourResult struct {
	Files, Rows, Events, Duplicates, Models int64
	Folded, Changed                         bool // Folded is false for an hour without data
	Version                                 int64
	Took                                    time.Duration
}

// foldHour folds one hour as it is in the lake now and stores the result. onlyDirty skips an hour that somebody else has folded
// meanwhile; an hour of more rows than most, unless that is 0, is not folded and the error is a *largeHour.
func (s *Service) foldHour(ctx context.Context, hour int64, onlyDirty bool, most int64) (hourResult, error) {
	return s.makeHour(ctx, hour, onlyDirty, func(ctx context.Context) (*recounted, error) { return s.recount(ctx, hour, most) })
}

// makeHour stores what make makes of an hour. Two of these never overlap for one hour, and each holds one of the slots.
func (s *Service) makeHour(ctx context.Context, hour int64, onlyDirty bool, make func(context.Context) (*recounted, error)) (res hourResult, err error) {
	done, err := s.busy.take(ctx, "hourly", hour)
	if err != nil {
		return res, err
	}
	defer done()
	if !take(ctx, s.slots) {
		return res, context.Cause(ctx)
	}
	defer func() { <-s.slots }()

	before, err := s.deps.Hours.HourBuild(ctx, hour)
	if err != nil {
		return res, err
	}
	if before.Version == 0 || (onlyDirty && before.Version == before.Built) {
		return res, nil
	}
	began := s.now()
	s.book.foldStarts()
	defer func() {
		res.Took = s.now().Sub(began)
		s.book.foldEnds(hour, res, err, s.now())
	}()
	f, err := make(ctx)
	if err != nil {
		return res, err
	}
	change, err := s.deps.Hours.SaveHour(ctx, hour, f.version, f.aggregate)
	if err != nil {
		return res, err
	}
	if f.version == before.Built && !change.Overtaken { // the same data once more: that is a recount
		rows := 0
		for _, r := range f.aggregate.Rows {
			rows += len(r)
		}
		s.book.recounted(hour, rows, change.Rows, s.now())
		if change.Any() {
			s.log.Warn("recounted hour differs from what was stored; it is mended", "hour", hourName(hour), "version", f.version)
		}
	}
	models := max(len(f.aggregate.Rows[agg.ByModel])-1, 0) // without the total
	s.log.Debug("hourly aggregation", "hour", hourName(hour), "events", f.events, "duplicates", f.duplicates(), "files", f.files, "models", models,
		"on_base", f.based, "changed", change.Any(), "passes", f.passes, "parts", f.parts, "took", s.now().Sub(began))
	return hourResult{Files: int64(f.files), Rows: f.rows, Events: f.events, Duplicates: f.duplicates(), Models: int64(models),
		Folded: true, Changed: change.Any(), Version: f.version}, nil
}

// recounted is an hour made anew: its base and the fold of its live files.
type recounted struct {
	*folded
	aggregate agg.Aggregate
	version   int64
	files     int
	parts     int
	based     bool // raw files of it have left
}

// recount makes an hour as it is in the lake now and stores nothing. most is that of foldHour.
func (s *Service) recount(ctx context.Context, hour, most int64) (*recounted, error) {
	files, base, version, err := s.deps.Hours.HourSnapshot(ctx, hour)
	if err != nil {
		return nil, err
	}
	if most > 0 && len(base) == 0 {
		if rows := rowsOf(files); rows > most {
			return nil, &largeHour{int(min(maxParts, (rows+most-1)/most))}
		}
	}
	f, err := s.folder.fold(ctx, hour, files)
	if err != nil {
		return nil, err
	}
	sum := f.cells
	if err := sum.merge(base); err != nil {
		return nil, fmt.Errorf("base of hour %s: %w", hourName(hour), err)
	}
	a := sum.aggregate(levels["hourly"].of(hour), s.columns)
	if len(base) == 0 {
		a.Joined = &f.joined
	}
	return &recounted{f, a, version, len(files), 1, len(base) > 0}, nil
}
