// Package expr is the one home of CEL, the Common Expression Language: conditions on events that operators write, for routes
// and rules alike.
//
// In comes the text of a condition, such as
//
//	event_type == "llm_request" && data.model.startsWith("gpt") && data.duration_ms > 2000.0
//
// Out comes an Expr, or an Error that says where the text is wrong. An expression sees the envelope by its names
// (event_id, event_type, timestamp, source, schema_version, correlation_id, data, metadata), and the same once more below
// `event`. Fields of data carry the names and units of the canonical form: durations in milliseconds, money in USD.
//
// Promised: an expression costs a bounded time, whatever it says and whatever the event holds. It looks at nothing but the
// event. A field that the event does not have is no match, unless the expression asks for it with has().
//
// What fails at run time (an absent field, text where a number was compared, the budget of cost) is no match, and Matches
// says so with an error beside it, for those who count.
package expr
