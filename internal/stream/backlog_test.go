package stream

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/stream/rule"
)

// backlogOf makes a judge that was told by the journal of n units of each of two input partitions, one partition after the other.
// Each unit is a second of failures, of a model that has a failure only then.
func backlogOf(t *testing.T, n int) (*judge, int64) {
	t.Helper()
	j := New(testConfig(), nil, Options{Log: slog.New(slog.DiscardHandler), Rules: newRules(t, outage)}).judge
	j.reset()
	j.alerts.out = silent{}
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()
	for partition := range int32(2) {
		folder, after := j.program.Load().Folder(), int64(0)
		for i := range n {
			p, at := folder.Begin(), begin+int64(i)*1e6+int64(partition)*3e5
			for k := range 6 {
				e := request(at/1e6, fmt.Sprint("m", i))
				e.ID, e.Time = fmt.Sprint(partition, i, k), at
				e.SetBool(event.Success, false)
				folder.Event(p, e, at, rule.Position{Kind: e.Kind, Partition: partition, Offset: int64(6*i + k)})
			}
			j.merge(merge{journal: "a", partition: partition, offset: int64(i), source: source{Partition: partition}, to: int64(6 * i), after: after, blocks: p.Blocks()})
			p.Release()
			after = at
		}
	}
	return j, begin + int64(n)*1e6
}

// silent takes messages and never answers.
type silent struct{}

func (silent) SendAsync(context.Context, *bus.Message, func(*bus.Message, error)) {}

// What the journal tells at a start is judged as if it came now, and little of it is decoded at a time.
func TestBacklogIsWorkedOffInOrder(t *testing.T) {
	j, end := backlogOf(t, 100)
	if n := j.engine.Pending(); n != 0 || len(j.backlog.units) != 200 {
		t.Fatalf("%d partials wait decoded and %d units encoded, want 0 and 200", n, len(j.backlog.units))
	}
	j.workOff(end)
	if n := j.engine.Pending(); n > 4 {
		t.Errorf("%d partials wait decoded at the end", n)
	}
	j.decide(j.engine.Advance(end + 1e6))
	if s := j.engine.Stats(); s.Behind != 0 || s.Pending != 0 || s.Groups != 100 {
		t.Errorf("%d partials came behind their time, %d wait still, of %d groups, want 0, 0, 100", s.Behind, s.Pending, s.Groups)
	}
	firing := 0
	for _, d := range j.alerts.opened() {
		if d.State == rule.Firing {
			firing++
		}
	}
	if firing != 100 {
		t.Errorf("%d models fire, want 100", firing)
	}
}

// The clock may come before the end of what the journal told.
func TestBacklogAheadOfTheClock(t *testing.T) {
	j, end := backlogOf(t, 100)
	half := end - 50e6
	j.workOff(half)
	if now := j.engine.Now(); now > half {
		t.Errorf("judged up to %d, ahead of the clock %d", now, half)
	}
	j.decide(j.engine.Advance(end + 1e6))
	if s := j.engine.Stats(); s.Behind != 0 || s.Pending != 0 {
		t.Errorf("%d partials came behind their time, %d wait", s.Behind, s.Pending)
	}
}

// A backlog has a bound: when it is reached, what is there is judged without a clock.
func TestBacklogIsBounded(t *testing.T) {
	j, _ := backlogOf(t, 10)
	j.advance(time.Now())
	if len(j.backlog.units) != 20 {
		t.Fatalf("%d units wait for a clock, want 20", len(j.backlog.units))
	}
	j.backlog.bytes = maxBacklog + 1
	j.advance(time.Now())
	if len(j.backlog.units) != 0 || j.backlog.bytes != 0 || j.backlog.over {
		t.Errorf("%d units of %d bytes wait, and over is %t", len(j.backlog.units), j.backlog.bytes, j.backlog.over)
	}
	if j.engine.Stats().Groups == 0 {
		t.Error("nothing was judged")
	}
}
