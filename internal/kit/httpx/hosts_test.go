package httpx

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// A page that leads its own name to this machine neither reads nor writes here; it may ask whether the service is well.
func TestForeignHost(t *testing.T) {
	s, stop := start(t, testMux(nil))
	s.AlsoNamed("HXP.example")
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	_, port, _ := strings.Cut(s.Addr(), ":")
	for _, c := range []struct {
		host, method, path string
		status             int
	}{
		{"evil.example:" + port, "GET", "/topics/a", 403},
		{"evil.example", "POST", "/topics", 403},
		{"127.0.0.1.evil.example", "GET", "/topics/a", 403},
		{"localhost.evil.example", "GET", "/topics/a", 403},
		{"0.0.0.0:" + port, "GET", "/topics/a", 403},
		{"192.168.1.9", "GET", "/topics/a", 403},
		{"evil.example", "GET", "/healthy", 403},
		{"evil.example", "GET", "/health/../topics/a", 307}, // to a path that is refused
		{"evil.example", "GET", "/health", 404},             // this mux has none
		{"evil.example", "GET", "/health/live", 404},
		{"localhost:" + port, "GET", "/topics/a", 200},
		{"LOCALHOST.", "POST", "/topics", 201},
		{"127.0.0.1", "GET", "/topics/a", 200},
		{"127.8.9.1:1", "GET", "/topics/a", 200},
		{"[::1]:" + port, "GET", "/topics/a", 200},
		{"hxp.example:443", "GET", "/topics/a", 200},
	} {
		r, err := http.NewRequestWithContext(t.Context(), c.method, s.URL(), http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		r.Host, r.URL.Path = c.host, c.path
		answer, err := client.Transport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(answer.Body)
		answer.Body.Close()
		if answer.StatusCode != c.status {
			t.Errorf("%s %s at %s: %d, want %d", c.method, c.path, c.host, answer.StatusCode, c.status)
		}
		if c.status == 403 && (answer.Header.Get("Content-Type") != "application/problem+json" || answer.Header.Get("X-Request-Id") == "" || !strings.Contains(string(body), "HXP_ALLOWED_HOSTS")) {
			t.Errorf("%s: %v %s", c.host, answer.Header, body)
		}
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// Where the network is let in, nobody knows under which names it comes.
func TestAnyHostBeyondLoopback(t *testing.T) {
	s, err := Listen("test", "0.0.0.0:0", testMux(nil), discard)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	r := httptest.NewRequest("GET", "http://hxp.example/topics/a", nil)
	w := httptest.NewRecorder()
	s.http.Handler.ServeHTTP(w, r)
	if w.Code != 200 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// Names that are set while it serves take the place of those of before.
func TestOtherNames(t *testing.T) {
	s, stop := start(t, testMux(nil))
	defer stop()
	for _, names := range [][]string{{"one.example"}, {"Two.example", "three.example"}, {}} {
		s.AlsoNamed(names...)
		for _, host := range []string{"one.example", "two.example:443", "three.example"} {
			bare, _, _ := strings.Cut(host, ":")
			want := slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, bare) })
			if got := s.named(host); got != want {
				t.Errorf("%s is let in under %q: %v", host, names, got)
			}
		}
	}
}
