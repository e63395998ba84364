package stream

import "time"

// fetchMargin is how long a record may be on its way from its broker to a lane whose partition was read to the end.
const fetchMargin = 250 * time.Millisecond

// horizon is the time up to which whatever has arrived can be known to be here, in microseconds.
func horizon(now time.Time) int64 { return now.Add(-fetchMargin).UnixMicro() }

// arrivalClock is the time up to which all that arrived, in any input partition, counts. Of a partition that is read to its
// end that is the wall's, less a margin; of another one the arrival of the last record that counts. So neither a quiet
// partition nor one without any record holds it back, and one with a backlog does until it is read. It is not known while
// nothing is read.
func (s *Service) arrivalClock(now time.Time) (clock int64, known bool) {
	s.mu.RLock()
	lanes, reading, input := s.lanes, s.reading, s.input
	s.mu.RUnlock()
	if !reading || len(lanes) == 0 {
		return 0, false
	}
	clock = horizon(now)
	if since := input.busy(); since != 0 { // what was fetched is being handed over
		clock = min(clock, since-fetchMargin.Microseconds())
	}
	for _, l := range lanes {
		clock = min(clock, l.behind(clock))
	}
	return clock, true
}

// behind is the arrival of the last record that counts, of the partitions of the lane that are not read to their end; at
// most end. Of one that another instance folds that is when it was looked at last. What is handed over and not taken in is asked for first: it shows in the progress before it no longer waits.
func (l *lane) behind(end int64) int64 {
	waits := l.inbox.Load() > 0
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range l.progress {
		switch {
		case !p.Quiet || waits:
			end = min(end, p.Arrival)
		case p.Seen != 0:
			end = min(end, p.Seen)
		}
	}
	return end
}
