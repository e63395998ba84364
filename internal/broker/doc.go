// Package broker is the embedded default of the bus: a broker in this process that speaks the Kafka protocol, for those who
// run no Apache Kafka.
//
// In: connections of Kafka clients, ours and strangers', on one listener. Out: acknowledged records, kept in a folder.
//
// The engine is franz-go's kfake: fast, and made for tests. What makes it fit for more stands here, around it:
//
//   - frame.go, guard.go: every request is complete and looked at before the engine sees its first byte. Unknown API keys
//     and versions, lengths that lie, heads that never end and connections beyond the cap never reach it.
//   - login.go, scram.go, users.go: who a client is, where somebody asks (SASL). The engine hears nothing of it: it would keep
//     passwords as they are, and has a user of its own. doorway.go: this process comes in without TLS and login.
//   - policy.go: settings that the engine would obey to the loss of data (compaction) or of memory (thousands of partitions,
//     tiny segments) are refused with an error that says why.
//   - retention.go, arrivals.go, usage.go: records are deleted by the time at which they arrived, not by what a producer
//     stamped on them, within caps on bytes and batches, and never above what a reader still needs (Floor). When the caps are
//     reached by what is still needed, Overfull is true and producers get a retryable error; hxp's own topics have a reserve,
//     since writing them is what lets the floor move.
//   - recover.go: after a kill the producers' sequence numbers and the start of each log are rebuilt from the log itself, so
//     that a retried write is still written once.
//
// Promised: what was acknowledged survives a killed process, and a power cut as well with SyncWrites; Durability says so in
// words. Offsets are never used twice: the last batch of a partition is never deleted. A folder belongs to one process.
//
// On failure: a client that breaks the protocol loses its connection, which is logged and counted. A folder that cannot be
// read stops the start with an error; a torn end of the log, as a kill leaves it, is cut off.
package broker
