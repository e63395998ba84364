package app

import (
	"context"
	"log/slog"
	"math"
	"sync"
	"time"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/ingest/simulate"
	"github.com/hxp-enterprise/hxp/internal/ingest/sink"
	"github.com/hxp-enterprise/hxp/internal/kit/run"
)

// demo sends generated traffic to the topics, as any producer would: first that of the time before now, then that of now.
type demo struct {
	bus     *bus.Bus
	options Options
	log     *slog.Logger
	counted func(past int64) bool // tells whether the windows have taken in so many records
	ready   chan struct{}
}

// windows is what the demo asks of the fast path.
type windows interface {
	Lag() (time.Duration, bool)
	Counted() int64
}

func (s *system) buildDemo(context.Context) (run.Service, error) {
	counted := func(past int64) bool {
		return s.stream == nil || caughtUp(s.stream, past) // it may run elsewhere
	}
	return &demo{s.bus, s.demo, s.log, counted, make(chan struct{})}, nil
}

// caughtUp tells whether windows have counted the past. Others may count some of it; and what comes now may come faster than it is counted.
func caughtUp(w windows, past int64) bool {
	lag, known := w.Lag()
	return known && lag < time.Second || w.Counted() >= past
}

// Ready is closed when the past is counted: who measures this machine waits for it, else the past would be late; and who is told that hxp is
// ready sends an event and looks for it.
func (d *demo) Ready() <-chan struct{} { return d.ready }

// Run sends what is due until ctx ends.
func (d *demo) Run(ctx context.Context) error {
	p, err := d.bus.NewProducer(bus.ProducerOptions{Linger: 5 * time.Millisecond})
	if err != nil {
		return err
	}
	defer p.Close()
	now := time.Now()
	start, err := d.begin(ctx, now)
	if err != nil {
		return err
	}
	to := sink.NewKafka(p, 0)
	s := simulated{to: Sending{Sink: to}, g: simulate.New(d.options.Seed, simulate.Profile{Rate: d.options.Rate, Scenario: simulate.Scenario(d.options.Scenario)}, start)}
	if s.past(ctx, start, now); s.err == nil {
		s.err = to.Flush(ctx)
	}
	if s.err == nil {
		ctx, stop := context.WithCancel(ctx)
		var waiting sync.WaitGroup
		waiting.Go(func() {
			past, err := d.written(ctx)
			if err != nil { // then the lag alone tells
				past = math.MaxInt64
			}
			d.await(ctx, past)
		})
		s.live(ctx)
		stop()
		waiting.Wait()
	}
	if ctx.Err() != nil {
		return nil
	}
	return s.err
}

// await closes ready when the windows have counted the past.
func (d *demo) await(ctx context.Context, past int64) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for !d.counted(past) {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
	close(d.ready)
}

// begin is when the traffic began: where the topics are new, as long ago as was asked for; else a minute ago, so that the first look at
// the screen finds something and nothing of an earlier run is made twice.
func (d *demo) begin(ctx context.Context, now time.Time) (time.Time, error) {
	start := now.Add(-time.Minute)
	if d.options.Past <= time.Minute {
		return start, nil
	}
	switch n, err := d.written(ctx); {
	case err != nil:
		return start, err
	case n > 0:
		d.log.Info("the topics hold events already, so the generated traffic has no past")
		return start, nil
	}
	d.log.Info("generating the traffic of the time before now", "past", d.options.Past)
	return now.Add(-d.options.Past), nil
}

// written is how many records the topics of events have had.
func (d *demo) written(ctx context.Context) (n int64, err error) {
	logs, err := d.bus.Offsets(ctx, inputTopics()...)
	for _, parts := range logs {
		for _, r := range parts {
			n += r.End
		}
	}
	return n, err
}

// nobody hears what became of generated traffic.
type nobody struct{}

func (nobody) Sent(sink.Item)            {}
func (nobody) Duplicate(sink.Item)       {}
func (nobody) Refused(sink.Item, string) {}
