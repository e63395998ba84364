package stream

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
)

// errLayout says that an input topic has grown, was deleted or was made anew.
var errLayout = errors.New("the input topics have changed")

// errLeader says that a partition cannot be read at the moment.
var errLeader = errors.New("the partition has no leader")

// layout is the shape of the topics that a session stands on.
type layout struct {
	journal bus.Shape
	joined  bus.Shape            // hxp-correlations
	inputs  map[string]bus.Shape // by name; those that exist
}

// joinNumbers is how many there are: as many as hxp-joins has partitions.
func (l *layout) joinNumbers() int { return l.inputs[event.TopicJoins].Partitions }

// inputTopics are the topics that lanes read: those of the four kinds, and what other lanes hand over to be joined.
var (
	inputTopics = append([]string{event.TopicJoins}, kindTopics...)
	watched     = append([]string{event.TopicPanes, event.TopicCorrelations}, inputTopics...)
)

// look asks for the shape of the topics. The journal is made when it is missing, and grown when an input topic has more
// partitions: each partition number of the input has its partition of the journal. hxp-joins and hxp-correlations are made when they are missing.
func (s *Service) look(ctx context.Context) (*layout, error) {
	for {
		l, err := s.shape(ctx)
		if err != nil {
			return nil, err
		}
		need := 1
		for _, t := range l.inputs {
			need = max(need, t.Partitions)
		}
		joins, _ := event.TopicNamed(event.TopicJoins)
		joined, _ := event.TopicNamed(event.TopicCorrelations)
		switch {
		case l.joinNumbers() == 0 || l.joined.Partitions == 0:
			err = s.bus.EnsureTopics(ctx, []event.Topic{joins, joined})
		case l.journal.Partitions >= need:
			return l, nil
		case l.journal.Partitions == 0:
			s.log.Warn("the journal of the windows does not exist and is made", "topic", event.TopicPanes, "partitions", need)
			err = s.bus.EnsureTopics(ctx, []event.Topic{{Name: event.TopicPanes, Partitions: need}})
		default:
			s.log.Info("the journal of the windows grows with the input topics", "topic", event.TopicPanes, "from", l.journal.Partitions, "to", need)
			err = s.bus.Grow(ctx, event.TopicPanes, need)
		}
		if err != nil {
			return nil, err
		}
	}
}

func (s *Service) shape(ctx context.Context) (*layout, error) {
	shapes, err := s.bus.Shapes(ctx, watched...)
	if err != nil {
		return nil, err
	}
	l := &layout{journal: shapes[event.TopicPanes], joined: shapes[event.TopicCorrelations], inputs: shapes}
	delete(l.inputs, event.TopicPanes)
	delete(l.inputs, event.TopicCorrelations)
	return l, nil
}

// missing names the input topics that do not exist.
func (l *layout) missing() (names []string) {
	for _, t := range kindTopics {
		if _, ok := l.inputs[t]; !ok {
			names = append(names, t)
		}
	}
	return names
}

// sources returns the bounds of the log of every input partition.
func (l *layout) sources(ctx context.Context, b *bus.Bus) (map[source]bus.Range, error) {
	logs, err := b.Offsets(ctx, slices.Collect(maps.Keys(l.inputs))...)
	if err != nil {
		return nil, fmt.Errorf("bounds of the input topics: %w", err)
	}
	out := map[source]bus.Range{}
	for topic, shape := range l.inputs {
		for p := range int32(shape.Partitions) {
			log, ok := logs[topic][p]
			if !ok {
				return nil, fmt.Errorf("bounds of %s/%d: %w", topic, p, errLeader)
			}
			out[source{TopicID: shape.ID, Topic: topic, Partition: p}] = log
		}
	}
	return out, nil
}

// differs tells in what a later look differs, as an error that ends the session.
func (l *layout) differs(now *layout) error {
	if now.journal != l.journal {
		if now.journal.ID == l.journal.ID {
			return fmt.Errorf("%w: %s has %d partitions now", errLayout, event.TopicPanes, now.journal.Partitions)
		}
		return fmt.Errorf("%w: %s was deleted or made anew", errJournal, event.TopicPanes)
	}
	if maps.Equal(l.inputs, now.inputs) && l.joined == now.joined {
		return nil
	}
	var what []string
	if l.joined != now.joined {
		what = append(what, event.TopicCorrelations+" is another one")
	}
	for _, t := range inputTopics {
		was, is := l.inputs[t], now.inputs[t]
		switch {
		case was == is:
		case is.ID == "":
			what = append(what, t+" was deleted")
		case was.ID != is.ID:
			what = append(what, t+" is new")
		default:
			what = append(what, fmt.Sprintf("%s has %d partitions instead of %d", t, is.Partitions, was.Partitions))
		}
	}
	return fmt.Errorf("%w: %s", errLayout, strings.Join(what, ", "))
}

// lookEvery is the time between two looks at the shape of the topics.
const lookEvery = time.Second

// watch ends with an error when the shape of the topics is no longer l, and with nil when ctx ends.
func (s *Service) watch(ctx context.Context, l *layout) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		now, err := s.shape(ctx)
		if err != nil {
			s.log.Debug("the topics could not be looked at", "error", err)
			continue
		}
		if err := l.differs(now); err != nil {
			return err
		}
	}
}
