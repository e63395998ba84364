package live

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Config are the limits of a Hub.
type Config struct {
	WebSocketMax   int           // connections; more are answered 503
	SSEMax         int           // connections; more are answered 503
	UpdateInterval time.Duration // between updates where a client asks for none
	Heartbeat      time.Duration // between comments; 0 = 15 s
	WriteTimeout   time.Duration // for one frame; 0 = 5 s
}

const (
	linger      = time.Minute // how long a channel without subscribers is kept, for those who come back
	maxChannels = 1024        // at once; the largest number of subscriptions is far below
)

// Hub computes the states that somebody listens to, and hands them out. It is a service: Run works until its context ends.
type Hub struct {
	cfg    Config
	log    *slog.Logger
	topics []*Topic
	epoch  string

	mu       sync.Mutex // guards channels, what hangs on them, and clients' cursors
	channels map[channelKey]*channel
	seq      uint64

	wake  chan struct{} // a channel is due at once
	drain chan struct{} // closed: all connections end
	once  sync.Once

	sse                 gate
	dropped             atomic.Int64
	conflated           atomic.Int64
	slowClosed          atomic.Int64
	messages, bytes     meter
	published           map[string]*meter // by topic
	latency, encodeTime sampler
}

// gate counts connections of one transport against their limit.
type gate struct{ connected, total atomic.Int64 }

// enter takes a place, false when there is none.
func (g *gate) enter(limit int) bool {
	if g.connected.Add(1) > int64(limit) {
		g.connected.Add(-1)
		return false
	}
	g.total.Add(1)
	return true
}

func (g *gate) leave() { g.connected.Add(-1) }

type channelKey struct {
	topic    *Topic
	filter   Filter
	interval time.Duration
}

// channel is what all subscribers of one (topic, filter, interval) share.
type channel struct {
	channelKey
	subscribers map[*subscription]struct{}
	current     *tick
	due         time.Time // of the next tick
	left        time.Time // when the last subscriber left
	failing     bool
}

// subscription is a client's cursor in one channel.
type subscription struct {
	channel *channel
	last    uint64 // seq of the tick that the client has; 0 = none
	after   uint64 // ticks up to this one are too old to be sent
	wake    chan<- struct{}
}

// New makes a hub of topics. It does nothing before Run.
func New(cfg Config, log *slog.Logger, topics ...Topic) *Hub {
	h := &Hub{
		cfg: cfg, log: log, epoch: newEpoch(), channels: map[channelKey]*channel{}, published: map[string]*meter{},
		wake: make(chan struct{}, 1), drain: make(chan struct{}),
	}
	h.cfg.UpdateInterval = cmp.Or(h.cfg.UpdateInterval, time.Second)
	h.cfg.Heartbeat = cmp.Or(h.cfg.Heartbeat, 15*time.Second)
	h.cfg.WriteTimeout = cmp.Or(h.cfg.WriteTimeout, 5*time.Second)
	for _, t := range topics {
		h.topics = append(h.topics, &t)
		h.published[t.Name] = &meter{}
	}
	return h
}

// newEpoch names one run of a process: short, random, without a dot.
func newEpoch() string {
	var b [6]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// Drain ends all connections now and refuses new ones. It is called before the servers in front are shut down, because an
// event stream ends no other way; Run does it too.
func (h *Hub) Drain() { h.once.Do(func() { close(h.drain) }) }

// Run publishes until ctx ends.
func (h *Hub) Run(ctx context.Context) error {
	defer h.Drain()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-h.wake:
		case <-timer.C:
		}
		timer.Reset(time.Until(h.publish(ctx, time.Now())))
	}
}

// publish makes a tick of every channel that is due, in an order that gives all of them rising numbers, and returns when the
// next is due.
func (h *Hub) publish(ctx context.Context, now time.Time) (next time.Time) {
	h.mu.Lock()
	var due []*channel
	for k, c := range h.channels {
		if len(c.subscribers) == 0 {
			if now.Sub(c.left) > linger {
				delete(h.channels, k)
			}
			continue
		}
		if !c.due.After(now) {
			due = append(due, c)
		}
	}
	h.mu.Unlock()
	slices.SortFunc(due, func(a, b *channel) int {
		return cmp.Or(cmp.Compare(a.interval, b.interval), strings.Compare(a.topic.Name, b.topic.Name), strings.Compare(a.filter.Model, b.filter.Model))
	})
	for _, c := range due {
		if ctx.Err() != nil {
			break
		}
		h.advance(ctx, c, now)
	}

	h.mu.Lock()
	defer h.mu.Unlock()
	next = now.Add(linger)
	for _, c := range h.channels {
		if len(c.subscribers) > 0 && c.due.Before(next) {
			next = c.due
		}
	}
	return next
}

// advance makes the next tick of c. Only Run's goroutine calls it, so c.current does not move in between.
func (h *Hub) advance(ctx context.Context, c *channel, now time.Time) {
	state, err := c.topic.State(ctx, now, c.filter)
	h.mu.Lock()
	due, old := c.due, c.current
	c.due = now.Truncate(c.interval).Add(c.interval)
	h.mu.Unlock()
	if err != nil {
		if !c.failing {
			h.log.Warn("live topic cannot tell its state", "topic", c.topic.Name, "err", err)
		}
		c.failing = true
		return
	}
	c.failing = false

	k := &tick{topic: c.topic.Name, epoch: h.epoch, t: now, due: due, state: state}
	var patch Object
	if old != nil {
		var changed bool
		if patch, changed = Diff(old.state.Data, state.Data); !changed && old.state.Watermark.Equal(state.Watermark) {
			h.refresh(c, old)
			return
		}
		k.prev = old.seq
	}
	h.mu.Lock()
	h.seq++
	k.seq = h.seq
	h.mu.Unlock()
	if old != nil {
		began := time.Now()
		k.update = k.encode("update", patch)
		h.encodeTime.add(now, time.Since(began))
	}
	h.published[c.topic.Name].add(now, 1)

	h.mu.Lock()
	defer h.mu.Unlock()
	c.current = k
	c.tell()
}

// refresh lets those who waited for a fresh tick have the old one, as nothing changed.
func (h *Hub) refresh(c *channel, k *tick) {
	h.mu.Lock()
	defer h.mu.Unlock()
	waiting := false
	for s := range c.subscribers {
		if s.after >= k.seq {
			s.after, waiting = 0, true
		}
	}
	if waiting {
		c.tell()
	}
}

// tell wakes the subscribers. The caller holds Hub.mu.
func (c *channel) tell() {
	for s := range c.subscribers {
		select {
		case s.wake <- struct{}{}:
		default: // it is awake
		}
	}
}

// subscribe enters a client into the channel of (topic, f, interval). since is where it stopped; when that cannot be gone on
// from, reset says why and the client gets a snapshot.
func (h *Hub) subscribe(t *Topic, f Filter, interval time.Duration, since position, wake chan<- struct{}) (s *subscription, reset string, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	key := channelKey{t, f, interval}
	c := h.channels[key]
	if c == nil {
		if len(h.channels) >= maxChannels {
			return nil, "", fmt.Errorf("%d different streams are open, which is the limit; ask for fewer filters", maxChannels)
		}
		c = &channel{channelKey: key, subscribers: map[*subscription]struct{}{}}
		h.channels[key] = c
	}
	s = &subscription{channel: c, wake: wake}
	switch {
	case !since.given:
	case since.epoch != h.epoch:
		reset = "the server has been restarted since"
	case since.seq > h.seq:
		reset = "that position has not been reached yet"
	case c.current != nil && since.seq == c.current.seq:
		s.last = since.seq // it was given this very tick
	}
	if len(c.subscribers) == 0 { // nobody kept it fresh
		if c.current != nil {
			s.after = c.current.seq
		}
		c.due = time.Now()
		select {
		case h.wake <- struct{}{}:
		default:
		}
	} else if c.current != nil {
		select {
		case wake <- struct{}{}:
		default:
		}
	}
	c.subscribers[s] = struct{}{}
	return s, reset, nil
}

func (h *Hub) unsubscribe(subs []*subscription) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, s := range subs {
		delete(s.channel.subscribers, s)
		if len(s.channel.subscribers) == 0 {
			s.channel.left = time.Now()
		}
	}
}

// delivery is one frame for one client.
type delivery struct {
	tick *tick
	data []byte
}

// collect appends to buf what is new for a client, by rising seq, and moves its cursors.
func (h *Hub) collect(buf []delivery, subs []*subscription) []delivery {
	h.mu.Lock()
	for _, s := range subs {
		k := s.channel.current
		if k == nil || k.seq <= s.after || k.seq == s.last {
			continue
		}
		d := delivery{tick: k}
		switch s.last {
		case k.prev:
			d.data = k.update // nil for a channel's first tick
		case 0:
		default:
			h.conflated.Add(1)
		}
		buf = append(buf, d)
		s.last = k.seq
	}
	h.mu.Unlock()
	for i := range buf { // without the lock: a snapshot is large
		if buf[i].data == nil {
			buf[i].data = buf[i].tick.snapshotFrame()
		}
	}
	slices.SortFunc(buf, func(a, b delivery) int { return cmp.Compare(a.tick.seq, b.tick.seq) })
	return buf
}
