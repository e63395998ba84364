// Package live sends the state of the system to screens, as it changes.
//
// In come topics: named functions that tell a state, a JSON object, at a moment and under a filter. Out goes, for each
// subscriber, one snapshot of each topic and then RFC 7396 merge patches, over Server-Sent Events.
//
// Promised:
//   - Folding a snapshot and the updates after it gives the state, member for member. A member that is null is a member
//     that is missing, because a merge patch cannot tell the two apart.
//   - seq is one rising counter over all topics for the life of an epoch (one run of the process), and a subscriber sees it
//     rise. A (epoch, seq) pair that a client holds is enough to resume.
//   - A state is computed and encoded once for each (topic, filter, interval), and the same bytes go to every subscriber.
//   - A subscriber holds no queue: it is told that something is new and takes what is current. One that missed a tick takes
//     that tick's shared snapshot, never a patch, so memory does not grow with slowness.
//
// On failure: a write that is not through after Config.WriteTimeout ends the connection, which is counted and logged with
// the reason. Over the limit of connections the answer is 503 with Retry-After. A topic that cannot tell its state keeps the
// last one; clients see its age. Nothing here survives a restart; clients find a new epoch, and are told so by a reset.
package live
