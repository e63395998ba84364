package ingest

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/hxp-enterprise/hxp/internal/kit/telemetry"
)

// Other limits and quotas hold from the next request on, what was counted of the day stays, and what needs a start stays as it is.
func TestReconfigure(t *testing.T) {
	cfg := Defaults()
	cfg.SpillDir = "spill"
	a := newAPI(cfg, &gateWatch{gate: &gate{}}, nil, telemetry.NewRegistry())
	post := func(n int) int {
		w := httptest.NewRecorder()
		r := httptest.NewRequest("POST", "/events", strings.NewReader("["+strings.TrimSuffix(strings.Repeat(`{"bad":1},`, n), ",")+"]"))
		r.Header.Set("Content-Type", "application/json")
		a.Handler().ServeHTTP(w, r)
		return w.Code
	}
	change := func(f func(c *Config)) {
		next := Defaults()
		f(&next)
		a.Reconfigure(next)
	}
	if got := post(20); got != 422 {
		t.Fatalf("without limits: %d", got)
	}
	change(func(c *Config) { c.MaxItems = 10 })
	if got := post(20); got != 413 {
		t.Errorf("more than max_items: %d", got)
	}
	change(func(c *Config) { c.MaxBodyBytes = 50 })
	if got := post(20); got != 413 {
		t.Errorf("a larger body: %d", got)
	}
	change(func(c *Config) { c.DailyQuota = 30 })
	for _, want := range []int{422, 429} {
		if got := post(20); got != want {
			t.Errorf("under a quota of 30 a day: %d, want %d", got, want)
		}
	}
	change(func(c *Config) { c.DailyQuota = 40 })
	if got := post(20); got != 422 {
		t.Errorf("20 of 40 were used: %d", got)
	}
	change(func(c *Config) { c.DailyQuota, c.RateLimit, c.RateBurst = 0, 1, 5 })
	if got := post(5); got != 422 {
		t.Errorf("within the rate: %d", got)
	}
	if got := post(5); got != 429 {
		t.Errorf("beyond the rate: %d", got)
	}
	change(func(c *Config) { c.MaxInFlightBytes, c.SpillBytes, c.SpillDir = 1<<20, 1, "elsewhere" })
	if got := a.settings(); got.SpillDir != "spill" || got.SpillBytes != 0 || a.gate.limit.Load() != 1<<20 || post(5) != 422 {
		t.Errorf("%+v", got)
	}
}
