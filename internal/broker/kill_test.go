package broker_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/hxp-enterprise/hxp/internal/broker"
)

const childDir = "HXP_BROKER_TEST_DIR"

// child is a broker in a process of its own, to be killed.
func child() bool {
	dir := os.Getenv(childDir)
	if dir == "" {
		return false
	}
	b, err := broker.New(broker.Config{Dir: dir, Addr: "127.0.0.1:0"}, nil, nil)
	if err == nil {
		go func() {
			<-b.Ready()
			fmt.Println(b.Addr())
		}()
		err = b.Run(context.Background())
	}
	fmt.Println("failed:", err)
	return true
}

func startChild(t *testing.T, dir string) (addr string, kill func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childDir+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var once sync.Once
	kill = func() {
		once.Do(func() {
			_ = cmd.Process.Kill()
			_ = cmd.Wait() // "signal: killed"
		})
	}
	t.Cleanup(kill)
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || strings.HasPrefix(line, "failed") {
		t.Fatalf("child said %q, %v", line, err)
	}
	return strings.TrimSpace(line), kill
}

// What was acknowledged is there after SIGKILL, in its place, again and again.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	want := map[string]string{}
	var mu sync.Mutex
	for round := range 5 {
		addr, kill := startChild(t, dir)
		if round == 0 {
			create(t, client(t, addr), 3, nil, topic)
		}
		c := client(t, addr, kgo.ProducerLinger(0), kgo.MaxBufferedRecords(1000))
		ctx, cancel := context.WithCancel(t.Context())
		enough := make(chan struct{})
		var producers, promises sync.WaitGroup
		n := 0
		for p := range int32(3) {
			producers.Go(func() {
				for i := 0; ctx.Err() == nil; i++ {
					promises.Add(1)
					c.Produce(ctx, &kgo.Record{Topic: topic, Partition: p, Value: fmt.Appendf(nil, "%d %d", round, i)}, func(r *kgo.Record, err error) {
						defer promises.Done()
						mu.Lock()
						defer mu.Unlock()
						if err != nil {
							return
						}
						want[fmt.Sprint(r.Partition, "/", r.Offset)] = string(r.Value)
						if n++; n == 3000 {
							close(enough)
						}
					})
				}
			})
		}
		<-enough
		kill()
		cancel()
		producers.Wait()
		c.Close()
		promises.Wait() // Close does not wait for what is told already
	}
	addr, _ := startChild(t, dir)
	checkAll(t, addr, want)
}

// checkAll reads the topic to its end and compares it with what was acknowledged; nothing may be there twice.
func checkAll(t *testing.T, addr string, want map[string]string) {
	t.Helper()
	total := int64(0)
	admin := client(t, addr)
	for p := range int32(3) {
		start, end := bounds(t, admin, topic, p)
		if start != 0 {
			t.Errorf("partition %d begins at %d", p, start)
		}
		total += end
	}
	r := client(t, addr, kgo.ConsumeTopics(topic))
	seen := map[string]bool{}
	for got := int64(0); got < total; {
		fetches := r.PollFetches(deadline(t))
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			at := fmt.Sprint(r.Partition, "/", r.Offset)
			if v, ok := want[at]; ok && v != string(r.Value) {
				t.Errorf("%s holds %q, acknowledged was %q", at, r.Value, v)
			}
			if key := fmt.Sprint(r.Partition, " ", string(r.Value)); seen[key] {
				t.Errorf("%q is there twice", key)
			} else {
				seen[key] = true
			}
			delete(want, at)
			got++
		})
	}
	if len(want) > 0 {
		t.Errorf("%d acknowledged records are lost", len(want))
	}
}

// batch is one record as an idempotent producer sends it.
func batch(pid int64, epoch int16, seq int32, value string) []byte {
	rec := kmsg.Record{Value: []byte(value)}
	raw := rec.AppendTo(nil)
	rec.Length = int32(len(raw) - 1)
	rec.Length = int32(len(rec.AppendTo(nil)) - len(binary.AppendVarint(nil, int64(rec.Length))))
	b := kmsg.RecordBatch{
		PartitionLeaderEpoch: -1, Magic: 2, FirstTimestamp: 1, MaxTimestamp: 1,
		ProducerID: pid, ProducerEpoch: epoch, FirstSequence: seq, NumRecords: 1, Records: rec.AppendTo(nil),
	}
	out := b.AppendTo(nil)
	b.Length = int32(len(out) - 12)
	out = b.AppendTo(nil)
	b.CRC = int32(crc32.Checksum(out[21:], crc32.MakeTable(crc32.Castagnoli)))
	return b.AppendTo(nil)
}

// send writes a batch by hand and returns the answer for it.
func send(t *testing.T, addr string, raw []byte) kmsg.ProduceResponseTopicPartition {
	t.Helper()
	req := kmsg.NewPtrProduceRequest()
	req.SetVersion(8)
	req.Acks, req.TimeoutMillis = -1, 1000
	part := kmsg.NewProduceRequestTopicPartition()
	part.Records = raw
	rt := kmsg.NewProduceRequestTopic()
	rt.Topic, rt.Partitions = topic, append(rt.Partitions, part)
	req.Topics = append(req.Topics, rt)
	c := dial(t, addr)
	defer c.Close()
	return ask(t, c, req).(*kmsg.ProduceResponse).Topics[0].Partitions[0]
}

// A producer that lives on while the broker is killed sends its last batch again, because it missed the acknowledgement:
// it must be written once, and the batch after it must be taken. The orderly stop in between leaves windows of sequence
// numbers behind that the engine would believe.
func TestSequenceWindowsSurviveAKill(t *testing.T) {
	dir := t.TempDir()
	b := run(t, broker.Config{Dir: dir}, nil)
	create(t, client(t, b.Addr()), 1, nil, topic)
	c := dial(t, b.Addr())
	req := kmsg.NewPtrInitProducerIDRequest()
	req.SetVersion(1)
	id := ask(t, c, req).(*kmsg.InitProducerIDResponse)
	c.Close()
	for seq := range int32(3) {
		if p := send(t, b.Addr(), batch(id.ProducerID, id.ProducerEpoch, seq, fmt.Sprint(seq))); p.ErrorCode != 0 {
			t.Fatalf("batch %d: error %d", seq, p.ErrorCode)
		}
	}
	b.stop(t)

	addr, kill := startChild(t, dir)
	for seq := int32(3); seq < 12; seq++ {
		if p := send(t, addr, batch(id.ProducerID, id.ProducerEpoch, seq, fmt.Sprint(seq))); p.ErrorCode != 0 {
			t.Fatalf("batch %d: error %d", seq, p.ErrorCode)
		}
	}
	kill()

	addr, _ = startChild(t, dir)
	for seq := int32(7); seq < 12; seq++ {
		if p := send(t, addr, batch(id.ProducerID, id.ProducerEpoch, seq, fmt.Sprint(seq))); p.ErrorCode != 0 || p.BaseOffset != int64(seq) {
			t.Errorf("batch %d sent again: error %d, offset %d", seq, p.ErrorCode, p.BaseOffset)
		}
	}
	if p := send(t, addr, batch(id.ProducerID, id.ProducerEpoch, 12, "12")); p.ErrorCode != 0 || p.BaseOffset != 12 {
		t.Errorf("the next batch: error %d, offset %d", p.ErrorCode, p.BaseOffset)
	}
	if p := send(t, addr, batch(id.ProducerID, id.ProducerEpoch, 20, "20")); p.ErrorCode != 45 {
		t.Errorf("a batch after a hole: error %d, want 45", p.ErrorCode)
	}
}

// A kill in the middle of a write leaves half a batch, or a batch without its index entry.
func TestTornEnds(t *testing.T) {
	dir := t.TempDir()
	b := run(t, broker.Config{Dir: dir}, nil)
	c := client(t, b.Addr())
	create(t, c, 3, nil, topic)
	for p := range int32(3) {
		produce(t, c, topic, p, 10, 50)
	}
	c.Close()
	b.stop(t)
	if err := os.Remove(filepath.Join(dir, "clean")); err != nil {
		t.Fatal(err)
	}
	file := func(p int, ext string) string {
		return filepath.Join(dir, "log", "partitions", fmt.Sprintf("%s-%d", topic, p), "0"+ext)
	}
	shorten := func(name string, by int64) {
		info, err := os.Stat(name)
		if err == nil {
			err = os.Truncate(name, info.Size()-by)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	shorten(file(0, ".dat"), 7)  // half a batch
	shorten(file(1, ".idx"), 15) // no index entry
	shorten(file(2, ".idx"), 4)  // half an index entry
	b = run(t, broker.Config{Dir: dir}, nil)
	defer b.stop(t)
	c = client(t, b.Addr())
	for p, want := range []int64{9, 10, 10} {
		if s, e := bounds(t, c, topic, int32(p)); s != 0 || e != want {
			t.Errorf("partition %d is [%d, %d), want [0, %d)", p, s, e, want)
		}
		if last := produce(t, c, topic, int32(p), 3, 50); last != want+2 {
			t.Errorf("partition %d goes on at %d", p, last-2)
		}
	}
	r := client(t, b.Addr(), kgo.ConsumeTopics(topic))
	for got := 0; got < 29+9; {
		fetches := r.PollFetches(deadline(t))
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		got += fetches.NumRecords()
	}
}
