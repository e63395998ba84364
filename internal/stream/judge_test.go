package stream

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/bus/bustest"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/telemetry"
	"github.com/hxp-enterprise/hxp/internal/stream/rule"
)

// ruleList is a list of rules that a test changes.
type ruleList struct {
	mu         sync.Mutex
	rules      []rule.Rule
	generation uint64
	changed    chan struct{}
}

func (l *ruleList) Current() ([]rule.Rule, uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.rules, l.generation
}

func (l *ruleList) Changed() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.changed
}

func (l *ruleList) set(t *testing.T, text string) {
	t.Helper()
	rules, faults := rule.Decode([]byte(text))
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rules = rules
	l.generation++
	close(l.changed)
	l.changed = make(chan struct{})
}

func newRules(t *testing.T, text string) *ruleList {
	l := &ruleList{changed: make(chan struct{})}
	l.set(t, text)
	return l
}

const (
	short  = "- {name: outage, type: ratio, of: data.success == false, op: '>', value: 0.5, min_count: 5, window: 10s, group_by: [model], mode: propose, actions: [{type: notify}]}\n"
	outage = "- {name: outage, type: ratio, of: data.success == false, op: '>', value: 0.5, min_count: 5, window: 1h, keep_firing_for: 1h, group_by: [model]}\n"
	single = "- {name: single, type: sequence, steps: [data.success == false], within: 30s, keep_firing_for: 1h, group_by: [request_id]}\n"
)

// judging starts a service that runs rules.
func judging(t *testing.T, b *bus.Bus, dir string, rules Rules) *running {
	t.Helper()
	cfg := testConfig()
	cfg.SnapshotEvery = time.Hour // only the last one, so that a test says what a restart finds
	s := New(cfg, b, Options{StateDir: dir, Log: slog.New(slog.NewTextHandler(io.MultiWriter(t.Output()), nil)), Rules: rules, Registry: telemetry.NewRegistry()})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	select {
	case <-s.Ready():
	case err := <-done:
		t.Fatalf("ended before it was ready: %v", err)
	}
	return &running{s, func() error { cancel(); return <-done }, nil}
}

func (r *running) end(t *testing.T) {
	t.Helper()
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
}

// failures makes failed requests of a model that happen now.
func failures(first, n int, model string) (msgs []*bus.Message) {
	for i := first; i < first+n; i++ {
		e := request(time.Now().Unix(), model)
		e.ID, e.Source, e.Time = fmt.Sprint("f", i), "test", time.Now().UnixMicro()
		e.SetText(event.RequestID, e.ID)
		e.SetBool(event.Success, false)
		msgs = append(msgs, &bus.Message{Topic: "llm-requests", Key: []byte(e.ID), Value: event.AppendJSON(nil, e)})
	}
	return msgs
}

// decisions reads all of hxp-alerts, in the order of each partition.
func decisions(t *testing.T, b *bus.Bus) (out []rule.Decision) {
	t.Helper()
	logs, err := b.Offsets(t.Context(), event.TopicAlerts)
	if err != nil {
		t.Fatal(err)
	}
	from, left := map[int32]int64{}, map[int32]int64{}
	for p, log := range logs[event.TopicAlerts] {
		if log.End > log.Start {
			from[p], left[p] = log.Start, log.End
		}
	}
	reads := &judge{Service: &Service{bus: b}}
	if err := reads.read(t.Context(), event.TopicAlerts, from, left, func(m *bus.Message) {
		var d rule.Decision
		if err := json.Unmarshal(m.Value, &d); err != nil {
			t.Error(err)
		}
		if want := seriesOf(&d).messageKey(); !bytes.Equal(m.Key, want) {
			t.Errorf("key %s of %s, want %s", m.Key, d.ID, want)
		}
		out = append(out, d)
	}); err != nil {
		t.Fatal(err)
	}
	return out
}

// until waits for a decision and returns all of them.
func until(t *testing.T, b *bus.Bus, name string, state rule.State, n int) []rule.Decision {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		all := decisions(t, b)
		if count(all, name, state) >= n {
			return all
		}
	}
	t.Fatalf("%d decisions %s %s did not come: %v", n, name, state, decisions(t, b))
	return nil
}

func count(all []rule.Decision, name string, state rule.State) (n int) {
	for _, d := range all {
		if d.Rule == name && d.State == state {
			n++
		}
	}
	return n
}

// An outage fires, resolves, and says what is to be known; another model is none of it.
func TestRulesRun(t *testing.T) {
	b := bustest.New(t)
	s := judging(t, b, t.TempDir(), newRules(t, short+single))
	produce(t, b, append(failures(0, 8, "a"), llm(100, 8, time.Now().Unix()-8000)...))
	all := until(t, b, "outage", rule.Resolved, 1)
	s.end(t)
	fired := all[slices.IndexFunc(all, func(d rule.Decision) bool { return d.Rule == "outage" && d.State == rule.Firing })]
	if fired.Key["model"] != "a" || fired.Value != 1 || fired.Mode != "propose" || len(fired.Actions) != 1 || len(fired.RequestIDs) != 5 {
		t.Errorf("fired %+v", fired)
	}
	if fired.CausedAt == 0 || fired.At < fired.CausedAt {
		t.Errorf("caused at %d, decided at %d", fired.CausedAt, fired.At)
	}
	for _, d := range all {
		if d.Rule == "outage" && d.ID != fired.ID {
			t.Errorf("another episode: %+v", d)
		}
	}
	if n := count(all, "single", rule.Firing); n != 8 {
		t.Errorf("%d single events fired, want 8", n)
	}
}

// Whatever a restart finds of the state, what was told is not told again, and an episode that is open goes on under its id.
func TestRulesOverRestarts(t *testing.T) {
	for name, lose := range map[string]string{"all of the state": "", "none of the rules": "rules", "none of the windows": "panes", "nothing": "."} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, dir, rules := bustest.New(t), t.TempDir(), newRules(t, outage+single)
			s := judging(t, b, dir, rules)
			produce(t, b, failures(0, 8, "a"))
			until(t, b, "outage", rule.Firing, 1)
			s.end(t)
			if lose != "" {
				if err := os.RemoveAll(filepath.Join(dir, "_state", lose)); err != nil && lose != "." {
					t.Fatal(err)
				}
			}
			if lose == "." {
				dir = t.TempDir()
			}
			s = judging(t, b, dir, rules)
			produce(t, b, failures(8, 8, "a"))
			until(t, b, "single", rule.Firing, 16)
			rules.set(t, single) // ends the episode of the other one
			all := until(t, b, "outage", rule.Resolved, 1)
			s.end(t)
			told := map[string]int{}
			for _, d := range all {
				told[d.ID+string(d.State)]++
			}
			for what, n := range told {
				if n != 1 {
					t.Errorf("%s was told %d times", what, n)
				}
			}
			if f, r := count(all, "outage", rule.Firing), count(all, "outage", rule.Resolved); f != 1 || r != 1 {
				t.Errorf("fired %d times, resolved %d times", f, r)
			}
			if n := count(all, "single", rule.Firing); n != 16 {
				t.Errorf("%d single events fired, want 16", n)
			}
		})
	}
}

// A rule that is no more ends its episodes, whether the service ran then or not; what is new decides from then on.
func TestRulesChange(t *testing.T) {
	b, dir := bustest.New(t), t.TempDir()
	rules := newRules(t, outage+single)
	s := judging(t, b, dir, rules)
	produce(t, b, failures(0, 6, "a"))
	until(t, b, "outage", rule.Firing, 1)
	until(t, b, "single", rule.Firing, 6)
	rules.set(t, single)
	until(t, b, "outage", rule.Resolved, 1)
	s.end(t)
	rules.set(t, outage)
	s = judging(t, b, dir, rules)
	until(t, b, "single", rule.Resolved, 6)
	produce(t, b, failures(6, 6, "b"))
	all := until(t, b, "outage", rule.Firing, 2)
	s.end(t)
	if n := count(all, "single", rule.Firing); n != 6 {
		t.Errorf("%d of a rule that is no more", n)
	}
}
