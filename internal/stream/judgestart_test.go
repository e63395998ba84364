package stream

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/bus/bustest"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/stream/rule"
)

// keepRules copies the state of the rules; the function that is returned puts it back.
func keepRules(t *testing.T, dir string) (putBack func()) {
	t.Helper()
	rules, kept := filepath.Join(dir, "_state", "rules"), t.TempDir()
	if err := os.CopyFS(kept, os.DirFS(rules)); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := os.RemoveAll(rules); err != nil {
			t.Fatal(err)
		}
		if err := os.CopyFS(rules, os.DirFS(kept)); err != nil {
			t.Fatal(err)
		}
	}
}

// A single event lies in the journal behind the state of the rules, before that of the windows, and was never told of: it is told
// of while the journal is read, before the judge runs.
func TestStartTellsOfWhatTheJournalHas(t *testing.T) {
	b, dir, rules := bustest.New(t), t.TempDir(), newRules(t, single)
	s := judging(t, b, dir, rules)
	produce(t, b, failures(0, 3, "a"))
	until(t, b, "single", rule.Firing, 3)
	s.end(t)
	putBack := keepRules(t, dir)
	s = judging(t, b, dir, rules)
	produce(t, b, failures(3, 5, "a"))
	until(t, b, "single", rule.Firing, 8)
	s.end(t)
	putBack()
	logs, err := b.Offsets(t.Context(), event.TopicAlerts)
	if err != nil {
		t.Fatal(err)
	}
	ends := map[int32]int64{}
	for p, log := range logs[event.TopicAlerts] {
		ends[p] = log.End
	}
	if err := b.DeleteRecords(t.Context(), event.TopicAlerts, ends); err != nil {
		t.Fatal(err)
	}
	s = judging(t, b, dir, rules)
	until(t, b, "single", rule.Firing, 5)
	s.end(t)
}

// The windows have a snapshot and the rules have no state, as when a lane was handed over right after the first start and everybody is
// killed then: what the journal has of before is seen.
func TestStartWithoutAStateOfTheRules(t *testing.T) {
	b, dir, rules := bustest.New(t), t.TempDir(), newRules(t, single+heap)
	s := judging(t, b, dir, rules)
	produce(t, b, failures(0, 15, "a"))
	until(t, b, "single", rule.Firing, 15)
	s.end(t)
	if err := os.RemoveAll(filepath.Join(dir, "_state", "rules")); err != nil {
		t.Fatal(err)
	}
	s = judging(t, b, dir, rules)
	produce(t, b, failures(15, 10, "a"))
	all := until(t, b, "heap", rule.Firing, 1)
	s.end(t)
	if n := count(decisions(t, b), "single", rule.Firing); n != 25 {
		t.Errorf("%d single events were told of, want 25: %+v", n, all)
	}
}

const heap = "- {name: heap, type: threshold, metric: errors, op: '>', value: 20, window: 1h, keep_firing_for: 1h, group_by: [model]}\n"

const blip = "- {name: blip, type: sequence, steps: [data.success == false], within: 1s, keep_firing_for: 1s, group_by: [model]}\n"

// Two episodes of one key begin and end. A restart merges both events before the first episode is over for it, so the second one
// would begin otherwise: it is not told again, and the next one is told.
func TestEpisodesThatAreOverAreNotToldAgain(t *testing.T) {
	for name, old := range map[string]bool{"nothing is left of the state": false, "the state is older": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, dir, rules := bustest.New(t), t.TempDir(), newRules(t, blip)
			s := judging(t, b, dir, rules)
			produce(t, b, failures(0, 1, "z"))
			until(t, b, "blip", rule.Resolved, 1)
			s.end(t)
			putBack := keepRules(t, dir)
			s = judging(t, b, dir, rules)
			for i := range 3 {
				produce(t, b, failures(1+i, 1, "a"))
				until(t, b, "blip", rule.Resolved, 2+i)
			}
			s.end(t)
			if putBack(); !old {
				dir = t.TempDir()
			}
			for i := range 2 { // the second start begins with the state of the first
				s = judging(t, b, dir, rules)
				produce(t, b, failures(4+i, 1, "a"))
				until(t, b, "blip", rule.Resolved, 5+i)
				s.end(t)
			}
			all, told := decisions(t, b), map[string]int{}
			for _, d := range all {
				told[d.ID+string(d.State)]++
			}
			if f, r := count(all, "blip", rule.Firing), count(all, "blip", rule.Resolved); f != 6 || r != 6 || len(told) != 12 {
				t.Errorf("6 episodes fired %d times, resolved %d times, told of %d: %+v", f, r, len(told), all)
			}
		})
	}
}

// heard is what an idle judge wrote.
type heard struct{ all []rule.Decision }

func (h *heard) SendAsync(_ context.Context, m *bus.Message, done func(*bus.Message, error)) {
	var d rule.Decision
	if err := json.Unmarshal(m.Value, &d); err != nil {
		panic(err)
	}
	h.all = append(h.all, d)
	done(m, nil)
}

// idleJudge is a judge that nothing runs.
func idleJudge(t *testing.T, text string) (*judge, *heard) {
	s := New(testConfig(), nil, Options{StateDir: t.TempDir(), Log: slog.New(slog.DiscardHandler), Rules: newRules(t, text)})
	h := &heard{}
	s.judge.reset()
	s.judge.alerts.out = h
	return s.judge, h
}

func alertRecord(t *testing.T, id string, state rule.State, at time.Time) []byte {
	value, err := json.Marshal(rule.Decision{ID: id, Rule: "Anomaly", Version: anomalyVersion, State: state, Class: id, At: rule.Time(at.UnixMicro())})
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// told lets a judge know of a record of hxp-alerts.
func (j *judge) told(value []byte, now time.Time) {
	if d := j.alerts.parse(value, now); d != nil {
		j.alerts.record(d)
	}
}

// What a start finds open is told to be over when nobody knows of it, once. What opens afterwards is left alone, also when a
// stranger wrote of a time to come.
func TestOnlyWhatAStartFindsIsTakenUp(t *testing.T) {
	j, h := idleJudge(t, blip)
	now := time.Unix(1_700_000_000, 0)
	j.told(alertRecord(t, "before", rule.Firing, now.Add(-time.Minute)), now)
	j.told(alertRecord(t, "soon", rule.Firing, now.Add(farAhead)), now)
	j.told(alertRecord(t, "never", rule.Firing, now.Add(24*time.Hour)), now)
	j.alerts.early = early{left: j.alerts.opened(), last: j.alerts.latest()}
	var live rule.Decision
	if err := json.Unmarshal(alertRecord(t, "live", rule.Firing, now), &live); err != nil {
		t.Fatal(err)
	}
	j.alerts.tell(&live)
	for at := now; at.Before(now.Add(2 * farAhead)); at = at.Add(10 * time.Second) {
		j.engine.Advance(at.UnixMicro())
		j.takeUp()
		j.alerts.acked()
		if early := at.Before(now.Add(farAhead)); j.taken == early {
			t.Errorf("%v after the start: past what was told %v", at.Sub(now), j.taken)
		}
	}
	var story []string
	for _, d := range h.all {
		story = append(story, d.ID+" "+string(d.State))
	}
	if got, want := fmt.Sprint(story), "[live firing before resolved soon resolved]"; got != want {
		t.Errorf("told %v, want %v", got, want)
	}
}

// A judge that takes nothing in does not keep a lane from ending. What the lane could not hand over is not behind it for the next
// start: it keeps no snapshot of it, and hands nothing over that is behind it.
func TestLaneThatMayNotWaitForTheJudge(t *testing.T) {
	j, _ := idleJudge(t, blip)
	for range cap(j.in) {
		j.in <- merge{}
	}
	drained := make(chan struct{})
	close(drained)
	l := newLane(0, &j.cfg, j.log, j.metrics)
	l.judge, l.drained, l.desk = j, drained, newDesk() // nobody takes snapshots
	l.submit(&verdict{}, false, nil, nil)
	<-j.in
	l.submit(&verdict{}, false, nil, nil)
	if len(j.in) != cap(j.in)-1 {
		t.Error("a unit was handed over behind one that was not")
	}
	l.snapshot(true)
}
