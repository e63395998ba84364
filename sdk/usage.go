package sdk

import (
	"bytes"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// asked is what the body of a request tells. Its texts are copies.
type asked struct {
	model, user string
	stream      bool
}

func (a *asked) wants(path []byte) bool {
	switch string(path) {
	case "model", "user", "metadata.user_id", "stream":
		return true
	}
	return false
}

func (a *asked) value(path, text []byte, quoted bool) {
	switch string(path) {
	case "model":
		a.model = clip(text, maxModel)
	case "user":
		a.user = clip(text, maxID)
	case "metadata.user_id": // Anthropic's place for it
		if a.user == "" && quoted {
			a.user = clip(text, maxID)
		}
	case "stream":
		a.stream = string(text) == "true"
	}
}

// told is what the answer tells, over all its pieces.
type told struct {
	model, finish, errorType string
	done                     bool // a stream that came to its own end
	usage                    bool // it reported tokens
	prompt, completion       int64
	total, cached, reasoning int64
	cacheRead, cacheWrite    int64 // Anthropic's, which its prompt tokens leave out
	written1h                int64 // of cacheWrite: for more than an hour
	audioIn, audioOut        int64
	imageIn, imageOut        int64
	inclusive                bool // the prompt tokens are OpenAI's, which have them in: gateways tell both of Anthropic's models
}

func newTold() told {
	return told{prompt: unknown, completion: unknown, total: unknown, cached: unknown, reasoning: unknown, cacheRead: unknown, cacheWrite: unknown}
}

// unknown stands for a number that was not told.
const unknown = -1

// local takes away what only streams put around the fields of an answer.
func local(path []byte) []byte {
	for _, around := range []string{"response.", "message.", "delta."} {
		if len(path) > len(around) && string(path[:len(around)]) == around {
			return path[len(around):]
		}
	}
	return path
}

// number finds the place for a count of tokens; nil for a path that is none.
func (t *told) number(path []byte) *int64 {
	switch string(path) {
	case "usage.prompt_tokens", "usage.input_tokens", "meta.tokens.input_tokens":
		return &t.prompt
	case "usage.completion_tokens", "usage.output_tokens", "meta.tokens.output_tokens":
		return &t.completion
	case "usage.total_tokens":
		return &t.total
	case "usage.prompt_tokens_details.cached_tokens", "usage.input_tokens_details.cached_tokens":
		return &t.cached
	case "usage.completion_tokens_details.reasoning_tokens", "usage.output_tokens_details.reasoning_tokens":
		return &t.reasoning
	case "usage.cache_read_input_tokens":
		return &t.cacheRead
	case "usage.cache_creation_input_tokens":
		return &t.cacheWrite
	case "usage.cache_creation.ephemeral_1h_input_tokens":
		return &t.written1h
	case "usage.prompt_tokens_details.audio_tokens", "usage.input_tokens_details.audio_tokens":
		return &t.audioIn
	case "usage.completion_tokens_details.audio_tokens", "usage.output_tokens_details.audio_tokens":
		return &t.audioOut
	case "usage.input_tokens_details.image_tokens":
		return &t.imageIn
	case "usage.output_tokens_details.image_tokens":
		return &t.imageOut
	}
	return nil
}

func (t *told) wants(path []byte) bool {
	path = local(path)
	switch string(path) {
	case "model", "choices[].finish_reason", "stop_reason", "status", "incomplete_details.reason", "type", "error.type", "error.code":
		return true
	}
	return t.number(path) != nil
}

func (t *told) value(path, text []byte, quoted bool) {
	path = local(path)
	if n := t.number(path); n != nil {
		if v, ok := count(text); ok && !quoted {
			*n, t.usage = v, true
			t.inclusive = t.inclusive || n == &t.cached || string(path) == "usage.prompt_tokens"
		}
		return
	}
	switch string(path) {
	case "model":
		t.model = clip(text, maxModel)
	case "choices[].finish_reason", "stop_reason":
		t.finish = finishReason(text)
	case "incomplete_details.reason":
		t.finish = finishReason(text)
	case "status": // of a response; it comes before its reason, or without one
		if string(text) == "completed" && t.finish == "" {
			t.finish = "stop"
		}
	case "type":
		t.kind(text)
	case "error.type":
		t.errorType = clip(text, maxText)
	case "error.code":
		if t.errorType == "" {
			t.errorType = clip(text, maxText)
		}
	}
}

// kind reads the field "type" of an answer or of one event of a stream.
func (t *told) kind(text []byte) {
	switch string(text) {
	case "message_stop", "response.completed", "response.incomplete", "response.failed":
		t.done = true
	default:
		if bytes.HasSuffix(text, []byte("Error")) { // vLLM: {"object":"error","type":"BadRequestError"}
			t.errorType = clip(text, maxText)
		}
	}
}

// settle brings the counts of all APIs to one meaning: cached tokens are part of the prompt, reasoning is part of the completion.
func (t *told) settle() {
	switch {
	case t.inclusive:
		t.cached = max(t.cached, t.cacheRead)
	case t.cacheRead >= 0 || t.cacheWrite >= 0:
		t.prompt = max(t.prompt, 0) + max(t.cacheRead, 0) + max(t.cacheWrite, 0)
		t.cached = max(t.cacheRead, 0)
	}
	if t.prompt < 0 && t.total >= 0 { // rerank and embeddings may tell the sum alone
		t.prompt = t.total - max(t.completion, 0)
	}
}

// finishReason gives the reasons of all APIs the names of the chat API.
func finishReason(text []byte) string {
	switch string(text) {
	case "end_turn", "stop_sequence", "completed":
		return "stop"
	case "max_tokens", "max_output_tokens":
		return "length"
	case "tool_use":
		return "tool_calls"
	}
	return clip(text, maxText)
}

// The limits of hxp, for texts in bytes.
const (
	maxTokens = 1e9
	maxModel  = 256
	maxID     = 512
	maxText   = 1 << 10
)

// clip copies at most n bytes of a text, whole characters only. Bytes that are none, which a header may hold, become U+FFFD
// before they are counted: JSON would put it in their place, and it is longer than they are.
func clip[T string | []byte](text T, n int) string {
	whole := strings.ToValidUTF8(string(text[:min(len(text), n+utf8.UTFMax)]), string(utf8.RuneError))
	if len(whole) <= n {
		return whole
	}
	for !utf8.RuneStart(whole[n]) {
		n--
	}
	return whole[:n]
}

// count reads a number of tokens that hxp would take.
func count(text []byte) (int64, bool) {
	v, err := strconv.ParseFloat(string(text), 64)
	return int64(v), err == nil && v >= 0 && v <= maxTokens && v == math.Trunc(v)
}
