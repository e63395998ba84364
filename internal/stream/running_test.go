package stream

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"
)

// Who waits for rules hears of them when the judge has taken them up and no unit is open any more that was begun with those of before.
func TestAwaitRules(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rules := newRules(t, outage)
		cfg := testConfig()
		s := New(cfg, nil, Options{Log: slog.New(slog.DiscardHandler), Rules: rules, StateDir: t.TempDir()})
		s.judge.reset()
		l := newLane(0, &s.cfg, s.log, s.metrics)
		l.judge = s.judge
		f := &folder{src: requests0, cfg: &s.cfg, names: l.names, rules: l.folding()}
		f.begin(0)
		l.folders[requests0] = f
		s.lanes = []*lane{l}
		working, stop := context.WithCancel(t.Context())
		defer stop()
		go func() {
			for {
				select {
				case fn := <-l.calls:
					fn()
				case <-working.Done():
					return
				}
			}
		}()
		if err := s.AwaitRules(t.Context()); err != nil {
			t.Fatal(err)
		}
		_ = l.ask(t.Context(), func() { f.open.rules = f.rules() }) // an event has come
		rules.set(t, single)
		done := make(chan error, 1)
		go func() { done <- s.AwaitRules(t.Context()) }()
		waits := func(what string) {
			t.Helper()
			time.Sleep(time.Second)
			select {
			case err := <-done:
				t.Fatalf("%s: it has ended: %v", what, err)
			default:
			}
		}
		now, _ := rules.Current()
		version := now[0].Version()
		if waits("the judge has not looked"); s.RunsRule(version) {
			t.Error("the rule is run before the judge has taken it up")
		}
		s.judge.swap()
		if waits("a unit is open that was begun with the rules of before"); !s.RunsRule(version) {
			t.Error("the rule is not run")
		}
		_ = l.ask(t.Context(), func() { f.begin(1) })
		if err := <-done; err != nil {
			t.Error(err)
		}
		stop() // a lane that works no more is not waited for without end
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := s.AwaitRules(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v, want the end of the time", err)
		}
	})
}

// Between two sessions nothing is taken in, and the lanes of the next one begin with the rules of then: those of the last one are not waited for.
func TestAwaitRulesBetweenSessions(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		r := w.start(quick(), t.TempDir())
		rules := newRules(t, outage)
		r.opts.Rules = rules
		r.Service.judge = newJudge(r.Service)
		r.Service.judge.reset()
		r.stop()
		await := func() error {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			return r.AwaitRules(ctx)
		}
		began := time.Now()
		if err := await(); err != nil || time.Since(began) > 0 {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		rules.set(t, single)
		if err := await(); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the judge has not taken the rules up: %v", err)
		}
	})
}
