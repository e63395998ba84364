package app

import (
	"context"
	"log/slog"
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
	counted func() bool // tells whether the windows have taken in what is on the topics
	ready   chan struct{}
}

func (s *system) buildDemo(context.Context) (run.Service, error) {
	counted := func() bool {
		if s.stream == nil { // it runs elsewhere
			return true
		}
		lag, known := s.stream.Lag()
		return known && lag < time.Second
	}
	return &demo{s.bus, s.demo, s.log, counted, make(chan struct{})}, nil
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
		waiting.Go(func() { d.await(ctx) })
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
func (d *demo) await(ctx context.Context) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for !d.counted() {
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
	logs, err := d.bus.Offsets(ctx, inputTopics()...)
	if err != nil {
		return start, err
	}
	for _, parts := range logs {
		for _, r := range parts {
			if r.End > 0 {
				d.log.Info("the topics hold events already, so the generated traffic has no past")
				return start, nil
			}
		}
	}
	d.log.Info("generating the traffic of the time before now", "past", d.options.Past)
	return now.Add(-d.options.Past), nil
}

// nobody hears what became of generated traffic.
type nobody struct{}

func (nobody) Sent(sink.Item)            {}
func (nobody) Duplicate(sink.Item)       {}
func (nobody) Refused(sink.Item, string) {}
