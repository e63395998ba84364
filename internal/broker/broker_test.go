package broker_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/hxp-enterprise/hxp/internal/broker"
)

func TestStrangersClient(t *testing.T) {
	for _, dir := range []string{"", t.TempDir()} {
		b := run(t, broker.Config{Dir: dir}, nil)
		admin := client(t, b.Addr())
		create(t, admin, 3, nil, topic)
		var wg sync.WaitGroup
		for p := range int32(3) {
			wg.Go(func() { produce(t, client(t, b.Addr()), topic, p, 20, 100) })
		}
		wg.Wait()
		group := client(t, b.Addr(), kgo.ConsumerGroup("readers"), kgo.ConsumeTopics(topic))
		for got := 0; got < 60; {
			fetches := group.PollFetches(deadline(t))
			if err := fetches.Err(); err != nil {
				t.Fatal(err)
			}
			got += fetches.NumRecords()
		}
		if err := group.CommitUncommittedOffsets(deadline(t)); err != nil {
			t.Fatal(err)
		}
		lag, err := kadm.NewClient(admin).Lag(deadline(t), "readers")
		if err != nil || lag["readers"].Lag.Total() != 0 {
			t.Errorf("lag %v, %v", lag, err)
		}
		group.LeaveGroup()
		b.stop(t)
	}
}

func TestTransactions(t *testing.T) {
	addr := start(t)
	create(t, client(t, addr), 1, nil, topic)
	c := client(t, addr, kgo.TransactionalID("tx"))
	for _, end := range []kgo.TransactionEndTry{kgo.TryAbort, kgo.TryCommit} {
		if err := c.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		produce(t, c, topic, 0, 3, 10)
		if err := c.EndTransaction(deadline(t), end); err != nil {
			t.Fatal(err)
		}
	}
	r := client(t, addr, kgo.ConsumeTopics(topic), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	if n := r.PollFetches(deadline(t)).NumRecords(); n != 3 {
		t.Errorf("%d records are committed, want 3", n)
	}
}

func TestPolicies(t *testing.T) {
	addr := start(t)
	c := client(t, addr)
	a := kadm.NewClient(c)
	create(t, c, 8, nil, topic)
	for _, tc := range []struct {
		name       string
		partitions int32
		topic      string
		configs    map[string]*string
		want       error
		text       string
	}{
		{"nine partitions", 9, "x", nil, kerr.PolicyViolation, "at most 8"},
		{"a million partitions", 1_000_000, "x", nil, kerr.PolicyViolation, "at most 8"},
		{"compaction", 1, "x", map[string]*string{"cleanup.policy": new("compact")}, kerr.PolicyViolation, "does not compact"},
		{"compaction beside deletion", 1, "x", map[string]*string{"cleanup.policy": new("delete,compact")}, kerr.PolicyViolation, "does not compact"},
		{"append time", 1, "x", map[string]*string{"message.timestamp.type": new("LogAppendTime")}, kerr.InvalidConfig, "does not stamp"},
		{"tiny segments", 1, "x", map[string]*string{"segment.bytes": new("1")}, kerr.InvalidConfig, "segment.bytes"},
		{"retention that is no number", 1, "x", map[string]*string{"retention.ms": new("soon")}, kerr.InvalidConfig, "soon"},
		{"a setting that Kafka has", 1, "x", map[string]*string{"segment.ms": new("1000")}, kerr.PolicyViolation, "does not keep the setting segment.ms"},
		{"a setting that nobody has", 1, "x", map[string]*string{"no.such.setting": new("1")}, kerr.InvalidConfig, `no setting "no.such.setting"`},
		{"two in-sync replicas", 1, "x", map[string]*string{"min.insync.replicas": new("2")}, kerr.PolicyViolation, "one replica"},
		{"recompression", 1, "x", map[string]*string{"compression.type": new("zstd")}, kerr.PolicyViolation, "compression.type=producer"},
		{"a name with a slash", 1, "a/b", nil, kerr.InvalidTopicException, "characters"},
		{"a long name", 1, strings.Repeat("x", 250), nil, kerr.InvalidTopicException, "characters"},
		{"one that exists", 1, topic, nil, kerr.TopicAlreadyExists, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			resp, err := a.CreateTopic(deadline(t), tc.partitions, 1, tc.configs, tc.topic)
			if !errors.Is(err, tc.want) || !strings.Contains(resp.ErrMessage, tc.text) {
				t.Errorf("got %v %q", err, resp.ErrMessage)
			}
		})
	}
	assigned := kmsg.NewPtrCreateTopicsRequest()
	rt := kmsg.NewCreateTopicsRequestTopic()
	rt.Topic, rt.NumPartitions, rt.ReplicationFactor = "x", -1, -1
	for p := range int32(9) {
		rt.ReplicaAssignment = append(rt.ReplicaAssignment, kmsg.CreateTopicsRequestTopicReplicaAssignment{Partition: p, Replicas: []int32{0}})
	}
	innocent := kmsg.NewCreateTopicsRequestTopic()
	innocent.Topic, innocent.NumPartitions, innocent.ReplicationFactor = "innocent", 1, 1
	assigned.Topics = append(assigned.Topics, rt, innocent)
	if resp, err := assigned.RequestWith(deadline(t), c); err != nil || resp.Topics[0].ErrorCode != kerr.PolicyViolation.Code || resp.Topics[1].ErrorCode == 0 {
		t.Errorf("nine partitions by assignment: %+v, %v", resp, err)
	}
	create(t, c, 1, nil, "x", "innocent") // a refusal made nothing
	if resps, err := a.CreatePartitions(deadline(t), 1, topic); err != nil || !errors.Is(resps.Error(), kerr.PolicyViolation) {
		t.Errorf("ninth partition: %v, %v", resps, err)
	}
	compact := []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "cleanup.policy", Value: new("compact")}}
	if resps, err := a.AlterTopicConfigs(deadline(t), compact, topic); err != nil || !errors.Is(resps[0].Err, kerr.PolicyViolation) {
		t.Errorf("compaction later: %v, %v", resps, err)
	}
	if resps, err := a.AlterTopicConfigsState(deadline(t), compact, topic); err != nil || !errors.Is(resps[0].Err, kerr.PolicyViolation) {
		t.Errorf("compaction later, the old way: %v, %v", resps, err)
	}
	if resps, err := a.AlterBrokerConfigs(deadline(t), []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "log.cleaner.backoff.ms", Value: new("1")}}); err != nil || !errors.Is(resps[0].Err, kerr.PolicyViolation) {
		t.Errorf("settings of the broker: %v, %v", resps, err)
	}
	if resps, err := a.AlterTopicConfigs(deadline(t), []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "retention.ms", Value: new("60000")}}, topic); err != nil || resps[0].Err != nil {
		t.Errorf("retention: %v, %v", resps, err)
	}
	for op, name := range map[kadm.IncrementalOp]string{kadm.SetConfig: "no.such.setting", kadm.DeleteConfig: "no.such.setting"} {
		if resps, err := a.AlterTopicConfigs(deadline(t), []kadm.AlterConfig{{Op: op, Name: name, Value: new("1")}}, topic); err != nil || !errors.Is(resps[0].Err, kerr.InvalidConfig) {
			t.Errorf("operation %d on %s: %v, %v", op, name, resps, err)
		}
	}
	if _, err := a.CreateTopic(deadline(t), 1, 2, nil, "twice"); !errors.Is(err, kerr.InvalidReplicationFactor) {
		t.Errorf("two replicas: %v", err)
	}
	described, err := a.DescribeTopicConfigs(deadline(t), topic)
	if err != nil {
		t.Fatal(err)
	}
	for _, cfg := range described[0].Configs {
		if cfg.Key == "retention.ms" && cfg.MaybeValue() != "60000" {
			t.Errorf("retention.ms is shown as %s", cfg.MaybeValue())
		}
	}
}

func TestTopicCap(t *testing.T) {
	b := run(t, broker.Config{MaxTopics: 3}, nil)
	defer b.stop(t)
	c := client(t, b.Addr())
	create(t, c, 1, nil, "a", "b", "c")
	if _, err := kadm.NewClient(c).CreateTopic(deadline(t), 1, 1, nil, "d"); !errors.Is(err, kerr.PolicyViolation) {
		t.Errorf("got %v", err)
	}
}

// The engine forgets where an empty log ends; whoever reads would then miss what is written at the same offsets again.
func TestOffsetsAreNeverUsedTwice(t *testing.T) {
	dir := t.TempDir()
	b := run(t, broker.Config{Dir: dir}, nil)
	c := client(t, b.Addr())
	create(t, c, 1, nil, topic)
	end := produce(t, c, topic, 0, 10, 10) + 1
	var all kadm.Offsets
	all.AddOffset(topic, 0, -1, -1)
	if resps, err := kadm.NewClient(c).DeleteRecords(deadline(t), all); err != nil || resps.Error() != nil {
		t.Fatal(err, resps.Error())
	}
	if s, e := bounds(t, c, topic, 0); s != end-1 || e != end {
		t.Fatalf("after deleting everything the log is [%d, %d)", s, e)
	}
	b.stop(t)
	b = run(t, broker.Config{Dir: dir}, nil)
	defer b.stop(t)
	if _, e := bounds(t, client(t, b.Addr()), topic, 0); e != end {
		t.Fatalf("after a restart the log ends at %d, not at %d", e, end)
	}
}

func TestStopUnderLoadIsQuickAndLeavesACleanFolder(t *testing.T) {
	dir := t.TempDir()
	b := run(t, broker.Config{Dir: dir}, nil)
	c := client(t, b.Addr())
	create(t, c, 3, nil, topic)
	ctx, cancel := context.WithCancel(t.Context())
	acked := make(map[int32]int64)
	var mu sync.Mutex
	var wg sync.WaitGroup
	for p := range int32(3) {
		wg.Go(func() {
			w := client(t, b.Addr())
			for i := 0; ctx.Err() == nil; i++ {
				w.Produce(ctx, &kgo.Record{Topic: topic, Partition: p, Value: fmt.Appendf(nil, "%d", i)}, func(r *kgo.Record, err error) {
					if err == nil {
						mu.Lock()
						acked[r.Partition] = max(acked[r.Partition], r.Offset+1)
						mu.Unlock()
					}
				})
			}
		})
	}
	reader := client(t, b.Addr(), kgo.ConsumeTopics(topic))
	for n := 0; n < 5000; n += reader.PollFetches(deadline(t)).NumRecords() {
	}
	began := time.Now()
	b.stop(t)
	t.Logf("stopped within %v", time.Since(began))
	cancel()
	wg.Wait()
	b = run(t, broker.Config{Dir: dir}, nil)
	defer b.stop(t)
	c = client(t, b.Addr())
	mu.Lock() // the writers' clients may still tell of what they heard before the stop
	want := maps.Clone(acked)
	mu.Unlock()
	for p := range int32(3) {
		if _, end := bounds(t, c, topic, p); end < want[p] {
			t.Errorf("partition %d ends at %d, %d were acknowledged", p, end, want[p])
		}
	}
}

func TestConfigIsChecked(t *testing.T) {
	for _, cfg := range []broker.Config{{Addr: "9092"}, {Addr: "localhost:0", Advertised: "nowhere"}} {
		if _, err := broker.New(cfg, nil, nil); err == nil {
			t.Errorf("%+v is taken", cfg)
		}
	}
}

func TestAdvertisedAddress(t *testing.T) {
	b := run(t, broker.Config{Addr: "0.0.0.0:0"}, nil)
	defer b.stop(t)
	c := client(t, b.Addr())
	brokers, err := kadm.NewClient(c).ListBrokers(deadline(t))
	if err != nil || brokers[0].Host != "127.0.0.1" {
		t.Errorf("%+v, %v", brokers, err)
	}
}
