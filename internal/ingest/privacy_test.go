package ingest

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/telemetry"
)

// recording keeps what was sent.
type recording struct {
	mu   sync.Mutex
	msgs []*bus.Message
	sent chan struct{} // gets one for each call of Send, when there is room
}

func (r *recording) Send(_ context.Context, msgs []*bus.Message) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range msgs { // their memory is somebody else's when Send is over
		c := &bus.Message{Topic: m.Topic, Key: bytes.Clone(m.Key), Value: bytes.Clone(m.Value)}
		for _, h := range m.Headers {
			c.Headers = append(c.Headers, bus.Header{Key: h.Key, Value: bytes.Clone(h.Value)})
		}
		r.msgs = append(r.msgs, c)
	}
	select {
	case r.sent <- struct{}{}:
	default:
	}
	return nil
}

// text is everything of all messages.
func (r *recording) text() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out bytes.Buffer
	for _, m := range r.msgs {
		out.WriteString(m.Topic + " ")
		out.Write(m.Key)
		out.Write(m.Value)
		for _, h := range m.Headers {
			out.WriteString(" " + h.Key + "=" + string(h.Value))
		}
		out.WriteByte('\n')
	}
	return out.String()
}

// What is to be kept out is found nowhere in what any way in writes: events, dead letters, copies for routes.
func TestNothingThatIsKeptOutIsWritten(t *testing.T) {
	cfg := Defaults()
	rules := event.PrivacyRules{Drop: []string{"comment"}, Hash: []string{"user_id"}, Mask: []string{"session_id"}, HashKey: "env:X"}
	p, err := rules.Compile("sixteen bytes or more")
	if err != nil {
		t.Fatal(err)
	}
	cfg.Event.Privacy = p
	out := &recording{}
	f := serve(t, newAPI(cfg, out, nil, telemetry.NewRegistry()), nil)
	const planted = "PLANTED"
	bodies := []struct{ path, contentType, body string }{
		{"/events", jsonType_, `{"event_type":"llm_request","data":{"model":"m","prompt":"PLANTED","user_id":"PLANTED-jane","session_id":"sPLANTED","extra":{"messages":["PLANTED"]}},"metadata":{"completion":"PLANTED","user":"PLANTED-jane"}}`},
		{"/events", jsonType_, `{"event_type":"llm_request","model":"m","prompt":"PLANTED","user":"PLANTED-jane"}`},
		{"/events", jsonType_, `{"event_type":"user_feedback","data":{"model":"m","comment":"PLANTED","satisfaction_score":4}}`},
		{"/events", "application/x-ndjson", `{"event_type":"llm_request","data":{"duration_ms":"no","prompt":"PLANTED"}}` + "\n" + `{"event_type":"llm_request","data":{"user_id":["PLANTED"]}}` + "\n" + `{"event_type":"llm_request","data":{"prompt":"PLANTED`},
		{"/events", "application/x-ndjson", `{"event_type":"llm_request","timestamp":"9999-01-01T00:00:00Z","data":{"user_id":"PLANTED-jane","input":{"x":"PLANTED"}}}`},
		{"/events", "application/cloudevents+json", `{"specversion":"1.0","id":"1","source":"s","type":"llm_request","user":"PLANTED-jane","data":{"model":"m","prompt":"PLANTED","user_id":"PLANTED-jane"}}`},
		{"/api/v1/events", "application/cloudevents+json", `{"specversion":"1.0","id":"2","source":"s","type":"llm_request","data":{"model":"m","prompt":"PLANTED","user_id":"PLANTED-jane"}}`},
		{"/ingest/openai", jsonType_, `{"id":"c1","object":"chat.completion","model":"m","user":"PLANTED-jane","choices":[{"index":0,"message":{"role":"assistant","content":"PLANTED"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}`},
		{"/ingest/litellm", jsonType_, `{"id":"l1","call_type":"acompletion","model":"m","status":"success","startTime":1767225600.5,"endTime":1767225601.5,"end_user":"PLANTED-jane","messages":[{"role":"user","content":"PLANTED"}],"response":{"choices":[{"message":{"content":"PLANTED"}}]},"prompt_tokens":3,"completion_tokens":2,"total_tokens":5,"metadata":{"user_api_key_user_id":"PLANTED-jane"}}`},
		{"/v1/traces", jsonType_, `{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174","name":"chat m","startTimeUnixNano":"1767225600000000000","endTimeUnixNano":"1767225601000000000","attributes":[
			{"key":"gen_ai.operation.name","value":{"stringValue":"chat"}},{"key":"gen_ai.request.model","value":{"stringValue":"m"}},{"key":"gen_ai.prompt","value":{"stringValue":"PLANTED"}},{"key":"gen_ai.input.messages","value":{"stringValue":"PLANTED"}},
			{"key":"gen_ai.completion.0.content","value":{"stringValue":"PLANTED"}},{"key":"llm.input_messages.0.message.content","value":{"stringValue":"PLANTED"}},{"key":"input.value","value":{"stringValue":"PLANTED"}},{"key":"user.id","value":{"stringValue":"PLANTED-jane"}}]}]}]}]}`},
	}
	for _, b := range bodies {
		if status, _, answer := f.raw(b.path, b.contentType, []byte(b.body)); status >= 500 || status == 400 {
			t.Errorf("%s: %d %s", b.path, status, answer)
		}
	}
	f.post("/events", jsonType_, []byte(`{"model":"m","prompt":"PLANTED","user_id":"PLANTED-jane"}`), "ce-specversion", "1.0", "ce-id", "3", "ce-source", "s", "ce-type", "llm_request", "ce-user", "PLANTED-jane")
	wrote := out.text()
	for line := range strings.Lines(wrote) {
		if strings.Contains(line, planted) {
			t.Errorf("written: %s", line)
		}
	}
	if n := strings.Count(wrote, p.Hash("PLANTED-jane")); n < 8 {
		t.Errorf("the hash of the user stands %d times in\n%s", n, wrote)
	}
	if strings.Count(wrote, event.TopicDeadLetters) < 4 {
		t.Errorf("dead letters are missing:\n%s", wrote)
	}
}

func TestQuotasAreTold(t *testing.T) {
	cfg := Defaults()
	cfg.DailyQuota, cfg.TenantQuota = 10, 3
	out := &recording{sent: make(chan struct{}, 100)}
	api := newAPI(cfg, out, nil, telemetry.NewRegistry())
	now := time.Date(2026, 6, 1, 10, 0, 0, 0, time.UTC)
	api.now = func() time.Time { return now }
	f := serve(t, api, nil)
	const acme = `{"event_type":"llm_request","data":{"model":"m","tenant":"acme"}}`
	const other = `{"event_type":"llm_request","data":{"model":"m"}}`
	post := func(events ...string) reply {
		return f.post("/events", jsonType_, []byte("["+strings.Join(events, ",")+"]"))
	}
	if r := post(acme, acme, other); r.Status != 202 {
		t.Fatalf("%d %s", r.Status, r.Body)
	}
	for range 2 { // told once
		if r := post(acme, acme); r.Status != 429 || r.Header.Get("Retry-After") != "50400" || !strings.Contains(r.Body, `tenant \"acme\" may bring 3 events a day`) {
			t.Fatalf("%d %v %s", r.Status, r.Header, r.Body)
		}
	}
	if r := post(acme, acme, acme, acme); r.Status != 413 {
		t.Errorf("more than a day of the tenant: %d %s", r.Status, r.Body)
	}
	if r := post(acme); r.Status != 202 {
		t.Errorf("what was refused was counted for the tenant: %d %s", r.Status, r.Body)
	}
	if r := post(other, other, other, other, other); r.Status != 202 {
		t.Errorf("what was refused was counted for the sender: %d %s", r.Status, r.Body)
	}
	if r := post(other, other); r.Status != 429 {
		t.Errorf("over the day of the sender: %d", r.Status)
	}
	want := []string{"IngestQuotaReached critical tenant=acme", "IngestQuotaNearlyReached warning tenant=acme", "IngestQuotaNearlyReached warning sender=127.0.0.1", "IngestQuotaReached critical sender=127.0.0.1"}
	ctx, stop := context.WithCancel(t.Context())
	told := make(chan struct{})
	for len(out.sent) > 0 {
		<-out.sent
	}
	go func() { defer close(told); api.tellTales(ctx) }()
	for range want {
		<-out.sent
	}
	stop()
	<-told
	var got []string
	for _, a := range alertsIn(t, out) {
		whose := "tenant"
		if a.Labels[whose] == "" {
			whose = "sender"
		}
		got = append(got, a.Rule+" "+a.Severity+" "+whose+"="+a.Labels[whose])
		if a.Labels["kind"] != "quota" || !a.Once || a.Texts["summary"] == "" || !strings.HasSuffix(a.ID, "2026-06-01") || a.Threshold == 0 {
			t.Errorf("%+v", a)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("told: %q\nwant: %q", got, want)
	}
}

// alertsIn are the alerts that were written.
func alertsIn(t *testing.T, out *recording) (all []quotaAlert) {
	t.Helper()
	out.mu.Lock()
	defer out.mu.Unlock()
	for _, m := range out.msgs {
		if m.Topic != event.TopicAlerts {
			continue
		}
		var a quotaAlert
		if err := json.Unmarshal(m.Value, &a); err != nil || a.ID != string(m.Key) {
			t.Errorf("%s: %v", m.Value, err)
		}
		all = append(all, a)
	}
	return all
}
