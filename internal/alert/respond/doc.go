// Package respond decides what is done about alerts, and keeps account of it.
//
// In come alerts (ParseAlert), commands of people, and the log of everything that happened (Book). Out go records for that log,
// and calls of targets. What a response is follows from the log alone: the Book is its fold, and the log decides who acts. A
// writer chains its record to the last one that it has read; of two records that were written at once only the first one is
// chained right, so it alone counts, and the writer of the other one reads on and thinks again. Nothing is done on the strength of
// a record before it was read back.
//
// A response goes proposed → approved → applied → verified → reverted, or ends as refused, failed, expired or dismissed. Before
// a change is made a claim is written, with what the target looked like. Whoever finds a claim whose time is over looks at the
// target first: what is in place is verified or taken back, what is not is done anew; no change is made twice blindly.
//
// Rails bound all of it (limits.go); a rule can switch none of them off. Everything but Machine is pure: times come from the
// records and from the caller.
package respond
