package stream

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/bus/bustest"
	"github.com/hxp-enterprise/hxp/internal/event"
)

// operator does to topics what any client may do.
type operator struct {
	*kadm.Client
	t   *testing.T
	raw *kgo.Client
}

func newOperator(t *testing.T, addr string) operator {
	c, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.MetadataMinAge(10*time.Millisecond), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return operator{kadm.NewClient(c), t, c}
}

func (o operator) delete(topic string) {
	o.t.Helper()
	r, err := o.DeleteTopic(o.t.Context(), topic)
	if err != nil || r.Err != nil {
		o.t.Fatal(err, r.Err)
	}
}

// shorten deletes everything before an offset of every partition of a topic; -1 = all that is there. The broker of the tests keeps what
// was written last, so that is a record that says nothing.
func (o operator) shorten(topic string, before int64) {
	o.t.Helper()
	ends, err := o.ListEndOffsets(o.t.Context(), topic)
	if err != nil {
		o.t.Fatal(err)
	}
	var at kadm.Offsets
	ends.Each(func(e kadm.ListedOffset) {
		if before < 0 {
			if err := o.raw.ProduceSync(o.t.Context(), &kgo.Record{Topic: topic, Partition: e.Partition, Value: []byte("nothing")}).FirstErr(); err != nil {
				o.t.Fatal(err)
			}
			at.AddOffset(topic, e.Partition, e.Offset, -1)
		} else {
			at.AddOffset(topic, e.Partition, min(before, e.Offset), -1)
		}
	})
	deleted, err := o.DeleteRecords(o.t.Context(), at)
	if err == nil {
		err = deleted.Error()
	}
	if err != nil {
		o.t.Fatal(err)
	}
}

// eventually waits for what a service does by itself.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patient); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not reached: %s", what)
		}
	}
}

func (r *running) completeness() float64 { return r.Query(Span{0, 1}).Completeness }

// exact wants the windows to hold everything, and to say so.
func (r *running) exact(t *testing.T, want int) {
	t.Helper()
	await(t, "counted", uint64(want), r.total)
	eventually(t, "the windows are called complete", func() bool { return r.completeness() == 1 && len(r.Problems()) == 0 })
	if c, why := r.completeness(), r.Problems(); c != 1 || len(why) > 0 || r.Healthy() != nil {
		t.Errorf("completeness %v, problems %q, health %v of exact windows", c, why, r.Healthy())
	}
}

func old() int64 { return time.Now().Add(-3 * time.Hour).Unix() }

func TestInputGrowsUnderTheService(t *testing.T) {
	b, addr := bustest.Start(t)
	o := newOperator(t, addr)
	s := startService(t, b, t.TempDir())
	produce(t, b, llm(0, 300, old()))
	s.exact(t, 300)
	if _, err := o.CreatePartitions(t.Context(), 1, "llm-requests"); err != nil {
		t.Fatal(err)
	}
	p, err := b.NewProducer(bus.ProducerOptions{ManualPartition: true})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	msgs := llm(300, 100, old())
	for _, m := range msgs {
		m.Partition = 3
	}
	eventually(t, "partition 3 takes records", func() bool { return p.Send(t.Context(), msgs) == nil })
	s.exact(t, 400)
	if shapes, err := b.Shapes(t.Context(), event.TopicPanes); err != nil || shapes[event.TopicPanes].Partitions != 4 {
		t.Errorf("the journal has %+v (%v), want 4 partitions", shapes, err)
	}
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
}

func TestInputHasMorePartitionsThanTheJournal(t *testing.T) {
	topics := append([]event.Topic{}, event.Topics...)
	for i := range topics {
		if topics[i].Name == "llm-requests" {
			topics[i].Partitions = 8
		}
	}
	b := bustest.New(t, topics...)
	produce(t, b, llm(0, 1000, old()))
	s := startService(t, b, t.TempDir())
	s.exact(t, 1000)
	if n := len(s.allLanes()); n != 8 {
		t.Errorf("%d lanes, want 8", n)
	}
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
}

func TestJournalDeletedUnderTheService(t *testing.T) {
	b, addr := bustest.Start(t)
	o, dir := newOperator(t, addr), t.TempDir()
	s := startService(t, b, dir)
	produce(t, b, llm(0, 500, old()))
	s.exact(t, 500)
	o.delete(event.TopicPanes)
	produce(t, b, llm(500, 500, old()))
	produce(t, b, llm(0, 500, old())) // known ones
	s.exact(t, 1000)
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"hxp-panes was deleted or made anew", "does not exist and is made", "go on from the last snapshot"} {
		if !strings.Contains(s.log.String(), line) {
			t.Errorf("the log does not say %q", line)
		}
	}
	again := startService(t, b, dir)
	again.exact(t, 1000)
	if err := again.stop(); err != nil {
		t.Fatal(err)
	}
}

func TestInputTopicIsMadeAnew(t *testing.T) {
	b, addr := bustest.Start(t)
	o := newOperator(t, addr)
	s := startService(t, b, t.TempDir())
	produce(t, b, llm(0, 500, old()))
	s.exact(t, 500)
	o.delete("llm-requests")
	eventually(t, "the missing topic is named", func() bool { return strings.Contains(strings.Join(s.Problems(), " "), "llm-requests does not exist") })
	if err := b.EnsureTopics(t.Context(), event.Topics); err != nil {
		t.Fatal(err)
	}
	fresh := bustest.Connect(t, addr)
	produce(t, fresh, llm(500, 300, old()))
	s.exact(t, 800) // the windows keep what the topic of before held
	produce(t, fresh, llm(500, 300, old()))
	await(t, "duplicates", 300, s.duplicates)
	s.exact(t, 800)
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
}

func (r *running) duplicates() (n uint64) {
	for _, p := range r.partitions() {
		n += uint64(p.Tally.Duplicates)
	}
	return n
}

// The journal was shortened below two snapshots, and then they are gone: the topics still hold everything, so everything is
// counted again; then they do not, and that is said.
func TestSnapshotsAreLost(t *testing.T) {
	b, addr := bustest.Start(t)
	o, dir := newOperator(t, addr), t.TempDir()
	sent := 0
	for range 3 { // each end writes a snapshot
		s := startService(t, b, dir)
		produce(t, b, llm(sent, 1000, old()))
		sent += 1000
		s.exact(t, sent)
		if err := s.stop(); err != nil {
			t.Fatal(err)
		}
	}
	logs, err := b.Offsets(t.Context(), event.TopicPanes)
	if err != nil {
		t.Fatal(err)
	}
	for p, log := range logs[event.TopicPanes] {
		if log.Start == 0 {
			t.Fatalf("journal %d was not shortened: %+v", p, log)
		}
	}
	if err := os.RemoveAll(filepath.Join(dir, "_state")); err != nil {
		t.Fatal(err)
	}
	s := startService(t, b, dir)
	s.exact(t, sent)
	produce(t, b, llm(0, sent, old())) // all of them are known
	await(t, "duplicates", uint64(sent), s.duplicates)
	s.exact(t, sent)
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}

	o.shorten(event.TopicPanes, -1) // so that the journal tells of what comes now alone, not of the repetitions
	s = startService(t, b, dir)
	produce(t, b, llm(sent, 300, old()))
	sent += 300
	s.exact(t, sent)
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}

	if err := os.RemoveAll(filepath.Join(dir, "_state")); err != nil {
		t.Fatal(err)
	}
	o.shorten("llm-requests", 100)
	s = startService(t, b, dir)
	await(t, "counted", uint64(sent), s.total) // of what is lost the repetitions count, for the first time
	eventually(t, "nothing is left to count again", func() bool {
		return s.behind() == 0 && !strings.Contains(strings.Join(s.Problems(), " "), "counted again")
	})
	if n := s.total(); n != uint64(sent) {
		t.Errorf("%d counted of %d", n, sent)
	}
	if c, why := s.completeness(), strings.Join(s.Problems(), " "); c >= 1 || !strings.Contains(why, "100 records of llm-requests/0 are missing from the windows") {
		t.Errorf("completeness %v, problems %q after a loss", c, why)
	}
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
}

// One instance shortens the journal under another that is slower and has its own folder, or shares it.
func TestJournalShortenedUnderASlowerInstance(t *testing.T) {
	b, addr := bustest.Start(t)
	o := newOperator(t, addr)
	dir := t.TempDir()
	one := startService(t, b, dir)
	produce(t, b, llm(0, 500, old()))
	one.exact(t, 500)
	if err := one.stop(); err != nil {
		t.Fatal(err)
	}
	two := startService(t, b, t.TempDir())
	produce(t, b, llm(500, 500, old()))
	two.exact(t, 1000)
	if err := two.stop(); err != nil {
		t.Fatal(err)
	}
	o.shorten(event.TopicPanes, -1)
	one = startService(t, b, dir) // its snapshot is of before what is gone
	one.exact(t, 1000)
	produce(t, b, llm(0, 1000, old()))
	await(t, "duplicates", 1000, one.duplicates)
	one.exact(t, 1000)
	if err := one.stop(); err != nil {
		t.Fatal(err)
	}
}
