package stream

import (
	rtm "runtime/metrics"
	"syscall"
	"time"
)

// cpuPercent is the processor time of the whole process since start, in percent of one core.
func cpuPercent(start time.Time) float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	used := time.Duration(u.Utime.Nano() + u.Stime.Nano())
	return 100 * used.Seconds() / max(time.Since(start).Seconds(), 1e-3)
}

// memoryBytes is what the process holds from the operating system for Go.
func memoryBytes() uint64 {
	s := []rtm.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	rtm.Read(s)
	return s[0].Value.Uint64() - s[1].Value.Uint64()
}
