package live

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hxp-enterprise/hxp/internal/kit/sorting"
)

// line is the way to one client. One goroutine uses it.
type line interface {
	send(frames ...[]byte) error // all of them within Config.WriteTimeout
	beat() error                 // shows that the server is there
	bye(why error)               // the last word; nil = the server is stopping
}

// client is who listens over one connection. Hub.mu guards what hangs on it.
type client struct {
	hub    *Hub
	wire   wire
	remote string
	since  time.Time // when it came
	wake   chan struct{}

	states  map[*Topic]*subscription
	stories map[*Topic]*listening
	seen    uint64 // happenings of its topics up to here are sent, or on their way
	left    bool   // it hears nothing any more
}

// subscription is a client's cursor in one channel.
type subscription struct {
	channel *channel
	client  *client
	last    uint64 // seq of the tick that the client has; 0 = none
	after   uint64 // ticks up to this one are too old to be sent
}

// listening is a client's place in a story.
type listening struct {
	story  *story
	filter Filter
	from   uint64 // it wants what comes after

	// of the goroutine that sends
	second int64 // of the happenings that were sent last
	count  int   // how many were sent in it
	missed int   // that were too many in it
}

func (h *Hub) newClient(w wire, remote string) *client {
	return &client{hub: h, wire: w, remote: remote, since: time.Now(), wake: make(chan struct{}, 1), states: map[*Topic]*subscription{}, stories: map[*Topic]*listening{}}
}

// stir wakes a client; one that is awake needs nothing.
func (c *client) stir() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// wish is what a client asks to hear.
type wish struct {
	topics   []*Topic
	filter   Filter
	interval time.Duration
	since    position
}

// subscribe adds topics to what a client hears; a topic that it hears already goes on as it is asked for now. Where it cannot be gone
// on from where the client stopped, resets say why, by topic.
func (c *client) subscribe(w wish) (resets map[string]string, err error) {
	h := c.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	resets = map[string]string{}
	if c.left { // what it asked for last comes too late
		return resets, nil
	}
	for _, t := range w.topics {
		var reset string
		if s := h.stories[t.Name]; s != nil {
			reset = c.listen(s, w.filter, w.since)
		} else if reset, err = c.watch(t, w); err != nil {
			return nil, err
		}
		if reset != "" {
			resets[t.Name] = reset
		}
	}
	c.stir()
	return resets, nil
}

// lost says why a position of another epoch, or of none, cannot be gone on from. The caller holds Hub.mu.
func (h *Hub) lost(since position) string {
	switch {
	case !since.given:
		return ""
	case since.epoch != h.epoch:
		return "the server has been restarted since"
	case since.seq > h.seq:
		return "that position has not been reached yet"
	}
	return ""
}

// listen enters a client into a story. The caller holds Hub.mu.
func (c *client) listen(s *story, f Filter, since position) (reset string) {
	l := &listening{story: s, filter: f, from: c.hub.seq}
	if old := c.stories[s.topic]; old != nil {
		l.from = old.from // it goes on where it is
	}
	reset = c.hub.lost(since)
	if since.given && reset == "" {
		switch {
		case since.seq < s.hole:
			reset = s.why
		case since.seq < s.floor:
			reset = "what happened then is not kept any more"
		}
		l.from = max(since.seq, s.hole, s.floor)
	}
	c.stories[s.topic] = l
	s.clients[c] = struct{}{}
	c.hub.want(s) // it may have ended since the client waited for it
	return reset
}

// watch enters a client into a channel of states. The caller holds Hub.mu.
func (c *client) watch(t *Topic, w wish) (reset string, err error) {
	h := c.hub
	key := channelKey{t, w.filter, w.interval}
	old := c.states[t]
	if old != nil && old.channel.channelKey == key {
		return "", nil
	}
	ch := h.open(key)
	if ch == nil {
		return "", errFull
	}
	if old != nil {
		old.leave()
	}
	s := &subscription{channel: ch, client: c}
	reset = h.lost(w.since)
	at, resumes := c.seen, w.since.given && reset == ""
	if resumes {
		at = max(at, w.since.seq)
	}
	switch k := ch.current; {
	case k == nil:
	case resumes && w.since.seq == k.seq: // it was given this very tick
		s.last = k.seq
	case at >= k.seq || len(ch.subscribers) == 0: // a client sees numbers rise, so this tick is nothing for it; or nobody kept it fresh
		s.after, ch.renew = k.seq, true
	}
	if ch.renew || len(ch.subscribers) == 0 {
		ch.due = time.Now()
		select {
		case h.wake <- struct{}{}:
		default:
		}
	}
	ch.subscribers[s] = struct{}{}
	c.states[t] = s
	return reset, nil
}

// leave ends a subscription. The caller holds Hub.mu.
func (s *subscription) leave() {
	delete(s.channel.subscribers, s)
	if len(s.channel.subscribers) == 0 {
		s.channel.left = time.Now()
	}
}

// unsubscribe ends what a client hears of topics, and leave all of it, for good.
func (c *client) unsubscribe(topics []*Topic) {
	c.hub.mu.Lock()
	defer c.hub.mu.Unlock()
	c.drop(topics)
}

func (c *client) leave() {
	c.hub.mu.Lock()
	defer c.hub.mu.Unlock()
	c.drop(c.hub.topics)
	c.left = true
}

// drop is called with Hub.mu held.
func (c *client) drop(topics []*Topic) {
	for _, t := range topics {
		if s := c.states[t]; s != nil {
			s.leave()
			delete(c.states, t)
		}
		if l := c.stories[t]; l != nil {
			delete(l.story.clients, c)
			l.story.left = time.Now()
			delete(c.stories, t)
		}
	}
}

// delivery is one thing to send to a client: a tick, a part of a chunk, or word that something is missing.
type delivery struct {
	seq   uint64
	topic *Topic

	tick  *tick
	whole bool // as a snapshot

	chunk *chunk
	to    *listening
	after uint64 // of the chunk
	items []item // of it, that are sent

	reset string // why
}

// tooSlow is why a client is cut.
type tooSlow struct{ why string }

func (e *tooSlow) Error() string { return e.why }

const (
	maxRound = 64 << 10 // bytes of happenings that are sent in one go, about
	maxLag   = 15 * time.Second
)

// collect appends to buf what is to be sent to a client now, by rising seq, and moves its cursors. It fails when the client is too far
// behind.
func (c *client) collect(buf []delivery, now time.Time) ([]delivery, error) {
	h := c.hub
	h.mu.RLock() // all clients that are woken come here at once
	defer h.mu.RUnlock()
	horizon := h.seq // everything up to here is in this round
	for _, l := range c.stories {
		var err error
		if buf, horizon, err = c.hear(buf, horizon, l, now); err != nil {
			return buf, err
		}
	}
	buf = slices.DeleteFunc(buf, func(d delivery) bool { return d.seq > horizon })
	for _, s := range c.states {
		k := s.channel.current
		if k == nil || k.seq <= s.after || k.seq == s.last || k.seq > horizon {
			continue
		}
		d := delivery{seq: k.seq, topic: s.channel.topic, tick: k, whole: k.patch == nil || s.last != k.prev}
		if d.whole && s.last != 0 && s.last != k.prev {
			h.conflated.Add(1)
		}
		buf = append(buf, d)
		s.last = k.seq
	}
	c.seen = horizon
	if horizon < h.seq {
		c.stir()
	}
	sorting.StableBy(buf, func(a, b delivery) int { return cmp.Compare(a.seq, b.seq) })
	return buf, nil
}

// hear appends what is new in a story, as far as one round goes, and returns how far that is.
func (c *client) hear(buf []delivery, horizon uint64, l *listening, now time.Time) ([]delivery, uint64, error) {
	s := l.story
	at := max(c.seen, l.from)
	if at < s.floor {
		return buf, horizon, &tooSlow{"what happened in " + s.topic.Name + " is not kept for as long as you take for it"}
	}
	if at < s.hole {
		buf = append(buf, delivery{seq: s.hole, reset: s.why, topic: s.topic})
	}
	bytes := 0
	for _, k := range s.after(at) {
		if bytes >= maxRound {
			return buf, min(horizon, k.first-1), nil
		}
		if k.told.After(c.since) && now.Sub(k.told) > maxLag {
			return buf, horizon, &tooSlow{fmt.Sprintf("you are %s behind in %s", now.Sub(k.told).Round(time.Second), s.topic.Name)}
		}
		bytes += k.size
		buf = append(buf, delivery{seq: k.first, topic: s.topic, chunk: k, to: l, after: at})
	}
	return buf, horizon, nil
}

// errGone says that the client has ended the connection, errStopping that the server does.
var (
	errGone, errStopping = errors.New("the client is gone"), errors.New("the server is stopping")
	errNotAllowed        = errors.New("the token with which this stream was opened no longer counts")
	errFull              = fmt.Errorf("%d different streams are open, which is the limit; ask for fewer filters", maxChannels)
)

// welcome subscribes to what the query asks for, and returns the first frames: hello, and resets. None has an id, because a client
// that stops here has not seen anything yet.
func (c *client) welcome(q query) (frames [][]byte, err error) {
	resets, err := c.subscribe(q.wish)
	if err != nil {
		return nil, err
	}
	if c.wire == sse {
		frames = append(frames, []byte("retry: 2000\n\n"))
	}
	frames = append(frames, note(c.wire, "hello", c.hub.hello(q)))
	for _, t := range q.topics {
		if reason, ok := resets[t.Name]; ok {
			frames = append(frames, note(c.wire, t.Name, c.hub.reset(t.Name, reason)))
		}
	}
	return frames, nil
}

// pump hands a client what is new until it leaves, is too slow, may no longer listen, or the hub drains. replies are frames that answer it.
func (c *client) pump(out line, gone, draining, ended <-chan struct{}, replies <-chan []byte) error {
	beat := time.NewTicker(c.hub.cfg.Heartbeat)
	defer beat.Stop()
	var round round
	for {
		var err error
		select {
		case <-gone:
			return errGone
		case <-draining:
			return errStopping
		case <-ended:
			return errNotAllowed
		case <-c.hub.drain:
			return errStopping
		case <-beat.C:
			err = out.beat()
		case frame := <-replies:
			err = out.send(frame)
		case <-c.wake:
			err = round.run(c, out)
		}
		if err != nil {
			return err
		}
	}
}

// round is what is sent to a client in one go. It is kept for its memory.
type round struct {
	deliveries []delivery
	frames     [][]byte
}

func (r *round) run(c *client, out line) (err error) {
	defer func() { // lets go of what is old
		clear(r.deliveries)
		clear(r.frames[:cap(r.frames)])
		if r.deliveries, r.frames = r.deliveries[:0], r.frames[:0]; cap(r.frames) > 64 {
			*r = round{}
		}
	}()
	if r.deliveries, err = c.collect(r.deliveries, time.Now()); err != nil {
		return err
	}
	for i := range r.deliveries {
		r.frames = c.wrap(r.frames, &r.deliveries[i])
	}
	if len(r.frames) == 0 {
		return nil
	}
	bytes := 0
	for _, f := range r.frames { // before: sending may change the frames
		bytes += len(f)
	}
	if err := out.send(r.frames...); err != nil {
		return err
	}
	c.handed(time.Now(), r, bytes)
	return nil
}

// wrap appends the frames of a delivery.
func (c *client) wrap(frames [][]byte, d *delivery) [][]byte {
	h := c.hub
	switch {
	case d.reset != "":
		return append(frames, note(c.wire, d.topic.Name, h.reset(d.topic.Name, d.reset)))
	case d.tick != nil && d.whole:
		return append(frames, d.tick.snapshot(c.wire))
	case d.tick != nil:
		return append(frames, d.tick.update(c.wire))
	}
	v := d.chunk.view(c.wire, d.to.filter, func(took time.Duration) { h.encodeTime.add(d.chunk.told, took) })
	first, _ := slices.BinarySearchFunc(v.items, d.after+1, func(i item, seq uint64) int { return cmp.Compare(i.seq, seq) })
	last, missed := d.to.grant(d.chunk, first, len(v.items))
	if d.items = v.items[first:last]; first < last {
		frames = append(frames, v.part(first, last))
	}
	if missed += v.over; missed > 0 {
		h.dropped.Add(int64(missed))
		frames = d.to.confess(frames, c.wire, h, d.chunk, missed)
	}
	return frames
}

// grant counts what is sent in the second of a chunk, and tells up to where its items may be sent and how many may not.
func (l *listening) grant(k *chunk, first, n int) (last, missed int) {
	if !l.story.topic.Capped {
		return n, 0
	}
	if second := k.told.Unix(); second != l.second {
		l.second, l.count, l.missed = second, 0, 0
	}
	last = min(n, first+max(PerSecond-l.count, 0))
	l.count += last - first
	return last, n - last
}

// confess tells the client, once in a second, that there is more than it gets.
func (l *listening) confess(frames [][]byte, w wire, h *Hub, k *chunk, missed int) [][]byte {
	if l.missed += missed; l.missed > missed {
		return frames
	}
	return append(frames, note(w, k.topic, h.trouble(k.topic, codeDropped, fmt.Sprintf("more than %d %s in a second: the rest of this second is left out; ask for one model", PerSecond, k.topic))))
}

// handed measures what was handed to the socket. What was there before the client came had no way to be quicker.
func (c *client) handed(now time.Time, r *round, bytes int) {
	h, messages := c.hub, 0
	for i := range r.deliveries {
		d := &r.deliveries[i]
		messages += len(d.items)
		switch {
		case d.tick != nil:
			if messages++; !d.tick.t.Before(c.since) {
				h.latency.add(now, now.Sub(d.tick.due))
			}
		case d.chunk != nil && !d.chunk.told.Before(c.since):
			h.latency.addItems(now, d.items)
		}
	}
	h.messages.add(now, int64(messages))
	h.bytes.add(now, int64(bytes))
}
