package cost

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"math"
	"math/big"
	"path"
	"slices"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/kit/sorting"
)

// Pool is a set of own GPUs and what they cost: rent, or what they were bought for, and power, hosts and people.
type Pool struct {
	Name         string   `yaml:"name" doc:"name of the pool"`
	Models       []string `yaml:"models" doc:"models that it serves"`
	Hosts        []string `yaml:"hosts" doc:"machines of the pool, by the host that system metrics and requests name, with * for any text; all machines when empty. A model may be in several pools that name theirs"`
	From         string   `yaml:"from" doc:"day or RFC 3339 time, a whole hour, from which the pool is there and costs: when it was bought or rented; as long as anybody asks for when empty"`
	To           string   `yaml:"to" doc:"day or RFC 3339 time, a whole hour, at which it is there no more: when it was sold or given back; none when empty"`
	GPUs         int      `yaml:"gpus" default:"1" min:"1" max:"100000" doc:"number of GPUs"`
	GPUHourUSD   float64  `yaml:"gpu_hour_usd" default:"0" min:"0" max:"10000" doc:"rent of one GPU for an hour, in USD; 0 when it was bought"`
	CapexUSD     float64  `yaml:"capex_usd" default:"0" min:"0" max:"10000000000" doc:"what the whole pool was bought for, in USD"`
	LifeYears    float64  `yaml:"life_years" default:"4" min:"0.1" max:"50" doc:"years over which that is written off, from the time in from; without one it never ends"`
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
	for _, h := range p.Hosts {
		if _, err := path.Match(h, ""); err != nil || h == "" {
			errs = append(errs, fmt.Errorf("hosts: %q is no name of machines such as gpu-7 or gpu-*", h))
		}
	}
	if _, err := p.span(); err != nil {
		errs = append(errs, err)
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
	names := map[string]bool{}
	for i := range pools {
		if names[pools[i].Name] {
			return fmt.Errorf("two pools are called %q", pools[i].Name)
		}
		names[pools[i].Name] = true
	}
	for both, model := range shared(pools) {
		if len(both[0].Hosts) == 0 || len(both[1].Hosts) == 0 {
			return fmt.Errorf("model %q is in the pools %q and %q at the same time; name the hosts of both, which tell its requests apart, or when each is there (from, to)", model, both[0].Name, both[1].Name)
		}
	}
	return nil
}

// Split tells whether some model is in several pools at a time, so that only the machine tells whose its requests are.
func Split(pools []Pool) bool {
	for range shared(pools) {
		return true
	}
	return false
}

// shared are the pairs of pools that serve a model at the same time.
func shared(pools []Pool) iter.Seq2[[2]*Pool, string] {
	return func(yield func([2]*Pool, string) bool) {
		for i := range pools {
			for k := range pools[:i] {
				if !pools[i].Span().meets(pools[k].Span()) {
					continue
				}
				for _, m := range pools[i].Models {
					if slices.Contains(pools[k].Models, m) && !yield([2]*Pool{&pools[k], &pools[i]}, m) {
						return
					}
				}
			}
		}
	}
}

// Work is what requests of one key took within an hour.
type Work struct {
	Model, Host                string
	Requests                   uint64
	Prompt, Cached, Completion int64 // tokens
}

// Phases are the sums over the requests to a model whose times are known, in milliseconds.
type Phases struct{ Prefill, Total float64 }

// PoolCost is what a pool cost in the hours of a question in which it was there. What it cost in all is shared out among its models, to the last nano.
type PoolCost struct {
	Name        string      `json:"name"`
	From        *time.Time  `json:"from"` // when it was bought or rented; null when nobody says
	To          *time.Time  `json:"to"`   // when it was sold or given back
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
	Unused      bool        `json:"unused"`                    // no request in all that time; nothing carries the cost
	Unmeasured  int64       `json:"hours_without_gpu_samples"` // in these, what had requests counts as used and all else as idle, at full power

	busy       float64 // sum over the hours that were measured
	used, idle int64
	by         map[string]*modelSum
}

// modelSum is what one model used.
type modelSum struct {
	work            Work
	prefill, decode int64 // nano-USD
	timed           int64 // of both, what was split by time
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
	SplitBy      string   `json:"split_by"` // what most of it was split by: time = time to first token against the rest, weight = input against output tokens
	PerMillion   *float64 `json:"loaded_usd_per_million_tokens"`
	Marginal     *float64 `json:"marginal_usd_per_million_tokens"`
	PerMillionIn *float64 `json:"usd_per_million_input_tokens"`
	PerMillionOu *float64 `json:"usd_per_million_output_tokens"`
}

const hoursPerYear = 8766 // 365.25 days

// hourly is what an hour costs in nano-USD when the GPUs are in use to a share.
func (p *Pool) hourly(hour int64, busy float64) (capital, power, host int64) {
	idle := cmp.Or(p.IdlePowerKW, p.PowerKW)
	usd := p.GPUHourUSD * float64(p.GPUs)
	if p.CapexUSD > 0 {
		usd += p.CapexUSD * (1 - p.Residual) / (p.LifeYears * hoursPerYear) * p.inLife(hour)
	}
	return nanos(usd), nanos((idle + (p.PowerKW-idle)*busy) * p.PUE * p.KWhUSD), nanos(p.HostHourUSD)
}

// inLife is how much of an hour lies within the life of what was bought: of the hour in which it ends a part, so that no more than was
// paid is written off.
func (p *Pool) inLife(hour int64) float64 {
	from := p.Span().From
	if from == math.MinInt64 {
		return 1
	}
	return min(1, max(0, p.LifeYears*hoursPerYear-float64(hour-from)/3600))
}

// HourUSD is what the pool costs for an hour at work.
func (p *Pool) HourUSD(hour int64) float64 {
	capital, power, host := p.hourly(hour, 1)
	return agg.USD(capital + power + host).Float()
}

// nanos rounds dollars for an hour to nano-USD, once.
func nanos(usd float64) int64 { return int64(math.RoundToEven(usd * 1e9)) }

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
