package auth

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

// desk is a file of tokens with what asks for them.
type desk struct {
	file     File
	keys     *Keyring
	sessions *Sessions
}

func newDesk(t *testing.T, life time.Duration) *desk {
	t.Helper()
	h := &desk{file: File{Path: filepath.Join(t.TempDir(), "tokens.json"), Now: time.Now}}
	keys, err := OpenKeyring(h.file.Path, slog.New(slog.DiscardHandler), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	h.keys, h.sessions = keys, NewSessions(keys, life)
	return h
}

func (h *desk) token(t *testing.T, scopes ...httpx.Scope) (id, text string) {
	t.Helper()
	made, text, err := h.file.Create("ann", Of(scopes...), "", 0)
	if err != nil {
		t.Fatal(err)
	}
	h.keys.look()
	return made.ID, text
}

// serve runs the sessions until the test ends.
func (h *desk) serve(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	sessions := h.sessions // the next process has others
	go func() { ended <- sessions.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-ended })
}

// logIn shows a token and returns the request of a browser that has the cookie.
func (h *desk) logIn(t *testing.T, token string) *http.Request {
	t.Helper()
	w := httptest.NewRecorder()
	if _, err := h.sessions.LogIn(w, httptest.NewRequest("POST", "/login", nil), token, httpx.Read); err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest("GET", "/", nil)
	for _, c := range w.Result().Cookies() {
		r.AddCookie(c)
	}
	return r
}

func (h *desk) who(r *http.Request) string {
	p, err := h.sessions.Authenticate(r)
	switch {
	case err != nil:
		return "refused: " + err.Error()
	case p == nil:
		return "nobody"
	}
	return p.Name
}

func TestSession(t *testing.T) {
	h := newDesk(t, time.Hour)
	h.serve(t)
	id, token := h.token(t, httpx.Read)
	r := h.logIn(t, token)
	if got := h.who(r); got != "ann" {
		t.Fatalf("%s has a session", got)
	}
	if got := h.sessions.Token(r); got != token {
		t.Error("the session forgets its token")
	}
	if got := h.who(httptest.NewRequest("GET", "/", nil)); got != "nobody" {
		t.Errorf("%s without a cookie", got)
	}
	forged := httptest.NewRequest("GET", "/", nil)
	forged.AddCookie(&http.Cookie{Name: sessionCookie, Value: token})
	if got := h.who(forged); !strings.HasPrefix(got, "refused") {
		t.Errorf("%s with a cookie that nobody gave", got)
	}
	p, _ := h.sessions.Authenticate(r)
	if _, err := h.file.Revoke(id); err != nil {
		t.Fatal(err)
	}
	h.keys.look()
	<-p.Ended
	if got := h.who(r); !strings.HasPrefix(got, "refused") {
		t.Errorf("%s after the token was revoked", got)
	}
}

func TestLogOut(t *testing.T) {
	h := newDesk(t, time.Hour)
	h.serve(t)
	_, token := h.token(t, httpx.Read)
	first, second := h.logIn(t, token), h.logIn(t, token)
	w := httptest.NewRecorder()
	h.sessions.LogOut(w, first)
	if c := w.Result().Cookies(); len(c) != 1 || c[0].MaxAge >= 0 || c[0].Value != "" {
		t.Errorf("the cookie is not taken away: %v", c)
	}
	if got := h.who(first); !strings.HasPrefix(got, "refused") {
		t.Errorf("%s after the logout", got)
	}
	if got := h.who(second); got != "ann" {
		t.Errorf("%s in the other browser", got)
	}
	h.sessions.LogOut(httptest.NewRecorder(), httptest.NewRequest("POST", "/logout", nil)) // of one who is not logged in
}

func TestLogInRefuses(t *testing.T) {
	h := newDesk(t, time.Hour)
	h.serve(t)
	_, ingest := h.token(t, httpx.Ingest)
	_, read := h.token(t, httpx.Read)
	for token, want := range map[string]string{"": "no token of hxp", "x": "no token of hxp", "hxp_a_b": "not known", read + "x": "not known", ingest: "scope read"} {
		w := httptest.NewRecorder()
		if _, err := h.sessions.LogIn(w, httptest.NewRequest("POST", "/login", nil), token, httpx.Read); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.12q: %v, want %q", token, err, want)
		} else if strings.Contains(err.Error(), read[12:]) {
			t.Errorf("the refusal tells the token: %v", err)
		}
		if len(w.Result().Cookies()) > 0 {
			t.Errorf("%.12q gets a cookie", token)
		}
	}
}

func TestCookie(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*http.Request)
		name   string
		secure bool
	}{
		"plain":        {func(*http.Request) {}, "hxp_session", false},
		"TLS":          {func(r *http.Request) { r.TLS = &tls.ConnectionState{} }, "__Host-hxp_session", true},
		"behind proxy": {func(r *http.Request) { r.Header.Set("X-Forwarded-Proto", "https") }, "__Host-hxp_session", true},
	} {
		r := httptest.NewRequest("POST", "/login", nil)
		c.change(r)
		got := cookieFor(r, "v", time.Hour)
		if got.Name != c.name || got.Secure != c.secure || !got.HttpOnly || got.SameSite != http.SameSiteStrictMode || got.Path != "/" || got.Domain != "" || got.MaxAge != 3600 {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestAPlantedCookieIsNoneOverTLS: the plain one counts where there is no other.
func TestAPlantedCookieIsNoneOverTLS(t *testing.T) {
	h := newDesk(t, time.Hour)
	h.serve(t)
	_, token := h.token(t, httpx.Read)
	r := h.logIn(t, token)
	if got := h.who(r); got != "ann" {
		t.Fatalf("%s has a session", got)
	}
	r.TLS = &tls.ConnectionState{}
	if got := h.who(r); got != "nobody" {
		t.Errorf("%s by the plain cookie, over TLS", got)
	}
}

func TestSessionsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newDesk(t, time.Hour)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- h.sessions.Run(ctx) }()
		_, token := h.token(t, httpx.Read)
		early := h.logIn(t, token)
		time.Sleep(30 * time.Minute)
		late := h.logIn(t, token)
		time.Sleep(31 * time.Minute)
		synctest.Wait()
		if got := h.who(early); !strings.HasPrefix(got, "refused") {
			t.Errorf("%s after an hour", got)
		}
		if got := h.who(late); got != "ann" {
			t.Errorf("%s after half an hour", got)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if got := h.who(late); !strings.HasPrefix(got, "refused") {
			t.Errorf("%s after the end", got)
		}
		if _, err := h.sessions.LogIn(httptest.NewRecorder(), httptest.NewRequest("POST", "/login", nil), token, httpx.Read); err == nil {
			t.Error("a session begins after the end")
		}
	})
}

// TestSessionsAreBounded: the oldest gives its place up, of the same token where that has many.
func TestSessionsAreBounded(t *testing.T) {
	h := newDesk(t, time.Hour)
	h.serve(t)
	_, one := h.token(t, httpx.Read)
	_, other := h.token(t, httpx.Read)
	_, third := h.token(t, httpx.Read)
	of := h.logIn(t, other)
	first := h.logIn(t, one)
	for range maxSessions {
		h.logIn(t, one)
	}
	if a, b := h.who(first), h.who(of); !strings.HasPrefix(a, "refused") || b != "ann" {
		t.Errorf("after %d others of a token: %s, and of another token: %s", maxSessions, a, b)
	}
	for range sessionsEach {
		h.logIn(t, third)
	}
	if got := h.who(of); !strings.HasPrefix(got, "refused") {
		t.Errorf("%s has the oldest session of all, when there is no place", got)
	}
	h.sessions.mu.Lock()
	defer h.sessions.mu.Unlock()
	if len(h.sessions.open) != maxSessions {
		t.Errorf("%d sessions are open", len(h.sessions.open))
	}
}

func TestTickets(t *testing.T) {
	now := time.Now()
	box := NewTickets(func() time.Time { return now })
	p := &Principal{ID: "i", Name: "ann", Scopes: Of(httpx.Read)}
	ask := func(method, target string) string {
		got, err := box.Authenticate(httptest.NewRequest(method, target, nil))
		switch {
		case err != nil:
			return "refused"
		case got == nil:
			return "nobody"
		case !got.Ticket:
			return "not by a ticket"
		}
		return got.Name
	}
	ticket := func() string {
		text, until, err := box.Issue(p)
		if err != nil || !until.Equal(now.Add(ticketLife)) {
			t.Fatal(until, err)
		}
		return text
	}
	one := ticket()
	for _, c := range []struct{ method, target, want string }{
		{"GET", "/analytics?ticket=" + one, "nobody"},
		{"POST", "/ws?ticket=" + one, "nobody"},
		{"GET", "/wsx?ticket=" + one, "nobody"},
		{"GET", "/ws", "nobody"},
		{"GET", "/ws?ticket=" + one + "x", "refused"},
		{"GET", "/ws/metrics?topics=metrics&ticket=" + one, "ann"},
		{"GET", "/ws/metrics?ticket=" + one, "refused"},
		{"GET", "/stream?ticket=" + ticket(), "ann"},
	} {
		if got := ask(c.method, c.target); got != c.want {
			t.Errorf("%s %.30s: %s, want %s", c.method, c.target, got, c.want)
		}
	}
	ended := make(chan struct{})
	p.Ended = ended
	for _, want := range []string{"ann", "refused"} {
		of := ticket()
		if want == "refused" {
			close(ended)
		}
		if got := ask("GET", "/ws?ticket="+of); got != want {
			t.Errorf("%s with the ticket of a token that was revoked, or not yet; want %s", got, want)
		}
	}
	p.Ended = nil
	late := ticket()
	now = now.Add(ticketLife)
	if got := ask("GET", "/ws?ticket="+late); got != "refused" {
		t.Errorf("%s with a ticket that is over", got)
	}
	for range ticketsEach {
		ticket()
	}
	if _, _, err := box.Issue(p); err != ErrTickets {
		t.Errorf("one more than a token may have: %v", err)
	}
	p = &Principal{ID: "j", Name: "bob"}
	for range maxTickets - ticketsEach {
		ticket()
	}
	if _, _, err := box.Issue(&Principal{ID: "k"}); err != ErrTickets {
		t.Errorf("one more than there are places: %v", err)
	}
	now = now.Add(ticketLife)
	ticket()
}
