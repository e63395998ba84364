package ingest

import (
	"errors"
	"net/http"

	"github.com/hxp-enterprise/hxp/internal/ingest/format"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

// foreign is the dialect of POST /ingest/…: bodies of other systems, answered as POST /events is.
type foreign struct {
	problems
	name string
	read func(body []byte, it *format.Items) error
}

func (f foreign) split(a *API, _ *http.Request, b *batch, body []byte) *refusal {
	switch mediaTypeOf(b.contentType) {
	case jsonBody, ndjsonBody:
	default:
		return unsupportedType(b.contentType, "application/json or application/x-ndjson")
	}
	it := format.Items{Max: a.settings().MaxItems}
	if err := f.read(body, &it); err != nil {
		return unreadable(err)
	}
	return a.adopt(b, f.name, &it)
}

func (foreign) answer(a *API, w http.ResponseWriter, _ *http.Request, b *batch) { a.answer(w, b) }

// mountForeign adds the paths where other systems send what they have.
func (a *API) mountForeign(m *httpx.Mux) {
	for _, f := range []struct {
		foreign
		body schema
		doc  string
	}{
		{foreign{name: "litellm", read: format.LiteLLM}, oneOrMany(liteLLMDoc), "Takes what LiteLLM's generic API callback sends: an array, lines, or one StandardLoggingPayload."},
		{foreign{name: "openai", read: format.OpenAI}, oneOrMany(answerDoc), "Takes answers that carry usage: chat completions, last chunks of streams, responses, embeddings, Anthropic's messages; one, an array, or lines."},
		{foreign{name: "langfuse", read: format.Langfuse}, oneOrMany(langfuseDoc), "Takes traces as Langfuse exports them: one, an array, or lines."},
	} {
		m.HandleFunc("POST /ingest/"+f.name, a.receiver(f.foreign), taking(httpx.Doc(f.doc), httpx.Body("application/json", "application/x-ndjson"), httpx.BodyOf(f.body))...)
	}
	a.mountOTLP(m)
}

// mountOTLP adds the paths of OTLP/HTTP.
func (a *API) mountOTLP(m *httpx.Mux) {
	for signal, name := range otlpNames {
		m.HandleFunc("POST /v1/"+name, a.receiver(otlp{format.Signal(signal)}), refusing(
			httpx.Doc("Takes OTLP "+name+". What is no event of hxp is told as a partial success, with the reason; errors are a google.rpc.Status."),
			httpx.Body(typeProtobuf, typeJSON), httpx.BodyOf(exportDoc(exportNames[signal])), httpx.Faults(typeJSON+","+typeProtobuf, rpcStatus{}),
			httpx.AnswerAs("200", typeProtobuf, ""), httpx.AnswerAs("200", typeJSON, "taken, in whole or in part", exportAnswer{}))...)
	}
}

var otlpNames = [...]string{format.Traces: "traces", format.Metrics: "metrics", format.Logs: "logs"}

// unreadable is the answer to a body that a format cannot read as a whole.
func unreadable(err error) *refusal {
	if errors.Is(err, format.ErrTooMany) {
		return &refusal{status: http.StatusRequestEntityTooLarge, detail: err.Error()}
	}
	return &refusal{status: http.StatusBadRequest, detail: err.Error()}
}

// adopt makes what a format found the items of a batch. The texts that it wrote count as bytes under way, like a body.
func (a *API) adopt(b *batch, name string, it *format.Items) *refusal {
	if no := a.charge(b, int64(len(it.Text))); no != nil {
		return no
	}
	b.format, b.contentType = name, "application/json"
	b.body, b.bad, b.left = it.Text, it.Bad, it.Left
	b.spans = b.spans[:0]
	from := 0
	for _, end := range it.Ends {
		b.spans = append(b.spans, span{from, end})
		from = end
	}
	for _, s := range it.Left {
		a.metrics.skipped.WithLabelValues(name).Add(float64(s.Count))
	}
	return nil
}
