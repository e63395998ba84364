package capacity

import (
	"math"
	"sort"
)

// Constraint is one thing that bounds the load of machines: their load at the limit, told by a formula over named numbers.
type Constraint struct {
	Name    string             // such as gpu_usage or ttft
	Formula string             // what the machines that there are carry, in requests an hour, over Inputs
	Inputs  map[string]float64 // numbers of the formula
	Carries float64            // its value
	Fit     float64            // 0–1: how well it is known
}

// Usage is the constraint of a resource whose use follows the load on a line and shall not pass a limit.
func Usage(name string, l Line, limit float64) Constraint {
	return Constraint{Name: name, Formula: "(use_limit - use_idle) ÷ use_per_request", Carries: (limit - l.Idle) / l.Slope, Fit: l.Fit,
		Inputs: map[string]float64{"use_limit": limit, "use_idle": l.Idle, "use_per_request": l.Slope}}
}

// Objective is the constraint of a knee: what arrives in the peaks of an hour must stay below it. peak is the load of the peaks relative to that of
// their hour.
func Objective(name string, k Knee, peak float64) Constraint {
	fit := 1.0
	if k.Hi > 0 {
		fit = max(0, 1-(k.Hi-k.Lo)/(2*k.Load))
	}
	return Constraint{Name: name, Formula: "3600 × knee_per_second ÷ peak_factor", Carries: 3600 * k.Load / peak, Fit: fit,
		Inputs: map[string]float64{"knee_per_second": k.Load, "peak_factor": peak}}
}

// Phase is the constraint of a phase of requests, which breaks at so many tokens a second and takes so many tokens of each request.
func Phase(name string, k Knee, peak, tokens float64) Constraint {
	c := Objective(name, k, peak)
	c.Formula, c.Carries = "3600 × knee_tokens_per_second ÷ (peak_factor × tokens_per_request)", 3600*k.Load/(peak*tokens)
	c.Inputs = map[string]float64{"knee_tokens_per_second": k.Load, "peak_factor": peak, "tokens_per_request": tokens}
	return c
}

// Slots is the constraint of a queue of slots (M/M/c): so many requests an hour that no more than a share of them waits, when each takes so many
// seconds.
func Slots(slots int, seconds, most float64) Constraint {
	load := SlotLoad(slots, most)
	return Constraint{Name: "request_slots", Formula: "3600 × slots_in_use ÷ seconds_per_request", Carries: 3600 * load / seconds, Fit: 0.5,
		Inputs: map[string]float64{"slots_in_use": load, "seconds_per_request": seconds, "slots": float64(slots), "waiting_share": most}}
}

// Policy is how much room there shall be.
type Policy struct {
	Target float64 // share of the limit that the demand may take
	Spare  int     // machines that may be lost at a time; not counted where there is one machine alone
	Band   float64 // by how much the demand must fit into fewer machines before some are given back (hysteresis)
}

// Need is how many machines a demand asks for.
type Need struct {
	Binding Constraint
	Count   int
	Formula string
	Inputs  map[string]float64
	Limit   float64 // requests an hour that the machines that there are may be asked for: target times what they carry
	Short   bool    // no useful number of machines carries the demand; Count is the largest useful one, or those that there are
}

// MostMachines bounds a need: more say that the constraint says nothing.
const MostMachines = 1_000_000

// Machines returns the need of a demand (requests an hour) for as many machines as there are now; ok is false without constraints that say something.
// The constraint that carries the least binds. More machines are asked for as soon as the demand needs them, fewer only when
// it would fit with the band on top. Each machine carries as much as each of those that there are, or what a law says; law may be nil.
func Machines(current int, demand float64, constraints []Constraint, p Policy, law *USL) (n Need, ok bool) {
	best := math.Inf(1)
	for _, c := range constraints {
		if c.Carries > 0 && c.Carries < best {
			n.Binding, best = c, c.Carries
		}
	}
	if current < 1 || math.IsInf(best, 1) || !(demand >= 0) || float64(current)*demand/(p.Target*best) > MostMachines {
		return n, false
	}
	spare := p.Spare
	if current == 1 {
		spare = 0
	}
	n.Limit = p.Target * best
	n.Inputs = map[string]float64{"current": float64(current), "demand_per_hour": demand, "target_utilization": p.Target, "failure_domain": float64(spare), "band": p.Band}
	for name, v := range n.Binding.Inputs {
		n.Inputs[name] = v
	}
	count, enough := Count(current, demand, n.Limit, law)
	if !enough {
		n.Short, n.Count, n.Formula = true, count+spare, "useful_machines + failure_domain"
		n.Inputs["useful_machines"] = float64(count)
		if law.Carries(float64(current)) > law.Carries(float64(count)) { // more than are useful, and what little they add is needed
			n.Count, n.Formula = max(current, n.Count), "max(current, "+n.Formula+")"
		}
		return n, true
	}
	fewer, fits := Count(current, demand*(1+p.Band), n.Limit, law)
	n.Count = max(count+spare, min(current, fewer+spare))
	n.Formula = "max(" + n.formula("demand_per_hour", "scaling_efficiency", count, current, law)
	switch {
	case fits:
		n.Formula += ", min(current, " + n.formula("(demand_per_hour × (1 + band))", "scaling_efficiency_with_band", fewer, current, law) + "))"
	default: // no number of machines carries so much, so none is given back
		n.Count, n.Formula = max(count+spare, current), n.Formula+", current)"
	}
	if law != nil && count > law.Useful() { // one more adds next to nothing
		n.Count, n.Formula = min(n.Count, current), "min(current, "+n.Formula+")"
	}
	return n, true
}

// formula is how many machines a demand needs, over the inputs, to which it adds the efficiency of so many.
func (n *Need) formula(demand, name string, count, current int, law *USL) string {
	scaled := ""
	if law != nil {
		n.Inputs[name], scaled = law.Efficiency(count, current), " × "+name
	}
	return "max(1, ceil(current × " + demand + " ÷ (target_utilization × (" + n.Binding.Formula + ")" + scaled + "))) + failure_domain"
}

// Count returns the least number of machines that carry a demand, when those that there are carry limit; at least one. Where a law says that no
// useful number of machines does, nor those that there are, enough is false and it is the largest useful one.
func Count(current int, demand, limit float64, law *USL) (n int, enough bool) {
	needed := func(efficiency float64) float64 { return math.Ceil(float64(current) * demand / (limit * efficiency)) }
	if law == nil {
		return max(1, int(min(needed(1), MostMachines))), true
	}
	most := law.Useful()
	if demand <= limit {
		most = max(most, current)
	}
	n = 1 + sort.Search(most, func(i int) bool { return needed(law.Efficiency(i+1, current)) <= float64(i+1) })
	return min(n, most), n <= most
}
