package ingest

import (
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/hxp-enterprise/hxp/internal/ingest/format"
)

// otlp is the dialect of the three paths of OTLP/HTTP: protobuf and JSON, answered in what was sent. What is no event of hxp is
// told as a partial success with the reason, and so are events that were rejected, which lie in the dead letters.
type otlp struct {
	signal format.Signal
}

// The media types of OTLP.
const (
	typeProtobuf = "application/x-protobuf"
	typeJSON     = "application/json"
)

func otlpType(contentType string) (asJSON, ok bool) {
	t, _, err := mime.ParseMediaType(contentType)
	return t == typeJSON, err == nil && (t == typeJSON || t == typeProtobuf)
}

func (o otlp) split(a *API, _ *http.Request, b *batch, body []byte) *refusal {
	asJSON, ok := otlpType(b.contentType)
	if !ok {
		return unsupportedType(b.contentType, typeProtobuf+" or "+typeJSON)
	}
	return o.decode(a, b, asJSON, body)
}

func (o otlp) decode(a *API, b *batch, asJSON bool, body []byte) *refusal {
	// Data points are gathered before they are written, each with its attributes: up to so many bytes for one of the body.
	if o.signal == format.Metrics {
		if no := a.charge(b, min(16*int64(len(body)), 1024*int64(a.settings().MaxItems), a.settings().MaxInFlightBytes/4)); no != nil {
			return no
		}
	}
	it := format.Items{Max: a.settings().MaxItems}
	if err := format.OTLP(o.signal, asJSON, body, &it); err != nil {
		return unreadable(err)
	}
	return a.adopt(b, "otlp", &it)
}

func (o otlp) answer(a *API, w http.ResponseWriter, r *http.Request, b *batch) {
	refused, why := o.partial(a, b)
	if asJSON, _ := otlpType(r.Header.Get("Content-Type")); asJSON {
		writeAs(w, http.StatusOK, typeJSON, o.jsonAnswer(refused, why))
		return
	}
	writeAs(w, http.StatusOK, typeProtobuf, protoAnswer(refused, why))
}

// partial counts what did not become an event, and says why.
func (o otlp) partial(a *API, b *batch) (refused int64, why string) {
	n := a.tally(b)
	left := format.Items{Left: b.left}
	refused, why = int64(left.Skipped()+n[rejected]), left.Reasons()
	if n[rejected] > 0 {
		first := b.errors()[0]
		if why != "" {
			why += "; "
		}
		why += fmt.Sprintf("%d rejected and kept in the dead letters, the first because of %s at %s: %s", n[rejected], first.Code, first.Pointer, first.Detail)
	}
	return refused, why
}

// rejectedNames are the fields of partial_success by signal.
var rejectedNames = [...]string{format.Traces: "rejectedSpans", format.Metrics: "rejectedDataPoints", format.Logs: "rejectedLogRecords"}

// exportAnswer is an Export…ServiceResponse in JSON: empty when everything was taken.
type exportAnswer struct {
	PartialSuccess map[string]string `json:"partialSuccess,omitempty"`
}

func (o otlp) jsonAnswer(refused int64, why string) []byte {
	if refused == 0 {
		return []byte("{}")
	}
	out, err := json.Marshal(exportAnswer{map[string]string{rejectedNames[o.signal]: strconv.FormatInt(refused, 10), "errorMessage": why}})
	if err != nil {
		return []byte("{}") // texts always marshal
	}
	return out
}

// protoAnswer is an Export…ServiceResponse; the three are alike.
func protoAnswer(refused int64, why string) []byte {
	if refused == 0 {
		return nil
	}
	var partial []byte
	partial = protowire.AppendVarint(protowire.AppendTag(partial, 1, protowire.VarintType), uint64(refused))
	partial = protowire.AppendString(protowire.AppendTag(partial, 2, protowire.BytesType), why)
	return protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), partial)
}

// Codes of google.rpc that are used.
const (
	rpcInvalidArgument   = 3
	rpcDeadlineExceeded  = 4
	rpcPermissionDenied  = 7
	rpcResourceExhausted = 8
	rpcUnimplemented     = 12
	rpcInternal          = 13
	rpcUnavailable       = 14
	rpcUnauthenticated   = 16
)

// rpcCode is what a refusal is called in google.rpc. What may be sent again is so by the codes that the protocol lists.
func (no *refusal) rpcCode() int {
	switch no.status {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		return rpcUnavailable
	case http.StatusUnauthorized:
		return rpcUnauthenticated
	case http.StatusForbidden:
		return rpcPermissionDenied
	case http.StatusRequestTimeout:
		return rpcDeadlineExceeded
	case http.StatusRequestEntityTooLarge:
		return rpcResourceExhausted
	case http.StatusInternalServerError:
		return rpcInternal
	case http.StatusNotImplemented:
		return rpcUnimplemented
	}
	return rpcInvalidArgument
}

// rpcStatus is a google.rpc.Status in JSON.
type rpcStatus struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

// rpcStatus is a refusal as google.rpc.Status in protobuf.
func (no *refusal) rpcStatus() []byte {
	status := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), uint64(no.rpcCode()))
	return protowire.AppendString(protowire.AppendTag(status, 2, protowire.BytesType), no.detail)
}

// refuse answers with a google.rpc.Status, as the protocol wants.
func (o otlp) refuse(w http.ResponseWriter, r *http.Request, no *refusal) {
	if asJSON, ok := otlpType(r.Header.Get("Content-Type")); ok && !asJSON {
		writeAs(w, no.status, typeProtobuf, no.rpcStatus())
		return
	}
	out, err := json.Marshal(rpcStatus{no.rpcCode(), no.detail})
	if err != nil {
		out = []byte("{}")
	}
	writeAs(w, no.status, typeJSON, out)
}

func writeAs(w http.ResponseWriter, status int, contentType string, body []byte) {
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // the sender has gone: nothing is left to tell
}
