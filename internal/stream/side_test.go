package stream

import (
	"strings"
	"testing"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/stream/deployments"
)

// A late CloudEvent in binary mode is nothing without its headers.
func TestLateCopyCanBeRead(t *testing.T) {
	m := &bus.Message{Topic: "llm-requests", Partition: 1, Offset: 7, Value: []byte(`{"model":"m"}`), Headers: []bus.Header{
		{Key: "ce_specversion", Value: []byte("1.0")}, {Key: "ce_id", Value: []byte("a")}, {Key: "ce_source", Value: []byte("/s")}, {Key: "ce_type", Value: []byte("llm_request")}}}
	f := &folder{src: source{Topic: "llm-requests", TopicID: "id", Partition: 1}}
	late := f.copyLate(m)
	var d event.Decoder
	var e event.Event
	if v := d.Decode(late.Value, bus.EventHeaders(late), &e); v != nil || e.ID != "a" || e.Text(event.Model) != "m" {
		t.Errorf("%v, %s", v, event.AppendJSON(nil, &e))
	}
	if h := late.Headers; string(h[0].Value) != "llm-requests" || string(h[1].Value) != "1" || string(h[2].Value) != "7" || string(late.Key) != "id:1:7" {
		t.Errorf("its place is lost: %q %v", late.Key, h)
	}
}

// What is kept out of events is kept out of late copies, also where it stands in a header.
func TestLateCopyIsTreated(t *testing.T) {
	p, err := event.PrivacyRules{Drop: []string{"user_id"}, Mask: []string{"owner"}}.Compile("")
	if err != nil {
		t.Fatal(err)
	}
	m := &bus.Message{Topic: "llm-requests", Value: []byte(`{"model":"m","user_id":"jane"}`), Headers: []bus.Header{
		{Key: "ce_specversion", Value: []byte("1.0")}, {Key: "ce_user_id", Value: []byte("jane")}, {Key: "ce_owner", Value: []byte("jane")}, {Key: "trace", Value: []byte("t")}}}
	f := &folder{src: source{Topic: "llm-requests", TopicID: "id"}, decoder: event.Decoder{Limits: event.Limits{Privacy: p}}}
	late := f.copyLate(m)
	got := string(late.Value)
	for _, h := range late.Headers[3:] {
		got += " " + h.Key + "=" + string(h.Value)
	}
	if want := `{"model":"m"} ce_specversion=1.0 ce_owner=j*** trace=t`; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}

// A deployment that an event tells of goes to its topic with the event's time and texts; an order does not.
func TestDeploymentIsTold(t *testing.T) {
	for kind, want := range map[string]string{"deploy": "Deploy m 7 smaller batches", "order": ""} {
		value := `{"event_type":"business_event","timestamp":"2026-03-01T10:00:00Z","data":{"business_event_type":"` + kind + `","model":"m","version":"7"},"metadata":{"text":"smaller batches"}}`
		m := &bus.Message{Topic: "business-events", Offset: 7, Value: []byte(value)}
		f := &folder{src: source{Topic: "business-events", TopicID: "id"}, ev: new(event.Event), open: newWork(source{}, 0)}
		var d event.Decoder
		if bad := d.Decode(m.Value, nil, f.ev); bad != nil {
			t.Fatal(bad)
		}
		f.tellDeployment(m)
		got := ""
		for _, m := range f.open.side {
			d, err := deployments.Decode(m.Value)
			if err != nil || m.Topic != event.TopicDeployments || string(m.Key) != "id:0:7" || d.At.Unix() != 1772359200 {
				t.Fatalf("%v %+v %+v", err, m, d)
			}
			got += strings.Join([]string{d.Title, d.Model, d.Version, d.Text}, " ")
		}
		if got != want {
			t.Errorf("%s: %q, want %q", kind, got, want)
		}
	}
}
