package live

import (
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
func (h *Hub) Stream(w http.ResponseWriter, r *http.Request) { h.serveStream(w, r, "") }

func (h *Hub) serveStream(w http.ResponseWriter, r *http.Request, only string) {
	q, p, ok := h.admit(w, r, only, &h.streams)
	if !ok {
		return
	}
	defer p.leave()
	c := h.newClient(sse, r.RemoteAddr)
	defer c.leave()
	frames, err := c.welcome(q)
	if err != nil {
		httpx.Unavailable(w, r, http.StatusServiceUnavailable, retryAfter, err.Error())
		return
	}
	sseHeader(w)
	w.WriteHeader(http.StatusOK)
	out := &sseLine{hub: h, w: w, control: http.NewResponseController(w)}
	if err = out.send(frames...); err == nil {
		err = c.pump(out, r.Context().Done(), httpx.Draining(r.Context()), q.ended, nil)
	}
	h.cut(c, "sse", err)
	out.bye(err)
}

// sseHeader tells the client, and every proxy on the way, that this is a stream.
func sseHeader(w http.ResponseWriter) {
	header := w.Header()
	header.Set("Content-Type", "text/event-stream")
	header.Set("Cache-Control", "no-cache, no-transform")
	header.Set("X-Accel-Buffering", "no")
	header.Set("X-Content-Type-Options", "nosniff")
}

// sseLine writes frames with a time limit each.
type sseLine struct {
	hub     *Hub
	w       http.ResponseWriter
	control *http.ResponseController
}

func (s *sseLine) send(frames ...[]byte) error {
	if err := s.control.SetWriteDeadline(time.Now().Add(s.hub.cfg.WriteTimeout)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	for _, f := range frames {
		if _, err := s.w.Write(f); err != nil {
			return err
		}
	}
	return s.control.Flush()
}

func (s *sseLine) beat() error { return s.send([]byte(": alive\n\n")) }

// bye says why the stream ends, and when to come back, if the client can still read.
func (s *sseLine) bye(why error) {
	switch slow, ok := errors.AsType[*tooSlow](why); {
	case ok:
		_ = s.send([]byte("retry: " + strconv.FormatInt(retryAfter.Milliseconds(), 10) + "\n: " + slow.why + "\n\n"))
	case errors.Is(why, errNotAllowed):
		_ = s.send([]byte(": " + why.Error() + "\n\n"))
	case errors.Is(why, errStopping):
		_ = s.send([]byte(": the server is stopping\n\n"))
	}
}

// cut counts and logs a client that was cut because it did not take what was sent.
func (h *Hub) cut(c *client, transport string, why error) {
	reason := ""
	if slow, ok := errors.AsType[*tooSlow](why); ok {
		reason = slow.why
	} else if errors.Is(why, os.ErrDeadlineExceeded) {
		reason = "a frame was not taken within " + h.cfg.WriteTimeout.String()
	} else {
		return
	}
	h.slowClosed.Add(1)
	h.log.Info("slow client cut", "transport", transport, "remote", c.remote, "reason", reason)
}
