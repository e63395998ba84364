package live

import (
	"context"
	"errors"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
	"github.com/hxp-enterprise/hxp/internal/serve/live/ws"
)

// Protocol is the WebSocket subprotocol.
const Protocol = "hxp.v1+json"

const (
	patience  = 10 * time.Second // for a sign of life after a heartbeat
	lastWords = time.Second      // for the peer to take the close frame
	answers   = 8                // to a client that asks faster than it reads
)

// Socket serves the topics of the query (all of them without one) over WebSocket.
func (h *Hub) Socket(w http.ResponseWriter, r *http.Request) { h.serveSocket(w, r, "") }

func (h *Hub) serveSocket(w http.ResponseWriter, r *http.Request, only string) {
	if refusal := ws.Check(w, r); refusal != nil {
		httpx.Problem(w, r, refusal.Status, refusal.Detail)
		return
	}
	q, p, ok := h.admit(w, r, only, &h.sockets)
	if !ok {
		return
	}
	conn, err := ws.Upgrade(w, r, Protocol)
	if err != nil {
		p.leave()
		h.log.Debug("websocket not opened", "remote", r.RemoteAddr, "error", err)
		return
	}
	h.adopt(func() {
		defer p.leave()
		(&session{client: h.newClient(socket, r.RemoteAddr), conn: conn, query: q, replies: make(chan []byte, answers), gone: make(chan struct{}), over: make(chan struct{})}).serve()
	}, func() { p.leave(); _ = conn.Close() })
}

// adopt runs the work of a connection that no server waits for; after Drain it is refused.
func (h *Hub) adopt(work, refuse func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.drained() {
		go refuse()
		return
	}
	h.adopted.Go(work)
}

// session is one WebSocket: a goroutine that sends, and one that reads.
type session struct {
	*client
	conn  *ws.Conn
	query query

	replies chan []byte
	gone    chan struct{} // closed when the peer has ended the connection, or broken the protocol
	end     error         // why, once gone is closed
	over    chan struct{} // closed when nothing more is sent
}

func (s *session) serve() {
	defer func() { _ = s.conn.Close() }() // nobody to tell
	var reading sync.WaitGroup
	err := s.open()
	reading.Go(s.read)
	if err == nil {
		err = s.pump(s, s.gone, nil, s.query.ended, s.replies)
	}
	s.leave()
	s.bye(err)
	close(s.over)
	s.conn.Finish()
	reading.Wait()
}

func (s *session) open() error {
	frames, err := s.welcome(s.query)
	if err != nil {
		return err
	}
	return s.send(frames...)
}

func (s *session) send(frames ...[]byte) error {
	return s.conn.Write(s.hub.cfg.WriteTimeout, frames...)
}

var pinging = ws.AppendFrame(nil, ws.Ping, nil)

func (s *session) beat() error { return s.send(pinging) }

// bye sends the close frame that belongs to the end of the connection, if the peer can still read one.
func (s *session) bye(why error) {
	var last *ws.CloseError
	switch slow, ok := errors.AsType[*tooSlow](why); {
	case ok:
		last = &ws.CloseError{Code: ws.TryLater, Reason: slow.why}
	case errors.Is(why, errNotAllowed):
		last = &ws.CloseError{Code: ws.Policy, Reason: why.Error()}
	case errors.Is(why, errStopping):
		last = &ws.CloseError{Code: ws.GoingAway, Reason: "the server is stopping"}
	case errors.Is(why, errGone):
		last, _ = errors.AsType[*ws.CloseError](s.end)
	case errors.Is(why, errFull):
		last = &ws.CloseError{Code: ws.TryLater, Reason: why.Error()}
	}
	s.hub.cut(s.client, "websocket", why)
	if last != nil {
		_ = s.send(last.Frame()) // it may be gone
	}
}

// read takes what the client says until it ends.
func (s *session) read() {
	for {
		op, payload, err := s.conn.Read(maxCommand, s.hub.cfg.Heartbeat+patience)
		if err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				s.hub.log.Debug("silent client cut", "remote", s.remote)
			}
			s.end = err
			close(s.gone)
			s.conn.Discard(lastWords)
			return
		}
		switch op {
		case ws.Ping:
			s.reply(ws.AppendFrame(nil, ws.Pong, payload))
		case ws.Text:
			if answer := s.obey(payload); answer != nil {
				s.reply(note(socket, "", answer))
			}
		case ws.Binary:
			s.reply(note(socket, "", s.hub.trouble("", codeBinary, "messages are JSON in text frames")))
		}
	}
}

// reply hands a frame to the goroutine that sends. A client that asks without reading waits here.
func (s *session) reply(frame []byte) {
	select {
	case s.replies <- frame:
	case <-s.over:
	}
}

var pong = []byte(`{"type":"pong"}`)

// obey does what a message says, and returns the answer.
func (s *session) obey(text []byte) []byte {
	h := s.hub
	c, f := decodeCommand(text)
	if f != nil {
		return h.trouble("", f.code, f.detail)
	}
	if c.kind == "ping" {
		return pong
	}
	c.filter.Tenant = s.query.filter.Tenant
	topics, err := h.named(c.topics, "", c.filter.Tenant)
	if errors.Is(err, errNotForTenants) {
		return h.trouble("", codeForbidden, err.Error())
	} else if err != nil {
		return h.trouble("", codeTopic, err.Error())
	}
	if c.kind == "unsubscribe" {
		s.unsubscribe(topics)
		return nil
	}
	if c.interval == 0 {
		c.interval = s.query.interval
	}
	h.await(context.Background(), topics)
	if _, err := s.subscribe(wish{topics: topics, filter: c.filter, interval: c.interval}); err != nil {
		return h.trouble("", codeFull, err.Error())
	}
	return nil
}
