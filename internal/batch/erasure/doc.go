// Package erasure takes out what is stored of a user or a tenant, on request, and proves it.
//
// In come a name and small interfaces that app connects: the raw events at rest, the tables of aggregates, the topics. Out go rewritten hours,
// rows that are gone, shorter logs, and a record.
//
// Promised:
//   - What was acknowledged before the request is in the lake before anything is looked for.
//   - Events of the name leave, and events that name nobody and speak of one of its requests. Rows and cells by that name leave. What they
//     count in totals stays: a sum names nobody, and a number that was reported stays what it was.
//   - At the end everything is looked through again, and the record says what that found. No error hides: a place that cannot be emptied
//     (topics of another's brokers, the archive, reports that were made) is listed with what ends it.
//   - Records are chained by SHA-256 and never hold the name: they hold a salted hash, so that whoever knows the name can show which record
//     is about it, and nobody else can.
//
// On failure the record says where it ended; the same request again goes on with what is left. One erasure is carried out at a time, over all
// instances: the others answer that they are busy.
package erasure
