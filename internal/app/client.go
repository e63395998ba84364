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
func Simulate(ctx context.Context, seed int64, p simulate.Profile, d time.Duration, to Sending) (n int64, err error) {
	if d > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, d)
		defer cancel()
	}
	g := simulate.New(seed, p, time.Now())
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		g.Due(time.Now(), func(e *event.Event) {
			if err == nil && ctx.Err() == nil {
				if err = to.Send(ctx, sink.ItemOf(e), nobody{}); err == nil {
					n++
				}
			}
		})
		if ctx.Err() != nil || err != nil {
			break
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
	if ctx.Err() != nil {
		err = nil
	}
	flush, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if ferr := to.Flush(flush); err == nil {
		err = ferr
	}
	return n, err
}
