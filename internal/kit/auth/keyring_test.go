package auth

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var discard = slog.New(slog.DiscardHandler)

// clock is a time that a test moves.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

func bearing(header ...string) *http.Request {
	r := httptest.NewRequest("GET", "/analytics", nil)
	for _, h := range header {
		r.Header.Add("Authorization", h)
	}
	return r
}

// knows tells whether a keyring takes a token, and why not.
func knows(k *Keyring, text string) (*Principal, Reason) {
	p, err := k.Authenticate(bearing("Bearer " + text))
	if err != nil {
		return nil, refusalOf(err).Reason
	}
	return p, ""
}

func ended(p *Principal) bool {
	select {
	case <-p.Ended:
		return true
	default:
		return false
	}
}

func opened(t *testing.T, f File, c *clock) *Keyring {
	t.Helper()
	k, err := OpenKeyring(f.Path, discard, c.now)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestKeyringFollowsTheFile(t *testing.T) {
	f, c := newFile(t), &clock{noon}
	k := opened(t, f, c) // before there is a file
	stays, staysText := create(t, f, "stays", httpx.Read)
	_, leavesText := create(t, f, "leaves", httpx.Read)
	if _, why := knows(k, staysText); why != Unknown {
		t.Errorf("known before the file was looked at: %q", why)
	}
	k.look()
	p, _ := knows(k, staysText)
	leaver, _ := knows(k, leavesText)
	if p == nil || p.ID != stays.ID || p.Name != "stays" || leaver == nil {
		t.Fatal(p, leaver)
	}
	if _, err := f.Revoke("leaves"); err != nil {
		t.Fatal(err)
	}
	k.look()
	if _, why := knows(k, leavesText); why != Unknown || !ended(leaver) {
		t.Errorf("a revoked token: %q, ended %v", why, ended(leaver))
	}
	if again, _ := knows(k, staysText); again == nil || ended(p) || ended(again) {
		t.Error("a token that nobody touched does not go on")
	}
}

func TestRotationHasItsGrace(t *testing.T) {
	f, c := newFile(t), &clock{noon}
	_, old := create(t, f, "n", httpx.Read)
	k := opened(t, f, c)
	held, _ := knows(k, old)
	_, next, err := f.Rotate("n", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	k.look()
	if p, _ := knows(k, old); p == nil || ended(held) {
		t.Error("the secret before does not count in its grace")
	}
	if p, _ := knows(k, next); p == nil {
		t.Error("the new secret does not count")
	}
	c.at = noon.Add(time.Minute)
	if _, why := knows(k, old); why != Expired { // before the file is looked at
		t.Errorf("after its grace: %q", why)
	}
	k.look()
	if _, why := knows(k, old); why != Expired || !ended(held) {
		t.Errorf("after its grace: %q, ended %v", why, ended(held))
	}
	if p, _ := knows(k, next); p == nil || ended(p) {
		t.Error("the new secret ended with the old one")
	}
	if _, _, err := f.Rotate("n", 0); err != nil {
		t.Fatal(err)
	}
	k.look()
	if _, why := knows(k, next); why != Unknown {
		t.Errorf("without grace: %q", why)
	}
}

func TestTokensEnd(t *testing.T) {
	f, c := newFile(t), &clock{noon}
	_, text, err := f.Create("n", Of(httpx.Read), "", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	k := opened(t, f, c)
	p, _ := knows(k, text)
	c.at = noon.Add(time.Hour)
	k.look()
	if _, why := knows(k, text); why != Expired || !ended(p) {
		t.Errorf("%q, ended %v", why, ended(p))
	}
	create(t, f, "other", httpx.Read)
	k.look() // what has ended is not ended again
	if _, why := knows(k, text); why != Expired {
		t.Errorf("%q", why)
	}
}

// Less power ends what began with more.
func TestChangedTokenEndsWhatItBegan(t *testing.T) {
	f, c := newFile(t), &clock{noon}
	_, text := create(t, f, "n", httpx.Read, httpx.Admin)
	k := opened(t, f, c)
	p, _ := knows(k, text)
	less := strings.Replace(contents(t, f), `"admin"`, `"act"`, 1)
	if err := os.WriteFile(f.Path, []byte(less), 0o600); err != nil {
		t.Fatal(err)
	}
	k.look()
	if now, _ := knows(k, text); now == nil || now.Scopes != Of(httpx.Read, httpx.Act) || !ended(p) || ended(now) {
		t.Errorf("%v, ended %v", now, ended(p))
	}
}

func TestBrokenFile(t *testing.T) {
	f, c := newFile(t), &clock{noon}
	_, text := create(t, f, "n", httpx.Read)
	whole := contents(t, f)
	var out bytes.Buffer
	k, err := OpenKeyring(f.Path, slog.New(slog.NewTextHandler(&out, nil)), c.now)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(f.Path, []byte(whole[:len(whole)/2]), 0o600); err != nil {
		t.Fatal(err)
	}
	k.look()
	k.look()
	if p, _ := knows(k, text); p == nil || k.Trouble() == "" || strings.Count(out.String(), "level=ERROR") != 1 {
		t.Errorf("%v %q %s", p, k.Trouble(), out.String())
	}
	if err := os.WriteFile(f.Path, []byte(whole), 0o600); err != nil {
		t.Fatal(err)
	}
	k.look()
	if k.Trouble() != "" {
		t.Error(k.Trouble())
	}
	if err := os.Remove(f.Path); err != nil {
		t.Fatal(err)
	}
	k.look()
	if _, why := knows(k, text); why != Unknown || strings.Count(out.String(), "level=ERROR") != 2 {
		t.Errorf("without a file: %q %s", why, out.String())
	}
	if _, secret, _ := split(text); strings.Contains(out.String(), secret) {
		t.Error("a secret is in the log")
	}
	if err := os.WriteFile(f.Path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenKeyring(f.Path, discard, c.now); err == nil {
		t.Error("a broken file is opened at the start")
	}
}

func TestChangesAreTold(t *testing.T) {
	f, c := newFile(t), &clock{noon}
	a, _ := create(t, f, "a", httpx.Read)
	create(t, f, "b", httpx.Read)
	k := opened(t, f, c)
	var told []string
	k.Changed = func(list []TokenChange) {
		for _, c := range list {
			told = append(told, c.What+" "+c.Token().Name)
		}
	}
	if _, err := f.Revoke("b"); err != nil {
		t.Fatal(err)
	}
	create(t, f, "c", httpx.Act)
	if _, _, err := f.Rotate(a.ID, 0); err != nil {
		t.Fatal(err)
	}
	k.look()
	k.look()
	if got := strings.Join(told, ", "); got != "rotated a, created c, revoked b" {
		t.Error(got)
	}
	if err := os.WriteFile(f.Path, []byte(strings.Replace(contents(t, f), `"act"`, `"approve"`, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	k.look()
	if got := told[len(told)-1]; got != "changed c" {
		t.Error(got)
	}
}

func TestBearer(t *testing.T) {
	f, c := newFile(t), &clock{noon}
	_, text := create(t, f, "n", httpx.Read)
	k := opened(t, f, c)
	for _, x := range []struct {
		header []string
		why    Reason // "" = taken, "none" = no credential of this kind
	}{
		{[]string{"Bearer " + text}, ""},
		{[]string{"bearer " + text}, ""},
		{[]string{"BEARER  " + text + " "}, ""},
		{nil, "none"},
		{[]string{"Basic YTpi"}, "none"},
		{[]string{text}, "none"},
		{[]string{"Bearer"}, Malformed},
		{[]string{"Bearer "}, Malformed},
		{[]string{"Bearer hxp_" + strings.Repeat("a", 48)}, Malformed},
		{[]string{"Bearer " + text + "a"}, Unknown},
		{[]string{"Bearer " + text[:len(text)-1]}, Unknown},
		{[]string{"Bearer " + strings.ToUpper(text)}, Malformed},
		{[]string{"Bearer " + text, "Bearer " + text}, Malformed},
		{[]string{"Bearer hxp_" + strings.Repeat("a", 10_000) + "_b"}, Malformed},
	} {
		p, err := k.Authenticate(bearing(x.header...))
		got := Reason("none")
		if err != nil {
			got = refusalOf(err).Reason
		} else if p != nil {
			got = ""
		}
		if got != x.why {
			t.Errorf("%.60q: %q, want %q", x.header, got, x.why)
		}
	}
}

func TestKeyringRuns(t *testing.T) {
	f := newFile(t)
	synctest.Test(t, func(t *testing.T) {
		k, err := OpenKeyring(f.Path, discard, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		over := make(chan error)
		go func() { over <- k.Run(ctx) }()
		_, text := create(t, f, "n", httpx.Read)
		time.Sleep(followEvery + time.Millisecond) // of the bubble
		synctest.Wait()
		if p, why := knows(k, text); p == nil {
			t.Errorf("after %s: %q", followEvery, why)
		}
		stop()
		if err := <-over; err != nil {
			t.Error(err)
		}
	})
}
