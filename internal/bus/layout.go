package bus

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

// Shape is what can change of a topic under those who read it.
type Shape struct {
	ID         string // 32 hex digits; a topic made anew under the same name has another
	Partitions int
}

// Shapes asks the brokers for the shape of the named topics, in one question. A topic that does not exist is missing in the
// answer.
func (b *Bus) Shapes(ctx context.Context, topics ...string) (map[string]Shape, error) {
	have, err := b.admin.ListTopics(ctx, topics...)
	if err != nil {
		return nil, fmt.Errorf("list topics: %w", classify(err))
	}
	out := make(map[string]Shape, len(topics))
	for _, name := range topics {
		switch d, ok := have[name]; {
		case !ok || errors.Is(d.Err, kerr.UnknownTopicOrPartition):
		case d.Err != nil:
			return nil, fmt.Errorf("topic %s: %w", name, classify(d.Err))
		case d.ID == kadm.TopicID{}:
			return nil, fmt.Errorf("topic %s: the broker gives no topic ids; Apache Kafka 2.8 or newer is needed", name)
		default:
			out[name] = Shape{ID: hex.EncodeToString(d.ID[:]), Partitions: len(d.Partitions)}
		}
	}
	return out, nil
}

// Grow gives a topic more partitions, so that it has at least that many, and returns when they can be written.
func (b *Bus) Grow(ctx context.Context, topic string, partitions int) error {
	grown, err := b.admin.UpdatePartitions(ctx, partitions, topic)
	if err != nil {
		return fmt.Errorf("grow topic %s to %d partitions: %w", topic, partitions, classify(err))
	}
	r, err := grown.On(topic, nil)
	if err == nil {
		err = r.Err
	}
	if err != nil && !errors.Is(err, kerr.InvalidPartitions) {
		return fmt.Errorf("grow topic %s to %d partitions: %w", topic, partitions, refused(err, r.ErrMessage))
	}
	for { // somebody else may have grown it first; the broker answers a moment before all partitions have leaders
		have, listErr := b.admin.ListTopics(ctx, topic)
		if listErr == nil {
			d := have[topic]
			if len(d.Partitions) < partitions && err != nil {
				return fmt.Errorf("grow topic %s from %d to %d partitions: %w", topic, len(d.Partitions), partitions, classify(err))
			}
			listErr = leadersOf(d, partitions)
		}
		if listErr == nil {
			return nil
		}
		if !sleep(ctx, backoff(0)) {
			return fmt.Errorf("wait for topic %s: %w: %w", topic, context.Cause(ctx), classify(listErr))
		}
	}
}

// leadersOf wants a topic to have so many partitions, each with a leader.
func leadersOf(d kadm.TopicDetail, partitions int) error {
	if d.Err != nil {
		return d.Err
	}
	if len(d.Partitions) < partitions {
		return fmt.Errorf("%s has %d partitions: %w", d.Topic, len(d.Partitions), kerr.LeaderNotAvailable)
	}
	for _, p := range d.Partitions {
		if p.Err != nil || p.Leader < 0 {
			return fmt.Errorf("%s/%d: %w", d.Topic, p.Partition, kerr.LeaderNotAvailable)
		}
	}
	return nil
}
