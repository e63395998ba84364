package bus_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/bus/bustest"
	"github.com/hxp-enterprise/hxp/internal/event"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const topic = "events"

func start(t *testing.T, partitions int) *bus.Bus {
	return bustest.New(t, event.Topic{Name: topic, Partitions: partitions})
}

func messages(n int) []*bus.Message {
	out := make([]*bus.Message, n)
	for i := range out {
		out[i] = &bus.Message{Topic: topic, Key: fmt.Appendf(nil, "key-%d", i), Value: fmt.Appendf(nil, "value-%d", i)}
	}
	return out
}

func send(t *testing.T, b *bus.Bus, msgs []*bus.Message, o bus.ProducerOptions) {
	t.Helper()
	p, err := b.NewProducer(o)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if err := p.Send(t.Context(), msgs); err != nil {
		t.Fatal(err)
	}
}

// readAll polls until every partition of the topic is read to want messages in all.
func readAll(t *testing.T, r *bus.Reader, want int) []*bus.Message {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var got []*bus.Message
	for len(got) < want {
		fetch, err := r.Poll(ctx)
		if err != nil {
			t.Fatalf("after %d of %d messages: %v", len(got), want, err)
		}
		for _, batch := range fetch {
			if batch.Err != nil {
				t.Fatal(batch.Err)
			}
			got = append(got, batch.Messages...)
		}
	}
	return got
}

func all(partitions int32) map[string]map[int32]int64 {
	m := map[int32]int64{}
	for p := range partitions {
		m[p] = 0
	}
	return map[string]map[int32]int64{topic: m}
}

func TestSendTellsWhereEachMessageIs(t *testing.T) {
	b := start(t, 3)
	sent := messages(300)
	before := time.Now().Add(-time.Minute)
	send(t, b, sent, bus.ProducerOptions{})
	at := map[string]string{}
	for _, m := range sent {
		if m.Timestamp.Before(before) {
			t.Fatalf("message stamped %v, want the time of writing", m.Timestamp)
		}
		at[fmt.Sprint(m.Partition, "/", m.Offset)] = string(m.Value)
	}
	if len(at) != len(sent) {
		t.Fatalf("%d places for %d messages", len(at), len(sent))
	}
	r, err := b.NewReader(all(3), bus.ReaderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range readAll(t, r, len(sent)) {
		if at[fmt.Sprint(m.Partition, "/", m.Offset)] != string(m.Value) {
			t.Fatalf("%d/%d holds %s", m.Partition, m.Offset, m.Value)
		}
	}
}

// The keys and hashes are those of Kafka's own UtilsTest.testMurmur2; the partition is (hash & 0x7fffffff) % 8.
func TestKeysGoWhereKafkaSendsThem(t *testing.T) {
	b := start(t, 8)
	want := map[string]int32{"21": 4, "foobar": 6, "a-little-bit-long-string": 0, "a-little-bit-longer-string": 3, "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": 5, "abc": 3}
	var msgs []*bus.Message
	for key := range want {
		msgs = append(msgs, &bus.Message{Topic: topic, Key: []byte(key)})
	}
	send(t, b, msgs, bus.ProducerOptions{})
	for _, m := range msgs {
		if m.Partition != want[string(m.Key)] {
			t.Errorf("key %q went to partition %d, Kafka sends it to %d", m.Key, m.Partition, want[string(m.Key)])
		}
	}
}

// Values come out as they went in, whatever the codec and however badly the room for them was guessed.
func TestReaderUnpacks(t *testing.T) {
	b := start(t, 1)
	var sent []*bus.Message
	for i, codec := range []string{"lz4", "gzip", "snappy", "zstd", "none", "lz4", "gzip"} {
		var some []*bus.Message
		for n := range 4 {
			value := bytes.Repeat(fmt.Appendf(nil, "%s %d %d", codec, i, n), 1+i*n*n*997%20_000)
			some = append(some, &bus.Message{Topic: topic, Value: value})
		}
		send(t, b, some, bus.ProducerOptions{Compression: codec})
		sent = append(sent, some...)
	}
	r, err := b.NewReader(all(1), bus.ReaderOptions{MaxMessages: 3})
	if err != nil {
		t.Fatal(err)
	}
	for i, m := range readAll(t, r, len(sent)) {
		if !bytes.Equal(m.Value, sent[i].Value) {
			t.Fatalf("message %d: %d bytes, want %d", i, len(m.Value), len(sent[i].Value))
		}
	}
}

func TestManualPartition(t *testing.T) {
	b := start(t, 3)
	msgs := messages(30)
	for i, m := range msgs {
		m.Partition = int32(i % 3)
	}
	send(t, b, msgs, bus.ProducerOptions{ManualPartition: true})
	for i, m := range msgs {
		if m.Partition != int32(i%3) || m.Offset != int64(i/3) {
			t.Fatalf("message %d is at %d/%d", i, m.Partition, m.Offset)
		}
	}
}

func TestSendNamesTheMessageThatIsTooLarge(t *testing.T) {
	b := start(t, 1)
	msgs := messages(3)
	msgs[1].Value = []byte(strings.Repeat("x", 2<<20))
	p, err := b.NewProducer(bus.ProducerOptions{Compression: "none"})
	if err != nil {
		t.Fatal(err)
	}
	err = p.Send(t.Context(), msgs)
	se, ok := errors.AsType[*bus.SendError](err)
	if !ok || se.First != 1 || se.Errs[0] != nil || se.Errs[2] != nil {
		t.Fatalf("got %v, want an error for message 1 alone", err)
	}
	if !errors.Is(err, bus.ErrTooLarge) || bus.Retryable(err) {
		t.Fatalf("%v: want ErrTooLarge, not retryable", err)
	}
}

func TestReaderReportsWhatWasDeletedAndGoesOnAfterSeek(t *testing.T) {
	b := start(t, 2)
	msgs := messages(200)
	for i, m := range msgs {
		m.Partition = int32(i % 2)
	}
	send(t, b, msgs, bus.ProducerOptions{ManualPartition: true})
	if err := b.DeleteRecords(t.Context(), topic, map[int32]int64{1: 40}); err != nil {
		t.Fatal(err)
	}
	r, err := b.NewReader(map[string]map[int32]int64{topic: {0: 10, 1: 10}}, bus.ReaderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	got := map[int32][]int64{}
	var gap *bus.OutOfRangeError
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for len(got[0]) < 90 || len(got[1]) < 60 {
		fetch, err := r.Poll(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, batch := range fetch {
			for _, m := range batch.Messages {
				got[m.Partition] = append(got[m.Partition], m.Offset)
			}
			if batch.Err == nil {
				continue
			}
			if gap != nil {
				t.Fatalf("reported twice: %v", batch.Err)
			}
			if !errors.Is(batch.Err, bus.ErrOutOfRange) || !errors.As(batch.Err, &gap) {
				t.Fatalf("got %v", batch.Err)
			}
			if err := r.Seek(topic, 1, gap.Start); err != nil {
				t.Fatal(err)
			}
		}
	}
	if gap == nil || gap.Partition != 1 || gap.Offset != 10 || gap.Start != 40 || gap.End != 100 {
		t.Fatalf("gap %+v", gap)
	}
	if got[0][0] != 10 || got[1][0] != 40 {
		t.Fatalf("reading began at %d and %d", got[0][0], got[1][0])
	}
}

func TestReaderBeyondTheEndIsOutOfRange(t *testing.T) {
	b := start(t, 1)
	send(t, b, messages(10), bus.ProducerOptions{})
	r, err := b.NewReader(map[string]map[int32]int64{topic: {0: 50}}, bus.ReaderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	fetch, err := r.Poll(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var gap *bus.OutOfRangeError
	if !errors.As(fetch[0].Err, &gap) || gap.Offset != 50 || gap.Start != 0 || gap.End != 10 {
		t.Fatalf("got %+v", fetch[0])
	}
}

func TestBatchTellsTheEndOfTheLog(t *testing.T) {
	b := start(t, 1)
	send(t, b, messages(10), bus.ProducerOptions{})
	if err := b.DeleteRecords(t.Context(), topic, map[int32]int64{0: 3}); err != nil {
		t.Fatal(err)
	}
	r, err := b.NewReader(map[string]map[int32]int64{topic: {0: 3}}, bus.ReaderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	fetch, err := r.Poll(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if f := fetch[0]; f.HighWatermark != 10 || f.LastStable != 10 || f.LogStart != 3 || f.Next != 10 || f.Messages[0].Offset != 3 {
		t.Fatalf("got %+v", f)
	}
}

func TestPollEndsWithItsContextAndWithClose(t *testing.T) {
	b := start(t, 1)
	r, err := b.NewReader(all(1), bus.ReaderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Poll(ctx); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	done := make(chan error)
	go func() { _, err := r.Poll(t.Context()); done <- err }()
	r.Close()
	if err := <-done; !errors.Is(err, bus.ErrClosed) {
		t.Fatalf("got %v", err)
	}
}

func TestPauseAndResumeDeliverEachMessageOnce(t *testing.T) {
	b := start(t, 2)
	msgs := messages(400)
	for i, m := range msgs {
		m.Partition = int32(i % 2)
	}
	send(t, b, msgs, bus.ProducerOptions{ManualPartition: true, Compression: "none"})
	r, err := b.NewReader(all(2), bus.ReaderOptions{MaxMessages: 50})
	if err != nil {
		t.Fatal(err)
	}
	r.Pause(topic, 1)
	for _, m := range readAll(t, r, 200) {
		if m.Partition == 1 {
			t.Fatal("paused partition was delivered")
		}
	}
	r.Resume(topic, 1)
	for i, m := range readAll(t, r, 200) {
		if m.Partition != 1 || m.Offset != int64(i) {
			t.Fatalf("message %d is %d/%d", i, m.Partition, m.Offset)
		}
	}
}

func TestDescribe(t *testing.T) {
	b := bustest.New(t, event.Topic{Name: topic, Partitions: 2, Retention: time.Hour}, event.Topic{Name: event.TopicPanes, Internal: true})
	send(t, b, messages(50), bus.ProducerOptions{})
	infos, err := b.Describe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(infos) != 2 {
		t.Fatalf("%d topics", len(infos))
	}
	e, panes := infos[0], infos[1]
	if e.Name != topic || e.Partitions != 2 || e.Replication != 1 || e.RetentionMS != 3_600_000 || e.RetentionBytes != -1 || e.Messages != 50 || e.Bytes <= 0 || e.Internal {
		t.Errorf("got %+v", e)
	}
	if panes.Name != event.TopicPanes || panes.Partitions != 3 || panes.RetentionMS != -1 || !panes.Internal {
		t.Errorf("got %+v", panes)
	}
	id, err := b.TopicID(t.Context(), topic)
	if err != nil || len(id) != 32 || id != e.ID {
		t.Errorf("id %q, %q, %v", id, e.ID, err)
	}
	if _, err := b.TopicID(t.Context(), "none"); !errors.Is(err, bus.ErrUnknownTopic) {
		t.Errorf("got %v", err)
	}
	if _, err := b.Offsets(t.Context(), "none"); !errors.Is(err, bus.ErrUnknownTopic) {
		t.Errorf("got %v", err)
	}
}

func TestEnsureTopicsTwice(t *testing.T) {
	b := start(t, 2)
	if err := b.EnsureTopics(t.Context(), []event.Topic{{Name: topic, Partitions: 4}}); err != nil {
		t.Fatal(err)
	}
	infos, err := b.Describe(t.Context(), topic)
	if err != nil || infos[0].Partitions != 2 {
		t.Fatalf("%+v, %v: an existing topic must be left alone", infos, err)
	}
}

func TestCommitGroup(t *testing.T) {
	b := start(t, 1)
	send(t, b, messages(5), bus.ProducerOptions{})
	for _, offset := range []int64{3, 5} {
		if err := b.CommitGroup(t.Context(), "hxp-event-processing", map[string]map[int32]int64{topic: {0: offset}}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestConnectEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := bus.Connect(ctx, bus.Config{Bootstrap: []string{"127.0.0.1:1"}}, nil)
	if err == nil || !bus.Retryable(err) || !strings.Contains(err.Error(), "127.0.0.1:1") {
		t.Fatalf("got %v", err)
	}
}

func TestClosedBus(t *testing.T) {
	b := start(t, 1)
	p, err := b.NewProducer(bus.ProducerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	b.Close()
	if err := p.Send(t.Context(), messages(1)); !errors.Is(err, bus.ErrClosed) || bus.Retryable(err) {
		t.Errorf("got %v", err)
	}
	if _, err := b.NewReader(all(1), bus.ReaderOptions{}); !errors.Is(err, bus.ErrClosed) {
		t.Errorf("got %v", err)
	}
}
