package lake

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"time"
)

// When hours are compacted by themselves: one at a time, when the hour has ended and nothing has come for it for CompactAfter, with
// a rest of nine times what the last one took. So compaction takes a tenth of the time of one core at most. Several instances
// begin with hours by chance; when two take the same one, one of them loses and discards its files.
const (
	compactLook  = 30 * time.Second
	compactRest  = 9
	compactRetry = time.Minute // after a failure, doubled with each up to a day
	compactTries = 3           // for the command: races that are lost before it gives up on an hour
)

// compactor compacts hours by itself. Its fields belong to one goroutine.
type compactor struct {
	*Writer
	failures map[int64]failure // by hour
}

type failure struct {
	count int
	until time.Time
}

// compactAgain works until ctx ends.
func (w *Writer) compactAgain(ctx context.Context) {
	c := &compactor{Writer: w, failures: make(map[int64]failure)}
	for {
		pause := compactLook
		if took := c.one(ctx); took > 0 {
			pause = min(compactRest*took, time.Hour) // and then look at once: there may be more
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// one compacts one hour that is due and returns how long that took; 0 when none is.
func (c *compactor) one(ctx context.Context) (took time.Duration) {
	hours, err := c.due(ctx)
	if err != nil || len(hours) == 0 {
		if err != nil && ctx.Err() == nil {
			c.log.Warn("the lake cannot see which hours are to be compacted", "error", err)
		}
		return 0
	}
	hour, began := hours[rand.IntN(len(hours))], time.Now()
	done, err := c.lake.compactHour(ctx, c.manifest, hour, compacting{budget: c.cfg.CompactBytes, workers: 1, point: c.point})
	c.metrics.compacted(done, err)
	switch {
	case ctx.Err() != nil:
	case err != nil:
		f := c.failures[hour]
		pause := min(compactRetry<<min(f.count, 11), 24*time.Hour)
		c.failures[hour] = failure{f.count + 1, time.Now().Add(pause)}
		c.log.Error("an hour of the lake could not be compacted", "hour", done.Hour, "error", err, "again_in", pause)
	case done.Lost:
		c.log.Info("another compaction of this hour was first", "hour", done.Hour)
	default:
		delete(c.failures, hour)
		c.log.Info("compacted", "hour", done.Hour, "files", done.FilesBefore, "into", done.FilesAfter, "rows", done.RowsAfter,
			"copies", done.RowsBefore-done.RowsAfter, "bytes", done.BytesAfter, "took", done.Took)
	}
	return max(time.Since(began), time.Millisecond)
}

// due returns the hours to compact now.
func (c *compactor) due(ctx context.Context) ([]int64, error) {
	now := time.Now()
	loose, err := c.manifest.LooseHours(ctx, now.Add(-c.cfg.CompactAfter))
	if err != nil {
		return nil, err
	}
	c.metrics.loose.Set(float64(len(loose)))
	var out []int64
	remembered := c.failures
	c.failures = make(map[int64]failure, len(remembered)) // of hours that are still loose
	for _, h := range loose {
		if f, ok := remembered[h.Hour]; ok {
			c.failures[h.Hour] = f
		}
		quiet := now.Sub(time.UnixMicro(h.LastPublished)) >= c.cfg.CompactAfter
		if quiet && now.After(c.failures[h.Hour].until) {
			out = append(out, h.Hour)
		}
	}
	return out, nil
}

// CompactOptions say what Compact does.
type CompactOptions struct {
	From, To time.Time // hours that begin within [From, To); zero = no bound
	Budget   int64     // bytes of memory
	// Progress is called after each hour with what was done; done counts up to total.
	Progress func(c Compacted, done, total int)
}

// Compact compacts every hour that has ended and has changed since it was compacted. It works beside running instances: when one
// of them is faster with an hour, that is as good.
func (l *Lake) Compact(ctx context.Context, m Manifest, o CompactOptions) ([]Compacted, error) {
	loose, err := m.LooseHours(ctx, time.Now())
	if err != nil {
		return nil, err
	}
	var hours []int64
	for _, h := range loose {
		at := time.Unix(h.Hour, 0)
		if !at.Before(o.From) && (o.To.IsZero() || at.Before(o.To)) {
			hours = append(hours, h.Hour)
		}
	}
	how := compacting{budget: o.Budget, workers: min(2, runtime.GOMAXPROCS(0))}
	all := []Compacted{}
	for i, hour := range hours {
		done, err := l.compactUntilWon(ctx, m, hour, how)
		if err != nil {
			return all, err
		}
		all = append(all, done)
		if o.Progress != nil {
			o.Progress(done, i+1, len(hours))
		}
	}
	return all, nil
}

func (l *Lake) compactUntilWon(ctx context.Context, m Manifest, hour int64, how compacting) (done Compacted, err error) {
	for range compactTries {
		if done, err = l.compactHour(ctx, m, hour, how); err != nil || !done.Lost {
			return done, err
		}
	}
	return done, fmt.Errorf("compact hour %s: others change it all the time; try again later", done.Hour.Format(time.RFC3339))
}

// sweepSuperseded removes files that were replaced longer than grace ago, so that whoever reads them has had the time. The
// manifest forgets them first: killed in between, what is left are orphans, which the sweep takes.
func (l *Lake) sweepSuperseded(ctx context.Context, m Manifest, grace time.Duration, log *slog.Logger) (removed int, err error) {
	const batch = 500
	for {
		paths, err := m.Superseded(ctx, time.Now().Add(-grace), batch)
		if err != nil || len(paths) == 0 {
			return removed, err
		}
		if err := m.Forget(ctx, paths); err != nil {
			return removed, err
		}
		for _, path := range paths {
			if err := l.storage.remove(ctx, path); err != nil {
				log.Warn("a superseded file stays until the sweep finds it", "path", path, "error", err)
				continue
			}
			removed++
		}
	}
}
