package cost

import (
	"cmp"
	"math"
	"math/bits"
	"path"
	"slices"
	"strings"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/kit/sorting"
)

// What own GPUs cost is told hour by hour, in whole nano-USD: an hour belongs to those who used it. So days are the sums of their hours and months
// those of their days, and what all keys used and what nobody used make up what the pools cost.

// PoolHour is what a pool cost in one hour.
type PoolHour struct {
	Capital, Power, Host int64
	Busy                 float64   // share of the GPUs that was in use, 0–1; negative = not known
	Used                 int64     // what is shared out
	Shares               []Portion // by the work, in its order
}

// Portion is what some requests used of an hour.
type Portion struct {
	Prefill, Decode int64
	Timed           bool // split by times
}

// Cost is all that the hour cost.
func (h *PoolHour) Cost() int64 { return h.Capital + h.Power + h.Host }

// Idle is what nobody used.
func (h *PoolHour) Idle() int64 { return h.Cost() - h.Used }

// Serves tells whether requests to a model are the pool's, by the machine that they name, if any.
func (p *Pool) Serves(model, host string) bool {
	return slices.Contains(p.Models, model) && (host == "" || p.Has(host))
}

// Has tells whether a machine belongs to the pool: any does where none is named.
func (p *Pool) Has(host string) bool {
	return len(p.Hosts) == 0 || slices.ContainsFunc(p.Hosts, func(pattern string) bool {
		ok, _ := path.Match(pattern, host) // Validate has read it
		return ok
	})
}

// Hour is what an hour cost in which the GPUs were in use to a share, and what each work of the pool had of it: the models by their tokens, within a
// model its prefill by the tokens of prompts that came from no cache, and its decode by those of answers. Where nobody knows the share, the
// hour is all in use when there was work, and at the dearest power.
func (p *Pool) Hour(hour int64, busy float64, work []Work, times map[string]Phases) *PoolHour {
	h := &PoolHour{Busy: min(1, busy), Shares: make([]Portion, len(work))}
	if busy < 0 {
		busy = 1
	}
	h.Capital, h.Power, h.Host = p.hourly(hour, min(1, busy))
	models := map[string][]int{}
	for i := range work {
		if work[i].Prompt+work[i].Completion > 0 {
			models[work[i].Model] = append(models[work[i].Model], i)
		}
	}
	names, weights := make([]string, 0, len(models)), make([]float64, 0, len(models))
	for name := range models {
		names = append(names, name)
	}
	slices.Sort(names)
	sums, all := make([]Work, len(names)), 0.0
	for n, name := range names {
		for _, i := range models[name] {
			sums[n].Prompt, sums[n].Completion = sums[n].Prompt+work[i].Prompt, sums[n].Completion+work[i].Completion
		}
		weights = append(weights, p.weight(&sums[n]))
		all += weights[n]
	}
	if all > 0 {
		h.Used = int64(math.RoundToEven(float64(h.Cost()) * min(1, busy)))
		for n, nano := range Divide(h.Used, weights) {
			p.deal(h, nano, &sums[n], times[names[n]], work, models[names[n]])
		}
	}
	return h
}

// deal shares out what one model used.
func (p *Pool) deal(h *PoolHour, nano int64, sum *Work, times Phases, work []Work, of []int) {
	prefill, timed := p.prefill(sum, times)
	split := Divide(nano, []float64{prefill, 1 - prefill})
	fresh, prompts, answers := make([]int64, len(of)), make([]int64, len(of)), make([]int64, len(of))
	for k, i := range of {
		prompts[k], answers[k] = work[i].Prompt, work[i].Completion
		fresh[k] = work[i].Prompt - min(work[i].Cached, work[i].Prompt)
	}
	if !slices.ContainsFunc(fresh, func(n int64) bool { return n > 0 }) {
		fresh = prompts // all came from a cache
	}
	decode := DivideWhole(split[1], answers)
	for k, nano := range DivideWhole(split[0], fresh) {
		h.Shares[of[k]] = Portion{nano, decode[k], timed}
	}
}

// weight is what a pool's work for a model is shared out by.
func (p *Pool) weight(w *Work) float64 {
	return float64(w.Prompt) + p.OutputWeight*float64(w.Completion)
}

// prefill is the share of the work for a model that its prompts took: by time, where that is known.
func (p *Pool) prefill(w *Work, t Phases) (share float64, timed bool) {
	switch {
	case w.Completion == 0 || w.Prompt == 0: // nothing to split
		return float64(min(1, w.Prompt)), false
	case t.Total > 0 && t.Prefill > 0 && t.Prefill <= t.Total:
		return t.Prefill / t.Total, true
	}
	return float64(w.Prompt) / p.weight(w), false
}

// DivideWhole is Divide by whole weights.
func DivideWhole(n int64, weights []int64) []int64 {
	total, out := uint64(0), make([]int64, len(weights))
	for _, w := range weights {
		total += uint64(w)
	}
	if total == 0 {
		if len(out) > 0 {
			out[0] = n
		}
		return out
	}
	left, lost, order := n, make([]uint64, len(weights)), make([]int, len(weights))
	for i, w := range weights {
		hi, lo := bits.Mul64(uint64(n), uint64(w))
		q, r := bits.Div64(hi, lo, total) // w ≤ total, so it fits
		out[i], lost[i], order[i] = int64(q), r, i
		left -= int64(q)
	}
	sorting.StableBy(order, func(a, b int) int { return cmp.Compare(lost[b], lost[a]) })
	for _, i := range order[:left] { // fewer than there are parts
		out[i]++
	}
	return out
}

// Begin is what the pool cost in no hour yet.
func (p *Pool) Begin() *PoolCost {
	c := &PoolCost{Name: p.Name, GPUs: p.GPUs, Models: []ModelUnit{}, by: map[string]*modelSum{}}
	c.From, c.To = p.Span().ends()
	return c
}

// Add adds an hour with its work.
func (c *PoolCost) Add(h *PoolHour, work []Work) {
	c.Hours, c.GPUHours = c.Hours+1, c.GPUHours+int64(c.GPUs)
	c.CapitalUSD, c.PowerUSD, c.HostUSD = c.CapitalUSD+agg.USD(h.Capital), c.PowerUSD+agg.USD(h.Power), c.HostUSD+agg.USD(h.Host)
	c.used, c.idle = c.used+h.Used, c.idle+h.Idle()
	if h.Busy < 0 {
		c.Unmeasured++
	} else {
		c.busy += h.Busy
	}
	for i := range work {
		w, s := &work[i], &h.Shares[i]
		m := c.by[w.Model]
		if m == nil {
			m = &modelSum{work: Work{Model: w.Model}}
			c.by[w.Model] = m
		}
		m.work.Requests, m.work.Prompt, m.work.Completion = m.work.Requests+w.Requests, m.work.Prompt+w.Prompt, m.work.Completion+w.Completion
		if m.prefill, m.decode = m.prefill+s.Prefill, m.decode+s.Decode; s.Timed {
			m.timed += s.Prefill + s.Decode
		}
	}
}

// End tells what the hours come to.
func (c *PoolCost) End() {
	c.CostUSD = c.CapitalUSD + c.PowerUSD + c.HostUSD
	measured := c.Hours > c.Unmeasured
	if measured {
		c.Utilization, c.UsedUSD, c.IdleUSD = new(c.busy/float64(c.Hours-c.Unmeasured)), new(agg.USD(c.used)), new(agg.USD(c.idle))
	}
	var models []*modelSum
	for _, m := range c.by {
		if m.work.Prompt+m.work.Completion > 0 {
			models = append(models, m)
		}
	}
	sorting.By(models, func(a, b *modelSum) int { return strings.Compare(a.work.Model, b.work.Model) })
	weights := make([]int64, len(models))
	for i, m := range models {
		if weights[i] = m.prefill + m.decode; c.used == 0 { // measured, and never in use: by tokens
			weights[i] = m.work.Prompt + m.work.Completion
		}
	}
	c.Unused = len(models) == 0
	for i, nano := range DivideWhole(int64(c.CostUSD), weights) {
		c.Models = append(c.Models, models[i].unit(nano, measured))
	}
	sorting.StableBy(c.Models, func(a, b ModelUnit) int { return cmp.Compare(b.LoadedUSD, a.LoadedUSD) })
}

// unit is what a model cost, of which loaded is its share of everything.
func (m *modelSum) unit(loaded int64, measured bool) ModelUnit {
	w, used := &m.work, m.prefill+m.decode
	u := ModelUnit{Model: w.Model, Requests: w.Requests, Prompt: w.Prompt, Completion: w.Completion, LoadedUSD: agg.USD(loaded), SplitBy: "weight"}
	if 2*m.timed > used {
		u.SplitBy = "time"
	}
	split := DivideWhole(loaded, []int64{m.prefill, m.decode})
	u.PrefillUSD, u.DecodeUSD = agg.USD(split[0]), agg.USD(split[1])
	u.PerMillion, u.PerMillionIn, u.PerMillionOu = perMillion(loaded, w.Prompt+w.Completion), perMillion(split[0], w.Prompt), perMillion(split[1], w.Completion)
	if measured {
		u.MarginalUSD, u.Marginal = new(agg.USD(used)), perMillion(used, w.Prompt+w.Completion)
	}
	return u
}
