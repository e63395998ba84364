// Package agg is the algebra of hxp: what a second, an hour or a month of events looks like once they are folded, and how two
// such summaries become one. It reads no clock and does no I/O.
//
// In come settled events (Cell.Add), other cells (Cell.Merge) and bytes (Cell.Decode). Out go the numbers that people read
// (Cell.Stats) and the bytes that the journal, the snapshots and the aggregation tables keep (Cell.Append).
//
// # What is promised
//
// Merging is associative and commutative, and a cell holds nothing that depends on how its events were split, ordered or
// restarted: a month is the merge of its days, a day of its hours, an hour of its events. It holds to the last bit: cells of
// the same events have the same bytes, whichever way they were made, on every machine.
//
//   - Counts, tokens, money (nano-USD) and durations (128-bit nanoseconds) are exact integers. Tokens and money stop at the
//     largest int64 instead of turning over.
//   - Other numbers (scores, gauges) are summed exactly and rounded once, when they are read: see ExactSum.
//   - Quantiles are nearest rank and within 1 % of the true value; of one or two values, and at both ends, exact: see Measure.
//   - Distinct users and sessions are exact up to 256, then estimated with a standard error of 1.15 %: see Distinct.
//   - Names of gauges that the catalogue does not know are limited to the 64 smallest: see System.
//
// # What happens on failure
//
// Add, Merge and Append cannot fail. Decode takes any bytes: what Append could not have written is refused with an error
// that wraps ErrEncoding, and the cell is then empty. Nothing is guessed or repaired.
//
// Cells share memory when they are copied by assignment; Clone gives an independent one. No type here may be changed by
// several goroutines at once; any number may read.
//
// Row and Run also stand here, because rooms that do not import each other exchange them.
package agg
