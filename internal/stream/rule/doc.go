// Package rule is the language of rules and the engine that runs them: what must be seen in the events before somebody is told.
// It is pure: it reads no clock and does no I/O.
//
// In come rules as YAML or JSON (Decode), settled events in any order (Engine.Event) and the time up to which the events are
// complete (Engine.Advance). Out come faults with pointer and line, and Decisions: an episode of a rule and a key becomes
// pending, fires, resolves, or lapses before it fired.
//
// # How it is fed
//
// A lane hands each counted event to Engine.Event with its place on the topic, and after the unit that covers it counts, calls
// Engine.Advance with the watermark; what Advance returns goes to hxp-alerts. One Engine belongs to one goroutine. A key must
// come to one engine whole, so rules whose key is not the partition's are run on events that were brought together before.
// Export and Import carry the state over a restart and over new rules: what a rule kept is taken up if its version is the same.
//
// # What is promised
//
//   - Decisions follow from the events, their places and the rules alone. They depend neither on how often Advance is called nor
//     on the order in which events come, as long as each comes before Advance passes its time. (Examples and contributors are a
//     sample, in which the order shows.)
//   - Windows slide: at the whole second s a rule sees the events in [s − window, s). Windows up to an hour have steps of one second,
//     longer ones of a 3600th. Percentiles, distinct counts and comparisons with the past have steps of a 60th of the window. The
//     window that an alert states is the one that was counted.
//   - An event that is older than the time of the last Advance less Options.Lateness changes nothing; Stats counts it.
//   - Memory is bounded: by groups for each rule, steps for each group, texts for each step. Groups that are too many are counted
//     together as __other__ where counts can be added, else passed over and counted in Stats.
//
// The road through the files: language.go is the one table of keys, from which decode.go reads rules and schema.go writes the
// JSON Schema. compile.go makes conditions and metrics ready, index.go finds the rules that an event may concern, engine.go and
// group.go keep the counters, snapshot.go carries them over a restart, reading.go says whether a rule holds, episode.go what follows from it. check.go runs the
// tests that rules carry, pack.go holds the rules that come with hxp.
package rule
