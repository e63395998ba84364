package stream

import (
	"context"
	"fmt"
	"maps"
	"os"
	"time"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
)

// startJudge lets the judge work, from where it was before. It goes on over sessions.
func (s *Service) startJudge(ctx context.Context, journal bus.Shape, lanes []*lane) error {
	j := s.judge
	if j == nil || j.stop != nil {
		return nil
	}
	logs, err := s.bus.Offsets(ctx, event.TopicPanes)
	if err != nil {
		return fmt.Errorf("bounds of the journal %s: %w", event.TopicPanes, err)
	}
	out, err := s.bus.NewProducer(bus.ProducerOptions{})
	if err != nil {
		return err
	}
	j.reset()
	j.alerts.out = out // a single event may be told of while the journal is read
	if err := j.begin(ctx, journal, lanes, logs[event.TopicPanes]); err != nil {
		out.Close()
		return fmt.Errorf("take up the state of the rules: %w", err)
	}
	drain, giveUp := context.WithCancel(context.WithoutCancel(ctx))
	done, deaf := make(chan struct{}), make(chan struct{})
	listening, stop := context.WithCancel(drain)
	ear := &listener{judge: j, topic: j.alerts.topic, next: maps.Clone(j.alerts.next)}
	go func() {
		defer close(deaf)
		ear.run(listening)
	}()
	go func() {
		defer close(done)
		j.run(drain)
	}()
	j.stop = func() {
		stop()
		<-deaf
		close(j.in)
		timer := time.AfterFunc(drainTime, giveUp)
		<-done
		timer.Stop()
		giveUp()
		out.Close()
		s.duties.tell(false)
	}
	return nil
}

// stopJudge waits for the judge, when no lane works any longer.
func (s *Service) stopJudge() {
	if s.judge != nil && s.judge.stop != nil {
		s.judge.stop()
	}
}

// begin takes up what was before: the newest state, what hxp-alerts says since, and what the journal has up to where the
// lanes begin. Without a state, as when all that there was before was killed in its first second, that is all that the journal has.
func (j *judge) begin(ctx context.Context, journal bus.Shape, lanes []*lane, logs map[int32]bus.Range) error {
	j.restore()
	if err := j.readAlerts(ctx); err != nil {
		return fmt.Errorf("%s: %w", event.TopicAlerts, err)
	}
	j.alerts.early = early{left: j.alerts.opened(), last: j.alerts.latest()}
	j.telling, _ = j.duties.wants(tellerNumber)
	if j.places.journal == "" {
		j.places.journal = journal.ID
	}
	if j.places.journal != journal.ID {
		return nil
	}
	for _, l := range lanes {
		from, to := j.places.parts[l.number].resume, l.journal.next
		if start := logs[l.number].Start; from < start && from < to {
			j.log.Error("the journal does not reach back to the state of the rules: they have not seen everything", "partition", l.number, "state", from, "journal_start", start)
			from = start
		}
		if from >= to {
			continue
		}
		if err := j.readJournal(ctx, l.number, from, to); err != nil {
			return err
		}
	}
	return nil
}

// restore takes the newest state that is whole.
func (j *judge) restore() {
	j.saver.goOn(j.dir())
	numbers, err := snapshotOffsets(j.dir())
	if err != nil {
		j.log.Error("states of the rules cannot be listed", "dir", j.dir(), "error", err)
	}
	for _, n := range numbers {
		data, err := os.ReadFile(j.saver.path(j.dir(), n))
		if err == nil {
			err = j.load(data)
		}
		if err == nil {
			j.saver.kept(n, j.places)
			return
		}
		j.log.Error("state of the rules is not usable, trying the one before", "number", n, "error", err)
	}
}

// readAlerts reads what hxp-alerts has that is not known yet.
func (j *judge) readAlerts(ctx context.Context) error {
	shapes, err := j.bus.Shapes(ctx, event.TopicAlerts)
	if err != nil || shapes[event.TopicAlerts].ID == "" {
		return err
	}
	if id := shapes[event.TopicAlerts].ID; id != j.alerts.topic {
		j.alerts.topic, j.alerts.next = id, map[int32]int64{}
	}
	logs, err := j.bus.Offsets(ctx, event.TopicAlerts)
	if err != nil {
		return err
	}
	from, left := map[int32]int64{}, map[int32]int64{}
	for p, log := range logs[event.TopicAlerts] {
		from[p] = max(j.alerts.next[p], log.Start)
		if from[p] < log.End {
			left[p] = log.End
		}
		j.alerts.next[p] = log.End
	}
	maps.DeleteFunc(from, func(p int32, _ int64) bool { return left[p] == 0 })
	now := time.Now()
	return j.read(ctx, event.TopicAlerts, from, left, func(m *bus.Message) {
		if d := j.alerts.parse(m.Value, now); d != nil {
			j.alerts.record(d)
		}
	})
}

// read shows the messages from some offsets up to others.
func (j *judge) read(ctx context.Context, topic string, from, to map[int32]int64, show func(*bus.Message)) error {
	if len(to) == 0 {
		return nil
	}
	r, err := j.bus.NewReader(map[string]map[int32]int64{topic: from}, bus.ReaderOptions{})
	if err != nil {
		return err
	}
	defer r.Close()
	for len(to) > 0 {
		fetch, err := r.Poll(ctx)
		if err != nil {
			return err
		}
		for _, b := range fetch {
			if b.Err != nil {
				return fmt.Errorf("%s/%d cannot be read: %w", topic, b.Partition, b.Err)
			}
			for _, m := range b.Messages {
				if m.Offset < to[b.Partition] {
					show(m)
				}
			}
			if b.Next >= to[b.Partition] {
				delete(to, b.Partition)
			}
		}
	}
	return nil
}

// readJournal merges the units of a partition of the journal that count and are new.
func (j *judge) readJournal(ctx context.Context, partition int32, from, to int64) error {
	read := newJournal()
	for src, at := range j.places.chains {
		read.chains[src] = &chain{To: at}
	}
	seen := j.places.parts[partition].seen
	return j.read(ctx, event.TopicPanes, map[int32]int64{partition: from}, map[int32]int64{partition: to}, func(m *bus.Message) {
		v, err := read.read(m.Offset, m.Value)
		if err != nil || v == nil || !v.counted || m.Offset < seen {
			return // lanes tell of what is damaged
		}
		j.merge(merge{journal: j.places.journal, partition: partition, offset: m.Offset, resume: read.resume(), source: v.header.Source, to: v.header.To, records: v.header.Tally.Records, after: v.after, blocks: j.blocks(v), arrived: gathered(v)})
	})
}
