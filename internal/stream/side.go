package stream

import (
	"strconv"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/stream/deployments"
)

// bury puts a record that is no valid event aside, whole and with the reason, to be written to the dead letters before the
// unit that covers it. Its id is the record's place, so that readers who meet it twice keep the first.
func (f *folder) bury(m *bus.Message, bad *event.Invalid) {
	t := &f.open.header.Tally
	t.DeadLetters++
	if bad.Code == event.CodeFuture {
		t.Future++
		t.odd(f.ev.Source, oddities{Future: 1})
	}
	d := event.DeadLetter{
		ID: f.place(m), Topic: m.Topic, Partition: m.Partition, Offset: m.Offset, ReceivedAt: m.Timestamp.UnixMicro(),
		Code: bad.Code, Pointer: bad.Pointer, Reason: bad.Detail, Payload: m.Value,
	}
	for _, h := range m.Headers {
		d.Headers = append(d.Headers, [2]string{h.Key, string(h.Value)})
	}
	f.decoder.Discreet(&d)
	key, value, headers := d.Record()
	out := &bus.Message{Topic: event.TopicDeadLetters, Key: key, Value: value}
	for _, h := range headers {
		out.Headers = append(out.Headers, bus.Header{Key: h.Key, Value: h.Value})
	}
	f.open.side = append(f.open.side, out)
}

// copyLate copies a late event, as it came but for what is to be kept out, with its place. Its own headers go with it: those of a CloudEvent tell how to
// read it.
func (f *folder) copyLate(m *bus.Message) *bus.Message {
	headers := []bus.Header{
		{Key: "topic", Value: []byte(m.Topic)},
		{Key: "partition", Value: strconv.AppendInt(nil, int64(m.Partition), 10)},
		{Key: "offset", Value: strconv.AppendInt(nil, m.Offset, 10)},
	}
	for _, h := range m.Headers {
		if value, stays := f.decoder.TreatedHeader(h.Key, h.Value); stays {
			headers = append(headers, bus.Header{Key: h.Key, Value: value})
		}
	}
	return &bus.Message{Topic: event.TopicLate, Key: []byte(f.place(m)), Value: f.decoder.Treated(m.Value), Headers: headers}
}

// tellDeployment puts aside what an event says of something new that was put to work.
func (f *folder) tellDeployment(m *bus.Message) {
	e, d := f.ev, (*deployments.Deployment)(nil)
	switch e.Kind {
	case event.LLMRequest:
		if f.lookout != nil {
			d = f.lookout.New(e, noted(e, `"prompt_version"`), f.arrival)
		}
	case event.BusinessEvent:
		d = deployments.Of(e, func(name string) string { return noted(e, `"`+name+`"`) })
	}
	if d != nil {
		d.ID = f.place(m)
		f.open.side = append(f.open.side, &bus.Message{Topic: event.TopicDeployments, Key: []byte(d.ID), Value: d.Record()})
	}
}

func (f *folder) place(m *bus.Message) string {
	return event.OffsetID(f.src.TopicID, m.Partition, m.Offset)
}
