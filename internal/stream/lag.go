package stream

import "time"

// Lag is how long ago the records arrived that counted last, 0 when all are counted. It is not known before anything has
// counted. Times of events have no part in it, so a replay of history is no lag.
func (s *Service) Lag() (lag time.Duration, known bool) {
	if s.isReady() && s.behind() == 0 {
		return 0, true
	}
	oldest := s.metrics.oldest.Load()
	if oldest == 0 {
		return 0, false
	}
	return max(time.Since(time.UnixMicro(oldest)), 0), true
}
