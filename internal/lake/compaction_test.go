package lake

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hxp-enterprise/hxp/internal/event"
)

const testHour = 1_699_999_200

var testCompacting = compacting{budget: 64 << 20, workers: 1}

// record is an event and its place.
type record struct {
	tp     event.TopicPartition
	offset int64
	event  *event.Event
}

// drawRecords draws what lies in an hour: few identities, so that there are copies with different content, on several
// partitions and incarnations of topics, also on topics of other kinds.
func drawRecords(rt *rapid.T) map[event.TopicPartition][]record {
	out := make(map[event.TopicPartition][]record)
	for range rapid.IntRange(1, 60).Draw(rt, "records") {
		k := rapid.SampledFrom(event.Kinds[:]).Draw(rt, "kind")
		topic := k.Topic()
		if rapid.IntRange(0, 9).Draw(rt, "stranger") == 0 {
			topic = rapid.SampledFrom(event.Kinds[:]).Draw(rt, "topic of").Topic()
		}
		tp := event.TopicPartition{TopicID: rapid.SampledFrom([]string{"aaaaaaaa1", "aaaaaaaa2"}).Draw(rt, "incarnation"), Topic: topic, Partition: rapid.Int32Range(0, 1).Draw(rt, "partition")}
		e := &event.Event{Kind: k, HasTime: true, ID: fmt.Sprint(rapid.IntRange(0, 25).Draw(rt, "id")), Source: rapid.SampledFrom([]string{"", "s"}).Draw(rt, "source"),
			Time: testHour*1e6 + rapid.Int64Range(0, 3_599_999_999).Draw(rt, "time")}
		if k != event.SystemMetric {
			e.SetText(event.RequestID, fmt.Sprint("r", rapid.IntRange(0, 8).Draw(rt, "request")))
			if m := rapid.SampledFrom([]string{"none", "", "a", "b", "ü"}).Draw(rt, "model"); m != "none" {
				e.SetText(event.Model, m)
			}
		} else {
			e.Metrics = []event.Metric{{Name: "fans", Value: rapid.Float64Range(-10, 10).Draw(rt, "fans")}}
		}
		if k == event.LLMRequest {
			e.SetInt(event.DurationMS, rapid.Int64Range(0, 1e15).Draw(rt, "duration"))
			e.SetBool(event.Success, rapid.Bool().Draw(rt, "success"))
		}
		e.Extra = []byte(rapid.SampledFrom([]string{"", `{"x":[1,{"y":"z"}]}`}).Draw(rt, "extra"))
		out[tp] = append(out[tp], record{tp, int64(len(out[tp])), e})
	}
	return out
}

// publishAll publishes records in ranges as they are drawn.
func publishAll(rt *rapid.T, l *Lake, m *memory, encoders map[event.Kind]*encoder, records map[event.TopicPartition][]record) {
	p := newPublisher(l, m, slog.New(slog.DiscardHandler), newMetrics(nil))
	p.encoders = encoders
	for _, tp := range slices.SortedFunc(maps.Keys(records), compareTP) {
		list := records[tp]
		m.InitPosition(context.Background(), tp, 0)
		for m.next[tp] < int64(len(list)) {
			from := m.next[tp]
			to := min(int64(len(list)), from+int64(rapid.IntRange(1, 9).Draw(rt, "range")))
			if out, err := p.publish(context.Background(), []*claim{claimRecords(tp, list[from:to], from)}); err != nil || !out[0].published {
				rt.Fatalf("publish: %v %v", out, err)
			}
		}
	}
}

func compareTP(a, b event.TopicPartition) int {
	return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.TopicID, b.TopicID), cmp.Compare(a.Partition, b.Partition))
}

func claimRecords(tp event.TopicPartition, list []record, from int64) *claim {
	c := &claim{tp: tp, from: from, to: from + int64(len(list))}
	byKind := make(map[event.Kind]*rows)
	for i, r := range list {
		if byKind[r.event.Kind] == nil {
			byKind[r.event.Kind] = newRows(r.event.Kind)
			c.rows = append(c.rows, byKind[r.event.Kind])
		}
		byKind[r.event.Kind].add(r.event, from+int64(i), r.event.Time+7)
	}
	return c
}

// content is what a fold of the hour depends on.
type content struct {
	winners map[[2]uint64]record // by identity: the copy at the smallest place
	models  map[string]string    // by request: the model that the row at the smallest place names
}

func contentOf(list []record) content {
	slices.SortFunc(list, func(a, b record) int {
		fa := event.LakeFile{TopicID: a.tp.TopicID, Topic: a.tp.Topic, Partition: a.tp.Partition, From: a.offset}
		fb := event.LakeFile{TopicID: b.tp.TopicID, Topic: b.tp.Topic, Partition: b.tp.Partition, From: b.offset}
		return fa.ComparePlace(fb)
	})
	c := content{make(map[[2]uint64]record), make(map[string]string)}
	for _, r := range list {
		if _, ok := c.winners[r.event.Identity()]; !ok {
			c.winners[r.event.Identity()] = r
		}
		request, model := r.event.Text(event.RequestID), r.event.Text(event.Model)
		if r.event.Kind == event.LLMRequest && request != "" && model != "" && c.models[request] == "" {
			c.models[request] = model
		}
	}
	return c
}

func (c content) equal(o content) bool {
	return maps.Equal(c.models, o.models) && maps.EqualFunc(c.winners, o.winners, func(a, b record) bool {
		return a.tp == b.tp && a.offset == b.offset && a.event.Equal(b.event)
	})
}

// live reads every live row and checks each file against its entry.
func live(t interface{ Fatalf(string, ...any) }, l *Lake, m *memory) (out []record) {
	files, _ := m.Files(context.Background(), event.LakeFilter{State: event.LakeLive})
	for _, f := range files {
		var last record
		err := l.Scan(context.Background(), []event.LakeFile{f}, func(r *event.LakeRow) error {
			now := record{f.TopicPartition(), r.Offset, r.Event.Clone()}
			if r.IngestedAt != r.Event.Time+7 {
				t.Fatalf("%s: offset %d was taken in at %d", f.Path, r.Offset, r.IngestedAt)
			}
			if last.event != nil && f.Generation > 0 && cmp.Or(cmp.Compare(last.event.Text(event.Model), now.event.Text(event.Model)),
				cmp.Compare(last.event.Time, now.event.Time), cmp.Compare(last.offset, now.offset)) >= 0 &&
				last.event.Has(event.Model) == now.event.Has(event.Model) {
				t.Fatalf("%s is not sorted", f.Path)
			}
			last = now
			if r.Event.Time < f.MinTime || r.Event.Time > f.MaxTime || r.Offset < f.From || r.Offset >= f.To {
				t.Fatalf("offset %d is outside of its file %+v", r.Offset, f)
			}
			out = append(out, now)
			return nil
		})
		if err != nil {
			t.Fatalf("%v", err)
		}
	}
	return out
}

// Whatever lies in an hour, compaction leaves each identity once, by the copy that the fold counts, and nothing that the fold sees
// changes; killed at any step nothing is lost or doubled, and the sweep leaves exactly the files of the manifest. Rows that come
// later are merged by the next compaction.
func TestCompaction(t *testing.T) {
	encoders := make(map[event.Kind]*encoder) // dear to make
	rapid.Check(t, func(rt *rapid.T) {
		l, m := openTest(t), newMemory()
		skipDisk(l)
		records := drawRecords(rt)
		first, second := make(map[event.TopicPartition][]record), records
		for tp, list := range records {
			first[tp] = list[:rapid.IntRange(0, len(list)).Draw(rt, "first")]
		}
		for _, part := range []map[event.TopicPartition][]record{first, second} {
			publishAll(rt, l, m, encoders, part)
			before := live(rt, l, m)
			want := contentOf(before)
			how := testCompacting
			how.budget = rapid.SampledFrom([]int64{2000, 100_000, 64 << 20}).Draw(rt, "budget") // several passes, several files
			how.workers = rapid.IntRange(1, 2).Draw(rt, "workers")
			kill := rapid.SampledFrom([]string{"", "survey", "write", "place", "commit"}).Draw(rt, "kill")
			killed := how
			killed.workers = 1
			killed.point = func(step string) error {
				if step == kill {
					return errKill
				}
				return nil
			}
			if _, err := l.compactHour(t.Context(), m, testHour, killed); kill != "" && err != nil && !errors.Is(err, errKill) {
				rt.Fatal(err)
			}
			if got := contentOf(live(rt, l, m)); !got.equal(want) {
				rt.Fatalf("killed at %q:\n%v\n%v", kill, got, want)
			}
			done, err := l.compactHour(t.Context(), m, testHour, how)
			if err != nil || done.Lost {
				rt.Fatalf("%+v %v", done, err)
			}
			after := live(rt, l, m)
			if got := contentOf(after); !got.equal(want) {
				rt.Fatalf("the fold sees another hour:\n%v\n%v", got, want)
			}
			if int64(len(after)) != done.RowsAfter {
				rt.Fatalf("%d rows, %+v", len(after), done)
			}
			files, _ := m.Files(t.Context(), event.LakeFilter{State: event.LakeLive})
			for _, f := range files {
				if f.Generation != files[0].Generation {
					rt.Fatalf("two generations: %+v", files)
				}
				if f.Generation > 0 && len(after) != len(want.winners) {
					rt.Fatalf("%d rows of %d identities in a generation", len(after), len(want.winners))
				}
			}
			if loose, _ := m.LooseHours(t.Context(), time.Unix(testHour+3600, 0)); len(loose) > 0 {
				rt.Fatalf("still loose: %+v", loose)
			}
			if _, bad, err := l.Verify(t.Context(), m, nil); err != nil || len(bad) > 0 {
				rt.Fatalf("%v %v", bad, err)
			}
			if _, err := l.sweep(t.Context(), m, -time.Hour); err != nil {
				rt.Fatal(err)
			}
			if got := parquets(t, l); got != len(m.files) {
				rt.Fatalf("%d files after the sweep, %d in the manifest", got, len(m.files))
			}
		}
	})
}
