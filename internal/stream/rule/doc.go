// Package rule is the language of rules and the engine that runs them: what must be seen in the events before somebody is told.
// It is pure: it reads no clock and does no I/O.
//
// In come rules as YAML or JSON (Decode), settled events with the time of their arrival (Folder.Event), and the time up to which
// all that arrived is there (Engine.Advance). Out come faults with pointer and line, and Decisions: an episode of a rule and a key
// becomes pending, fires, resolves, or lapses before it fired.
//
// # How it is fed
//
// A lane folds the events that count into Partials, one for each unit; they travel in its unit (Blocks, Decode). One Engine merges
// what the units that count bring, and judges when it is told that all of a time is there. Folder and Engine belong to one
// goroutine each; a Program, which both run, is never changed. Engine.Event is both in one, for tests of rules and dry runs. Export
// and Import carry the state over a restart, Swap over to other rules: what a rule kept stays if its version is the same.
//
// # What is promised
//
//   - Decisions follow from the events, their arrival, their places and the rules alone. They depend neither on how the events are
//     spread over lanes and units, nor on the order of merges, nor on how often Advance is called. (Examples and contributors are
//     a sample, in which the order shows. Of single events of one key on several lanes, which begins an episode shows it, too.)
//   - Windows slide: at the whole second s a rule sees the events in [s − window, s) that had arrived before s. Windows up to an
//     hour have steps of one second, longer ones of a 3600th. Percentiles, distinct counts and comparisons with the past have
//     steps of a 60th of the window. The window that an alert states is the one that was counted. With each Tick what may fire
//     early is looked at, over the window that ends with the step under way.
//   - What arrives after all of its time was said to be there is seen with the next tick; Stats counts it.
//   - Memory is bounded: by groups for each rule, steps for each group, texts for each step. Groups that are too many are counted
//     together as __other__ where counts can be added, else passed over and counted in Stats.
//
// The road through the files: language.go is the one table of keys, from which decode.go reads rules and schema.go writes the
// JSON Schema. compile.go makes conditions and metrics ready, index.go finds the rules that an event may concern. folder.go folds
// events into the partials of partial.go, wire.go writes and reads them. engine.go is who judges: coming.go merges partials until their
// tick has come, and gives them to the groups of group.go and the sequences of order.go; advance.go goes from tick to tick; reading.go
// says whether a rule holds, episode.go what follows from it. snapshot.go and restore.go carry all of it over a restart, open.go takes up
// episodes that were told before, swap.go goes on with other rules. check.go runs the tests that rules carry, pack.go holds the rules that come with hxp.
package rule
