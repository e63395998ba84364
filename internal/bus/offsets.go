package bus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

// Offsets returns the bounds of the logs of the named topics. Partitions without a leader are missing in the answer; a
// topic that does not exist is an error.
func (b *Bus) Offsets(ctx context.Context, topics ...string) (map[string]map[int32]Range, error) {
	if len(topics) == 0 {
		return map[string]map[int32]Range{}, nil // the library would list every topic
	}
	starts, err := b.admin.ListStartOffsets(ctx, topics...)
	if err == nil {
		err = unknown(starts)
	}
	if err != nil {
		return nil, fmt.Errorf("list start offsets: %w", classify(err))
	}
	ends, err := b.admin.ListEndOffsets(ctx, topics...)
	if err != nil {
		return nil, fmt.Errorf("list end offsets: %w", classify(err))
	}
	out := make(map[string]map[int32]Range, len(starts))
	starts.Each(func(s kadm.ListedOffset) {
		e, ok := ends.Lookup(s.Topic, s.Partition)
		if !ok || s.Err != nil || e.Err != nil {
			return
		}
		if out[s.Topic] == nil {
			out[s.Topic] = map[int32]Range{}
		}
		out[s.Topic][s.Partition] = Range{Start: s.Offset, End: e.Offset}
	})
	return out, nil
}

func unknown(offsets kadm.ListedOffsets) error {
	var missing error
	offsets.Each(func(o kadm.ListedOffset) {
		if o.Err != nil && errors.Is(o.Err, kerr.UnknownTopicOrPartition) {
			missing = fmt.Errorf("%s: %w", o.Topic, o.Err)
		}
	})
	return missing
}

// DeleteRecords deletes everything before the given offsets (partition → offset). An offset before the start is fine. Brokers that will not,
// because of a right or the topic's settings, are told by ErrAccess and RefusedError.
func (b *Bus) DeleteRecords(ctx context.Context, topic string, before map[int32]int64) error {
	if len(before) == 0 {
		return nil
	}
	var offsets kadm.Offsets
	for p, offset := range before {
		offsets.AddOffset(topic, p, offset, -1)
	}
	resps, err := b.admin.DeleteRecords(ctx, offsets)
	if err != nil {
		return fmt.Errorf("delete records of %s: %w", topic, classify(err))
	}
	var errs []error
	resps.Each(func(r kadm.DeleteRecordsResponse) {
		if r.Err != nil && !errors.Is(r.Err, kerr.OffsetOutOfRange) {
			errs = append(errs, fmt.Errorf("delete records of %s/%d before %d: %w", r.Topic, r.Partition, before[r.Partition], refused(r.Err, "")))
		}
	})
	return errors.Join(errs...)
}

// CommitGroup stores positions (topic → partition → next offset) under the name of a group without members, as a courtesy
// to tools that show lag. hxp itself never reads them.
func (b *Bus) CommitGroup(ctx context.Context, group string, next map[string]map[int32]int64) error {
	var offsets kadm.Offsets
	for topic, parts := range next {
		for p, offset := range parts {
			offsets.AddOffset(topic, p, offset, -1)
		}
	}
	if len(offsets) == 0 {
		return nil
	}
	if err := b.admin.CommitAllOffsets(ctx, group, offsets); err != nil {
		return fmt.Errorf("commit positions of group %s: %w", group, classify(err))
	}
	return nil
}

// OffsetsAt returns the first offset of each partition whose message was written at a time or later; where there is none, the
// end of the log. A topic that does not exist is an error.
func (b *Bus) OffsetsAt(ctx context.Context, at time.Time, topics ...string) (map[string]map[int32]int64, error) {
	if len(topics) == 0 {
		return map[string]map[int32]int64{}, nil // the library would list every topic
	}
	// Messages carry whole milliseconds: the first one that is not before the time is asked for.
	ms := at.Add(time.Millisecond - time.Nanosecond).UnixMilli()
	listed, err := b.admin.ListOffsetsAfterMilli(ctx, max(ms, 0), topics...)
	if err == nil {
		err = unknown(listed)
	}
	if err != nil {
		return nil, fmt.Errorf("list offsets at %s: %w", at.UTC().Format(time.RFC3339Nano), classify(err))
	}
	out := make(map[string]map[int32]int64, len(listed))
	listed.Each(func(o kadm.ListedOffset) {
		if o.Err != nil {
			return
		}
		if out[o.Topic] == nil {
			out[o.Topic] = map[int32]int64{}
		}
		out[o.Topic][o.Partition] = o.Offset
	})
	return out, nil
}
