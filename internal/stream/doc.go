// Package stream is the fast path: it folds the events of the input topics into panes of one second, writes what changed to
// the flush journal (topic hxp-panes) and answers questions about any window of time from what the journal counts.
//
// In come the records of the four input topics. Out go units on hxp-panes, requests joined with what belongs to them on
// hxp-correlations, decisions of rules on hxp-alerts, late events on hxp-late, what is not valid on hxp-dead-letters, and the
// answers of GET /analytics.
//
// Promised is that every event within the topics is counted exactly once, whatever is killed, repeated or run twice. The
// journal decides that, nobody else: a unit covers the input offsets [from, to) of one partition, and it counts if and only
// if its from equals the to of the last counted unit of that partition (chain.go). Who folds may therefore fold again, send
// again or run beside another owner; what does not chain is ignored by every reader alike. A unit is sent only after the
// dead letters and late events that it covers are written, and group offsets are written after that as a courtesy to tools.
//
// Any number of instances share the work. A consumer group gives each of them partition numbers (member.go, duties.go): the same
// numbers of all topics. The lane of a number that is given owns it and does everything; the other lanes follow the journal, so
// every instance answers every question and says how complete it is (roles.go). The group decides who works, never what counts: an
// owner that was thought dead and writes on sends units that do not chain. An instance that finds nobody else owns everything from
// its first moment on, and so does one that the group does not take for long.
//
// The road through the files: service.go runs sessions (session.go), one for each shape of the topics (layout.go). A session
// has one lane for each partition number (lane.go). A lane takes in the batches of its input partitions (intake.go), folds
// them (ahead.go, folder.go, with the duplicate filter of filter.go), sends units (flush.go, unit.go), follows its journal partition
// (follow.go, chain.go) and keeps what is counted in its ladder (ladder.go, node.go). snapshot.go and snapshots.go make
// restarts short, past.go mends what they cannot. joins.go joins by request id (package join), joins_parts.go hands parts to
// other lanes, joins_write.go and joins_read.go write hxp-correlations and read it back. judge.go runs the rules on what counts,
// by the clock of clock.go; alerts.go writes what they decide, judgestate.go carries it over restarts. query.go, api.go and
// correlations.go answer, health.go says what is wrong.
//
// On failure: a record that cannot be parsed goes to the dead letters and is passed; a broker that does not answer is waited
// for; a topic that has grown or was made anew begins a new session; a position that the log no longer has becomes a gap unit
// that says how much is lost, and is shown in completeness; a damaged snapshot is passed over for the one before it; what
// neither snapshots nor journal tell is counted again from the topics, or said to be lost.
package stream
