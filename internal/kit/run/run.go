package run

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"
)

// Service is a part of the process that lives until it is told to stop.
type Service interface {
	// Run works until ctx ends, drains, and returns nil. Returning earlier is a failure, with or without an error: what
	// needs this service would go on without it. A service that has nothing left to do waits for ctx.
	Run(ctx context.Context) error
}

// Func makes a Service of a function.
type Func func(ctx context.Context) error

// Run calls f.
func (f Func) Run(ctx context.Context) error { return f(ctx) }

// Readier is a Service that needs time before others can build on it. The channel is closed once, when it can be used.
// A Service without it counts as ready as soon as its Run is called.
type Readier interface {
	Ready() <-chan struct{}
}

// Unit is a service with its place in the order.
type Unit struct {
	Name    string
	Needs   []string // names of units that must be ready before this one starts and must outlive it
	Service Service
}

// ErrEnded is the failure of a service that returned without being asked to stop.
var ErrEnded = errors.New("ended without being asked to")

// PanicError is a panic of a service, turned into its failure.
type PanicError struct {
	Value any
	Stack []byte // of the goroutine that panicked
}

// Error holds the stack: a panic is a fault of the program, and who reads of it needs the place.
func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v\n%s", e.Value, e.Stack) }

// Unwrap gives the error that was thrown, if it was one.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// How long a stop, or a start, may take before the log names who is awaited.
const (
	stillStopping = 5 * time.Second
	stillStarting = 10 * time.Second
)

// unit is a Unit while it is supervised.
type unit struct {
	Unit
	needs, neededBy []*unit
	ready           chan struct{} // closed when others can build on it
	ended           chan struct{} // closed when it is over, also when it never started
	err             error         // read after ended
}

type supervisor struct {
	ctx      context.Context // values for the units
	log      *slog.Logger
	stopping context.Context // ends when a stop is asked for or a unit failed
	stop     context.CancelCauseFunc
}

// Supervise runs units until ctx ends or one of them fails, and returns when all have ended. ready, if not nil, is called
// once when every unit is ready. A mistake in the units (no name, the same name twice, an unknown need, a circle) is
// returned before anything starts.
func Supervise(ctx context.Context, log *slog.Logger, units []Unit, ready func()) error {
	all, err := link(units)
	if err != nil {
		return err
	}
	s := &supervisor{ctx: ctx, log: log}
	s.stopping, s.stop = context.WithCancelCause(ctx)
	defer s.stop(nil)

	var wg sync.WaitGroup
	for _, u := range all {
		wg.Go(func() { s.supervise(u) })
	}
	if s.awaitReady(all) && ready != nil {
		ready()
	}
	<-s.stopping.Done()
	s.awaitEnd(all)
	wg.Wait()
	return s.result(all)
}

// awaitReady waits until all units are ready, and says from time to time which of them hold up the others; false when a stop came first.
func (s *supervisor) awaitReady(all []*unit) bool {
	tick := time.NewTicker(stillStarting)
	defer tick.Stop()
	for _, u := range all {
		for waiting := true; waiting; {
			select {
			case <-u.ready:
				waiting = false
			case <-tick.C:
				s.log.Warn("still starting", "waiting_for", strings.Join(starting(all), ", "))
			case <-s.stopping.Done():
				return false
			}
		}
	}
	return s.stopping.Err() == nil
}

// starting names the units that are not ready although all that they need is.
func starting(all []*unit) []string {
	waits := func(u *unit) bool {
		select {
		case <-u.ready:
			return false
		default:
			return true
		}
	}
	var names []string
	for _, u := range all {
		if waits(u) && !slices.ContainsFunc(u.needs, waits) {
			names = append(names, u.Name)
		}
	}
	return names
}

// awaitEnd waits until all units have ended and says from time to time whom it waits for.
func (s *supervisor) awaitEnd(all []*unit) {
	tick := time.NewTicker(stillStopping)
	defer tick.Stop()
	for _, u := range all {
		for waiting := true; waiting; {
			select {
			case <-u.ended:
				waiting = false
			case <-tick.C:
				s.log.Warn("still stopping", "waiting_for", strings.Join(running(all), ", "))
			}
		}
	}
}

func running(all []*unit) []string {
	var names []string
	for _, u := range all {
		select {
		case <-u.ended:
		default:
			names = append(names, u.Name)
		}
	}
	return names
}

// supervise takes one unit through its life.
func (s *supervisor) supervise(u *unit) {
	defer close(u.ended)
	for _, n := range u.needs {
		select {
		case <-n.ready:
		case <-s.stopping.Done():
			return
		}
	}
	if s.stopping.Err() != nil {
		return
	}
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(s.ctx))
	over := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() { // asks the unit to stop once nobody needs it any more
		select {
		case <-s.stopping.Done():
		case <-over:
			return
		}
		for _, d := range u.neededBy {
			<-d.ended
		}
		cancel(context.Cause(s.stopping))
	})
	wg.Go(func() { relayReady(u, over) })

	s.log.Debug("unit starts", "unit", u.Name)
	began := time.Now()
	err := call(ctx, u.Service)
	switch {
	case err == nil && ctx.Err() == nil:
		err = ErrEnded
	case ctx.Err() != nil && (errors.Is(err, context.Canceled) || (err != nil && errors.Is(err, context.Cause(ctx)))):
		err = nil // it hands back what we told it
	}
	if err != nil {
		u.err = fmt.Errorf("%s: %w", u.Name, err)
		s.stop(u.err)
	}
	close(over)
	s.log.Debug("unit ended", "unit", u.Name, "after", time.Since(began), "err", err)
	wg.Wait()
	cancel(nil)
}

// relayReady closes u.ready when the service is ready; never when it ended before that.
func relayReady(u *unit, over <-chan struct{}) {
	if r, ok := u.Service.(Readier); ok {
		select {
		case <-r.Ready():
		case <-over:
			return
		}
	}
	close(u.ready)
}

// call runs the service and turns a panic, or runtime.Goexit, into an error.
func call(ctx context.Context, s Service) (err error) {
	done := make(chan struct{})
	go func() { // its own goroutine, so that Goexit in a service does not take the supervisor along
		defer close(done)
		returned := false
		defer func() {
			if v := recover(); v != nil {
				err = &PanicError{Value: v, Stack: debug.Stack()}
			} else if !returned {
				err = errors.New("its goroutine exited (runtime.Goexit)")
			}
		}()
		err = s.Run(ctx)
		returned = true
	}()
	<-done
	return err
}

// result is the cause of the stop first, then what else went wrong while stopping.
func (s *supervisor) result(all []*unit) error {
	first := context.Cause(s.stopping)
	var errs []error
	for _, u := range all {
		switch {
		case u.err == nil:
		case errors.Is(first, u.err):
			errs = append([]error{u.err}, errs...)
		default:
			errs = append(errs, u.err)
		}
	}
	if len(errs) == 1 {
		return errs[0]
	}
	return errors.Join(errs...)
}
