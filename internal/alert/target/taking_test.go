package target

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/hxp-enterprise/hxp/internal/alert/respond"
)

// drainer is an HTTP API with two endpoints that work and one of which nobody knows.
func drainer(t *testing.T, change func(*Config)) respond.Target {
	t.Helper()
	well := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(well.Close)
	c := Config{
		Type: "http", Field: "applied", Check: "GET /admin/{endpoint}", Apply: "PUT /admin/{endpoint}/drain", Revert: "DELETE /admin/{endpoint}/drain",
		Phases: []string{"apply", "revert"}, Endpoints: map[string]string{"a": well.URL, "b": well.URL, "dark": ""},
	}
	if change != nil {
		change(&c)
	}
	return serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]any{"applied": false})
	}), c)
}

// Whatever an action is called: one that names an endpoint takes it out, as far as anybody knows.
func TestEveryActionOnAnEndpointIsBounded(t *testing.T) {
	hook := func(c *Config) { c.Type = "webhook" }
	for name, change := range map[string]func(*Config){"http": nil, "webhook": hook} {
		to := drainer(t, change)
		for _, action := range respond.Actions {
			o := order(action, map[string]string{"endpoint": "a", "weight": "1"})
			s, err := to.Check(t.Context(), o)
			if err != nil || s.Takes != "a" || !s.Lasting || len(s.Group) != 3 {
				t.Errorf("%s %s: %v, %+v", name, action, err, s)
			}
		}
		for _, weight := range []string{"0", "0.0", "00", "-0", "0e5"} {
			if err := to.Can(order("shift_weights", map[string]string{"endpoint": "", "weight": weight})); err == nil {
				t.Errorf("%s: all weight of nothing known is shifted by %q", name, weight)
			}
		}
	}
}

// An endpoint without a health address is not known to work, and is not taken out.
func TestTakingNeedsHealthAndRevert(t *testing.T) {
	o := order("drain", map[string]string{"endpoint": "a"})
	s, err := drainer(t, nil).Check(t.Context(), o)
	want := []respond.Endpoint{{Name: "a", Healthy: true}, {Name: "b", Healthy: true}, {Name: "dark", Healthy: false}}
	if err != nil || !slices.Equal(s.Group, want) {
		t.Errorf("%v, %+v", err, s)
	}
	refusals := []struct {
		says   string
		change func(*Config)
		o      *respond.Order
	}{
		{"health address", nil, order("drain", map[string]string{"endpoint": "dark"})},
		{"health address", nil, order("cap", map[string]string{"endpoint": "moon"})},
		{"health address", func(c *Config) { c.Type, c.Endpoints = "litellm", nil }, o},
		{"revert", func(c *Config) { c.Revert = "" }, o},
		{"revert", func(c *Config) { c.Type, c.Phases = "webhook", []string{"apply"} }, o},
		{"revert", func(c *Config) { c.Type, c.Phases = "webhook", []string{"apply"} }, order("scale", map[string]string{"endpoint": "a"})},
	}
	for _, x := range refusals {
		if err := drainer(t, x.change).Can(x.o); err == nil || !strings.Contains(err.Error(), x.says) {
			t.Errorf("%s of %q: %v, want a word of %s", x.o.Action, x.o.With["endpoint"], err, x.says)
		}
	}
	if err := drainer(t, nil).Can(o); err != nil {
		t.Error(err)
	}
}
