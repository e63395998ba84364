package ingest

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/auth"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

// bound serves an API to one sender, who is bound to a tenant.
func bound(t *testing.T, tenant string) *fixture { return boundBy(t, Defaults(), tenant) }

func boundBy(t *testing.T, cfg Config, tenant string) *fixture {
	f := start(t, cfg)
	p := &auth.Principal{ID: "t1", Scopes: auth.Of(httpx.Ingest), Tenant: tenant}
	h := f.api.Handler()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(w, r.WithContext(auth.With(r.Context(), p)))
	}))
	t.Cleanup(srv.Close)
	f.url = srv.URL
	return f
}

func TestTenantOfSender(t *testing.T) {
	f := bound(t, "acme")
	r := f.post("/events", ndjsonType_, []byte(strings.Join([]string{
		`{"event_type":"llm_request","event_id":"own","data":{"model":"m","tenant":"acme"}}`,
		`{"event_type":"llm_request","event_id":"none","data":{"model":"m"}}`,
		`{"event_type":"user_feedback","event_id":"flat","request_id":"r","tenant_id":""}`,
		`{"event_type":"business_event","event_id":"other","data":{"tenant":"globex"}}`,
		`{"event_type":"llm_request","event_id":"alias","data":{"tenant_id":"globex"}}`,
		`{"event_type":"system_metric","event_id":"machine","data":{"cpu_usage":1,"tenant":"acme"}}`,
	}, "\n")))
	if r.Status != http.StatusMultiStatus || r.Accepted != 3 || r.Rejected != 3 {
		t.Fatalf("%d %s", r.Status, r.Body)
	}
	for i, e := range r.Errors {
		if e.Code != event.CodeTenant || e.Index != 3+i || e.DeadLetterID == "" || !strings.Contains(e.Detail, "acme") {
			t.Errorf("%+v", e)
		}
	}
	n := 0
	for _, topic := range []string{event.LLMRequest.Topic(), event.UserFeedback.Topic(), event.BusinessEvent.Topic(), event.SystemMetric.Topic()} {
		for _, m := range f.all(topic) {
			var d event.Decoder
			var e event.Event
			if bad := d.Decode(m.Value, bus.EventHeaders(m), &e); bad != nil || e.Text(event.Tenant) != "acme" {
				t.Errorf("%s: %s is of %q %v", topic, e.ID, e.Text(event.Tenant), bad)
			}
			n++
		}
	}
	if n != 3 {
		t.Errorf("%d events are written", n)
	}
}

// Where tenants are dropped, hashed or masked, the one that a sender is bound to is not written as it is either.
func TestTenantOfSenderIsTreated(t *testing.T) {
	for _, tc := range []struct {
		rules event.PrivacyRules
		want  string
	}{{event.PrivacyRules{Drop: []string{"tenant"}}, ""}, {event.PrivacyRules{Mask: []string{"tenant"}}, "a***"}} {
		p, err := tc.rules.Compile("")
		if err != nil {
			t.Fatal(err)
		}
		cfg := Defaults()
		cfg.Event.Privacy = p
		f := boundBy(t, cfg, "acme")
		r := f.post("/events", ndjsonType_, []byte(`{"event_type":"llm_request","event_id":"a","data":{"model":"m"}}`+"\n"+`{"event_type":"llm_request","event_id":"b","data":{"model":"m","tenant":"acme"}}`))
		if r.Accepted != 2 {
			t.Fatalf("%d %s", r.Status, r.Body)
		}
		for _, m := range f.all(event.LLMRequest.Topic()) {
			var parser event.Parser
			var e event.Event
			if bad := parser.Parse(m.Value, &e); bad != nil || e.Text(event.Tenant) != tc.want || strings.Contains(string(m.Value), "acme") {
				t.Errorf("want tenant %q: %s %v", tc.want, m.Value, bad)
			}
		}
	}
}

// An event that just fits without a tenant is refused, not acknowledged and then refused by those who read the topic.
func TestTenantMayNotFit(t *testing.T) {
	f := bound(t, strings.Repeat("a", 128))
	line := func(pad int) []byte {
		return []byte(`{"event_id":"` + strings.Repeat("e", 32) + `","event_type":"llm_request","timestamp":"2026-03-01T10:00:00.000Z","data":{"x":"` + strings.Repeat("x", pad) + `"}}`)
	}
	pad := event.MaxSize - len(line(0)) - 10
	r := f.post("/events", jsonType_, line(pad))
	if r.Status != http.StatusUnprocessableEntity || len(r.Errors) != 1 || r.Errors[0].Code != event.CodeSize {
		t.Errorf("%d %.500s", r.Status, r.Body)
	}
	if r := f.post("/events", jsonType_, line(pad-300)); r.Status != http.StatusAccepted {
		t.Errorf("with room for it: %d %.500s", r.Status, r.Body)
	}
}

// closed is a guard that lets nobody in.
type closed struct{}

func (closed) Admit(w http.ResponseWriter, r *http.Request, a *httpx.Access) *http.Request {
	a.Refuse(w, r, http.StatusUnauthorized, "say who you are")
	return nil
}

func TestGRPCIsRefusedInItsLanguage(t *testing.T) {
	f := start(t, Defaults())
	c := f.calls(t, closed{})
	status, h, _ := c.call(traceExport, grpcFrame(0, nil))
	if status != "16" || h.Get("Grpc-Message") != "say who you are" || h.Get("Content-Type") != typeGRPC {
		t.Errorf("status %s %v", status, h)
	}
}
