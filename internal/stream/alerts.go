package stream

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/stream/rule"
)

// alerts are the decisions on their way to hxp-alerts, and what that topic says by now: which episodes are open, so that
// nothing is told twice, whoever decided it. The judge owns it.
type alerts struct {
	log     *slog.Logger
	out     sender
	acks    mailbox
	metrics *metrics

	open  map[series]*rule.Decision // episodes that are open, as they were told last
	over  map[string]int64          // episodes that are over, by id: when, in microseconds
	told  map[series]int64          // when another judge told something last, in microseconds
	early early                     // what was open when this judge began to tell
	me    [16]byte                  // this judge, in its records
	topic string                    // id of hxp-alerts
	next  map[int32]int64           // offsets of hxp-alerts up to which all of this is known

	queue  []told // not yet written, in order
	flying int    // of those, how many are on their way
	failed bool
	again  time.Time // when what failed is tried again
}

// early is what hxp-alerts said when the judge began to tell. The engine may come to the same time once more, from a state that is
// older, and what it decides then need not be the same: of two events that each began an episode, the second may be merged before the
// first one is over. What was told counts.
type early struct {
	last int64            // when something was told last, in microseconds
	left []*rule.Decision // episodes that were open and that the engine has not come to yet
}

// told is a decision that is to be written.
type told struct {
	message *bus.Message
	caused  int64 // of an episode that begins: arrival of the event that made it
}

// series is what has at most one open episode.
type series struct{ version, key, class string }

func seriesOf(d *rule.Decision) series {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(d.Key)) {
		b.WriteString(name + "\x00" + d.Key[name] + "\x00")
	}
	return series{d.Version, b.String(), d.Class}
}

// messageKey is the key of the records of s: they stand in one partition, in the order in which they were told.
func (s series) messageKey() []byte {
	sum := sha256.Sum256([]byte(s.version + "\x00" + s.class + "\x00" + s.key))
	return hex.AppendEncode(nil, sum[:12])
}

func newAlerts(log *slog.Logger, m *metrics) *alerts {
	return &alerts{
		log: log, metrics: m, acks: newMailbox(), open: map[series]*rule.Decision{}, over: map[string]int64{}, next: map[int32]int64{}, told: map[series]int64{}, me: newProgram(),
	}
}

// farAhead is how far a decision may be ahead of the clock. One that is further was not made by a judge.
const farAhead = time.Minute

// record takes in a decision that hxp-alerts says and that this judge did not write.
func (a *alerts) record(d *rule.Decision) {
	a.note(d)
	s := seriesOf(d)
	a.told[s] = max(a.told[s], int64(d.At))
}

// note remembers a decision as told.
func (a *alerts) note(d *rule.Decision) {
	s := seriesOf(d)
	switch have := a.open[s]; {
	case d.State == rule.Pending || d.State == rule.Firing:
		// of two episodes the later one: records of earlier versions of hxp stand in several partitions, in any order
		if !a.isOver(d.ID) && (have == nil || have.ID == d.ID || d.StartsAt >= have.StartsAt) {
			a.open[s] = d
		}
	default:
		a.over[d.ID] = int64(d.At)
		if have != nil && have.ID == d.ID {
			delete(a.open, s)
		}
	}
}

// opened lists the open episodes.
func (a *alerts) opened() []*rule.Decision { return slices.Collect(maps.Values(a.open)) }

func (a *alerts) isOpen(d *rule.Decision) bool {
	have := a.open[seriesOf(d)]
	return have != nil && have.ID == d.ID
}

func (a *alerts) isOver(id string) bool {
	_, over := a.over[id]
	return over
}

// news is what is to be told of a decision: nil when it was told before. When another episode of its series is open, that one
// goes on: the state from which the engine decided was older, or was gone.
func (a *alerts) news(d *rule.Decision, engine *rule.Engine) *rule.Decision {
	if a.isOver(d.ID) {
		return nil
	}
	have := a.open[seriesOf(d)]
	begins := d.State == rule.Pending || d.State == rule.Firing
	switch {
	case have == nil && !begins:
		return nil // it was never told of
	case have == nil && int64(d.At) <= a.told[seriesOf(d)]:
		engine.Drop(d) // that this was told to be over is known
		return nil
	case have == nil:
		return d
	case have.ID == d.ID && (have.State == d.State || d.State == rule.Pending):
		return nil
	case have.ID == d.ID:
		return d
	}
	told := begins && (have.State == d.State || d.State == rule.Pending)
	if told {
		engine.TakeUp(have)
		return nil
	}
	d.ID, d.StartsAt = have.ID, have.StartsAt
	if begins {
		engine.TakeUp(d)
	}
	return d
}

// maxQueue bounds the decisions that wait for the brokers.
const maxQueue = 100_000

// tell notes a decision as told, and writes it.
func (a *alerts) tell(d *rule.Decision) {
	a.note(d)
	a.write(d)
}

// write writes a decision, after those before.
func (a *alerts) write(d *rule.Decision) {
	value, err := json.Marshal(d)
	if err != nil { // numbers are finite
		a.log.Error("decision cannot be written", "rule", d.Rule, "error", err)
		return
	}
	if len(a.queue) >= maxQueue {
		a.metrics.lost.Inc()
		return
	}
	t := told{message: &bus.Message{Topic: event.TopicAlerts, Key: seriesOf(d).messageKey(), Value: value, Headers: []bus.Header{{Key: judgeHeader, Value: a.me[:]}}}}
	if d.State == rule.Firing {
		t.caused = int64(d.CausedAt)
	}
	t.message.Headers = append(t.message.Headers, a.metrics.tracing.decided(d, time.Now())...)
	a.queue = append(a.queue, t)
	a.send()
}

// send writes what waits, all at once; what is told meanwhile goes next.
func (a *alerts) send() {
	if a.flying > 0 || len(a.queue) == 0 || a.failed && time.Now().Before(a.again) {
		return
	}
	a.failed, a.flying = false, len(a.queue)
	batch := slices.Clone(a.queue)
	for i := range batch {
		m := batch[i].message
		m.Offset, m.Partition = 0, 0
		a.out.SendAsync(context.Background(), m, func(_ *bus.Message, err error) {
			a.acks.put(func() { a.written(batch, i, err) })
		})
	}
}

// written notes what became of one of a batch.
func (a *alerts) written(batch []told, i int, err error) {
	a.flying--
	if t := &batch[i]; err != nil {
		a.failed, a.again = true, time.Now().Add(retryPause)
		a.log.Warn("decision not written, trying again", "error", err)
	} else {
		if t.caused > 0 {
			a.metrics.decision.Observe(max(time.Since(time.UnixMicro(t.caused)), 0).Seconds())
		}
		t.message = nil
	}
	if a.flying == 0 {
		left := slices.DeleteFunc(batch, func(t told) bool { return t.message == nil })
		a.queue = append(left, a.queue[len(batch):]...)
	}
}

// acked works off what the brokers answered.
func (a *alerts) acked() {
	for _, f := range a.acks.take() {
		f()
	}
	a.send()
}

// settled tells whether everything that was told is written.
func (a *alerts) settled() bool { return len(a.queue) == 0 }

// kept is how long is remembered what was told: what others decide, or told, comes that much later at most.
const kept = 10 * time.Minute

// forget lets go of episodes that were over long before a time: nothing that is judged from now on can be of them.
func (a *alerts) forget(before int64) {
	before -= kept.Microseconds()
	maps.DeleteFunc(a.over, func(_ string, at int64) bool { return at < before })
	maps.DeleteFunc(a.told, func(_ series, at int64) bool { return at < before })
}
