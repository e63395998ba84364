package bus_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/broker/brokertest"
	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
)

func describe(t *testing.T, b *bus.Bus, name string) bus.TopicInfo {
	t.Helper()
	infos, err := b.Describe(t.Context(), name)
	if err != nil || len(infos) != 1 {
		t.Fatalf("%d topics, %v", len(infos), err)
	}
	return infos[0]
}

func TestTopicLife(t *testing.T) {
	b := start(t, 3)
	wish := bus.NewTopic{Name: "team.extra", Partitions: 2, Config: map[string]*string{"retention.ms": new("3600000")}}
	if err := b.CreateTopic(t.Context(), wish); err != nil {
		t.Fatal(err)
	}
	if err := b.CreateTopic(t.Context(), wish); !errors.Is(err, bus.ErrTopicExists) {
		t.Errorf("again: %v", err)
	}
	if info := describe(t, b, wish.Name); info.Partitions != 2 || info.RetentionMS != 3_600_000 || info.Internal || info.Differs != nil {
		t.Errorf("made %+v", info)
	}
	if err := b.AlterTopic(t.Context(), wish.Name, 4, map[string]*string{"retention.bytes": new("1048576"), "retention.ms": nil}); err != nil {
		t.Fatal(err)
	}
	if info := describe(t, b, wish.Name); info.Partitions != 4 || info.RetentionBytes != 1<<20 || info.RetentionMS != (7*24*time.Hour).Milliseconds() {
		t.Errorf("altered %+v", info)
	}
	if err := b.DeleteTopic(t.Context(), wish.Name); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Describe(t.Context(), wish.Name); !errors.Is(err, bus.ErrUnknownTopic) {
		t.Errorf("deleted, and still there: %v", err)
	}
	for _, err := range []error{b.DeleteTopic(t.Context(), wish.Name), b.AlterTopic(t.Context(), wish.Name, 3, nil), b.AlterTopic(t.Context(), wish.Name, 0, map[string]*string{"retention.ms": new("1")})} {
		if !errors.Is(err, bus.ErrUnknownTopic) {
			t.Errorf("an unknown topic: %v", err)
		}
	}
}

// A refusal says why in the broker's words, and leaves everything as it was.
func TestTopicRefused(t *testing.T) {
	b := start(t, 3)
	for want, err := range map[string]error{
		"at most 8":              b.CreateTopic(t.Context(), bus.NewTopic{Name: "x", Partitions: 9}),
		"one replica":            b.CreateTopic(t.Context(), bus.NewTopic{Name: "x", Replication: 2}),
		`"no.such.setting"`:      b.CreateTopic(t.Context(), bus.NewTopic{Name: "x", Config: map[string]*string{"no.such.setting": new("1")}}),
		"does not compact":       b.AlterTopic(t.Context(), topic, 5, map[string]*string{"cleanup.policy": new("compact")}),
		"never gets fewer":       b.AlterTopic(t.Context(), topic, 1, nil),
		"not a number":           b.AlterTopic(t.Context(), topic, 5, map[string]*string{"retention.ms": new("soon")}),
		"at most 8 partitions a": b.AlterTopic(t.Context(), topic, 9, map[string]*string{"retention.ms": new("1000")}),
	} {
		if no, ok := errors.AsType[*bus.RefusedError](err); !ok || !strings.Contains(no.Detail, want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	if info := describe(t, b, topic); info.Partitions != 3 {
		t.Errorf("a refused change left %d partitions", info.Partitions)
	}
}

func TestDifferencesAreTold(t *testing.T) {
	addr := brokertest.Start(t)
	small, err := bus.Connect(t.Context(), bus.Config{Bootstrap: []string{addr}, TopicPartitions: 2}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer small.Close()
	if err := small.EnsureTopics(t.Context(), []event.Topic{{Name: "user-feedback"}}); err != nil {
		t.Fatal(err)
	}
	if info := describe(t, small, "user-feedback"); len(info.Differs) != 0 {
		t.Errorf("as configured, and yet %+v", info.Differs)
	}
	large, err := bus.Connect(t.Context(), bus.Config{Bootstrap: []string{addr}, TopicPartitions: 12, Replication: 3, MostPartitions: 8, MostReplicas: 1}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer large.Close()
	if err := large.EnsureTopics(t.Context(), []event.Topic{{Name: "user-feedback"}, {Name: "llm-requests"}, {Name: event.TopicPanes}}); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"user-feedback": "partitions 2 12 replication_factor 1 3", "llm-requests": "partitions 8 12 replication_factor 1 3", event.TopicPanes: "replication_factor 1 3"} {
		var got []string
		for _, d := range describe(t, large, name).Differs {
			got = append(got, d.Setting, d.Has, d.Configured)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s differs in %q, want %q", name, got, want)
		}
	}
	if err := small.AlterTopic(t.Context(), event.TopicPanes, 0, map[string]*string{"retention.ms": new("1000")}); err != nil {
		t.Fatal(err)
	}
	if d := describe(t, small, event.TopicPanes).Differs; len(d) != 1 || d[0].Setting != "retention.ms" {
		t.Errorf("retention of the journal: %+v", d)
	}
	own := []event.Topic{{Name: event.TopicPanes}, {Name: "user-feedback"}, {Name: "not-there"}}
	if d, err := small.Differences(t.Context(), own); err != nil || len(d) != 1 || d[0].Topic != event.TopicPanes || d[0].Setting != "retention.ms" || !d[0].Loses {
		t.Errorf("of all: %+v, %v", d, err)
	}
	if d, err := large.Differences(t.Context(), own[1:2]); err != nil || len(d) != 2 || d[0].Setting != "partitions" || d[0].Loses || d[1].Loses {
		t.Errorf("of one: %+v, %v", d, err)
	}
}

func TestTopicName(t *testing.T) {
	for name, good := range map[string]bool{"a": true, "Team-x.y_z.9": true, strings.Repeat("x", 249): true,
		"": false, ".": false, "..": false, "../up": false, "a b": false, "é": false, strings.Repeat("x", 250): false, "a\x00": false} {
		if err := bus.TopicName(name); (err == nil) != good {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestOffsetsAt(t *testing.T) {
	b := start(t, 2)
	sent := messages(40)
	send(t, b, sent[:20], bus.ProducerOptions{})
	var newest time.Time
	for _, m := range sent[:20] {
		if m.Timestamp.After(newest) {
			newest = m.Timestamp
		}
	}
	for at, want := range map[time.Time]int64{time.Unix(0, 0): 0, newest.Add(time.Millisecond): 20, newest.Add(time.Microsecond): 20, time.Now().Add(time.Hour): 20} {
		got, err := b.OffsetsAt(t.Context(), at, topic)
		if err != nil || got[topic][0]+got[topic][1] != want {
			t.Errorf("at %s: %v, %v, want %d in all", at, got, err, want)
		}
	}
	if _, err := b.OffsetsAt(t.Context(), newest, "none"); !errors.Is(err, bus.ErrUnknownTopic) {
		t.Errorf("unknown topic: %v", err)
	}
}
