package stream

import (
	"sync/atomic"
	"time"
)

// stage is a part of the way of an event to the answers.
type stage int

// The stages, in their order. Those from parse to windows are what a lane does with each event. They are timed in one of sampledChunks chunks of
// readAhead events, and what a lane took in all, which is always measured, is shared out among them as these say: a look at the clock costs as
// much as a fifth of an event.
const (
	stageFetch   stage = iota // handing over what was fetched, waiting for lanes included
	stageParse                // reading the record: the event, its price and identity
	stageDedupe               // looking the identity up
	stageJoins                // handing it to the join of its request
	stageRules                // folding it for the rules
	stageWindows              // adding it to its panes
	stagePublish              // from sending a unit to its being counted, the brokers included
	stageCount                // adding units that count to the windows
	stageJudge                // bringing together what was folded for the rules, and judging
	stages
)

var stageNames = [stages]string{"fetch", "parse", "dedupe", "joins", "rules", "windows", "publish", "count", "judge"}

// inLane tells whether a stage is one of those that are timed now and then.
func (s stage) inLane() bool { return s >= stageParse && s <= stageWindows }

// stageTimes is what the stages took since the start.
type stageTimes struct {
	events, nanos [stages]atomic.Int64 // of those within a lane what was timed
	joined        atomic.Int64         // nanoseconds of what other lanes sent to be joined here
}

// add notes what a stage took for some events.
func (t *stageTimes) add(s stage, events int64, took time.Duration) {
	t.events[s].Add(events)
	t.nanos[s].Add(int64(took))
}

// sampledChunks is how many chunks go by until one is timed.
const sampledChunks = 64

// laps times the stages of some chunks of a folder.
type laps struct {
	wait int // chunks until the next one is timed
	on   bool
	last time.Time
	took [stages]time.Duration
}

// begin starts with a chunk, when it is to be timed.
func (l *laps) begin() {
	if l.wait--; l.wait > 0 {
		return
	}
	l.wait, l.on, l.last = sampledChunks, true, time.Now()
}

// lap says that what was done since the lap before belongs to a stage.
func (l *laps) lap(s stage) {
	if l.on {
		l.stop(s)
	}
}

func (l *laps) stop(s stage) {
	now := time.Now()
	l.took[s] += now.Sub(l.last)
	l.last = now
}

// hand gives what was timed to those who ask.
func (l *laps) hand(to *stageTimes) {
	for s, took := range l.took {
		if took > 0 {
			to.nanos[s].Add(int64(took))
			l.took[s] = 0
		}
	}
}

type stageAnswer struct {
	Name    string  `json:"name"`
	Events  int64   `json:"events"`
	Seconds float64 `json:"seconds"`
}

// stages says what each stage took since the start.
func (m *metrics) stages() []stageAnswer {
	timed, out := int64(0), make([]stageAnswer, stages)
	for s := range stages {
		if s.inLane() {
			timed += m.times.nanos[s].Load()
		}
	}
	busy := time.Duration(m.busy.Load()).Seconds()
	for s := range stages {
		took := m.times.nanos[s].Load()
		out[s] = stageAnswer{stageNames[s], m.times.events[s].Load(), time.Duration(took).Seconds()}
		if !s.inLane() {
			continue
		}
		out[s].Events, out[s].Seconds = m.folded.Load(), 0
		if timed > 0 {
			out[s].Seconds = busy * float64(took) / float64(timed)
		}
	}
	out[stageJoins].Seconds += time.Duration(m.times.joined.Load()).Seconds()
	return out
}
