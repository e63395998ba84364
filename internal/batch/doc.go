// Package batch is the slow path: it turns the raw events of the lake into the hours of the aggregation tables, by itself
// for every ended hour that received data and on request by runs, and hours into days, weeks and months by runs.
//
// In come, through small interfaces that app connects: the live raw files of an hour and the version they make up (read
// together, in one transaction), the rows of those files, the positions of the lake and the ends of the input topics, and
// the stored runs. Out go rows and mergeable blobs of the aggregation tables of four levels, the state of runs, and the HTTP API on :9101.
//
// Promised:
//   - An hour is a function of the set of its raw events and of nothing else: files, order, repetition, the number of
//     workers and passes, and restarts change no byte of its rows or blobs (see fold.go for the rules that make it so).
//   - A fold that was overtaken by a newer one never overwrites it: a row set is stored with the version it was built
//     from, and only when that is newer. An hour is dirty when its version is not the one it was built from; there is no flag.
//   - A day is the merge of its hours, a week or month that of its days, byte for byte; a period that is not the merge of its
//     children as they are now is seen to be behind, and every row that is read says how complete it is (merge.go, behind.go).
//   - An hour whose raw files have left stays what it is, and late events add to it.
//   - A run counts everything that was acknowledged before it was accepted: it records the ends of the topics and waits
//     until the lake has published them. Who asks for it again while it is under way attaches to it and raises what it counts.
//   - Each interval of a DAG has one scheduled run, whoever of any number of instances stores it, and none is missed, however
//     long nothing ran (schedule.go). A task is executed under a lease with a fence; a result without its lease counts nothing.
//   - Runs survive kill -9: a task whose owner is gone goes on elsewhere or after the next start, and folding again is harmless.
//
// On failure: a task that fails is tried again (retries and retry_delay), then the run is failed with the reason in its
// task; a run over its time limit is failed. An hour that fails to fold by itself is tried again with growing pauses,
// shown in /aggregation/status and in /health, and holds up no other hour. On stop, a running fold is cancelled within
// milliseconds and its task is laid down, for the next start or another instance. Without the database nothing is started, and
// an owner that cannot renew its leases for as long as they last stops its work; what came due meanwhile is run afterwards.
package batch
