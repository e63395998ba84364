package tap

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"sync"
	"time"
)

const (
	// idleUpstream is how long a connection to the upstream is kept for the next call. vLLM's server (uvicorn) closes its side
	// after 5 s; who writes onto a connection at that moment gets an error instead of an answer.
	idleUpstream = 4 * time.Second
	// replayable is the largest body that is read before it goes on, so that a call whose connection turned out to be closed
	// can be sent on another one.
	replayable = 64 << 10
	copyBuffer = 32 << 10
)

const requestID = "X-Request-Id"

// newTransport keeps as many connections as there are calls at the same time, and asks for no encoding of its own.
func newTransport(headerTimeout time.Duration) *http.Transport {
	dialer := net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}
	return &http.Transport{
		DialContext:           quickDial(&dialer),
		ForceAttemptHTTP2:     true,
		MaxIdleConnsPerHost:   1 << 16,
		IdleConnTimeout:       idleUpstream,
		TLSHandshakeTimeout:   10 * time.Second,
		ResponseHeaderTimeout: headerTimeout,
		ExpectContinueTimeout: time.Second,
		DisableCompression:    true,
	}
}

// newProxy hands everything on to the upstream as it is.
func newProxy(upstream *url.URL, via http.RoundTripper, m *metrics, log *slog.Logger) http.Handler {
	proxy := &httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { rewrite(r, upstream) },
		Transport:     via,
		FlushInterval: -1,
		BufferPool:    &buffers{},
		ErrorLog:      slog.NewLogLogger(log.Handler(), slog.LevelDebug), // answers that broke off; their events tell
		ModifyResponse: func(resp *http.Response) error {
			m.answered(resp.StatusCode)
			if resp.Header.Get(requestID) == "" {
				resp.Header.Set(requestID, resp.Request.Header.Get(requestID))
			}
			return nil
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			if r.Context().Err() != nil { // nobody is there to hear it
				panic(http.ErrAbortHandler)
			}
			m.failed.Inc()
			refuse(w, r, upstream, err)
		},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header()["Content-Type"], w.Header()["Date"] = nil, nil // where the upstream names none, net/http must not guess
		proxy.ServeHTTP(w, buffered(r))
	})
}

// rewrite addresses a request to the upstream and undoes what ReverseProxy changes for the sake of other proxies.
func rewrite(r *httputil.ProxyRequest, upstream *url.URL) {
	r.SetURL(upstream)
	r.Out.URL.RawQuery = r.In.URL.RawQuery
	r.Out.Trailer = r.In.Trailer // it is filled when the body has been read
	for _, h := range [...]string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"} {
		if v, ok := r.In.Header[h]; ok {
			r.Out.Header[h] = v
		}
	}
}

// buffered reads a small body, so that it can be sent twice. A client that waits for "100 Continue" asks the upstream, not us.
func buffered(r *http.Request) *http.Request {
	if r.ContentLength <= 0 || r.ContentLength > replayable || r.Header.Get("Expect") != "" {
		return r
	}
	b := make([]byte, r.ContentLength)
	if _, err := io.ReadFull(r.Body, b); err != nil {
		panic(http.ErrAbortHandler) // the client did not send all of it
	}
	r = r.WithContext(r.Context()) // net/http looks at the body of its own request at the end
	r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil }
	r.Body, _ = r.GetBody()
	return r
}

// refuse answers for an upstream that does not, in the form that clients of OpenAI's API understand.
func refuse(w http.ResponseWriter, r *http.Request, upstream *url.URL, err error) {
	status, kind, what := http.StatusBadGateway, "upstream_unreachable", "does not answer"
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		status, kind, what = http.StatusGatewayTimeout, "upstream_timeout", "did not answer in time"
	}
	answer(w, r, status, kind, "the server behind hxp tap, "+upstream.Host+", "+what+": "+err.Error())
}

// answer is an error in the form of OpenAI's API.
func answer(w http.ResponseWriter, r *http.Request, status int, kind, message string) {
	type fault struct {
		Message string `json:"message"`
		Type    string `json:"type"`
		Code    string `json:"code"`
	}
	body, _ := json.Marshal(map[string]fault{"error": {message, kind, strconv.Itoa(status)}})
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set(requestID, r.Header.Get(requestID))
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// buffers lends the memory through which bodies are copied.
type buffers struct{ pool sync.Pool }

func (b *buffers) Get() []byte {
	if p, ok := b.pool.Get().(*[copyBuffer]byte); ok {
		return p[:]
	}
	return new([copyBuffer]byte)[:]
}

func (b *buffers) Put(p []byte) { b.pool.Put((*[copyBuffer]byte)(p)) }
