package ingest

import (
	"fmt"
	"mime"
	"net/http"
	"strconv"

	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/ingest/prom"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

// defaultWrites is what receives remote writes when nothing else was set.
func defaultWrites() *prom.Receiver {
	return prom.NewReceiver(prom.NewNames(nil), 200_000, prom.Limits{Events: MaxWriteEvents, Metrics: 64})
}

// MaxWriteEvents bounds the hosts, models, GPUs and times of one remote write.
const MaxWriteEvents = 10_000

// mountPrometheus adds the path of Prometheus' remote write.
func (a *API) mountPrometheus(m *httpx.Mux) {
	m.HandleFunc("POST /ingest/prometheus", a.remoteWrite, httpx.Needs(httpx.Ingest), // not for tenants: machines are nobody's
		httpx.Doc("Takes Prometheus' remote write, versions 1 and 2, as system metrics."),
		httpx.Body("application/x-protobuf"),
		httpx.Header("Content-Encoding", "snappy, as Prometheus sends; gzip and zstd are taken too"),
		httpx.Answer("204", "all written; headers X-Prometheus-Remote-Write-*-Written tell how much"),
		httpx.Answer("400", "no such message, or a part of it is wrong; the headers tell what was written all the same"),
		httpx.Answer("413", "too large, nothing written"), httpx.Answer("415", "another content type or encoding"),
		httpx.Answer("429", "too much under way, or more than this sender may bring; see Retry-After"), httpx.Answer("503", "the brokers cannot write now, see Retry-After"))
}

func (a *API) remoteWrite(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Content-Encoding") == "" { // the specification knows nothing else, so some senders do not say it
		r.Header.Set("Content-Encoding", "snappy")
	}
	a.receiver(&remoteWrite{receiver: a.RemoteWrite})(w, r)
}

// remoteWrite is the dialect of Prometheus' remote write, for one request.
type remoteWrite struct {
	receiver *prom.Receiver
	write    *prom.Write
}

// messages are the bodies by the parameter proto of the media type; without one it is version 1.
var messages = map[string]bool{"": false, "prometheus.WriteRequest": false, "io.prometheus.write.v2.Request": true}

func (d *remoteWrite) split(a *API, _ *http.Request, b *batch, body []byte) *refusal {
	media, params, err := mime.ParseMediaType(b.contentType)
	v2, known := messages[params["proto"]]
	if err != nil || media != "application/x-protobuf" || !known {
		return unsupportedType(b.contentType, "application/x-protobuf, with proto=prometheus.WriteRequest or proto=io.prometheus.write.v2.Request")
	}
	// Numbers are gathered by host, model and name before they are written: up to so many bytes for one of the body.
	if no := a.charge(b, min(8*int64(len(body)), a.settings().MaxInFlightBytes/4)); no != nil {
		return no
	}
	d.write, err = d.receiver.Decode(body, v2, a.now().UnixMicro())
	if err != nil {
		return &refusal{status: http.StatusBadRequest, detail: "the body cannot be read: " + err.Error()}
	}
	if d.write.Stats.Crowded > 0 {
		return &refusal{status: http.StatusRequestEntityTooLarge, detail: fmt.Sprintf("more than %d events (hosts, models, GPUs and times); send it in several", MaxWriteEvents)}
	}
	for _, e := range d.write.Events() {
		from := len(b.body)
		b.body = event.AppendJSON(b.body, &e)
		b.spans = append(b.spans, span{from, len(b.body)})
	}
	return nil
}

// answer tells how much is written. What was rejected is in the dead letters; a sender must not bring it again, so it gets
// an answer that says so, and its reason.
func (d *remoteWrite) answer(a *API, w http.ResponseWriter, r *http.Request, b *batch) {
	n := a.tally(b)
	d.count(a)
	written := d.write.Total
	less := func(x prom.Weight) {
		written.Samples, written.Histograms = written.Samples-x.Samples, written.Histograms-x.Histograms
	}
	less(d.write.Refused)
	for i, weight := range d.write.Weights() {
		if b.items[i].fate == rejected {
			less(weight)
		}
	}
	d.tell(w, written)
	switch {
	case d.write.Fault != "":
		httpx.Problem(w, r, http.StatusBadRequest, fmt.Sprintf("%d of %d samples are wrong, the others are written; the first: %s", d.write.Refused.Samples+d.write.Refused.Histograms, d.write.Total.Samples+d.write.Total.Histograms, d.write.Fault))
	case n[rejected] > 0:
		first := b.errors()[0]
		httpx.Problem(w, r, http.StatusBadRequest, fmt.Sprintf("%d events are rejected and kept in the dead letters, the others are written; the first: %s %s", n[rejected], first.Pointer, first.Detail))
	default:
		w.WriteHeader(http.StatusNoContent)
	}
}

func (d *remoteWrite) tell(w http.ResponseWriter, written prom.Weight) {
	h := w.Header()
	h.Set("X-Prometheus-Remote-Write-Samples-Written", strconv.Itoa(written.Samples))
	h.Set("X-Prometheus-Remote-Write-Histograms-Written", strconv.Itoa(written.Histograms))
	h.Set("X-Prometheus-Remote-Write-Exemplars-Written", "0")
}

// refuse takes back what counters were told, because the sender brings the same samples again.
func (d *remoteWrite) refuse(w http.ResponseWriter, r *http.Request, no *refusal) {
	if d.write != nil {
		d.write.Undo()
	}
	d.tell(w, prom.Weight{})
	httpx.Problem(w, r, no.status, no.detail)
}

// count tells what became of the samples.
func (d *remoteWrite) count(a *API) {
	s, m := &d.write.Stats, a.metrics.samples
	for outcome, n := range map[string]int{
		"taken": s.Samples - s.Stale - s.Unnamed, "no_number": s.Stale, "by_name": s.Unnamed,
		"invalid": d.write.Refused.Samples + d.write.Refused.Histograms, "max_metrics": s.Over, "out_of_range": s.Refused,
	} {
		m.WithLabelValues(outcome).Add(float64(n))
	}
}
