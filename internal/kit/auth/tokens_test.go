package auth

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func newFile(t *testing.T) File {
	t.Helper()
	return File{Path: filepath.Join(t.TempDir(), "sub", "tokens.json"), Now: func() time.Time { return noon }}
}

func create(t *testing.T, f File, name string, scopes ...httpx.Scope) (Token, string) {
	t.Helper()
	tok, text, err := f.Create(name, Of(scopes...), "", 0)
	if err != nil {
		t.Fatal(err)
	}
	return tok, text
}

func contents(t *testing.T, f File) string {
	t.Helper()
	b, err := os.ReadFile(f.Path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestTokensAreKeptHashed(t *testing.T) {
	f := newFile(t)
	tok, text := create(t, f, "gateway", httpx.Ingest)
	id, secret, ok := split(text)
	if !ok || id != tok.ID || len(text) < 60 {
		t.Fatalf("%q is no token of %s", text, tok.ID)
	}
	if strings.Contains(contents(t, f), secret) {
		t.Error("the secret is in the file")
	}
	if info, err := os.Stat(f.Path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v %v", info.Mode(), err)
	}
	_, other := create(t, f, "gateway", httpx.Ingest)
	if other == text {
		t.Error("two tokens are the same")
	}
}

func TestRevokeAndRotate(t *testing.T) {
	f := newFile(t)
	a, _ := create(t, f, "one", httpx.Read)
	b, text := create(t, f, "two", httpx.Read, httpx.Act)
	create(t, f, "twin", httpx.Read)
	create(t, f, "twin", httpx.Read)
	if gone, err := f.Revoke(a.ID); err != nil || gone.Name != "one" {
		t.Fatal(gone, err)
	}
	turned, next, err := f.Rotate("two", time.Minute)
	if err != nil || turned.ID != b.ID || turned.Scopes != b.Scopes || next == text || turned.Rotated == nil {
		t.Fatal(turned, next, err)
	}
	if !strings.Contains(contents(t, f), `"previous"`) {
		t.Error("the secret before is not kept for its grace")
	}
	f.Now = func() time.Time { return noon.Add(time.Minute) }
	if _, err := f.Revoke("nobody"); !errors.Is(err, ErrUnknown) {
		t.Error(err)
	}
	if _, err := f.Revoke(""); !errors.Is(err, ErrUnknown) {
		t.Error(err)
	}
	if _, _, err := f.Rotate("twin", 0); !errors.Is(err, ErrAmbiguous) {
		t.Error(err)
	}
	create(t, f, "later", httpx.Read)
	if strings.Contains(contents(t, f), `"previous"`) {
		t.Error("a secret that no longer counts is kept")
	}
	list, err := f.List()
	if err != nil || len(list) != 4 || list[0].ID != b.ID {
		t.Errorf("%v %v", list, err)
	}
}

// Commands of several people, and of configuration management, do not lose each other's tokens.
func TestChangesAtOnce(t *testing.T) {
	f := newFile(t)
	const n = 8
	var all sync.WaitGroup
	errs := make([]error, n)
	for i := range n {
		all.Go(func() { _, _, errs[i] = f.Create("t", Of(httpx.Read), "", 0) })
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	if list, err := f.List(); err != nil || len(list) != n {
		t.Errorf("%d tokens, %v", len(list), err)
	}
}

func TestCreateRefuses(t *testing.T) {
	f := newFile(t)
	for _, c := range []struct {
		name   string
		scopes Scopes
		tenant string
		want   string
	}{
		{"n", 0, "", "name a scope"},
		{strings.Repeat("n", 200), Of(httpx.Read), "", "200 bytes"},
		{"a\x1b[2J", Of(httpx.Read), "", "cannot be printed"},
		{"n", Of(httpx.Read), "__other__", "is not the name"},
		{"n", Of(httpx.Read), "a,b", "is not the name"},
		{"n", Of(httpx.Read), "*", "is not the name"},
		{"n", Of(httpx.Read), " acme", "is not the name"},
	} {
		if _, _, err := f.Create(c.name, c.scopes, c.tenant, 0); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.20q %q: %v", c.name, c.tenant, err)
		}
	}
	if _, err := os.Stat(f.Path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file was made: %v", err)
	}
}

func TestFileRefuses(t *testing.T) {
	hash := strings.Repeat("ab", 32)
	good := `{"version":1,"tokens":[{"id":"a1","name":"n","scopes":["read"],"tenant":"","created_at":"2026-03-01T12:00:00Z","sha256":"` + hash + `"}]}`
	if _, err := parse([]byte(good)); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string][2]string{
		"version":       {`"version":1`, `"version":2`},
		"twice":         {`"tokens":[`, `"tokens":[{"id":"a1","scopes":["read"],"sha256":"` + hash + `"},`},
		"unknown field": {`"name":"n"`, `"nam":"n"`},
		"unknown scope": {`"read"`, `"emperor"`},
		"no scope":      {`["read"]`, `[]`},
		"short hash":    {hash, hash[2:]},
		"long hash":     {hash, hash + "00"},
		"no hash":       {hash, strings.Repeat("x", 64)},
		"id":            {`"a1"`, `"a_1"`},
		"tenant":        {`"tenant":""`, `"tenant":"__all__"`},
		"more":          {`}]}`, `}]}{}`},
	} {
		text := strings.Replace(good, c[0], c[1], 1)
		if text == good {
			t.Fatalf("%s changes nothing", name)
		}
		if _, err := parse([]byte(text)); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

func TestFileThatOthersMayWrite(t *testing.T) {
	f := newFile(t)
	create(t, f, "n", httpx.Read)
	if err := os.Chmod(f.Path, 0o620); err != nil {
		t.Fatal(err)
	}
	if _, err := f.List(); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Error(err)
	}
}

func TestScopes(t *testing.T) {
	s, err := ParseScopes("read, approve")
	if err != nil || s.String() != "read,approve" {
		t.Fatal(s, err)
	}
	if _, err := ParseScopes("read,"); err == nil {
		t.Error("an empty name is a scope")
	}
	if _, err := ParseScopes(""); err == nil || !strings.Contains(err.Error(), "name one or more of ingest,read,admin,act,approve") {
		t.Errorf("nothing named: %v", err)
	}
	for _, c := range []struct {
		have  Scopes
		want  httpx.Scope
		allow bool
	}{
		{Of(httpx.Admin), httpx.Read, true}, {Of(httpx.Admin), httpx.Act, true}, {Of(httpx.Admin), httpx.Admin, true},
		{Of(httpx.Admin), httpx.Ingest, false}, {Of(httpx.Admin), httpx.Approve, false},
		{Of(httpx.Read), httpx.Admin, false}, {Of(httpx.Act), httpx.Read, false}, {Of(httpx.Ingest, httpx.Read), httpx.Ingest, true}, {0, httpx.Read, false},
	} {
		if got := c.have.Allows([]httpx.Scope{c.want}); got != c.allow {
			t.Errorf("%s allows %s: %v", c.have, c.want, got)
		}
	}
	text, err := json.Marshal(s)
	var back Scopes
	if err != nil || string(text) != `["read","approve"]` || json.Unmarshal(text, &back) != nil || back != s {
		t.Errorf("%s %v %v", text, back, err)
	}
}

// A token is taken apart into what it was made of, and nothing else looks like one.
func FuzzToken(f *testing.F) {
	for _, text := range []string{"", "hxp_", "hxp__", "hxp_a_b", "hxp_" + newID() + "_" + newSecret(), "hxp_a_b_c", "hxp_ä_b", "hxp_A_b", "hxp_a_" + strings.Repeat("b", 200), "Bearer hxp_a_b"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		id, secret, ok := split(text)
		if !ok {
			return
		}
		if join(id, secret) != text || len(text) > maxTokenText || len(id) > maxID || id == "" || secret == "" || strings.ContainsAny(secret, "_ \x00") {
			t.Errorf("%q is %q and %q", text, id, secret)
		}
	})
}

// Whatever the file holds, it is read into tokens that can be written and read again, or refused.
func FuzzTokensFile(f *testing.F) {
	hash := strings.Repeat("ab", 32)
	f.Add([]byte(`{"version":1,"tokens":[{"id":"a1","name":"n","scopes":["read","act"],"tenant":"acme","created_at":"2026-03-01T12:00:00Z","expires_at":"2026-04-01T12:00:00Z","sha256":"` + hash + `","previous":{"sha256":"` + hash + `","until":"2026-03-01T13:00:00Z"}}]}`))
	f.Add([]byte(`{"version":1}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, text []byte) {
		d, err := parse(text)
		if err != nil {
			return
		}
		again, err := json.Marshal(d)
		if err != nil {
			return // years that RFC 3339 cannot write
		}
		if _, err := parse(again); err != nil {
			t.Errorf("%s: %v", again, err)
		}
	})
}
