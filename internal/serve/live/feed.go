package live

import (
	"context"
	"time"
)

// Feed is what a topic's feed says to the hub. Its methods are for the goroutine of the feed.
type Feed struct {
	hub   *Hub
	story *story
}

// Begun says that everything which is written from now on will be told. Before, nothing is promised to anybody.
func (f *Feed) Begun() {
	h, s := f.hub, f.story
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lose(s, "what happened before is not known here")
	select {
	case <-s.begun:
	default:
		close(s.begun)
	}
}

// Tell says what happened, in order.
func (f *Feed) Tell(happenings ...Happening) { f.hub.tell(f.story, happenings) }

// Room tells whether a client could get one more happening of a model and a tenant in this second. Where there is none, a Happening without data
// spares the work of making it, and is counted as dropped.
func (f *Feed) Room(model, tenant string) bool {
	if !f.story.topic.Capped {
		return true
	}
	f.hub.mu.RLock()
	defer f.hub.mu.RUnlock()
	return f.story.pace.room(time.Now().Unix(), model, tenant)
}

// Lost says that something was missed that happened before what is told next.
func (f *Feed) Lost(why string) {
	f.hub.mu.Lock()
	defer f.hub.mu.Unlock()
	f.hub.lose(f.story, why)
}

// Tell says what happened in a topic of happenings. It may be called from any goroutine, and never waits for a client. What it is told
// under another name is a mistake of the program.
func (h *Hub) Tell(topic string, happenings ...Happening) {
	h.tell(h.stories[topic], happenings)
}

func (h *Hub) tell(s *story, happenings []Happening) {
	now := time.Now()
	h.mu.Lock()
	defer h.mu.Unlock()
	before := h.seq
	h.seq = s.tell(h.epoch, h.seq, now, happenings)
	h.published[s.topic.Name].add(now, int64(len(happenings)))
	concerned := concerns(happenings)
	for c := range s.clients {
		if c.seen == before && !concerned[c.stories[s.topic].filter] { // who had everything still has everything
			c.seen = h.seq
			continue
		}
		c.stir()
	}
}

// concerns are all filters that let any of some happenings through.
func concerns(happenings []Happening) map[Filter]bool {
	filters := map[Filter]bool{{}: true}
	for i := range happenings {
		model, tenant := happenings[i].Model, happenings[i].Tenant
		filters[Filter{Model: model}] = true
		if tenant != "" {
			filters[Filter{Tenant: tenant}], filters[Filter{model, tenant}] = true, true
		}
	}
	return filters
}

// lose marks a hole at this place of a story. The caller holds Hub.mu.
func (h *Hub) lose(s *story, why string) {
	h.seq++
	s.hole, s.why = h.seq, why
	for c := range s.clients {
		c.stir()
	}
}

const (
	feedAgain = time.Second     // after trouble
	feedStart = 3 * time.Second // how long a client waits for a feed to begin
)

// feed runs the feed of a story when it is wanted, until ctx ends.
func (h *Hub) feed(ctx context.Context, s *story) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.wanted:
		}
		h.follow(ctx, s)
	}
}

// follow runs a feed until nobody has listened for a while.
func (h *Hub) follow(ctx context.Context, s *story) {
	ctx, stop := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		h.repeat(ctx, s)
	}()
	defer func() { stop(); <-ended }()
	look := time.NewTicker(linger / 4)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-look.C:
			if h.idle(s, now) {
				return
			}
		}
	}
}

// repeat runs a feed again after trouble.
func (h *Hub) repeat(ctx context.Context, s *story) {
	for ctx.Err() == nil {
		err := s.topic.Feed(ctx, &Feed{hub: h, story: s})
		if ctx.Err() != nil {
			return
		}
		h.log.Warn("live topic cannot be read, trying again", "topic", s.topic.Name, "error", err)
		select {
		case <-ctx.Done():
		case <-time.After(feedAgain):
		}
	}
}

// idle tells whether nobody has listened to a story for a while, and closes it then: what happens from now on is not known any more.
func (h *Hub) idle(s *story, now time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(s.clients) > 0 || now.Sub(s.left) < linger {
		return false
	}
	s.running, s.begun, s.chunks, s.bytes, s.hot, s.cold = false, make(chan struct{}), nil, 0, 0, 0
	h.lose(s, "nobody listened for a while")
	return true
}

// want asks for the feed of a story where it is not at work, and keeps it from ending soon: who waits to listen counts as a listener.
// The caller holds Hub.mu.
func (h *Hub) want(s *story) {
	s.left = time.Now()
	if !s.running {
		s.running = true
		s.wanted <- struct{}{} // has room: it is asked once for each time that it stopped
	}
}

// await asks for the feeds of topics and waits until they have begun, for a while: a broker that is away keeps nobody from the rest.
func (h *Hub) await(ctx context.Context, topics []*Topic) {
	ctx, stop := context.WithTimeout(ctx, feedStart)
	defer stop()
	for _, t := range topics {
		s := h.stories[t.Name]
		if s == nil {
			continue
		}
		h.mu.Lock()
		h.want(s)
		begun := s.begun
		h.mu.Unlock()
		select {
		case <-begun:
		case <-ctx.Done():
		case <-h.drain:
		}
	}
}
