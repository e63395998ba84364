package sdk

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/hxp-enterprise/hxp/sdk/spill"
)

// Options tune a Producer. URL or Sender is needed; the rest has defaults that fit most programs.
type Options struct {
	URL    string       // base of kafka-api, "http://127.0.0.1:9099"
	Token  string       // access token, sent as a bearer token
	Client *http.Client // nil = one with a time limit of 30 s
	Sender Sender       // another way than POST to URL

	Source string // source of events that name none; "sdk" when empty

	MaxEvents int           // waiting in memory; 0 = 10,000
	MaxBytes  int           // of them; 0 = 16 MiB
	Batch     int           // events sent together; 0 = 500
	Linger    time.Duration // how long the first event of a batch waits for more; 0 = 20 ms
	Patience  time.Duration // longest pause between two tries; 0 = 10 s

	Spill      string // folder in which events wait on disk; "" = in memory alone
	SpillBytes int64  // disk it may take; 0 = 256 MiB

	Log *slog.Logger // nil = silent
}

func (o Options) settled() (Options, error) {
	set := func(v *int, otherwise int) {
		if *v <= 0 {
			*v = otherwise
		}
	}
	set(&o.MaxEvents, 10_000)
	set(&o.MaxBytes, 16<<20)
	set(&o.Batch, 500)
	if o.Linger <= 0 {
		o.Linger = 20 * time.Millisecond
	}
	if o.Patience <= 0 {
		o.Patience = 10 * time.Second
	}
	if o.Source == "" {
		o.Source = "sdk"
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	var err error
	if o.Sender == nil {
		o.Sender, err = newPoster(o.URL, o.Token, o.Client)
	}
	return o, err
}

// Sender brings a batch of encoded events to hxp, in order. It answers how many of them hxp refused for good; with an error
// the whole batch is sent again later, after the pause that a *RetryError asks for. Send is never called twice at a time.
type Sender interface {
	Send(ctx context.Context, batch [][]byte) (refused int, err error)
}

// RetryError is a failure that says when to try again.
type RetryError struct {
	After time.Duration
	Err   error
}

func (e *RetryError) Error() string { return e.Err.Error() }
func (e *RetryError) Unwrap() error { return e.Err }

// Stats tell how a Producer is.
type Stats struct {
	Emitted   uint64 // taken by Emit
	Dropped   uint64 // not taken: full, too large, closed
	Delivered uint64 // arrived, those that an earlier process left included
	Refused   uint64 // refused by hxp for good; hxp keeps them as dead letters
	Retries   uint64 // failed tries to send
	Queued    int    // wait in memory
	Spill     spill.Stats
	LastError string // of the last try, "" when it worked
}

// Producer sends events in the background. Its methods may be called from any goroutine.
type Producer struct {
	opts   Options
	memory *memory
	disk   *spill.Queue // nil without a spill
	cancel context.CancelFunc
	ended  sync.WaitGroup

	mu      sync.Mutex
	stats   Stats
	hurry   chan struct{} // closed when nothing waits for more events: a flush, the end
	changed chan struct{} // closed and made anew when the state changes
	failing bool          // the last try failed
}

// queue is what events wait in: memory or spill.Queue.
type queue interface {
	More() <-chan struct{}
	Peek(most int) ([][]byte, error)
	Ack(n int) error
}

// NewProducer opens the spill, if there is one, and starts. Close it.
func NewProducer(o Options) (*Producer, error) {
	o, err := o.settled()
	if err != nil {
		return nil, err
	}
	p := &Producer{opts: o, memory: newMemory(o.MaxEvents, o.MaxBytes), hurry: make(chan struct{}), changed: make(chan struct{})}
	if o.Spill != "" {
		if p.disk, err = spill.Open(o.Spill, spill.Options{MaxBytes: o.SpillBytes}); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	p.cancel = cancel
	if p.disk == nil {
		p.ended.Go(func() { p.deliver(ctx, p.memory) })
		return p, nil
	}
	p.ended.Go(func() { p.store(ctx) })
	p.ended.Go(func() { p.deliver(ctx, p.disk) })
	return p, nil
}

// Emit hands an event over and returns at once. The error says why it was dropped; Stats count that too.
func (p *Producer) Emit(e Event) error {
	b, err := e.encode(p.opts.Source, time.Now())
	if err == nil {
		err = p.memory.add(b)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil {
		p.stats.Dropped++
	} else {
		p.stats.Emitted++
	}
	return err
}

// Stats tells how the producer is.
func (p *Producer) Stats() Stats {
	p.mu.Lock()
	s := p.stats
	p.mu.Unlock()
	s.Queued = p.memory.len()
	if p.disk != nil {
		s.Spill = p.disk.Stats()
	}
	return s
}

// Flush returns when nothing waits any more, neither in memory nor on disk, or ctx ends.
func (p *Producer) Flush(ctx context.Context) error {
	return p.await(ctx, func() bool { return p.waiting() == 0 })
}

// Close takes no more events, delivers what waits, and ends. With a spill, what cannot be delivered at the first try waits on
// disk for the next producer of that folder. The error says how many events are lost.
func (p *Producer) Close(ctx context.Context) error {
	p.memory.close()
	_ = p.await(ctx, func() bool { return p.waiting() == 0 || p.disk != nil && p.memory.len() == 0 && p.failed() })
	p.cancel()
	p.ended.Wait()
	lost := p.memory.len()
	if p.disk != nil {
		if lost > 0 && p.toDisk(ctx) { // the last batch, when ctx ended first
			lost = p.memory.len()
		}
		if err := p.disk.Close(); err != nil {
			p.opts.Log.Warn("the spill did not close cleanly", "error", err)
		}
	}
	if lost > 0 {
		return fmt.Errorf("%d events are lost: hxp did not take them in time: %s", lost, p.Stats().LastError)
	}
	return nil
}

// await returns nil when done holds. It hurries: nothing waits for company.
func (p *Producer) await(ctx context.Context, done func() bool) error {
	p.mu.Lock()
	select {
	case <-p.hurry:
	default:
		close(p.hurry)
	}
	p.mu.Unlock()
	for {
		p.mu.Lock()
		changed := p.changed
		p.mu.Unlock()
		if done() {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (p *Producer) waiting() uint64 {
	n := uint64(p.memory.len())
	if p.disk != nil {
		n += p.disk.Stats().Records
	}
	return n
}

func (p *Producer) failed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.failing
}

// note changes the statistics and wakes who waits for a change.
func (p *Producer) note(change func(s *Stats)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(&p.stats)
	close(p.changed)
	p.changed = make(chan struct{})
}

// linger waits for company of the first event of a batch.
func (p *Producer) linger(ctx context.Context) {
	p.mu.Lock()
	hurry := p.hurry
	p.mu.Unlock()
	pause(ctx, p.opts.Linger, hurry)
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.hurry: // it hurried once; the next flush asks again
		p.hurry = make(chan struct{})
	default:
	}
}

// pause waits for d, for hurry, or for the end of ctx; then it is false.
func pause(ctx context.Context, d time.Duration, hurry <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-hurry:
	case <-ctx.Done():
		return false
	}
	return true
}

// store moves events from memory to the disk.
func (p *Producer) store(ctx context.Context) {
	for {
		if p.memory.len() == 0 {
			select {
			case <-p.memory.More():
				p.linger(ctx)
				continue
			case <-ctx.Done():
				return
			}
		}
		if !p.toDisk(ctx) && !pause(ctx, time.Second, nil) { // full or broken: memory holds what comes, and then Emit drops
			return
		}
	}
}

// toDisk moves one batch. When the disk is broken and nothing waits there, it is sent straight from memory instead.
func (p *Producer) toDisk(ctx context.Context) bool {
	batch, _ := p.memory.Peek(p.opts.Batch)
	err := p.disk.Append(batch...)
	if err != nil && !errors.Is(err, spill.ErrFull) && p.disk.Stats().Records == 0 {
		p.opts.Log.Error("events cannot be kept on disk", "error", err)
		err = p.send(ctx, batch)
	}
	if err != nil {
		p.note(func(s *Stats) { s.LastError = err.Error() })
		return false
	}
	_ = p.memory.Ack(len(batch))
	p.note(func(*Stats) {})
	return true
}

// deliver sends what waits in q, oldest first, until ctx ends.
func (p *Producer) deliver(ctx context.Context, q queue) {
	for {
		batch, err := q.Peek(p.opts.Batch)
		switch {
		case err != nil:
			p.opts.Log.Error("events that wait on disk cannot be read", "error", err)
			if !pause(ctx, time.Second, nil) {
				return
			}
		case len(batch) > 0:
			if !p.insist(ctx, batch) {
				return
			}
			if err := q.Ack(len(batch)); err != nil { // they come again after a restart, and count once
				p.opts.Log.Warn("the position of the spill was not written", "error", err)
			}
			p.note(func(*Stats) {})
		default:
			select {
			case <-q.More():
				if q == queue(p.memory) {
					p.linger(ctx)
				}
			case <-ctx.Done():
				return
			}
		}
	}
}

// insist sends a batch until it arrived; false when ctx ended first.
func (p *Producer) insist(ctx context.Context, batch [][]byte) bool {
	for try := 0; ; try++ {
		err := p.send(ctx, batch)
		if err == nil {
			if try > 0 {
				p.opts.Log.Info("hxp takes events again", "tries", try+1)
			}
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		if try == 0 {
			p.opts.Log.Warn("events wait: hxp does not take them", "error", err)
		}
		if !pause(ctx, backoff(try, p.opts.Patience, err), nil) {
			return false
		}
	}
}

// send tries once.
func (p *Producer) send(ctx context.Context, batch [][]byte) error {
	refused, err := p.opts.Sender.Send(ctx, batch)
	p.note(func(s *Stats) {
		if p.failing = err != nil; err != nil {
			s.Retries++
			s.LastError = err.Error()
			return
		}
		s.LastError = ""
		s.Delivered += uint64(len(batch) - refused)
		s.Refused += uint64(refused)
	})
	return err
}

// backoff grows from 100 ms; the random half of it keeps many producers from coming back at the same moment.
func backoff(try int, most time.Duration, err error) time.Duration {
	d := min(time.Duration(1<<min(try, 16))*100*time.Millisecond, most)
	if r, ok := errors.AsType[*RetryError](err); ok && r.After > d {
		d = min(r.After, max(most, time.Minute))
	}
	return d/2 + rand.N(d/2+1)
}
