package stream

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
)

// bubble runs a test in a bubble with a world of its own.
func bubble(t *testing.T, f func(t *testing.T, w *world)) {
	synctest.Test(t, func(t *testing.T) { f(t, newWorld(t)) })
}

// quick is a configuration that writes snapshots when the lane ends only.
func quick() Config {
	c := testConfig()
	c.SnapshotEvery, c.SnapshotBytes = time.Hour, 1<<40
	return c
}

func TestKillBeforeTheFirstSnapshotKeepsIdentities(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		dir := t.TempDir()
		r := w.start(quick(), dir)
		w.put(requests0, many(time.Now(), 0, 60)...)
		w.put(requests0, many(time.Now(), 0, 60)...)
		r.counts(60)
		r.kill()
		r = w.start(quick(), dir)
		w.put(requests0, many(time.Now(), 0, 60)...)
		r.counts(60)
		if p := r.of(requests0); p.Tally.Duplicates != 120 || p.Partial || p.Blind != 0 {
			t.Errorf("%+v, want 120 duplicates and a filter that knows everything", p)
		}
		r.stop()
	})
}

func TestKillBehindASnapshotKeepsIdentities(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		dir := t.TempDir()
		r := w.start(quick(), dir)
		w.put(requests0, many(time.Now(), 0, 60)...)
		r.counts(60)
		r.stop()
		r = w.start(quick(), dir)
		w.put(requests0, many(time.Now(), 60, 40)...) // between the snapshot and what counts at the kill
		r.counts(100)
		r.kill()
		r = w.start(quick(), dir)
		w.put(requests0, many(time.Now(), 0, 100)...)
		r.counts(100)
		r.stop()
	})
}

// A snapshot is written while the journal is still being read, before the lane has folders: it keeps the filters.
func TestSnapshotBeforeTheInputIsReadKeepsIdentities(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		dir := t.TempDir()
		r := w.start(quick(), dir)
		w.put(requests0, many(time.Now(), 0, 60)...)
		r.counts(60)
		r.stop()
		l := newLane(0, &r.Service.cfg, r.Service.log, r.Service.metrics)
		l.journalID, l.dir = "j1", snapshotDir(dir, 0)
		if !l.restore() {
			t.Fatal("no snapshot")
		}
		back, err := decodeSnapshot(l.encode(nil), l.cfg)
		if err != nil {
			t.Fatal(err)
		}
		if f := back.filters[requests0]; f == nil || f.n != 60 || f.next != 60 {
			t.Errorf("filter of a snapshot made before the input was read: %+v", f)
		}
	})
}

func TestIdentitiesThatCannotBeReadAgainAreSaid(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		dir := t.TempDir()
		r := w.start(quick(), dir)
		w.put(requests0, many(time.Now(), 0, 60)...)
		r.counts(60)
		r.stop()
		r = w.start(quick(), dir)
		w.put(requests0, many(time.Now(), 60, 40)...)
		r.counts(100)
		r.kill()
		log := w.inputs[requests0]
		log.change(func() { log.start = 80 }) // 60 to 79 are gone, 80 to 99 can be read again
		r = w.start(quick(), dir)
		r.settle()
		if p := r.of(requests0); p.Blind != 20 || !p.Partial || p.Lost != 0 {
			t.Errorf("%+v, want 20 unknown identities and nothing lost", p)
		}
		if why := strings.Join(r.Problems(), " "); !strings.Contains(why, "llm-requests/0 lost 20 records before their identities were read again") {
			t.Errorf("problems: %q", why)
		}
		w.put(requests0, many(time.Now(), 0, 60)...)
		w.put(requests0, many(time.Now(), 80, 20)...)
		r.counts(100)
		w.put(requests0, many(time.Now(), 60, 20)...) // what was said: these count again
		r.counts(120)
		time.Sleep(reachLimit)
		if why := r.Problems(); len(why) > 0 {
			t.Errorf("problems after ten minutes: %q", why)
		}
		r.stop()
	})
}

func TestSlowerOwnerKnowsWhatTheOtherCounted(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		one := w.start(quick(), t.TempDir())
		two := w.start(quick(), t.TempDir())
		for i := range 20 {
			w.put(requests0, many(time.Now(), 10*i, 10)...)
			synctest.Wait()
		}
		one.counts(200)
		two.counts(200)
		one.kill()
		w.put(requests0, many(time.Now(), 0, 200)...)
		two.counts(200)
		two.stop()
	})
}

// What another owner counted before this one has read it is read for its identities, without a jump.
func TestFolderBehindAnotherOwner(t *testing.T) {
	cfg := testConfig()
	f := &folder{src: requests0, cfg: &cfg, names: newNames(&cfg), filter: newFilter(1 << 16), watermark: noWatermark}
	f.begin(0)
	fold := func(from, to int, ids int) {
		for i := range to - from {
			f.foldAll([]*bus.Message{{Topic: "llm-requests", Offset: int64(from + i), Timestamp: time.Unix(1000, 0), Value: event.AppendJSON(nil, at(time.Unix(1000, 0), fmt.Sprint(ids+i)))}})
		}
	}
	fold(0, 10, 0)
	if f.restart(&chain{To: 50}) || f.next != 10 {
		t.Fatalf("goes on at %d, want 10 without a seek", f.next)
	}
	fold(10, 50, 10)
	if h := f.open.header; h.Tally.Records != 0 || h.From != 50 || h.To != 50 {
		t.Errorf("%+v folded of what counts already", h)
	}
	fold(50, 110, 0)
	if h := f.open.header; h.Tally.Events != 10 || h.Tally.Duplicates != 50 || h.To != 110 {
		t.Errorf("%+v, want 50 duplicates and 10 new events", h.Tally)
	}
	if !f.restart(&chain{To: 90}) || f.next != 90 { // what was folded and does not count is folded again
		t.Errorf("goes on at %d, want 90 by a seek", f.next)
	}
	fold(90, 110, 40)
	if h := f.open.header; h.Tally.Events != 10 || h.Tally.Duplicates != 10 || h.From != 90 {
		t.Errorf("%+v, want the same again", h.Tally)
	}
}

func TestQuarantinedEventMayComeAgain(t *testing.T) {
	for _, killed := range []bool{false, true} {
		bubble(t, func(t *testing.T, w *world) {
			dir := t.TempDir()
			r := w.start(quick(), dir)
			w.put(requests0, at(time.Now().Add(time.Hour), "early"), at(time.Now(), "good"))
			r.counts(1)
			if p := r.of(requests0); p.Tally.Future != 1 || p.Tally.DeadLetters != 1 {
				t.Errorf("%+v, want one event in quarantine", p.Tally)
			}
			if killed {
				r.kill()
				r = w.start(quick(), dir) // reads the identities again
			}
			w.put(requests0, at(time.Now(), "early"), at(time.Now(), "good"))
			r.counts(2)
			r.stop()
		})
	}
}

func TestGapUnits(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		dir := t.TempDir()
		r := w.start(quick(), dir)
		w.put(requests0, many(time.Now(), 0, 50)...)
		r.counts(50)
		r.stop()
		log := w.inputs[requests0]
		w.put(requests0, many(time.Now(), 50, 50)...)
		log.change(func() { log.start = 80 }) // 30 were never read
		for range 2 {                         // the second start finds the gap in the journal
			r = w.start(quick(), dir)
			r.counts(70)
			p, res := r.of(requests0), r.Query(Span{0, 1 << 40})
			if p.Lost != 30 || p.GapReason != reasonDeleted || p.Counted != 100 || res.Completeness != .7 {
				t.Errorf("%+v, completeness %v, want 30 lost of 100", p, res.Completeness)
			}
			if why := strings.Join(r.Problems(), " "); !strings.Contains(why, "30 records of llm-requests/0 are missing from the windows: deleted by retention") {
				t.Errorf("problems: %q", why)
			}
			r.kill()
		}
		log.change(func() { log.values = log.values[:90] }) // the log was cut: the last ten never were, says the broker
		r = w.start(quick(), dir)
		r.counts(70)
		if p := r.of(requests0); p.Counted != 90 || p.GapReason != reasonCut || p.Blind < 10 {
			t.Errorf("%+v, want to go on at 90 without the identities of ten", p)
		}
		w.put(requests0, many(time.Now(), 80, 10)...) // known ones
		r.counts(70)
		w.put(requests0, many(time.Now(), 100, 5)...)
		r.counts(75)
		r.stop()
	})
}

// A log is cut under a lane that knows what it held: what counts stays known, what does not may come again. So it makes no
// difference how far a record had come, and nothing that came twice counts twice, neither now nor after a kill.
func TestCutUnderTheLane(t *testing.T) {
	for _, c := range []struct {
		name       string
		sent, open int   // behind 50 that count: in the unit that stands back, and in the one that is open
		end        int64 // of the log that is cut
	}{
		{"below what counts, all is sent", 10, 0, 40},
		{"below what counts, some is sent", 2, 8, 40},
		{"within what is sent", 6, 4, 53},
		{"within what is open", 2, 8, 55},
		{"between both", 5, 5, 55},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				dir := t.TempDir()
				r := w.start(quick(), dir)
				w.put(requests0, many(time.Now(), 0, 50)...)
				r.counts(50)
				r.stop()
				r = w.start(quick(), dir)
				w.journal.change(func() { w.journal.refuse = errors.New("away") })
				w.put(requests0, many(time.Now(), 50, c.sent)...)
				r.settle()
				w.put(requests0, many(time.Now(), 50+c.sent, c.open)...)
				r.counts(50)
				log := w.inputs[requests0]
				log.change(func() { log.values = log.values[:c.end] })
				r.settle() // the cut is seen before the unit that stands back may be written
				w.journal.change(func() { w.journal.refuse = nil })
				r.settle()
				w.put(requests0, many(time.Now(), 30, 40)...)
				time.Sleep(retryPause)
				r.counts(70)
				r.kill()
				r = w.start(quick(), dir) // the filter of the snapshot knows the log before the cut
				r.counts(70)
				w.put(requests0, many(time.Now(), 0, 70)...)
				r.counts(70)
				gone := max(50+int64(c.sent)-max(50, c.end), 0) // they count, no snapshot knows them, and the log has them no more
				if p := r.of(requests0); p.Blind != gone || p.Again != 0 {
					t.Errorf("%+v, want %d unknown identities", p, gone)
				}
				r.stop()
				r = w.start(quick(), dir)
				w.put(requests0, many(time.Now(), 0, 71)...)
				r.counts(71)
				r.stop()
			})
		})
	}
}

// handFed is a lane whose input and journal a test hands over itself.
type handFed struct {
	*lane
	*folder
	t     *testing.T
	seeks int
	when  time.Time // of the records that come
}

func newHandFed(t *testing.T) *handFed {
	cfg := testConfig()
	h := &handFed{lane: newLane(0, &cfg, slog.New(slog.DiscardHandler), newMetrics(nil, nil)), t: t, when: time.Unix(1000, 0)}
	h.units, h.side, h.seek = newWorld(t), newLog(), func(source, int64) { h.seeks++ }
	h.start(map[source]bus.Range{requests0: {}}, time.Unix(1000, 0))
	h.folder = h.folders[requests0]
	return h
}

// records takes records from an offset on with ids from first on, behind the answers to the seeks asked for.
func (h *handFed) records(offset, first, n int) {
	h.t.Helper()
	b := bus.PartitionBatch{Topic: requests0.Topic, Next: int64(offset + n), HighWatermark: int64(offset + n)}
	for i, e := range many(h.when, first, n) {
		b.Messages = append(b.Messages, &bus.Message{Topic: requests0.Topic, Offset: int64(offset + i), Timestamp: h.when, Value: event.AppendJSON(nil, e)})
	}
	for ; h.seeks > 0; h.seeks-- {
		h.takes(inputBatch{source: requests0, sought: true})
	}
	h.takes(inputBatch{source: requests0, batch: b})
}

func (h *handFed) takes(b inputBatch) {
	h.t.Helper()
	if err := h.take(b); err != nil {
		h.t.Fatal(err)
	}
}

// other lets a unit of another owner count.
func (h *handFed) other(from, to int64, g *gap) {
	h.t.Helper()
	u := newWork(requests0, from).header
	u.To, u.Gap = to, g
	for _, v := range encodeUnit(u, payload{}) {
		if err := h.follow(bus.PartitionBatch{Next: h.journal.next + 1, Messages: []*bus.Message{{Offset: h.journal.next, Timestamp: time.Unix(1000, 0), Value: v}}}); err != nil {
			h.t.Fatal(err)
		}
	}
}

func (h *handFed) folded(events, duplicates int64) {
	h.t.Helper()
	if got := h.open.header.Tally; got.Events != events || got.Duplicates != duplicates {
		h.t.Errorf("%d events and %d duplicates folded, want %d and %d", got.Events, got.Duplicates, events, duplicates)
	}
}

func TestCutThatAnotherOwnerSaw(t *testing.T) {
	h := newHandFed(t)
	h.records(0, 0, 50)
	h.other(0, 50, nil)
	h.other(50, 40, &gap{Reason: reasonCut})
	h.records(40, 45, 20) // at smaller offsets than before
	h.folded(15, 5)
}

// What was cut away does not make late what the log still has.
func TestCutOffEventsMoveNoClock(t *testing.T) {
	h := newHandFed(t)
	h.records(0, 0, 1)
	h.when = h.when.Add(time.Hour)
	h.records(1, 1, 1)
	h.takes(inputBatch{source: requests0, batch: bus.PartitionBatch{Err: &bus.OutOfRangeError{Offset: 2, End: 1}}})
	h.when = h.when.Add(-time.Hour)
	h.records(0, 0, 1)
	h.folded(1, 0)
	if late := h.open.header.Tally.Late; late != 0 {
		t.Errorf("%d of 1 events late", late)
	}
}

// What was sent when the log was cut never counts, because another owner saw the cut first: it may come again.
func TestCutWhileAUnitIsSentThatDoesNotCount(t *testing.T) {
	h := newHandFed(t)
	h.records(0, 0, 50)
	h.other(0, 50, nil)
	h.records(50, 50, 2)
	h.flush(t.Context(), true)
	h.records(52, 52, 8)
	h.takes(inputBatch{source: requests0, batch: bus.PartitionBatch{Err: &bus.OutOfRangeError{Offset: 60, End: 40}}})
	if h.pending == nil || !h.full() {
		t.Errorf("reading goes on although nobody knows what counts of what was cut")
	}
	h.other(50, 40, &gap{Reason: reasonCut})
	h.records(40, 45, 15)
	h.folded(10, 5)
}

// damage changes a byte of the newest snapshots.
func damage(t *testing.T, dir string, newest int) {
	t.Helper()
	f := snapshotFile{dir: snapshotDir(dir, 0), id: "j1"}
	offsets, err := snapshotOffsets(f.dir + "/j1")
	if err != nil || len(offsets) < newest {
		t.Fatal(offsets, err)
	}
	for _, offset := range offsets[:newest] {
		data, err := os.ReadFile(f.path(offset))
		if err != nil {
			t.Fatal(err)
		}
		data[len(data)/2] ^= 1
		if err := os.WriteFile(f.path(offset), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestDamagedSnapshots(t *testing.T) {
	for _, c := range []struct {
		name          string
		damaged       int
		journal, log  int64 // what is gone below, of the journal and of the input
		want          uint64
		lost          int64
		wantDuplicate uint64
	}{
		{"the newest", 1, 0, 0, 90, 0, 90},
		{"both, with the whole journal", 2, 0, 0, 90, 0, 90},
		{"both, with a part of the journal", 2, 2, 0, 90, 0, 90},
		{"both, with a part of journal and input", 2, 2, 10, 80, 10, 90},
		{"the newest, and the journal behind it is gone", 1, 100, 0, 90, 0, 90},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				dir := t.TempDir()
				for i := range 2 {
					r := w.start(quick(), dir)
					w.put(requests0, many(time.Now(), 30*i, 30)...)
					r.counts(uint64(30 * (i + 1)))
					r.stop()
				}
				r := w.start(quick(), dir)
				w.put(requests0, many(time.Now(), 60, 30)...)
				r.counts(90)
				r.kill()
				damage(t, dir, c.damaged)
				j, log := w.journal, w.inputs[requests0]
				j.change(func() { j.start = min(c.journal, int64(len(j.values))) })
				log.change(func() { log.start = c.log })
				r = w.start(quick(), dir)
				r.counts(c.want)
				p := r.of(requests0)
				if complete := r.Query(Span{0, 1}).Completeness == 1; p.Lost != c.lost || complete != (c.lost == 0) || (len(r.Problems()) == 0) != (c.lost == 0) {
					t.Errorf("%+v, complete %v, problems %q", p, complete, r.Problems())
				}
				if p.Tally.Records+p.Lost != 90 {
					t.Errorf("%d records counted and %d lost of 90", p.Tally.Records, p.Lost)
				}
				w.put(requests0, many(time.Now(), int(c.log), 90-int(c.log))...)
				r.counts(c.want)
				r.stop()
				r = w.start(quick(), dir)
				r.counts(c.want)
				r.stop()
			})
		})
	}
}

// More is counted again than is held back at a time, and it takes two starts: the first is killed meanwhile.
func TestCountingAgainInPieces(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		n := maxOpenPane + 6000
		for i := range n {
			w.put(requests0, at(time.Now().Add(-time.Duration(i)*time.Second), fmt.Sprint("e", i)))
		}
		r := w.start(quick(), t.TempDir())
		r.counts(uint64(n))
		r.kill()
		j := w.journal
		j.change(func() { j.start = int64(len(j.values)) - 1 })
		dir := t.TempDir()
		for _, killed := range []bool{true, false} {
			r = w.start(quick(), dir)
			r.counts(uint64(n))
			if p := r.of(requests0); p.Again != 0 || p.Lost != 0 || p.Tally.Events != int64(n) {
				t.Errorf("%+v, want all %d counted again", p, n)
			}
			if killed {
				r.kill()
			}
		}
		r.stop()
		r = w.start(quick(), dir) // from the snapshot
		r.counts(uint64(n))
		r.stop()
	})
}

func TestJournalThatTakesNothingIsUnhealthy(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		r := w.start(quick(), t.TempDir())
		refused := errors.New("disk full")
		w.journal.change(func() { w.journal.refuse = refused })
		w.put(requests0, many(time.Now(), 0, 10)...)
		r.counts(0)
		if err := r.Healthy(); !errors.Is(err, refused) {
			t.Errorf("health %v while the journal takes nothing", err)
		}
		if c := r.Query(Span{0, 1}).Completeness; c != 0 {
			t.Errorf("completeness %v while nothing counts", c)
		}
		w.journal.change(func() { w.journal.refuse = nil })
		time.Sleep(retryPause)
		r.counts(10)
		if err := r.Healthy(); err != nil {
			t.Errorf("health %v after the journal takes units again", err)
		}
		r.stop()
	})
}

func TestJournalThatWasShortenedUnderTheReaderEndsTheSession(t *testing.T) {
	cfg := testConfig()
	l := newLane(0, &cfg, slog.New(slog.DiscardHandler), newMetrics(nil, nil))
	err := l.follow(bus.PartitionBatch{Err: &bus.OutOfRangeError{Topic: event.TopicPanes, Offset: 3, Start: 7, End: 9}})
	if !errors.Is(err, errJournal) || !errors.Is(err, bus.ErrOutOfRange) || lasting(err) {
		t.Errorf("%v, want trouble with the journal that another session mends", err)
	}
}

// What a broker may delete is said in offsets of the topics that exist: one made in the place of another begins anew.
func TestFloorForgetsTopicsThatAreGone(t *testing.T) {
	s := New(testConfig(), nil, Options{Log: slog.New(slog.DiscardHandler)})
	keep := func(src source, offset int64) {
		s.keepPositions(snapshotFile{lane: &lane{}, needs: map[source]int64{src: offset}})
	}
	want := func(offset int64, ok bool) {
		t.Helper()
		if have, haveOK := s.Floor("llm-requests", 0); have != offset || haveOK != ok {
			t.Errorf("floor %d %v, want %d %v", have, haveOK, offset, ok)
		}
	}
	keep(requests0, 500)
	want(0, false)
	keep(requests0, 600)
	want(500, true)
	anew := source{TopicID: "t9", Topic: "llm-requests"}
	s.began(nil, nil, &layout{inputs: map[string]bus.Shape{"llm-requests": {ID: "t9"}}})
	want(0, false)
	keep(anew, 5)
	want(0, false)
	keep(anew, 8)
	want(5, true)
}

func TestInputThatCannotBeRead(t *testing.T) {
	cfg := testConfig()
	l := newLane(0, &cfg, slog.New(slog.DiscardHandler), newMetrics(nil, nil))
	l.start(map[source]bus.Range{requests0: {}}, time.Unix(0, 0))
	for why, mended := range map[error]bool{bus.ErrUnknownTopic: true, errors.New("not authorized"): false} {
		err := l.take(inputBatch{source: requests0, batch: bus.PartitionBatch{Topic: "llm-requests", Err: why}})
		if !errors.Is(err, why) || errors.Is(err, errLayout) != mended {
			t.Errorf("%v for %v, want a change of the topics: %v", err, why, mended)
		}
	}
}
