package broker

import (
	"bufio"
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/hxp-enterprise/hxp/internal/kit/atomicfile"
)

func TestOneFolderOneBroker(t *testing.T) {
	dir := t.TempDir()
	r := start(t, Config{Dir: dir}, nil)
	second, err := New(Config{Addr: "127.0.0.1:0", Dir: dir}, r.log, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = second.Run(t.Context())
	if !errors.Is(err, atomicfile.ErrLocked) || !strings.Contains(err.Error(), dir) {
		t.Errorf("the second broker ended with: %v", err)
	}
	other := exec.Command(os.Args[0])
	other.Env = append(os.Environ(), childDir+"="+dir)
	out, err := other.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "is in use by another process") {
		t.Errorf("the second process ended with %v: %s", err, out)
	}
	alive(t, r.Addr())
	r.stop(t)
	start(t, Config{Dir: dir}, nil) // the lock ends with the broker
}

func TestBadAddress(t *testing.T) {
	r := start(t, Config{}, nil)
	if _, err := New(Config{Addr: "nowhere"}, r.log, nil); err == nil {
		t.Error("an address without a port was taken")
	}
	b, err := New(Config{Addr: r.Addr(), Dir: t.TempDir()}, r.log, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "KAFKA_BOOTSTRAP_SERVERS") {
		t.Errorf("a taken port ended with: %v", err)
	}
}

func TestRestartKeepsEveryRecord(t *testing.T) {
	dir := t.TempDir()
	r := start(t, Config{Dir: dir}, nil)
	c := client(t, r.Addr())
	if code, why := create(t, c, "a", func(rt *kmsg.CreateTopicsRequestTopic) {
		rt.Configs = append(rt.Configs, config("retention.ms", "604800000"))
	}); code != 0 {
		t.Fatal(code, why)
	}
	produce(t, c, "a", 4, 900<<10, time.Now())
	produce(t, c, "a", 1, 100, time.Now().AddDate(0, 0, -8)) // the engine's own cleaning would go by this stamp
	produce(t, c, "a", 4, 900<<10, time.Now())
	before := readAll(t, r.Addr(), "a", 0, 0, 9)
	c.Close()
	for range 2 {
		r.stop(t)
		r = start(t, Config{Dir: dir}, nil)
		for i, v := range readAll(t, r.Addr(), "a", 0, 0, 9) {
			if string(v) != string(before[i]) {
				t.Fatalf("record %d changed over a restart", i)
			}
		}
		if low, high := r.bounds(t, "a"); low != 0 || high != 9 {
			t.Fatalf("the log is %d to %d after a restart, want 0 to 9", low, high)
		}
	}
}

// TestRestartWithOneGiB measures how long a full log takes to open. It runs when HXP_LONG is set.
func TestRestartWithOneGiB(t *testing.T) {
	if os.Getenv("HXP_LONG") == "" {
		t.Skip("set HXP_LONG=1 to run")
	}
	cfg := Config{Dir: t.TempDir(), MaxBytes: 2 << 30}
	r := start(t, cfg, nil)
	c := client(t, r.Addr(), kgo.ProducerLinger(5*time.Millisecond))
	create(t, c, "a", func(rt *kmsg.CreateTopicsRequestTopic) { rt.NumPartitions = 4 })
	const each = 1 << 18
	value := make([]byte, 1024)
	for i := range 4 * each {
		c.Produce(t.Context(), &kgo.Record{Topic: "a", Partition: int32(i % 4), Value: value}, func(_ *kgo.Record, err error) {
			if err != nil {
				t.Error(err)
			}
		})
	}
	if err := c.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.Close()
	r.stop(t)
	began := time.Now()
	r = start(t, cfg, nil)
	took := time.Since(began)
	t.Logf("ready after %v with 1 GiB", took)
	if took > 3*time.Second {
		t.Errorf("ready after %v, allowed are 3 s", took)
	}
	for _, p := range r.cluster.PartitionInfos("a") {
		if p.HighWatermark != each || p.LogStartOffset != 0 {
			t.Errorf("partition %d holds %d to %d", p.Partition, p.LogStartOffset, p.HighWatermark)
		}
	}
}

func child(t *testing.T, dir string) (*exec.Cmd, string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childDir+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	addr, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return cmd, strings.TrimSpace(addr)
}

func TestKilledProcessKeepsAcknowledgedRecords(t *testing.T) {
	dir := t.TempDir()
	acked := map[string]bool{}
	for round := range 3 {
		cmd, addr := child(t, dir)
		c := client(t, addr, kgo.RecordDeliveryTimeout(time.Second), kgo.ProducerLinger(time.Millisecond))
		if round == 0 {
			create(t, c, "a", nil)
		}
		var mu sync.Mutex
		enough := make(chan struct{})
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			<-enough
			_ = cmd.Process.Kill()
			cancel()
		}()
		count := 0
		for ctx.Err() == nil {
			value := rand16()
			c.Produce(ctx, &kgo.Record{Topic: "a", Value: []byte(value)}, func(_ *kgo.Record, err error) {
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					acked[value] = true
					if count++; count == 2000 {
						close(enough)
					}
				}
			})
		}
		c.Close()
		_ = cmd.Wait()
	}
	r := start(t, Config{Dir: dir}, nil)
	_, high := r.bounds(t, "a")
	for _, v := range readAll(t, r.Addr(), "a", 0, 0, high) {
		delete(acked, string(v))
	}
	if len(acked) > 0 {
		t.Errorf("%d acknowledged records are gone", len(acked))
	}
}

func TestKillAfterCleaningReusesNoOffset(t *testing.T) {
	dir := t.TempDir()
	r := start(t, Config{Dir: dir}, nil)
	c := client(t, r.Addr())
	create(t, c, "a", nil)
	produce(t, c, "a", 10, 100, time.Now())
	seen, now := arrivals{}, time.Now()
	r.sample(seen, []string{"a"}, now.AddDate(0, 0, -8))
	r.clean(seen, []string{"a"}, now)
	if low, high := r.bounds(t, "a"); low != 9 || high != 10 {
		t.Fatalf("the log is %d to %d, want 9 to 10", low, high)
	}
	copied := t.TempDir() // what a killed process leaves: the files as they are, no orderly end
	if err := os.CopyFS(filepath.Join(copied, "log"), os.DirFS(filepath.Join(dir, "log"))); err != nil {
		t.Fatal(err)
	}
	again := start(t, Config{Dir: copied}, nil)
	if _, high := again.bounds(t, "a"); high != 10 {
		t.Errorf("the log ends at %d after a kill, want 10", high)
	}
}

func TestStopsUnderLoad(t *testing.T) {
	r := start(t, Config{}, nil)
	admin := client(t, r.Addr())
	create(t, admin, "a", func(rt *kmsg.CreateTopicsRequestTopic) { rt.NumPartitions = 4 })
	ctx, cancel := context.WithCancel(t.Context())
	var load sync.WaitGroup
	flowing := make(chan struct{}, 4)
	for i := range int32(4) {
		c := client(t, r.Addr(), kgo.MaxBufferedRecords(1000))
		load.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				rec := &kgo.Record{Topic: "a", Partition: i, Value: make([]byte, 1000)}
				if n == 1000 {
					flowing <- struct{}{}
				}
				c.Produce(ctx, rec, nil)
			}
		})
		reader := client(t, r.Addr(), kgo.ConsumeTopics("a"))
		load.Go(func() {
			for ctx.Err() == nil {
				reader.PollFetches(ctx)
			}
		})
	}
	idle, err := net.Dial("tcp", r.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer idle.Close()
	for range 4 {
		<-flowing
	}
	r.end()
	select {
	case err := <-r.done:
		if err != nil {
			t.Error(err)
		}
		r.done <- nil
	case <-time.After(2 * time.Second): // the promise of the service, not a measurement
		t.Error("the broker did not end within 2 s")
	}
	cancel()
	load.Wait()
}

func TestRefusesWhatTheEngineCannotCarry(t *testing.T) {
	r := start(t, Config{}, nil)
	c := client(t, r.Addr())
	for name, change := range map[string]func(*kmsg.CreateTopicsRequestTopic){
		"compaction": func(rt *kmsg.CreateTopicsRequestTopic) {
			rt.Configs = append(rt.Configs, config("cleanup.policy", "compact"))
		},
		"compact,delete": func(rt *kmsg.CreateTopicsRequestTopic) {
			rt.Configs = append(rt.Configs, config("cleanup.policy", "delete, compact"))
		},
		"nine partitions":  func(rt *kmsg.CreateTopicsRequestTopic) { rt.NumPartitions = 9 },
		"nine assignments": assign(9),
	} {
		if code, _ := create(t, c, "bad", change); code != kerr.PolicyViolation.Code {
			t.Errorf("%s: answered with code %d", name, code)
		}
	}
	if code, why := create(t, c, "good", func(rt *kmsg.CreateTopicsRequestTopic) { rt.NumPartitions = 8 }); code != 0 {
		t.Fatal(code, why)
	}
	more := kmsg.NewPtrCreatePartitionsRequest()
	more.Topics = []kmsg.CreatePartitionsRequestTopic{{Topic: "good", Count: 9}}
	if resp, err := more.RequestWith(t.Context(), c); err != nil || resp.Topics[0].ErrorCode != kerr.PolicyViolation.Code {
		t.Errorf("nine partitions by growth: %v, %v", resp, err)
	}
	for name, set := range map[string]struct {
		kind       kmsg.ConfigResourceType
		res, value string
	}{
		"topic":  {kmsg.ConfigResourceTypeTopic, "good", "compact"},
		"broker": {kmsg.ConfigResourceTypeBroker, "0", "delete"},
	} {
		inc := kmsg.NewPtrIncrementalAlterConfigsRequest()
		inc.Resources = []kmsg.IncrementalAlterConfigsRequestResource{{ResourceType: set.kind, ResourceName: set.res,
			Configs: []kmsg.IncrementalAlterConfigsRequestResourceConfig{{Name: "cleanup.policy", Value: &set.value}}}}
		if resp, err := inc.RequestWith(t.Context(), c); err != nil || resp.Resources[0].ErrorCode != kerr.PolicyViolation.Code {
			t.Errorf("%s altered step by step: %v, %v", name, resp, err)
		}
		all := kmsg.NewPtrAlterConfigsRequest()
		all.Resources = []kmsg.AlterConfigsRequestResource{{ResourceType: set.kind, ResourceName: set.res,
			Configs: []kmsg.AlterConfigsRequestResourceConfig{{Name: "cleanup.policy", Value: &set.value}}}}
		if resp, err := all.RequestWith(t.Context(), c); err != nil || resp.Resources[0].ErrorCode != kerr.PolicyViolation.Code {
			t.Errorf("%s altered: %v, %v", name, resp, err)
		}
	}
	if code, _ := create(t, c, "bad", nil); code != 0 { // a refusal made nothing, and is repeated as often as asked
		t.Errorf("a refused topic was made: %d", code)
	}
}

func assign(n int32) func(*kmsg.CreateTopicsRequestTopic) {
	return func(rt *kmsg.CreateTopicsRequestTopic) {
		rt.NumPartitions, rt.ReplicationFactor = -1, -1
		for i := range n {
			rt.ReplicaAssignment = append(rt.ReplicaAssignment, kmsg.CreateTopicsRequestTopicReplicaAssignment{Partition: i, Replicas: []int32{0}})
		}
	}
}
