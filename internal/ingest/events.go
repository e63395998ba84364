package ingest

import (
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

// eventBodies is the dialect of POST /events: JSON, NDJSON and CloudEvents in every mode.
type eventBodies struct{ problems }

func (eventBodies) split(a *API, r *http.Request, b *batch, body []byte) *refusal {
	kind := mediaTypeOf(b.contentType)
	if binary := binaryMode(r.Header); binary != nil && kind != cloudEvent && kind != cloudEvents {
		b.headers = binary
		return b.one(body)
	}
	switch kind {
	case cloudEvent:
		b.headers = structuredMode
		return b.one(body)
	case cloudEvents:
		b.headers = structuredMode
		if i := skipBlank(body, 0); i < len(body) && body[i] != '[' {
			return &refusal{status: http.StatusBadRequest, detail: "a batch of CloudEvents is a JSON array"}
		}
		return b.split(jsonBody, body, a.settings().MaxItems)
	case unsupported:
		return unsupportedType(b.contentType, "application/json, application/x-ndjson, application/cloudevents+json or application/cloudevents-batch+json")
	}
	return b.split(kind, body, a.settings().MaxItems)
}

func (eventBodies) answer(a *API, w http.ResponseWriter, _ *http.Request, b *batch) { a.answer(w, b) }

// problems refuses as everything does that speaks no foreign format.
type problems struct{}

func (problems) refuse(w http.ResponseWriter, r *http.Request, no *refusal) {
	httpx.Problem(w, r, no.status, no.detail)
}

// openMeter is the dialect of POST /api/v1/events, where OpenMeter takes CloudEvents: all or nothing, told without a body.
type openMeter struct{ eventBodies }

// split takes what is called application/json for CloudEvents as well, one or an array: OpenMeter does.
func (d openMeter) split(a *API, r *http.Request, b *batch, body []byte) *refusal {
	b.strict = true
	if mediaTypeOf(b.contentType) == jsonBody && binaryMode(r.Header) == nil {
		b.headers = structuredMode
		return b.split(jsonBody, body, a.settings().MaxItems)
	}
	return d.eventBodies.split(a, r, b, body)
}

func (openMeter) answer(a *API, w http.ResponseWriter, _ *http.Request, b *batch) {
	a.tally(b)
	w.WriteHeader(http.StatusNoContent)
}

func unsupportedType(got, use string) *refusal {
	detail := "Content-Type " + strconv.Quote(clip(got)) + " is not supported; use " + use
	if strings.HasPrefix(got, "application/x-www-form-urlencoded") { // what curl -d says
		detail += " (curl: add -H 'Content-Type: application/json')"
	}
	return &refusal{status: http.StatusUnsupportedMediaType, detail: detail}
}

// one makes the whole body one item.
func (b *batch) one(body []byte) *refusal {
	b.body, b.spans, b.single = body, append(b.spans[:0], span{0, len(body)}), true
	return nil
}

// split finds the items of a body of JSON or NDJSON.
func (b *batch) split(kind mediaType, body []byte, max int) *refusal {
	var bad *splitError
	b.body = body
	if kind == ndjsonBody {
		b.spans, bad = splitLines(body, b.spans[:0], max)
		if bad == nil && len(b.spans) == 0 {
			bad = &splitError{detail: "the body is empty"}
		}
	} else {
		b.spans, bad = splitJSON(body, b.spans[:0], max)
		b.single = bad == nil && len(b.spans) == 1 && body[skipBlank(body, 0)] != '['
	}
	switch {
	case bad == nil:
		return nil
	case bad.tooMany:
		return &refusal{status: http.StatusRequestEntityTooLarge, detail: bad.detail}
	}
	return &refusal{status: http.StatusBadRequest, detail: bad.detail}
}

var structuredMode = []event.Header{{Key: event.HeaderContentType, Value: []byte(event.CloudEventJSON)}}

// binaryMode returns the attributes of a CloudEvent in binary mode as headers of a record, nil when the request is none.
func binaryMode(h http.Header) []event.Header {
	if len(h["Ce-Specversion"]) == 0 && len(h["Ce-Id"]) == 0 {
		return nil
	}
	out := []event.Header{{Key: event.HeaderContentType, Value: []byte(h.Get("Content-Type"))}}
	for name, values := range h {
		if attribute, is := strings.CutPrefix(name, "Ce-"); is && len(values) > 0 {
			out = append(out, event.Header{Key: event.HeaderCE + strings.ToLower(attribute), Value: []byte(headerText(values[0]))})
		}
	}
	return out
}

// headerText undoes what the HTTP binding does to the value of an attribute: quotes around it, then percent-encoding.
func headerText(v string) string {
	if len(v) > 1 && v[0] == '"' && v[len(v)-1] == '"' {
		var plain strings.Builder
		for i := 1; i < len(v)-1; i++ {
			if v[i] == '\\' && i+1 < len(v)-1 {
				i++
			}
			plain.WriteByte(v[i])
		}
		v = plain.String()
	}
	if plain, err := url.PathUnescape(v); err == nil {
		return plain
	}
	return v
}

// mediaType of a body.
type mediaType uint8

const (
	unsupported mediaType = iota
	jsonBody
	ndjsonBody
	cloudEvent
	cloudEvents
)

func mediaTypeOf(header string) mediaType {
	switch header { // what nearly everybody sends
	case "application/json":
		return jsonBody
	case "application/x-ndjson":
		return ndjsonBody
	}
	t, _, err := mime.ParseMediaType(header)
	if err != nil {
		return unsupported
	}
	switch t {
	case "application/json", "text/json":
		return jsonBody
	case "application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines":
		return ndjsonBody
	case "application/cloudevents+json":
		return cloudEvent
	case "application/cloudevents-batch+json":
		return cloudEvents
	}
	return unsupported
}
