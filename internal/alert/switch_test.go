package alert

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hxp-enterprise/hxp/internal/alert/respond"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

// Each source of the kill switch is enough by itself: the file, the setting, the API. While one is on nothing is approved, and the
// answer says which; when all are off again, it is.
func TestEverySourceOfTheKillSwitch(t *testing.T) {
	for name, c := range map[string]struct {
		config  bool
		on, off func(t *testing.T, s *Service, h http.Handler)
		says    string
	}{
		"the file": {false, func(t *testing.T, s *Service, _ http.Handler) {
			if err := os.WriteFile(s.offFile, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}, func(t *testing.T, s *Service, _ http.Handler) {
			if err := os.Remove(s.offFile); err != nil {
				t.Fatal(err)
			}
		}, "by the file"},
		"a file that leads nowhere": {false, func(t *testing.T, s *Service, _ http.Handler) {
			if err := os.Symlink("/nowhere", s.offFile); err != nil {
				t.Fatal(err)
			}
		}, func(t *testing.T, s *Service, _ http.Handler) {
			if err := os.Remove(s.offFile); err != nil {
				t.Fatal(err)
			}
		}, "by the file"},
		"the setting": {true, func(*testing.T, *Service, http.Handler) {}, func(_ *testing.T, s *Service, _ http.Handler) { s.SetKillSwitch(false) }, "HXP_RESPONSES_KILL_SWITCH"},
		"the API": {false, func(t *testing.T, _ *Service, h http.Handler) {
			if w := ask(h, "PUT", "/responses/kill-switch", `{"on":true,"reason":"night"}`); w.Code != http.StatusOK {
				t.Fatal(w.Body)
			}
		}, func(t *testing.T, _ *Service, h http.Handler) {
			if w := ask(h, "PUT", "/responses/kill-switch", `{"on":false}`); w.Code != http.StatusOK {
				t.Fatal(w.Body)
			}
		}, "night"},
	} {
		t.Run(name, func(t *testing.T) {
			s, h := servedAs(t, func(cfg *Config) { cfg.KillSwitch = c.config })
			id := proposal(t, s, "e1")
			c.on(t, s, h)
			if w := ask(h, "GET", "/responses/kill-switch", ""); !strings.Contains(w.Body.String(), `"on":true`) || !strings.Contains(w.Body.String(), c.says) {
				t.Errorf("the switch says %s", w.Body)
			}
			if w := ask(h, "POST", "/responses/"+id+"/approve", ""); w.Code != http.StatusConflict || !strings.Contains(w.Body.String(), c.says) {
				t.Errorf("an approval is answered %d: %s", w.Code, w.Body)
			}
			if c.off == nil {
				return
			}
			c.off(t, s, h)
			if w := ask(h, "POST", "/responses/"+id+"/approve", ""); w.Code != http.StatusOK {
				t.Errorf("when it is off an approval is answered %d: %s", w.Code, w.Body)
			}
		})
	}
}

// A folder that cannot be looked into counts as one with the file in it.
func TestKillSwitchThatCannotBeLookedFor(t *testing.T) {
	s, _ := served(t)
	s.offFile = filepath.Join(t.TempDir(), strings.Repeat("x", 300)) // no file system has such a name
	if why := s.killed(); !strings.Contains(why, "cannot be looked for") {
		t.Errorf("the switch is on because %q", why)
	}
}

// A log that was tampered with is told by the proof, by the switch and by health.
func TestTamperedLogIsTold(t *testing.T) {
	s, h := served(t)
	id := proposal(t, s, "e1")
	if err := s.journal.Append(t.Context(), []byte(`{"what":"approved"}`)); err != nil {
		t.Fatal(err)
	}
	if w := ask(h, "GET", "/responses/audit/verify", ""); !strings.Contains(w.Body.String(), `"valid":false`) || !strings.Contains(w.Body.String(), `"offset":1`) {
		t.Errorf("the proof says %s", w.Body)
	}
	if w := ask(h, "POST", "/responses/"+id+"/approve", ""); w.Code != http.StatusConflict || !strings.Contains(w.Body.String(), "not as it was written") {
		t.Errorf("an approval is answered %d: %s", w.Code, w.Body)
	}
	if x, _ := s.find(id); x.State != string(respond.Proposed) {
		t.Errorf("the response is %s", x.State)
	}
	if c := s.Check(t.Context()); c.Status != httpx.Degraded {
		t.Errorf("health says %+v", c)
	}
}
