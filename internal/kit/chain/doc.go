// Package chain makes and proves logs in which each record holds the sha256 of the one before.
//
// In come records as values that JSON can write, with the fields prev_hash and hash; out go canonical texts, and in come texts of a log in
// its order and out goes which of them count. A record counts when it is chained to the one that counted last: of two that were written at
// once the first one wins, and everybody who reads the log sees the same winner, so writers need no lock. What was changed, left out or put
// in between is found; a log whose end was cut is found by who kept the hash of its end.
package chain
