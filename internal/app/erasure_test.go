package app

import (
	"maps"
	"testing"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
)

// Inputs are kept for whoever is further behind of windows and lake, what is joined for the windows, and where one of them has not told anything goes.
func TestNeededByWindowsAndLake(t *testing.T) {
	const requests = "llm-requests"
	knows := func(all map[string]map[int32]int64) func(string, int32) (int64, bool) {
		return func(topic string, p int32) (int64, bool) { at, known := all[topic][p]; return at, known }
	}
	needed := neededBy(knows(map[string]map[int32]int64{requests: {0: 5, 1: 9, 2: 4}, event.TopicJoins: {0: 3}}), knows(map[string]map[int32]int64{requests: {0: 7, 1: 6, 3: 8}}))
	logs := map[int32]bus.Range{0: {End: 20}, 1: {End: 20}, 2: {End: 20}, 3: {End: 20}}
	for topic, want := range map[string]map[int32]int64{
		requests: {0: 5, 1: 6}, event.TopicJoins: {0: 3}, event.TopicCorrelations: {}, event.TopicLate: {0: 20, 1: 20, 2: 20, 3: 20}, event.TopicDeadLetters: {0: 20, 1: 20, 2: 20, 3: 20},
	} {
		if got := needed(topic, logs); !maps.Equal(got, want) {
			t.Errorf("of %s %v, want %v", topic, got, want)
		}
	}
}
