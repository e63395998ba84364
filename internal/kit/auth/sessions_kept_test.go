package auth

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

// restarted has the sessions of the next process, with the same files, and what ends that one.
func (h *desk) restarted(t *testing.T, file string, life time.Duration) (stop func()) {
	t.Helper()
	h.sessions = NewSessions(h.keys, life)
	if err := h.sessions.KeepIn(file); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- h.sessions.Run(ctx) }()
	return func() { cancel(); <-ended }
}

// TestSessionsOutliveTheProcess: a browser stays where it was over a restart, for as long as it may and its token counts.
func TestSessionsOutliveTheProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "state", "sessions.json")
		h := newDesk(t, 0)
		stop := h.restarted(t, file, 12*time.Hour)
		again := func(life time.Duration) {
			t.Helper()
			stop()
			stop = h.restarted(t, file, life)
		}
		want := func(r *http.Request, in bool, when string) {
			t.Helper()
			if got := h.who(r); (got == "ann") != in || !in && !strings.HasPrefix(got, "refused") {
				t.Errorf("%s %s", got, when)
			}
		}
		id, token := h.token(t, httpx.Read)
		second, other := h.token(t, httpx.Read)
		stays, out, revoked := h.logIn(t, token), h.logIn(t, token), h.logIn(t, other)
		h.sessions.LogOut(httptest.NewRecorder(), out)
		time.Sleep(time.Hour)
		again(12 * time.Hour)
		want(stays, true, "after a restart")
		want(revoked, true, "after a restart")
		want(out, false, "who had logged out")
		if got := h.sessions.Token(stays); got != token {
			t.Error("the session forgets its token over a restart")
		}
		stop()
		if _, err := h.file.Revoke(second); err != nil {
			t.Fatal(err)
		}
		h.keys.look()
		stop = h.restarted(t, file, 90*time.Minute) // the setting is shorter now
		want(revoked, false, "with a token that was revoked meanwhile")
		want(stays, true, "within 90 minutes")
		time.Sleep(31 * time.Minute)
		synctest.Wait()
		want(stays, false, "after 90 minutes")
		again(12 * time.Hour)
		if _, _, err := h.file.Rotate(id, 0); err != nil {
			t.Fatal(err)
		}
		h.keys.look()
		want(stays, false, "with a token that has another secret")
		stop()
	})
}

// TestTheFileOfSessionsOpensNothing: who reads it has neither a cookie nor a token.
func TestTheFileOfSessionsOpensNothing(t *testing.T) {
	file := filepath.Join(t.TempDir(), "sessions.json")
	h := newDesk(t, time.Hour)
	defer h.restarted(t, file, time.Hour)()
	_, token := h.token(t, httpx.Read)
	cookie, _ := h.logIn(t, token).Cookie(sessionCookie)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	_, secret, _ := split(token)
	for _, s := range []string{cookie.Value, token, secret} {
		if strings.Contains(string(text), s) {
			t.Error("the file has a secret in it")
		}
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info, err)
	}
	k := h.sessions.kept[digestOf(cookie.Value)]
	if got, ok := unseal(cookie.Value, k.Sealed); !ok || got != token {
		t.Error("the cookie does not open what is its own")
	}
	if _, ok := unseal(cookie.Value+"x", k.Sealed); ok {
		t.Error("another cookie opens it too")
	}
}

// TestSessionsThatCannotBeRead: they begin anew, and the next login writes the file.
func TestSessionsThatCannotBeRead(t *testing.T) {
	for _, text := range []string{"{", `{"version":2}`, `{"version":1,"sessions":[{"sha256":"x"}]}`} {
		file := filepath.Join(t.TempDir(), "sessions.json")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		h := newDesk(t, time.Hour)
		if err := h.sessions.KeepIn(file); err == nil || !strings.Contains(err.Error(), file) {
			t.Errorf("%s: %v", text, err)
		}
		h.serve(t)
		_, token := h.token(t, httpx.Read)
		r := h.logIn(t, token)
		stop := h.restarted(t, file, time.Hour)
		if got := h.who(r); got != "ann" {
			t.Errorf("%s after a file that could not be read", got)
		}
		stop()
	}
}

func FuzzUnseal(f *testing.F) {
	f.Add("secret", seal("secret", "token"))
	f.Add("", []byte{})
	f.Fuzz(func(t *testing.T, secret string, sealed []byte) {
		if token, ok := unseal(secret, sealed); ok && token != "token" {
			t.Errorf("%q opens %x: %q", secret, sealed, token)
		}
	})
}
