// Package format reads what other systems of an LLM stack send: OTLP traces, metrics and logs in protobuf and JSON, LiteLLM's
// logging payloads, usage objects of OpenAI and those who speak like it, Langfuse's traces.
//
// In comes a body, out go Items: canonical texts of events, which take the same road as those of POST /events and are judged
// there like any other, and counts of what is none, with the reason. Which attribute means what is data: tables of aliases,
// so that a convention that drifts needs a line and no code.
//
// Promised: a body gives the same items with the same ids each time, so what is sent again counts once; work and memory are
// bounded by the size of the body and the limit of items; prompts and answers never leave this package. A body that is not
// of its format gives an error and no items. Nothing here reads a clock, blocks or keeps state between bodies.
package format
