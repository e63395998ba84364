package lake

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// part is an event of a request at a time.
func part(kind event.Kind, id, request string, at int64) *event.Event {
	e := &event.Event{Kind: kind, ID: id, Source: "test", Time: at * 1e6, HasTime: true}
	e.SetText(event.RequestID, request)
	e.SetText(event.Model, "m")
	return e
}

// The events of a request are found whole, in whatever hours and files they lie, each once, the newest hours first.
func TestFind(t *testing.T) {
	l, m := openTest(t), newMemory()
	skipDisk(l)
	load := func(topic string, partition int32, events ...*event.Event) {
		t.Helper()
		tp := event.TopicPartition{TopicID: "id-" + topic, Topic: topic, Partition: partition}
		if _, err := l.Import(t.Context(), m, tp, func(yield func(*event.Event, int64) bool) {
			for i, e := range events {
				if !yield(e, int64(i)) {
					return
				}
			}
		}); err != nil {
			t.Fatal(err)
		}
	}
	const hour = 1_767_225_600
	begin := time.Unix(hour, 0)
	var many []*event.Event
	for i := range 500 {
		many = append(many, part(event.LLMRequest, fmt.Sprint("e", i), fmt.Sprint("r", i), hour+int64(i)))
	}
	load("llm-requests", 0, many...)
	load("llm-requests", 1, part(event.LLMRequest, "e7", "r7", hour+7)) // delivered twice
	load("user-feedback", 0, part(event.UserFeedback, "f7", "r7", hour+3600), part(event.UserFeedback, "f8", "r8", hour+3600))
	load("business-events", 0, part(event.BusinessEvent, "b7", "r7", hour+10))
	find := func(ctx context.Context, o FindOptions) (ids []string, whole bool) {
		t.Helper()
		whole, err := l.Find(ctx, m, o, func(e *event.Event) error {
			if e.Text(event.RequestID) != o.RequestID || e.Text(event.Model) != "m" || e.Source != "test" {
				t.Errorf("found %s", event.AppendJSON(nil, e))
			}
			ids = append(ids, e.ID)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return ids, whole
	}
	ids, whole := find(t.Context(), FindOptions{RequestID: "r7"})
	if first := ids[0]; !whole || first != "f7" || len(ids) != 3 || !slices.Contains(ids, "e7") || !slices.Contains(ids, "b7") {
		t.Errorf("found %v, whole: %t", ids, whole)
	}
	if ids, whole := find(t.Context(), FindOptions{RequestID: "r7", From: begin.Add(time.Hour)}); !whole || !slices.Equal(ids, []string{"f7"}) {
		t.Errorf("of the second hour %v, whole: %t", ids, whole)
	}
	if ids, whole := find(t.Context(), FindOptions{RequestID: "nobody"}); !whole || len(ids) != 0 {
		t.Errorf("of nobody %v, whole: %t", ids, whole)
	}
	if ids, whole := find(t.Context(), FindOptions{RequestID: "r7", Rows: 100}); whole || !slices.Equal(ids, []string{"f7"}) {
		t.Errorf("of a hundred rows %v, whole: %t", ids, whole)
	}
}

// A search that is cut short says so.
func TestFindIsCutShort(t *testing.T) {
	l, m, _, _ := published(t, 100)
	ctx, cancel := context.WithCancel(t.Context())
	files, err := m.Files(ctx, event.LakeFilter{})
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	cancel()
	if whole, err := l.Find(ctx, m, FindOptions{RequestID: "r"}, nil); whole || err != nil {
		t.Errorf("whole: %t, %v", whole, err)
	}
}
