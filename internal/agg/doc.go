// Package agg is the algebra of hxp: what a second, an hour or a month of events looks like once they are folded, and how two
// such summaries become one. Everything in it is exact or carries a proved error, and every merge is associative and
// commutative, so that a month is the merge of its days, a day of its hours and an hour of its events, however they were
// split, ordered or restarted. It reads no clock and does no I/O.
package agg
