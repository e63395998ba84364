package cost

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/big"
	"slices"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/kit/sorting"
)

// Pool is a set of own GPUs and what they cost: rent, or what they were bought for, and power, hosts and people.
type Pool struct {
	Name         string   `yaml:"name" doc:"name of the pool"`
	Models       []string `yaml:"models" doc:"models that it serves"`
	GPUs         int      `yaml:"gpus" default:"1" min:"1" max:"100000" doc:"number of GPUs"`
	GPUHourUSD   float64  `yaml:"gpu_hour_usd" default:"0" min:"0" max:"10000" doc:"rent of one GPU for an hour, in USD; 0 when it was bought"`
	CapexUSD     float64  `yaml:"capex_usd" default:"0" min:"0" max:"10000000000" doc:"what the whole pool was bought for, in USD"`
	LifeYears    float64  `yaml:"life_years" default:"4" min:"0.1" max:"50" doc:"years over which that is written off"`
	Residual     float64  `yaml:"residual" default:"0" min:"0" max:"1" doc:"share of it that is left at the end"`
	PowerKW      float64  `yaml:"power_kw" default:"0" min:"0" max:"100000" doc:"power of the whole pool at work, in kW"`
	IdlePowerKW  float64  `yaml:"idle_power_kw" default:"0" min:"0" max:"100000" doc:"power of the whole pool when idle, in kW; as at work when 0"`
	PUE          float64  `yaml:"pue" default:"1.3" min:"1" max:"10" doc:"power usage effectiveness: power of the site for each kW of the machines"`
	KWhUSD       float64  `yaml:"kwh_usd" default:"0" min:"0" max:"100" doc:"price of a kWh in USD"`
	HostHourUSD  float64  `yaml:"host_hour_usd" default:"0" min:"0" max:"1000000" doc:"hosts, network, storage and people of the pool for an hour, in USD"`
	OutputWeight float64  `yaml:"output_weight" default:"4" min:"0" max:"1000" doc:"how much an output token weighs against an input token where times do not tell"`
}

// Validate reports what is wrong with one pool.
func (p Pool) Validate() error {
	var errs []error
	if p.Name == "" {
		errs = append(errs, errors.New("name: give the pool a name"))
	}
	if len(p.Models) == 0 {
		errs = append(errs, errors.New("models: name the models that the pool serves"))
	}
	if p.GPUHourUSD == 0 && p.CapexUSD == 0 {
		errs = append(errs, errors.New("gpu_hour_usd: give it, or capex_usd; a pool costs something"))
	}
	if p.CapexUSD > 0 && p.LifeYears <= 0 {
		errs = append(errs, errors.New("life_years: give the years over which capex_usd is written off"))
	}
	return errors.Join(errs...)
}

// CheckPools reports what is wrong between pools.
func CheckPools(pools []Pool) error {
	names, models := map[string]bool{}, map[string]string{}
	for i := range pools {
		p := &pools[i]
		if names[p.Name] {
			return fmt.Errorf("two pools are called %q", p.Name)
		}
		names[p.Name] = true
		for _, m := range p.Models {
			if other, taken := models[m]; taken {
				return fmt.Errorf("model %q is in the pools %q and %q; its cost would be counted twice", m, other, p.Name)
			}
			models[m] = p.Name
		}
	}
	return nil
}

// Use is what one model did.
type Use struct {
	Model              string
	Requests           uint64
	Prompt, Completion int64   // tokens
	PrefillMS, TotalMS float64 // sums over the requests whose times are known
}

// weight is what a pool's work for a model is shared out by.
func (p *Pool) weight(u *Use) float64 {
	return float64(u.Prompt) + p.OutputWeight*float64(u.Completion)
}

// prefill is the share of the work for a model that its prompts took: by time, where that is known.
func (p *Pool) prefill(u *Use) (share float64, by string) {
	if u.TotalMS > 0 && u.PrefillMS > 0 && u.PrefillMS <= u.TotalMS {
		return u.PrefillMS / u.TotalMS, "time"
	}
	if w := p.weight(u); w > 0 {
		return float64(u.Prompt) / w, "weight"
	}
	return 0, "weight"
}

// PoolCost is what a pool cost in some time. What it cost in all is shared out among its models, to the last nano.
type PoolCost struct {
	Name        string      `json:"name"`
	GPUs        int         `json:"gpus"`
	Hours       int64       `json:"hours"`
	GPUHours    int64       `json:"gpu_hours"`
	CostUSD     agg.USD     `json:"cost_usd"` // fully loaded: idle hours as well
	CapitalUSD  agg.USD     `json:"capital_usd"`
	PowerUSD    agg.USD     `json:"power_usd"`
	HostUSD     agg.USD     `json:"host_usd"`
	Utilization *float64    `json:"utilization"` // 0–1; null when no system metric tells it
	UsedUSD     *agg.USD    `json:"used_usd"`
	IdleUSD     *agg.USD    `json:"idle_usd"`
	Models      []ModelUnit `json:"models"`
	Unused      bool        `json:"unused"` // no request in all that time; nothing carries the cost
}

// ModelUnit is what one model of a pool cost.
type ModelUnit struct {
	Model        string   `json:"model"`
	Requests     uint64   `json:"requests"`
	Prompt       int64    `json:"prompt_tokens"`
	Completion   int64    `json:"completion_tokens"`
	LoadedUSD    agg.USD  `json:"loaded_usd"`   // its share of everything
	MarginalUSD  *agg.USD `json:"marginal_usd"` // its share of what was used; null where utilization is not known
	PrefillUSD   agg.USD  `json:"prefill_usd"`  // of loaded
	DecodeUSD    agg.USD  `json:"decode_usd"`
	SplitBy      string   `json:"split_by"` // time = time to first token against the rest, weight = input against output tokens
	PerMillion   *float64 `json:"loaded_usd_per_million_tokens"`
	Marginal     *float64 `json:"marginal_usd_per_million_tokens"`
	PerMillionIn *float64 `json:"usd_per_million_input_tokens"`
	PerMillionOu *float64 `json:"usd_per_million_output_tokens"`
}

const hoursPerYear = 8766 // 365.25 days

// Cost is what a pool cost in whole hours in which its GPUs were in use to a share (0–1, negative = not known).
func (p *Pool) Cost(hours int64, use []Use, utilization float64) *PoolCost {
	busy := 1.0 // the dearest that power can be, when nobody knows
	if utilization >= 0 {
		busy = min(1, utilization)
	}
	capital, power, host := p.hourly(busy)
	c := &PoolCost{Name: p.Name, GPUs: p.GPUs, Hours: hours, GPUHours: hours * int64(p.GPUs), CapitalUSD: agg.USD(capital * hours), PowerUSD: agg.USD(power * hours), HostUSD: agg.USD(host * hours), Models: []ModelUnit{}}
	c.CostUSD = c.CapitalUSD + c.PowerUSD + c.HostUSD
	if utilization >= 0 {
		used := agg.USD(math.Round(float64(c.CostUSD) * busy))
		c.Utilization, c.UsedUSD, c.IdleUSD = new(busy), new(used), new(c.CostUSD-used)
	}
	p.share(c, use)
	return c
}

// hourly is what an hour costs in nano-USD when the GPUs are in use to a share.
func (p *Pool) hourly(busy float64) (capital, power, host int64) {
	idle := cmp.Or(p.IdlePowerKW, p.PowerKW)
	usd := p.GPUHourUSD * float64(p.GPUs)
	if p.CapexUSD > 0 {
		usd += p.CapexUSD * (1 - p.Residual) / (p.LifeYears * hoursPerYear)
	}
	return nanos(usd), nanos((idle + (p.PowerKW-idle)*busy) * p.PUE * p.KWhUSD), nanos(p.HostHourUSD)
}

// HourUSD is what the pool costs for an hour at work.
func (p *Pool) HourUSD() float64 {
	capital, power, host := p.hourly(1)
	return agg.USD(capital + power + host).Float()
}

// nanos rounds dollars for an hour to nano-USD, once.
func nanos(usd float64) int64 { return int64(math.RoundToEven(usd * 1e9)) }

// share shares out what a pool cost among its models.
func (p *Pool) share(c *PoolCost, use []Use) {
	var mine []Use
	var weights []float64
	for _, u := range use {
		if slices.Contains(p.Models, u.Model) && p.weight(&u) > 0 {
			mine, weights = append(mine, u), append(weights, p.weight(&u))
		}
	}
	c.Unused = len(mine) == 0
	loaded := Divide(int64(c.CostUSD), weights)
	var marginal []int64
	if c.UsedUSD != nil {
		marginal = Divide(int64(*c.UsedUSD), weights)
	}
	for i := range mine {
		u := &mine[i]
		m := ModelUnit{Model: u.Model, Requests: u.Requests, Prompt: u.Prompt, Completion: u.Completion, LoadedUSD: agg.USD(loaded[i])}
		share, by := p.prefill(u)
		split := Divide(loaded[i], []float64{share, 1 - share})
		m.PrefillUSD, m.DecodeUSD, m.SplitBy = agg.USD(split[0]), agg.USD(split[1]), by
		m.PerMillion, m.PerMillionIn, m.PerMillionOu = perMillion(loaded[i], u.Prompt+u.Completion), perMillion(split[0], u.Prompt), perMillion(split[1], u.Completion)
		if marginal != nil {
			m.MarginalUSD, m.Marginal = new(agg.USD(marginal[i])), perMillion(marginal[i], u.Prompt+u.Completion)
		}
		c.Models = append(c.Models, m)
	}
	sorting.StableBy(c.Models, func(a, b ModelUnit) int {
		return cmp.Or(cmp.Compare(b.LoadedUSD, a.LoadedUSD), cmp.Compare(a.Model, b.Model))
	})
}

func perMillion(nano, tokens int64) *float64 {
	if tokens <= 0 {
		return nil
	}
	return new(float64(nano) / 1e9 / float64(tokens) * 1e6)
}

// Divide shares out a whole amount by weights that are not negative: each gets its part rounded down, and what is left goes one by one to
// those that lost most, so the parts add up to the amount. Without weights there are no parts.
func Divide(n int64, weights []float64) []int64 {
	total := new(big.Rat)
	parts := make([]*big.Rat, len(weights))
	for i, w := range weights {
		parts[i] = new(big.Rat).SetFloat64(max(0, w))
		total.Add(total, parts[i])
	}
	out, left, lost := make([]int64, len(weights)), n, make([]*big.Rat, len(weights))
	order := make([]int, len(weights))
	for i, part := range parts {
		order[i], lost[i] = i, new(big.Rat)
		if total.Sign() == 0 {
			continue
		}
		exact := new(big.Rat).Mul(big.NewRat(n, 1), new(big.Rat).Quo(part, total))
		down := new(big.Int).Quo(exact.Num(), exact.Denom())
		out[i] = down.Int64()
		left -= out[i]
		lost[i].Sub(exact, new(big.Rat).SetInt(down))
	}
	sorting.StableBy(order, func(a, b int) int { return lost[b].Cmp(lost[a]) })
	for k := 0; left > 0 && len(order) > 0; k++ {
		out[order[k%len(order)]]++
		left--
		if total.Sign() == 0 {
			out[order[0]] += left
			break
		}
	}
	return out
}
