// Package lake keeps every event, raw, as Parquet files that any tool can read.
//
// In come the records of the four input topics, read from the position that the manifest (SQL, behind the Manifest interface)
// knows, never from a group offset. Out go files <topic>/dt=YYYY-MM-DD/hour=H/<topic id>-<partition>-<from>-<to>-<nonce>.parquet
// by hour of event time (UTC), and the rows of chosen files to whoever folds them. <topic> is the one that events of the kind
// belong to, so that all files of a folder have the same columns; the column topic says by which one the event really came.
//
// Promised: each offset of a partition is published exactly once. A range of offsets is written, synced, read again, renamed
// into place, and only then becomes part of the lake, together with all its files and the new position in one transaction, at
// the latest PublishInterval after its first record was read. Killed at any moment, the writer leaves only files that the
// manifest does not name; they are swept. The manifest says what is in the lake, the folder alone does not.
//
// Hours that have ended are compacted: each identity once, by the copy that the fold counts, sorted by model and time, a few files.
// One transaction swaps old files for new; what a fold of the hour gives never changes. Replaced files stay for a grace.
//
// The files lie in a folder or in an S3 bucket, behind the interface storage; they are always written and verified on this
// machine first.
//
// What is not a valid event, or lies too far in the future, is counted and skipped: the stream keeps it whole in the dead
// letters. Offsets that the log no longer holds become a gap: counted, noted in the manifest, never passed over in silence.
//
// On failure of the disk, the database or the broker nothing is published; the writer drops what it has read, says so in the
// log, and begins again from the manifest's positions until it succeeds. It never fails the process.
package lake
