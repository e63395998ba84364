package stream

import (
	"fmt"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/stream/rule"
)

// What single events give rise to is told while the state is written. It is not in the state: a restart reads it from the journal.
func TestSingleEventsWhileTheStateIsWritten(t *testing.T) {
	j, told := idleJudge(t, outageNow)
	start := time.Unix(1_700_000_000, 0)
	folder := j.program.Load().Folder()
	unit := func(models ...string) *rule.Partials {
		p := folder.Begin()
		for i, m := range models {
			e := failedRequest(start, m)
			folder.Event(p, e, e.Time, rule.Position{Kind: e.Kind, Offset: int64(i)})
		}
		return p
	}
	settle := func() {
		for !j.alerts.settled() {
			j.alerts.acked()
		}
	}
	var models []string
	for i := range 5000 {
		models = append(models, fmt.Sprint("model-", i))
	}
	j.engine.Advance(start.UnixMicro())
	j.merge(merge{partials: unit(models...)})
	j.takeUp()
	settle()
	if len(told.all) != len(models) {
		t.Fatalf("%d episodes began, want %d", len(told.all), len(models))
	}
	places := j.places.parts[0]
	pieces := 0
	for j.save(false); j.keeping != nil; pieces++ {
		j.in <- merge{offset: places.seen + int64(pieces), partials: unit(fmt.Sprint("later-", pieces))}
		j.advance(time.Now())
		if settle(); len(told.all) != len(models)+pieces+1 {
			t.Fatalf("%d decisions are told after %d pieces", len(told.all)-len(models), pieces+1)
		}
	}
	if pieces < 2 {
		t.Fatal("the state is a single piece: nothing was tried")
	}
	j.saver.wait()
	next, _ := idleJudge(t, outageNow)
	next.opts.StateDir = j.opts.StateDir
	next.restore()
	if open := next.engine.Open(); len(open) != len(models) || next.places.parts[0] != places {
		t.Errorf("the state has %d episodes and goes to %+v, want %d and %+v", len(open), next.places.parts[0], len(models), places)
	}
}

// A state that is being written while rules change is given up, and the next one is whole.
func TestRulesChangeWhileTheStateIsWritten(t *testing.T) {
	j, _ := idleJudge(t, outageNow)
	start := time.Unix(1_700_000_000, 0)
	j.fed(start.Add(time.Second), start)
	j.places.parts[0] = place{1, 0}
	j.save(false)
	j.opts.Rules.(*ruleList).set(t, blip)
	j.swap()
	for !j.alerts.settled() {
		j.alerts.acked()
	}
	if j.saveOn(); j.keeping != nil || !j.saver.last.IsZero() {
		t.Error("a state is kept of rules that are no more")
	}
	j.save(true)
	j.saver.wait()
	next, _ := idleJudge(t, blip)
	next.opts.StateDir = j.opts.StateDir
	if next.restore(); next.places.parts[0] != (place{1, 0}) {
		t.Errorf("the state goes to %+v", next.places.parts[0])
	}
}
