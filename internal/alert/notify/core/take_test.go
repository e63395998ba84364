package core

import (
	"fmt"
	"testing"
	"time"
)

// taker takes alerts of hxp and of others into a world, some of them together.
type taker struct{ *world }

func (w taker) take(in ...Alert) {
	w.t.Helper()
	docs, full := w.e.Take(in, 3, w.now)
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
	if _, full := w.e.Take([]Alert{w.fires("e4", "D", 0)}, 3, w.now); !full || w.e.Count() != 3 {
		t.Errorf("%d alerts, full %v", w.e.Count(), full)
	}
}
