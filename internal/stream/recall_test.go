package stream

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// annals are hours at rest.
type annals struct {
	hours []HourAtRest
	read  []int64
	err   error
}

func (a *annals) HoursAtRest(_ context.Context, from, to int64) ([]HourAtRest, error) {
	if a.hours == nil {
		return nil, ErrNoHistory
	}
	return slices.DeleteFunc(slices.Clone(a.hours), func(h HourAtRest) bool { return h.Start < from || h.Start >= to }), nil
}

// EventsAtRest has ten requests of model a in each hour, of which one failed.
func (a *annals) EventsAtRest(_ context.Context, hour int64, fn func(*event.Event, int64) error) error {
	a.read = append(a.read, hour)
	for i := range int64(10) {
		e := request(hour+i, "a")
		e.SetBool(event.Success, i > 0)
		if err := fn(e, e.Time); err != nil {
			return err
		}
	}
	return a.err
}

// An objective that is new learns what was before it, back to the first hour of which something is gone.
func TestObjectiveIsToldOfThePast(t *testing.T) {
	j, _ := idleJudge(t, objective)
	const begun = 1_790_000_123
	noon := floor(int64(begun), 3600)
	j.engine.Advance(begun * 1e6)
	history := &annals{}
	j.opts.History = history
	ask := func(at int64) {
		j.engine.Advance(at * 1e6)
		now := time.Unix(at, 0)
		if j.recall(now); j.recaller.busy {
			j.remember(<-j.recaller.done, now)
		}
	}
	ask(begun + 10)
	if !j.recaller.again.IsZero() {
		t.Error("it asks before what came is at rest")
	}
	ask(begun + 40)
	if j.recaller.again.IsZero() {
		t.Error("it does not ask again when nothing is at rest yet")
	}
	history.hours = []HourAtRest{{noon, 10, true}, {noon - 3600, 10, true}, {noon - 3*3600, 10, true}, {noon - 4*3600, 10, false}, {noon - 5*3600, 10, true}}
	history.err = errors.New("no disk")
	ask(begun + 400)
	if len(j.engine.Unknown()) != 1 {
		t.Error("a fault counts as an answer")
	}
	history.err = nil
	ask(begun + 800)
	all := j.engine.Objectives()
	if len(all) != 1 || all[0].Total != 20 || all[0].Budget.Bad != 2 { // the hour under way counts when it is over
		t.Fatalf("%+v", all)
	}
	j.engine.Advance((noon + 3600) * 1e6)
	if all = j.engine.Objectives(); all[0].Total != 30 || all[0].Budget.Bad != 3 || int64(all[0].Window.Start) != (noon-3*3600)*1e6 {
		t.Errorf("%+v", all)
	}
	read := len(history.read)
	ask(begun + 8000)
	if len(history.read) != read {
		t.Error("it reads again what it was told")
	}
	j.recaller.close()
}

// No more is read in a pass than may be, the newest hours first; the next pass goes on.
func TestPastInPasses(t *testing.T) {
	j, _ := idleJudge(t, objective)
	const begun = 1_790_000_123
	noon := floor(int64(begun), 3600)
	j.engine.Advance(begun * 1e6)
	history := &annals{hours: []HourAtRest{{noon, recallRows + 1, true}, {noon - 3600, recallRows / 2, true}, {noon - 7200, recallRows / 2, true}, {noon - 3*3600, 1, true}, {noon - 4*3600, 1, false}}}
	j.opts.History = history
	j.engine.Advance((noon + 3600) * 1e6)
	for pass, want := range []struct{ read, total int64 }{{1, 10}, {3, 30}, {4, 40}, {4, 40}} {
		if j.recall(time.Unix(noon+3600, 0)); j.recaller.busy {
			j.remember(<-j.recaller.done, time.Unix(noon+3600, 0))
		}
		all := j.engine.Objectives()
		if len(all) != 1 || all[0].Total != want.total || int64(len(history.read)) != want.read || int64(all[0].Window.Start) != (noon-3600*(want.read-1))*1e6 {
			t.Fatalf("pass %d: read %v: %+v", pass, history.read, all)
		}
	}
	j.recaller.close()
}

// A pass that fails is made again, and an objective that is made anew meanwhile begins with its own past.
func TestPassThatFails(t *testing.T) {
	j, _ := idleJudge(t, objective)
	const begun = 1_790_000_123
	noon := floor(int64(begun), 3600)
	j.engine.Advance(begun * 1e6)
	history := &annals{hours: []HourAtRest{{noon, recallRows, true}, {noon - 3600, 1, true}}}
	j.opts.History = history
	now := time.Unix(noon+3600, 0)
	j.engine.Advance(now.UnixMicro())
	for pass, want := range []int64{10, 10, 20} {
		history.err = nil
		if pass == 1 {
			history.err = errors.New("no disk")
		}
		if j.recall(now); j.recaller.busy {
			j.remember(<-j.recaller.done, now)
		}
		if all := j.engine.Objectives(); len(all) != 1 || all[0].Total != want {
			t.Fatalf("pass %d: %+v", pass, all)
		}
		now = now.Add(recallRetry)
	}
	j.recaller.close()
}
