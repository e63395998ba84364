package insight

import "math"

// Funnel counts how far subjects (sessions, users) come through steps in their order. A subject has come to a step when some of its events are the
// steps up to it, one after the other, and the last of them lies within a time of the first. It has one owner.
type Funnel struct {
	steps  int
	within int64
	by     map[string][]int64 // of each subject and step, when the latest sequence began that has come so far; never = none has
}

// MostSteps bounds the steps of a funnel.
const MostSteps = 10

const never = math.MinInt64

// NewFunnel makes a funnel of so many steps, each within a time of the first, in the unit of the times of See.
func NewFunnel(steps int, within int64) *Funnel {
	return &Funnel{steps: steps, within: within, by: map[string][]int64{}}
}

// Len is the number of subjects that have begun.
func (f *Funnel) Len() int { return len(f.by) }

// See adds an event of a subject; steps has a bit for each step that it can be, and it is one of them at a time. Events come in the order of their times.
// Of the sequences that have come to a step only the one that began last needs to be known: whatever follows in time for another follows
// in time for it.
func (f *Funnel) See(subject string, at int64, steps uint) {
	began := f.by[subject]
	if began == nil {
		if steps&1 == 0 {
			return
		}
		began = make([]int64, f.steps)
		for i := range began {
			began[i] = never
		}
		f.by[subject] = began
	}
	for i := f.steps - 1; i > 0; i-- { // downwards, so that an event is no two steps of one sequence
		if steps>>i&1 == 1 && began[i-1] != never && at-began[i-1] <= f.within {
			began[i] = max(began[i], began[i-1])
		}
	}
	if steps&1 == 1 {
		began[0] = at
	}
}

// FunnelStep is how many came to a step.
type FunnelStep struct {
	Step     string   `json:"step"`
	Subjects int      `json:"subjects"`
	OfFirst  *float64 `json:"share_of_first"` // null when nobody began
	OfBefore *float64 `json:"share_of_step_before"`
}

// Steps tells how many came to each step, by its name.
func (f *Funnel) Steps(names []string) []FunnelStep {
	out := make([]FunnelStep, f.steps)
	for _, began := range f.by {
		for i, at := range began {
			if at != never {
				out[i].Subjects++
			}
		}
	}
	for i := range out {
		first, before := float64(out[0].Subjects), float64(out[max(0, i-1)].Subjects)
		out[i].Step, out[i].OfFirst, out[i].OfBefore = names[i], Mean(float64(out[i].Subjects), first), Mean(float64(out[i].Subjects), before)
	}
	return out
}
