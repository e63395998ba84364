package format

import (
	"math"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// liteLLMSource is the source of events made of LiteLLM's payloads. Id and status make them the same: a call that fails and
// succeeds when tried again is two events under one id.
const liteLLMSource = "litellm"

// LiteLLM reads StandardLoggingPayloads as the proxy's generic API callback sends them: an array, one, or lines of them,
// whatever the content type says. Messages and answers are passed over.
func LiteLLM(body []byte, it *Items) error {
	return each(body, it, func(raw []byte) { it.payload(raw) })
}

// liteTexts are the fields that a payload gives as text, by where they stand; the first that is there counts.
var liteTexts = []struct {
	field event.Field
	paths [][]string
}{
	{event.Model, [][]string{{"model"}, {"model_group"}}},
	{event.UserID, [][]string{{"end_user"}, {"metadata", "user_api_key_end_user_id"}, {"metadata", "user_api_key_user_id"}, {"metadata", "user_api_key_alias"}}},
	{event.Tenant, [][]string{{"metadata", "user_api_key_team_alias"}, {"metadata", "user_api_key_team_id"}, {"metadata", "user_api_key_org_id"}}},
	{event.SessionID, [][]string{{"session_id"}}},
	{event.Operation, [][]string{{"call_type"}}},
	{event.Endpoint, [][]string{{"metadata", "user_api_key_request_route"}, {"api_base"}}},
	{event.FinishReason, [][]string{{"response", "finish_reason"}}},
}

func (it *Items) payload(raw []byte) {
	top := index(raw)
	id, status := textOr(top.get("id")), textOr(top.get("status"))
	if name := textOr(top.get("event_group")); status == "" && name != "" {
		it.refuse(raw, wrong("/event_group", "this is a budget alert of LiteLLM, not a logging payload; send alerts to a receiver of webhooks, and only generic_api callbacks here"))
		return
	}
	if id == "" || status != "success" && status != "failure" {
		it.refuse(raw, wrong("/status", `this is no StandardLoggingPayload: it has an id and a status "success" or "failure"`))
		return
	}
	var e event.Event
	e.Kind, e.Source, e.ID = event.LLMRequest, liteLLMSource, id+":"+status
	e.CorrelationID = textOr(top.get("trace_id"))
	e.SetText(event.RequestID, id)
	for _, t := range liteTexts {
		for _, path := range t.paths {
			if s := textOr(top.at(path...)); s != "" {
				e.SetText(t.field, s)
				break
			}
		}
	}
	if op, known := operations[e.Text(event.Operation)]; known {
		e.SetText(event.Operation, op)
	}
	for choice := range elements(top.at("response", "choices")) {
		if s := textOr(member(choice, "finish_reason")); s != "" {
			e.SetText(event.FinishReason, s)
		}
		break
	}
	var rest object
	e.SetBool(event.Success, status == "success")
	liteFailure(&e, top, status)
	bad := liteUsage(&e, &rest, top, status)
	if b := liteTimes(&e, top); b != nil {
		bad = b
	}
	if raw := top.get("model"); raw != nil && raw[0] != '"' && bad == nil {
		bad = &event.Invalid{Code: event.CodeType, Pointer: "/model", Detail: "is no text"}
	}
	if raw := top.get("response_cost"); raw != nil {
		cost, ok := float(raw)
		if ok = ok && raw[0] != '"' && finite(cost); !ok && bad == nil {
			bad = &event.Invalid{Code: event.CodeType, Pointer: "/response_cost", Detail: "is no number"}
		}
		if ok {
			e.SetInt(event.Cost, scaled(cost, float64(dollars)))
		}
	}
	e.Extra = rest.text
	e.Metadata = liteAbout(top)
	it.add(&e, bad)
}

// liteUsage prefers the counts of the usage object, which tell cached and reasoning tokens, to those of the payload.
func liteUsage(e *event.Event, rest *object, top indexed, status string) (bad *event.Invalid) {
	for _, path := range [][]string{{"metadata", "usage_object"}, {"hidden_params", "usage_object"}, {"response", "usage"}} {
		if status != "success" {
			break
		}
		var found bool
		if found, bad = readUsage(e, rest, top.at(path...)); found || bad != nil {
			break
		}
	}
	for _, own := range []struct {
		field event.Field
		name  string
	}{{event.PromptTokens, "prompt_tokens"}, {event.CompletionTokens, "completion_tokens"}, {event.TotalTokens, "total_tokens"}} {
		raw := top.get(own.name)
		n, ok := whole(raw)
		if raw != nil && !ok && bad == nil {
			bad = notCount("/" + own.name)
		}
		if ok && !e.Has(own.field) {
			e.SetInt(own.field, n)
		}
	}
	switch {
	case e.Int(event.PromptTokens) == 0 && e.Int(event.CompletionTokens) == 0:
		e.SetText(event.UsageSource, "none")
	default:
		e.SetText(event.UsageSource, "reported")
	}
	if total := e.Int(event.TotalTokens); total >= 0 && total < e.Int(event.PromptTokens)+e.Int(event.CompletionTokens) {
		e.Clear(event.TotalTokens) // of a provider that counts cached tokens beside the prompt
	}
	return bad
}

func liteFailure(e *event.Event, top indexed, status string) {
	info := top.get("error_information")
	if code, ok := integer(member(info, "error_code")); ok && code > 0 {
		e.SetInt(event.StatusCode, code)
	}
	if status != "failure" {
		return
	}
	class := textOr(member(info, "error_class"))
	if class == "" {
		class = "error"
	}
	e.SetText(event.ErrorType, class)
}

// liteTimes reads start, end and, for a stream, when the first piece came. Times are seconds since the epoch or, in older
// versions, text without a zone, which is UTC.
func liteTimes(e *event.Event, top indexed) *event.Invalid {
	var at [3]int64
	for i, name := range []string{"startTime", "endTime", "completionStartTime"} {
		v := top.get(name)
		if v == nil {
			continue
		}
		t, ok := microsOf(v)
		if !ok {
			return &event.Invalid{Code: event.CodeTimestamp, Pointer: "/" + name, Detail: "is neither seconds since 1970 nor a time like 2026-05-01 12:00:00.25"}
		}
		at[i] = t
	}
	start, end, first := at[0], at[1], at[2]
	if start > 0 {
		e.Time, e.HasTime = start, true
		if end != 0 {
			e.SetInt(event.DurationMS, (end-start)*microsecond)
		}
	}
	stream := string(top.get("stream")) == "true"
	e.SetBool(event.Streaming, stream)
	if stream && start > 0 && first >= start && (first < end || end == 0) {
		e.SetInt(event.TTFT, (first-start)*microsecond)
	}
	return nil
}

// microsOf reads a time, as a number of seconds or as text, in microseconds since the epoch.
func microsOf(raw []byte) (int64, bool) {
	if raw[0] != '"' {
		f, ok := float(raw)
		if !ok || !finite(f) || f < 0 || f >= maxTime/second {
			return 0, false
		}
		return int64(math.Round(f * 1e6)), true
	}
	s := strings.Replace(textOr(raw), " ", "T", 1)
	for _, layout := range []string{"2006-01-02T15:04:05Z07:00", "2006-01-02T15:04:05"} { // both take fractions of a second
		if t, err := time.Parse(layout, s); err == nil && t.Year() >= 1970 && t.Year() < 2262 {
			return t.UnixMicro(), true
		}
	}
	return 0, false
}

func liteAbout(top indexed) []byte {
	var about object
	for _, a := range []struct {
		name string
		path []string
	}{
		{"provider", []string{"custom_llm_provider"}}, {"model_group", []string{"model_group"}}, {"call_id", []string{"litellm_call_id"}},
		{"key_alias", []string{"metadata", "user_api_key_alias"}},
	} {
		about.addText(a.name, clipText(textOr(top.at(a.path...))))
	}
	if hit := top.get("cache_hit"); string(hit) == "true" {
		about.add("cache_hit", hit)
	}
	return about.text
}
