package app

import (
	"context"
	"errors"
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
	logs := &erasure.Logs{Bus: s.bus, Topics: s.topicsWithNames, Embedded: s.broker != nil, Groups: []string{stream.Group, s.set.lake.Group}, Needed: s.needed}
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

// snapshotsKept is how many times the time between two snapshots of the windows is older than all that one of them begins with: two are kept,
// and the owner of a partition may have written its own a while ago.
const snapshotsKept = 4

// needed is up to where hxp's own readers are done with a topic, by partition; one that is missing is not known. Nobody goes on in copies of late
// events and in dead letters.
func (s *system) needed(ctx context.Context, topic string, logs map[int32]bus.Range) (map[int32]int64, error) {
	s.mu.Lock()
	st, raw := s.stream, s.writer
	s.mu.Unlock()
	_, input := event.KindOfTopic(topic)
	out := map[int32]int64{}
	switch {
	case st == nil && (input || topic == event.TopicCorrelations):
		return neededBeside(ctx, s.bus, topic, s.set.stream.SnapshotEvery, raw.Floor)
	case topic == event.TopicCorrelations:
		at, err := s.bus.OffsetsAt(ctx, time.Now().Add(-snapshotsKept*s.set.stream.SnapshotEvery), topic)
		return at[topic], err
	case input, topic == event.TopicJoins && st != nil:
		for p := range logs {
			at, known := st.Floor(topic, p)
			if input {
				at, known = s.floor(topic, p)
			}
			if known {
				out[p] = at
			}
		}
	case topic != event.TopicJoins:
		for p, log := range logs {
			out[p] = log.End
		}
	}
	return out, nil
}

// neededBeside is needed where the windows are in another process. That tells how far they are, and not with what their snapshots begin: while they
// run and are not behind by two snapshots, not before what came four snapshots ago. Of windows that stand still or catch up nobody here knows it.
func neededBeside(ctx context.Context, b *bus.Bus, topic string, every time.Duration, raw func(topic string, partition int32) (int64, bool)) (map[int32]int64, error) {
	out := map[int32]int64{}
	g, err := b.Group(ctx, stream.Group)
	if errors.Is(err, bus.ErrUnknownGroup) || err == nil && len(g.Members) == 0 {
		return out, nil
	}
	if err != nil {
		return nil, err
	}
	now := time.Now()
	old, err := b.OffsetsAt(ctx, now.Add(-snapshotsKept*every), topic)
	if err != nil || topic == event.TopicCorrelations {
		return old[topic], err
	}
	due, err := b.OffsetsAt(ctx, now.Add(-snapshotsKept/2*every), topic)
	if err != nil {
		return nil, err
	}
	for _, p := range g.Partitions {
		if next, known := raw(topic, p.Partition); p.Topic == topic && known && p.Position >= due[topic][p.Partition] {
			out[p.Partition] = min(p.Position, next, old[topic][p.Partition])
		}
	}
	return out, nil
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
