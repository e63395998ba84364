package httpx

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hxp-enterprise/hxp/internal/kit/sorting"
	"github.com/hxp-enterprise/hxp/internal/kit/telemetry"
)

// Mux is an http.ServeMux with manners. Patterns are those of net/http with a method ("GET /topics/{name}"); GET answers HEAD
// as well. Around each handler: request id, header limit, refusal of cross-site writes, panics as 500, access metrics. What
// matches no route is answered 404 or 405 as problem+json.
type Mux struct {
	log      *slog.Logger
	mux      *http.ServeMux
	guard    *http.CrossOriginProtection
	doors    Guard // nil = everybody may come in
	watch    func(*http.Request, Change)
	requests *telemetry.CounterVec
	seconds  *telemetry.HistogramVec
	bodyRest time.Duration // longest pause in the middle of a body
	tracer   *telemetry.Tracer

	answerRest time.Duration // in which each piece of an answer must be taken

	mu     sync.Mutex
	routes []Route
}

// NewMux makes a mux that logs to log and counts in reg (nil: nowhere).
func NewMux(log *slog.Logger, reg *telemetry.Registry) *Mux {
	return &Mux{
		log: log, mux: http.NewServeMux(), guard: http.NewCrossOriginProtection(), bodyRest: 30 * time.Second, answerRest: time.Minute, tracer: reg.Tracer(),
		requests: reg.CounterVec("hxp_http_requests_total", "HTTP requests answered, by route, method and status.", "route", "method", "code"),
		seconds:  reg.HistogramVec("hxp_http_request_duration_seconds", "Time from the headers of a request to the end of its answer; streams are left out.", nil, "route"),
	}
}

// Handle adds a route. Options describe it for /openapi.json and /docs. Two equal patterns panic, as in net/http.
func (m *Mux) Handle(pattern string, h http.Handler, opts ...Option) {
	rt := newRoute(pattern, opts)
	m.mux.Handle(pattern, &endpoint{mux: m, route: rt, next: h})
	m.describe(rt)
}

func newRoute(pattern string, opts []Option) Route {
	method, path, ok := strings.Cut(pattern, " ")
	if !ok {
		method, path = "", pattern
	}
	rt := Route{Method: method, Path: strings.TrimSpace(path)}
	rt.Access = usualAccess(rt.Method, rt.Path)
	for _, o := range opts {
		o(&rt)
	}
	return rt
}

// Describe describes an endpoint that a wider, hidden route serves.
func (m *Mux) Describe(pattern string, opts ...Option) { m.describe(newRoute(pattern, opts)) }

func (m *Mux) describe(rt Route) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.routes = append(m.routes, rt)
}

// HandleFunc is Handle with a function.
func (m *Mux) HandleFunc(pattern string, h http.HandlerFunc, opts ...Option) {
	m.Handle(pattern, h, opts...)
}

// TrustOrigin lets pages of another origin ("https://host:port") send writes.
func (m *Mux) TrustOrigin(origin string) error { return m.guard.AddTrustedOrigin(origin) }

// Routes lists what was added, by path and method.
func (m *Mux) Routes() []Route {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := slices.Clone(m.routes)
	sorting.StableBy(out, func(a, b Route) int {
		if c := strings.Compare(a.Path, b.Path); c != 0 {
			return c
		}
		return strings.Compare(a.Method, b.Method)
	})
	return out
}

// ServeHTTP finds the route of a request and answers what no route should see.
func (m *Mux) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r = r.WithContext(context.WithValue(r.Context(), requestIDKey{}, requestID(w, r)))
	bare(w.Header())
	if n := headerBytes(r); n > HeaderLimit {
		w.Header().Set("Connection", "close")
		m.refuse(w, r, http.StatusRequestHeaderFieldsTooLarge, fmt.Sprintf("the headers take %d bytes; at most %d are taken", n, HeaderLimit))
		return
	}
	if err := m.guard.Check(r); err != nil {
		m.refuse(w, r, http.StatusForbidden, "a write that a browser sends from another site is refused: "+err.Error())
		return
	}
	if err := readable(r.URL.RawQuery); err != nil { // a parameter that cannot be read would be as if it were not there
		m.refuse(w, r, http.StatusBadRequest, "the query cannot be read: "+err.Error()+"; write %3B for ; and %25 for %")
		return
	}
	a := attempt{ResponseWriter: w}
	m.mux.ServeHTTP(&a, r)
	if !a.routed && m.known(w, r) {
		m.noRoute(w, r, &a)
	}
}

// known tells whether somebody who asks for what does not exist has said who he is; it answers who has not.
func (m *Mux) known(w http.ResponseWriter, r *http.Request) bool {
	if m.doors == nil {
		return true
	}
	rec := &recorder{ResponseWriter: w}
	if m.doors.Admit(rec, r, unrouted) != nil {
		return true
	}
	m.requests.WithLabelValues("none", method(r.Method), strconv.Itoa(rec.code())).Inc()
	return false
}

// readable tells what is wrong with a query.
func readable(query string) error {
	if !strings.ContainsAny(query, ";%") {
		return nil
	}
	_, err := url.ParseQuery(query)
	return err
}

// noRoute passes on what net/http said of a request without a route: unknown path, unknown method, or go there instead.
func (m *Mux) noRoute(w http.ResponseWriter, r *http.Request, a *attempt) {
	switch {
	case a.status == http.StatusMethodNotAllowed:
		allow := a.header.Get("Allow")
		w.Header().Set("Allow", allow)
		m.refuse(w, r, a.status, fmt.Sprintf("%s is not possible here; use %s", r.Method, allow))
	case a.status >= 300 && a.status < 400:
		w.Header().Set("Location", a.header.Get("Location"))
		w.WriteHeader(a.status)
	default:
		m.refuse(w, r, http.StatusNotFound, "no such path here; GET /docs lists them")
	}
}

// refuse answers before any route is reached.
func (m *Mux) refuse(w http.ResponseWriter, r *http.Request, status int, detail string) {
	Problem(w, r, status, detail)
	m.requests.WithLabelValues("none", method(r.Method), strconv.Itoa(status)).Inc()
}

// endpoint is one route with what stands around its handler.
type endpoint struct {
	mux   *Mux
	route Route
	next  http.Handler
}

func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	if a, ok := w.(*attempt); ok {
		a.routed = true
		w = a.ResponseWriter
	}
	rec := &recorder{ResponseWriter: w, http2: r.ProtoMajor > 1}
	if !e.route.stream { // streams have their own patience
		rec.rest = e.mux.answerRest
	}
	span, r := e.trace(r, began)
	defer func() {
		if v := recover(); v != nil {
			e.recovered(rec, r, v) // panics again for http.ErrAbortHandler
		}
		e.mux.requests.WithLabelValues(e.route.Path, method(r.Method), strconv.Itoa(rec.code())).Inc()
		if !e.route.stream {
			e.mux.seconds.WithLabelValues(e.route.Path).Observe(time.Since(began).Seconds())
		}
		endSpan(span, rec.code())
		if !rec.http2 && !rec.hijacked {
			rec.arm() // for what net/http still holds
		}
	}()
	if r.Body != nil && r.Body != http.NoBody {
		body := &patientBody{ReadCloser: r.Body, ctl: http.NewResponseController(w), rest: e.mux.bodyRest}
		if e.route.Access.Open { // a stranger's is small, and a byte at a time it could take for ever
			body.until = began.Add(e.mux.bodyRest)
		}
		defer body.leave()
		r.Body = body
	}
	if e.mux.doors != nil {
		admitted := e.mux.doors.Admit(rec, r, &e.route.Access)
		if admitted == nil {
			return
		}
		r = admitted
	}
	if e.route.stream && r.Method == http.MethodHead {
		rec.WriteHeader(http.StatusOK) // a stream has no end, so its headers are made up here
		return
	}
	if e.mux.watch != nil && e.route.changes(r.Method) {
		e.watched(rec, r)
		return
	}
	e.next.ServeHTTP(rec, r)
}

// recovered answers a panic with 500, or cuts the connection when an answer has begun.
func (e *endpoint) recovered(w *recorder, r *http.Request, v any) {
	if v == http.ErrAbortHandler {
		panic(v)
	}
	e.mux.log.Error("handler panicked", "route", e.route.Method+" "+e.route.Path, "request_id", RequestID(r.Context()), "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
	if w.status != 0 || w.hijacked {
		panic(http.ErrAbortHandler)
	}
	clear(w.Header())
	bare(w.Header())
	w.Header().Set("X-Request-Id", RequestID(r.Context()))
	w.Header().Set("Connection", "close")
	Problem(w, r, http.StatusInternalServerError, "the service failed on this request; its log has the reason under request id "+RequestID(r.Context()))
}

// firstFrame is the place in a stack where a panic began, for one line.
func firstFrame(stack []byte) string {
	lines := bytes.Split(stack, []byte("\n"))
	for i, l := range lines {
		if bytes.HasPrefix(l, []byte("panic(")) && i+3 < len(lines) {
			return string(bytes.TrimSpace(lines[i+3]))
		}
	}
	return "unknown place"
}

// headerBytes is about what the request line and the headers took on the wire.
func headerBytes(r *http.Request) int {
	n := len(r.Method) + len(r.RequestURI) + len(r.Host)
	for k, vs := range r.Header {
		for _, v := range vs {
			n += len(k) + len(v) + 4
		}
	}
	return n
}

// method keeps the label within a closed list.
func method(m string) string {
	switch m {
	case "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS":
		return m
	}
	return "other"
}

type requestIDKey struct{}

// RequestID is the id of the request that a context belongs to: the client's X-Request-Id, or one made here.
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

// requestID takes the client's id when it is harmless, else makes one, and answers with it.
func requestID(w http.ResponseWriter, r *http.Request) string {
	id := r.Header.Get("X-Request-Id")
	if id == "" || len(id) > 128 || strings.ContainsFunc(id, func(c rune) bool { return c <= ' ' || c > '~' }) {
		id = rand.Text()
	}
	w.Header().Set("X-Request-Id", id)
	return id
}
