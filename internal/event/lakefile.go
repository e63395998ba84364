package event

import (
	"cmp"
	"time"
)

// The words that the lake, the store and the batch share when they speak of raw events at rest. They are plain values, so
// that those rooms meet without importing each other.

// TopicPartition names one partition of one incarnation of a topic: a topic that was deleted and made anew has another
// TopicID, and its offsets begin a new history.
type TopicPartition struct {
	TopicID   string // hexadecimal, without dashes
	Topic     string
	Partition int32
}

// States of a LakeFile.
const (
	LakeLive       = "live"       // belongs to the exact content of its hour
	LakeSuperseded = "superseded" // replaced by a compacted file, kept for readers that still have it open
	LakeMarked     = "marked"     // about to be removed by retention
	LakeArchived   = "archived"   // only its archive copy is left
)

// LakeFile is the manifest's entry of one Parquet file: the events of one kind and hour among the offsets [From, To) of one
// partition.
type LakeFile struct {
	Path      string `json:"path"` // relative to the root of the lake, with slashes
	TopicID   string `json:"topic_id"`
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	From      int64  `json:"from"` // first offset of the published range
	To        int64  `json:"to"`   // offset after the published range
	Hour      int64  `json:"hour"` // start of the hour of event time, seconds since the epoch
	Rows      int64  `json:"rows"`
	Bytes     int64  `json:"bytes"`
	SHA256    string `json:"sha256"`   // hexadecimal
	MinTime   int64  `json:"min_time"` // event time of the oldest row, microseconds since the epoch
	MaxTime   int64  `json:"max_time"`
	State     string `json:"state"`
	// Generation is 0 for a file as it was published, else drawn by chance for each compaction. When all live files of an hour
	// have the same one, not 0, they were compacted together and hold each identity once.
	Generation int64 `json:"generation,omitempty"`
}

// TopicPartition names where the rows come from.
func (f LakeFile) TopicPartition() TopicPartition {
	return TopicPartition{TopicID: f.TopicID, Topic: f.Topic, Partition: f.Partition}
}

// ComparePlace orders files by the places of their rows. Of several copies of an event the one at the smallest place counts: by
// topic, feedback and business events after the requests that they speak of, then topic id, partition and offset.
func (f LakeFile) ComparePlace(o LakeFile) int {
	return cmp.Or(cmp.Compare(companions(f.Topic), companions(o.Topic)), cmp.Compare(f.Topic, o.Topic), cmp.Compare(f.TopicID, o.TopicID),
		cmp.Compare(f.Partition, o.Partition), cmp.Compare(f.From, o.From), cmp.Compare(f.To, o.To), cmp.Compare(f.Path, o.Path))
}

// companions is 1 for the topics of events that speak of a request, 0 for others.
func companions(topic string) int {
	if k, _ := KindOfTopic(topic); k == UserFeedback || k == BusinessEvent {
		return 1
	}
	return 0
}

// Compaction replaces live files of an hour by others with the same events, each identity once.
type Compaction struct {
	Hour    int64
	Version int64      // of the hour, read together with its files
	Old     []string   // paths of the live files that are replaced
	Kept    []string   // paths of the live files that are as they would be written again; they enter the generation
	New     []LakeFile // with the generation
	// Generation of New and Kept: 0 when an identity had to stay more than once.
	Generation int64
}

// ErasedHour is what left an hour because of whom it was about.
type ErasedHour struct {
	Hour  time.Time `json:"hour"`
	Files int       `json:"files"`
	Rows  int64     `json:"rows"`
}

// LakeFilter chooses files of the manifest. Zero fields choose everything.
type LakeFilter struct {
	Topic    string
	FromHour int64 // seconds since the epoch, inclusive
	ToHour   int64 // exclusive; 0 = no end
	State    string
}

// LakeGap is a stretch of offsets that the lake could not read: the log no longer (or not yet) holds it.
type LakeGap struct {
	TopicPartition
	From   int64 // position of the lake when it found the gap
	To     int64 // where it went on; below From when the log lost its end
	Reason string
	At     int64 // microseconds since the epoch
}

// Lost is the number of offsets that the lake never saw.
func (g LakeGap) Lost() int64 { return max(0, g.To-g.From) }

// HourState tells how an hour's raw data and its aggregate stand to each other. The hour is dirty when Version differs from
// Built.
type HourState struct {
	Hour          int64 // start of the hour, seconds since the epoch
	Version       int64 // sum over the topics of the number of publications that touched the hour
	Built         int64 // Version that the stored aggregate was folded from, 0 = none
	LastPublished int64 // microseconds since the epoch
}

// LakeRow is one row of the lake: an event and where its record lies.
type LakeRow struct {
	Event      Event
	TopicID    string
	Topic      string
	Partition  int32
	Offset     int64
	IngestedAt int64 // time of the record at the broker, microseconds since the epoch
}
