package clock

import "time"

// lap measures the time that passes, also while the machine sleeps. What it measures cannot be set.
type lap struct {
	at    time.Time
	slept time.Duration
}

// next is the time since the last call. Less than a second of sleep is what two clocks differ by that are not read in the same moment.
func (l *lap) next() time.Duration {
	now, all := time.Now(), slept()
	passed := now.Sub(l.at)
	l.at = now
	if more := all - l.slept; more >= time.Second {
		l.slept = all
		return passed + more
	}
	return passed
}
