package sdk

import (
	"context"
	"io"
	"net/http"
	"sync"
	"time"
)

// Emitter takes events: a *Producer.
type Emitter interface {
	Emit(e Event) error
}

// Observer emits an llm_request event for each call of an LLM API that passes. It may be copied before it is used.
type Observer struct {
	To     Emitter
	Source string // of the events; what the Producer says when empty
	// Decoders undo further encodings of answers ("br", "zstd"); gzip and deflate are known. An answer in an encoding that
	// nobody knows passes like any other, and its tokens are not known.
	Decoders map[string]Decoder
}

func (o *Observer) begin(op string, r *http.Request) *call {
	c := newCall(time.Now(), op, r)
	c.decoders = o.Decoders
	return c
}

func (o *Observer) emit(c *call) {
	e := c.event(c.end(time.Now()))
	e.Source = o.Source
	_ = o.To.Emit(e) // the producer counts what it drops
}

// Handler watches the calls that next serves. A request without X-Request-Id gets one, which next sees.
func (o *Observer) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get(headerRequestID) == "" {
			r.Header.Set(headerRequestID, randomID())
		}
		op := operationOf(r)
		if op == "" {
			next.ServeHTTP(w, r)
			return
		}
		c := o.begin(op, r)
		client := r.Context()
		if r.Body != nil && r.Body != http.NoBody {
			r = r.WithContext(client) // net/http looks at the body of its own request at the end
			r.Body = &heard{r.Body, c}
		}
		out := &answer{ResponseWriter: w, call: c}
		returned := false
		defer func() { // also while a panic passes: http.ErrAbortHandler is how a handler cuts its answer off
			out.hear()
			c.left = c.left || client.Err() != nil
			c.cut, c.whole = !returned, returned && !c.left
			if c.status == 0 && returned {
				c.answers(http.StatusOK, w.Header())
			}
			o.emit(c)
		}()
		next.ServeHTTP(out, r)
		returned = true
	})
}

// heard is the body of a request that a call listens to.
type heard struct {
	io.ReadCloser
	call *call
}

func (h *heard) Read(b []byte) (int, error) {
	n, err := h.ReadCloser.Read(b)
	h.call.asks(b[:n])
	return n, err
}

// answer is a ResponseWriter that a call listens to. The call hears a piece when the client has it: a small one after its flush.
type answer struct {
	http.ResponseWriter
	call    *call
	unheard []byte // written, and perhaps not flushed yet
	written time.Time
}

// maxUnheard is the longest piece that is kept until its flush. A longer one does not wait in a buffer but went out at once.
const maxUnheard = 4 << 10

// hear lets the call read what was kept.
func (a *answer) hear() {
	if len(a.unheard) > 0 {
		a.call.says(a.written, a.unheard)
		a.unheard = a.unheard[:0]
	}
}

func (a *answer) WriteHeader(status int) {
	if status >= http.StatusOK && a.call.status == 0 {
		a.call.answers(status, a.Header())
	}
	a.ResponseWriter.WriteHeader(status)
}

func (a *answer) Write(b []byte) (int, error) {
	if a.call.status == 0 {
		a.call.answers(http.StatusOK, a.Header())
	}
	a.hear()
	now := time.Now()
	n, err := a.ResponseWriter.Write(b)
	if err != nil {
		a.call.left = true
	}
	if n > maxUnheard {
		a.call.says(now, b[:n])
	} else {
		a.unheard, a.written = append(a.unheard, b[:n]...), now
	}
	return n, err
}

// Flush sends what is buffered, for handlers that ask for an http.Flusher.
func (a *answer) Flush() { _ = a.FlushError() }

// FlushError is the form that http.ResponseController prefers.
func (a *answer) FlushError() error {
	err := http.NewResponseController(a.ResponseWriter).Flush()
	if err != nil {
		a.call.left = true
	}
	a.hear()
	return err
}

// Unwrap lets http.ResponseController find the rest.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// Transport watches the calls that go through next; nil means http.DefaultTransport. A request without X-Request-Id gets one.
func (o *Observer) Transport(next http.RoundTripper) http.RoundTripper {
	if next == nil {
		next = http.DefaultTransport
	}
	return &transport{o, next}
}

type transport struct {
	observer *Observer
	next     http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	op := operationOf(r)
	if op == "" {
		return t.next.RoundTrip(r)
	}
	r = r.Clone(r.Context())
	if r.Header.Get(headerRequestID) == "" {
		r.Header.Set(headerRequestID, randomID())
	}
	c := t.observer.begin(op, r)
	if r.Body != nil && r.Body != http.NoBody {
		r.Body = &heard{r.Body, c}
	}
	resp, err := t.next.RoundTrip(r)
	if err != nil {
		c.left = r.Context().Err() == context.Canceled
		c.fault = "connection"
		if r.Context().Err() == context.DeadlineExceeded {
			c.fault = "timeout"
		}
		t.observer.emit(c)
		return nil, err
	}
	c.answers(resp.StatusCode, resp.Header)
	resp.Body = &listened{ReadCloser: resp.Body, call: c, ctx: r.Context(), over: sync.OnceFunc(func() { t.observer.emit(c) })}
	return resp, nil
}

// listened is the body of an answer that a call listens to.
type listened struct {
	io.ReadCloser
	call *call
	ctx  context.Context
	over func()
}

func (l *listened) Read(b []byte) (int, error) {
	n, err := l.ReadCloser.Read(b)
	l.call.says(time.Now(), b[:n])
	switch {
	case err == io.EOF:
		l.call.whole = true
		l.over()
	case err != nil:
		l.call.left, l.call.cut = l.ctx.Err() == context.Canceled, true
		l.over()
	}
	return n, err
}

// Close ends the call. A body that was not read to its end was left by the client, unless it had come to its own end.
func (l *listened) Close() error {
	l.call.left = l.call.left || !l.call.whole
	l.over()
	return l.ReadCloser.Close()
}
