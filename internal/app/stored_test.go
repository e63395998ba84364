package app

import (
	"testing"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
)

// Offsets of a topic that was deleted and made anew tell nothing of the one that is there now.
func TestPublished(t *testing.T) {
	topics := map[string]bus.Shape{"a": {ID: "1", Partitions: 2}}
	positions := map[event.TopicPartition]int64{{TopicID: "1", Topic: "a", Partition: 0}: 7, {TopicID: "0", Topic: "a", Partition: 1}: 90}
	for _, tc := range []struct {
		until []int64 // by partition
		want  bool
	}{{[]int64{7, 0}, true}, {[]int64{8, 0}, false}, {[]int64{7, 1}, false}, {nil, true}} {
		parts := map[int32]int64{}
		for p, end := range tc.until {
			parts[int32(p)] = end
		}
		if got := published(map[string]map[int32]int64{"a": parts}, topics, positions); got != tc.want {
			t.Errorf("%v: %v", tc.until, got)
		}
	}
}
