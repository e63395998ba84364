package format

import (
	"math"
	"strings"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// unit is what the number of an attribute is given in, as a factor to what its field holds: nanoseconds, nano-USD, or itself.
type unit float64

const (
	plain   unit = 1
	seconds unit = second
	millis  unit = millisecond
	dollars unit = 1e9
)

// requestAliases say which attributes of a span give a field of a request. Of several that are there the first one counts.
// Sources: OpenTelemetry GenAI conventions up to 1.36 and 1.41, the drafts after it, OpenInference, OpenLLMetry, vLLM's own
// spans, LiteLLM's, the AI SDK's.
var requestAliases = []struct {
	field event.Field
	unit  unit
	names []string
}{
	{event.Model, plain, []string{"gen_ai.response.model", "gen_ai.request.model", "llm.model_name", "embedding.model_name", "reranker.model_name", "llm.response.model", "llm.request.model"}},
	{event.RequestID, plain, []string{"gen_ai.response.id", "gen_ai.request.id", "llm.response.id", "litellm.call_id"}},
	{event.UserID, plain, []string{"enduser.id", "user.id", "llm.user", "gen_ai.user.id", "metadata.user_api_key_end_user_id", "metadata.user_api_key_user_id"}},
	{event.SessionID, plain, []string{"gen_ai.conversation.id", "session.id", "langfuse.session.id"}},
	{event.Tenant, plain, []string{"tenant.id", "tenant", "metadata.user_api_key_team_alias", "metadata.user_api_key_team_id"}},
	{event.Operation, plain, []string{"gen_ai.operation.name", "llm.request.type"}},
	{event.ErrorType, plain, []string{"error.type", "exception.type"}},
	{event.FinishReason, plain, []string{"gen_ai.response.finish_reasons", "gen_ai.response.finish_reason", "llm.finish_reason", "llm.response.finish_reason", "ai.response.finishReason"}},
	{event.StatusCode, plain, []string{"http.response.status_code", "http.status_code"}},
	{event.Streaming, plain, []string{"gen_ai.request.stream", "gen_ai.request.is_stream", "llm.is_streaming"}},
	{event.TTFT, seconds, []string{"gen_ai.response.time_to_first_chunk", "gen_ai.latency.time_to_first_token", "gen_ai.server.time_to_first_token", "gen_ai.response.time_to_first_token"}},
	{event.TTFT, millis, []string{"ai.response.msToFirstChunk", "llm.latency.time_to_first_token_ms"}},
	{event.TPOT, seconds, []string{"gen_ai.latency.time_per_output_token", "gen_ai.server.time_per_output_token"}},
	{event.Queue, seconds, []string{"gen_ai.latency.time_in_queue"}},
	{event.PromptTokens, plain, []string{"gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens", "llm.token_count.prompt", "llm.usage.prompt_tokens"}},
	{event.CompletionTokens, plain, []string{"gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens", "llm.token_count.completion", "llm.usage.completion_tokens"}},
	{event.CachedTokens, plain, []string{"gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cache_read_input_tokens", "gen_ai.usage.cached_tokens", "gen_ai.usage.input_tokens.cached", "gen_ai.usage.details.cache_read_tokens", "llm.token_count.prompt_details.cache_read"}},
	{event.ReasoningTokens, plain, []string{"gen_ai.usage.reasoning.output_tokens", "gen_ai.usage.reasoning_tokens", "gen_ai.usage.output_tokens.reasoning", "gen_ai.usage.details.reasoning_tokens", "llm.token_count.completion_details.reasoning"}},
	{event.TotalTokens, plain, []string{"gen_ai.usage.total_tokens", "llm.usage.total_tokens", "llm.token_count.total"}},
	{event.Cost, dollars, []string{"gen_ai.usage.cost.amount", "gen_ai.usage.cost", "gen_ai.cost.total_cost", "gen_ai.client.token.cost", "llm.cost.total"}},
}

// cacheWrites are the tokens that were written to a cache. No field holds them; they are kept under their own name.
var cacheWrites = []string{"gen_ai.usage.cache_creation.input_tokens", "gen_ai.usage.cache_write.input_tokens", "gen_ai.usage.cache_creation_input_tokens", "llm.token_count.prompt_details.cache_write"}

// partsOfTokens are other counts that no field holds, with the names that they are kept under.
var partsOfTokens = map[string]string{"llm.token_count.prompt_details.audio": "prompt_audio_tokens", "llm.token_count.completion_details.audio": "completion_audio_tokens"}

// providers name who served.
var providers = []string{"gen_ai.provider.name", "gen_ai.system", "llm.provider", "llm.system"}

// answering are the operations that are requests to a model; every other one wraps some (agents, tools, workflows) and would
// count them twice. The names are those of gen_ai.operation.name, of llm.request.type and, in capitals, of
// openinference.span.kind.
var answering = map[string]bool{
	"chat": true, "text_completion": true, "completion": true, "generate_content": true, "embeddings": true, "embedding": true, "rerank": true, "responses": true,
	"acompletion": true, "atext_completion": true, "aembedding": true, "aresponses": true, "arerank": true,
	"LLM": true, "EMBEDDING": true, "RERANKER": true,
}

// operations are the names that LiteLLM gives its calls, in those of the GenAI conventions.
var operations = map[string]string{
	"acompletion": "chat", "atext_completion": "text_completion", "aembedding": "embeddings", "embedding": "embeddings",
	"aresponses": "responses", "arerank": "rerank", "anthropic_messages": "chat", "agenerate_content": "generate_content",
}

// firstTokens are the events of a span that mark the first piece of a streamed answer.
var firstTokens = map[string]bool{"First Token Stream Event": true, "llm.content.completion.chunk": true, "gen_ai.content.completion.chunk": true, "ai.stream.firstChunk": true}

// spanAlias is where an attribute of a span goes.
type spanAlias struct {
	field event.Field
	unit  unit
	rank  int
}

var spanAliases = func() map[string]spanAlias {
	m := map[string]spanAlias{}
	for i, row := range requestAliases {
		for j, name := range row.names {
			m[name] = spanAlias{row.field, row.unit, i*100 + j + 1}
		}
	}
	return m
}()

// set gives the field of an event the value of an attribute, in the unit of the field. What has no meaning there is passed
// over; what has one and is wrong (a negative count) is for the parser to judge.
func (a spanAlias) set(e *event.Event, v *value) bool {
	switch event.Catalogue[a.field].Type {
	case event.Text:
		s := v.text()
		if s == "" || s == "None" {
			return false
		}
		e.SetText(a.field, s)
	case event.Boolean:
		b, ok := v.boolean()
		if !ok {
			return false
		}
		e.SetBool(a.field, b)
	default:
		f, ok := v.float()
		if !ok || math.IsNaN(f) {
			return false
		}
		if v.kind == intValue && a.unit == plain {
			e.SetInt(a.field, int64(v.bits))
			return true
		}
		e.SetInt(a.field, scaled(f, float64(a.unit)))
	}
	return true
}

// scaled is f × factor as a whole number; what 64 bits cannot hold becomes the largest one, which no field takes.
func scaled(f, factor float64) int64 {
	switch f = math.Round(f * factor); {
	case f >= math.MaxInt64:
		return math.MaxInt64
	case f <= math.MinInt64:
		return math.MinInt64
	}
	return int64(f)
}

// content are beginnings of names of attributes that hold prompts, answers or anything a sender likes: they are stored nowhere.
var content = []string{"gen_ai.input.", "gen_ai.output.", "gen_ai.prompt", "gen_ai.completion", "gen_ai.system_instructions", "gen_ai.tool.", "gen_ai.request.", "input.", "output.", "llm.", "hidden_params", "metadata.", "traceloop.entity."}

// kept are names that begin like content and are not.
var kept = map[string]bool{"gen_ai.request.model": true, "llm.model_name": true, "metadata.user_api_key_team_id": true, "metadata.user_api_key_team_alias": true}

func unbounded(key []byte) bool {
	for _, c := range content {
		if strings.HasPrefix(string(key), c) {
			return !kept[string(key)]
		}
	}
	return false
}
