// Package live sends the state of the system to screens, and what happens in it, as it changes.
//
// In come topics. A state is a function that tells a JSON object at a moment and under a filter; a happening is told once, by the feed
// of its topic or by Hub.Tell. Out goes, for each subscriber, one snapshot of each state and then RFC 7396 merge patches, and every
// happening, over WebSocket and Server-Sent Events.
//
// Promised:
//   - Folding a snapshot and the updates after it gives the state, member for member. A member that is null is a member
//     that is missing, because a merge patch cannot tell the two apart.
//   - seq is one rising counter over all topics for the life of an epoch (one run of the process), and a subscriber sees it
//     rise. Who has seen a number has everything of its topics before it, so a (epoch, seq) pair resumes any set of topics: what
//     happened after it comes once, as long as it is kept; else a reset says that something may be missing.
//   - What happened is kept for two minutes, as far as there is room, for those who come back, and its topic is followed for as long after
//     the last listener has left.
//   - A state is computed and encoded once for each (topic, filter, interval), a row of happenings once for each (topic, filter), and
//     the same bytes go to every subscriber.
//   - A subscriber holds no queue: it is told that something is new and takes what is current. One that missed a tick takes
//     that tick's shared snapshot, never a patch, so memory does not grow with slowness. Happenings are never put together or left
//     out, but for those of a capped topic beyond PerSecond; these are counted, and the client is told.
//
// On failure: a write that is not through after Config.WriteTimeout ends the connection, as does being behind for too long: by a close
// frame with 1013, or a retry line. It is counted and logged with the reason. Over a limit of connections the answer is 503 with
// Retry-After. A topic that cannot tell its state keeps the last one; clients see its age. A feed that fails is begun again, and clients
// get a reset. Nothing here survives a restart; clients find a new epoch, and are told so by a reset.
package live
