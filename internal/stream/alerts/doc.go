// Package alerts keeps the book of what rules decided, and answers for it.
//
// In come the records of hxp-alerts from its start: decisions of rules, and what the batch service tells of runs that missed
// their deadline. Out come alerts, one for each rule, key and episode: an episode is told more than once under one id, as it
// becomes pending, fires and resolves. One that lapsed before it fired is none.
//
// # What is promised
//
//   - The book follows from the topic alone, so every instance says the same and nothing has to be kept beside it.
//   - A record that comes twice, or late, changes nothing: an episode only goes forward.
//   - Memory is bounded by bytes. Beyond them the alerts that resolved longest ago are forgotten, then the oldest; they are
//     counted. What retention removes from the topic leaves the book.
//   - A record that is no decision is counted, told in the log once a minute at most, and passed over.
//
// The road through the files: alert.go decodes, book.go folds, api.go answers.
package alerts
