package batch

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/batch/capacity"
	"github.com/hxp-enterprise/hxp/internal/batch/cost"
	"github.com/hxp-enterprise/hxp/internal/batch/forecast"
	"github.com/hxp-enterprise/hxp/internal/batch/report"
)

const (
	planHours    = 168 // that a recommendation looks ahead
	planInterval = 0.9 // of its forecasts, so that hi is the 95th percentile
	planModels   = 10  // with a forecast and a recommendation of their own
	lineHours    = 14 * 24
	trendDays    = 56
	waitingShare = 0.05 // of the requests that may find all slots taken
	band         = 0.15
	hoursAMonth  = 730
	fullDays     = 28 // of data, that a recommendation is trusted by most
)

// plannedMetrics are forecast in an analysis, the demand first.
var plannedMetrics = []string{"requests", "total_tokens"}

// Gauges of the queue of an engine.
const (
	gaugeRunning = "requests_running"
	gaugeWaiting = "requests_waiting"
)

// recommendation is what is told of how many machines are needed, with what it follows from.
type recommendation struct {
	report.Recommendation
	policy capacity.Policy
	short  bool // no useful number of machines carries the demand
}

// course gathers what a plan stands on.
type course struct {
	cfg        *Planning
	hours      []hourUse
	rows       []agg.Row
	sc         *scanned
	saturation []saturation
	phases     []phase
	pools      []cost.Pool
	days       int
	end        time.Time
	laws       laws
	demand     history
}

// forecasts tells how the load goes on, of all models together and of the busiest.
func (c *course) forecasts(ctx context.Context) ([]metricForecast, error) {
	out := []metricForecast{}
	models := 0
	if c.cfg.Models {
		models = planModels
	}
	for _, metric := range plannedMetrics {
		h := historyOf(c.rows, forecastMetrics[metric])
		if metric == plannedMetrics[0] {
			c.demand = h
		}
		busiest := h.busiest(models)
		set, err := forecastHistory(ctx, h, forecastQuestion{metric, planHours}, models)
		if err != nil {
			return nil, err
		}
		for _, m := range append([]string{agg.AllModels}, busiest...) {
			if f, ok := set.of(m, planInterval); ok {
				out = append(out, f)
			}
		}
	}
	return out, nil
}

// recommendations tells how many machines are needed for all models together, by how their use follows the load, and for each model whose objective
// is known to break. Nothing is recommended for machines that were not measured: nobody knows how many there are.
func (c *course) recommendations(made []metricForecast) []recommendation {
	out := []recommendation{}
	for _, f := range made {
		if f.Metric != plannedMetrics[0] {
			continue
		}
		current := c.sc.current()
		var constraints []capacity.Constraint
		switch {
		case current == 0:
			return out
		case f.Model == agg.AllModels:
			constraints = c.shared(current)
		default:
			current, constraints = c.sc.currentOf(f.Model), c.objectives(f.Model)
		}
		if r, ok := c.recommend(f, current, constraints, c.laws(f.Model)); ok {
			out = append(out, r)
		}
	}
	return out
}

// shared are the constraints of machines that serve all models: resources whose use follows the load, and the slots of the engines.
func (c *course) shared(current int) (out []capacity.Constraint) {
	hours := c.hours[max(0, len(c.hours)-lineHours):]
	for _, r := range resources {
		if r.limit == 0 {
			continue
		}
		if l, ok := useLine(hours, r.name); ok && l.Idle < r.limit {
			out = append(out, capacity.Usage(r.name, l, r.limit))
		}
	}
	return append(out, c.slots(hours, current)...)
}

// useLine is how the use of a resource follows the load. Each of fewer machines has more of the load, so the load of an hour counts as what it would be
// on the machines of the last hours, by the samples that came: machines are sampled at a steady pace. Where the pace was changed this explains less
// than the load as it was, and that stands.
func useLine(hours []hourUse, name string) (capacity.Line, bool) {
	var load, scaled, use, samples []float64
	for _, h := range hours {
		if g := h.gauge[name]; g.Count > 0 {
			load, use, samples = append(load, float64(requestsOf(h, agg.AllModels))), append(use, g.Mean()), append(samples, float64(g.Count))
		}
	}
	if len(load) == 0 {
		return capacity.Line{}, false
	}
	now := slices.Max(samples[max(0, len(samples)-hoursOfMachines):])
	for i := range load {
		scaled = append(scaled, load[i]*now/samples[i])
	}
	plain, ok := capacity.FitLine(load, use)
	if l, better := capacity.FitLine(scaled, use); better && (!ok || l.Fit > plain.Fit) {
		return l, true
	}
	return plain, ok
}

func requestsOf(h hourUse, model string) int64 {
	for i := range h.rows {
		if h.rows[i].Model == model {
			return h.rows[i].Requests
		}
	}
	return 0
}

// slots is the constraint of the engines' batches: the most requests that ran at a time while others waited are all that fit.
func (c *course) slots(hours []hourUse, current int) []capacity.Constraint {
	running, seconds, requests := 0.0, 0.0, 0.0
	for _, h := range hours {
		if h.gauge[gaugeWaiting].Max >= 1 {
			running = max(running, h.gauge[gaugeRunning].Max)
		}
		for i := range h.rows {
			if r := &h.rows[i]; r.Model == agg.AllModels && r.LatencyAvgMS != nil {
				seconds, requests = seconds+*r.LatencyAvgMS/1000*float64(r.Requests), requests+float64(r.Requests)
			}
		}
	}
	if running < 1 || seconds <= 0 {
		return nil // nothing ever waited, so nobody knows how many slots there are
	}
	return []capacity.Constraint{capacity.Slots(int(running)*current, seconds/requests, waitingShare)}
}

// objectives are the constraints of a model whose objectives are known to break: by requests, and by the tokens of each phase. Which of them binds
// follows from how long requests are now.
func (c *course) objectives(model string) (out []capacity.Constraint) {
	for _, s := range c.saturation {
		if s.Model == model && s.Knee != nil {
			out = append(out, capacity.Objective("ttft_p95", *s.Knee, s.peak))
		}
	}
	for _, p := range c.phases {
		if p.Model == model && p.Knee != nil {
			out = append(out, capacity.Phase(p.Phase.Phase+"_tokens", *p.Knee, p.peak, p.Tokens))
		}
	}
	return out
}

// machineHour is what one of so many machines costs for an hour, in USD, and what says so: the setting, or the pools of own GPUs that serve the
// model, loaded, divided among the machines. 0 = nobody knows.
func (c *course) machineHour(model string, machines int) (usd float64, basis string) {
	if c.cfg.MachineUSD > 0 {
		return c.cfg.MachineUSD, "machine_hour_usd"
	}
	for i := range c.pools {
		p := &c.pools[i]
		if model == agg.AllModels || slices.Contains(p.Models, model) && (len(c.pools) == 1 || c.sc.named(model)) {
			usd += p.HourUSD(c.end.Unix())
		}
	}
	return usd / float64(machines), "self_hosted"
}

func (c *course) recommend(f metricForecast, current int, constraints []capacity.Constraint, law *scalingLaw) (recommendation, bool) {
	demand := 0.0
	for _, p := range f.Points {
		demand = max(demand, p.Hi)
	}
	policy := capacity.Policy{Target: c.cfg.Target, Spare: c.cfg.Spare, Band: band}
	need, ok := capacity.Machines(current, demand, constraints, policy, law.Law())
	if !ok {
		return recommendation{}, false
	}
	r := recommendation{report.Recommendation{Model: f.Model, Resource: "machines", Current: current, Recommended: need.Count, Binding: need.Binding.Name, Formula: need.Formula, Inputs: need.Inputs,
		Demand: demand, Carries: need.Binding.Carries, Constraints: map[string]float64{}, Law: law.Law()}, policy, need.Short}
	for _, k := range constraints {
		r.Constraints[k.Name] = k.Carries
	}
	if t, ok := capacity.FitTrend(c.dailyPeaks(f.Model)); ok {
		r.Exhaustion = t.Until(need.Limit)
	}
	fit := need.Binding.Fit
	if r.Law != nil {
		fit *= r.Law.Fit
	}
	r.Confidence = c.confidence(f.Backtest, fit)
	if usd, basis := c.machineHour(f.Model, current); usd > 0 {
		r.CostDelta, r.CostBasis = new(math.Round(float64(r.Recommended-current)*usd*hoursAMonth*1e9)/1e9), basis
	}
	r.Reason = r.words()
	return r, true
}

// dailyPeaks are the busiest hours of the last whole days that end with the data, and the season that they have.
func (c *course) dailyPeaks(model string) (peaks []float64, season int) {
	y := c.demand.values[model]
	days := min(len(y)/24, trendDays)
	for d := days; d > 0; d-- {
		peak := math.NaN()
		for _, v := range y[len(y)-24*d : len(y)-24*(d-1)] {
			if !math.IsNaN(v) && !(v <= peak) {
				peak = v
			}
		}
		peaks = append(peaks, peak)
	}
	if days >= fullDays {
		return peaks, 7
	}
	return peaks, 1
}

func (c *course) confidence(b forecast.Backtest, fit float64) float64 {
	covered := 0.5
	if b.Coverage != nil {
		covered = 1 - math.Abs(*b.Coverage-planInterval)
	}
	return math.Round(100*min(1, float64(c.days)/fullDays)*fit*covered) / 100
}

// words says in a sentence or two what a recommendation means.
func (r *recommendation) words() string {
	var b strings.Builder
	fmt.Fprintf(&b, "The busiest hour of the next week may bring %.0f requests; by %s, %d %s can carry %.0f an hour, %.0f at the target of %.0f %%. ", r.Demand, bindingWords(r.Binding), r.Current,
		plural(r.Current, "machine"), r.Carries, r.Carries*r.policy.Target, 100*r.policy.Target)
	switch {
	case r.short:
		fmt.Fprintf(&b, "No number of machines in one group carries that: beyond %.0f one more adds next to nothing, since they wait for each other. Split the load over groups. ", r.Inputs["useful_machines"])
		if r.Recommended == r.Current {
			fmt.Fprintf(&b, "The %d that there are stay", r.Current)
		} else {
			fmt.Fprintf(&b, "%d are as many as help", r.Recommended)
		}
	case r.Recommended > r.Current:
		fmt.Fprintf(&b, "%d more %s needed", r.Recommended-r.Current, plural(r.Recommended-r.Current, "machine is", "machines are"))
	case r.Recommended < r.Current:
		fmt.Fprintf(&b, "%d fewer would do, with %.0f %% on top", r.Current-r.Recommended, 100*r.policy.Band)
	default:
		b.WriteString("That is as many as there should be")
	}
	if spare := int(r.Inputs["failure_domain"]); spare > 0 {
		fmt.Fprintf(&b, ", counting %d that may be lost.", spare)
	} else {
		b.WriteString("; none may be lost.")
	}
	return b.String()
}

// bindingWords says what binds.
func bindingWords(name string) string {
	switch name {
	case "ttft_p95":
		return "the time to the first token"
	case "prefill_tokens":
		return "the tokens of prompts that leave the time to the first token good"
	case "decode_tokens":
		return "the tokens of answers that leave the time per token good"
	case "request_slots":
		return "the slots for requests"
	case "cpu_usage", "gpu_usage":
		return "the use of the " + strings.ToUpper(name[:3]) + "s"
	case "gpu_memory_usage":
		return "the memory of the GPUs"
	case "kv_cache_usage":
		return "the use of the KV cache"
	case "memory_usage":
		return "the memory"
	}
	return name
}

func plural(n int, one string, more ...string) string {
	switch {
	case n == 1:
		return one
	case len(more) > 0:
		return more[0]
	}
	return one + "s"
}
