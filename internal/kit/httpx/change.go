package httpx

import (
	"context"
	"encoding/json"
	"net/http"
)

// Change is a request that changed something.
type Change struct {
	Route  string // "PUT /rules/{name}"
	Target string // path that was asked
	Who    string // as the handler told it by ChangedBy, "" = who the guard let in
	Status int
	Before json.RawMessage // as the handler told it by Changed; nil = it did not
	After  json.RawMessage
}

// Watch lets f hear of every change once it is made. It is called before the end of the answer, so that what fits into the buffer of the server is
// not sent earlier. Call it before the first request.
func (m *Mux) Watch(f func(r *http.Request, c Change)) { m.watch = f }

// sides are what a handler says of a change.
type sides struct {
	before, after json.RawMessage
	unchanged     bool
	who           string
}

type sidesKey struct{}

// Changed says what a request changed: what was there before, and what is there now; nil is nothing. Both stand in the log of changes for ever, so
// they hold no secret and nothing of the people whose events are counted. Said twice, the last holds. A change that was told counts whatever the
// answer is: it may be made and its answer fail.
func Changed(ctx context.Context, before, after any) {
	if s, ok := ctx.Value(sidesKey{}).(*sides); ok {
		s.before, s.after = text(before), text(after)
	}
}

// Unchanged says that a request was a dry run, or found things as it wanted them, and left them so.
func Unchanged(ctx context.Context) {
	if s, ok := ctx.Value(sidesKey{}).(*sides); ok {
		s.unchanged = true
	}
}

// ChangedBy says who changed something, where the route is open to all and its handler finds out by itself who asks.
func ChangedBy(ctx context.Context, who string) {
	if s, ok := ctx.Value(sidesKey{}).(*sides); ok {
		s.who = who
	}
}

// ChangesNothing says of a route that is no GET that it asks, or says who somebody is, and is no change.
func ChangesNothing() Option { return func(r *Route) { r.asks = true } }

func text(v any) json.RawMessage {
	out, err := json.Marshal(v)
	if err != nil || string(out) == "null" {
		return nil // numbers that JSON does not know, or a pointer to nothing
	}
	return out
}

// changes tells whether a request of a method through the route changes something that an audit is about. Bringing events does not, nor a question
// that is put as a POST, nor what another service judges, and records.
func (rt *Route) changes(method string) bool {
	if method == http.MethodGet || method == http.MethodHead || rt.asks {
		return false
	}
	if rt.Access.Open {
		return true
	}
	for _, s := range rt.Access.Scopes {
		if s == Read || s == Ingest {
			return false
		}
	}
	return len(rt.Access.Scopes) > 0
}

// watched runs the handler of a change, and tells of it when it was made, also by a handler that panics after it.
func (e *endpoint) watched(w *recorder, r *http.Request) {
	s, code := &sides{}, http.StatusInternalServerError
	r = r.WithContext(context.WithValue(r.Context(), sidesKey{}, s))
	defer func() {
		told := s.before != nil || s.after != nil
		left := r.Context().Err() != nil && (s.who != "" || !e.route.Access.Open) // before the answer, which hides nothing: it may be made
		if told || (code < 400 || left) && !s.unchanged {
			e.mux.watch(r, Change{Route: e.route.Method + " " + e.route.Path, Target: r.URL.EscapedPath(), Status: code, Who: s.who, Before: s.before, After: s.after})
		}
	}()
	e.next.ServeHTTP(w, r)
	code = w.code()
}
