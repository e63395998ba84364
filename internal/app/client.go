package app

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/ingest/replay"
	"github.com/hxp-enterprise/hxp/internal/ingest/simulate"
	"github.com/hxp-enterprise/hxp/internal/ingest/sink"
)

// connect opens a connection for a command: it gives up soon, because a person waits.
func connect(ctx context.Context, cfg bus.Config, log *slog.Logger) (*bus.Bus, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, 10*time.Second, fmt.Errorf("no answer within 10 s"))
	defer cancel()
	return bus.Connect(ctx, cfg, log)
}

// Sending is a way into a running system.
type Sending struct {
	sink.Sink
	close func()
}

// Close ends it; what was sent before Flush is kept.
func (s Sending) Close() { s.close() }

// OpenSending opens the way named by via: "kafka" (to = brokers) or "http" (to = base URL of kafka-api); an empty to takes
// what the configuration says.
func OpenSending(ctx context.Context, cfg *Config, via, to string, log *slog.Logger) (Sending, error) {
	switch via {
	case "http":
		client, err := cfg.client(time.Minute)
		if err != nil {
			return Sending{}, err
		}
		if to == "" {
			if to, err = cfg.baseURL(KafkaAPI); err != nil {
				return Sending{}, fmt.Errorf("kafka-api: %w; name it with --to", err)
			}
		}
		out := sink.NewHTTP(to, client, true)
		out.Header, err = cfg.bearer()
		return Sending{out, func() {}}, err
	case "kafka", "":
		if err := cfg.readPrivacy(); err != nil {
			return Sending{}, err
		}
		brokers := cfg.Bus()
		if to != "" {
			brokers.Bootstrap = strings.Split(to, ",")
		}
		b, err := connect(ctx, brokers, log)
		if err != nil {
			return Sending{}, err
		}
		p, err := b.NewProducer(bus.ProducerOptions{Linger: 5 * time.Millisecond})
		if err != nil {
			b.Close()
			return Sending{}, err
		}
		return Sending{sink.NewKafka(&discreet{Sender: p, decoder: event.Decoder{Limits: cfg.KafkaAPI.Ingest.Event}}, 0), func() { p.Close(); b.Close() }}, nil
	}
	return Sending{}, fmt.Errorf("--via %q is neither kafka nor http", via)
}

// discreet keeps out of what goes straight to the topics what the way in would keep out. It is not for concurrent use.
type discreet struct {
	sink.Sender
	decoder event.Decoder
	event   event.Event
}

// SendAsync is part of sink.Sender.
func (d *discreet) SendAsync(ctx context.Context, m *bus.Message, done func(*bus.Message, error)) {
	if value := d.decoder.Treated(m.Value); !bytes.Equal(value, m.Value) {
		m.Value = value
		if d.decoder.Decode(value, nil, &d.event) == nil { // the id of a request is its key
			m.Key = []byte(d.event.Key())
		}
	}
	d.Sender.SendAsync(ctx, m, done)
}

// Replay sends trace files; it returns the exit code.
func Replay(ctx context.Context, o replay.Options, to Sending, stdout, stderr io.Writer) int {
	return replay.Run(ctx, o, to, stdout, stderr)
}

// Simulate sends generated traffic in real time for a duration (0 = until ctx ends) and returns how many events it sent.
func Simulate(ctx context.Context, seed int64, p simulate.Profile, d time.Duration, to Sending) (int64, error) {
	if d > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, d)
		defer cancel()
	}
	s := simulated{g: simulate.New(seed, p, time.Now()), to: to}
	s.live(ctx)
	return s.end(ctx)
}

// SimulatePast sends the traffic of so long before now, as fast as it is taken.
func SimulatePast(ctx context.Context, seed int64, p simulate.Profile, now time.Time, past time.Duration, to Sending) (int64, error) {
	start := now.Add(-past)
	s := simulated{g: simulate.New(seed, p, start), to: to}
	s.past(ctx, start, now)
	return s.end(ctx)
}

// simulated is generated traffic on its way.
type simulated struct {
	g    *simulate.Generator
	to   Sending
	sent int64
	err  error
}

// past sends what happened between two times, as fast as it is taken.
func (s *simulated) past(ctx context.Context, from, to time.Time) {
	for at := from; at.Before(to) && s.due(ctx, at); at = at.Add(time.Minute) { // what waits to be told stays within a minute of requests
	}
	s.due(ctx, to)
}

// live sends what happens, as it happens, until ctx ends or it fails.
func (s *simulated) live(ctx context.Context) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for s.due(ctx, time.Now()) {
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

// due sends what is known by then. It tells whether more may follow.
func (s *simulated) due(ctx context.Context, now time.Time) bool {
	s.g.Due(now, func(e *event.Event) {
		if s.err != nil || ctx.Err() != nil {
			return
		}
		if s.err = s.to.Send(ctx, sink.ItemOf(e), nobody{}); s.err == nil {
			s.sent++
		}
	})
	return s.err == nil && ctx.Err() == nil
}

// end waits until all of it is acknowledged.
func (s *simulated) end(ctx context.Context) (int64, error) {
	if ctx.Err() != nil {
		s.err = nil // who stops it has not failed
	}
	flush, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := s.to.Flush(flush); s.err == nil {
		s.err = err
	}
	return s.sent, s.err
}
