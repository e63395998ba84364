package app

import (
	"syscall"
	"time"
)

// sleepUntil waits more exactly than time.Sleep, which wakes an idle process at whole milliseconds.
func sleepUntil(due time.Time) {
	for {
		left := time.Until(due)
		if left <= 0 {
			return
		}
		ts := syscall.NsecToTimespec(int64(left))
		_ = syscall.Nanosleep(&ts, nil) // it returns early for a signal
	}
}
