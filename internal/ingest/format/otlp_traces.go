package format

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// Why spans are no requests.
const (
	skipNoLLM   = "spans are no LLM calls"
	skipWrapper = "spans wrap LLM calls (agents, tools, chains); the calls themselves are counted"
)

// traces turns spans into requests, and what they say of evaluations into feedback.
type traces struct {
	items *Items
	e     event.Event
	ranks [256]int // of the attribute that gave each field
	rest  object

	written int64 // tokens that were written to a cache
}

func (t *traces) span(from *origin, s *span) error {
	if err := t.items.more(); err != nil {
		return err
	}
	before := len(t.items.Ends)
	is, reason := judgeSpan(s)
	if is {
		t.request(from, s)
	}
	if err := t.evaluations(s); err != nil {
		return err
	}
	if len(t.items.Ends) == before {
		t.items.skip(reason)
	}
	return nil
}

// judgeSpan tells whether a span is a request to a model, and if not, what it is.
func judgeSpan(s *span) (is bool, reason string) {
	model, agent, operation := false, false, ""
	for i := range s.attrs {
		switch key := s.attrs[i].key; string(key) {
		case "gen_ai.operation.name", "openinference.span.kind":
			operation = s.attrs[i].value.text()
		case "llm.request.type":
			if operation == "" {
				operation = s.attrs[i].value.text()
			}
		case "gen_ai.agent.name", "agent_name", "gen_ai.tool.name":
			agent = true
		default:
			model = model || spanAliases[string(key)].field == event.Model && spanAliases[string(key)].rank > 0
		}
	}
	switch {
	case answering[operation]:
		return true, ""
	case operation != "" || agent:
		return false, skipWrapper
	case model:
		return true, ""
	}
	return false, skipNoLLM
}

func (t *traces) request(from *origin, s *span) {
	e := &t.e
	e.Reset()
	e.Kind, e.Source = event.LLMRequest, otlpSource
	t.rest, t.written = object{}, 0
	clear(t.ranks[:])
	bad := identify(e, s)
	t.attributes(s)
	if host := from.get("host.name", "k8s.node.name"); host != "" {
		e.SetText(event.Host, host)
	}
	endpoint(e, s)
	if b := stamp(e, s.start, "/startTimeUnixNano"); b != nil {
		bad = b
	}
	switch {
	case s.end >= s.start && s.start != 0 && s.end-s.start <= math.MaxInt64:
		e.SetInt(event.DurationMS, int64(s.end-s.start))
	case s.end != 0 && s.end < s.start:
		bad = &event.Invalid{Code: event.CodeNegative, Pointer: "/endTimeUnixNano", Detail: "the span ends before it begins"}
	}
	for i := range s.events {
		if ev := &s.events[i]; firstTokens[ev.name] && !e.Has(event.TTFT) && ev.time >= s.start && ev.time-s.start <= math.MaxInt64 {
			e.SetInt(event.TTFT, int64(ev.time-s.start))
			e.SetBool(event.Streaming, true)
		}
	}
	outcome(e, s)
	if op, known := operations[e.Text(event.Operation)]; known {
		e.SetText(event.Operation, op)
	}
	settleUsage(e, t.written, false)
	t.describe(from, s)
	t.items.add(e, bad)
}

// identify gives the event the id that makes a span count once, whatever road it takes.
func identify(e *event.Event, s *span) *event.Invalid {
	trace, ok := hexID(s.trace, 16)
	id, okID := hexID(s.id, 8)
	if !ok || !okID {
		return wrong("/spanId", "traceId and spanId have 16 and 8 bytes, as hex digits in JSON, and are not zero")
	}
	e.ID, e.CorrelationID = trace+"-"+id, trace
	e.SetText(event.RequestID, e.ID) // until an attribute knows better
	return nil
}

func (t *traces) attributes(s *span) {
	e := &t.e
	for i := range s.attrs {
		a := &s.attrs[i]
		if alias, known := spanAliases[string(a.key)]; known {
			if r := t.ranks[alias.field]; (r == 0 || alias.rank < r) && alias.set(e, &a.value) {
				t.ranks[alias.field] = alias.rank
			}
			continue
		}
		if slices.Contains(cacheWrites, string(a.key)) {
			if n, ok := a.value.float(); ok && n > 0 && finite(n) && t.written == 0 {
				t.written = scaled(n, 1)
				t.rest.addCount("cache_creation_tokens", t.written)
			}
		} else if name, known := partsOfTokens[string(a.key)]; known {
			if n, ok := a.value.float(); ok && n > 0 && finite(n) {
				t.rest.addCount(name, scaled(n, 1))
			}
		}
	}
	e.Extra = t.rest.text
}

// endpoint is where the call went: the path when the span knows it, else the server.
func endpoint(e *event.Event, s *span) {
	var path, address, port string
	for i := range s.attrs {
		switch a := &s.attrs[i]; string(a.key) {
		case "http.route", "url.path":
			path = a.value.text()
		case "server.address":
			address = a.value.text()
		case "server.port":
			port = a.value.text()
		}
	}
	switch {
	case path != "":
		e.SetText(event.Endpoint, path)
	case address != "" && port != "":
		e.SetText(event.Endpoint, address+":"+port)
	case address != "":
		e.SetText(event.Endpoint, address)
	}
}

// outcome says whether the call worked. A span whose status is not set did, unless it names an error.
func outcome(e *event.Event, s *span) {
	failed := s.failed || e.Has(event.ErrorType) || e.Int(event.StatusCode) >= 400
	e.SetBool(event.Success, !failed)
	if !failed {
		return
	}
	for i := range s.events {
		if !e.Has(event.ErrorType) && s.events[i].name == "exception" {
			for j := range s.events[i].attrs {
				if a := &s.events[i].attrs[j]; string(a.key) == "exception.type" {
					e.SetText(event.ErrorType, a.value.text())
				}
			}
		}
	}
	class := errorClass(e.Text(event.ErrorType))
	if code, err := strconv.Atoi(class); err == nil && code >= 100 && code <= 999 && !e.Has(event.StatusCode) {
		e.SetInt(event.StatusCode, int64(code))
	}
	if class == "" {
		class = "error"
	}
	e.SetText(event.ErrorType, class)
}

// errorClass is the name of a class without what Python's str puts around it and without its module.
func errorClass(s string) string {
	s = strings.TrimSuffix(strings.TrimPrefix(s, "<class '"), "'>")
	if i := strings.LastIndexByte(s, '.'); i >= 0 && i+1 < len(s) && !strings.ContainsAny(s, " /") {
		s = s[i+1:]
	}
	return s
}

// settleUsage says where the tokens come from and holds those that a cache told, and those that were written to it, to be a part of the prompt:
// where both together exceed it, or the caller knows better, they were counted beside it.
func settleUsage(e *event.Event, written int64, beside bool) {
	if !e.Has(event.PromptTokens) && !e.Has(event.CompletionTokens) {
		e.SetText(event.UsageSource, "none")
		return
	}
	e.SetText(event.UsageSource, "reported")
	if prompt, cache := e.Int(event.PromptTokens), added(e.Int(event.CachedTokens), written); e.Has(event.PromptTokens) && (beside || cache > prompt) {
		e.SetInt(event.PromptTokens, added(prompt, cache))
		e.Clear(event.TotalTokens)
	}
}

// describe keeps who made the span and whom it asked.
func (t *traces) describe(from *origin, s *span) {
	var about object
	about.addText("provider", first(s.attrs, providers...))
	if asked := first(s.attrs, "gen_ai.request.model"); asked != t.e.Text(event.Model) {
		about.addText("request_model", asked)
	}
	about.addText("service", from.get("service.name"))
	about.addText("environment", from.get("deployment.environment.name", "deployment.environment"))
	t.e.Metadata = about.text
}

// first is the text of the first of the names that is there.
func first(attrs []attr, names ...string) string {
	for _, n := range names {
		for i := range attrs {
			if string(attrs[i].key) == n {
				if s := attrs[i].value.text(); s != "" {
					return clipText(s)
				}
			}
		}
	}
	return ""
}

func clipText(s string) string {
	if len(s) > maxLabel {
		return strings.ToValidUTF8(s[:maxLabel], "")
	}
	return s
}
