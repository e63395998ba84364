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

// foldHour folds one hour as it is in the lake now and stores the result. Two folds of one hour never overlap, and a fold holds one
// of the slots; onlyDirty skips an hour that somebody else has folded meanwhile.
func (s *Service) foldHour(ctx context.Context, hour int64, onlyDirty bool) (res hourResult, err error) {
	done, err := s.claimHour(ctx, hour)
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
	files, version, err := s.deps.Hours.HourSnapshot(ctx, hour)
	if err != nil {
		return res, err
	}
	f, err := s.folder.fold(ctx, hour, files)
	if err != nil {
		return res, err
	}
	rows, cells := f.encode(hour)
	changed, err := s.deps.Hours.SaveHour(ctx, hour, version, rows, cells)
	if err != nil {
		return res, err
	}
	if version == before.Built { // the same data once more: that is a recount
		s.book.recounted(!changed)
		if changed {
			s.log.Warn("recounted hour differs from what was stored; it is mended", "hour", hourName(hour), "version", version)
		}
	}
	models := len(rows)
	if f.events > 0 {
		models-- // the total
	}
	s.log.Info("hourly aggregation", "hour", hourName(hour), "events", f.events, "duplicates", f.duplicates(), "files", len(files), "models", models,
		"changed", changed, "passes", f.passes, "read_again", f.again, "took", s.now().Sub(began))
	return hourResult{Files: int64(len(files)), Rows: f.rows, Events: f.events, Duplicates: f.duplicates(), Models: int64(models),
		Folded: true, Changed: changed, Version: version}, nil
}

// claimHour waits until nobody folds the hour and keeps others from it until done is called.
func (s *Service) claimHour(ctx context.Context, hour int64) (done func(), err error) {
	for {
		s.mu.Lock()
		busy := s.hourBusy[hour]
		if busy == nil {
			mine := make(chan struct{})
			s.hourBusy[hour] = mine
			s.mu.Unlock()
			return func() {
				s.mu.Lock()
				delete(s.hourBusy, hour)
				s.mu.Unlock()
				close(mine)
			}, nil
		}
		s.mu.Unlock()
		select {
		case <-busy:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// hourSpan checks that an interval lies on whole hours and is not too long, and returns its first second and number of hours.
func hourSpan(start, end time.Time) (first int64, n int, err error) {
	switch {
	case start.Nanosecond() != 0 || start.Unix()%3600 != 0:
		return 0, 0, fmt.Errorf("data_interval_start %s is not a whole hour", start.Format(time.RFC3339Nano))
	case end.Nanosecond() != 0 || end.Unix()%3600 != 0:
		return 0, 0, fmt.Errorf("data_interval_end %s is not a whole hour", end.Format(time.RFC3339Nano))
	case !start.Before(end):
		return 0, 0, fmt.Errorf("the interval from %s to %s is empty", start.Format(time.RFC3339), end.Format(time.RFC3339))
	}
	h := (end.Unix() - start.Unix()) / 3600
	if h > maxHours {
		return 0, 0, fmt.Errorf("the interval has %d hours; one run takes at most %d (ten years)", h, maxHours)
	}
	return start.Unix(), int(h), nil
}

const maxHours = 87672

// encode makes the rows and blobs of an hour.
func (f *folded) encode(hour int64) ([]agg.Row, map[string][]byte) {
	rows := make([]agg.Row, 0, len(f.cells))
	cells := make(map[string][]byte, len(f.cells))
	for _, model := range sortedKeys(f.cells) {
		c := f.cells[model]
		rows = append(rows, rowOf(time.Unix(hour, 0).UTC(), model, time.Hour, c))
		cells[model] = c.Append(nil)
	}
	return rows, cells
}
