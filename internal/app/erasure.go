package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf16"

	"github.com/hxp-enterprise/hxp/internal/batch/erasure"
	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/run"
	"github.com/hxp-enterprise/hxp/internal/lake"
	"github.com/hxp-enterprise/hxp/internal/store"
)

func (s *system) buildErasure(context.Context) (run.Service, error) {
	e, err := erasure.New(erasure.Deps{
		Lake: erasedLake{s}, Writer: s.writer, Store: s.store, Records: s.store, NotFound: store.ErrNotFound, Ends: s.ends,
		Settled: s.aggregationsSettled, Topics: s.eraseTopics, Elsewhere: s.elsewhere, Names: s.set.ingest.Event.Privacy.Names, Log: s.log.With("service", "erasure"),
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

// emptied are topics that are shortened for an erasure. Their readers keep what they need (see floor), and the lake has the events. Records
// of the others are state, or are read back after a kill: they leave by their age.
func emptied(topic string) bool {
	_, input := event.KindOfTopic(topic)
	return input || topic == event.TopicLate
}

// eraseTopics shortens the topics of the embedded broker and looks through all of them.
func (s *system) eraseTopics(ctx context.Context, names []string, dryRun bool) ([]erasure.Topic, error) {
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
	out := []erasure.Topic{}
	for _, name := range slices.Sorted(maps.Keys(own)) {
		t := erasure.Topic{Name: name, Ends: ends(own[name])}
		logs, err := s.bus.Offsets(ctx, name)
		if errors.Is(err, bus.ErrUnknownTopic) || err == nil && logs[name] == nil {
			continue // a route to a topic that was deleted
		}
		if err != nil {
			return nil, err
		}
		if s.broker != nil && emptied(name) && !dryRun {
			if t.Deleted, err = s.shorten(ctx, name, logs[name]); err != nil {
				return nil, err
			}
			if logs, err = s.bus.Offsets(ctx, name); err != nil {
				return nil, err
			}
		}
		if t.Found, err = s.mentions(ctx, name, logs[name], names); err != nil {
			return nil, err
		}
		out = append(out, t)
	}
	return out, nil
}

// ends says when a topic loses what it has.
func ends(t event.Topic) string {
	if t.Retention > 0 {
		return fmt.Sprintf("the retention of the topic, %s unless it was set to another (retention.ms)", t.Retention)
	}
	return "whoever shortens or deletes the topic; it has no retention of hxp's"
}

// shorten deletes of a topic what nobody needs any more.
func (s *system) shorten(ctx context.Context, topic string, logs map[int32]bus.Range) (deleted int64, err error) {
	before := map[int32]int64{}
	for p, log := range logs {
		floor, ok := s.floor(topic, p)
		if to := min(floor, log.End-1); ok && to > log.Start { // the engine needs the last batch to know where the log ends
			before[p] = to
			deleted += to - log.Start
		}
	}
	return deleted, s.bus.DeleteRecords(ctx, topic, before)
}

// What one topic may cost to look through.
const (
	mentionRecords = 2_000_000
	mentionTime    = 30 * time.Second
	shortName      = 6 // bytes with quotes, from which on a name is looked for without them
)

// mentions counts the records of a topic in which a name stands; nil when there are too many to look at.
func (s *system) mentions(ctx context.Context, topic string, logs map[int32]bus.Range, names []string) (*int64, error) {
	open, records, found := map[int32]int64{}, int64(0), int64(0)
	for p, log := range logs {
		if log.Start < log.End {
			open[p] = log.Start
			records += log.End - log.Start
		}
	}
	if len(open) == 0 {
		return &found, nil
	}
	if records > mentionRecords {
		return nil, nil
	}
	var texts [][]byte
	for _, n := range names {
		texts = append(texts, spellings(n)...)
	}
	reader, err := s.bus.NewReader(map[string]map[int32]int64{topic: open}, bus.ReaderOptions{MaxBytes: 8 << 20, MaxPartitionBytes: 4 << 20})
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	limited, cancel := context.WithTimeout(ctx, mentionTime)
	defer cancel()
	for len(open) > 0 {
		fetch, err := reader.Poll(limited)
		if err != nil {
			if ctx.Err() == nil && limited.Err() != nil {
				return nil, nil
			}
			return nil, err
		}
		for _, b := range fetch {
			if b.Err != nil { // retention was here meanwhile
				return nil, nil
			}
			for _, m := range b.Messages {
				if slices.ContainsFunc(texts, func(t []byte) bool { return bytes.Contains(m.Value, t) || bytes.Contains(m.Key, t) }) {
					found++
				}
			}
			if b.Next >= logs[b.Partition].End {
				delete(open, b.Partition)
				reader.Remove(topic, b.Partition)
			}
		}
	}
	return &found, nil
}

// spellings are the ways in which producers write a name: as it is, and as JSON that escapes more or less of it. Not all records are JSON, so it
// is looked for without quotes; but not a short one, which stands in many words.
func spellings(name string) (texts [][]byte) {
	quote := func(s string) {
		if text := []byte(`"` + s + `"`); len(text) < shortName {
			texts = append(texts, text)
		} else {
			texts = append(texts, text[1:len(text)-1])
		}
	}
	for _, escape := range []func(r rune) bool{
		func(r rune) bool { return false },
		func(r rune) bool { return r == '<' || r == '>' || r == '&' || r == '\u2028' || r == '\u2029' }, // encoding/json
		func(r rune) bool { return r > '~' }, // such as Python's
	} {
		for _, format := range []string{`\u%04x`, `\u%04X`} {
			quote(escaped(name, format, escape))
		}
	}
	quote(name)
	slices.SortFunc(texts, bytes.Compare)
	return slices.CompactFunc(texts, bytes.Equal)
}

// escaped is a text as it stands in JSON, with more of it escaped than has to be.
func escaped(text, format string, also func(r rune) bool) string {
	var b strings.Builder
	for _, r := range text {
		short := strings.IndexRune("\b\f\n\r\t\"\\", r)
		switch {
		case short >= 0:
			b.WriteByte('\\')
			b.WriteByte("bfnrt\"\\"[short])
		case r >= ' ' && !also(r):
			b.WriteRune(r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&b, format+format, high, low)
		default:
			fmt.Fprintf(&b, format, r)
		}
	}
	return b.String()
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
