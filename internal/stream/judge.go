package stream

import (
	"context"
	"math"
	"slices"
	"sync/atomic"
	"time"

	"github.com/hxp-enterprise/hxp/internal/kit/clock"
	"github.com/hxp-enterprise/hxp/internal/stream/rule"
)

// judge runs the rules: it brings together what the lanes make of the events that count, and writes what follows from it to
// hxp-alerts. One goroutine owns it, for as long as the service runs; sessions come and go.
//
// Rules run on the time of arrival (rule.Engine). The judge's clock is the earliest of those of all input partitions
// (clock.go), so a decision waits until whatever could change it is merged.
type judge struct {
	*Service
	program atomic.Pointer[rule.Program] // what lanes fold by
	in      chan merge
	heard   chan hearing // what hxp-alerts says
	ear     steer        // of the listener
	outlook *outlook
	shown   illustrations // of the anomalies that are open

	engine     *rule.Engine
	backlog    backlog
	generation atomic.Uint64 // of the rules of program
	changed    <-chan struct{}
	places     places
	alerts     *alerts
	telling    bool                      // what is decided is written
	claimed    bool                      // and will be once hxp-alerts is read so far
	busy       bool                      // as was told to the duties
	unsaid     unsaid                    // decided here, not known from hxp-alerts; of a judge that does not tell
	unusual    map[series]*rule.Decision // anomalies that are open here
	taken      bool                      // the engine has come past what was told before this judge told
	saver      saver
	keeping    *judgeState // that is being written; nil = none
	objectives objectives
	recaller   *recaller
	stop       func() // nil until it works

	held  atomic.Pointer[rule.Stats] // as of the last second, for metrics
	costs ruleCosts
	clock atomic.Int64 // of the engine
	since int64        // when it began to work, in microseconds
	wall  clock.Watch
	slos  sloCounters

	matches atomic.Pointer[map[string]rule.Match] // of sequences that are seen, as of the last second
	fault   atomic.Pointer[string]                // why other rules than those that count are run
}

// merge is a unit that counts, on its way from its lane to the judge.
type merge struct {
	journal   string // id
	partition int32
	offset    int64 // of the last part
	resume    int64 // offset from which on the units that are not whole yet can be read again
	source    source
	to        int64
	records   int64
	after     int64          // whatever the unit is of arrived later, or when this says
	partials  *rule.Partials // of the judge from then on
	blocks    [][]byte       // the same, of a unit that was read
	arrived   *arrived       // for the watcher; nil = nothing
}

const mergesWaiting = 64 // for the judge; when there are more, lanes wait

func newJudge(s *Service) *judge {
	j := &judge{Service: s, in: make(chan merge, mergesWaiting), heard: make(chan hearing), objectives: objectives{asks: make(chan objectivesQuestion)}}
	j.held.Store(&rule.Stats{})
	return j
}

// reset makes a judge that has seen nothing, of the rules that count.
func (j *judge) reset() {
	j.changed = j.opts.Rules.Changed()
	rules, generation := j.opts.Rules.Current()
	program, err := rule.Compile(rules)
	if err != nil { // they were checked
		j.accuse(err)
		program, _ = rule.Compile(nil)
	}
	j.engine, j.places, j.backlog = rule.NewEngine(program, rule.Options{Clock: sinceStart()}), newPlaces(), backlog{}
	j.shown, j.outlook = illustrations{}, newOutlook()
	j.alerts, j.taken, j.since = newAlerts(j.log, j.metrics), false, time.Now().UnixMicro()
	j.recaller = newRecaller()
	j.telling, j.unsaid, j.unusual = true, unsaid{}, map[series]*rule.Decision{}
	j.program.Store(program)
	j.generation.Store(generation)
}

// accuse notes why the rules that count are not run.
func (j *judge) accuse(err error) {
	text := err.Error()
	j.fault.Store(&text)
	j.log.Error("the rules cannot be run, those of before go on", "error", err)
}

// run works until in is closed. Then it keeps its state, and ends when its decisions are written or drain ends.
func (j *judge) run(drain context.Context) {
	defer j.saver.wait()
	defer func() { j.recaller.close() }() // the one of then
	timer := time.NewTimer(0)
	defer timer.Stop()
	housekeeping := time.NewTicker(time.Second)
	defer housekeeping.Stop()
	for {
		now := time.Now()
		timer.Reset(j.advance(now))
		j.objectives.serve(j.engine, now)
		shifted := j.assume()
		select {
		case m, more := <-j.in:
			if !more {
				j.close(drain)
				return
			}
			j.merge(m)
		case <-timer.C:
		case h := <-j.heard:
			j.hear(h)
		case <-shifted:
		case <-j.changed:
			j.swap()
		case q := <-j.objectives.asks:
			j.objectives.waiting = append(j.objectives.waiting, q)
		case <-j.alerts.acks.filled:
			j.alerts.acked()
		case found := <-j.recaller.done:
			j.remember(found, time.Now())
		case <-housekeeping.C:
			j.keepHouse(false)
			j.recall(time.Now())
		}
	}
}

// close waits for what was decided to be written, and keeps the state.
func (j *judge) close(drain context.Context) {
	j.decide(j.engine.Complete())
	for !j.alerts.settled() {
		select {
		case <-j.alerts.acks.filled:
			j.alerts.acked()
		case <-drain.Done():
			return
		}
	}
	j.saver.wait()
	j.keepHouse(true)
}

// merge takes in a unit, unless it is known. What the journal tells before there is a clock waits for that.
func (j *judge) merge(m merge) {
	known := !j.places.take(&m)
	if !known {
		for _, a := range j.outlook.take(m.arrived) {
			j.came(a, m.arrived)
		}
		m.arrived = nil
	}
	switch {
	case known:
		m.partials.Release()
	case m.blocks != nil && !j.backlog.over:
		j.backlog.add(m)
	default:
		j.takeIn(&m)
	}
}

func (j *judge) takeIn(m *merge) {
	begin := time.Now()
	defer func() { j.metrics.times.add(stageJudge, m.records, time.Since(begin)) }()
	p := m.partials
	if m.blocks != nil {
		p = j.decode(m.blocks)
	}
	if p != nil {
		j.decide(j.engine.Merge(p))
		p.Release()
	}
}

// maxPendingPartials bounds what waits for the clock. Beyond it is judged without the partitions that are behind.
const maxPendingPartials = 500_000

// advance judges a second, as far as all partitions are read, and returns how long it may sleep. While the state is written no tick is judged:
// it takes a second at most, and what single events give rise to is told meanwhile.
func (j *judge) advance(now time.Time) time.Duration {
	if j.keeping != nil {
		j.mergeAll()
		j.saveOn()
		return 0
	}
	if by := j.wall.Look(now); by >= jump || time.Duration(j.engine.Now()-horizon(now))*time.Microsecond >= jump {
		j.beginAnew(now)
	}
	due := j.engine.Now()/tickTime*tickTime + tickTime
	if wait := due - horizon(now); wait > 0 {
		return time.Duration(wait) * time.Microsecond
	}
	clock, known := j.arrivalClock(now)
	j.mergeAll() // the clock speaks of what is here by now
	if soonest, waits := j.engine.Soonest(); waits && j.engine.Pending() > maxPendingPartials && soonest > clock {
		clock, known = soonest, true
		j.metrics.forced.Inc()
	}
	if j.backlog.bytes > maxBacklog && !known {
		j.workOff(math.MaxInt64)
		j.metrics.forced.Inc()
	}
	if known && clock > j.engine.Now() {
		start := time.Now()
		if !j.backlog.over {
			j.workOff(clock)
			j.backlog.over = true
			j.engine.Begin(clock)
		}
		decisions, there := j.engine.Approach(clock)
		j.decide(decisions)
		j.look()
		took := time.Since(start)
		j.metrics.evaluation.Observe(took.Seconds())
		j.metrics.times.add(stageJudge, 0, took)
		j.clock.Store(j.engine.Now())
		j.takeUp()
		if !there {
			return 0
		}
	}
	return laggingPause
}

// mergeAll takes in what is here.
func (j *judge) mergeAll() {
	for n := len(j.in); n > 0; n-- {
		m, more := <-j.in
		if !more {
			return
		}
		j.merge(m)
	}
}

// laggingPause is the time between two looks at a clock that is behind what it could show.
const laggingPause = 25 * time.Millisecond

// tickTime is that of package rule, in microseconds.
const tickTime = int64(rule.Tick / time.Microsecond)

// decide tells what was decided, but for what was told before; who does not tell keeps it.
func (j *judge) decide(all []rule.Decision) {
	for i := range all {
		if !j.telling {
			j.keep(&all[i])
			continue
		}
		if d := j.alerts.news(&all[i], j.engine); d != nil {
			j.metrics.decided(d)
			j.alerts.tell(d)
		}
	}
}

// takeUp goes on with the episodes that were open when this judge began to tell, according to hxp-alerts and that the engine does not know although
// it has come to their time: its state is older or gone, or their rule is. Once it has come past all that was told, those that it
// has and that were told to be over are dropped.
func (j *judge) takeUp() {
	if j.taken || !j.telling || j.engine.Judging() {
		return
	}
	known := map[string]bool{}
	for _, e := range j.engine.Open() {
		known[e.ID] = true
	}
	said := &j.alerts.early
	said.left = slices.DeleteFunc(said.left, func(d *rule.Decision) bool {
		if known[d.ID] || !j.alerts.isOpen(d) || j.unusual[seriesOf(d)] != nil {
			return true
		}
		if int64(d.At) > j.engine.Now() {
			return false
		}
		if !j.engine.TakeUp(d) {
			j.decide([]rule.Decision{d.Ended(j.engine.Now())})
		}
		return true
	})
	if len(said.left) > 0 || said.last > j.engine.Now() {
		return
	}
	j.engine.DropAll(j.alerts.isOver)
	j.alerts.early, j.taken = early{}, true
}

// swap goes on with the rules that count now.
func (j *judge) swap() {
	j.changed = j.opts.Rules.Changed()
	rules, generation := j.opts.Rules.Current()
	if generation == j.generation.Load() {
		return
	}
	program, err := rule.Compile(rules)
	if err != nil {
		j.accuse(err)
		return
	}
	j.fault.Store(nil)
	j.decide(j.engine.Swap(program))
	j.program.Store(program) // lanes begin with them only now, so that the engine knows what they send
	j.generation.Store(generation)
	j.log.Info("other rules are run", "rules", len(rules))
}

// keepHouse does what is due once a second.
func (j *judge) keepHouse(last bool) {
	stats := j.engine.Stats()
	j.held.Store(&stats)
	j.costs.publish(j.engine.Costs())
	if j.taken || !j.telling {
		j.alerts.forget(j.engine.Now())
	}
	j.unsaid.forget(j.engine.Now() - kept.Microseconds())
	matches := j.engine.Matches(mostMatches)
	j.matches.Store(&matches)
	if j.engine.Now() >= j.since { // before that it counts again what was counted before the start
		j.slos.publish(j.engine.Counted())
	}
	j.alerts.send()
	j.save(last)
}

// mostMatches bounds the sequences that are shown as of now; of others it is what was told last.
const mostMatches = 1000
