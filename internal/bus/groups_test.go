package bus_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/bus/bustest"
	"github.com/hxp-enterprise/hxp/internal/event"
)

func group(t *testing.T, b *bus.Bus, id string) *bus.GroupInfo {
	t.Helper()
	g, err := b.Group(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestGroupLagAndReset(t *testing.T) {
	b := start(t, 2)
	sent := messages(100)
	send(t, b, sent[:60], bus.ProducerOptions{})
	var newest time.Time
	for _, m := range sent[:60] {
		if m.Timestamp.After(newest) {
			newest = m.Timestamp
		}
	}
	time.Sleep(time.Until(newest.Add(2 * time.Millisecond))) // times of messages are whole milliseconds
	send(t, b, sent[60:], bus.ProducerOptions{})
	if _, err := b.Group(t.Context(), "nobody"); !errors.Is(err, bus.ErrUnknownGroup) {
		t.Errorf("unknown group: %v", err)
	}
	if err := b.CommitGroup(t.Context(), "readers", map[string]map[int32]int64{topic: {0: 5}}); err != nil {
		t.Fatal(err)
	}
	if g := group(t, b, "readers"); g.State != "Empty" || len(g.Partitions) != 1 || g.Partitions[0].Position != 5 || g.Lag != g.Partitions[0].End-5 {
		t.Errorf("%+v", g)
	}
	all, err := b.Groups(t.Context())
	if err != nil || !slices.ContainsFunc(all, func(g bus.GroupInfo) bool { return g.ID == "readers" && g.Lag > 0 }) {
		t.Errorf("groups %+v, %v", all, err)
	}
	for _, c := range []struct {
		to  bus.ResetTo
		lag int64
	}{{bus.ResetTo{Latest: true}, 0}, {bus.ResetTo{Earliest: true}, 100}, {bus.ResetTo{At: newest.Add(time.Millisecond)}, 40},
		{bus.ResetTo{Offsets: map[string]map[int32]int64{topic: {0: 1, 1: 2}}}, 97}, {bus.ResetTo{At: time.Now().Add(time.Hour)}, 0}} {
		before := group(t, b, "readers").Lag
		moves, err := b.PlanReset(t.Context(), group(t, b, "readers"), c.to)
		if err != nil || len(moves) != 2 {
			t.Fatalf("%+v: %+v, %v", c.to, moves, err)
		}
		if now := group(t, b, "readers").Lag; now != before {
			t.Errorf("a plan changed the lag from %d to %d", before, now)
		}
		if err := b.Reset(t.Context(), "readers", moves); err != nil {
			t.Fatal(err)
		}
		if g := group(t, b, "readers"); g.Lag != c.lag {
			t.Errorf("%+v: lag %d, want %d", c.to, g.Lag, c.lag)
		}
	}
	for name, offsets := range map[string]map[string]map[int32]int64{"beyond the end": {topic: {0: 1000}}, "below the start": {topic: {0: -1}}} {
		if _, err := b.PlanReset(t.Context(), group(t, b, "readers"), bus.ResetTo{Offsets: offsets}); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	if _, err := b.PlanReset(t.Context(), group(t, b, "readers"), bus.ResetTo{Offsets: map[string]map[int32]int64{topic: {7: 0}}}); !errors.Is(err, bus.ErrUnknownTopic) {
		t.Errorf("unknown partition: %v", err)
	}
}

func TestGroupWithMembers(t *testing.T) {
	b, addr := bustest.Start(t, event.Topic{Name: topic, Partitions: 2})
	send(t, b, messages(10), bus.ProducerOptions{})
	c, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.ConsumerGroup("live"), kgo.ConsumeTopics(topic), kgo.ClientID("tester"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.DisableAutoCommit())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if f := c.PollFetches(t.Context()); f.Err() != nil {
		t.Fatal(f.Err())
	}
	g := group(t, b, "live")
	if g.State != "Stable" || len(g.Members) != 1 || g.Members[0].Client != "tester" || len(g.Members[0].Assigned[topic]) != 2 || len(g.Partitions) != 2 || g.Lag != 10 {
		t.Errorf("%+v", g)
	}
	moves, err := b.PlanReset(t.Context(), g, bus.ResetTo{Latest: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Reset(t.Context(), "live", moves); !errors.Is(err, bus.ErrGroupBusy) {
		t.Errorf("a group with members was moved: %v", err)
	}
}

// A topic that a group has read and that is gone costs nobody the description of the group.
func TestGroupOfADeletedTopic(t *testing.T) {
	b := start(t, 1)
	if err := b.CommitGroup(t.Context(), "readers", map[string]map[int32]int64{topic: {0: 0}}); err != nil {
		t.Fatal(err)
	}
	if err := b.DeleteTopic(t.Context(), topic); err != nil {
		t.Fatal(err)
	}
	g, err := b.Group(t.Context(), "readers")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range g.Partitions {
		if p.End != -1 || p.Lag != -1 {
			t.Errorf("%+v", p)
		}
	}
	if moves, err := b.PlanReset(t.Context(), g, bus.ResetTo{Earliest: true}); err != nil || len(moves) != 0 {
		t.Errorf("moves %+v, %v", moves, err)
	}
}

// It returns once positions can be kept, and in time when there is nobody who would.
func TestPrepareGroups(t *testing.T) {
	b := start(t, 1)
	if err := b.PrepareGroups(t.Context(), "readers", "others"); err != nil {
		t.Fatal(err)
	}
	if err := b.CommitGroup(t.Context(), "readers", map[string]map[int32]int64{topic: {0: 0}}); err != nil {
		t.Error(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.PrepareGroups(ended, "readers"); err == nil {
		t.Error("no broker was asked, and yet it is prepared")
	}
}
