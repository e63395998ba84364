// Package clock is for whoever must not be misled by a clock that is set.
//
// A clock on the wall is set: by NTP at the start of a machine, by hand, by a host that wakes a machine that slept. Code that measures a time
// that passes needs nothing of this, because Go measures it by another clock. Code that compares stored times with the present one does: to it
// a clock that is set forward by a day is a day in which nothing happened. Watch tells it that this is not so; Steady hides it.
package clock
