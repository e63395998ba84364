package httpx

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/hxp-enterprise/hxp/internal/kit/inside"
)

// TestChangesAreTold: what changes something is told with who did it and both sides, and what asks is not.
func TestChangesAreTold(t *testing.T) {
	m := NewMux(discard, nil)
	var told []string
	m.Watch(func(_ *http.Request, c Change) {
		told = append(told, fmt.Sprintf("%s %s %d %s %s %s", c.Route, c.Target, c.Status, c.Who, c.Before, c.After))
	})
	answer := func(status int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }
	}
	m.HandleFunc("PUT /x/{name}", func(w http.ResponseWriter, r *http.Request) {
		Changed(r.Context(), nil, 7)
		ChangedBy(r.Context(), "ann")
		w.WriteHeader(http.StatusCreated)
	}, Open())
	m.HandleFunc("DELETE /x/{name}", answer(http.StatusNoContent))
	m.HandleFunc("DELETE /gone", answer(http.StatusNotFound))
	m.HandleFunc("PUT /half", func(w http.ResponseWriter, r *http.Request) {
		Changed(r.Context(), 1, (*int)(nil))
		w.WriteHeader(http.StatusServiceUnavailable) // it is changed, and cannot be shown
	})
	m.HandleFunc("PUT /panic", func(_ http.ResponseWriter, r *http.Request) {
		Changed(r.Context(), 1, 2)
		panic("after it")
	})
	m.HandleFunc("PUT /panic-before", func(http.ResponseWriter, *http.Request) { panic("before it") })
	m.HandleFunc("PUT /trial", func(w http.ResponseWriter, r *http.Request) { Unchanged(r.Context()) })
	m.HandleFunc("GET /x/{name}", answer(http.StatusOK))
	m.HandleFunc("POST /ask", answer(http.StatusOK), Open(), ChangesNothing())
	m.HandleFunc("POST /what-if", answer(http.StatusOK), Needs(Read))
	m.HandleFunc("POST /bring", answer(http.StatusOK), Needs(Ingest))
	m.HandleFunc("POST /passed-on", answer(http.StatusOK), JudgedElsewhere())
	for _, call := range []string{"PUT /x/a%2Fb", "DELETE /x/c", "DELETE /gone", "PUT /half", "PUT /panic", "PUT /panic-before", "PUT /trial", "GET /x/c", "HEAD /x/c", "POST /ask", "POST /what-if", "POST /bring", "POST /passed-on"} {
		method, path, _ := strings.Cut(call, " ")
		m.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(method, path, nil))
	}
	if want := []string{"PUT /x/{name} /x/a%2Fb 201 ann  7", "DELETE /x/{name} /x/c 204   ", "PUT /half /half 503  1 ", "PUT /panic /panic 500  1 2"}; !slices.Equal(told, want) {
		t.Errorf("told:\n%q\nwant:\n%q", told, want)
	}
}

// TestWhoLeavesHidesNothing: a change may be made of which somebody did not wait for the answer, so it is told all the same; what strangers begin is
// not.
func TestWhoLeavesHidesNothing(t *testing.T) {
	m := NewMux(discard, nil)
	var told []string
	m.Watch(func(_ *http.Request, c Change) {
		told = append(told, fmt.Sprintf("%s %d %s", c.Target, c.Status, c.Who))
	})
	ctx, leave := context.WithCancel(t.Context())
	away := func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Who") != "" {
			ChangedBy(r.Context(), r.Header.Get("Who"))
		}
		if r.URL.Query().Has("dry") {
			Unchanged(r.Context())
		}
		leave()
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	m.HandleFunc("PUT /x", away)
	m.HandleFunc("PUT /open", away, Open())
	for _, call := range []string{"/x", "/x?dry", "/open", "/open ann"} {
		path, who, _ := strings.Cut(call, " ")
		r := httptest.NewRequestWithContext(ctx, "PUT", path, nil)
		r.Header.Set("Who", who)
		m.ServeHTTP(httptest.NewRecorder(), r)
	}
	if want := []string{"/x 503 ", "/open 503 ann"}; !slices.Equal(told, want) {
		t.Errorf("told: %q, want %q", told, want)
	}
}

// TestFrom: the header counts where this process itself asks, and nowhere else.
func TestFrom(t *testing.T) {
	l := inside.Listen()
	defer l.Close()
	go func() {
		if c, err := l.Dial(context.Background()); err == nil {
			_ = c.Close()
		}
	}()
	ours, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	for _, c := range []struct {
		over         net.Conn
		remote, says string
		want         string
	}{
		{far, "192.0.2.1:99", "", "192.0.2.1"}, {far, "192.0.2.1:99", "10.0.0.1", "192.0.2.1"}, {far, "pipe", "", "pipe"},
		{ours, "127.0.0.1:0", "", "127.0.0.1"}, {ours, "127.0.0.1:0", "10.0.0.1", "10.0.0.1"},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r = r.WithContext(fromInside(r.Context(), c.over))
		if r.RemoteAddr = c.remote; c.says != "" {
			r.Header.Set(ForwardedFor, c.says)
		}
		if got := From(r); got != c.want {
			t.Errorf("%s that says %q: %s, want %s", c.remote, c.says, got, c.want)
		}
	}
}
