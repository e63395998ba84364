package live

import (
	"time"
)

// Status is who is connected and what happened to them.
type Status struct {
	WebSocket  Connections   `json:"websocket"`
	SSE        Connections   `json:"sse"`
	Topics     []TopicStatus `json:"topics"`
	Dropped    int64         `json:"dropped"`   // happenings that a client will never see
	Conflated  int64         `json:"conflated"` // ticks that a client got as part of a later snapshot
	SlowClosed int64         `json:"slow_clients_closed"`
}

// Connections are those of one transport.
type Connections struct {
	Connected int64 `json:"connected"`
	Limit     int   `json:"limit"`
	Total     int64 `json:"total"` // since the start
}

// TopicStatus is the traffic of one topic.
type TopicStatus struct {
	Name        string  `json:"name"`
	Subscribers int     `json:"subscribers"`
	Seq         uint64  `json:"seq"` // of its newest message; 0 = none yet
	Rate        float64 `json:"rate_per_second"`
}

// Status tells the present state of the hub.
func (h *Hub) Status() Status {
	s := Status{
		WebSocket: h.sockets.count(), SSE: h.streams.count(), Topics: make([]TopicStatus, len(h.topics)),
		Dropped: h.dropped.Load(), Conflated: h.conflated.Load(), SlowClosed: h.slowClosed.Load(),
	}
	now := time.Now()
	h.mu.Lock()
	defer h.mu.Unlock()
	for i, t := range h.topics {
		s.Topics[i] = TopicStatus{Name: t.Name, Rate: h.published[t.Name].rate(now)}
		if story := h.stories[t.Name]; story != nil {
			s.Topics[i].Subscribers, s.Topics[i].Seq = len(story.clients), story.last
			continue
		}
		for _, c := range h.channels {
			if c.topic != t {
				continue
			}
			s.Topics[i].Subscribers += len(c.subscribers)
			if c.current != nil {
				s.Topics[i].Seq = max(s.Topics[i].Seq, c.current.seq)
			}
		}
	}
	return s
}

// Performance is how fast the hub is.
type Performance struct {
	Latency  Quantiles `json:"latency_ms"` // to the frame handed to the socket: from the write of a happening, from the moment when a state was due; last minute
	Messages float64   `json:"messages_per_second"`
	Bytes    float64   `json:"bytes_per_second"`
	Encode   Quantiles `json:"encode_us"` // of what all readers share
	Interval float64   `json:"update_interval_seconds"`
}

// Performance tells the figures of the last seconds.
func (h *Hub) Performance() Performance {
	now := time.Now()
	return Performance{
		Latency: h.latency.quantiles(now, time.Millisecond), Messages: h.messages.rate(now), Bytes: h.bytes.rate(now),
		Encode: h.encodeTime.quantiles(now, time.Microsecond), Interval: h.usual().Seconds(),
	}
}
