package broker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/hxp-enterprise/hxp/internal/kit/atomicfile"
)

const (
	checkEvery  = 5 * time.Second
	sampleEvery = time.Minute
	maxSamples  = 20_000 // of one partition: the finest are thinned out beyond it
)

// arrivals remembers when a partition had which end, so that retention goes by the time of arrival. The time that a producer
// stamps on a record is a stranger's word: one old stamp must not delete what came before it.
type arrivals map[string]samples // by place, oldest first

type sample struct {
	At  int64 `json:"at"`  // unix seconds
	End int64 `json:"end"` // offset
}

// retain deletes what is older than a topic keeps, or over the cap, until ctx ends.
func (b *Broker) retain(ctx context.Context) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(b.addr), kgo.ClientID("hxp-broker"))
	if err != nil {
		return fmt.Errorf("embedded broker: %w", err)
	}
	defer client.Close()
	path := filepath.Join(b.cfg.Dir, "arrivals.json")
	seen, err := readArrivals(path)
	if err != nil {
		b.log.Warn("times of arrival are unknown, retention counts from now", "error", err)
	}
	tick := time.NewTicker(checkEvery)
	defer tick.Stop()
	lastSample := time.Time{}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		topics, err := topicNames(ctx, client)
		if err != nil {
			if ctx.Err() == nil {
				b.log.Warn("retention cannot list the topics", "error", err)
			}
			continue
		}
		now := time.Now()
		if now.Sub(lastSample) >= sampleEvery {
			lastSample = now
			b.sample(seen, topics, now)
			if err := writeArrivals(path, seen); err != nil {
				b.log.Warn("times of arrival not written", "error", err)
			}
		}
		b.clean(seen, topics, now)
	}
}

func topicNames(ctx context.Context, client *kgo.Client) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req := kmsg.NewPtrMetadataRequest()
	req.Topics = nil
	resp, err := req.RequestWith(ctx, client)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, t := range resp.Topics {
		if t.Topic != nil {
			names = append(names, *t.Topic)
		}
	}
	return names, nil
}

// place names a partition in arrivals. The topic's id is in it: a topic made anew under an old name starts at offset 0, where
// the old one's ends would delete what is fresh.
func (b *Broker) place(topic string, partition int32) string {
	id := [16]byte{}
	if info := b.cluster.TopicInfo(topic); info != nil {
		id = info.TopicID
	}
	return fmt.Sprintf("%s/%x/%d", topic, id, partition)
}

func (b *Broker) sample(seen arrivals, topics []string, now time.Time) {
	live := map[string]bool{}
	for _, topic := range topics {
		for _, p := range b.cluster.PartitionInfos(topic) {
			key := b.place(topic, p.Partition)
			live[key] = true
			list := seen[key]
			if n := len(list); n > 0 && list[n-1].End > p.HighWatermark {
				list = nil // the log lost its tail: its ends tell nothing any more
			}
			for len(list) > 1 && list[1].End <= p.LogStartOffset {
				list = list[1:] // about records that are gone
			}
			seen[key] = list
			if n := len(list); n > 0 && list[n-1].End == p.HighWatermark {
				continue // nothing came: the older sample says more
			}
			if len(list) >= maxSamples { // keep every second of the older half
				thin := list[:0:0]
				for i, s := range list {
					if i%2 == 0 || i > len(list)/2 {
						thin = append(thin, s)
					}
				}
				list = thin
			}
			seen[key] = append(list, sample{now.Unix(), p.HighWatermark})
		}
	}
	maps.DeleteFunc(seen, func(key string, _ samples) bool { return !live[key] })
}

// clean deletes what may go, and notes when the cap is reached by what may not.
func (b *Broker) clean(seen arrivals, topics []string, now time.Time) {
	total := int64(0)
	for _, topic := range topics {
		for _, p := range b.cluster.PartitionInfos(topic) {
			total += p.NumBytes
		}
	}
	excess := total - b.cfg.MaxBytes
	for _, topic := range topics {
		keep := b.keeps(topic)
		for _, p := range b.cluster.PartitionInfos(topic) {
			target := int64(0)
			if keep > 0 {
				target = seen[b.place(topic, p.Partition)].before(now.Add(-keep))
			}
			if excess > 0 && p.HighWatermark > p.LogStartOffset { // each partition gives its share
				share := float64(excess) / float64(total)
				target = max(target, p.LogStartOffset+int64(share*float64(p.HighWatermark-p.LogStartOffset))+1)
			}
			if b.Floor != nil {
				floor, ok := b.Floor(topic, p.Partition)
				if !ok {
					continue
				}
				target = min(target, floor)
			}
			// The newest batch stays: the engine knows the end of a log only from what lies in it, and would give offsets
			// out twice after a kill.
			target = min(target, p.HighWatermark-1)
			if target <= p.LogStartOffset {
				continue
			}
			if err := b.cluster.DeleteRecords(topic, p.Partition, target); err != nil {
				b.log.Warn("old records not deleted", "topic", topic, "partition", p.Partition, "error", err)
			}
		}
	}
	b.judge(topics)
}

// judge sets Overfull: what readers still need takes more than a quarter over the cap.
func (b *Broker) judge(topics []string) {
	total := int64(0)
	for _, topic := range topics {
		for _, p := range b.cluster.PartitionInfos(topic) {
			total += p.NumBytes
		}
	}
	why := ""
	if total > b.cfg.MaxBytes+b.cfg.MaxBytes/4 {
		why = fmt.Sprintf("the embedded broker holds %d MiB that its readers have not passed, %d are allowed: wait, or raise HXP_BROKER_MAX_BYTES", total>>20, b.cfg.MaxBytes>>20)
	}
	b.mu.Lock()
	changed := (why != "") != (b.full != "")
	b.full = why
	b.mu.Unlock()
	if changed && why != "" {
		b.log.Warn("embedded broker is full", "reason", why)
	}
}

// keeps is how long a topic keeps its records; 0 = for ever.
func (b *Broker) keeps(topic string) time.Duration {
	info := b.cluster.TopicInfo(topic)
	if info == nil {
		return 0
	}
	v := info.Configs["retention.ms"]
	if v == nil {
		return 7 * 24 * time.Hour
	}
	ms, err := strconv.ParseInt(*v, 10, 64)
	if err != nil || ms < 0 || ms > int64(1<<63-1)/int64(time.Millisecond) {
		return 0
	}
	return time.Duration(ms) * time.Millisecond
}

// before is the newest known end that was reached by then: everything below it arrived earlier.
func (l samples) before(then time.Time) int64 {
	end := int64(0)
	for _, s := range l {
		if s.At > then.Unix() {
			break
		}
		end = s.End
	}
	return end
}

type samples []sample

func readArrivals(path string) (arrivals, error) {
	seen := arrivals{}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return seen, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &seen)
	}
	if err != nil {
		return arrivals{}, fmt.Errorf("%s: %w", filepath.Base(path), err)
	}
	return seen, nil
}

func writeArrivals(path string, seen arrivals) error {
	data, err := json.Marshal(seen)
	if err != nil {
		return err
	}
	return atomicfile.Write(path, data)
}
