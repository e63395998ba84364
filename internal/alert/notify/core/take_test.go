package core

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// taker takes alerts of hxp and of others into a world, some of them together.
type taker struct{ *world }

func (w taker) take(in ...Alert) {
	w.t.Helper()
	docs, full := w.e.Take(in, Room{4, 1 << 20}, w.now)
	if full {
		w.t.Error("no room")
	}
	w.store(docs...)
}

func (w taker) fires(id, text string, started time.Duration) Alert {
	return Alert{Labels: labelsOf(text), StartsAt: begin.Add(started), UpdatedAt: w.now, Since: w.now, Source: FromHxp, Episode: id}
}

func (w taker) ends(id, text string, started time.Duration) Alert {
	a := w.fires(id, text, started)
	a.EndsAt = w.now
	return a
}

// state is what is known of the alert A.
func (w taker) state() string {
	a := w.e.Alert(labelsOf("A").Fingerprint())
	switch {
	case a == nil:
		return "none"
	case a.Resolved(w.now):
		return a.Episode + " over"
	}
	return fmt.Sprintf("%s since %s", a.Episode, a.StartsAt.Sub(begin))
}

// Decisions come late, twice, and in another order than that of their episodes, together or one by one, and over a restart.
func TestEpisodesOnlyGoForward(t *testing.T) {
	type say func(w taker) Alert
	start1, end1 := say(func(w taker) Alert { return w.fires("e1", "A", 0) }), say(func(w taker) Alert { return w.ends("e1", "A", 0) })
	start2, end2 := say(func(w taker) Alert { return w.fires("e2", "A", minute) }), say(func(w taker) Alert { return w.ends("e2", "A", minute) })
	renamed := say(func(w taker) Alert { return w.ends("e1", "A run=failed", 0) })
	for _, c := range []struct {
		name string
		says []say
		want string
	}{
		{"in order", []say{start1, end1, start2}, "e2 since 1m0s"},
		{"the end of another", []say{start1, start2, end1}, "e2 since 1m0s"},
		{"and its own", []say{start1, start2, end1, end2}, "e2 over"},
		{"an end before its start", []say{end1, start1}, "none"},
		{"a start again", []say{start1, end1, start1}, "e1 over"},
		{"an end again", []say{start1, end1, start2, end1}, "e2 since 1m0s"},
		{"a start after that of another", []say{start2, start1}, "e2 since 1m0s"},
		{"an end by other labels", []say{start1, renamed}, "e1 over"},
	} {
		t.Run(c.name, func(t *testing.T) {
			one, all := taker{newWorld(t, receivers(usual))}, taker{newWorld(t, receivers(usual))}
			var together []Alert
			for _, say := range c.says {
				one.take(say(one))
				one.restart()
				together = append(together, say(all))
			}
			all.take(together...)
			if one.state() != c.want || all.state() != c.want {
				t.Errorf("one by one %q, together %q, want %q", one.state(), all.state(), c.want)
			}
		})
	}
}

// An episode that has ended is known as long as something late may come, also when its alert is forgotten, and not for ever.
func TestEndedEpisodesAreForgotten(t *testing.T) {
	w := taker{newWorld(t, receivers(usual))}
	w.take(w.fires("e1", "A", 0))
	w.until(20 * sec)
	w.take(w.ends("e1", "A", 0))
	w.until(5 * minute)
	w.take(w.fires("e1", "A", 0))
	w.said("10s ops: A", "1m10s ops: -A")
	if w.state() != "none" || len(w.e.over) != 1 {
		t.Errorf("%s, %v", w.state(), w.e.over)
	}
	w.store(w.e.Sweep(begin.Add(keepOver))...)
	if len(w.e.over) != 1 {
		t.Error("forgotten too soon")
	}
	w.store(w.e.Sweep(begin.Add(keepOver + minute))...)
	if len(w.e.over) != 0 {
		t.Error("not forgotten")
	}
}

// What others say of an alert of hxp, as an Alertmanager does that heard of it from hxp, changes nothing until hxp says that it is over.
func TestOthersEndNoEpisode(t *testing.T) {
	w := taker{newWorld(t, receivers(usual))}
	w.take(w.fires("e1", "A", 0))
	w.now = begin.Add(sec)
	for _, end := range []time.Time{w.now, w.now.Add(24 * time.Hour)} {
		w.take(Alert{Labels: labelsOf("A"), StartsAt: begin.Add(-minute), EndsAt: end, Timeout: end.After(w.now), UpdatedAt: w.now, Since: w.now, Source: FromWebhook})
		if a := w.e.Alert(labelsOf("A").Fingerprint()); a.Source != FromHxp || !a.EndsAt.IsZero() || w.state() != "e1 since 0s" {
			t.Errorf("%+v", a)
		}
	}
	w.take(w.ends("e1", "A", 0))
	if w.state() != "e1 over" {
		t.Error(w.state())
	}
}

// Only alerts that are not known yet need room.
func TestRoomForAlerts(t *testing.T) {
	w := taker{newWorld(t, receivers(usual))}
	w.take(w.fires("e1", "A", 0), w.fires("e2", "B", 0))
	w.take(w.fires("e1", "A", 0), w.fires("e2", "B", 0), w.fires("e3", "C", 0))
	if _, full := w.e.Take([]Alert{w.fires("e4", "D", 0)}, Room{3, 1 << 20}, w.now); !full || w.e.Count() != 3 {
		t.Errorf("%d alerts, full %v", w.e.Count(), full)
	}
}

// Strangers, be their alerts many, large or growing, leave a quarter of the room to hxp; what they say of an end is always taken.
func TestStrangersLeaveRoom(t *testing.T) {
	most := Room{8, 20_000}
	stranger := func(w taker, name string, bytes int) Alert {
		return Alert{Labels: labelsOf(name), Annotations: map[string]string{"text": strings.Repeat("x", bytes)}, StartsAt: w.now, UpdatedAt: w.now, Since: w.now, Source: FromAPI}
	}
	for name, c := range map[string]struct{ bytes, known int }{"many": {1, 6}, "large": {4000, 3}} {
		w := taker{newWorld(t, receivers(usual))}
		full := false
		for i := range 20 {
			docs, no := w.e.Take([]Alert{stranger(w, fmt.Sprintf("S i=%d", i), c.bytes)}, most, w.now)
			w.store(docs...)
			full = full || no
		}
		if !full || w.e.Count() != c.known {
			t.Errorf("%s: %d are known, full %v", name, w.e.Count(), full)
		}
		docs, full := w.e.Take([]Alert{stranger(w, "S i=0", 16_000)}, most, w.now)
		if w.store(docs...); !full {
			t.Errorf("%s: it grew by %d bytes", name, len(docs[0].Body))
		}
		docs, full = w.e.Take([]Alert{w.fires("e1", "Own i=1", 0), w.fires("e2", "Own i=2", 0)}, most, w.now)
		if w.store(docs...); full || w.e.Count() != c.known+2 {
			t.Errorf("%s: hxp has no room", name)
		}
		end := stranger(w, "S i=1", c.bytes+2000)
		end.EndsAt = w.now
		docs, full = w.e.Take([]Alert{end}, most, w.now)
		if w.store(docs...); full || !w.e.Alert(end.Labels.Fingerprint()).Resolved(w.now) {
			t.Errorf("%s: an end is not taken", name)
		}
	}
	w := taker{newWorld(t, receivers(usual))}
	docs, _ := w.e.Take([]Alert{stranger(w, "S i=0", 100)}, most, w.now)
	w.store(docs...)
	before := w.e.held
	w.store(docs...)
	w.store(Remove(KindAlert, docs[0].ID))
	if before.Alerts != 1 || before.Bytes != len(docs[0].Body) || w.e.held != (Room{}) || w.e.others != (Room{}) {
		t.Errorf("counted %+v, then %+v and %+v", before, w.e.held, w.e.others)
	}
}

// A message about very many alerts holds as many of them as there is room for, and says how many more there are.
func TestLargeMessages(t *testing.T) {
	w := newWorld(t, receivers(usual))
	for i := range 40 {
		a := Alert{Labels: labelsOf(fmt.Sprintf("A i=%d", i)), Annotations: map[string]string{"text": strings.Repeat("x", 50_000)}, StartsAt: w.now, UpdatedAt: w.now, Since: w.now, Source: FromAPI}
		w.store(Put(KindAlert, string(a.Labels.Fingerprint()), a))
	}
	w.now = begin.Add(10 * sec)
	d := w.e.Decide(w.now, "")
	w.store(d.Docs...)
	d.Stored()
	m := w.e.Messages(begin)[0]
	if m.Firing != 40 || m.Status != "firing" || m.Data.TruncatedAlerts != 40-len(m.Data.Alerts) || len(m.Data.Alerts) != maxData/(50_000+300) {
		t.Errorf("%d fire, %d stand in it and %d do not", m.Firing, len(m.Data.Alerts), m.Data.TruncatedAlerts)
	}
}
