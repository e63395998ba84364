// Package deployments keeps the book of what was put to work: models and versions of prompts that were seen for the first time, and
// deployments that somebody told of by a business event. Charts show them as flags, so that a change of a number stands beside its cause.
//
// In come events, as the lanes fold them, and the records of hxp-deployments from its start. Out come records of that topic, and
// deployments, the newest first.
//
// # What is promised
//
//   - The book follows from the topic alone, so every instance says the same. A record that comes twice changes nothing.
//   - What is seen in the first ten minutes of the topic is no deployment: there everything is new.
//   - Memory is bounded by counts. Beyond them the oldest deployments are forgotten, those that were told apart from those that were seen, and
//     the versions of which no record has spoken for longest.
//   - A hundred versions may be new in an hour. Others are seen later, if they are still asked for.
//
// The road through the files: seen.go makes records of events, at the pace of pace.go, book.go folds them, api.go answers.
package deployments
