package run

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// diary writes down what happened in which order.
type diary struct {
	mu    sync.Mutex
	lines []string
}

func (d *diary) add(format string, a ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, fmt.Sprintf(format, a...))
}

func (d *diary) at(line string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Index(d.lines, line)
}

// part is a service that needs warm to be ready and cool to drain.
type part struct {
	name       string
	warm, cool time.Duration
	fail       error // returned when cool is over
	diary      *diary
	ready      chan struct{}
}

func (p *part) Ready() <-chan struct{} { return p.ready }

func (p *part) Run(ctx context.Context) error {
	p.diary.add("start %s", p.name)
	select {
	case <-time.After(p.warm):
		p.diary.add("ready %s", p.name)
		close(p.ready)
		<-ctx.Done()
	case <-ctx.Done():
	}
	p.diary.add("stop %s", p.name)
	time.Sleep(p.cool)
	p.diary.add("end %s", p.name)
	return p.fail
}

func (d *diary) part(name string, warm, cool time.Duration, needs ...string) Unit {
	return Unit{Name: name, Needs: needs, Service: &part{name: name, warm: warm, cool: cool, diary: d, ready: make(chan struct{})}}
}

func TestStartsInOrderStopsInReverse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		ctx, cancel := context.WithCancel(t.Context())
		units := []Unit{
			d.part("stream", time.Second, time.Second, "bus"),
			d.part("api", time.Millisecond, 3*time.Second, "stream", "lake"),
			d.part("lake", 2*time.Second, time.Minute, "bus"),
			d.part("bus", time.Second, 0),
		}
		err := Supervise(ctx, slog.New(slog.DiscardHandler), units, func() {
			d.add("all ready")
			cancel()
		})
		if err != nil {
			t.Fatal(err)
		}
		want := strings.Split("start bus,ready bus,start stream,start lake,ready stream,ready lake,start api,ready api,all ready,"+
			"stop api,end api,stop stream,stop lake,end stream,end lake,stop bus,end bus", ",")
		// stream and lake start and stop at the same moment, in any order
		for _, pair := range [][2]string{{"start stream", "start lake"}, {"stop stream", "stop lake"}} {
			i, j := d.at(pair[0]), d.at(pair[1])
			if i > j {
				d.lines[i], d.lines[j] = d.lines[j], d.lines[i]
			}
		}
		if !slices.Equal(d.lines, want) {
			t.Errorf("got  %v\nwant %v", d.lines, want)
		}
	})
}

// TestOrder: for any units without circles, nothing starts before what it needs is ready, nothing is asked to stop before
// what needs it has ended, and all end.
func TestOrder(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		n := rapid.IntRange(1, 8).Draw(r, "units")
		ms := func(what string) time.Duration {
			return time.Duration(rapid.IntRange(0, 50).Draw(r, what)) * time.Millisecond
		}
		var d diary
		units := make([]Unit, n)
		for i := range n {
			var needs []string
			for j := range i {
				if rapid.Bool().Draw(r, "needs") {
					needs = append(needs, fmt.Sprint(j))
				}
			}
			units[i] = d.part(fmt.Sprint(i), ms("warm"), ms("cool"), needs...)
		}
		after := ms("stop after")
		units = rapid.Permutation(units).Draw(r, "order")
		synctest.Test(t, func(t *testing.T) {
			for _, u := range units { // a channel belongs to the bubble it is made in
				u.Service.(*part).ready = make(chan struct{})
			}
			ctx, cancel := context.WithTimeout(t.Context(), after)
			defer cancel()
			if err := Supervise(ctx, slog.New(slog.DiscardHandler), units, nil); err != nil {
				t.Fatal(err)
			}
		})
		for _, u := range units {
			if (d.at("start "+u.Name) < 0) != (d.at("end "+u.Name) < 0) {
				r.Fatalf("%s started and did not end: %v", u.Name, d.lines)
			}
			for _, need := range u.Needs {
				if d.at("start "+u.Name) < 0 {
					continue
				}
				if i := d.at("ready " + need); i < 0 || i > d.at("start "+u.Name) {
					r.Fatalf("%s started before %s was ready: %v", u.Name, need, d.lines)
				}
				if d.at("stop "+need) < d.at("end "+u.Name) {
					r.Fatalf("%s was stopped before %s ended: %v", need, u.Name, d.lines)
				}
			}
		}
	})
}

func TestFailureStopsAllWithItsCause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		boom := errors.New("disk on fire")
		var seen error
		units := []Unit{
			{Name: "base", Service: Func(func(ctx context.Context) error {
				<-ctx.Done()
				seen = context.Cause(ctx)
				return ctx.Err()
			})},
			{Name: "lake", Needs: []string{"base"}, Service: Func(func(context.Context) error {
				time.Sleep(time.Hour)
				return boom
			})},
		}
		err := Supervise(t.Context(), slog.New(slog.DiscardHandler), units, nil)
		if !errors.Is(err, boom) || err.Error() != "lake: disk on fire" {
			t.Errorf("got %v", err)
		}
		if !errors.Is(seen, boom) || !strings.HasPrefix(seen.Error(), "lake: ") {
			t.Errorf("cause seen by the others: %v", seen)
		}
	})
}

func TestWaysToFail(t *testing.T) {
	wait := Func(func(ctx context.Context) error { <-ctx.Done(); return nil })
	late := errors.New("could not flush")
	cases := []struct {
		name    string
		service Service
		want    func(error) bool
	}{
		{"ends by itself", Func(func(context.Context) error { return nil }), func(err error) bool { return errors.Is(err, ErrEnded) }},
		{"panics", Func(func(context.Context) error { panic("no such row") }), func(err error) bool {
			p, ok := errors.AsType[*PanicError](err)
			return ok && p.Value == "no such row" && strings.Contains(err.Error(), "run_test.go")
		}},
		{"panics with an error", Func(func(context.Context) error { panic(late) }), func(err error) bool { return errors.Is(err, late) }},
		{"goexit", Func(func(context.Context) error { runtime.Goexit(); return nil }), func(err error) bool { return err != nil && strings.Contains(err.Error(), "Goexit") }},
		{"is stopped before it is ready", &part{name: "x", warm: time.Hour, diary: &diary{}}, func(err error) bool { return err == nil }},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if p, ok := c.service.(*part); ok {
					p.ready = make(chan struct{}) // a channel belongs to the bubble it is made in
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				units := []Unit{{Name: "it", Service: c.service}, {Name: "other", Needs: []string{"it"}, Service: wait}}
				if err := Supervise(ctx, slog.New(slog.DiscardHandler), units, nil); !c.want(err) {
					t.Errorf("got %v", err)
				}
			})
		})
	}
}

func TestErrorsWhileStoppingComeBackTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one, two := errors.New("one"), errors.New("two")
		units := []Unit{
			{Name: "a", Service: Func(func(ctx context.Context) error { <-ctx.Done(); return two })},
			{Name: "b", Needs: []string{"a"}, Service: Func(func(ctx context.Context) error { time.Sleep(time.Second); return one })},
		}
		err := Supervise(t.Context(), slog.New(slog.DiscardHandler), units, nil)
		if err == nil || err.Error() != "b: one\na: two" {
			t.Errorf("got %v", err)
		}
	})
}

func TestSlowStopIsSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		var out strings.Builder
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := Supervise(ctx, slog.New(slog.NewTextHandler(&out, nil)), []Unit{d.part("slow", 0, 7*time.Second), d.part("quick", 0, 0)}, nil)
		if err != nil || !strings.Contains(out.String(), "waiting_for=slow") {
			t.Errorf("err %v, log %s", err, out.String())
		}
	})
}

func TestSlowStartIsSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		var out strings.Builder
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		err := Supervise(ctx, slog.New(slog.NewTextHandler(&out, nil)), []Unit{d.part("a", 0, 0), d.part("b", 25*time.Second, 0, "a"), d.part("c", 0, 0, "b")}, nil)
		if err != nil || strings.Count(out.String(), "\n") != 2 || strings.Count(out.String(), "waiting_for=b\n") != 2 {
			t.Errorf("err %v, log %s", err, out.String())
		}
	})
}

func TestMistakesAreFoundBeforeStart(t *testing.T) {
	never := Func(func(context.Context) error { panic("started") })
	for _, c := range []struct {
		units []Unit
		want  string
	}{
		{[]Unit{{Service: never}}, "run: unit 0 has no name"},
		{[]Unit{{Name: "a"}}, `run: unit "a" has no service`},
		{[]Unit{{Name: "a", Service: never}, {Name: "a", Service: never}}, `run: two units are called "a"`},
		{[]Unit{{Name: "a", Service: never, Needs: []string{"b"}}}, `run: unit "a" needs "b", which does not exist`},
		{[]Unit{{Name: "a", Service: never, Needs: []string{"c"}}, {Name: "b", Service: never, Needs: []string{"a"}}, {Name: "c", Service: never, Needs: []string{"b"}}}, "run: units need each other in a circle: a → c → b → a"},
	} {
		if err := Supervise(t.Context(), slog.New(slog.DiscardHandler), c.units, nil); err == nil || err.Error() != c.want {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
}
