package stream

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/bus/bustest"
)

// shortenJournal does what the writer of the newest snapshot does, when it is one of rigs.
func (w *world) shortenJournal(dir string, rigs ...*rig) {
	w.t.Helper()
	lane := filepath.Join(snapshotDir(dir, 0), "j1")
	offsets, err := snapshotOffsets(lane)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, r := range rigs {
		floor := int64(-1)
		r.call(func() {
			for i := range r.kept {
				if len(offsets) >= keptSnapshots && r.kept[i].offset == offsets[0] {
					floor = r.kept[i].floor(offsets)
				}
			}
		})
		if floor < 0 {
			continue
		}
		w.journal.change(func() { w.journal.start = max(w.journal.start, floor) })
		for _, old := range offsets[keptSnapshots:] {
			_ = os.Remove(filepath.Join(lane, fmt.Sprintf("%020d", old))) // another of rigs may have written one of that offset, too
		}
	}
}

// erase takes all that goes by the floors off the logs, and tells how many records of the input that are.
func (w *world) erase(every time.Duration) (gone int64) {
	f := newFloors(map[string]bus.Shape{})
	for src := range w.inputs {
		f.shapes[src.Topic] = bus.Shape{ID: src.TopicID}
	}
	w.journal.change(func() {
		for _, m := range w.journal.values[w.journal.start:] {
			f.take(m)
		}
	})
	for src, log := range w.inputs {
		log.change(func() {
			if at := f.at[src.Topic][src.Partition]; at > log.start {
				gone, log.start = gone+at-log.start, at
			}
		})
	}
	if since, known := f.since[0]; known {
		old := since.Add(-2 * every)
		w.joined.change(func() {
			for w.joined.start < int64(len(w.joined.values)) && w.joined.values[w.joined.start].Timestamp.Before(old) {
				w.joined.start++
			}
		})
	}
	return gone
}

// Owners change, die, sleep and are thought dead, while an erasure takes away all that goes by the floors: nobody misses it.
func TestNobodyReadsBelowTheFloors(t *testing.T) {
	seeds := uint64(12)
	if testing.Short() {
		seeds = 6
	}
	gone, joined := int64(0), int64(0)
	for seed := range seeds {
		bubble(t, func(t *testing.T, w *world) {
			joinWorld(w)
			rnd := rand.New(rand.NewPCG(seed, 11))
			mine, others := idsOf{}, idsOf{}
			cfg, dir := quick(), t.TempDir()
			cfg.SnapshotEvery = 20 * time.Second
			all := []*rig{w.begin(cfg, dir, true), w.begin(cfg, dir, false)}
			owner, orderly := 0, true
			for step := range 400 {
				other := 1 - owner
				switch rnd.IntN(14) {
				case 0:
					all[owner].handOver()
					all[other].takeOver()
					owner = other
				case 1:
					all[owner].crash()
					all[other].takeOver()
					all[owner] = w.begin(cfg, dir, false)
					owner = other
				case 2:
					all[owner].crash()
					all[owner] = w.begin(cfg, dir, true)
				case 3:
					orderly = false
					all[owner].sends.sleep()
					w.traffic(rnd, mine, others)
					all[other].takeOver()
					all[other].settle()
					all[owner].sends.wake()
					all[owner].handOver()
					owner = other
				case 4, 5:
					time.Sleep(time.Duration(rnd.IntN(40)) * time.Second)
				case 6, 7:
					all[owner].settle()
					w.shortenJournal(dir, all...)
					gone += w.erase(cfg.SnapshotEvery)
				default:
					w.traffic(rnd, mine, others)
				}
				all[owner].settle()
				for src := range w.inputs {
					if p := all[owner].of(src); p.Lost > 0 || p.Blind > 0 {
						t.Errorf("seed %d, step %d: %s misses %d records, and identities of %d", seed, step, src.Topic, p.Lost, p.Blind)
					}
				}
			}
			time.Sleep(2 * time.Minute)
			all[owner].settle()
			want := w.distinct()
			for i, r := range all {
				if got := r.total(); got != want {
					t.Errorf("seed %d, instance %d of owner %d: %d requests counted, want %d", seed, i, owner, got, want)
				}
				r.stop()
			}
			if got := w.written(!orderly); !maps.EqualFunc(got, mine, maps.Equal) {
				t.Errorf("seed %d: written\n%v\nwant\n%v", seed, got, mine)
			}
			joined += w.joined.start
		})
	}
	if gone < 100*int64(seeds) || joined < 10*int64(seeds) {
		t.Errorf("%d records of the input went, and %d of hxp-correlations", gone, joined)
	}
}

// A lane that began without a snapshot reads identities of what the journal may no longer tell: none is written until it has them, for whoever began
// with that would read below the floor.
func TestSnapshotWaitsForIdentities(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		r := w.start(quick(), t.TempDir())
		w.put(requests0, many(time.Now(), 0, 100)...)
		r.counts(100)
		snapshots := func(read int64) int {
			r.call(func() {
				r.lane.folders[requests0].filter.next = read
				r.lane.snapshot(true)
			})
			return len(r.kept)
		}
		if n := snapshots(40); n != 0 {
			t.Errorf("%d snapshots of a lane that reads identities", n)
		}
		if n := snapshots(100); n != 1 {
			t.Errorf("%d snapshots of one that has them", n)
		}
		r.stop()
	})
}

// Windows that read again what counts say so: no floor of the journal tells of that.
func TestReadsOn(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		r := w.start(quick(), t.TempDir())
		w.put(requests0, many(time.Now(), 0, 100)...)
		r.counts(100)
		is := func(want bool, change func(f *folder)) {
			t.Helper()
			r.call(func() {
				f := r.lane.folders[requests0]
				was := *f
				change(f)
				r.lane.publish(f)
				*f = was
			})
			if got := r.ReadsOn(requests0.Topic, requests0.Partition); got != want {
				t.Errorf("%t, want %t", got, want)
			}
		}
		is(true, func(*folder) {})
		is(false, func(f *folder) { f.next = 40 })
		is(false, func(f *folder) { f.past = &past{end: 120} })
		is(true, func(*folder) {})
		if r.ReadsOn(requests0.Topic, 7) || New(quick(), nil, Options{Log: r.Service.log}).ReadsOn(requests0.Topic, 0) {
			t.Error("of what nobody has begun to read")
		}
		r.stop()
	})
}

// A log that was cut begins again below what was counted: until no snapshot is of before, the floor is there.
func TestFloorOfALogThatWasCut(t *testing.T) {
	f := newFloors(map[string]bus.Shape{requests0.Topic: {ID: requests0.TopicID}})
	unit := func(src source, from, to int64) {
		f.take(&bus.Message{Value: encodeUnit(header{Source: src, From: from, To: to}, payload{})[0]})
	}
	unit(requests0, 100, 120)
	unit(source{TopicID: "of before", Topic: requests0.Topic}, 3, 4)
	unit(requests0, 120, 60)
	unit(requests0, 60, 130)
	if at := f.at[requests0.Topic]; len(at) != 1 || at[0] != 60 || len(f.torn) > 0 {
		t.Errorf("%v, torn %v; want 60", at, f.torn)
	}
	f.take(&bus.Message{Value: []byte("of a program that is to come")})
	if !f.torn[0] {
		t.Error("what cannot be read is passed over")
	}
}

// Times of records say nothing: what was imported with older ones is needed until two snapshots have it.
func TestFloorsGoByTheJournal(t *testing.T) {
	b, dir := bustest.New(t), t.TempDir()
	floor := func() map[int32]int64 {
		t.Helper()
		at, err := Floors(t.Context(), b, time.Second)
		if err != nil {
			t.Fatal(err)
		}
		return at["llm-requests"]
	}
	if at := floor(); len(at) > 0 {
		t.Errorf("%v before anything was read", at)
	}
	past, err := b.NewProducer(bus.ProducerOptions{DeliveryTimeout: 72 * time.Hour}) // it counts from the time of a record
	if err != nil {
		t.Fatal(err)
	}
	defer past.Close()
	sent, old := 0, time.Now().Add(-48*time.Hour)
	more := func() {
		msgs := llm(sent, 300, old.Add(-2*time.Hour).Unix()) // two hours, none of which is to come
		for _, m := range msgs {
			m.Timestamp = old
		}
		if err := past.Send(t.Context(), msgs); err != nil {
			t.Fatal(err)
		}
		sent += len(msgs)
	}
	cfg := testConfig()
	cfg.SnapshotEvery, cfg.SnapshotBytes = time.Hour, 1<<40
	s := startConfigured(t, cfg, b, dir)
	more()
	await(t, "counted", uint64(sent), s.total)
	if at := floor(); len(at) == 0 || slices.Max(slices.Collect(maps.Values(at))) > 0 {
		t.Errorf("%v, and no snapshot has anything", at)
	}
	s.end(t)
	s = startService(t, b, dir)
	deadline := time.Now().Add(patient)
	for at := floor(); len(at) == 0 || slices.Min(slices.Collect(maps.Values(at))) == 0; at = floor() {
		if time.Now().After(deadline) {
			t.Fatalf("still %v after %d requests", at, sent)
		}
		more()
		time.Sleep(100 * time.Millisecond)
	}
	if err := b.DeleteRecords(t.Context(), "llm-requests", floor()); err != nil {
		t.Fatal(err)
	}
	s.end(t)
	s = startService(t, b, dir)
	await(t, "counted after it went", uint64(sent), s.total)
	for src, p := range s.partitions() {
		if p.Lost > 0 || p.Blind > 0 {
			t.Errorf("%s/%d misses %d records, and identities of %d", src.Topic, src.Partition, p.Lost, p.Blind)
		}
	}
	s.end(t)
}
