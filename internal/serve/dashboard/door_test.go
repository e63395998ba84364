package dashboard

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/kit/auth"
	"github.com/hxp-enterprise/hxp/internal/kit/telemetry"
	"github.com/hxp-enterprise/hxp/internal/serve/live"
)

// TestRefusedLoginsAreCounted: tokens that do not hold are told of by their number, at the door too.
func TestRefusedLoginsAreCounted(t *testing.T) {
	log, reg := slog.New(slog.DiscardHandler), telemetry.NewRegistry()
	keys, err := auth.OpenKeyring(filepath.Join(t.TempDir(), "tokens.json"), log, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	sessions := auth.NewSessions(keys, time.Hour)
	h, err := New("operations", live.New(live.Config{SSEMax: 1}, log), Config{Gate: auth.NewGate(reg, keys, sessions), Sessions: sessions})
	if err != nil {
		t.Fatal(err)
	}
	for _, token := range []string{"hxp_abc_def", "word"} {
		r := httptest.NewRequest("POST", "/login", strings.NewReader(url.Values{"token": {token}}.Encode()))
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != http.StatusUnauthorized || len(w.Result().Cookies()) > 0 {
			t.Errorf("%s: %d, %v", token, w.Code, w.Result().Cookies())
		}
	}
	w := httptest.NewRecorder()
	reg.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	for _, line := range []string{`hxp_auth_refused_total{reason="unknown"} 1`, `hxp_auth_refused_total{reason="malformed"} 1`} {
		if !strings.Contains(w.Body.String(), line) {
			t.Errorf("no %s in %s", line, w.Body)
		}
	}
}
