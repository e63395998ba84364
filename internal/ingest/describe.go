package ingest

import (
	"maps"

	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

// What the paths take, for /openapi.json. These say what makes a body readable; which fields an event has is said by
// GET /schemas.

type schema = httpx.Schema

// objectOf is an object with these members; further keywords come in pairs.
func objectOf(required []string, properties map[string]any, more ...any) schema {
	s := schema{"type": "object", "required": required, "properties": properties}
	for i := 0; i+1 < len(more); i += 2 {
		s[more[i].(string)] = more[i+1]
	}
	return s
}

// oneOrMany is one of them, or an array.
func oneOrMany(one schema) schema {
	return schema{"oneOf": []schema{one, {"type": "array", "items": one, "maxItems": 50_000}}}
}

func word(longest int) schema {
	return schema{"type": "string", "minLength": 1, "maxLength": longest}
}

// optional is the same or null, which is as good as absent.
func optional(s schema) schema {
	s = maps.Clone(s)
	delete(s, "minLength")
	s["type"] = []any{s["type"], "null"}
	return s
}

// counted wants one count to be there.
func counted(name string) schema {
	return schema{"required": []string{name}, "properties": map[string]any{name: count}}
}

var (
	count = schema{"type": "integer", "minimum": 0, "maximum": 1e9}
	kinds = schema{"enum": []string{"llm_request", "user_feedback", "system_metric", "business_event"}}

	dataDoc  = schema{"type": "object", "description": "the data fields of the kind; unknown ones are kept"}
	eventDoc = objectOf([]string{"event_type"}, map[string]any{"event_type": kinds, "event_id": optional(word(512)), "source": optional(word(1024)), "correlation_id": optional(word(512)), "data": optional(dataDoc), "metadata": optional(schema{"type": "object"})})

	cloudEventDoc = objectOf([]string{"specversion", "id", "source", "type"}, map[string]any{
		"specversion": schema{"const": "1.0"}, "id": word(512), "source": word(1024), "type": kinds, "subject": optional(schema{"type": "string"}), "datacontenttype": schema{"enum": []any{"application/json", nil}}, "data": optional(dataDoc), "data_base64": schema{"type": "null", "description": "or JSON in base64 instead of data"}},
		"additionalProperties", schema{"type": []string{"string", "boolean", "number", "null"}, "description": "extensions are simple values"})
	cloudEventsDoc = schema{"type": "array", "items": cloudEventDoc, "maxItems": 50_000}

	usageDoc = schema{"type": "object", "description": "token counts as chat completions name them; the names of other providers are taken too",
		"anyOf":      []schema{counted("prompt_tokens"), counted("completion_tokens")},
		"properties": map[string]any{"prompt_tokens": optional(count), "completion_tokens": optional(count)}}
	answerDoc = objectOf([]string{"usage"}, map[string]any{
		"id": optional(word(512)), "created": optional(schema{"type": "number", "minimum": 0, "maximum": 1.7e9}), "model": optional(word(256)), "usage": usageDoc})
	liteLLMDoc = objectOf([]string{"id", "status"}, map[string]any{
		"id": word(504), "status": schema{"enum": []string{"success", "failure"}}, "model": optional(word(256)), "startTime": schema{"type": []string{"number", "null"}, "minimum": 0, "maximum": 1.7e9, "description": "seconds since 1970; a time as text is taken too"}, "prompt_tokens": optional(count), "completion_tokens": optional(count), "total_tokens": optional(schema{"type": "integer", "minimum": 0, "maximum": 2e9}),
		"response_cost": optional(schema{"type": "number", "minimum": 0, "maximum": 1e6})})
	langfuseDoc = objectOf([]string{"trace", "observations"}, map[string]any{"trace": objectOf([]string{"id"}, map[string]any{"id": schema{"type": "string", "minLength": 1}}), "observations": schema{"type": "array", "items": schema{"type": "object"}}})
)

// exportDoc is an export request in JSON: resources, scopes, things.
func exportDoc(name string) schema {
	return schema{"type": "object", "description": "an export request as the protocol defines it", "properties": map[string]any{name: schema{"type": []string{"array", "null"}, "items": schema{"type": "object"}}}}
}

// exportNames are the resources of an export request by signal.
var exportNames = [...]string{"resourceSpans", "resourceMetrics", "resourceLogs"}
