package format

import (
	"strings"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// langfuseSource is the source of events made of exported traces.
const langfuseSource = "langfuse"

// Why observations are no requests.
const skipObservation = "observations are no generations, or wrap generations that are counted"

// Langfuse reads traces as Langfuse exports them: {"trace":{…},"observations":[…]}, an array or lines of them. Generations become
// requests, scores become feedback; inputs and outputs are passed over.
func Langfuse(body []byte, it *Items) error {
	var full error
	err := each(body, it, func(raw []byte) {
		if full == nil {
			full = it.langfuse(raw)
		}
	})
	if err == nil {
		err = full
	}
	return err
}

func (it *Items) langfuse(raw []byte) error {
	trace, observations := member(raw, "trace"), member(raw, "observations")
	if trace == nil && observations != nil {
		trace = raw // the trace of the API, with its observations inside
	}
	if textOr(member(trace, "id")) == "" || !isObjects(observations) {
		it.refuse(raw, wrong("/trace", "this is no exported trace of Langfuse: it has a trace with an id, and observations"))
		return nil
	}
	models := map[string]string{} // by observation
	wraps := wrappers(observations)
	for o := range elements(observations) {
		if err := it.more(); err != nil {
			return err
		}
		id := textOr(member(o, "id"))
		if kind := textOr(member(o, "type")); kind != "GENERATION" && kind != "EMBEDDING" || wraps[id] {
			it.skip(skipObservation)
			continue
		}
		models[id] = textOr(member(o, "model"))
		it.generation(trace, o)
	}
	for s := range elements(member(trace, "scores")) {
		if err := it.more(); err != nil {
			return err
		}
		it.score(trace, s, models)
	}
	return nil
}

// isObjects tells whether a value is an array of objects.
func isObjects(raw []byte) bool {
	if len(raw) == 0 || raw[0] != '[' {
		return false
	}
	for e := range elements(raw) {
		if e[0] != '{' {
			return false
		}
	}
	return true
}

// wrappers are the observations that have a generation below them: what an agent or a framework sums up.
func wrappers(observations []byte) map[string]bool {
	parents := map[string]string{}
	var generations []string
	for o := range elements(observations) {
		id := textOr(member(o, "id"))
		parents[id] = textOr(member(o, "parentObservationId"))
		if textOr(member(o, "type")) == "GENERATION" {
			generations = append(generations, id)
		}
	}
	out := map[string]bool{}
	for _, id := range generations {
		for up := parents[id]; up != "" && !out[up]; up = parents[up] {
			out[up] = true
		}
	}
	return out
}

// usageNames are the names of usageDetails, which are open: those seen so far.
var usageNames = []struct {
	field event.Field
	names []string
}{
	{event.PromptTokens, []string{"inputUsage", "input", "prompt_tokens"}},
	{event.CompletionTokens, []string{"outputUsage", "output", "completion_tokens"}},
	{event.CachedTokens, []string{"prompt_details.cache_read", "input_cached_tokens", "cache_read_input_tokens", "input_cache_read"}},
	{event.ReasoningTokens, []string{"completion_details.reasoning", "output_reasoning_tokens", "output_reasoning"}},
}

func (it *Items) generation(trace, o []byte) {
	var e event.Event
	e.Kind, e.Source = event.LLMRequest, langfuseSource
	e.CorrelationID = textOr(member(trace, "id"))
	e.ID = e.CorrelationID + "-" + textOr(member(o, "id"))
	e.SetText(event.RequestID, e.ID)
	setText(&e, event.Model, member(o, "model"))
	setText(&e, event.UserID, member(trace, "userId"))
	setText(&e, event.SessionID, member(trace, "sessionId"))
	for _, u := range usageNames {
		for _, n := range u.names {
			raw := member(o, n)
			if raw == nil {
				raw = at(o, "usageDetails", n)
			}
			if v, ok := integer(raw); ok {
				e.SetInt(u.field, v)
				break
			}
		}
	}
	var rest object
	written := int64(0)
	for _, name := range []string{"input_cache_creation", "cache_creation_input_tokens"} {
		if n, ok := integer(at(o, "usageDetails", name)); ok && written == 0 {
			written = n
			rest.addCount("cache_creation_tokens", n)
		}
	}
	e.Extra = rest.text
	settleUsage(&e, written, besidePrompt(&e, member(o, "usageDetails")))
	if cost, ok := float(member(o, "totalCost")); ok && finite(cost) {
		e.SetInt(event.Cost, scaled(cost, float64(dollars)))
	}
	e.SetBool(event.Success, textOr(member(o, "level")) != "ERROR")
	if !e.Bool(event.Success) {
		e.SetText(event.ErrorType, "error")
	}
	bad := observedTimes(&e, o)
	var about object
	about.addText("environment", clipText(textOr(member(trace, "environment"))))
	e.Metadata = about.text
	it.add(&e, bad)
}

// besidePrompt tells whether usage has Anthropic's names, whose input leaves out what a cache told and what was written to it, unless
// its total says that the input has them: some proxies use the names for counts of their own.
func besidePrompt(e *event.Event, usage []byte) bool {
	if member(usage, "cache_creation_input_tokens") == nil && member(usage, "cache_read_input_tokens") == nil {
		return false
	}
	total, ok := integer(member(usage, "total"))
	return !ok || total != added(e.Int(event.PromptTokens), e.Int(event.CompletionTokens))
}

func setText(e *event.Event, f event.Field, raw []byte) {
	if s := textOr(raw); s != "" {
		e.SetText(f, s)
	}
}

func observedTimes(e *event.Event, o []byte) *event.Invalid {
	var at [3]int64
	for i, name := range []string{"startTime", "endTime", "completionStartTime"} {
		if v := member(o, name); v != nil {
			t, ok := microsOf(v)
			if !ok {
				return &event.Invalid{Code: event.CodeTimestamp, Pointer: "/" + name, Detail: "is not an RFC 3339 time"}
			}
			at[i] = t
		}
	}
	if at[0] == 0 {
		return nil
	}
	e.Time, e.HasTime = at[0], true
	if at[1] != 0 {
		e.SetInt(event.DurationMS, (at[1]-at[0])*microsecond)
	}
	if at[2] >= at[0] {
		e.SetInt(event.TTFT, (at[2]-at[0])*microsecond)
		e.SetBool(event.Streaming, true)
	}
	return nil
}

func (it *Items) score(trace, s []byte, models map[string]string) {
	traceID, observation := textOr(member(trace, "id")), textOr(member(s, "observationId"))
	j := judgement{name: clipText(textOr(member(s, "name"))), label: clipText(textOr(member(s, "stringValue"))), kind: strings.ToLower(clipText(textOr(member(s, "source")))), user: textOr(member(s, "authorUserId"))}
	if f, ok := float(member(s, "value")); ok && finite(f) {
		j.score, j.hasScore = f, true
	}
	if observation != "" {
		j.response, j.model = traceID+"-"+observation, models[observation]
	}
	var e event.Event
	j.feedback(&e, langfuseSource)
	e.CorrelationID = traceID
	if e.ID = textOr(member(s, "id")); e.ID == "" {
		e.ID = hashID("score", string(s))
	}
	var bad *event.Invalid
	if v := member(s, "timestamp"); v != nil {
		t, ok := microsOf(v)
		if !ok {
			bad = &event.Invalid{Code: event.CodeTimestamp, Pointer: "/timestamp", Detail: "is not an RFC 3339 time"}
		}
		e.Time, e.HasTime = t, ok
	}
	it.add(&e, bad)
}
