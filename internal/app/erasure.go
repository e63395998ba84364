package app

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/hxp-enterprise/hxp/internal/batch/erasure"
	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/run"
	"github.com/hxp-enterprise/hxp/internal/lake"
	"github.com/hxp-enterprise/hxp/internal/store"
	"github.com/hxp-enterprise/hxp/internal/stream"
)

func (s *system) buildErasure(context.Context) (run.Service, error) {
	logs := &erasure.Logs{Bus: s.bus, Topics: s.topicsWithNames, Embedded: s.broker != nil, Groups: []string{stream.Group, s.set.lake.Group}, Needs: s.needed}
	e, err := erasure.New(erasure.Deps{
		Lake: erasedLake{s}, Writer: s.writer, Store: s.store, Records: s.store, NotFound: store.ErrNotFound, Ends: s.ends,
		Settled: s.aggregationsSettled, Topics: logs, Elsewhere: s.elsewhere, Names: s.set.ingest.Event.Privacy.Names, Log: s.log.With("service", "erasure"),
	})
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.erasure = e
	s.mu.Unlock()
	return e, nil
}

// erasedLake is the lake with its manifest.
type erasedLake struct{ *system }

// Erase implements erasure.Lake.
func (s erasedLake) Erase(ctx context.Context, field event.Field, names []string, dryRun bool, done func(event.ErasedHour) error) ([]event.ErasedHour, error) {
	return s.lake.Erase(ctx, s.store, lake.EraseOptions{Field: field, Texts: names, DryRun: dryRun, Budget: s.set.lake.CompactBytes, Done: done})
}

// aggregationsSettled waits until what is being aggregated now is stored.
func (s *system) aggregationsSettled(ctx context.Context) error {
	s.mu.Lock()
	b := s.batch
	s.mu.Unlock()
	if b == nil {
		return nil // none runs here
	}
	return b.Settle(ctx)
}

// topicsWithNames are those in which a user or a tenant may stand, with those that routes lead to.
func (s *system) topicsWithNames() []event.Topic {
	own := map[string]event.Topic{}
	for _, t := range event.Topics {
		if t.Name != event.TopicPanes && t.Name != event.TopicControl { // sums, and commands of operators
			own[t.Name] = t
		}
	}
	for _, r := range s.routes.All() {
		if _, ok := own[r.To]; !ok {
			own[r.To] = event.Topic{Name: r.To}
		}
	}
	out := make([]event.Topic, 0, len(own))
	for _, name := range slices.Sorted(maps.Keys(own)) {
		out = append(out, own[name])
	}
	return out
}

// needed finds out up to where hxp's own readers are done. What the windows begin with after a kill stands in their journal, wherever they run.
// Where they alone use the broker of this process they know it sooner.
func (s *system) needed(ctx context.Context) (erasure.Needed, error) {
	s.mu.Lock()
	st, raw := s.stream, s.writer
	s.mu.Unlock()
	floors, err := stream.Floors(ctx, s.bus, s.set.stream.SnapshotEvery)
	if err != nil {
		return nil, err
	}
	windows := func(topic string, partition int32) (int64, bool) {
		at, known := floors[topic][partition]
		if _, input := event.KindOfTopic(topic); input && st != nil && !st.ReadsOn(topic, partition) {
			return 0, false
		}
		if st != nil && s.broker != nil {
			own, knows := st.Floor(topic, partition)
			at, known = max(at, own), known || knows
		}
		return at, known
	}
	return neededBy(windows, raw.Floor), nil
}

// neededBy is what windows and lake need. Nobody goes on in copies of late events and in dead letters.
func neededBy(windows, lake func(topic string, partition int32) (int64, bool)) erasure.Needed {
	return func(topic string, logs map[int32]bus.Range) map[int32]int64 {
		_, input := event.KindOfTopic(topic)
		out := map[int32]int64{}
		for p, log := range logs {
			at, known := log.End, true
			if input || topic == event.TopicJoins || topic == event.TopicCorrelations {
				at, known = windows(topic, p)
			}
			if input {
				next, reads := lake(topic, p)
				at, known = min(at, next), known && reads
			}
			if known {
				out[p] = at
			}
		}
		return out
	}
}

// elsewhere are the places that an erasure does not reach.
func (s *system) elsewhere(ctx context.Context, hours []event.ErasedHour) (out []erasure.Left, err error) {
	archived := int64(0)
	for _, state := range []string{event.LakeMarked, event.LakeArchived} {
		files, err := s.store.Files(ctx, event.LakeFilter{State: state})
		if err != nil {
			return nil, err
		}
		archived += int64(len(files))
	}
	if archived > 0 {
		out = append(out, erasure.Left{Where: "raw files in the archive or on their way there", Count: archived, Ends: "whoever empties the archive (archival_path): its manifest is a chain, and no file of it is rewritten"})
	}
	if len(hours) == 0 {
		return out, nil
	}
	_, reports, err := s.store.OldReports(ctx, time.Time{})
	if err != nil {
		return nil, err
	}
	if reports.Objects > 0 {
		out = append(out, erasure.Left{Where: "reports that were made and may list busy users or tenants", Count: reports.Objects, Ends: "DELETE /reports/{id}, or report_retention"})
	}
	out = append(out, erasure.Left{Where: "live windows: names of tenants, and of users in the top lists", Count: -1, Ends: "their age: seconds for 15 minutes, 10 s for 6 hours, minutes for 14 days, hours for 400 days"})
	return out, nil
}

// erased is how many events of an hour have left because of whom they were about.
func (s *system) erased(ctx context.Context, hour int64) (int64, error) {
	s.mu.Lock()
	e := s.erasure
	s.mu.Unlock()
	if e == nil {
		return 0, nil
	}
	return e.Erased(ctx, hour)
}
