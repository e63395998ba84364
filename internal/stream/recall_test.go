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

// No more is read than may be, the newest hours first.
func TestPastIsBounded(t *testing.T) {
	j, _ := idleJudge(t, objective)
	const begun = 1_790_000_123
	noon := floor(int64(begun), 3600)
	j.engine.Advance(begun * 1e6)
	of := j.engine.Unknown()
	history := &annals{hours: []HourAtRest{{noon, recallRows / 2, true}, {noon - 3600, recallRows / 2, true}, {noon - 7200, 1, true}}}
	from, rows, err := readPast(t.Context(), history, j.program.Load().Past(of), of)
	if err != nil || from != noon-3600 || rows != recallRows || len(history.read) != 2 {
		t.Errorf("read %v from %d on, %d rows: %v", history.read, from, rows, err)
	}
}
