package event

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/zeebo/xxh3"
)

// Identity is what makes two events the same one: the 128-bit xxh3 hash of source, a zero byte and id (high half first).
// It is for ever: filters, joins and compaction keep it on disk.
func (e *Event) Identity() [2]uint64 {
	var room [256]byte // for nearly all; it is cleared each time
	b := append(room[:0], e.Source...)
	b = append(b, 0)
	b = append(b, e.ID...)
	h := xxh3.Hash128(b)
	return [2]uint64{h.Hi, h.Lo}
}

// Key is the partition key: the request id, which brings a request, its feedback and its business events to one partition
// number and spreads hot models; without one the host, without that the event id.
func (e *Event) Key() string {
	if s := e.Text(RequestID); s != "" {
		return s
	}
	if s := e.Text(Host); s != "" {
		return s
	}
	return e.ID
}

// OffsetID names a record by where it lies: "<topicID>:<partition>:<offset>".
func OffsetID(topicID string, partition int32, offset int64) string {
	b := make([]byte, 0, len(topicID)+24)
	b = append(append(b, topicID...), ':')
	b = strconv.AppendInt(b, int64(partition), 10)
	b = strconv.AppendInt(append(b, ':'), offset, 10)
	return string(b)
}

// Complete gives an event that was read from a topic what its producer left out: the OffsetID as id, the broker's time
// (microseconds since the epoch) as time.
func (e *Event) Complete(topicID string, partition int32, offset int64, brokerMicros int64) {
	if e.ID == "" {
		e.ID = OffsetID(topicID, partition, offset)
	}
	if !e.HasTime {
		e.Time, e.HasTime = brokerMicros, true
	}
}

// Settle derives what follows from the other fields of a request: success from error_type and status_code (failed from 400
// on; below 100 is no answer at all and leaves it unknown), total_tokens from prompt and completion (one of them missing
// counts as none). What was given stays. Settling twice changes nothing.
func (e *Event) Settle() {
	if e.Kind != LLMRequest {
		return
	}
	const outcome, tokens = 1<<ErrorType | 1<<StatusCode, 1<<PromptTokens | 1<<CompletionTokens
	if e.has&(1<<Success) == 0 && e.has&outcome != 0 {
		if e.Text(ErrorType) != "" {
			e.SetBool(Success, false)
		} else if code := e.Int(StatusCode); code >= 100 {
			e.SetBool(Success, code < 400)
		}
	}
	if e.has&(1<<TotalTokens) == 0 && e.has&tokens != 0 {
		e.SetInt(TotalTokens, e.Int(PromptTokens)+e.Int(CompletionTokens))
	}
}

// Equal tells whether both events say the same.
func (e *Event) Equal(o *Event) bool {
	if e.ID != o.ID || e.Source != o.Source || e.SchemaVersion != o.SchemaVersion || e.CorrelationID != o.CorrelationID ||
		e.Kind != o.Kind || e.HasTime != o.HasTime || e.HasTime && e.Time != o.Time || e.has != o.has {
		return false
	}
	for f := range numFields {
		if !e.Has(f) {
			continue
		}
		if f < firstNumeric && e.text[f] != o.text[f] || f >= firstNumeric && e.num[f-firstNumeric] != o.num[f-firstNumeric] {
			return false
		}
	}
	same := func(a, b Metric) bool {
		return a.Name == b.Name && math.Float64bits(a.Value) == math.Float64bits(b.Value)
	}
	return string(e.Extra) == string(o.Extra) && string(e.Metadata) == string(o.Metadata) && slices.EqualFunc(e.Metrics, o.Metrics, same)
}

// Clone returns a copy that shares no memory with e, so that it outlives the bytes e was parsed from.
func (e *Event) Clone() *Event {
	c := *e
	c.ID, c.Source = strings.Clone(e.ID), strings.Clone(e.Source)
	c.SchemaVersion, c.CorrelationID = strings.Clone(e.SchemaVersion), strings.Clone(e.CorrelationID)
	for f := range firstNumeric {
		c.text[f] = strings.Clone(e.Text(f))
	}
	c.Metrics = slices.Clone(e.Metrics)
	for i := range c.Metrics {
		c.Metrics[i].Name = strings.Clone(c.Metrics[i].Name)
	}
	c.Metadata, c.Extra = slices.Clone(e.Metadata), slices.Clone(e.Extra)
	return &c
}
