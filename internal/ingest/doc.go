// Package ingest is the way in over HTTP, the kafka-api.
//
// In come events by POST /events: one JSON object, a JSON array, NDJSON or CloudEvents, plain, gzipped or zstd-compressed, in
// any form that package event reads. Each path speaks a dialect (how a body is told apart, how the outcome is told); between
// them all take one road. Beside its own forms it takes OTLP over HTTP and gRPC, LiteLLM's payloads, answers with usage and
// Langfuse's exports, by the decoders of package format. Take and Offer bring events of this process onto it.
//
// Out go canonical events on the topics of their kinds, keyed by request, and what is not valid, whole and with a reason, on
// the topic of the dead letters.
//
// Beside it the API manages the bus: topics and their settings, messages, consumer groups, and dead letters, which go the same
// road again when they are redriven. Their state is what their topic says: letters, and marks of what became of them.
//
// Promised: the answer comes after the brokers acknowledged everything it speaks of, accepted and refused items alike, with
// acks=all. A 400 or 413 has taken nothing. "Duplicate" is answered only for an event that is known to be written; the
// same id in flight waits for that outcome. The filter behind it is bounded and forgets the oldest: it saves work, the
// readers of the topics decide. Memory is bounded by the bytes of bodies under way, beyond which 429 is answered.
//
// On failure of the brokers the answer is 503 with Retry-After, at once while they are away, and the sender tries again; what had been written by then is
// recognised by its id, so give ids or an Idempotency-Key.
package ingest
