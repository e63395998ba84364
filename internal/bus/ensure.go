package bus

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// EnsureTopics creates the topics that are missing and returns when all can be written. A topic that exists but differs
// from the wish is left alone, with a warning.
func (b *Bus) EnsureTopics(ctx context.Context, wish []event.Topic) error {
	have, err := b.admin.ListTopics(ctx, names(wish)...)
	if err != nil {
		return fmt.Errorf("list topics: %w", classify(err))
	}
	for _, t := range wish {
		if d, ok := have[t.Name]; ok && d.Err == nil {
			for _, diff := range b.shapeDifferences(t, len(d.Partitions), d.Partitions.NumReplicas()) {
				b.log.Warn("topic is not as configured; it is used as it is", "topic", t.Name, "setting", diff.Setting, "has", diff.Has, "configured", diff.Configured)
			}
			continue
		}
		if err := b.create(ctx, t); err != nil {
			return err
		}
	}
	return b.awaitLeaders(ctx, wish)
}

func names(topics []event.Topic) []string {
	out := make([]string, len(topics))
	for i, t := range topics {
		out[i] = t.Name
	}
	return out
}

// create makes a topic as wished, or as near to the wish as these brokers come, which is said.
func (b *Bus) create(ctx context.Context, t event.Topic) error {
	retention := "-1"
	if t.Retention > 0 {
		retention = strconv.FormatInt(t.Retention.Milliseconds(), 10)
	}
	configs := map[string]*string{"cleanup.policy": new("delete"), "retention.ms": &retention}
	partitions := atMost(or(t.Partitions, b.cfg.TopicPartitions), b.cfg.MostPartitions)
	replicas := atMost(b.cfg.Replication, b.cfg.MostReplicas)
	for _, diff := range b.shapeDifferences(t, partitions, replicas) {
		b.log.Warn("topic cannot be made as configured", "topic", t.Name, "setting", diff.Setting, "has", diff.Has, "configured", diff.Configured, "reason", diff.Detail)
	}
	for {
		made, err := b.admin.CreateTopic(ctx, int32(partitions), int16(replicas), configs, t.Name)
		switch {
		case err == nil, errors.Is(err, kerr.TopicAlreadyExists):
			return nil
		case Retryable(err) && sleep(ctx, 200*time.Millisecond):
		default:
			return fmt.Errorf("create topic %s with %d partitions and %d replicas: %w", t.Name, partitions, replicas, refused(err, made.ErrMessage))
		}
	}
}

func atMost(n, most int) int {
	if most > 0 {
		return min(n, most)
	}
	return n
}

// Difference says in what a topic is not as configured. It is told and never mended in silence.
type Difference struct {
	Setting    string `json:"setting"`
	Has        string `json:"has"`
	Configured string `json:"configured"`
	Detail     string `json:"detail"`

	Loses bool `json:"-"` // it costs records, or will
}

// shapeDifferences compares what cannot be changed back. The journal of the windows has as many partitions as the largest input
// topic, and hxp-joins keeps those that it was made with; their numbers are not configured.
func (b *Bus) shapeDifferences(t event.Topic, partitions, replicas int) (out []Difference) {
	if want := or(t.Partitions, b.cfg.TopicPartitions); partitions != want && t.Name != event.TopicPanes && t.Name != event.TopicJoins {
		d := Difference{Setting: "partitions", Has: strconv.Itoa(partitions), Configured: strconv.Itoa(want), Detail: "more can be given with PATCH /topics/" + t.Name + "; fewer are not possible"}
		switch {
		case want > partitions && partitions == b.cfg.MostPartitions:
			d.Detail = fmt.Sprintf("the embedded broker has at most %d partitions a topic", partitions)
		case want < partitions:
			d.Detail = "a topic never gets fewer partitions"
		}
		out = append(out, d)
	}
	if replicas != b.cfg.Replication {
		d := Difference{Setting: "replication_factor", Has: strconv.Itoa(replicas), Configured: strconv.Itoa(b.cfg.Replication), Detail: "replicas are moved with the tools of the brokers (kafka-reassign-partitions)"}
		if replicas == b.cfg.MostReplicas {
			d.Detail = "the embedded broker is a single one and keeps one replica"
		}
		out = append(out, d)
	}
	return out
}

// differences are those of a topic that hxp makes for itself, those settings included that would cost it records.
func (b *Bus) differences(info *TopicInfo) []Difference {
	t, own := event.TopicNamed(info.Name)
	if !own {
		return nil
	}
	out := b.shapeDifferences(t, info.Partitions, info.Replication)
	if policy := info.Configs["cleanup.policy"]; policy != "" && policy != "delete" {
		out = append(out, Difference{"cleanup.policy", policy, "delete", "compaction removes events that share a key: set it back", true})
	}
	if t.Retention == 0 && info.RetentionMS >= 0 {
		out = append(out, Difference{"retention.ms", strconv.FormatInt(info.RetentionMS, 10), "-1", "hxp itself decides what of this topic may go: set it back", true})
	}
	return out
}

// awaitLeaders waits until every partition has a leader: brokers answer CreateTopics a moment before that.
func (b *Bus) awaitLeaders(ctx context.Context, wish []event.Topic) error {
	for {
		have, err := b.admin.ListTopics(ctx, names(wish)...)
		if err == nil {
			err = leaders(have, wish)
		}
		if err == nil {
			return nil
		}
		if !sleep(ctx, 10*time.Millisecond) {
			return fmt.Errorf("wait for topics: %w: %w", context.Cause(ctx), classify(err))
		}
	}
}

func leaders(have kadm.TopicDetails, wish []event.Topic) error {
	for _, t := range wish {
		d, ok := have[t.Name]
		if !ok {
			return fmt.Errorf("%s: %w", t.Name, ErrUnknownTopic)
		}
		if d.Err != nil {
			return fmt.Errorf("%s: %w", t.Name, d.Err)
		}
		for _, p := range d.Partitions {
			if p.Err != nil || p.Leader < 0 {
				return fmt.Errorf("%s/%d has no leader: %w", t.Name, p.Partition, cmp.Or[error](p.Err, kerr.LeaderNotAvailable))
			}
		}
	}
	return nil
}

// sleep waits for d; it is false when ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
