package replay

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/hxp-enterprise/hxp/internal/event"
	foreign "github.com/hxp-enterprise/hxp/internal/ingest/format"
	"github.com/hxp-enterprise/hxp/internal/ingest/sink"
)

// The formats of other systems, read as at the way in over HTTP, so that a file and a request give the same events with the
// same ids. One row (a request of an exporter, a line of them) may hold many events.
var (
	otlp = format{
		name:  "otlp",
		wants: "OTLP requests in JSON (resourceSpans, resourceMetrics or resourceLogs)",
		match: func(p *probe) bool {
			return p.has("resourceSpans") || p.has("resourceMetrics") || p.has("resourceLogs")
		},
		many: readOTLP,
	}
	liteLLM = format{
		name:  "litellm",
		wants: "StandardLoggingPayloads of LiteLLM (id, status, startTime)",
		match: func(p *probe) bool { return p.has("id", "status", "startTime") },
		many:  foreign.LiteLLM,
	}
	openAIUsage = format{
		name:  "openai-usage",
		wants: "answers of a model with usage",
		match: func(p *probe) bool { return p.has("usage") || p.has("usageMetadata") || p.has("response", "type") },
		many:  foreign.OpenAI,
	}
	langfuse = format{
		name:  "langfuse",
		wants: "traces exported by Langfuse (trace, observations)",
		match: func(p *probe) bool { return p.has("observations") },
		many:  foreign.Langfuse,
	}
)

// readOTLP tells the signal of a request by what it holds.
func readOTLP(raw []byte, it *foreign.Items) error {
	keys, _ := members(raw, false)
	for name, signal := range map[string]foreign.Signal{"resourceSpans": foreign.Traces, "resourceMetrics": foreign.Metrics, "resourceLogs": foreign.Logs} {
		if _, has := keys[name]; has {
			return foreign.OTLP(signal, true, raw, it)
		}
	}
	return errors.New("holds none of resourceSpans, resourceMetrics, resourceLogs")
}

// maxEvents bounds what one row may hold; rows are at most maxRow bytes.
const maxEvents = 1 << 20

// playMany sends the events of one row.
func (p *player) playMany(ctx context.Context, in *input, d *decoder, r row, e *event.Event) error {
	found := foreign.Items{Max: maxEvents}
	err := r.err
	if err == nil {
		err = in.format.many(bytes.TrimSpace(r.json), &found)
	}
	if err != nil {
		p.tally.row()
		p.tally.refuse(in.source.name, r.line, err.Error())
		return nil
	}
	if left := found.Reasons(); left != "" {
		p.console.say(fmt.Sprintf("%s:%d: left out: %s", in.source.name, r.line, left))
	}
	from := 0
	for i, end := range found.Ends {
		text := found.Text[from:end]
		from = end
		p.tally.row()
		it, bad := d.found(text, found.Bad[i], r.line, e)
		if err := p.out(ctx, r.line, it, e, bad); err != nil {
			return err
		}
	}
	return nil
}

// found makes an item of a text that a foreign format made.
func (d *decoder) found(text []byte, bad *event.Invalid, line int, e *event.Event) (sink.Item, error) {
	if bad == nil {
		bad = d.parser.Parse(text, e)
	}
	if bad != nil {
		return sink.Item{File: d.file}, bad
	}
	d.n++
	return d.finish(e, d.n-1, line), nil
}
