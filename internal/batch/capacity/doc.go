// Package capacity is the mathematics of capacity: where a server breaks under load (knee.go), how its use grows with load (line.go), how its
// load grows with time (trend.go), what a queue of slots (erlang.go) or machines that get in each other's way (usl.go) can carry, and how
// many machines that asks for (need.go).
//
// The package is pure: numbers in, numbers out, no clock, no chance. Loads are requests a second or an hour, as the names say; shares are
// 0–1. What cannot be told from the numbers given is told as such (ok false, nil), never guessed.
package capacity
