package bus_test

import (
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/bus/bustest"
	"github.com/hxp-enterprise/hxp/internal/event"
)

func TestNewest(t *testing.T) {
	b := bustest.New(t, event.Topics...)
	if at, err := b.Newest(t.Context()); err != nil || !at.IsZero() {
		t.Errorf("nothing is there: %s, %v", at, err)
	}
	p, err := b.NewProducer(bus.ProducerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	m := &bus.Message{Topic: "llm-requests", Value: []byte("{}"), Timestamp: time.Now().Add(time.Hour).Truncate(time.Millisecond)}
	if err := p.Send(t.Context(), []*bus.Message{m, {Topic: "user-feedback", Value: []byte("{}")}}); err != nil {
		t.Fatal(err)
	}
	if at, err := b.Newest(t.Context()); err != nil || !at.Equal(m.Timestamp) {
		t.Errorf("%s, %v, want %s", at, err, m.Timestamp)
	}
}
