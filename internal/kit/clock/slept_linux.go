package clock

import (
	"time"

	"golang.org/x/sys/unix"
)

// slept is how long this machine has slept since it was started. Go's clock stands still meanwhile, and the one on the wall goes on.
func slept() time.Duration {
	var boot, awake unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &boot) != nil || unix.ClockGettime(unix.CLOCK_MONOTONIC, &awake) != nil {
		return 0
	}
	return time.Duration(boot.Nano() - awake.Nano())
}
