package ingest

import (
	"context"
	"errors"
	"slices"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
)

// seekFrom is the distance in records from which on it costs less to ask for a place than to read up to it.
const seekFrom = 500

// readLetters reads letters from their topic, by the place that list knows. One that an erasure has written again meanwhile is read where it lies
// now; those that have left the topic are missing.
func (a *API) readLetters(ctx context.Context, list []letter) (map[position]*event.DeadLetter, error) {
	out, err := a.readPlaces(ctx, list)
	if err != nil || !slices.ContainsFunc(list, func(l letter) bool { return out[l.position] == nil }) {
		return out, err
	}
	if err := a.caughtUp(ctx); err != nil {
		return nil, err
	}
	was := map[position]position{}
	var moved []letter
	for i := range list {
		if now, known := a.letters.known(list[i].hash); known && out[list[i].position] == nil && now.position != list[i].position {
			was[now.position] = list[i].position
			moved = append(moved, now)
		}
	}
	again, err := a.readPlaces(ctx, moved)
	for now, d := range again {
		out[was[now]] = d
	}
	return out, err
}

// readPlaces reads what lies at the places of letters.
func (a *API) readPlaces(ctx context.Context, list []letter) (map[position]*event.DeadLetter, error) {
	out := make(map[position]*event.DeadLetter, len(list))
	want := map[int32][]int64{} // offsets still to read, in order
	from := map[int32]int64{}
	for i := range list {
		want[list[i].partition] = append(want[list[i].partition], list[i].offset)
	}
	for p := range want {
		slices.Sort(want[p])
		from[p] = want[p][0]
	}
	if len(want) == 0 {
		return out, nil
	}
	reader, err := a.bus.NewReader(map[string]map[int32]int64{event.TopicDeadLetters: from}, bus.ReaderOptions{MaxBytes: 4 << 20, MaxPartitionBytes: 1 << 20, Fetches: 1, Uncommitted: true})
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	for len(want) > 0 {
		fetch, err := reader.Poll(ctx)
		if err != nil {
			return nil, err
		}
		for _, batch := range fetch {
			if err := a.pickLetters(reader, &batch, want, out); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// pickLetters takes the wanted letters out of a batch and moves the reader to the next one.
func (a *API) pickLetters(reader *bus.Reader, batch *bus.PartitionBatch, want map[int32][]int64, out map[position]*event.DeadLetter) error {
	p := batch.Partition
	gone, lost := errors.AsType[*bus.OutOfRangeError](batch.Err)
	switch {
	case lost:
		batch.Next = gone.Start
	case batch.Err != nil:
		return batch.Err
	}
	for _, m := range batch.Messages {
		if _, found := slices.BinarySearch(want[p], m.Offset); found {
			d, err := event.ParseDeadLetter(m.Key, m.Value, bus.EventHeaders(m))
			if err != nil {
				return err
			}
			out[position{p, m.Offset}] = d
		}
	}
	i, _ := slices.BinarySearch(want[p], batch.Next)
	if want[p] = want[p][i:]; len(want[p]) == 0 {
		delete(want, p)
		reader.Remove(batch.Topic, p)
		return nil
	}
	if lost || want[p][0] > batch.Next+seekFrom {
		return reader.Seek(batch.Topic, p, want[p][0])
	}
	return nil
}
