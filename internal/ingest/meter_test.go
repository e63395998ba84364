package ingest

import (
	"context"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/kit/telemetry"
)

func TestSendersAreMetered(t *testing.T) {
	cfg := Defaults()
	cfg.RateLimit, cfg.RateBurst, cfg.DailyQuota = 10, 3, 100
	out := &written{}
	api := newAPI(cfg, out, nil, telemetry.NewRegistry())
	now := time.Date(2025, 6, 1, 10, 0, 0, 0, time.UTC)
	api.now = func() time.Time { return now }
	api.Principal = func(r *http.Request) string { return r.Header.Get("X-Who") }
	f := serve(t, api, nil)
	post := func(who, body string) *http.Response {
		t.Helper()
		req, err := http.NewRequest("POST", f.url+"/events", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("X-Who", who)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp
	}
	two := `[{"event_type":"llm_request","data":{"model":"m"}},{"event_type":"llm_request","data":{"model":"m"}}]`
	if r := post("a", two); r.StatusCode != 202 || r.Header.Get("RateLimit") != `"rate";r=1;t=1, "day";r=98;t=50400` {
		t.Errorf("%d, RateLimit %s", r.StatusCode, r.Header.Get("RateLimit"))
	}
	if r := post("a", two); r.StatusCode != 429 || r.Header.Get("Retry-After") != "1" {
		t.Errorf("over the rate: %d, Retry-After %s", r.StatusCode, r.Header.Get("Retry-After"))
	}
	if r := post("b", two); r.StatusCode != 202 {
		t.Errorf("another sender: %d", r.StatusCode)
	}
	now = now.Add(time.Second)
	if r := post("a", two); r.StatusCode != 202 {
		t.Errorf("a second later: %d", r.StatusCode)
	}
	if out.n != 6 {
		t.Errorf("%d events written, want 6: what is refused is not taken", out.n)
	}
}

// A body that no day has room for is not told to come back, and a restart gives nobody a new day.
func TestADayOfASender(t *testing.T) {
	cfg := Defaults()
	cfg.DailyQuota, cfg.QuotaFile = 2, filepath.Join(t.TempDir(), "quota.json")
	now := time.Date(2025, 6, 1, 10, 0, 0, 0, time.UTC)
	begin := func() (*API, *fixture) {
		api := newAPI(cfg, &written{}, nil, telemetry.NewRegistry())
		api.now = func() time.Time { return now }
		if err := api.recallQuotas(nil); err != nil {
			t.Fatal(err)
		}
		return api, serve(t, api, nil)
	}
	const one = `{"event_type":"llm_request"}`
	api, f := begin()
	r := f.post("/events", jsonType_, []byte("["+one+","+one+","+one+"]"))
	if r.Status != 413 || r.Header.Get("Retry-After") != "" || !strings.Contains(r.Body, "the body holds 3 events, more than the 2 that this sender may bring in a whole day") {
		t.Errorf("%d %v %s", r.Status, r.Header, r.Body)
	}
	if r := f.post("/events", jsonType_, []byte("["+one+","+one+"]")); r.Status != 202 {
		t.Errorf("%d %s", r.Status, r.Body)
	}
	api.keepQuotas()
	if _, f = begin(); f.post("/events", jsonType_, []byte(one)).Status != 429 {
		t.Error("a restart gave the sender a new day")
	}
}

// A quota that comes with a reload knows what was brought that day before a restart, and takes from nobody what was given back.
func TestAQuotaThatComesWithAReload(t *testing.T) {
	cfg := Defaults()
	cfg.DailyQuota, cfg.QuotaFile = 3, filepath.Join(t.TempDir(), "quota.json")
	now := time.Date(2025, 6, 1, 10, 0, 0, 0, time.UTC)
	begin := func(cfg Config) *API {
		api := newAPI(cfg, &written{}, nil, telemetry.NewRegistry())
		api.now = func() time.Time { return now }
		return api
	}
	const two = `[{"event_type":"llm_request"},{"event_type":"llm_request"}]`
	api := begin(cfg)
	if r := serve(t, api, nil).post("/events", jsonType_, []byte(two)); r.Status != 202 {
		t.Fatalf("%d %s", r.Status, r.Body)
	}
	api.keepQuotas()

	off := cfg
	off.DailyQuota = 0
	api = begin(off)
	api.Reconfigure(cfg)
	f := serve(t, api, nil)
	if r := f.post("/events", jsonType_, []byte(two)); r.Status != 429 {
		t.Errorf("two of three were brought: %d %s", r.Status, r.Body)
	}
	api.quotas.GiveBack("127.0.0.1", 2, now)
	cfg.DailyQuota = 2
	api.Reconfigure(cfg)
	if r := f.post("/events", jsonType_, []byte(two)); r.Status != 202 {
		t.Errorf("two were given back: %d %s", r.Status, r.Body)
	}
}

// written counts what was sent.
type written struct{ n int }

func (w *written) Send(_ context.Context, msgs []*bus.Message) error {
	w.n += len(msgs)
	return nil
}

// Two senders may choose the same Idempotency-Key; neither takes the other's events for its own.
func TestIdempotencyKeysBelongToTheirSender(t *testing.T) {
	api := newAPI(Defaults(), &written{}, nil, telemetry.NewRegistry())
	api.Principal = func(r *http.Request) string { return r.Header.Get("X-Who") }
	f := serve(t, api, nil)
	for _, step := range []struct {
		who       string
		duplicate int
	}{{"a", 0}, {"b", 0}, {"a", 1}, {"", 0}} {
		r := f.post("/events", "application/json", []byte(`{"event_type":"llm_request","data":{"model":"m"}}`), "Idempotency-Key", "nightly", "X-Who", step.who)
		if r.Status != 202 || r.Duplicates != step.duplicate || r.Accepted != 1-step.duplicate {
			t.Errorf("%q: %d %s", step.who, r.Status, r.Body)
		}
	}
}

// An outage must not use up the day of a sender who tries again and again: what is not taken is not counted.
func TestWhatIsNotTakenIsNotCounted(t *testing.T) {
	cfg := Defaults()
	cfg.RateLimit, cfg.RateBurst, cfg.DailyQuota = 0.001, 1, 1
	out := &cluster{away: true}
	api := newAPI(cfg, out, nil, telemetry.NewRegistry())
	f := serve(t, api, nil)
	event := []byte(`{"event_id":"1","event_type":"llm_request","data":{"model":"m"}}`)
	for range 3 {
		if r := f.post("/events", "application/json", event); r.Status != 503 {
			t.Fatalf("while the brokers are away: %d %s", r.Status, r.Body)
		}
	}
	out.set(false, false)
	if r := f.post("/events", "application/json", event); r.Status != 202 {
		t.Errorf("when they are back: %d %s", r.Status, r.Body)
	}
	if r := f.post("/events", "application/json", event); r.Status != 429 {
		t.Errorf("a second one: %d %s", r.Status, r.Body)
	}
}
