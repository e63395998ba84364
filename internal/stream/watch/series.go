package watch

import (
	"fmt"
	"math"
	"slices"

	"github.com/hxp-enterprise/hxp/internal/stream/anomaly"
)

// Settings of all series, in steps where they are times.
const (
	warm       = 60      // steps with data before a series is judged
	memory     = 1. / 90 // weight of a step in the usual: a quarter of an hour
	window     = 6       // steps of the minute that anomalies state
	recent     = 3       // steps of the tail, and within which detectors must agree
	improbable = 15.0    // −ln of the probability from which on the tail speaks: one in three million
	far        = 4.5     // standard deviations from which on the tail of a level speaks
	slack      = 0.7     // of the cusum, in standard deviations
	alarm      = 8.0     // of the cusum, likewise
	burst      = 0.1     // of the cusum of a share: how much more than usual it looks for
	rare       = 0.002   // of a share: it is never taken to be quite nothing
	fewest     = 3       // requests of a step that say something of a level
	failures   = 5       // that must be there before a share says something
	settled    = 6       // steps without a voice after which an anomaly is over
	accepted   = 360     // steps after which what is unusual is the usual
	jitter     = 0.03    // of a level: by so much it may always differ
)

// voice is what a detector says of a step.
type voice struct {
	name  string
	score float64 // how sure, 0 to 1
	says  string
	up    bool
	since int64 // when what it sees began
}

// series is one metric of one model.
type series struct {
	metric *metric
	steps  int // with data
	first  int64

	usual  float64 // of a count for each step, of a share the part, of a level the middle (its logarithm)
	spread float64 // of a count how much more a step varies than chance, of a level the variance for each request
	gusts  float64 // of a count, the same of a minute: people come in waves
	weight float64 // of a share: requests that the usual rests on

	last      [window]seen // newest last
	high, low cusum
	surprise  anomaly.Detector
	silent    int // steps without data, one after another
	season    season

	voices [detectors]voice // latest
	at     [detectors]int64 // when it spoke, 0 = never
	open   *Anomaly
	calm   int
	lasted int
}

// The detectors.
const (
	tailAt = iota
	cusumAt
	surpriseAt
	silenceAt
	seasonAt
	detectors
)

// cusum adds up deviations in one direction.
type cusum struct {
	sum   float64
	since int64
}

func (c *cusum) add(z float64, at int64) {
	if c.sum == 0 {
		c.since = at
	}
	c.sum = min(max(0, c.sum+z), 2*alarm)
}

// step takes what was seen in the step that began at a second.
func (s *series) step(x seen, at int64) {
	copy(s.last[:], s.last[1:])
	s.last[window-1] = x
	if s.first == 0 {
		s.first = at
	}
	if s.empty(x) {
		if s.silent++; s.metric.kind != count {
			return
		}
	} else {
		s.silent = 0
		s.steps++
	}
	if s.steps > warm {
		s.listen(x, at)
	}
	if v, ok := s.minute(); ok { // the detector learns from the beginning on
		if score := s.surprise.Step(v); score >= 0.6 && s.steps > warm {
			expected := s.shown(s.usual)
			s.say(surpriseAt, voice{"surprise", score, fmt.Sprintf("%.4g in the last minute is beyond what was seen before (usual: %.4g)", v, expected), v > expected, at}, at)
		}
	}
	if s.open == nil || s.lasted >= accepted {
		s.learn(x, s.haste(at))
	}
}

func (s *series) empty(x seen) bool {
	if s.metric.kind == level {
		return x.n < fewest || math.IsNaN(x.value)
	}
	return x.n == 0
}

// say notes a voice, unless it says what was so in the weeks before.
func (s *series) say(i int, v voice, at int64) {
	if !s.explains(v, at) {
		s.voices[i], s.at[i] = v, at
	}
}

// listen asks the detectors that need the usual.
func (s *series) listen(x seen, at int64) {
	p := s.tail(recent, s.usual)
	if q := s.tail(window, s.usual); math.Abs(q) > math.Abs(p) {
		p = q
	}
	up, down := s.evidence(x)
	s.high.add(up, at)
	s.low.add(down, at)
	if math.Abs(p) >= 1 {
		s.say(tailAt, voice{"tail", 1 - math.Exp(-math.Abs(p)*improbable), s.tells(p > 0), p > 0, at - (recent-1)*Step}, at)
	}
	for _, c := range [...]struct {
		*cusum
		up bool
	}{{&s.high, true}, {&s.low, false}} {
		if c.sum >= alarm && (c.up || s.metric.kind != share) {
			s.say(cusumAt, voice{"cusum", 1 - math.Exp(-c.sum), "deviations in one direction have added up", c.up, c.since}, at)
		}
	}
	s.compare(at)
	if missing := float64(s.silent) * s.usual / max(s.spread, 1); s.metric.kind == count && s.silent >= recent && missing >= improbable {
		s.say(silenceAt, voice{"silence", 1 - math.Exp(-missing), fmt.Sprintf("no request for %d s, where %.0f are usual", s.silent*Step, float64(s.silent)*s.usual), false, at - int64(s.silent-1)*Step}, at)
	}
}

func (s *series) tells(up bool) string {
	if up {
		return "the last minute is improbably high"
	}
	return "the last minute is improbably low"
}

// evidence is what a step adds to the cusums: standard deviations from the usual, at most six, or of a share the logarithm of how
// much better a burst explains it.
func (s *series) evidence(x seen) (up, down float64) {
	var z float64
	switch s.metric.kind {
	case count:
		z = (x.value - s.usual) / math.Sqrt(max(s.usual*max(s.spread, 1), 1))
	case share:
		p := min(max(s.usual, rare), 0.8)
		q := p + burst
		return x.value*math.Log(q/p) + (x.n-x.value)*math.Log((1-q)/(1-p)), 0
	case level:
		z = (s.scaled(x.value) - s.usual) / math.Sqrt(s.spread/x.n+jitter*jitter)
	}
	z = max(-6, min(z, 6))
	return z - slack, -z - slack
}

// tail is how improbable the last steps are if something were usual: 1 or more is worth a word, −1 or less as well, in the other direction.
func (s *series) tail(steps int, usual float64) float64 {
	var n, sum, product float64
	for _, x := range s.last[window-steps:] {
		if s.metric.kind == level && s.empty(x) {
			continue
		}
		n, sum = n+x.n, sum+x.value
		if s.metric.kind == level {
			product += x.n * s.scaled(x.value)
		}
	}
	switch {
	case s.metric.kind == count:
		chance := max(s.spread, s.gusts, 1)
		return poissonTail(sum/chance, float64(steps)*usual/chance) / improbable
	case s.metric.kind == share && sum >= failures && s.weight >= 100:
		return max(0, poissonTail(sum, n*max(usual, rare))/improbable)
	case s.metric.kind == level && n > 0:
		return (product/n - usual) / math.Sqrt(s.spread/n+jitter*jitter) / far
	}
	return 0
}

// poissonTail is −ln P(X ≥ k) for k above the mean, and ln P(X ≤ k) below it.
func poissonTail(k, mean float64) float64 {
	if mean <= 0 {
		return 0
	}
	log := func(i float64) float64 { // ln P(X = i)
		g, _ := math.Lgamma(i + 1)
		return i*math.Log(mean) - mean - g
	}
	sum, term := 0.0, 1.0 // of the terms in proportion to the first
	if k > mean {
		for i := k; term > 1e-9; i++ {
			sum += term
			term *= mean / (i + 1)
		}
		return -(log(k) + math.Log(sum))
	}
	for i := k; i >= 0 && term > 1e-9; i-- {
		sum += term
		term *= i / mean
	}
	return log(k) + math.Log(max(sum, 1))
}

// haste is the weight of a step in the usual. While a detector speaks it is less, or else what changes slowly would be the usual before a
// second one sees it. How much people ask changes all day.
func (s *series) haste(at int64) float64 {
	if s.metric.kind != count && slices.Contains(s.at[:], at) {
		return memory / 4
	}
	return memory
}

// learn makes a step part of the usual, with a weight that is more while little is known.
func (s *series) learn(x seen, haste float64) {
	if s.metric.kind != count && s.empty(x) {
		return
	}
	a := max(haste, 1/float64(max(s.steps, 1)))
	switch s.metric.kind {
	case count:
		d := x.value - s.usual
		if s.steps > 5 {
			s.spread += a * (d*d/max(s.usual, 1) - s.spread)
			g := -window * s.usual
			for _, x := range s.last {
				g += x.value
			}
			s.gusts += a * (g*g/max(window*s.usual, 1) - s.gusts)
		}
		s.usual += a * d
	case share:
		s.weight += x.n - memory*s.weight
		s.usual += (x.value - s.usual*x.n) / max(s.weight, 1) * haste / memory
	case level:
		v := s.scaled(x.value)
		d := v - s.usual
		if s.steps > 5 {
			s.spread += a * (min(x.n*d*d, 36*max(s.spread, 0.01)) - s.spread)
		}
		s.usual += a * d
	}
}

func (s *series) scaled(v float64) float64 {
	if s.metric.log {
		return math.Log(max(v, 1e-9))
	}
	return v
}

// shown turns the usual into the number that people know: of a count that of a minute.
func (s *series) shown(v float64) float64 {
	switch {
	case s.metric.kind == count:
		return v * window
	case s.metric.log:
		return math.Exp(v)
	}
	return v
}

// minute is the metric over the last minute; not ok where data are absent.
func (s *series) minute() (v float64, ok bool) {
	var n, sum, product float64
	for _, x := range s.last {
		if s.metric.kind == level && s.empty(x) {
			continue
		}
		n, sum = n+x.n, sum+x.value
		product += x.n * x.value
	}
	switch {
	case s.metric.kind == count:
		return sum, s.steps >= window
	case n < 10:
		return 0, false
	case s.metric.kind == share:
		return sum / n, true
	}
	return product / n, true
}
