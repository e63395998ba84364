package httpx

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"time"
)

// recorder remembers the status of an answer. It stays transparent for http.ResponseController, flushing and hijacking. With a rest, each piece of
// the answer must be taken within it: who asks for much and reads nothing would hold a handler for ever.
type recorder struct {
	http.ResponseWriter
	status   int
	hijacked bool
	rest     time.Duration // 0 = as long as it takes
	http2    bool
	armed    time.Time
}

// piece is how many bytes of an answer must be taken within the rest.
const piece = 1 << 20

// arm moves the deadline of what is written, at most once a second.
func (r *recorder) arm() {
	if now := time.Now(); r.rest > 0 && now.Sub(r.armed) > time.Second {
		_ = http.NewResponseController(r.ResponseWriter).SetWriteDeadline(now.Add(r.rest)) // fails on writers of tests, which have no connection
		r.armed = now
	}
}

// disarm ends the deadline where it would cut an answer that pauses: HTTP/1 asks for it when it writes, HTTP/2 whenever it comes.
func (r *recorder) disarm() {
	if r.http2 && !r.armed.IsZero() {
		_ = http.NewResponseController(r.ResponseWriter).SetWriteDeadline(time.Time{})
		r.armed = time.Time{}
	}
}

func (r *recorder) WriteHeader(code int) {
	if r.status == 0 && (code < 100 || code > 199 || code == http.StatusSwitchingProtocols) {
		r.status = code
	}
	r.ResponseWriter.WriteHeader(code)
}

func (r *recorder) Write(p []byte) (n int, err error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	for more := true; more && err == nil; more = n < len(p) {
		var k int
		r.arm()
		k, err = r.ResponseWriter.Write(p[n:min(len(p), n+piece)])
		r.disarm()
		n += k
	}
	return n, err
}

// ReadFrom keeps sendfile for files.
func (r *recorder) ReadFrom(src io.Reader) (n int64, err error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	for err == nil {
		var k int64
		r.arm()
		k, err = io.CopyN(r.ResponseWriter, src, piece)
		r.disarm()
		n += k
	}
	if err == io.EOF {
		err = nil
	}
	return n, err
}

func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// Flush sends what is buffered.
func (r *recorder) Flush() { _ = r.FlushError() }

// FlushError is Flush for http.ResponseController: streams must learn that a client does not take what is sent.
func (r *recorder) FlushError() error {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	r.arm()
	defer r.disarm()
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
