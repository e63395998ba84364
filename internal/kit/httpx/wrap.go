package httpx

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"time"
)

// recorder remembers the status of an answer. It stays transparent for http.ResponseController, flushing and hijacking.
type recorder struct {
	http.ResponseWriter
	status   int
	hijacked bool
}

func (r *recorder) WriteHeader(code int) {
	if r.status == 0 && (code < 100 || code > 199 || code == http.StatusSwitchingProtocols) {
		r.status = code
	}
	r.ResponseWriter.WriteHeader(code)
}

func (r *recorder) Write(p []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return r.ResponseWriter.Write(p)
}

// ReadFrom keeps sendfile for files.
func (r *recorder) ReadFrom(src io.Reader) (int64, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return io.Copy(r.ResponseWriter, src)
}

func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// Flush sends what is buffered.
func (r *recorder) Flush() { _ = r.FlushError() }

// FlushError is Flush for http.ResponseController: streams must learn that a client does not take what is sent.
func (r *recorder) FlushError() error {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return http.NewResponseController(r.ResponseWriter).Flush()
}

// Hijack hands the connection over, to WebSockets.
func (r *recorder) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	c, rw, err := http.NewResponseController(r.ResponseWriter).Hijack()
	if err == nil {
		r.hijacked = true
	}
	return c, rw, err
}

// code is the status that was answered.
func (r *recorder) code() int {
	switch {
	case r.status != 0:
		return r.status
	case r.hijacked:
		return http.StatusSwitchingProtocols
	}
	return http.StatusOK // net/http sends it for a handler that writes nothing
}

// patientBody bounds the pauses of a body: each read must bring something within rest, else it fails. There is no limit on the
// whole, which may be large, unless until says so.
type patientBody struct {
	io.ReadCloser
	ctl   *http.ResponseController
	rest  time.Duration
	until time.Time // when all of it must be there; zero = whenever
	armed time.Time
	whole bool // read to its end
}

func (b *patientBody) Read(p []byte) (int, error) {
	// The deadline is moved at most once a second, since each move costs a call into the poller.
	if now := time.Now(); now.Sub(b.armed) > time.Second {
		end := now.Add(b.rest)
		if !b.until.IsZero() && b.until.Before(end) {
			end = b.until
		}
		_ = b.ctl.SetReadDeadline(end) // fails on writers of tests, which have no connection
		b.armed = now
	}
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF {
		// net/http reads on by itself to see the client go; a deadline would look like that.
		_ = b.ctl.SetReadDeadline(time.Time{})
		b.whole = true
	}
	return n, err
}

// leave bounds how long net/http waits for the rest of a body that the handler did not want.
func (b *patientBody) leave() {
	if !b.whole {
		_ = b.ctl.SetReadDeadline(time.Now().Add(min(b.rest, 5*time.Second)))
	}
}

// attempt is handed to http.ServeMux: a route takes the real writer out of it, and what ServeMux itself answers is kept here.
type attempt struct {
	http.ResponseWriter
	routed bool
	status int
	header http.Header
}

func (a *attempt) Header() http.Header {
	if a.header == nil {
		a.header = http.Header{}
	}
	return a.header
}

func (a *attempt) Write(p []byte) (int, error) { return len(p), nil }
func (a *attempt) WriteHeader(code int)        { a.status = code }
