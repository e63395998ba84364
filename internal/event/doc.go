// Package event is the vocabulary of hxp: the four kinds of events, their fields and units, the envelope they travel in, the
// topics and keys that carry them, and the codecs.
//
// In comes JSON in the canonical form (envelope with data), the flat form (data fields beside event_type) or the bare form
// that a person types; out comes an Event, or an Invalid that says which part of the input is wrong and why. Out go
// canonical bytes. What is parsed is never changed in meaning: unknown fields are kept, numbers become exact integers in
// their own unit, and nothing is guessed.
//
// Promised: Parse and Reference agree on every input, verdict, wording and event; what AppendJSON writes of a parsed event
// Parse reads as an equal event; equal events give equal bytes; an Identity never
// changes between versions. A valid event of everyday shape costs no allocation, and its texts alias the payload; an
// invalid one costs some fifty times as much (28 µs beside 0.55 µs), bounded by Limits.Bytes. Beyond an eighth of Limits.Bytes an event is
// written once more to see whether its canonical form is within the limits too.
//
// What fails: an input that is no event gives an Invalid and leaves no more than the Kind behind; who read it writes it whole
// to TopicDeadLetters as a DeadLetter. Nothing here reads a clock, blocks, logs or keeps state between events. Whether a
// time lies too far ahead (CodeFuture) is judged by those who know what time it is.
//
// Settled here where the contract is silent: a field's own name wins over its aliases and they over one another in the order
// of the catalogue, and the loser is dropped unread; a null is as good as absent, so success is derived beside
// "success":null too; names of the metadata win over unknown fields of the envelope that join it; values are kept with
// their own digits and escapes, only the white space between them goes.
package event
