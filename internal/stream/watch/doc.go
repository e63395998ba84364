// Package watch finds what is unusual in the live numbers of each model, without rules and without tuning.
//
// In come, every ten seconds, the cells of each model (Watcher.Step). Out come anomalies as they open and close: what metric of
// which model, since when, how far from the usual, and which detectors say so. It is pure: it reads no clock and does no I/O.
//
// # How it decides
//
// Each series is a count (requests), a share (errors of requests) or a level (latencies, tokens and cost of a request,
// satisfaction). Detectors look at it in ways that fail in different cases:
//
//   - tail: the last half or whole minute is too improbable under the usual level (Poisson for counts and shares, which is exact
//     where numbers are small; a standard score for levels)
//   - cusum: small deviations in one direction have added up (Page 1954), which finds drifts and tells when they began
//   - surprise: the minute is a record, or does not follow from what came before (package anomaly)
//   - silence: a model that was called often is not called any more
//   - season: the minute lies far outside of what the same hour of the week had in the weeks before
//
// What they say is passed over when the same hour of the week was like that in the weeks before (Season).
//
// An anomaly opens when two of them agree within a minute, so that the weakness of one does not wake anybody; of counts,
// which drift all day, one of them must be the tail, silence or season. While an objective suffers in the series one is enough (Suffering), and
// when it begins to suffer so that people are called, the anomaly goes on as an urgent one. It closes after
// a minute without a voice. While it is open the usual level stays what it was; what has lasted for an hour becomes the usual.
//
// # What is promised
//
// The same cells give the same anomalies, also over Append and Read. Memory is bounded: at most MaxModels are watched, those that are asked most. A model is
// looked at once it was seen for ten minutes.
package watch
