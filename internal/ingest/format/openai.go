package format

import (
	"bytes"
	"encoding/json"
	"errors"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// openAISource is the source of events made of answers: their ids are unique for each provider's account.
const openAISource = "openai"

// OpenAI reads answers that carry usage: one object, an array, or objects one after another (NDJSON). They may be chat
// completions, the last chunk of a stream, completions, embeddings, responses (also within their event), Anthropic's messages,
// Vertex's and Bedrock's answers. Texts of the answers are passed over.
func OpenAI(body []byte, it *Items) error {
	return each(body, it, func(raw []byte) { it.answer(raw) })
}

// each shows the JSON objects of a body: the elements of an array, the body itself, or its lines, whatever it is called. A line
// that is no JSON is an item of its own; a body of nothing else is an error.
func each(body []byte, it *Items, see func(raw []byte)) error {
	one := func(raw []byte, ok bool) error {
		if err := it.more(); err != nil {
			return err
		}
		if ok {
			see(raw)
		} else {
			it.addRaw(raw, &event.Invalid{Code: event.CodeSyntax, Detail: "the line is not JSON"})
		}
		return nil
	}
	body = bytes.TrimSpace(body)
	if len(body) == 0 {
		return errors.New("the body is empty")
	}
	if json.Valid(body) {
		if body[0] != '[' {
			return one(body, true)
		}
		for raw := range elements(body) {
			if err := one(raw, true); err != nil {
				return err
			}
		}
		return nil
	}
	if !json.Valid(firstLine(body)) {
		return errors.New("the body is not JSON, and its first line is not either")
	}
	for line := range bytes.Lines(body) {
		if line = bytes.TrimSpace(line); len(line) > 0 {
			if err := one(line, json.Valid(line)); err != nil {
				return err
			}
		}
	}
	return nil
}

func firstLine(body []byte) []byte {
	line, _, _ := bytes.Cut(body, []byte{'\n'})
	return line
}

// texts are the members of what others send that hold prompts and answers.
var texts = map[string]bool{"choices": true, "output": true, "messages": true, "response": true, "content": true, "candidates": true, "input": true, "prompt": true, "instructions": true}

// refuse keeps an object that no event can be made of, without what must not be stored.
func (it *Items) refuse(raw []byte, bad *event.Invalid) {
	if raw[0] != '{' {
		it.addRaw(raw, bad)
		return
	}
	o := object{text: []byte("{}")}
	for name, v := range members(raw) {
		if !texts[string(name)] {
			o.add(string(name), v)
		}
	}
	it.addRaw(o.text, bad)
}

func (it *Items) answer(raw []byte) {
	raw = innermost(raw)
	var e event.Event
	e.Kind, e.Source = event.LLMRequest, openAISource
	var rest object
	usage := member(raw, "usage")
	if usage == nil {
		usage = member(raw, "usageMetadata")
	}
	found, bad := readUsage(&e, &rest, usage)
	if !found {
		it.refuse(raw, wrong("/usage", "the object has no usage with token counts; send what the provider answered with usage, for streams with stream_options.include_usage"))
		return
	}
	e.SetText(event.UsageSource, "reported")
	if no := whose(&e, raw); bad == nil {
		bad = no
	}
	if no := created(&e, raw); no != nil {
		bad = no
	}
	finish(&e, raw)
	if m := member(raw, "metrics"); m != nil {
		engineTimes(&e, m)
	}
	e.Extra = rest.text
	var about object
	about.addText("service_tier", clipText(textOr(member(raw, "service_tier"))))
	about.addText("system_fingerprint", clipText(textOr(member(raw, "system_fingerprint"))))
	e.Metadata = about.text
	it.add(&e, bad)
}

// innermost is the answer within the event response.completed of a stream, or within a line of a batch's output.
func innermost(raw []byte) []byte {
	inner := member(raw, "response")
	if inner == nil || inner[0] != '{' || member(raw, "usage") != nil {
		return raw
	}
	if body := member(inner, "body"); body != nil {
		return body
	}
	return inner
}

// whose reads whose answer it is: id, model, user, and what was asked for.
func whose(e *event.Event, raw []byte) *event.Invalid {
	first := func(names ...string) string {
		for _, n := range names {
			if s := textOr(member(raw, n)); s != "" {
				return s
			}
		}
		return ""
	}
	set := func(f event.Field, value string) {
		if value != "" {
			e.SetText(f, value)
		}
	}
	e.ID = first("id", "responseId")
	set(event.RequestID, e.ID)
	set(event.Model, first("model", "modelVersion"))
	set(event.UserID, first("safety_identifier", "user"))
	kind := first("object")
	set(event.Operation, answerKinds[kind])
	if kind == "chat.completion.chunk" {
		e.SetBool(event.Streaming, true)
	}
	for _, name := range []string{"id", "model"} {
		if m := member(raw, name); m != nil && m[0] != '"' {
			return &event.Invalid{Code: event.CodeType, Pointer: "/" + name, Detail: "is no text"}
		}
	}
	return nil
}

// answerKinds are the operations by the "object" (or Anthropic's "type") of an answer.
var answerKinds = map[string]string{"chat.completion": "chat", "chat.completion.chunk": "chat", "text_completion": "text_completion", "list": "embeddings", "response": "responses"}

// created reads when the answer was made, seconds since the epoch. An answer that does not tell has the time when it came.
func created(e *event.Event, raw []byte) *event.Invalid {
	for _, name := range []string{"created", "created_at"} {
		v := member(raw, name)
		if v == nil {
			continue
		}
		f, ok := float(v)
		if !ok || !finite(f) || f < 0 || f >= maxTime/second {
			return &event.Invalid{Code: event.CodeTimestamp, Pointer: "/" + name, Detail: "is no time in seconds since 1970"}
		}
		e.Time, e.HasTime = int64(f*1e6), true
		return nil
	}
	return nil
}

// finish says how the answer ended: why the first choice stopped, or the status of a response.
func finish(e *event.Event, raw []byte) {
	for choice := range elements(member(raw, "choices")) {
		if s := textOr(member(choice, "finish_reason")); s != "" {
			e.SetText(event.FinishReason, s)
		}
		break
	}
	if s := textOr(member(raw, "stop_reason")); s != "" {
		e.SetText(event.FinishReason, s)
	}
	switch status := textOr(member(raw, "status")); {
	case status == "failed" || member(raw, "error") != nil:
		e.SetBool(event.Success, false)
		class := textOr(at(raw, "error", "code"))
		if class == "" {
			class = "error"
		}
		e.SetText(event.ErrorType, class)
	case status == "incomplete":
		e.SetText(event.FinishReason, textOr(at(raw, "incomplete_details", "reason")))
		e.SetBool(event.Success, true)
	default:
		e.SetBool(event.Success, true)
	}
}
