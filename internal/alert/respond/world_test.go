package respond

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hxp-enterprise/hxp/internal/kit/clock"
)

// world is a few machines on one log, and a target with endpoints. Its tests run in a bubble of package synctest.
type world struct {
	testing.TB
	log      *memoryLog
	target   *fakeTarget
	machines []*Machine
	stops    []func()
	mu       sync.Mutex // guards what is outside of the log
	killed   string
	lag      time.Duration
	refused  map[Rail]int
	episode  int
	started  int           // machines
	set      time.Duration // what the clock was set by
}

// setClock sets the clock of all.
func (w *world) setClock(by time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.set += by
}

func (w *world) wall() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Now().Add(w.set)
}

// memoryLog applies what is appended to all machines.
type memoryLog struct {
	mu       sync.Mutex
	records  [][]byte
	machines []*Machine
	away     bool
	pause    time.Duration // for which the writer of the next claim stands still once it is written
}

func (l *memoryLog) Append(_ context.Context, value []byte) error {
	pause, err := l.append(value)
	time.Sleep(pause) // in the time of the bubble
	return err
}

func (l *memoryLog) append(value []byte) (pause time.Duration, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.away {
		return 0, errors.New("the brokers are away")
	}
	l.records = append(l.records, value)
	for _, m := range l.machines {
		m.Apply(int64(len(l.records)-1), value)
	}
	if rec, err := Unseal(value); err == nil && rec.What == WhatClaimed {
		pause, l.pause = l.pause, 0
	}
	return pause, nil
}

// fakeTarget is a group of endpoints that can be taken out.
type fakeTarget struct {
	mu             sync.Mutex
	healthy        map[string]bool
	out            map[string]bool
	applies, backs int
	mostOut        int
	refuseApply    bool // answers with an error and changes nothing
	halfApply      bool // answers with an error and changes it all the same
	hang           bool // changes it and never answers
	dead           bool // answers nothing at all
	failVerify     bool
	failReverts    int
	once           bool // what it does cannot be taken back
	again          bool // cannot tell what is in place, and may be asked again
	cannot         error
	forever        bool // it has no revert
	blind          bool // nobody can tell whether it does what it shall
}

func newFakeTarget(endpoints int) *fakeTarget {
	t := &fakeTarget{healthy: map[string]bool{}, out: map[string]bool{}}
	for i := range endpoints {
		t.healthy[fmt.Sprintf("e%02d", i)] = true
	}
	return t
}

func (t *fakeTarget) Aim(o *Order) string { return o.With["endpoint"] }

func (t *fakeTarget) Can(*Order) error { return t.cannot }

func (t *fakeTarget) Reverts(*Order) bool { return !t.forever }

func (t *fakeTarget) Check(ctx context.Context, o *Order) (*Sight, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := o.With["endpoint"]
	if t.dead {
		return nil, errors.New("connection refused")
	}
	s := &Sight{Before: fmt.Appendf(nil, `{"out":%v}`, t.out[e]), InPlace: t.out[e] && !t.once, Lasting: !t.once, Blind: t.once}
	if t.again {
		s.InPlace, s.Blind, s.Again = false, true, true
	}
	if o.Action == "drain" {
		s.Takes = e
	}
	for name, ok := range t.healthy {
		s.Group = append(s.Group, Endpoint{name, ok && !t.out[name]})
	}
	return s, nil
}

func (t *fakeTarget) Apply(ctx context.Context, _ string, o *Order, _ *Sight) ([]byte, error) {
	t.mu.Lock()
	t.applies++
	if !t.refuseApply {
		t.out[o.With["endpoint"]] = true
		t.mostOut = max(t.mostOut, len(t.out))
	}
	bad, hang := t.refuseApply || t.halfApply, t.hang
	t.mu.Unlock()
	if hang {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if bad {
		return nil, errors.New("500 Internal Server Error")
	}
	return []byte(`{"out":true}`), nil
}

func (t *fakeTarget) Verify(context.Context, string, *Order, *Sight) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.failVerify {
		return errors.New("the errors go on")
	}
	if t.blind {
		return fmt.Errorf("%w: it never is", ErrUnverified)
	}
	return nil
}

func (t *fakeTarget) Revert(_ context.Context, _ string, o *Order, _, _ []byte) (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.failReverts > 0 {
		t.failReverts--
		return "", errors.New("503 Service Unavailable")
	}
	t.backs++
	delete(t.out, o.With["endpoint"])
	return "", nil
}

func (t *fakeTarget) isOut(e string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.out[e]
}

func (w *world) kill() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.killed
}

func (w *world) behind() (time.Duration, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.lag, true
}

// outside sets what is outside of the log.
func (w *world) outside(killed string, lag time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.killed, w.lag = killed, lag
}

func (w *world) Moved(*Response, *Record) {}
func (w *world) Refused(r Rail) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.refused[r]++
}
func (w *world) Acted(time.Time, time.Time) {}

// inWorld runs a test in a bubble with n machines and 20 endpoints.
func inWorld(t *testing.T, n int, change func(*Limits), f func(w *world)) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{TB: t, log: &memoryLog{}, target: newFakeTarget(20), refused: map[Rail]int{}}
		l := testLimits()
		if change != nil {
			change(&l)
		}
		for range n {
			w.start(l)
		}
		defer func() {
			for _, stop := range w.stops {
				stop()
			}
		}()
		f(w)
	})
}

// start adds a machine that has read the log.
func (w *world) start(l Limits) *Machine {
	m := New(Options{
		Limits: l, Owner: fmt.Sprintf("machine %d", w.started), Journal: w.log, Targets: map[string]Target{"gpu": w.target},
		Kill: w.kill, Lag: w.behind, Observer: w, Log: slog.New(slog.DiscardHandler), Clock: &clock.Steady{Says: w.wall},
	})
	w.started++ // a successor has another name
	w.log.mu.Lock()
	for i, value := range w.log.records {
		m.Apply(int64(i), value)
	}
	w.log.machines = append(w.log.machines, m)
	w.log.mu.Unlock()
	w.machines = append(w.machines, m)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { m.Run(ctx); close(done) }()
	w.stops = append(w.stops, func() { cancel(); <-done })
	return m
}

// alertOf is the next alert of a rule about an endpoint.
func (w *world) alertOf(rule, endpoint, state string) *Alert {
	if state == "firing" {
		w.episode++
	}
	now := w.wall()
	return &Alert{
		ID: fmt.Sprintf("%s-%s-%d", rule, endpoint, w.episode), Rule: rule, State: state, Mode: "auto", Key: Key{"endpoint": endpoint}, At: now, CausedAt: now, StartsAt: now,
		Actions: []Action{{Type: "drain", Target: "gpu", With: map[string]string{"endpoint": "{endpoint}"}}, {Type: "notify"}},
	}
}

// tell gives an alert to all machines, and waits until nothing more follows from it at this time.
func (w *world) tell(a *Alert) *Alert {
	w.Helper()
	for _, m := range w.machines {
		if err := m.Handle(context.Background(), a); err != nil {
			w.Fatal(err)
		}
	}
	synctest.Wait()
	return a
}

func (w *world) fire(rule, endpoint string) *Alert {
	return w.tell(w.alertOf(rule, endpoint, "firing"))
}
func (w *world) resolve(rule, endpoint string) { w.tell(w.alertOf(rule, endpoint, "resolved")) }

// pass lets time pass.
func (w *world) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// last is the newest response as the first machine knows it.
func (w *world) last() (out Response) {
	w.Helper()
	w.machines[0].Look(func(b *Book) {
		if n := len(b.All()); n > 0 {
			out = *b.All()[n-1]
		}
	})
	return out
}

// is checks the state of the newest response.
func (w *world) is(s State) Response {
	w.Helper()
	r := w.last()
	if r.State != s {
		w.Fatalf("the response is %s (%s %s), not %s", r.State, r.Rail, r.Reason, s)
	}
	return r
}

// is refused checks which rail refused the newest response.
func (w *world) isRefused(rail Rail) {
	w.Helper()
	if r := w.is(Refused); r.Rail != rail {
		w.Fatalf("the rail %s refused it (%s), not %s", r.Rail, r.Reason, rail)
	}
}

// intact checks that the log is whole, that all machines make the same of it, and that it tells of every change.
func (w *world) intact() *Book {
	w.Helper()
	b := replay(w.log.records)
	if _, n := b.Faults(); n > 0 {
		w.Fatalf("the log has %d faults", n)
	}
	for i, m := range w.machines {
		m.Look(func(own *Book) {
			if own.Head() != b.Head() || own.Records() != b.Records() || len(own.All()) != len(b.All()) {
				w.Fatalf("machine %d has %d records and %d responses, the log %d and %d", i, own.Records(), len(own.All()), b.Records(), len(b.All()))
			}
		})
	}
	claims := 0
	for _, value := range w.log.records {
		if rec, err := Unseal(value); err == nil && rec.What == WhatClaimed {
			claims++
		}
	}
	if w.target.applies > claims {
		w.Fatalf("%d changes were made, %d were claimed", w.target.applies, claims)
	}
	return b
}
