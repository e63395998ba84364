package event

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// Codes say for machines what is wrong with an input. They are stable: answers, dead letters and metrics carry them.
const (
	CodeSyntax    = "syntax"             // not one JSON value
	CodeUTF8      = "invalid_utf8"       // bytes that are not UTF-8
	CodeType      = "wrong_type"         // another JSON type than the field has
	CodeNegative  = "negative"           // below zero where that has no meaning
	CodeRange     = "out_of_range"       // outside of the limits or the list of a field
	CodeTimestamp = "bad_timestamp"      // neither RFC 3339 nor epoch, or outside 1970 to 9999
	CodeKind      = "unknown_event_type" // event_type missing or unknown
	CodeDepth     = "too_deep"           // nested deeper than Limits.Depth
	CodeKeys      = "too_many_keys"      // more than Limits.Keys object keys, or more than MaxMetrics metrics
	CodeSize      = "too_large"          // payload, string or metric name over its limit
	CodeFormat    = "wrong_format"       // breaks the rules of the format that it came in: CloudEvents, OTLP, LiteLLM …
	CodeSchema    = "unknown_schema"     // written with a schema that the registry does not have, or nobody here can read
	CodeFuture    = "future_timestamp"   // too far ahead of the clock; judged by the caller, never by Parse
	CodeTenant    = "other_tenant"       // not of the tenant that its sender is bound to; judged by the caller, never by Parse
)

// Codes lists every code, in the order in which faults are looked for; for closed sets of metric labels.
var Codes = []string{CodeSize, CodeUTF8, CodeSyntax, CodeDepth, CodeKeys, CodeKind, CodeType, CodeNegative, CodeRange, CodeTimestamp, CodeFormat, CodeSchema, CodeFuture, CodeTenant}

// The limits of the parts of an event, which are the same everywhere; for those of the whole see Limits.
const (
	MaxMetrics    = 256      // entries of Event.Metrics
	maxMetricName = 200      // bytes
	maxIDText     = 512      // bytes of event_id, correlation_id, request_id, user_id, session_id
	maxModelText  = 256      // bytes
	maxComment    = 64 << 10 // bytes
	maxText       = 1 << 10  // bytes of every other text
	maxNumber     = 256      // bytes of a number literal that is read; longer ones carry no meaning
)

// Invalid says why an input is not an event: a code for machines, a JSON pointer (RFC 6901) to the faulty part ("" is the
// whole payload) and a sentence for people that also says how to mend it.
type Invalid struct {
	Code, Pointer, Detail string
}

func (v *Invalid) Error() string {
	if v.Pointer == "" {
		return v.Code + ": " + v.Detail
	}
	return v.Code + " at " + v.Pointer + ": " + v.Detail
}

func invalid(code, pointer, detail string) *Invalid { return &Invalid{code, pointer, detail} }

var pointerEscaper = strings.NewReplacer("~", "~0", "/", "~1")

// pointer joins a name to the pointer of its parent. Very long names are cut, so that no answer is longer than its question.
func pointer(parent, name string) string {
	return parent + "/" + pointerEscaper.Replace(shorten(name, maxMetricName))
}

// shorten cuts s to at most n bytes at the border of a character and marks the cut with "…".
func shorten(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}

// quote shows a piece of the input inside a sentence.
func quote(s string) string { return strconv.Quote(shorten(s, 60)) }
