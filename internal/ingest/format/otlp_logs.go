package format

import (
	"encoding/json"
	"strconv"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// Why log records are no events.
const (
	skipLog     = "log records are neither evaluations nor events of hxp"
	skipDetails = "log records repeat what the span of the call says, or hold its content, which is not stored"
)

// logs turns log records into events.
type logs struct {
	items *Items
	e     event.Event
}

func (l *logs) record(from *origin, r *record) error {
	if err := l.items.more(); err != nil {
		return err
	}
	name := r.name
	if name == "" {
		name = first(r.attrs, "event.name")
	}
	kind, ours := event.ParseKind(name)
	switch {
	case name == evaluationEvent:
		l.evaluation(r)
	case ours:
		l.own(from, r, kind)
	case len(name) > 7 && name[:7] == "gen_ai.":
		l.items.skip(skipDetails)
	default:
		l.items.skip(skipLog)
	}
	return nil
}

func (r *record) when() uint64 {
	if r.time != 0 {
		return r.time
	}
	return r.seen
}

func (l *logs) evaluation(r *record) {
	j := evaluated(r.attrs)
	trace, ok := hexID(r.trace, 16)
	id, okID := hexID(r.id, 8)
	if j.response == "" && ok && okID {
		j.response = trace + "-" + id
	}
	j.feedback(&l.e, otlpSource)
	if ok {
		l.e.CorrelationID = trace
	}
	l.e.ID = hashID("evaluation", trace, id, j.response, j.name, j.identifier, j.label, strconv.FormatFloat(j.score, 'g', -1, 64), strconv.FormatUint(r.when(), 10))
	l.items.add(&l.e, stamp(&l.e, r.when(), "/timeUnixNano"))
}

// own takes a record whose event name is one of hxp's kinds: its attributes are the data fields. That is how an application
// that has OpenTelemetry and nothing else sends feedback and business events.
func (l *logs) own(from *origin, r *record, kind event.Kind) {
	var data object
	for i := range r.attrs {
		a := &r.attrs[i]
		if string(a.key) == "event.name" || a.value.kind == noValue {
			continue
		}
		data.add(keyText(a.key), a.value.json())
	}
	if data.text == nil {
		data.text = []byte("{}")
	}
	trace, _ := hexID(r.trace, 16)
	id, _ := hexID(r.id, 8)
	l.e.Reset()
	l.e.Kind = kind
	bad := stamp(&l.e, r.when(), "/timeUnixNano")
	var o object
	o.addText("event_id", hashID("event", trace, id, kind.String(), string(data.text), strconv.FormatUint(r.when(), 10)))
	o.addText("event_type", kind.String())
	if l.e.HasTime {
		o.addText("timestamp", event.FormatTime(l.e.Time))
	}
	o.addText("source", otlpSource)
	o.addText("correlation_id", trace)
	o.add("data", data.text)
	if service := from.get("service.name"); service != "" {
		var about object
		about.addText("service", service)
		o.add("metadata", about.text)
	}
	l.items.addRaw(o.text, bad)
}

// json writes a value as JSON. What JSON has no number for is written as text, so that the parser says what is wrong.
func (v *value) json() []byte {
	switch v.kind {
	case boolValue, intValue:
		return []byte(v.text())
	case floatValue:
		if s := []byte(v.text()); json.Valid(s) {
			return s
		}
	}
	return quoted(v.text())
}
