package notify

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/alert/notify/core"
	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/bus/bustest"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/telemetry"
)

// idle is a service that does only what it is told.
func idle(t *testing.T, store Store, b *bus.Bus) *Service {
	t.Helper()
	s, err := New(Config{}, Options{Store: store, Bus: b, Log: slog.New(slog.DiscardHandler), Registry: telemetry.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A partition of which records were removed before they were read, or which was cut behind what was read, is read on.
func TestDecisionsThatAreGone(t *testing.T) {
	b := bustest.New(t, event.Topic{Name: event.TopicAlerts, Partitions: 2, Retention: time.Hour})
	out, err := b.NewProducer(bus.ProducerOptions{ManualPartition: true})
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	var all []*bus.Message
	for i := range 5 {
		all = append(all, &bus.Message{Topic: event.TopicAlerts, Value: fmt.Appendf(nil, `{"id":"e%d","rule":"r%d","state":"firing","starts_at":"2026-03-02T11:59:00Z"}`, i, i)})
	}
	if err := out.Send(t.Context(), all); err != nil {
		t.Fatal(err)
	}
	if err := b.DeleteRecords(t.Context(), event.TopicAlerts, map[int32]int64{0: 3}); err != nil {
		t.Fatal(err)
	}
	s := idle(t, newMemory(), b)
	at := position{Next: map[int32]int64{0: 0, 1: 7}} // 1 has nothing
	reader, err := b.NewReader(map[string]map[int32]int64{event.TopicAlerts: at.Next}, bus.ReaderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	known := func() (n int) { s.look(func(e *core.Engine) { n = e.Count() }); return n }
	for range 10 { // each waits for news for some seconds
		if known() == 2 && at.Next[1] == 0 {
			break
		}
		if err := s.readOn(t.Context(), 0, reader, &at); err != nil {
			t.Fatal(err)
		}
	}
	if known() != 2 || at.Next[0] != 5 || at.Next[1] != 0 {
		t.Errorf("%d alerts, position %v", known(), at.Next)
	}
	if n, _ := reader.Position(event.TopicAlerts, 1); n != 0 {
		t.Errorf("the empty partition is read from %d", n)
	}
	shapes, err := b.Shapes(t.Context(), event.TopicAlerts)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.save(t.Context(), 0, core.Put(core.KindPosition, event.TopicAlerts, position{Topic: shapes[event.TopicAlerts].ID, Next: map[int32]int64{0: 1, 1: 7}})); err != nil {
		t.Fatal(err)
	}
	if at, jumped, err := s.readFrom(t.Context()); err != nil || !jumped || at.Next[0] != 3 || at.Next[1] != 0 {
		t.Errorf("after a restart: %v %v %v", at, jumped, err)
	}
	if n, _ := s.o.Registry.Sum("hxp_notifications_missed_alerts_total"); n != 3+2 {
		t.Errorf("%v records missed", n)
	}
}

// What a record of hxp-alerts says to people: an alert, its end, something that is told once, or nothing.
func TestRecords(t *testing.T) {
	now := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	for record, want := range map[string]string{
		`"state":"firing"`: "fires", `"state":"pending"`: "", `"state":"lapsed"`: "", `"state":"resolved","ends_at":"2026-03-02T11:59:30Z"`: "is over",
		`"state":"lapsed","once":true`: "once", `"state":"firing","once":true`: "once", `"state":"resolved","once":true`: "", `"state":"pending","once":true`: "",
	} {
		a, ok, err := alertOf([]byte(`{"id":"e","rule":"R","starts_at":"2026-03-02T11:59:00Z",`+record+`}`), now, now, "")
		got := ""
		switch {
		case err != nil:
			t.Fatal(err)
		case ok && a.Once && a.EndsAt.Equal(now.Add(core.OnceFor)):
			got = "once"
		case ok && a.Resolved(now):
			got = "is over"
		case ok && !a.Once:
			got = "fires"
		}
		if got != want {
			t.Errorf("%s: %q, want %q: %+v", record, got, want, a)
		}
	}
	a, ok, err := alertOf(fmt.Appendf(nil, `{"id":"e","rule":"R","starts_at":"2026-03-02T11:59:00Z","state":"firing","annotations":{"a":%q,"b":"short"}}`, strings.Repeat("é", 40<<10)), now, now, "")
	if err != nil || !ok || a.Annotations["b"] != "short" || a.Labels.Size()+a.Annotations.Size() > core.MaxBytes || !strings.HasSuffix(a.Annotations["a"], "é…") {
		t.Errorf("%v %v %d", ok, err, a.Annotations.Size())
	}
}
