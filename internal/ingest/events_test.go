package ingest

import (
	"net/http"
	"strings"
	"testing"

	"github.com/hxp-enterprise/hxp/internal/event"
)

const ceStructured = `{"specversion":"1.0","id":"7","source":"/a","type":"llm_request","time":"2025-06-01T10:00:00Z","data":{"model":"m"}}`

func TestCloudEvents(t *testing.T) {
	f := start(t, Defaults())
	binary := []string{"ce-specversion", "1.0", "ce-id", "7", "ce-source", "/a", "ce-type", "llm_request", "ce-time", "2025-06-01T10:00:00Z", "ce-subject", "caf%C3%A9"}
	if r := f.post("/events", "application/json", []byte(`{"model":"m"}`), binary...); r.Status != 202 || r.Accepted != 1 || r.Results[0].EventID != "7" {
		t.Errorf("binary: %d %s", r.Status, r.Body)
	}
	if r := f.post("/events", "Application/CloudEvents+JSON; charset=UTF-8", []byte(ceStructured)); r.Status != 202 || r.Duplicates != 1 {
		t.Errorf("structured with the source and id of the one before: %d %s", r.Status, r.Body)
	}
	other := strings.Replace(ceStructured, "/a", "/b", 1)
	if r := f.post("/events", "application/cloudevents-batch+json", []byte("["+ceStructured+","+other+"]")); r.Status != 202 || r.Accepted != 1 || r.Duplicates != 1 {
		t.Errorf("batch: %d %s", r.Status, r.Body)
	}
	if r := f.post("/events", "application/cloudevents-batch+json", []byte("[]")); r.Status != 202 {
		t.Errorf("empty batch: %d %s", r.Status, r.Body)
	}
	if r := f.post("/events", "application/cloudevents-batch+json", []byte(ceStructured)); r.Status != 400 {
		t.Errorf("a batch that is no array: %d %s", r.Status, r.Body)
	}
	if r := f.post("/events", "application/json", []byte(`{}`), "ce-id", "8"); r.Status != 422 || r.Errors[0].Pointer != "/specversion" {
		t.Errorf("without a version: %d %s", r.Status, r.Body)
	}
	var kept struct {
		DeadLetters []DeadLetter `json:"dead_letters"`
	}
	f.get("/dead-letters", &kept)
	if len(kept.DeadLetters) != 1 || kept.DeadLetters[0].Headers[1] != (headerItem{"ce_id", "8"}) {
		t.Errorf("dead letters do not keep the attributes: %+v", kept)
	}
	ms := f.all("llm-requests")
	var e event.Event
	if len(ms) != 2 || new(event.Parser).Parse(ms[0].Value, &e) != nil {
		t.Fatalf("%d records", len(ms))
	}
	for _, m := range ms {
		if strings.Contains(string(m.Value), `"source":"/a"`) && !strings.Contains(string(m.Value), `"subject":"café"`) {
			t.Errorf("extension is not kept: %s", m.Value)
		}
	}
}

func TestOpenMeter(t *testing.T) {
	f := start(t, Defaults())
	post := func(contentType, body string) int {
		resp, err := http.Post(f.url+"/api/v1/events", contentType, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		return resp.StatusCode
	}
	bad := strings.Replace(ceStructured, `"id":"7",`, "", 1)
	for _, c := range []struct {
		contentType, body string
		want, records     int
	}{
		{"application/cloudevents-batch+json", "[" + ceStructured + "," + bad + "]", 400, 0},
		{"application/cloudevents+json", bad, 400, 0},
		{"application/cloudevents+json", "{", 400, 0},
		{"text/plain", "x", 415, 0},
		{"application/cloudevents+json", ceStructured, 204, 1},
		{"application/cloudevents-batch+json", "[" + ceStructured + "]", 204, 1},
		{"application/json", strings.Replace(ceStructured, `"id":"7",`, `"id":"8",`, 1), 204, 2},
		{"application/json; charset=utf-8", "[" + ceStructured + "," + strings.Replace(ceStructured, `"id":"7",`, `"id":"9",`, 1) + "]", 204, 3},
		{"application/json", "[" + ceStructured + "," + bad + "]", 400, 3},
	} {
		if got := post(c.contentType, c.body); got != c.want {
			t.Errorf("%s %s: %d, want %d", c.contentType, c.body, got, c.want)
		}
		if n := len(f.all("llm-requests")); n != c.records {
			t.Errorf("%s %s: %d records, want %d", c.contentType, c.body, n, c.records)
		}
	}
	if n := len(f.all(event.TopicDeadLetters)); n != 0 {
		t.Errorf("%d dead letters of bodies that took nothing", n)
	}
}

func TestHeaderText(t *testing.T) {
	for in, want := range map[string]string{"plain": "plain", "a%20b%22": `a b"`, `"quo\"ted \\ x"`: `quo"ted \ x`, "100%": "100%", `"`: `"`, "Euro %E2%82%AC": "Euro €"} {
		if got := headerText(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestTake(t *testing.T) {
	f := start(t, Defaults())
	good := event.Event{ID: "1", Source: "scrape", Kind: event.SystemMetric, Metrics: []event.Metric{{Name: "queue.depth", Value: 7}}}
	bad := event.Event{ID: "2", Source: "scrape", Kind: event.SystemMetric, Metrics: []event.Metric{{Name: strings.Repeat("n", 300), Value: 7}}}
	for range 2 { // the second time all of it is known
		if err := f.api.Take(t.Context(), []event.Event{good, bad}); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(f.all("system-metrics")); n != 1 {
		t.Errorf("%d records of one event", n)
	}
	if n := len(f.all(event.TopicDeadLetters)); n != 2 {
		t.Errorf("%d dead letters of a bad event that came twice", n)
	}
}

func TestOffer(t *testing.T) {
	f := start(t, Defaults())
	records := []Record{
		{Payload: []byte(`{"event_type":"llm_request","model":"m"}`), ID: "letter-1", Time: 1_748_772_000_000_000},
		{Payload: []byte(`{"event_type":"llm_request","duration_ms":"slow"}`), ID: "letter-2"},
		{Payload: []byte(ceStructured), Headers: structuredMode, ID: "letter-3"},
	}
	first, err := f.api.Offer(t.Context(), records)
	if err != nil {
		t.Fatal(err)
	}
	again, err := f.api.Offer(t.Context(), records)
	if err != nil {
		t.Fatal(err)
	}
	for i, id := range []string{"letter-1", "", "7"} {
		if first[i].EventID != id || (first[i].Bad != nil) != (id == "") || first[i].Duplicate {
			t.Errorf("record %d: %+v", i, first[i])
		}
		if again[i].EventID != id || again[i].Duplicate != (id != "") || again[i].Offset != first[i].Offset {
			t.Errorf("record %d again: %+v", i, again[i])
		}
	}
	if n := len(f.all(event.TopicDeadLetters)); n != 0 {
		t.Errorf("%d dead letters of what stays with the caller", n)
	}
	ms := f.all("llm-requests")
	if len(ms) != 2 || !strings.Contains(string(ms[0].Value)+string(ms[1].Value), `"event_id":"letter-1","event_type":"llm_request","timestamp":"2025-06-01T10:00:00Z"`) {
		t.Errorf("%d records, the first is %s", len(ms), ms[0].Value)
	}
}
