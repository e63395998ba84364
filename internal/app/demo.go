package app

import (
	"context"
	"time"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/ingest/simulate"
	"github.com/hxp-enterprise/hxp/internal/ingest/sink"
	"github.com/hxp-enterprise/hxp/internal/kit/run"
)

// demo sends generated traffic to the topics, as any producer would.
type demo struct {
	bus     *bus.Bus
	options Options
}

func (s *system) buildDemo(context.Context) (run.Service, error) {
	return demo{s.bus, s.demo}, nil
}

// Run sends what is due ten times a second until ctx ends.
func (d demo) Run(ctx context.Context) error {
	p, err := d.bus.NewProducer(bus.ProducerOptions{Linger: 5 * time.Millisecond})
	if err != nil {
		return err
	}
	defer p.Close()
	to := sink.NewKafka(p, 0)
	// The traffic began a minute ago, so that the first look at the screen finds something.
	g := simulate.New(d.options.Seed, simulate.Profile{Rate: d.options.Rate, Scenario: simulate.Steady}, time.Now().Add(-time.Minute))
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		var failed error
		g.Due(time.Now(), func(e *event.Event) {
			if failed == nil {
				failed = to.Send(ctx, sink.ItemOf(e), nobody{})
			}
		})
		if ctx.Err() != nil {
			return nil
		}
		if failed != nil {
			return failed
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// nobody hears what became of generated traffic.
type nobody struct{}

func (nobody) Sent(sink.Item)            {}
func (nobody) Duplicate(sink.Item)       {}
func (nobody) Refused(sink.Item, string) {}
