package stream

import (
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// micros cuts a time to what events can say.
func micros(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

func TestQuietPartitionsDoNotHoldTheWatermark(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		r := w.start(quick(), t.TempDir())
		c := &r.Service.cfg
		first := time.Now()
		w.put(requests0, at(first, "a"))
		r.settle()
		if res := r.Query(Span{0, 1}); !res.Watermark.Equal(micros(first).Add(-c.Disorder)) || res.Final {
			t.Errorf("watermark %v, final %v while nothing was ever written to the other partition, which was not yet seen to be idle", res.Watermark, res.Final)
		}
		if p := r.of(requests0); p.Watermark != micros(first).Add(-c.Disorder).UnixMicro() || p.Idle {
			t.Errorf("%+v, want the watermark %v behind the event", p, c.Disorder)
		}

		time.Sleep(c.Idle + time.Second) // the lane looks once a second; from now on both are idle and follow the clock
		r.settle()
		if p := r.of(feedback0); !p.Idle || !r.of(requests0).Idle {
			t.Errorf("after %v without records: %+v", c.Idle, p)
		}
		if res := r.Query(Span{0, 1}); !res.Watermark.Equal(micros(time.Now()).Add(-c.Disorder)) {
			t.Errorf("watermark %v of a quiet system at %v", res.Watermark, time.Now())
		}
		time.Sleep(time.Hour)
		if res := r.Query(Span{0, 1}); !res.Watermark.Equal(micros(time.Now()).Add(-c.Disorder)) {
			t.Errorf("watermark %v of a quiet system at %v", res.Watermark, time.Now())
		}
		if n := len(w.journal.values); n != 3 { // the event, and one unit of each partition that says idle
			t.Errorf("%d units, a quiet system writes nothing", n)
		}

		before := r.of(requests0)
		w.put(requests0, at(first, "b")) // old, and the watermark does not go back to it
		r.settle()
		p := r.of(requests0)
		if p.Idle || p.Watermark < time.Now().Add(-c.Disorder-time.Second).UnixMicro() || p.Watermark < before.Watermark {
			t.Errorf("%+v after an old event at %v", p, time.Now())
		}
		r.stop()
	})
}

// Nobody is idle because the lane was busy with something else: the next part of a past is not late.
func TestBusyLaneHasNoIdlePartitions(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		r := w.start(quick(), t.TempDir())
		c, past := &r.Service.cfg, time.Now().Add(-2*time.Hour)
		w.put(requests0, at(past, "a"))
		r.settle()
		r.call(func() { time.Sleep(c.Idle + time.Second) })
		r.settle()
		w.put(requests0, at(past.Add(time.Second), "b")) // what the reader brings now that the lane takes it
		r.settle()
		if p := r.of(requests0); p.Tally.Late != 0 || p.Tally.Events != 2 || p.Idle {
			t.Errorf("%+v, want two events and none late", p)
		}
		time.Sleep(c.Idle + time.Second)
		r.settle()
		if !r.of(requests0).Idle || !r.of(feedback0).Idle {
			t.Error("quiet partitions are not idle once the lane looks at them all the time")
		}
		r.stop()
	})
}

// A reader that one lane keeps waiting for long brings the others nothing.
func TestReaderThatWaitsIsNotAttentive(t *testing.T) {
	r, begin := newInputReader(nil, nil), time.Now()
	r.stall = 5 * time.Second
	since := func(now time.Time) time.Duration { return now.Sub(r.attentive(now)) }
	if since(begin) < time.Hour {
		t.Error("it was never kept waiting")
	}
	r.since.Store(begin.UnixMicro())
	if since(begin.Add(4*time.Second)) < time.Hour || since(begin.Add(6*time.Second)) != 0 {
		t.Error("a hand-over of 4 s is none that keeps it waiting, one of 6 s is")
	}
	r.handed(begin, begin.Add(8*time.Second))
	r.since.Store(0)
	if d := since(begin.Add(10 * time.Second)); d.Round(time.Second) != 2*time.Second {
		t.Errorf("it was free again 2 s ago, not %v", d)
	}
	r.handed(begin.Add(20*time.Second), begin.Add(21*time.Second))
	if d := since(begin.Add(30 * time.Second)); d.Round(time.Second) != 22*time.Second {
		t.Errorf("a short hand-over is no break: %v", d)
	}
}

// To what was never written nobody waits for the watermark of an answer. What is written there then may be of any time: it is not late,
// and the window that it belongs to was not called final.
func TestFirstRecordsOfAnEmptyPartition(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		r := w.start(quick(), t.TempDir())
		c, now := &r.Service.cfg, time.Now()
		if res := r.Query(Span{0, 1}); !res.Watermark.IsZero() || res.Completeness != 1 {
			t.Errorf("%+v where there is nothing", res)
		}
		w.put(requests0, at(now, "a"))
		r.settle()
		trace := now.Add(-24 * time.Hour)
		span := Span{trace.Unix(), trace.Unix() + 1}
		if res := r.Query(span); res.Final || !res.Watermark.Equal(micros(now).Add(-c.Disorder)) {
			t.Errorf("watermark %v, final %v before the other partition has begun", res.Watermark, res.Final)
		}
		w.put(feedback0, at(trace, "b"), at(trace.Add(time.Second), "c")) // a day old
		r.settle()
		if p := r.of(feedback0); p.Tally.Late != 0 || p.Tally.Events != 2 {
			t.Errorf("%+v, want no late event", p.Tally)
		}
		if res := r.Query(span); res.Final || !res.Watermark.Equal(micros(now).Add(-c.Disorder)) {
			t.Errorf("watermark %v, final %v while the other partition holds nothing but an old trace", res.Watermark, res.Final)
		}
		w.put(feedback0, at(trace.Add(time.Hour), "d")) // less than a day: it is one to wait for
		r.settle()
		if res := r.Query(span); !res.Final || !res.Watermark.Equal(micros(trace).Add(time.Hour-c.Disorder)) {
			t.Errorf("watermark %v, final %v while the other partition is 23 hours behind, and past the window", res.Watermark, res.Final)
		}
		r.stop()
	})
}

// Where there is nothing but an old trace, it says how far that is.
func TestWatermarkOfATrace(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		r := w.start(quick(), t.TempDir())
		trace := time.Now().Add(-1000 * time.Hour)
		w.put(requests0, at(trace.Add(time.Hour), "a"))
		w.put(feedback0, at(trace, "b"))
		r.settle()
		if res := r.Query(Span{0, 1}); !res.Watermark.Equal(micros(trace).Add(-r.Service.cfg.Disorder)) {
			t.Errorf("watermark %v, want that of the partition that is behind", res.Watermark)
		}
		r.stop()
	})
}

// A partition that had records is one to wait for, also when the log has none any more.
func TestPartitionWithoutRecordsAnyMoreHoldsTheWatermark(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.put(feedback0, at(time.Now(), "gone"))
		w.inputs[feedback0].change(func() { w.inputs[feedback0].start = 1 })
		r := w.start(quick(), t.TempDir())
		w.put(requests0, at(time.Now(), "a"))
		r.settle()
		if res := r.Query(Span{0, 1}); !res.Watermark.IsZero() {
			t.Errorf("watermark %v while nobody knows what was in the other partition", res.Watermark)
		}
		r.stop()
	})
}

// Restarts and readers of the journal see the same watermark as the one who folded.
func TestWatermarkSurvivesRestarts(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		dir := t.TempDir()
		r := w.start(quick(), dir)
		w.put(requests0, at(time.Now(), "a"))
		time.Sleep(r.Service.cfg.Idle + time.Second)
		r.settle()
		was := [2]progress{r.of(requests0), r.of(feedback0)}
		r.kill()
		for _, how := range []string{"from the journal", "from a snapshot"} {
			r = w.start(quick(), dir)
			for i, src := range []source{requests0, feedback0} {
				if p := r.of(src); p.Idle != was[i].Idle || p.Watermark != was[i].Watermark {
					t.Errorf("%s: %+v of %s, want %+v", how, p, src.Topic, was[i])
				}
			}
			r.stop()
		}
	})
}

func TestLateEventsCountInTheirWindow(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		dir := t.TempDir()
		r := w.start(quick(), dir)
		c := &r.Service.cfg
		now := time.Now().Add(30 * time.Minute).Truncate(time.Second)
		time.Sleep(time.Until(now))
		edge := now.Add(-c.Disorder - c.Lateness)
		w.put(requests0, at(now, "a"), at(edge, "in time"), at(edge.Add(-time.Microsecond), "late"), at(edge.Add(-time.Hour), "very late"))
		r.counts(4)
		for _, x := range []struct {
			when         time.Time
			events, late uint64
		}{{now, 1, 0}, {edge.Add(time.Second).Truncate(time.Second), 0, 0}, {edge, 1, 0}, {edge.Add(-time.Microsecond), 1, 1}, {edge.Add(-time.Hour), 1, 1}} {
			second := x.when.Unix()
			cell, _, _, _ := r.Window(time.Unix(second, 0), time.Unix(second+1, 0))
			if cell.Events != x.events || cell.Late != x.late {
				t.Errorf("second %v: %d events, %d late, want %d and %d", x.when, cell.Events, cell.Late, x.events, x.late)
			}
		}
		if p := r.of(requests0); p.Tally.Late != 2 || p.Tally.Events != 4 {
			t.Errorf("%+v, want 2 of 4 late", p.Tally)
		}
		if by := r.journal.chains[requests0].Tally.BySource; by["s"].Late != 2 {
			t.Errorf("late by source: %v", by)
		}
		var copies []string
		for _, m := range w.side.values {
			if m.Topic == event.TopicLate {
				copies = append(copies, string(m.Key))
			}
		}
		if len(copies) != 2 || copies[0] != event.OffsetID("t1", 0, 2) || copies[1] != event.OffsetID("t1", 0, 3) {
			t.Errorf("copies of late events: %v", copies)
		}
		r.kill()
		r = w.start(quick(), dir)
		r.counts(4)
		if len(w.side.values) != 2 {
			t.Errorf("%d copies after a restart, want 2", len(w.side.values))
		}
		r.stop()
	})
}

func TestWindowIsFinalWhenNothingCanComeInTime(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		r := w.start(quick(), t.TempDir())
		c := &r.Service.cfg
		end := time.Now().Truncate(time.Second)
		w.put(requests0, at(end.Add(-time.Second), "a"))
		time.Sleep(c.Idle + 2*time.Second) // both partitions are idle
		span := Span{end.Unix() - 60, end.Unix()}
		time.Sleep(time.Until(end.Add(c.Lateness + c.Disorder - time.Microsecond)))
		if res := r.Query(span); res.Final {
			t.Errorf("final at watermark %v", res.Watermark)
		}
		time.Sleep(time.Microsecond)
		if res := r.Query(span); !res.Final {
			t.Errorf("not final at watermark %v", res.Watermark)
		}
		if res := r.Query(Span{span.Start, span.End + 1}); res.Final {
			t.Error("a window that ends a second later is final as well")
		}
		r.stop()
	})
}

// A replayed trace is asked for by the second first, and in coarser steps when its arrival is long ago: the window is
// widened to the edges of what can be told apart, and says so.
func TestOldArrivalsWidenTheWindow(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		r := w.start(quick(), t.TempDir())
		trace := time.Date(1999, 3, 1, 10, 0, 5, 0, time.UTC)
		w.put(requests0, at(trace, "a"), at(trace.Add(3*time.Second), "b"), at(trace.Add(time.Minute), "c"))
		r.counts(3)
		ask := func() Result { return r.Query(Span{trace.Unix(), trace.Unix() + 2}) }
		if res := ask(); res.Widened || res.Span.End-res.Span.Start != 2 {
			t.Errorf("%+v right after the arrival", res)
		}
		for _, step := range []struct {
			wait         time.Duration
			seconds      int64
			wantRequests uint64
		}{{16 * time.Minute, 10, 2}, {7 * time.Hour, 60, 2}, {15 * 24 * time.Hour, 3600, 3}} {
			time.Sleep(step.wait)
			r.settle()
			res, n := ask(), uint64(0)
			for _, c := range res.Groups {
				n += c.Requests
			}
			if !res.Widened || res.Span.End-res.Span.Start != step.seconds || n != step.wantRequests {
				t.Errorf("%v later: %+v with %d requests, want %d seconds with %d", step.wait, res.Span, n, step.seconds, step.wantRequests)
			}
		}
		r.stop()
	})
}
