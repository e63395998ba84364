package bus

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// Range are the bounds of a log: the first offset that it holds and the one that the next message will get.
type Range struct{ Start, End int64 }

// TopicInfo describes a topic.
type TopicInfo struct {
	Name           string
	ID             string // 32 hex digits; a topic made anew under the same name has another
	Partitions     int
	Replication    int
	RetentionMS    int64           // -1 = kept for ever
	RetentionBytes int64           // for each partition; -1 = without limit
	Offsets        map[int32]Range // partitions whose leader is away are missing
	Messages       int64           // sum of End-Start: an upper bound, markers of transactions count too
	Bytes          int64           // on the disks of the leaders; -1 when the brokers do not tell
	Internal       bool
	Configs        map[string]string // all settings in force, by Kafka's names
}

// EnsureTopics creates the topics that are missing and returns when all can be written. A topic that exists but differs
// from the wish is left alone, with a warning.
func (b *Bus) EnsureTopics(ctx context.Context, wish []event.Topic) error {
	have, err := b.admin.ListTopics(ctx, names(wish)...)
	if err != nil {
		return fmt.Errorf("list topics: %w", classify(err))
	}
	for _, t := range wish {
		partitions := or(t.Partitions, b.cfg.TopicPartitions)
		if d, ok := have[t.Name]; ok && d.Err == nil {
			if len(d.Partitions) != partitions {
				b.log.Warn("topic has another number of partitions than configured; it is used as it is",
					"topic", t.Name, "has", len(d.Partitions), "configured", partitions)
			}
			continue
		}
		if err := b.create(ctx, t, partitions); err != nil {
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

func (b *Bus) create(ctx context.Context, t event.Topic, partitions int) error {
	retention := "-1"
	if t.Retention > 0 {
		retention = strconv.FormatInt(t.Retention.Milliseconds(), 10)
	}
	configs := map[string]*string{"cleanup.policy": new("delete"), "retention.ms": &retention}
	for {
		_, err := b.admin.CreateTopic(ctx, int32(partitions), int16(b.cfg.Replication), configs, t.Name)
		switch {
		case err == nil, errors.Is(err, kerr.TopicAlreadyExists):
			return nil
		case Retryable(err) && sleep(ctx, 200*time.Millisecond):
		default:
			return fmt.Errorf("create topic %s with %d partitions and %d replicas: %w", t.Name, partitions, b.cfg.Replication, classify(err))
		}
	}
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

// Describe describes the named topics, or all except those internal to Kafka. It asks the brokers five things, so it is
// not for hot paths.
func (b *Bus) Describe(ctx context.Context, topics ...string) ([]TopicInfo, error) {
	details, err := b.admin.ListTopics(ctx, topics...)
	if err != nil {
		return nil, fmt.Errorf("list topics: %w", classify(err))
	}
	found := details.Names()
	if len(found) == 0 {
		return nil, nil
	}
	offsets, err := b.Offsets(ctx, found...)
	if err != nil {
		return nil, err
	}
	configs, err := b.configs(ctx, found)
	if err != nil {
		return nil, err
	}
	bytes := b.bytes(ctx, details.TopicsSet())
	out := make([]TopicInfo, 0, len(found))
	for _, d := range details.Sorted() {
		if d.Err != nil {
			if len(topics) > 0 {
				return nil, fmt.Errorf("topic %s: %w", d.Topic, classify(d.Err))
			}
			continue
		}
		out = append(out, describe(d, offsets[d.Topic], configs[d.Topic], bytes))
	}
	return out, nil
}

func describe(d kadm.TopicDetail, offsets map[int32]Range, configs map[string]string, bytes map[string]int64) TopicInfo {
	info := TopicInfo{
		Name: d.Topic, ID: hex.EncodeToString(d.ID[:]), Partitions: len(d.Partitions), Replication: d.Partitions.NumReplicas(),
		RetentionMS: number(configs["retention.ms"]), RetentionBytes: number(configs["retention.bytes"]),
		Offsets: offsets, Bytes: -1, Internal: internal(d.Topic), Configs: configs,
	}
	for _, r := range offsets {
		info.Messages += r.End - r.Start
	}
	if n, ok := bytes[d.Topic]; ok {
		info.Bytes = n
	}
	return info
}

func internal(topic string) bool {
	if strings.HasPrefix(topic, "__") {
		return true
	}
	return slices.ContainsFunc(event.Topics, func(t event.Topic) bool { return t.Name == topic && t.Internal })
}

func number(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return -1
	}
	return n
}

func (b *Bus) configs(ctx context.Context, topics []string) (map[string]map[string]string, error) {
	described, err := b.admin.DescribeTopicConfigs(ctx, topics...)
	if err != nil {
		return nil, fmt.Errorf("describe configs: %w", classify(err))
	}
	out := make(map[string]map[string]string, len(described))
	for _, rc := range described {
		m := make(map[string]string, len(rc.Configs))
		for _, c := range rc.Configs {
			m[c.Key] = c.MaybeValue()
		}
		out[rc.Name] = m
	}
	return out, nil
}

// bytes sums what the leaders' log folders hold. Not every broker answers (managed ones often refuse), so a failure is
// an unknown size and no error.
func (b *Bus) bytes(ctx context.Context, set kadm.TopicsSet) map[string]int64 {
	dirs, err := b.admin.DescribeAllLogDirs(ctx, set)
	if err != nil {
		return nil
	}
	largest := map[string]map[int32]int64{} // of the replicas of a partition
	for _, broker := range dirs {
		for _, dir := range broker {
			dir.Topics.Each(func(p kadm.DescribedLogDirPartition) {
				if largest[p.Topic] == nil {
					largest[p.Topic] = map[int32]int64{}
				}
				largest[p.Topic][p.Partition] = max(largest[p.Topic][p.Partition], p.Size)
			})
		}
	}
	out := make(map[string]int64, len(largest))
	for t, parts := range largest {
		for n := range maps.Values(parts) {
			out[t] += n
		}
	}
	return out
}

// Offsets returns the bounds of the logs of the named topics. Partitions without a leader are missing in the answer; a
// topic that does not exist is an error.
func (b *Bus) Offsets(ctx context.Context, topics ...string) (map[string]map[int32]Range, error) {
	if len(topics) == 0 {
		return map[string]map[int32]Range{}, nil // the library would list every topic
	}
	starts, err := b.admin.ListStartOffsets(ctx, topics...)
	if err == nil {
		err = unknown(starts)
	}
	if err != nil {
		return nil, fmt.Errorf("list start offsets: %w", classify(err))
	}
	ends, err := b.admin.ListEndOffsets(ctx, topics...)
	if err != nil {
		return nil, fmt.Errorf("list end offsets: %w", classify(err))
	}
	out := make(map[string]map[int32]Range, len(starts))
	starts.Each(func(s kadm.ListedOffset) {
		e, ok := ends.Lookup(s.Topic, s.Partition)
		if !ok || s.Err != nil || e.Err != nil {
			return
		}
		if out[s.Topic] == nil {
			out[s.Topic] = map[int32]Range{}
		}
		out[s.Topic][s.Partition] = Range{Start: s.Offset, End: e.Offset}
	})
	return out, nil
}

func unknown(offsets kadm.ListedOffsets) error {
	var missing error
	offsets.Each(func(o kadm.ListedOffset) {
		if o.Err != nil && errors.Is(o.Err, kerr.UnknownTopicOrPartition) {
			missing = fmt.Errorf("%s: %w", o.Topic, o.Err)
		}
	})
	return missing
}

// DeleteRecords deletes everything before the given offsets (partition → offset). An offset before the start is fine.
func (b *Bus) DeleteRecords(ctx context.Context, topic string, before map[int32]int64) error {
	if len(before) == 0 {
		return nil
	}
	var offsets kadm.Offsets
	for p, offset := range before {
		offsets.AddOffset(topic, p, offset, -1)
	}
	resps, err := b.admin.DeleteRecords(ctx, offsets)
	if err != nil {
		return fmt.Errorf("delete records of %s: %w", topic, classify(err))
	}
	var errs []error
	resps.Each(func(r kadm.DeleteRecordsResponse) {
		if r.Err != nil && !errors.Is(r.Err, kerr.OffsetOutOfRange) {
			errs = append(errs, fmt.Errorf("delete records of %s/%d before %d: %w", r.Topic, r.Partition, before[r.Partition], classify(r.Err)))
		}
	})
	return errors.Join(errs...)
}

// CommitGroup stores positions (topic → partition → next offset) under the name of a group without members, as a courtesy
// to tools that show lag. hxp itself never reads them.
func (b *Bus) CommitGroup(ctx context.Context, group string, next map[string]map[int32]int64) error {
	var offsets kadm.Offsets
	for topic, parts := range next {
		for p, offset := range parts {
			offsets.AddOffset(topic, p, offset, -1)
		}
	}
	if len(offsets) == 0 {
		return nil
	}
	if err := b.admin.CommitAllOffsets(ctx, group, offsets); err != nil {
		return fmt.Errorf("commit positions of group %s: %w", group, classify(err))
	}
	return nil
}

// TopicID returns the id of a topic as 32 hex digits. It asks the broker each time, so a topic made anew is noticed.
func (b *Bus) TopicID(ctx context.Context, topic string) (string, error) {
	req := kmsg.NewPtrMetadataRequest()
	rt := kmsg.NewMetadataRequestTopic()
	rt.Topic = &topic
	req.Topics = append(req.Topics, rt)
	resp, err := req.RequestWith(ctx, b.client)
	if err == nil && len(resp.Topics) != 1 {
		err = fmt.Errorf("the broker described %d topics instead of one", len(resp.Topics))
	}
	if err == nil {
		err = kerr.ErrorForCode(resp.Topics[0].ErrorCode)
	}
	if err != nil {
		return "", fmt.Errorf("id of topic %s: %w", topic, classify(err))
	}
	id := resp.Topics[0].TopicID
	if id == ([16]byte{}) {
		return "", fmt.Errorf("id of topic %s: the broker gives no topic ids; Apache Kafka 2.8 or newer is needed", topic)
	}
	return hex.EncodeToString(id[:]), nil
}
