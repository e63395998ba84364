package clock

import (
	"sync"
	"time"
)

// mostHidden is the difference that Steady makes up for by and by. A larger one is taken over at once: it would take weeks, and a clock that was so
// far from the right time has no use.
const mostHidden = 24 * time.Hour

// Steady is a clock for what is due: leases, pauses, deadlines. When the clock that it follows is set forward it runs at double speed, and when
// that is set back at half, until they agree. So what lies an hour apart never comes at once, and nothing waits for an hour to come a second
// time. It is safe for concurrent use.
type Steady struct {
	Says func() time.Time // the clock that Now follows; nil = that of this machine. Set it before anything else.

	mu   sync.Mutex
	lap  lap
	said time.Time
}

// Wall is what the clock says that Now follows.
func (s *Steady) Wall() time.Time {
	if s.Says != nil {
		return s.Says()
	}
	return time.Now()
}

// Apart is what Now is ahead of Wall; 0 unless that was set lately.
func (s *Steady) Apart() time.Duration {
	wall := s.Wall()
	apart := s.Follow(wall).Sub(wall.Round(0))
	if apart > -least && apart < least {
		return 0
	}
	return apart
}

// Now is the steady time.
func (s *Steady) Now() time.Time { return s.Follow(s.Wall()) }

// Follow is the time when the clock says something. It never goes back, unless the clock is set back by more than a day.
func (s *Steady) Follow(says time.Time) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	says = says.Round(0)
	passed := s.lap.next()
	if s.said.IsZero() {
		s.said = says
		return says
	}
	s.said = s.said.Add(passed)
	switch apart := says.Sub(s.said); {
	case apart > mostHidden || apart < -mostHidden:
		s.said = says
	case apart > 0:
		s.said = s.said.Add(min(apart, passed))
	default:
		s.said = s.said.Add(max(apart, -passed/2))
	}
	return s.said
}
