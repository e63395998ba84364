package bus

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// Message is one record of a topic. Producer fills Partition, Offset and Timestamp when it is acknowledged; leave
// Timestamp zero.
type Message = kgo.Record

// Header is one header of a Message.
type Header = kgo.RecordHeader

// EventHeaders are the headers of a message in the words of package event; nil when it has none, as nearly all have.
func EventHeaders(m *Message) []event.Header {
	if len(m.Headers) == 0 {
		return nil
	}
	out := make([]event.Header, len(m.Headers))
	for i, h := range m.Headers {
		out[i] = event.Header(h)
	}
	return out
}

// Bus is a connection to the brokers. Its methods may be called from any goroutine.
type Bus struct {
	cfg    Config
	log    *slog.Logger
	keys   *keys
	client *kgo.Client // administration only; producers and readers have their own
	admin  *kadm.Client

	chatter chatter

	mu     sync.Mutex
	closed bool
	open   map[closer]struct{} // producers and readers not closed yet
}

type closer interface{ Close() }

// Connect returns when a broker has answered. It tries until ctx ends, or until it is clear that waiting does not help: then
// the error is ErrAccess and says what to mend.
func Connect(ctx context.Context, cfg Config, log *slog.Logger) (*Bus, error) {
	cfg = cfg.withDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	k, err := newKeys(cfg.Security, log)
	if err != nil {
		return nil, fmt.Errorf("kafka: %w", err)
	}
	b := &Bus{cfg: cfg, log: log, keys: k, open: map[closer]struct{}{}}
	// Administration asks afresh each time (10 ms is the least): what was just created or made anew must be seen.
	client, err := kgo.NewClient(b.clientOpts(kgo.MetadataMinAge(10 * time.Millisecond))...)
	if err != nil {
		return nil, fmt.Errorf("kafka client for %s: %w", strings.Join(cfg.Bootstrap, ","), err)
	}
	if err := b.await(ctx, client); err != nil {
		client.Close()
		return nil, err
	}
	b.chatter.heard.Store(true)
	b.client, b.admin = client, kadm.NewClient(client)
	return b, nil
}

// await pings until a broker answers; the first failure and then one in every ~30 is logged.
func (b *Bus) await(ctx context.Context, client *kgo.Client) error {
	var last error // that had the time to fail by itself
	for try := 0; ; try++ {
		attempt, cancel := context.WithTimeout(ctx, 5*time.Second)
		err := client.Ping(attempt)
		cancel()
		if err == nil {
			return nil
		}
		if err = b.explain(ctx, err); errors.Is(err, ErrAccess) {
			return fmt.Errorf("kafka at %s: %w", strings.Join(b.cfg.Bootstrap, ","), err)
		}
		if ctx.Err() != nil {
			return fmt.Errorf("no Kafka broker answers at %s (is it running? set KAFKA_BOOTSTRAP_SERVERS): %w: %w",
				strings.Join(b.cfg.Bootstrap, ","), context.Cause(ctx), cmp.Or(last, err))
		}
		last = err
		if try%30 == 0 {
			b.log.Warn("waiting for the broker", "servers", b.cfg.Bootstrap, "error", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(min(time.Duration(try+1)*50*time.Millisecond, time.Second)):
		}
	}
}

// explain gives the error of a call that reached no broker its meaning. Where it could be a listener that speaks something
// else, the listeners are asked.
func (b *Bus) explain(ctx context.Context, err error) error {
	if err == nil || ctx.Err() != nil {
		return classify(err)
	}
	no := barred(err)
	if no != nil && !errors.Is(err, kerr.UnsupportedSaslMechanism) && !errors.Is(err, kerr.IllegalSaslState) {
		return no
	}
	if isDial(err) {
		return err // nobody is there
	}
	if b.cfg.Dial != nil {
		return classify(err) // what is heard at the address is not what was spoken to
	}
	for _, addr := range b.cfg.Bootstrap {
		l, wrong := knock(ctx, addr, b.keys)
		if wrong == nil {
			wrong = l.mismatch(addr, b.cfg.Security)
		}
		if errors.Is(wrong, ErrAccess) {
			return wrong
		}
	}
	return classify(err)
}

// clientOpts are the options that every client shares.
func (b *Bus) clientOpts(more ...kgo.Opt) []kgo.Opt {
	if b.cfg.Dial != nil {
		more = append(slices.Clip(more), kgo.Dialer(b.cfg.Dial))
	}
	return slices.Concat(b.keys.options(), []kgo.Opt{
		kgo.SeedBrokers(b.cfg.Bootstrap...),
		kgo.ClientID(b.cfg.ClientID),
		kgo.RequestTimeoutOverhead(5 * time.Second),
		kgo.RetryBackoffFn(backoff),
		kgo.MetadataMinAge(250 * time.Millisecond), // a moved leader or a new topic is found this fast
		kgo.MetadataMaxAge(time.Minute),
		kgo.WithLogger(libraryLog{b.log, &b.chatter}),
	}, more)
}

// backoff is short at first: an embedded broker is back within a second.
func backoff(tries int) time.Duration {
	return min(time.Duration(1<<min(tries, 8))*10*time.Millisecond, time.Second)
}

func (b *Bus) track(c closer) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return ErrClosed
	}
	b.open[c] = struct{}{}
	return nil
}

func (b *Bus) untrack(c closer) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.open, c)
}

// Ping asks one broker for a sign of life. Its error says what to mend, where it is known.
func (b *Bus) Ping(ctx context.Context) error { return b.explain(ctx, b.client.Ping(ctx)) }

// Close closes the bus with all its producers and readers. Messages not acknowledged yet fail with ErrClosed.
func (b *Bus) Close() {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return
	}
	b.closed = true
	open := make([]closer, 0, len(b.open))
	for c := range b.open {
		open = append(open, c)
	}
	b.mu.Unlock()
	for _, c := range open {
		c.Close()
	}
	b.client.Close()
}
