package deliver

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var loop = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}

func aDocument() *Document {
	return &Document{Key: "k", Report: "daily_summary-20250602-20250603-json", File: "daily_summary/x.json", Type: "application/json", SHA256: "abc", Body: []byte(`{"a":1}`)}
}

// A webhook gets the document signed, under the same key each time.
func TestPost(t *testing.T) {
	var got []*http.Request
	var bodies []string
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got, bodies = append(got, r), append(bodies, string(b))
	}))
	defer s.Close()
	for range 2 {
		if err := NewHooks(loop).Post(t.Context(), s.URL, "secret", aDocument()); err != nil {
			t.Fatal(err)
		}
	}
	h := got[0].Header
	if bodies[0] != `{"a":1}` || h.Get("Content-Type") != "application/json" || h.Get("X-Hxp-Sha256") != "abc" || h.Get("X-Hxp-Report") != aDocument().Report {
		t.Errorf("%v %s", h, bodies[0])
	}
	if want := "sha256=aa9e2e3575f5d7098b6caccd790888c36d5fdb63342a73bada2d6a51747a8494"; h.Get("X-Hxp-Signature") != want { // by Python's hmac
		t.Errorf("signature %s, want %s", h.Get("X-Hxp-Signature"), want)
	}
	if key := h.Get("Idempotency-Key"); key == "" || key != got[1].Header.Get("Idempotency-Key") {
		t.Errorf("keys %q and %q", key, got[1].Header.Get("Idempotency-Key"))
	}
}

// What a webhook answers says whether it is tried again; redirects and private networks are refused.
func TestPostFailures(t *testing.T) {
	status := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(status)
	}))
	defer s.Close()
	for code, final := range map[int]bool{302: false, 400: true, 401: false, 404: false, 410: true, 413: true, 422: true, 429: false, 500: false, 503: false} {
		status = code
		if err := NewHooks(loop).Post(t.Context(), s.URL, "", aDocument()); err == nil || Final(err) != final {
			t.Errorf("%d: %v", code, err)
		}
	}
	if err := NewHooks(nil).Post(t.Context(), s.URL, "", aDocument()); err == nil || !strings.Contains(err.Error(), "HXP_WEBHOOK_ALLOW") {
		t.Errorf("this machine: %v", err)
	}
}

// A folder gets the file whole; one that is not there is not made, and no file leaves it.
func TestPut(t *testing.T) {
	dir := t.TempDir()
	for range 2 {
		if err := Put(dir, aDocument()); err != nil {
			t.Fatal(err)
		}
	}
	if b, err := os.ReadFile(filepath.Join(dir, "daily_summary", "x.json")); err != nil || string(b) != `{"a":1}` {
		t.Errorf("%q, %v", b, err)
	}
	if err := Put(filepath.Join(dir, "away"), aDocument()); err == nil || Final(err) {
		t.Errorf("a folder that is away: %v", err)
	}
	out := aDocument()
	out.File = "../x.json"
	if err := Put(dir, out); !Final(err) {
		t.Errorf("outside: %v", err)
	}
}
