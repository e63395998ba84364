package live

import (
	"context"
	"errors"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

// retryAfter is when a refused client may try again.
const retryAfter = 5 * time.Second

// Stream serves the topics of the query (all of them without one) as server-sent events.
func (h *Hub) Stream(w http.ResponseWriter, r *http.Request) {
	h.serve(w, r, "")
}

// only returns a handler that serves one topic, whatever the query says.
func (h *Hub) only(name string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { h.serve(w, r, name) }
}

func (h *Hub) serve(w http.ResponseWriter, r *http.Request, topic string) {
	if r.Header.Get("Sec-Fetch-Site") == "cross-site" {
		httpx.Problem(w, r, http.StatusForbidden, "a page of another site may not open this stream; open it from the dashboards or with a client of your own")
		return
	}
	q, err := h.parse(r, topic)
	if err != nil {
		httpx.Problem(w, r, http.StatusBadRequest, err.Error())
		return
	}
	if !h.sse.enter(h.cfg.SSEMax) {
		httpx.Unavailable(w, r, http.StatusServiceUnavailable, retryAfter, "all "+strconv.Itoa(h.cfg.SSEMax)+" event streams are taken; close one or raise SSE_MAX_CONNECTIONS")
		return
	}
	defer h.sse.leave()

	wake := make(chan struct{}, 1)
	var subs []*subscription
	defer func() { h.unsubscribe(subs) }()
	resets := map[string]string{}
	for _, t := range q.topics {
		s, reset, err := h.subscribe(t, q.filter, q.interval, q.since, wake)
		if err != nil {
			httpx.Unavailable(w, r, http.StatusServiceUnavailable, retryAfter, err.Error())
			return
		}
		if reset != "" {
			resets[t.Name] = reset
		}
		subs = append(subs, s)
	}

	out := &sseWriter{hub: h, w: w, control: http.NewResponseController(w)}
	sseHeader(w)
	w.WriteHeader(http.StatusOK)
	err = out.open(q, resets)
	if err == nil {
		err = h.pump(r.Context(), out, subs, wake)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		h.slowClosed.Add(1)
		h.log.Info("slow client cut", "transport", "sse", "remote", r.RemoteAddr, "reason", "a frame was not taken within "+h.cfg.WriteTimeout.String())
	}
}

// sseHeader tells the client, and every proxy on the way, that this is a stream.
func sseHeader(w http.ResponseWriter) {
	header := w.Header()
	header.Set("Content-Type", "text/event-stream")
	header.Set("Cache-Control", "no-cache, no-transform")
	header.Set("X-Accel-Buffering", "no")
	header.Set("X-Content-Type-Options", "nosniff")
}

var stopping = []byte(": the server is stopping\n\n")

// pump hands a client what is new until it leaves, is too slow, or the hub drains.
func (h *Hub) pump(ctx context.Context, out *sseWriter, subs []*subscription, wake <-chan struct{}) error {
	beat := time.NewTicker(h.cfg.Heartbeat)
	defer beat.Stop()
	draining := httpx.Draining(ctx)
	var buf []delivery
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-draining:
			return out.write(stopping)
		case <-h.drain:
			return out.write(stopping)
		case <-beat.C:
			if err := out.write([]byte(": alive\n\n")); err != nil {
				return err
			}
		case <-wake:
			buf = h.collect(buf[:0], subs)
			for _, d := range buf {
				if err := out.write(d.data); err != nil {
					return err
				}
				h.latency.add(time.Now(), time.Since(d.tick.due))
			}
			clear(buf) // let go of old ticks
		}
	}
}

// sseWriter writes frames with a time limit each.
type sseWriter struct {
	hub     *Hub
	w       http.ResponseWriter
	control *http.ResponseController
}

func (s *sseWriter) write(frame []byte) error {
	now := time.Now()
	if err := s.control.SetWriteDeadline(now.Add(s.hub.cfg.WriteTimeout)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	if _, err := s.w.Write(frame); err != nil {
		return err
	}
	if err := s.control.Flush(); err != nil {
		return err
	}
	s.hub.messages.add(now, 1)
	s.hub.bytes.add(now, int64(len(frame)))
	return nil
}

// open sends what comes before the first state: how to come back, hello, and resets. None has an id, because a client that
// stops here has not seen anything yet.
func (s *sseWriter) open(q query, resets map[string]string) error {
	b := []byte("retry: 2000\n\nevent: hello\ndata: ")
	b = append(b, s.hub.hello(q)...)
	b = append(b, "\n\n"...)
	for _, t := range q.topics {
		if reason, ok := resets[t.Name]; ok {
			b = append(b, "event: "+t.Name+"\ndata: "...)
			b = append(b, s.hub.reset(t.Name, reason)...)
			b = append(b, "\n\n"...)
		}
	}
	return s.write(b)
}
