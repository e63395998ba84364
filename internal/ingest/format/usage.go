package format

import (
	"strings"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// usageField is one number of a usage object.
type usageField struct {
	field event.Field
	paths [][]string // where it may stand; the first that is there counts
}

// usageFields are the places of token counts: chat completions and embeddings of OpenAI and all who speak like it, its
// responses, Anthropic's messages, Vertex and Gemini, Bedrock's converse.
var usageFields = []usageField{
	{event.PromptTokens, [][]string{{"prompt_tokens"}, {"input_tokens"}, {"promptTokenCount"}, {"inputTokens"}}},
	{event.CompletionTokens, [][]string{{"completion_tokens"}, {"output_tokens"}, {"candidatesTokenCount"}, {"outputTokens"}}},
	{event.CachedTokens, [][]string{{"prompt_tokens_details", "cached_tokens"}, {"input_tokens_details", "cached_tokens"}, {"cache_read_input_tokens"}, {"prompt_cache_hit_tokens"}, {"cachedContentTokenCount"}, {"cacheReadInputTokens"}}},
	{event.ReasoningTokens, [][]string{{"completion_tokens_details", "reasoning_tokens"}, {"output_tokens_details", "reasoning_tokens"}, {"thoughtsTokenCount"}}},
}

// cacheWritten are the places of the tokens that were written to a cache.
var cacheWritten = [][]string{{"cache_creation_input_tokens"}, {"cacheWriteInputTokens"}, {"prompt_tokens_details", "cache_write_tokens"}, {"input_tokens_details", "cache_write_tokens"}}

// partsOfUsage are the places of counts that no field holds: what has a price of its own. They are kept under their own names.
var partsOfUsage = []struct {
	name  string
	paths [][]string
}{
	{"cache_creation_1h_tokens", [][]string{{"cache_creation", "ephemeral_1h_input_tokens"}, {"prompt_tokens_details", "cache_creation_token_details", "ephemeral_1h_input_tokens"}}},
	{"prompt_audio_tokens", [][]string{{"prompt_tokens_details", "audio_tokens"}, {"input_tokens_details", "audio_tokens"}}},
	{"prompt_image_tokens", [][]string{{"prompt_tokens_details", "image_tokens"}, {"input_tokens_details", "image_tokens"}}},
	{"completion_audio_tokens", [][]string{{"completion_tokens_details", "audio_tokens"}, {"output_tokens_details", "audio_tokens"}}},
	{"completion_image_tokens", [][]string{{"completion_tokens_details", "image_tokens"}, {"output_tokens_details", "image_tokens"}}},
}

// readUsage takes the token counts of a usage object over; it tells whether there were any. What is given by one usage is not
// overwritten by the next.
//
// Cached and reasoning tokens are parts of prompt and completion in an event. Anthropic and Bedrock count cached tokens
// beside input_tokens, Gemini counts thoughts beside candidates: there they are added. bad says which count is none.
func readUsage(e *event.Event, rest *object, usage []byte) (found bool, bad *event.Invalid) {
	if len(usage) == 0 || usage[0] != '{' {
		return false, nil
	}
	for _, u := range usageFields {
		n, is, wrong := countAt(usage, u.paths)
		if bad == nil {
			bad = wrong
		}
		if is && !e.Has(u.field) {
			e.SetInt(u.field, n)
			found = found || u.field == event.PromptTokens || u.field == event.CompletionTokens
		}
	}
	if !found {
		return false, bad
	}
	written, _, _ := countAt(usage, cacheWritten)
	rest.addCount("cache_creation_tokens", written)
	for _, p := range partsOfUsage {
		n, _, _ := countAt(usage, p.paths)
		rest.addCount(p.name, n)
	}
	cache, prompt := added(e.Int(event.CachedTokens), written), e.Int(event.PromptTokens)
	native := member(usage, "prompt_tokens") == nil && member(usage, "input_tokens_details") == nil && member(usage, "promptTokenCount") == nil
	if beside := native && (member(usage, "cache_read_input_tokens") != nil || member(usage, "cache_creation_input_tokens") != nil || member(usage, "cacheReadInputTokens") != nil); beside || cache > prompt {
		e.SetInt(event.PromptTokens, added(prompt, cache))
	}
	if thoughts, ok := integer(member(usage, "thoughtsTokenCount")); ok {
		e.SetInt(event.CompletionTokens, added(e.Int(event.CompletionTokens), thoughts))
	}
	return true, bad
}

// added is a + b where both are counts; a count that is none stays as it is, for the parser to judge.
func added(a, b int64) int64 {
	const most = 1 << 40
	if a < 0 || b < 0 || a > most || b > most {
		return a
	}
	return a + b
}

// countAt is the first of the counts that is there; wrong is the first that is there and no whole number.
func countAt(object []byte, paths [][]string) (n int64, found bool, wrong *event.Invalid) {
	for _, path := range paths {
		raw := at(object, path...)
		v, ok := whole(raw)
		switch {
		case ok && !found:
			n, found = v, true
		case raw != nil && !ok && wrong == nil:
			wrong = notCount("/usage/" + strings.Join(path, "/"))
		}
	}
	return n, found, wrong
}

// whole reads a JSON number without a fraction.
func whole(raw []byte) (int64, bool) {
	if len(raw) == 0 || raw[0] == '"' {
		return 0, false
	}
	return integer(raw)
}

func notCount(pointer string) *event.Invalid {
	return &event.Invalid{Code: event.CodeType, Pointer: pointer, Detail: "is no whole number"}
}

// engineTimes are vLLM's own times of a request (--enable-per-request-metrics), in milliseconds. Its time to first token runs
// from when the request was scheduled; the wait before that is told beside it, so both together are what the sender waited.
func engineTimes(e *event.Event, m []byte) {
	ttft, ok := float(member(m, "time_to_first_token_ms"))
	queue, waited := float(member(m, "queue_time_ms"))
	decode, decoded := float(member(m, "generation_time_ms"))
	if waited && finite(queue) {
		e.SetInt(event.Queue, scaled(queue, millisecond))
	} else {
		queue = 0
	}
	if ok && finite(ttft, queue) {
		e.SetInt(event.TTFT, scaled(ttft+queue, millisecond))
		if decoded && finite(decode) && !e.Has(event.DurationMS) {
			e.SetInt(event.DurationMS, scaled(ttft+queue+decode, millisecond))
		}
	}
	if itl, ok := float(member(m, "mean_itl_ms")); ok && finite(itl) {
		e.SetInt(event.TPOT, scaled(itl, millisecond))
	}
}
