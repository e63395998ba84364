package app

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
)

// Where findings are not to be shown, the boards are refused them and nothing else.
func TestFindingsOfBoards(t *testing.T) {
	for _, shown := range []bool{true, false} {
		s := &system{log: slog.New(slog.DiscardHandler), via: &http.Transport{}, set: settings{findings: shown, addr: func(string) string { return "127.0.0.1:1" }}} // where nobody answers
		for path, want := range map[string]int{"/business-intelligence/user_behavior": http.StatusConflict, "/business-intelligence/funnels": http.StatusConflict, "/costs": http.StatusBadGateway} {
			if shown {
				want = http.StatusBadGateway
			}
			w := httptest.NewRecorder()
			if s.boardServices()[BatchProcessingAPI].ServeHTTP(w, httptest.NewRequest("GET", path, nil)); w.Code != want {
				t.Errorf("shown %v: %s is answered %d, want %d", shown, path, w.Code, want)
			}
		}
	}
}
