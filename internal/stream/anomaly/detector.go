package anomaly

import "math"

// Settings of all series. They are no options: a detector that must be tuned for each series is no help.
const (
	alarming   = 0.6  // from here on a surprise makes the detector rest
	restFor    = 120  // values
	remembered = 4000 // values, by which the contexts are learnt anew when the scale has changed
	leanValues = 720  // the same, of a lean detector
	margin     = 0.5  // room that the scale leaves on either side, in ranges seen so far
	growth     = 0.1  // how far values may pass the scale's range before it is made anew
	steepness  = 3.0  // of the score of a record, by ranges
)

// Detector scores one series. The zero value is ready.
type Detector struct {
	Lean bool // remembers less, for where there are many; set before the first value

	record   record
	contexts *contexts
	scale    scale
	recent   ring
	rest     int // values until a surprise counts again
}

// Step takes the next value of the series, which must be finite, and returns how surprising it is: 0 not at all, 1 as much as
// can be. The first values are surprising by nature; ignore them.
func (d *Detector) Step(v float64) float64 {
	beyond := d.record.step(v)
	d.fit()
	strange := d.contexts.step(d.scale.facts(v))
	d.recent.put(v, d.memory())
	score := 1 - (1-strange)*math.Exp(-steepness*beyond)
	resting := d.rest > 0
	if d.rest > 0 {
		d.rest--
	}
	if score >= alarming {
		d.rest = restFor
	}
	if resting {
		return 0
	}
	return score
}

// memory is how many values are remembered.
func (d *Detector) memory() int {
	if d.Lean {
		return leanValues
	}
	return remembered
}

// most is how many contexts there may be.
func (d *Detector) most() int {
	if d.Lean {
		return leanContexts
	}
	return maxContexts
}

// fit makes the scale anew when the values have outgrown it, or when there is too much to remember, and lets the contexts
// learn again.
func (d *Detector) fit() {
	if d.contexts != nil && !d.scale.outgrown(&d.record) && d.contexts.size() < d.most() {
		return
	}
	d.scale, d.contexts = scaleOf(&d.record), newContexts()
	d.recent.each(func(v float64) { d.contexts.step(d.scale.facts(v)) })
}
