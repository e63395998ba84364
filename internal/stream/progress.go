package stream

import (
	"maps"
	"math"
	"slices"
	"time"

	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/sorting"
)

// progress is what is known of one input partition.
type progress struct {
	Next, High int64
	Counted    int64
	Arrival    int64 // of the last record that counts, microseconds
	Quiet      bool  // read to the end, and all of it counts
	Watermark  int64 // microseconds; noWatermark when nothing was seen
	Idle       bool
	Lost       int64
	GapReason  string
	Tally      tally
	Reach      int64 // broker time of the oldest identity the duplicate filter knows, microseconds
	Partial    bool  // and there were older ones
	Blind      int64 // records whose identities the filter does not know although they count
	Again      int64 // records below Counted that are still to be counted again
	Unseen     int64 // records below Counted that another instance counted, which this one does not know of
	Seen       int64 // of a follower: when its bounds were looked at, microseconds; 0 = they are those of the reader
}

// publish lets queries see how far f is.
func (l *lane) publish(f *folder) {
	if f.src.Topic == event.TopicJoins { // not a topic that anybody asks about
		return
	}
	p := progress{Next: f.next, High: f.high, Watermark: noWatermark, Idle: f.idle, Quiet: f.exhausted()}
	p.Reach, p.Partial = f.filter.reach()
	p.Blind = f.filter.blind.records
	if f.past != nil {
		p.Again = f.past.end - f.next
	}
	if c := l.journal.chains[f.src]; c != nil {
		p.tell(c)
	}
	l.mu.Lock()
	l.progress[f.src] = p
	l.mu.Unlock()
}

// tell takes over what counts.
func (p *progress) tell(c *chain) {
	p.Arrival = c.Arrival
	p.Counted, p.Watermark, p.Idle, p.Lost, p.GapReason, p.Tally = c.To, c.Watermark, c.Idle, c.Lost, c.GapReason, c.Tally
}

// progressOf copies what is known of the lane's partitions.
func (l *lane) progressOf() map[source]progress {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.progress)
}

// nameless copies what is known of every input partition, in no order. Questions that are asked thousands of times a second need no names, and a
// table of them is most of what they would leave to the collector.
func (s *Service) nameless() []progress {
	lanes := s.allLanes()
	all := make([]progress, 0, len(lanes)*len(kindTopics))
	for _, l := range lanes {
		l.mu.Lock()
		all = slices.AppendSeq(all, maps.Values(l.progress))
		l.mu.Unlock()
	}
	return all
}

// watermark is the time up to which everything has been seen, over the partitions given, in microseconds.
func watermark(ps []progress, disorder time.Duration, now time.Time) int64 {
	low := int64(math.MaxInt64)
	for _, p := range ps {
		w := p.Watermark
		if p.Idle {
			w = max(w, now.Add(-disorder).UnixMicro())
		}
		low = min(low, w)
	}
	if low == math.MaxInt64 {
		return noWatermark
	}
	return low
}

// current are the partitions that tell how far that is which comes now. Those to which nothing was ever written do not, for all that
// there is of them has been seen; nor do those that hold nothing but ancient events, such as an old trace, unless there are no others.
// What is to be final is another matter: whatever comes to them next may be of any time, so there they count until they are idle. The list is
// used again.
func current(ps []progress) []progress {
	silent := func(p progress) bool { return !p.Idle && p.High == 0 && p.Watermark == noWatermark }
	old := func(p progress) bool {
		return !p.Idle && p.Watermark != noWatermark && p.Arrival-p.Watermark > ancientAfter.Microseconds()
	}
	ps = slices.DeleteFunc(ps, silent)
	if slices.ContainsFunc(ps, func(p progress) bool { return !old(p) }) {
		ps = slices.DeleteFunc(ps, old)
	}
	return ps
}

// sortedSources lists sources by topic and partition.
func sortedSources[V any](m map[source]V) []source {
	out := make([]source, 0, len(m))
	for s := range m {
		out = append(out, s)
	}
	sorting.By(out, func(a, b source) int {
		if a.Topic != b.Topic {
			return slices.Index(kindTopics, a.Topic) - slices.Index(kindTopics, b.Topic)
		}
		return int(a.Partition - b.Partition)
	})
	return out
}

var kindTopics = func() (topics []string) {
	for _, k := range event.Kinds {
		topics = append(topics, k.Topic())
	}
	return topics
}()

// completeness is the share of the records written so far that was read: what is behind, to be
// counted again or lost is missing.
func completeness(parts []progress) float64 {
	var have, all int64
	for _, p := range parts {
		behind := max(p.High-p.Counted, 0)
		have += p.Tally.Records
		all += p.Tally.Records + behind + p.Lost + p.Again + p.Unseen
	}
	if all == 0 {
		return 1
	}
	return float64(have) / float64(all)
}
