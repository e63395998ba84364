package broker

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/hxp-enterprise/hxp/internal/kit/atomicfile"
	"github.com/hxp-enterprise/hxp/internal/kit/clock"
	"github.com/hxp-enterprise/hxp/internal/kit/sorting"
)

const (
	cleanEvery  = 5 * time.Second        // at the latest
	cleanPause  = 100 * time.Millisecond // at the earliest, when the caps press
	sampleEvery = time.Minute
	shortKeep   = 20 * sampleEvery // retention by which a log is looked at in every turn
)

// janitor deletes what is too old or too much. It is the only one that does: the engine's own cleaning is switched off.
type janitor struct {
	b       *Broker
	dir     string // of the log; empty in memory
	seen    *arrivals
	sampled time.Time
	clock   clock.Watch
}

// run cleans until ctx ends and writes the arrivals a last time.
func (j *janitor) run(ctx context.Context) {
	tick := time.NewTicker(cleanEvery)
	defer tick.Stop()
	j.seen.notAfter(time.Now())
	for {
		now := time.Now()
		j.keepAges(now)
		j.turn(now)
		select {
		case <-ctx.Done():
			j.save()
			return
		case <-tick.C:
		case <-j.b.usage.kick:
			select {
			case <-ctx.Done():
			case <-time.After(cleanPause):
			}
		}
	}
}

// keepAges moves what is known of arrivals by what the clock was set by, so that records are as old as before.
func (j *janitor) keepAges(now time.Time) {
	if by := j.clock.Look(now); by != 0 {
		j.b.log.Warn("the clock was set; ages of records are kept", "by", by.Round(time.Second))
		j.seen.set(by)
		j.sampled = j.sampled.Add(by)
		j.save()
	}
}

// pinned tells whether a backup is being made of the log. It is cut in seconds; what is old can wait for that, and what is too much cannot.
func (j *janitor) pinned() bool {
	if j.dir == "" {
		return false
	}
	release, err := atomicfile.Lock(filepath.Join(j.b.cfg.Dir, pinFile))
	if err == nil {
		_ = release()
	}
	return errors.Is(err, atomicfile.ErrLocked)
}

// turn looks at everything once.
func (j *janitor) turn(now time.Time) {
	logs, err := j.look()
	if err != nil {
		j.b.log.Warn("retention skips a turn", "error", err)
		return
	}
	changed := false
	due := now.Sub(j.sampled) >= sampleEvery || now.Before(j.sampled)
	if due {
		j.sampled = now
	}
	for _, l := range logs {
		if due || l.keep > 0 && l.keep < shortKeep { // minutes would be too coarse for those
			changed = l.seen.note(now, l.start, l.end) || changed
		}
	}
	for _, l := range logs {
		l.target = max(l.byAge(now), l.byBytes())
	}
	if slices.ContainsFunc(logs, (*partLog).due) && j.pinned() {
		for _, l := range logs {
			l.target = 0
		}
	}
	j.byCaps(logs)
	for _, l := range logs {
		changed = j.delete(l) || changed
		changed = changed || l.seen.Start != l.start
		l.seen.Start = l.start
	}
	if changed {
		j.save()
	}
}

func (j *janitor) save() {
	if j.dir == "" {
		return
	}
	if err := j.seen.write(j.b.cfg.Dir); err != nil {
		j.b.log.Warn("times of arrival not written; after a restart records are kept longer", "error", err)
	}
}

// partLog is one partition during a turn.
type partLog struct {
	place
	start, end int64
	bytes      int64
	keep       time.Duration // 0 = for ever
	keepBytes  int64         // -1 = all
	limit      int64         // nothing at or above it may go
	segments   []segment
	seen       *logArrivals
	target     int64 // everything below goes
}

// look gathers all partitions and corrects the usage.
func (j *janitor) look() ([]*partLog, error) {
	names, err := j.b.topicNames()
	if err != nil {
		return nil, err
	}
	files := map[place][]segment{}
	if j.dir != "" {
		if files, err = scanLogs(j.dir); err != nil {
			return nil, err
		}
	}
	j.seen.forget(names)
	var logs []*partLog
	for name := range names {
		info := j.b.engine.topic(name)
		if info == nil {
			continue
		}
		for _, p := range j.b.engine.partitions(name) {
			logs = append(logs, j.partition(info, p, files[place{name, p.Partition}]))
		}
	}
	var bytes, batches int64
	for _, l := range logs {
		if j.dir == "" {
			bytes += l.bytes
		}
		for _, s := range l.segments {
			bytes += s.bytes
			batches += s.batches
		}
	}
	j.b.usage.bytes.Store(bytes)
	j.b.usage.batches.Store(batches)
	return logs, nil
}

func (j *janitor) partition(t *kfake.TopicInfo, p *kfake.PartitionInfo, segments []segment) *partLog {
	l := &partLog{
		place: place{t.Topic, p.Partition}, start: p.LogStartOffset, end: p.HighWatermark, bytes: p.NumBytes,
		keep: keepTime(t.Configs["retention.ms"]), keepBytes: -1, segments: segments,
		seen: j.seen.log(t.Topic, t.TopicID, p.Partition),
	}
	if v := t.Configs["retention.bytes"]; v != nil {
		if n, err := strconv.ParseInt(*v, 10, 64); err == nil {
			l.keepBytes = n
		}
	}
	// The last batch stays: without it the engine would forget where the log ends.
	l.limit = l.end - 1
	switch floor := j.b.Floor; {
	case floor != nil:
		at, ok := floor(l.Topic, l.Partition)
		if !ok {
			at = 0
		}
		l.limit = min(l.limit, at)
	case l.keep == 0: // kept for ever, and nobody says what is needed
		l.limit = 0
	}
	return l
}

// keepTime is how long a topic keeps its records: Kafka's 7 days when it does not say; 0 = for ever.
func keepTime(v *string) time.Duration {
	if v == nil {
		return 7 * 24 * time.Hour
	}
	ms, err := strconv.ParseInt(*v, 10, 64)
	if err != nil || ms < 0 || ms > math.MaxInt64/int64(time.Millisecond) {
		return 0
	}
	return max(time.Duration(ms)*time.Millisecond, time.Millisecond)
}

// due tells whether something of l is to go.
func (l *partLog) due() bool { return min(l.target, l.limit) > l.start }

func (l *partLog) byAge(now time.Time) int64 {
	if l.keep == 0 {
		return 0
	}
	return l.seen.before(now.Add(-l.keep))
}

// byBytes goes by whole segments, as in Kafka: what is left is at least what the topic wants to keep.
func (l *partLog) byBytes() int64 {
	if l.keepBytes < 0 {
		return 0
	}
	total := int64(0)
	for i := len(l.segments) - 1; i > 0; i-- {
		if total += l.segments[i].bytes; total >= l.keepBytes {
			return l.segments[i].base
		}
	}
	return 0
}

// byCaps gives up the segments that were written longest ago until enough is free, and notes what stands in the way.
func (j *janitor) byCaps(logs []*partLog) {
	u := j.b.usage
	if !u.over(cleanFrom) {
		u.blocked.Store(nil)
		return
	}
	type candidate struct {
		log *partLog
		i   int
	}
	var all []candidate
	for _, l := range logs {
		for i := range len(l.segments) - 1 { // the last one is being written
			all = append(all, candidate{l, i})
		}
	}
	sorting.StableBy(all, func(a, b candidate) int {
		return a.log.segments[a.i].modified.Compare(b.log.segments[b.i].modified)
	})
	bytes, batches := u.bytes.Load(), u.batches.Load()
	enough := func() bool {
		return float64(bytes) <= cleanTo*float64(u.maxBytes) && float64(batches) <= cleanTo*float64(u.maxBatches)
	}
	var stuck *partLog
	for _, c := range all {
		if enough() {
			break
		}
		s, end := c.log.segments[c.i], c.log.segments[c.i+1].base
		if end > c.log.limit {
			if stuck == nil {
				stuck = c.log
			}
			continue
		}
		c.log.target = max(c.log.target, end)
		bytes -= s.bytes
		batches -= s.batches
	}
	u.blocked.Store(nil)
	if !enough() && stuck != nil {
		why := fmt.Sprintf("the oldest that cannot go is %s, of which everything from offset %d on is still to be read", stuck, max(stuck.limit, 0))
		u.blocked.Store(&why)
	}
}

// delete deletes below the target, within the limit.
func (j *janitor) delete(l *partLog) bool {
	if !l.due() {
		return false
	}
	to := min(l.target, l.limit)
	if err := j.b.engine.deleteRecords(l.Topic, l.Partition, to); err != nil {
		j.b.log.Warn("old records not deleted", "topic", l.Topic, "partition", l.Partition, "before", to, "error", err)
		return false
	}
	j.b.deleted.Add(float64(to - l.start))
	for i, s := range l.segments { // files that are gone
		if i+1 < len(l.segments) && l.segments[i+1].base <= to {
			j.b.usage.bytes.Add(-s.bytes)
			j.b.usage.batches.Add(-s.batches)
		}
	}
	j.b.log.Debug("old records deleted", "topic", l.Topic, "partition", l.Partition, "from", l.start, "before", to)
	l.start = to
	return true
}
