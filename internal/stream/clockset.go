package stream

import (
	"time"

	"github.com/hxp-enterprise/hxp/internal/stream/rule"
)

// jump is by how much a clock must be set to be followed. Less is what machines disagree by, and is waited for.
const jump = time.Minute

// later is the arrival of a record behind that of the record before: a clock that is a little wrong does not make it go back. One that was set back
// does, or nothing would arrive any more until the old time has come again.
func later(last, at, now int64) int64 {
	if last-now >= jump.Microseconds() {
		return at
	}
	return max(last, at)
}

// beginAnew goes on at another time after the clock was set: with an engine that has seen nothing, so that no rule takes the hour that was skipped
// for one without events, nor waits for an hour to come again. Episodes that are open go on, and the past of budgets is recalled.
func (j *judge) beginAnew(now time.Time) {
	at, was := horizon(now), j.engine.Now()
	j.log.Warn("the clock was set, the windows of the rules begin anew", "from", time.UnixMicro(was).UTC(), "to", time.UnixMicro(at).UTC(), "open", len(j.alerts.open))
	if at < was {
		j.outlook.steps, j.outlook.cells = map[int64]*arrived{}, 0
		j.outlook.next = min(j.outlook.next, at/1e6)
		for _, a := range j.outlook.anew(0) {
			j.came(a, newArrived(at/1e6))
		}
	}
	j.alerts.notAfter(at)
	j.alerts.early, j.taken = early{left: j.alerts.opened()}, false
	j.recaller.close()
	j.recaller = newRecaller()
	j.engine, j.since = rule.NewEngine(j.program.Load(), rule.Options{Clock: sinceStart()}), at
}

// notAfter lets nothing have been told later than a time.
func (a *alerts) notAfter(at int64) {
	for s, d := range a.open {
		told := *d
		told.At = min(told.At, rule.Time(at))
		a.open[s] = &told
	}
	for s, t := range a.told {
		a.told[s] = min(t, at)
	}
	for id, t := range a.over {
		a.over[id] = min(t, at)
	}
}
