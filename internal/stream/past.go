package stream

import (
	"time"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
)

// past counts again what was counted by units that the journal no longer has and no snapshot tells of: the records of an
// input partition below end. What it folds goes straight into the windows. It writes no dead letters and no late events:
// who counted the records before has done that.
type past struct {
	*folder
	begin, end int64
}

const reasonForgotten = "the journal that counted them is gone, no snapshot is usable, and the topic no longer has them"

// start gives the lane its folders once its journal partition is read, and tells where to read each input partition from.
func (l *lane) start(logs map[source]bus.Range, now time.Time) map[source]int64 {
	reading := map[source]int64{}
	filters := l.filters
	l.filters, l.anchored = map[source]*filter{}, l.journal.next
	l.names.remember(&l.windows)
	for src, log := range logs {
		f := l.newFolder(src, log, filters[src], now)
		l.folders[src], l.filters[src] = f, f.filter
		reading[src] = f.next
		l.publish(f)
	}
	return reading
}

// newFolder makes a folder that goes on where the chain ends. Before, it reads what its duplicate filter does not know yet
// and counts again what the windows should hold and do not.
func (l *lane) newFolder(src source, log bus.Range, known *filter, now time.Time) *folder {
	f := &folder{src: src, cfg: l.cfg, decoder: event.Decoder{Limits: l.cfg.Events, Schemas: l.schemas}, names: l.names, spare: &l.spare, prices: l.prices, joins: l.joins, rules: l.folding(), lookout: l.lookout, traced: l.metrics.tracing.tracer != nil, filter: known, high: log.End, moved: now, watermark: noWatermark}
	c := l.journal.chains[src]
	if c == nil && l.headless {
		c = &chain{Begin: log.Start, To: log.Start, Watermark: noWatermark}
		l.journal.chains[src] = c
	}
	if c == nil {
		c = &chain{Begin: log.Start, To: log.Start, Watermark: noWatermark} // until its first unit counts
	}
	f.foldFrom, f.watermark, f.arrival, f.idle = c.To, c.Watermark, c.Arrival, c.Idle
	f.begin(c.To)
	l.remember(f, c, log)
	if f.filter == nil {
		f.filter = newFilter(l.cfg.FilterBytes)
		f.filter.next = max(c.Begin, c.To-int64(f.filter.max)) // more than these it cannot hold
		f.filter.forgot = f.filter.next > c.Begin
	}
	f.next = min(f.filter.next, c.To)
	if have := min(log.Start, c.To); f.next < have {
		f.filter.pass(have, now.UnixMicro())
		f.next = have
	}
	if c.To > log.End {
		l.lose(f, &bus.OutOfRangeError{Topic: src.Topic, Partition: src.Partition, Offset: c.To, Start: log.Start, End: log.End}, true)
	}
	return f
}

// remember prepares to count again what was counted before the chain that the journal still tells, if anything, and says
// what can no longer be counted.
func (l *lane) remember(f *folder, c *chain, log bus.Range) {
	if c.Begin <= log.Start && !l.headless {
		return
	}
	end := min(c.Begin, log.End)
	if lost := min(log.Start, c.Begin) + c.Begin - end; lost > 0 {
		l.log.Error("windows are lost", "topic", f.src.Topic, "partition", f.src.Partition, "records", lost, "reason", reasonForgotten)
		c.miss(lost, reasonForgotten)
	}
	if end <= log.Start {
		return
	}
	l.log.Error("windows are counted again from the topic: the journal that counted them is gone and no snapshot is usable", "topic", f.src.Topic, "partition", f.src.Partition, "from", log.Start, "to", end)
	f.filter = newFilter(l.cfg.FilterBytes)
	f.filter.next = log.Start
	f.past = &past{begin: log.Start, end: end, folder: &folder{src: f.src, cfg: f.cfg, decoder: event.Decoder{Limits: f.cfg.Events, Schemas: l.schemas}, names: f.names, spare: f.spare, prices: f.prices, filter: f.filter, next: log.Start, foldFrom: log.Start, watermark: noWatermark}}
	f.past.open = newWork(f.src, log.Start)
}

// absorb takes what was counted again into the windows, from time to time and when all of it is there.
func (l *lane) absorb(f *folder) {
	p := f.past
	if p == nil {
		return
	}
	p.open.side = nil
	done := f.next >= p.end
	if !done && p.open.cells() < maxOpenPane {
		return
	}
	c, now := l.journal.chains[f.src], time.Now().Unix()
	l.mu.Lock()
	l.hurry(true)
	l.credit(p.open, l.names, now, &l.spare)
	l.age(now)
	l.mu.Unlock()
	c.Tally.add(&p.open.header.Tally)
	p.folder.begin(p.next)
	if !done {
		return
	}
	f.past, c.Begin = nil, p.begin
	l.publish(f)
	l.sinceSnapshot = max(l.sinceSnapshot, l.cfg.SnapshotBytes) // worth one at once
	l.log.Info("windows are counted again", "topic", f.src.Topic, "partition", f.src.Partition, "from", p.begin, "to", p.end, "lost", c.Lost)
}

// unsettled tells whether something is still being counted again, a cut of a log does not count yet, or identities of what counts are still read:
// a snapshot would hold filters of which the journal behind it tells something else, or begin before what Floors find there.
func (l *lane) unsettled() bool {
	for src, f := range l.folders {
		if c := l.journal.chains[src]; f.past != nil || f.turned() || c != nil && f.filter.next < c.To {
			return true
		}
	}
	return false
}
