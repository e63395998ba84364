package bus_test

import (
	"errors"
	"testing"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/bus/bustest"
	"github.com/hxp-enterprise/hxp/internal/event"
)

func TestGrowIsSeenInTheShape(t *testing.T) {
	b := bustest.New(t, event.Topic{Name: "small", Partitions: 2})
	for _, want := range []int{4, 4, 3} { // growing to what is there, or to less, changes nothing
		if err := b.Grow(t.Context(), "small", want); err != nil {
			t.Fatal(err)
		}
		shapes, err := b.Shapes(t.Context(), "small", "none")
		if err != nil {
			t.Fatal(err)
		}
		id, err := b.TopicID(t.Context(), "small")
		if err != nil {
			t.Fatal(err)
		}
		if s := shapes["small"]; s.Partitions != 4 || s.ID != id || len(shapes) != 1 {
			t.Errorf("after growing to %d: %+v, want 4 partitions of %s", want, shapes, id)
		}
	}
	if err := b.Grow(t.Context(), "none", 3); !errors.Is(err, bus.ErrUnknownTopic) {
		t.Errorf("growing a topic that is not there: %v", err)
	}
}
