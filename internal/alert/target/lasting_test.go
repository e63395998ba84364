package target

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/hxp-enterprise/hxp/internal/alert/respond"
)

// What lasts and cannot be taken back is not for rules that act by themselves, whatever the target; what only tells somebody is.
func TestLastingActionsNeedARevert(t *testing.T) {
	endless := []Config{
		{Name: "a", Type: "http", URL: "http://x", Check: "GET /x", Apply: "POST /x"}, {Name: "a", Type: "webhook", URL: "http://x", Phases: []string{"check", "apply", "verify"}},
	}
	bounded := []Config{
		{Name: "a", Type: "http", URL: "http://x", Check: "GET /x", Apply: "POST /x", Revert: "DELETE /x"}, {Name: "a", Type: "webhook", URL: "http://x", Phases: []string{"apply", "revert"}},
		{Name: "a", Type: "litellm", URL: "http://x"}, {Name: "a", Type: "vllm_router", URL: "http://x"}, {Name: "a", Type: "incident", URL: "http://x"},
	}
	for _, action := range respond.Actions {
		once := action == "incident" || action == "webhook"
		for _, c := range endless {
			if action == "restart" {
				if err := c.CheckAction("propose", action); !errors.Is(err, errBareRestart) {
					t.Errorf("a bare restart: %v", err)
				}
				continue
			}
			if err := c.CheckAction("auto", action); (err == nil) != once || err != nil && !strings.Contains(err.Error(), `target "a": `+action+" lasts") {
				t.Errorf("%s without a revert: %v", action, err)
			}
			if err := c.CheckAction("propose", action); err != nil {
				t.Errorf("%s may be proposed: %v", action, err)
			}
		}
		for _, c := range bounded {
			c.RestartURL = "http://y"
			if err := c.CheckAction("auto", action); err != nil {
				t.Errorf("%s of %s: %v", action, c.Type, err)
			}
		}
	}
}

// A webhook is verified by the phase verify, else by check; one that has neither is not called verified.
func TestWebhookSaysWhatItCanTell(t *testing.T) {
	inPlace := true
	h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintf(w, `{"in_place":%v}`, inPlace) })
	verify := func(phases ...string) error {
		return serve(t, h, Config{Type: "webhook", Phases: phases}).Verify(t.Context(), "k", order("scale", nil), &respond.Sight{})
	}
	if err := verify("apply", "revert"); !errors.Is(err, respond.ErrUnverified) {
		t.Errorf("a webhook that is only told: %v", err)
	}
	if err := errors.Join(verify("verify", "apply"), verify("check", "apply")); err != nil {
		t.Error(err)
	}
	inPlace = false
	if err := verify("check", "apply"); err == nil || errors.Is(err, respond.ErrUnverified) {
		t.Errorf("it is not in place: %v", err)
	}
}
