package live

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
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
	PerAddress     int           // connections of each transport that one address may have; more are answered 503
	Version        string        // of the program, for its document
	Heartbeat      time.Duration // between pings and comments; 0 = 15 s
	WriteTimeout   time.Duration // for one frame; 0 = 5 s
}

const (
	linger      = 2 * time.Minute // how long a topic is followed that nobody listens to any more, for those who come back
	maxChannels = 1024            // of states at once
)

// Hub computes the states that somebody listens to, keeps what happened for a while, and hands both out. It is a service: Run works
// until its context ends.
type Hub struct {
	cfg      Config
	interval atomic.Int64 // see usual
	log      *slog.Logger
	topics   []*Topic
	epoch    string

	mu       sync.RWMutex // guards channels and stories, what hangs on them, and clients' cursors, which each client moves for itself while it reads
	channels map[channelKey]*channel
	stories  map[string]*story // by topic
	seq      uint64

	wake    chan struct{} // a channel is due at once
	drain   chan struct{} // closed: all connections end
	once    sync.Once
	adopted sync.WaitGroup // connections that no server waits for

	sockets, streams    gate
	dropped             atomic.Int64
	conflated           atomic.Int64
	slowClosed          atomic.Int64
	messages, bytes     meter
	published           map[string]*meter // by topic
	latency, encodeTime sampler
}

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
	renew       bool      // the next tick has a number of its own even if nothing has changed: somebody waits for it
	failing     bool
}

// New makes a hub of topics. It does nothing before Run.
func New(cfg Config, log *slog.Logger, topics ...Topic) *Hub {
	h := &Hub{
		cfg: cfg, log: log, epoch: newEpoch(), channels: map[channelKey]*channel{}, stories: map[string]*story{}, published: map[string]*meter{},
		wake: make(chan struct{}, 1), drain: make(chan struct{}),
	}
	h.cfg.Heartbeat = cmp.Or(h.cfg.Heartbeat, 15*time.Second)
	h.cfg.WriteTimeout = cmp.Or(h.cfg.WriteTimeout, 5*time.Second)
	for _, t := range topics {
		h.topics = append(h.topics, &t)
		h.published[t.Name] = &meter{}
		if t.State == nil {
			h.stories[t.Name] = newStory(&t)
		}
	}
	h.sockets.name, h.sockets.knob = "WebSockets", "WEBSOCKET_MAX_CONNECTIONS"
	h.streams.name, h.streams.knob = "event streams", "SSE_MAX_CONNECTIONS"
	h.Reconfigure(cfg)
	return h
}

// Reconfigure lets other limits hold for who connects from now on, and another interval for who asks for none.
func (h *Hub) Reconfigure(cfg Config) {
	h.sockets.set(cfg.WebSocketMax, cfg.PerAddress)
	h.streams.set(cfg.SSEMax, cfg.PerAddress)
	h.interval.Store(int64(cmp.Or(cfg.UpdateInterval, time.Second)))
}

// usual is the interval of who asks for none.
func (h *Hub) usual() time.Duration { return time.Duration(h.interval.Load()) }

// newEpoch names one run of a process: short, random, without a dot.
func newEpoch() string {
	var b [6]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// Drain ends all connections now and refuses new ones. It is called before the servers in front are shut down, because an
// event stream ends no other way; Run does it too.
func (h *Hub) Drain() {
	h.mu.Lock() // see adopt
	defer h.mu.Unlock()
	h.once.Do(func() { close(h.drain) })
}

func (h *Hub) drained() bool {
	select {
	case <-h.drain:
		return true
	default:
		return false
	}
}

// Run publishes until ctx ends.
func (h *Hub) Run(ctx context.Context) error {
	defer h.adopted.Wait()
	defer h.Drain()
	ctx, stop := context.WithCancel(ctx)
	var feeds sync.WaitGroup
	defer feeds.Wait()
	defer stop()
	for _, s := range h.stories {
		if s.topic.Feed != nil {
			feeds.Go(func() { h.feed(ctx, s) })
		}
	}
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
	for _, s := range h.stories {
		s.trim(now)
	}
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
		return cmp.Or(cmp.Compare(a.interval, b.interval), strings.Compare(a.topic.Name, b.topic.Name), strings.Compare(a.filter.Model, b.filter.Model), strings.Compare(a.filter.Tenant, b.filter.Tenant))
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

// open returns the channel of a key, and makes it where there is none. One that nobody listens to any more gives way, the one left longest
// ago first; nil = somebody listens to each. The caller holds Hub.mu.
func (h *Hub) open(key channelKey) *channel {
	if c := h.channels[key]; c != nil {
		return c
	}
	if len(h.channels) >= maxChannels {
		var oldest *channel
		for _, c := range h.channels {
			if len(c.subscribers) == 0 && (oldest == nil || c.left.Before(oldest.left)) {
				oldest = c
			}
		}
		if oldest == nil {
			return nil
		}
		delete(h.channels, oldest.channelKey)
	}
	c := &channel{channelKey: key, subscribers: map[*subscription]struct{}{}}
	h.channels[key] = c
	return c
}

// advance makes the next tick of c. Only Run's goroutine calls it, so c.current does not move in between.
func (h *Hub) advance(ctx context.Context, c *channel, now time.Time) {
	state, err := c.topic.State(ctx, now, c.filter)
	h.mu.Lock()
	due, old, renew := c.due, c.current, c.renew
	c.renew = false
	c.due = now.Truncate(c.interval).Add(c.interval)
	h.mu.Unlock()
	if err != nil {
		h.mu.Lock()
		c.renew = c.renew || renew
		h.mu.Unlock()
		if !c.failing {
			h.log.Warn("live topic cannot tell its state", "topic", c.topic.Name, "err", err)
		}
		c.failing = true
		return
	}
	c.failing = false

	k := &tick{message: message{topic: c.topic.Name, epoch: h.epoch, t: now}, due: due, state: state, encoded: &h.encodeTime}
	if old != nil {
		var changed bool
		if k.patch, changed = Diff(old.state.Data, state.Data); !changed && !renew && old.state.Watermark.Equal(state.Watermark) {
			return
		}
		k.prev = old.seq
	}
	h.published[c.topic.Name].add(now, 1)
	h.mu.Lock() // the number is given and the tick is there in one step: who has a number has everything before it
	defer h.mu.Unlock()
	h.seq++
	k.seq = h.seq
	c.current = k
	c.tell()
}

// tell wakes the subscribers. The caller holds Hub.mu.
func (c *channel) tell() {
	for s := range c.subscribers {
		s.client.stir()
	}
}
