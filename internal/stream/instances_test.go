package stream

import (
	"log/slog"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
)

// While an instance starts, the owner writes two newer snapshots and shortens the journal below the one that was restored.
func TestStartWhileTheJournalIsShortened(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		dir, cfg := t.TempDir(), quick()
		a := w.begin(cfg, dir, true)
		more := func(from int) {
			w.put(requests0, many(time.Now(), from, 100)...)
			a.counts(uint64(from + 100))
			a.call(func() { a.lane.snapshot(true) })
		}
		more(0)
		late := newLane(0, &a.Service.cfg, slog.New(slog.DiscardHandler), a.Service.metrics)
		late.journalID, late.dir = "j1", snapshotDir(dir, 0)
		looks := 0
		_, err := restoreAll([]*lane{late}, func() (bounds, error) {
			if looks++; looks == 1 {
				more(100)
				cut := int64(0)
				a.call(func() { cut = a.lane.journal.next })
				more(200)
				w.journal.change(func() { w.journal.start = cut })
			}
			return bounds{event.TopicPanes: {0: w.journal.bounds()}}, nil
		})
		if err != nil || looks != 2 {
			t.Fatalf("%d looks at the journal, %v", looks, err)
		}
		unread, _ := w.journal.read(late.journal.next)
		if err := late.follow(unread); err != nil {
			t.Fatal(err)
		}
		if c := late.journal.chains[requests0]; c.Tally.Records != 300 || c.Lost != 0 || c.adrift {
			t.Errorf("%+v, want 300 records and nothing lost", c)
		}
		a.stop()
	})
}

// A journal that no snapshot reaches is torn, and that takes no more than one more try.
func TestStartBehindATornJournal(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		dir := t.TempDir()
		a := w.begin(quick(), dir, true)
		w.put(requests0, many(time.Now(), 0, 100)...)
		a.counts(100)
		a.stop()
		late := newLane(0, &a.Service.cfg, slog.New(slog.DiscardHandler), a.Service.metrics)
		late.journalID, late.dir = "j1", snapshotDir(dir, 0)
		looks := 0
		_, err := restoreAll([]*lane{late}, func() (bounds, error) {
			looks++
			return bounds{event.TopicPanes: {0: bus.Range{Start: 1000, End: 1000}}}, nil
		})
		if c := late.journal.chains[requests0]; err != nil || looks != 1 || !c.adrift || late.journal.next != 1000 {
			t.Errorf("%+v at %d after %d looks, %v", c, late.journal.next, looks, err)
		}
	})
}

// What is known of the input stays known when the lane gives its number up, also of what it did not fold any more.
func TestProgressAfterTheNumberIsGivenUp(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		one := w.begin(quick(), t.TempDir(), true)
		w.put(requests0, many(time.Now(), 0, 50)...)
		one.counts(50)
		before := one.partitions()
		one.sends.sleep()
		w.put(requests0, many(time.Now(), 50, 30)...) // sent in vain
		one.settle()
		one.call(func() { one.leaving = &leaving{make(chan struct{})} })
		w.put(requests0, many(time.Now(), 80, 20)...) // no longer folded
		one.settle()
		one.call(one.giveUpNumber)
		after := one.partitions()
		if p := after[requests0]; len(after) != len(before) || p.Counted != 50 || p.High != 100 || p.Quiet || p.Seen == 0 {
			t.Errorf("%d partitions are known, %d before; %+v", len(after), len(before), p)
		}
		one.stop()
	})
}

// A cut of a log that a follower read in the journal at its start is still known when it becomes the owner, with a snapshot of before.
func TestCutBeforeTheStartOfAFollower(t *testing.T) {
	for _, owner := range []bool{true, false} {
		bubble(t, func(t *testing.T, w *world) {
			dir := t.TempDir()
			a := w.begin(quick(), dir, true)
			w.put(requests0, many(time.Now(), 0, 100)...)
			a.counts(100)
			a.call(func() { a.lane.snapshot(true) })
			a.kill()
			in := w.inputs[requests0]
			in.change(func() { in.values = in.values[:60] })
			a = w.begin(quick(), dir, true)
			a.settle()
			a.kill()
			b := w.begin(quick(), dir, owner)
			b.settle()
			if !owner {
				b.takeOver()
			}
			w.put(requests0, many(time.Now(), 60, 40)...) // again: they count already
			b.counts(100)
			b.stop()
		})
	}
}

// The first unit behind a gap of the journal may be a zombie's, which counts nowhere: the reader goes on with those that count.
func TestTornChainIsNotHeldByAZombie(t *testing.T) {
	for _, known := range []bool{true, false} {
		j, truth := newJournal(), newJournal()
		if known {
			j.chains[requests0] = &chain{To: 100, Watermark: noWatermark}
		}
		j.tear()
		truth.chains[requests0] = &chain{To: 260, Watermark: noWatermark}
		for i, u := range [][2]int64{{200, 250}, {260, 300}, {300, 400}} {
			h := header{Unit: [16]byte{byte(i)}, Source: requests0, From: u[0], To: u[1], Tally: tally{Records: u[1] - u[0]}}
			for _, reads := range []*journal{j, truth} {
				if _, err := reads.read(int64(i), encodeUnit(h, payload{})[0]); err != nil {
					t.Fatal(err)
				}
			}
		}
		got, want := j.chains[requests0], truth.chains[requests0]
		if got.To != want.To || got.adrift {
			t.Errorf("known before %v: %+v, others are at %d", known, got, want.To)
		}
		if got.Tally.Records+got.Lost+got.Begin != want.To-map[bool]int64{true: 100}[known] {
			t.Errorf("known before %v: %+v does not say what is missing", known, got)
		}
	}
}

func TestSnapshotSaysThatAChainIsAdrift(t *testing.T) {
	cfg := testConfig()
	l := newLane(0, &cfg, slog.New(slog.DiscardHandler), newMetrics(nil, nil))
	l.journal.chains[requests0] = &chain{To: 100, Watermark: noWatermark, Idle: true}
	l.journal.chains[feedback0] = &chain{To: 100, Watermark: noWatermark, adrift: true}
	back, err := decodeSnapshot(l.encode(nil), &cfg)
	if err != nil {
		t.Fatal(err)
	}
	for src, c := range l.journal.chains {
		if got := back.journal.chains[src]; got.Idle != c.Idle || got.adrift != c.adrift {
			t.Errorf("%+v, want %+v", got, c)
		}
	}
}

// The journal is shortened while one topic is silent. Who then folds without a snapshot goes on where all others are.
func TestSilentTopicIsAnchored(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		a := w.begin(quick(), t.TempDir(), true)
		w.put(requests0, many(time.Now(), 0, 100)...)
		a.counts(100)
		for i := range 4 {
			w.put(feedback0, partOf(event.UserFeedback, "r", i))
			a.settle()
			a.call(func() { a.lane.snapshot(true) })
			if n := len(a.kept); n >= keptSnapshots {
				w.journal.change(func() { w.journal.start = a.kept[n-1].floor([]int64{a.kept[n-1].offset, a.kept[n-2].offset}) })
			}
			a.settle()
		}
		if w.journal.start < a.kept[1].offset {
			t.Fatalf("the journal begins at %d, snapshots at %d, %d, ...", w.journal.start, a.kept[0].offset, a.kept[1].offset)
		}
		b := w.begin(quick(), t.TempDir(), false)
		a.handOver()
		w.put(requests0, many(time.Now(), 100, 50)...) // in one unit with those before, were they folded again
		b.takeOver()
		b.counts(150)
		a.counts(150)
		if p := b.of(requests0); p.Lost != 0 || p.Tally.Records != 150 {
			t.Errorf("%+v of 150 records that are all there", p)
		}
		b.stop()
		a.stop()
	})
}

// Units that only say where a silent topic stands bring on no snapshots, and so no more of them: a system at rest writes nothing.
func TestAnchorsComeToAnEnd(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cfg := quick()
		cfg.SnapshotEvery = time.Minute
		a := w.begin(cfg, t.TempDir(), true)
		w.put(feedback0, partOf(event.UserFeedback, "r", 1))
		for i := range 5 {
			w.put(requests0, many(time.Now(), i, 1)...)
			time.Sleep(2 * time.Minute)
		}
		a.settle()
		anchors := 0
		for _, m := range w.journal.values {
			if h, _, err := decodeUnit(m.Value); err != nil || h.Source == feedback0 && h.From == h.To && h.From > 0 && h.Idle {
				anchors++ // the first of them says idle
			}
		}
		kept, written := len(a.kept), w.journal.bounds().End
		if kept < 3 || anchors < 2 {
			t.Fatalf("%d snapshots, %d units of the silent topic", kept, anchors)
		}
		time.Sleep(3 * time.Hour)
		a.settle()
		if len(a.kept) != kept || w.journal.bounds().End != written {
			t.Errorf("a system at rest wrote %d snapshots and %d units", len(a.kept)-kept, w.journal.bounds().End-written)
		}
		a.stop()
	})
}
