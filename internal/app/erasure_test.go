package app

import (
	"context"
	"maps"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/bus/bustest"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/stream"
)

// Windows of another process are known to be done with what they have counted while they run and keep up. Those that stand still begin with a
// snapshot of before, and those that catch up with one that may be far behind.
func TestNeededBesideTheWindows(t *testing.T) {
	const requests, everythingIsOld = "llm-requests", -time.Second // before a time that is to come
	b := bustest.New(t, event.Topic{Name: requests, Partitions: 2, Retention: 1}, event.Topic{Name: event.TopicCorrelations, Partitions: 1, Retention: 1})
	out, err := b.NewProducer(bus.ProducerOptions{ManualPartition: true})
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	var all []*bus.Message
	for range 4 {
		all = append(all, &bus.Message{Topic: requests, Value: []byte("x")}, &bus.Message{Topic: requests, Partition: 1, Value: []byte("x")}, &bus.Message{Topic: event.TopicCorrelations, Value: []byte("x")})
	}
	if err := out.Send(t.Context(), all); err != nil {
		t.Fatal(err)
	}
	raw := func(_ string, partition int32) (int64, bool) { return 3 + int64(partition), true }
	is := func(what, topic string, every time.Duration, want map[int32]int64) {
		t.Helper()
		if got, err := neededBeside(t.Context(), b, topic, every, raw); err != nil || !maps.Equal(got, want) {
			t.Errorf("%s: of %s %v, %v; want %v", what, topic, got, err, want)
		}
	}
	is("never there", requests, everythingIsOld, map[int32]int64{})
	if err := b.CommitGroup(t.Context(), stream.Group, map[string]map[int32]int64{requests: {0: 4, 1: 4}}); err != nil {
		t.Fatal(err)
	}
	is("standing still", requests, everythingIsOld, map[int32]int64{})
	is("standing still", event.TopicCorrelations, everythingIsOld, map[int32]int64{})

	given := make(chan struct{}, 1)
	m, err := b.Join(bus.MemberOptions{
		Group: stream.Group, Topics: []string{requests}, Session: 6 * time.Second,
		Given: func([]int32) { given <- struct{}{} }, Taken: func(context.Context, []int32) {}, Lost: func() {},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	<-given
	is("keeping up", requests, everythingIsOld, map[int32]int64{0: 3, 1: 4})
	is("keeping up", event.TopicCorrelations, everythingIsOld, map[int32]int64{0: 4})
	is("with snapshots of an hour ago", requests, time.Hour, map[int32]int64{0: 0, 1: 0})
	if err := m.Commit(t.Context(), map[string]map[int32]int64{requests: {1: 2}}); err != nil {
		t.Fatal(err)
	}
	is("catching up", requests, everythingIsOld, map[int32]int64{0: 3})
}
