package stream

import (
	"testing"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
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
