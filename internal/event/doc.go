// Package event is the vocabulary of hxp: the four kinds of events, their fields and units, the envelope they travel in, the
// topics and keys that carry them, and the codecs.
//
// In comes JSON in the canonical form (envelope with data), the flat form (data fields beside event_type) or the bare form
// that a person types; out comes an Event, or an Invalid that says which part of the input is wrong and why. Out go
// canonical bytes. What is parsed is never changed in meaning: unknown fields are kept, numbers become exact integers in
// their own unit, and nothing is guessed.
package event
