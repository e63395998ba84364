package httpx

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestProfiles(t *testing.T) {
	m := NewMux(discard, nil)
	MountProfiles(m)
	ask := func(from, query string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodGet, "/debug/pprof/"+query, nil)
		r.RemoteAddr = from
		w := httptest.NewRecorder()
		m.ServeHTTP(w, r)
		return w
	}
	const here = "127.0.0.1:5"
	w := ask(here, "heap")
	z, err := gzip.NewReader(bytes.NewReader(w.Body.Bytes()))
	if w.Code != http.StatusOK || err != nil {
		t.Fatal(w.Code, err)
	}
	if data, err := io.ReadAll(z); err != nil || len(data) == 0 {
		t.Errorf("%d bytes, %v", len(data), err)
	}
	if w := ask("[::1]:5", "goroutine?debug=1"); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "TestProfiles") {
		t.Errorf("%d %.200s", w.Code, w.Body)
	}
	for query, want := range map[string]int{"passwords": http.StatusNotFound, "profile?seconds=0": http.StatusBadRequest, "trace?seconds=61": http.StatusBadRequest, "profile?seconds=x": http.StatusBadRequest} {
		if w := ask(here, query); w.Code != want {
			t.Errorf("%s: %d, not %d", query, w.Code, want)
		}
	}
	if w := ask("192.0.2.1:5", "heap"); w.Code != http.StatusForbidden {
		t.Errorf("a stranger without a name: %d", w.Code)
	}
}
