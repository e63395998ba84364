package target

import (
	"maps"
	"net/http"
	"testing"
)

// An order is about what its target uses. Anything else in it must not make it another one, or rails that count by it are evaded.
func TestAimIsWhatTheTargetUses(t *testing.T) {
	none := http.NotFoundHandler()
	targets := map[string]Config{
		"litellm": {Type: "litellm"}, "vllm_router": {Type: "vllm_router"}, "webhook": {Type: "webhook"}, "incident": {Type: "incident"},
		"http": {Type: "http", Check: "GET /pools/{pool}", Apply: "POST /pools/{pool}/{zone}"},
	}
	for _, c := range []struct {
		to, action   string
		used, unused []string
	}{
		{"litellm", "drain", []string{"endpoint"}, []string{"model", "tenant", "note"}},
		{"litellm", "shift_weights", []string{"endpoint"}, []string{"model", "weight"}},
		{"litellm", "cap", []string{"endpoint"}, []string{"tenant", "model", "rpm"}},
		{"litellm", "cap", []string{"tenant"}, []string{"model", "rpm"}},
		{"litellm", "pause_batch", []string{"tenant"}, []string{"endpoint", "model"}},
		{"litellm", "fallback_model", []string{"model"}, []string{"endpoint", "tenant", "fallback"}},
		{"vllm_router", "drain", []string{"endpoint"}, []string{"model", "tenant"}},
		{"http", "scale", []string{"pool", "zone"}, []string{"endpoint", "model", "tenant"}},
		{"webhook", "cap", []string{"endpoint"}, []string{"model", "tenant"}},
		{"webhook", "cap", []string{"model", "tenant"}, []string{"note"}},
		{"incident", "incident", nil, []string{"endpoint", "model", "tenant"}},
	} {
		to, with := serve(t, none, targets[c.to]), map[string]string{}
		for _, name := range c.used {
			with[name] = "a"
		}
		base := to.Aim(order(c.action, with))
		other := func(name string) string {
			changed := maps.Clone(with)
			changed[name] = "b"
			return to.Aim(order(c.action, changed))
		}
		for _, name := range c.used {
			if other(name) == base {
				t.Errorf("%s %s: another %s is no other aim", c.to, c.action, name)
			}
		}
		for _, name := range c.unused {
			if other(name) != base {
				t.Errorf("%s %s: another %s is another aim", c.to, c.action, name)
			}
		}
	}
}
