package bus

import (
	"context"
	"encoding/hex"
	"fmt"
	"maps"
	"strconv"
	"strings"

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
	Differs        []Difference      // of a topic that hxp makes for itself: in what it is not as configured
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
		info := describe(d, offsets[d.Topic], configs[d.Topic], bytes)
		info.Differs = b.differences(&info)
		out = append(out, info)
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
	t, own := event.TopicNamed(topic)
	return own && t.Internal
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
		if own, ok := m["log.segment.bytes"]; ok { // the embedded broker tells its own setting beside the default of topics
			m["segment.bytes"] = own
			delete(m, "log.segment.bytes")
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
