// Package anomaly tells how surprising the next value of a series is, given those before it.
//
// In come values, one after another. Out comes a score between 0 and 1 for each, at once and from the past alone: the score of
// a value never depends on what follows it. One setting serves all series; nothing is trained beforehand.
//
// Two views are held against each other. The memory of contexts (context.go) learns which coarse values follow which, and is
// surprised by what it has not seen follow; it was published by M. Smirnov as CAD-OSE and does well on the Numenta Anomaly
// Benchmark (NAB). The record (record.go) is surprised by values beyond all that were seen, by how far they lie beyond. After
// a surprise a detector rests, so that one incident makes one detection.
//
// Promised: the same values give the same scores, on every machine; memory is bounded, whatever comes. A Detector is not for
// concurrent use.
package anomaly
