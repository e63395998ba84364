package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/telemetry"
)

// ControlState is a state that the control log rebuilds: what it is follows from the records under its prefix, applied in
// order, and from nothing else. So every instance says the same, without a database and without asking each other.
type ControlState interface {
	// Reset forgets everything: the records come again from the start of the log.
	Reset()
	// Apply takes the next record. What it decides (an id, a verdict) it decides from the state and the record alone, never
	// by the clock or by chance. An error says that the record can never be applied; it is logged, counted and passed over,
	// and must have changed nothing. value is the callee's to keep.
	Apply(key string, value []byte, offset int64) error
}

// settler is a ControlState that wants to know when it is whole after a Reset: everything is applied that was in the log when it
// began to be read. Until then it may go on to say what it said before.
type settler interface{ Settled() }

// ControlLog is the log of small commands on event.TopicControl, and its follower. Commands are appended by any instance and
// applied by all in the same order.
//
// Run has one goroutine that applies; the other methods may be called from any. A state that others read locks itself.
type ControlLog struct {
	bus      *Bus
	log      *slog.Logger
	producer *Producer
	states   []controlled
	applied  telemetry.Counter
	skipped  telemetry.Counter

	ready chan struct{}
	once  sync.Once

	mu    sync.Mutex
	next  int64         // every record before it is applied
	until int64         // the end of the log when the follower last began at its start
	whole bool          // it was read up to there; belongs to Run
	moved chan struct{} // closed when next has changed
}

type controlled struct {
	prefix string
	state  ControlState
}

// NewControlLog opens the control log of b. Name the states with Handle, then Run it.
func NewControlLog(b *Bus, log *slog.Logger, reg *telemetry.Registry) (*ControlLog, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	p, err := b.NewProducer(ProducerOptions{ManualPartition: true, Compression: "none", MaxBufferedMessages: 1000, MaxBufferedBytes: 8 << 20})
	if err != nil {
		return nil, fmt.Errorf("control log: %w", err)
	}
	return &ControlLog{
		bus: b, log: log.With("topic", event.TopicControl), producer: p, ready: make(chan struct{}), until: 1, moved: make(chan struct{}),
		applied: reg.Counter("control_log_applied_total", "Commands of the control log that were applied."),
		skipped: reg.Counter("control_log_skipped_total", "Records of the control log that can never be applied and were passed over."),
	}, nil
}

// Handle gives the records whose key begins with prefix to a state. Call it before Run. Records that nobody handles are
// passed over: another instance may know more than this one.
func (c *ControlLog) Handle(prefix string, s ControlState) {
	c.states = append(c.states, controlled{prefix, s})
}

// Append writes a command with acks=all and tells its offset; WaitFor(offset) then waits until it is applied here. After an
// error the command may still have been written, so its state must recognise it when it comes twice.
func (c *ControlLog) Append(ctx context.Context, key string, value []byte) (offset int64, err error) {
	m := &Message{Topic: event.TopicControl, Key: []byte(key), Value: value}
	if err := c.producer.Send(ctx, []*Message{m}); err != nil {
		return 0, fmt.Errorf("append to the control log: %w", err)
	}
	return m.Offset, nil
}

// WaitFor returns when the record at offset is applied here, or with the cause when ctx ends.
func (c *ControlLog) WaitFor(ctx context.Context, offset int64) error {
	return c.await(ctx, func() bool { return c.next > offset })
}

// Settled returns when the state is whole: at the start, and after the topic was made anew, the log is being read for a
// moment. It asks nobody and costs nothing otherwise.
func (c *ControlLog) Settled(ctx context.Context) error {
	return c.await(ctx, func() bool { return c.next >= c.until })
}

// CatchUp returns when everything is applied here that was in the log when it was called. It asks the brokers for the end.
func (c *ControlLog) CatchUp(ctx context.Context) error {
	r, err := c.bounds(ctx)
	if err != nil {
		return err
	}
	return c.WaitFor(ctx, r.End-1)
}

// await waits until reached, which is called under the lock, is true.
func (c *ControlLog) await(ctx context.Context, reached func() bool) error {
	for {
		c.mu.Lock()
		ok, moved := reached(), c.moved
		c.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return fmt.Errorf("the control log was not read so far: %w", context.Cause(ctx))
		}
	}
}

// Ready is closed when everything is applied that was in the log at the start.
func (c *ControlLog) Ready() <-chan struct{} { return c.ready }

// followAgain is the pause before the log is read again from its start after trouble.
const followAgain = 200 * time.Millisecond

// Run follows the log until ctx ends. When the topic was deleted, made anew or shortened, the states are reset and built
// again from what it holds then.
func (c *ControlLog) Run(ctx context.Context) error {
	defer c.producer.Close()
	for {
		err := c.follow(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if errors.Is(err, ErrClosed) {
			return err
		}
		c.log.Warn("the control log is read again from its start", "reason", err)
		if !sleep(ctx, followAgain) {
			return nil
		}
	}
}

// follow reads the log from its start until it is no longer the one that it began with.
func (c *ControlLog) follow(ctx context.Context) error {
	if err := c.bus.EnsureTopics(ctx, []event.Topic{event.ControlTopic}); err != nil {
		return err
	}
	id, err := c.bus.TopicID(ctx, event.TopicControl)
	if err != nil {
		return err
	}
	log, err := c.bounds(ctx)
	if err != nil {
		return err
	}
	reader, err := c.bus.NewReader(map[string]map[int32]int64{event.TopicControl: {0: log.Start}}, ReaderOptions{})
	if err != nil {
		return err
	}
	defer reader.Close()
	c.begin(log)

	ctx, stop := context.WithCancelCause(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { stop(c.watch(ctx, id)) })
	defer wg.Wait()
	defer stop(nil)
	for {
		fetch, err := reader.Poll(ctx)
		if err != nil {
			return errors.Join(context.Cause(ctx), err)
		}
		for _, b := range fetch {
			for _, m := range b.Messages {
				c.apply(m)
			}
			c.advance(b.Next)
			if b.Err != nil {
				return b.Err
			}
		}
	}
}

func (c *ControlLog) bounds(ctx context.Context) (Range, error) {
	all, err := c.bus.Offsets(ctx, event.TopicControl)
	if err != nil {
		return Range{}, err
	}
	r, ok := all[event.TopicControl][0]
	if !ok {
		return Range{}, fmt.Errorf("%s/0 has no leader now", event.TopicControl)
	}
	return r, nil
}

// watch ends with an error when the topic is another one, and with nil when ctx ends.
func (c *ControlLog) watch(ctx context.Context, id string) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		shapes, err := c.bus.Shapes(ctx, event.TopicControl)
		if err != nil {
			c.log.Debug("the control topic could not be looked at", "error", err)
			continue
		}
		if now := shapes[event.TopicControl].ID; now != id {
			return fmt.Errorf("%s was deleted or made anew", event.TopicControl)
		}
	}
}

// begin resets the states. Nobody takes them for whole meanwhile: no record counts as applied until they are empty.
func (c *ControlLog) begin(log Range) {
	c.mu.Lock()
	c.next, c.until = -1, log.End
	c.mu.Unlock()
	c.whole = false
	for _, s := range c.states {
		s.state.Reset()
	}
	c.advance(log.Start)
}

// advance tells those who wait how far the log is applied.
func (c *ControlLog) advance(next int64) {
	if !c.whole && next >= c.until { // until changes in this goroutine alone
		c.whole = true
		for _, s := range c.states {
			if s, ok := s.state.(settler); ok {
				s.Settled()
			}
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.next = next
	close(c.moved)
	c.moved = make(chan struct{})
	if next >= c.until {
		c.once.Do(func() { close(c.ready) })
	}
}

// apply gives one record to its state.
func (c *ControlLog) apply(m *Message) {
	key := string(m.Key)
	for _, s := range c.states {
		if !strings.HasPrefix(key, s.prefix) {
			continue
		}
		if err := applyTo(s.state, key, m); err != nil {
			c.skipped.Inc()
			c.log.Error("record of the control log cannot be applied, passed over", "key", key, "offset", m.Offset, "error", err)
			return
		}
		c.applied.Inc()
		return
	}
	c.log.Debug("record of the control log is not for this instance", "key", key, "offset", m.Offset)
}

// applyTo makes an error of a panic: a record that brings the process down would do so again at each start.
func applyTo(s ControlState, key string, m *Message) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v\n%s", v, debug.Stack())
		}
	}()
	return s.Apply(key, m.Value, m.Offset)
}
