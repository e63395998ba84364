package watch

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// week is traffic that has a course of its own over an hour of the week: rate is that of a second, seconds after the beginning.
type week func(second int64) float64

// weekly shows a watcher three hours; the interesting one is the last. Known says whether it is told of the weeks before.
func weekly(t *testing.T, seed uint64, known bool, usual, now week) (found []*Anomaly) {
	t.Helper()
	rnd := rand.New(rand.NewPCG(seed, 3))
	m := anyTraffic(rnd, "m", 1)
	m.swing, m.rough = 0, 0.05
	cell := func(at int64, course week) *agg.Cell {
		m.rate = course(at)
		return m.step(rnd, at, nil)
	}
	const begin = 1000 * hour
	whole := func(h int64) map[string]*agg.Cell {
		return hourly(h, func(at int64) *agg.Cell { return cell(at, usual) })
	}
	w := New()
	for at := int64(0); at < 3*hour; at += Step {
		if known && at%hour == 0 && at > 0 {
			var weeks []Hours
			for range SeasonWeeks {
				h := at / hour
				weeks = append(weeks, Hours{whole(h - 1), whole(h), whole(h + 1)})
			}
			w.Season(begin+at, weeks)
		}
		c := cell(at, now)
		if c == nil {
			c = new(agg.Cell)
		}
		for _, a := range w.Step(begin+at, map[string]*agg.Cell{"m": c}, Content) {
			if a.EndedAt == 0 {
				found = append(found, a)
			}
		}
	}
	return found
}

// hourly is about what an hour has: one step of each five minutes stands for them.
func hourly(h int64, step func(at int64) *agg.Cell) map[string]*agg.Cell {
	sum := new(agg.Cell)
	for at := h * hour; at < (h+1)*hour; at += 30 * Step {
		if c := step(at); c != nil {
			sum.Merge(c)
		}
	}
	sum.Requests, sum.Errors, sum.Unknown, sum.Priced = 30*sum.Requests, 30*sum.Errors, 30*sum.Unknown, 30*sum.Priced
	sum.Tokens.Total, sum.Cost = 30*sum.Tokens.Total, 30*sum.Cost
	return map[string]*agg.Cell{"m": sum}
}

func flat(int64) float64 { return 5 }

// jump is a job that runs every week at the third hour.
func jump(at int64) float64 {
	if at >= 2*hour && at < 3*hour {
		return 20
	}
	return 5
}

// What comes every week is no anomaly once the weeks are known.
func TestSeason(t *testing.T) {
	for _, tt := range []struct {
		name       string
		usual, now week
		known      bool
		want       string
	}{
		{"a weekly job, no weeks known", jump, jump, false, "requests above"},
		{"a weekly job", jump, jump, true, ""},
		{"the same, in a week that has none", flat, jump, true, "requests above"},
		{"as always", flat, flat, true, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for seed := range uint64(2) {
				said := map[string]bool{}
				for _, a := range weekly(t, seed, tt.known, tt.usual, tt.now) {
					direction := "below"
					if a.Up {
						direction = "above"
					}
					said[fmt.Sprintf("%s %s", a.Metric, direction)] = true
				}
				if tt.want == "" && len(said) > 0 || tt.want != "" && !said[tt.want] {
					t.Errorf("seed %d: %v, want %q", seed, said, tt.want)
				}
			}
		})
	}
}

// A season needs three weeks that know the model, and is forgotten with its hour. One bad week among four does not show.
func TestSeasonIsTheMiddleOfTheWeeks(t *testing.T) {
	hours := func(requests ...uint64) (h Hours) {
		for i, n := range requests {
			h[i] = map[string]*agg.Cell{"m": {Requests: n}}
		}
		return h
	}
	m := &metrics[0]
	if s := seasonOf(m, "m", hour, []Hours{hours(360, 720, 360), hours(360, 720, 360)}); s.start != 0 {
		t.Errorf("of two weeks: %+v", s)
	}
	if s := seasonOf(m, "other", hour, []Hours{hours(1, 1, 1), hours(1, 1, 1), hours(1, 1, 1)}); s.start != 0 {
		t.Errorf("of a model that was not there: %+v", s)
	}
	s := seasonOf(m, "m", hour, []Hours{hours(360, 720, 360), hours(360, 720, 360), hours(360, 36000, 0), hours(360, 720, 360)})
	if s.lo != 1 || s.hi != 2 || !s.counts(hour) || !s.counts(2*hour-1) || s.counts(2*hour) || s.counts(hour-1) {
		t.Errorf("%+v", s)
	}
}

// Faults are found in the same way when the weeks before are known: the season explains none of them.
func TestSeasonHidesNoFault(t *testing.T) {
	for run := range uint64(len(faults)) {
		rnd := rand.New(rand.NewPCG(run, 12))
		f := faults[run]
		f.from, f.to = hour+1200, hour+1800+f.ramp
		m := anyTraffic(rnd, "m", 5)
		past := func(h int64) map[string]*agg.Cell {
			return hourly(h, func(at int64) *agg.Cell { return m.step(rnd, at, nil) })
		}
		w, found := New(), int64(0)
		for at := int64(Step); at < 2*hour && found == 0; at += Step {
			if at == hour {
				var weeks []Hours
				for range SeasonWeeks {
					weeks = append(weeks, Hours{past(0), past(1), past(2)})
				}
				if w.Season(at, weeks); w.models["m"][0].season.start != at {
					t.Fatal("the season is not known")
				}
			}
			c := m.step(rnd, at, &f)
			if c == nil {
				c = new(agg.Cell)
			}
			for _, a := range w.Step(at, map[string]*agg.Cell{"m": c}, Content) {
				if a.DetectedAt > f.from && slices.Contains(f.metrics, a.Metric) {
					found = max(a.DetectedAt-f.shows(), 1)
				}
			}
		}
		if found == 0 || found > 120 {
			t.Errorf("%s was found after %d s", f.name, found)
		}
	}
}

// The weeks before are a detector of their own: what lies far outside of what they had is told with one more voice, such as a slow rise
// that has long become usual, and what is common in them is not.
func TestSeasonSpeaks(t *testing.T) {
	weeks := func(requests uint64) (all []Hours) {
		for range SeasonWeeks {
			h := map[string]*agg.Cell{"m": {Requests: requests * hour / Step, Errors: requests * hour / Step / 100}}
			all = append(all, Hours{h, h, h})
		}
		return all
	}
	for _, tt := range []struct {
		name     string
		before   uint64 // requests of a step in the weeks before
		now      int
		want, up bool
	}{
		{"as always", 50, 50, false, false},
		{"half more, which happens", 50, 72, false, false},
		{"twice as many", 50, 100, true, true},
		{"a quarter", 50, 12, true, false},
		{"twice of hardly any, which is chance", 1, 2, false, false},
	} {
		w := New()
		for at := int64(hour + Step); at < hour+1200; at += Step {
			w.Step(at, asked(map[string]int{"m": tt.now}), Content)
		}
		w.Season(hour, weeks(tt.before))
		w.Step(hour+1200, asked(map[string]int{"m": tt.now}), Content)
		s := &w.models["m"][0]
		if spoke := s.at[seasonAt] == hour+1200; spoke != tt.want || spoke && s.voices[seasonAt].up != tt.up {
			t.Errorf("%s: it speaks %v, %+v", tt.name, spoke, s.voices[seasonAt])
		}
		w.Season(hour, nil)
		if w.Step(hour+1210, asked(map[string]int{"m": tt.now}), Content); s.at[seasonAt] == hour+1210 {
			t.Errorf("%s: it speaks of weeks that nobody knows", tt.name)
		}
	}
}
