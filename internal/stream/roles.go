package stream

import (
	"crypto/rand"
	"fmt"
	"maps"
	"path/filepath"
	"time"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
)

// A lane is owner or follower of its number. The owner has folders: it folds, sends units, joins, and keeps snapshots. A follower
// reads the journal alone, so it answers the same questions from the same windows, but for requests that are still open. A follower
// becomes owner as a restart does: with the newest snapshot's filters and joins, and the input from there on. Who was first does
// not matter: the journal decides what counts.

// owns tells whether the lane folds.
func (l *lane) owns() bool { return len(l.folders) > 0 }

// leaving is the wish that the lane gives its number up.
type leaving struct {
	done chan struct{} // closed when it has
}

// look is what was seen of the input of a follower: the bounds of its logs, as of a moment.
type look struct {
	logs map[source]bus.Range
	at   int64 // microseconds; whatever arrived before is within the bounds
}

// follower makes the lane one that reads the journal alone.
func (l *lane) follower() {
	l.folders, l.filters = map[source]*folder{}, map[source]*filter{}
	l.joins.yield()
	l.showAll()
}

// observe takes in what was seen of the input.
func (l *lane) observe(seen look) {
	l.seen = seen
	l.showAll()
}

// showAll lets queries see how far the journal is, of all partitions that the lane does not fold.
func (l *lane) showAll() {
	if l.owns() {
		return
	}
	l.mu.Lock()
	maps.DeleteFunc(l.progress, func(src source, _ progress) bool { _, is := l.seen.logs[src]; return !is })
	l.mu.Unlock()
	for src := range l.seen.logs {
		l.show(src)
	}
}

// show is publish of a partition that another instance folds.
func (l *lane) show(src source) {
	log, known := l.seen.logs[src]
	if src.Topic == event.TopicJoins || !known {
		return
	}
	p := progress{High: log.End, Watermark: noWatermark, Seen: l.seen.at}
	begin := log.Start
	if c := l.journal.chains[src]; c != nil {
		p.tell(c)
		begin = c.Begin
	}
	p.Next = p.Counted
	p.Quiet = max(p.Counted, log.Start) >= log.End
	if l.headless {
		p.Unseen = max(begin-log.Start, 0)
	}
	l.mu.Lock()
	l.progress[src] = p
	l.mu.Unlock()
}

// cutNote is a cut of a log that the journal told of: filters of a snapshot of before do not know of it.
type cutNote struct {
	journal   int64 // offset behind the unit
	source    source
	end, from int64
	at        int64
}

// mostCuts bounds the notes; logs are cut hardly ever.
const mostCuts = 256

func (l *lane) noteCut(h *header, end, at int64) {
	l.cuts = append(l.cuts, cutNote{l.journal.next, h.Source, end, h.From, at})
	l.cuts = l.cuts[max(0, len(l.cuts)-mostCuts):]
}

// inherit takes over filters and joins of a snapshot; nil = there is none, so they begin anew.
func (l *lane) inherit(r *restored, written bus.Range) {
	var joins []byte
	if r != nil {
		l.filters, joins = r.filters, r.joins
		for _, c := range l.cuts {
			if f := l.filters[c.source]; f != nil && c.journal > r.journal.next {
				f.cut(c.end, c.from, c.at)
			}
		}
	}
	if l.joins.works() {
		if err := l.joins.renew(joins, written, l.cfg); err != nil {
			l.log.Error("joins of a snapshot are not usable", "partition", l.number, "error", err)
		}
	} else {
		l.joins.keep(joins)
	}
}

// newest reads the newest snapshot of the lane's journal that is whole; nil when there is none.
func (l *lane) newest() *restored {
	offsets, err := snapshotOffsets(filepath.Join(l.dir, l.journalID))
	if err != nil {
		l.log.Error("snapshots cannot be listed", "dir", l.dir, "error", err)
	}
	for _, offset := range offsets {
		f := snapshotFile{dir: l.dir, id: l.journalID}
		r, err := readSnapshot(f.path(offset), l.cfg)
		if err == nil {
			return r
		}
		l.log.Error("snapshot is not usable, trying the one before", "partition", l.number, "offset", offset, "error", err)
	}
	return nil
}

// gaveUp tells whether the lane is to give its number up and has nothing left to wait for. What it folded and could not send any
// more is folded by the next owner.
func (l *lane) gaveUp() bool {
	return l.leaving != nil && l.settled()
}

// giveUpNumber keeps what counts for the next owner, and follows from now on.
func (l *lane) giveUpNumber() {
	l.snapshot(true)
	for src := range l.folders {
		l.unread(src)
	}
	if l.owns() {
		l.seen = l.lastLook()
	}
	l.follower()
	close(l.leaving.done)
	l.leaving = nil
}

// lastLook is what the lane itself knows of the input that it folds, so that nobody takes it for complete before the first look from
// outside. What waits to be taken in is not within the bounds: then only what arrived before the last folded record is.
func (l *lane) lastLook() look {
	seen := look{map[source]bus.Range{}, horizon(time.Now())}
	for src, f := range l.folders {
		log := bus.Range{Start: f.foldFrom, End: f.high}
		if c := l.journal.chains[src]; c != nil {
			log.Start = c.Begin
		}
		if f.past != nil { // what is still to be counted again will not be
			log.Start = f.next
		}
		seen.logs[src] = log
		if l.inbox.Load() > 0 {
			seen.at = min(seen.at, f.arrival)
		}
	}
	return seen
}

// promote makes a lane that follows the owner of its number.
func (n *session) promote(l *lane) error {
	start := time.Now()
	correlations, err := n.bus.Offsets(n.live, event.TopicCorrelations)
	if err != nil {
		return fmt.Errorf("bounds of %s: %w", event.TopicCorrelations, err)
	}
	snapshot := l.newest()
	var caught <-chan struct{}
	if err := n.ask(l, func() {
		if l.joins.works() {
			l.inherit(snapshot, correlations[event.TopicCorrelations][l.joins.partition()])
			n.joined.ask(seek{source: source{Topic: event.TopicCorrelations, Partition: l.joins.partition()}, offset: l.joins.next})
		} else {
			l.inherit(snapshot, bus.Range{})
		}
		caught = l.joins.caught
	}); err != nil {
		return err
	}
	select {
	case <-caught:
	case <-n.live.Done():
		return n.live.Err()
	}
	logs, err := n.bounds(l)
	if err != nil {
		return err
	}
	err = n.ask(l, func() {
		for src, offset := range l.start(l.since(logs[l.number]), time.Now()) {
			l.again(l.folders[src], offset)
		}
	})
	if err == nil {
		n.log.Info("partition number is folded here", "number", l.number, "after", time.Since(start).Round(time.Millisecond), "snapshot", snapshot != nil)
	}
	return err
}

// demote makes a lane that owns its number follow it, once what it has folded counts; at the latest when patience ends.
func (n *session) demote(l *lane) error {
	done := make(chan struct{})
	if err := n.ask(l, func() { l.leaving = &leaving{done} }); err != nil {
		return err
	}
	timer := time.NewTimer(handover)
	defer timer.Stop()
	select {
	case <-done:
	case <-n.live.Done():
		return n.live.Err()
	case <-timer.C:
		n.log.Warn("what was folded does not count in time, the next owner folds it again", "number", l.number)
		if err := n.ask(l, func() {
			if l.leaving != nil {
				l.giveUpNumber()
			}
		}); err != nil {
			return err
		}
	}
	n.log.Info("partition number is folded by another instance", "number", l.number)
	return nil
}

// handover is how long a lane that gives its number up waits for what it has folded.
const handover = 3 * time.Second

// role keeps a lane owner or follower, as the group wants it, until the session ends. A broker that does not answer meanwhile, as when
// groups are shared out anew, is asked again: the other lanes have no part in it.
func (n *session) role(l *lane, owner bool) error {
	for {
		wanted, changed := n.duties.wants(l.number)
		if wanted == owner {
			select {
			case <-changed:
				continue
			case <-n.live.Done():
				return nil
			}
		}
		if !wanted {
			if err := n.demote(l); err != nil {
				return err
			}
			n.duties.hold(l.number, false)
			n.moved(l.number)
			owner = false
			continue
		}
		n.duties.hold(l.number, true)
		err := n.promote(l)
		if owner = err == nil; owner {
			n.moved(l.number)
			continue
		}
		if err := n.ask(l, l.follower); err != nil {
			return err
		}
		n.duties.hold(l.number, false)
		n.log.Warn("partition number cannot be folded here yet, trying again", "number", l.number, "error", err)
		select {
		case <-time.After(retryPause):
		case <-n.live.Done():
			return nil
		}
	}
}

// moved notes that a number came here from another instance, or went to one.
func (n *session) moved(number int32) {
	n.duties.move(number)
	n.metrics.moves.Inc()
}

// limits are bounds of logs, and how far the journal was before they were looked at.
type limits struct {
	logs    map[source]bus.Range
	counted map[source]int64
}

// since is what the bounds mean by now: others may have counted what was written after the look. Only what counted before it and lies
// behind the end was cut off.
func (l *lane) since(seen limits) map[source]bus.Range {
	for src, c := range l.journal.chains {
		if log, known := seen.logs[src]; known && seen.counted[src] <= log.End {
			log.End = max(log.End, c.To)
			seen.logs[src] = log
		}
	}
	return seen.logs
}

// bounds looks at the logs of the input of some lanes, by number.
func (n *session) bounds(lanes ...*lane) (map[int32]limits, error) {
	out := map[int32]limits{}
	for _, l := range lanes {
		if err := n.ask(l, func() { out[l.number] = limits{map[source]bus.Range{}, l.journal.positions()} }); err != nil {
			return nil, err
		}
	}
	all, err := n.layout.sources(n.live, n.bus)
	if err != nil {
		return nil, err
	}
	for src, log := range all {
		if of, wanted := out[src.Partition]; wanted {
			of.logs[src] = log
		}
	}
	return out, nil
}

// lookEach is the time between two looks at the input of followers: their clock goes on with them.
const lookEach = 250 * time.Millisecond

// lookOn tells the lanes that follow how far their input goes, until the session ends.
func (n *session) lookOn() {
	tick := time.NewTicker(lookEach)
	defer tick.Stop()
	kept := time.Now()
	for {
		select {
		case <-n.live.Done():
			return
		case <-tick.C:
		}
		if len(n.duties.holding()) == len(n.lanes) {
			continue
		}
		at := time.Now()
		keep := at.Sub(kept) > 2*n.cfg.SnapshotEvery
		if keep {
			kept = at
		}
		logs, err := n.layout.sources(n.live, n.bus)
		if err != nil {
			n.log.Debug("the bounds of the input are not known", "error", err)
			continue
		}
		for number, of := range byNumber(logs, len(n.lanes)) {
			l := n.lanes[number]
			if n.duties.holds(l.number) {
				continue
			}
			if n.ask(l, func() {
				l.observe(look{of, horizon(at)})
				if keep { // the owner's snapshots are about as old
					n.keepPositions(snapshotFile{lane: l, needs: l.journal.positions()})
				}
			}) != nil {
				return
			}
		}
	}
}

// byNumber sorts sources by their partition numbers.
func byNumber(logs map[source]bus.Range, numbers int) []map[source]bus.Range {
	by := make([]map[source]bus.Range, numbers)
	for i := range by {
		by[i] = map[source]bus.Range{}
	}
	for src, log := range logs {
		by[src.Partition][src] = log
	}
	return by
}

// newProgram names a time during which a lane owns its number, so that it knows its own records.
func newProgram() (program [16]byte) {
	_, _ = rand.Read(program[:])
	return program
}
