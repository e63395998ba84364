package deployments

import "time"

// mostNews is how many versions may be new in an hour, once the beginning is over. Whoever names another one with each request would
// otherwise push out what is in use.
const mostNews = 100

// pace counts what is new in an hour.
type pace struct {
	hour time.Time // when it began
	n    int
}

// full tells whether no more may be new at a time.
func (p *pace) full(at time.Time) bool { return p.n >= mostNews && !hourOf(at).After(p.hour) }

// admit counts one more, unless it is one too many.
func (p *pace) admit(at time.Time) bool {
	if p.full(at) {
		return false
	}
	if hour := hourOf(at); hour.After(p.hour) {
		*p = pace{hour: hour}
	}
	p.n++
	return true
}

func hourOf(at time.Time) time.Time { return at.Truncate(time.Hour) }
