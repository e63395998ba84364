package batch

import (
	"context"
	"math"
	"slices"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/batch/cost"
	"github.com/hxp-enterprise/hxp/internal/batch/report"
	"github.com/hxp-enterprise/hxp/internal/kit/sorting"
)

// What is learnt of capacity from the stored hours: how the machines were used, how the load grew and goes on, and how many machines it will
// need (capacity_need.go). Where models break is told from the raw events (capacity_saturation.go).

// Days that a statement needs before it is made.
const (
	needUtilization = 1
	needGrowth      = 14 // two weeks, since a week is compared with the one before
	needPlanning    = 7
	needMachines    = 1  // with samples of machines among the raw events
	capacityDays    = 90 // that are looked at
)

// hourUse is what one hour says of capacity.
type hourUse struct {
	start time.Time
	rows  []agg.Row            // by model, agg.AllModels among them
	gauge map[string]agg.Gauge // of the machines, by name
	asked map[string]bool      // those that the metrics server told
}

// analysis is the answer of /capacity/analysis.
type analysis struct {
	GeneratedAt     time.Time        `json:"generated_at"`
	Period          report.Period    `json:"period"`    // from the first hour with data to the last whole one
	DataDays        int              `json:"data_days"` // different days with data
	Utilization     []utilization    `json:"resource_utilization"`
	Growth          []growth         `json:"growth_trends"`
	Forecasts       []metricForecast `json:"capacity_forecasts"`
	Recommendations []recommendation `json:"scaling_recommendations"`
	Saturation      []saturation     `json:"saturation"`
	Phases          []phase          `json:"phases"`
	ScalingLaw      *scalingLaw      `json:"scaling_law"` // of all machines; null unless an objective broke on three different numbers of them
	Alerts          []capacityAlert  `json:"alerts"`
	Insufficient    []lacking        `json:"insufficient_data"`
}

// What the analysis tells stands in package report, which makes documents of it.
type (
	utilization    = report.Utilization
	dayUse         = report.DayUse
	growth         = report.Growth
	dayCount       = report.DayCount
	metricForecast = report.Forecast
	timedPoint     = report.ForecastPoint
	capacityAlert  = report.Warning
	lacking        = report.Lacking
	scalingLaw     = report.ScalingLaw
	scalingPoint   = report.ScalingPoint
)

// lackingMachines says that nothing is recommended because no machine was measured lately.
const lackingMachines = "machines"

// resource is a gauge of machines that is shown.
type resource struct {
	name, unit string
	limit      float64 // of what there is; 0 = it has no end, such as a queue
}

var resources = []resource{{"cpu_usage", "percent", 100}, {"memory_usage", "percent", 100}, {"gpu_usage", "percent", 100}, {"gpu_memory_usage", "percent", 100}, {"kv_cache_usage", "ratio", 1},
	{gaugeRunning, "requests", 0}, {gaugeWaiting, "requests", 0}}

// analyse looks at hours, oldest first, that end at end, and at what was scanned of their raw events. It reads no clock: now is only
// written down. The error is that of ctx.
func analyse(ctx context.Context, cfg *Planning, pools []cost.Pool, hours []hourUse, sc *scanned, end, now time.Time) (analysis, error) {
	a := analysis{GeneratedAt: now.UTC(), Period: report.Period{Start: end, End: end}, Utilization: []utilization{}, Growth: []growth{}, Forecasts: []metricForecast{},
		Recommendations: []recommendation{}, Alerts: []capacityAlert{}, Insufficient: []lacking{}}
	days := map[string]bool{}
	for _, h := range hours {
		days[dayName(h.start)] = true
	}
	a.DataDays = len(days)
	if len(hours) > 0 {
		a.Period.Start = hours[0].start
	}
	needs := func(part string, days int) bool {
		if !cfg.makes(part) {
			return false
		}
		if a.DataDays < days {
			a.Insufficient = append(a.Insufficient, lacking{What: part, Have: a.DataDays, Need: days})
		}
		return a.DataDays >= days
	}
	if needs(partUtilization, needUtilization) {
		a.Utilization = utilizations(hours, a.Period)
	}
	if needs(partGrowth, needGrowth) {
		a.Growth = growths(hours, end)
	}
	laws := sc.laws(cfg.TTFT)
	a.Saturation, a.Phases = sc.saturations(cfg.TTFT, laws), sc.phases(cfg, hours, laws)
	forecasts, recommends := needs(partForecasts, needPlanning), needs(partRecommendations, needPlanning)
	if forecasts || recommends {
		pools = slices.DeleteFunc(slices.Clone(pools), func(p cost.Pool) bool { return !p.Span().Holds(end.Unix()) })
		c := &course{cfg: cfg, end: end, hours: hours, sc: sc, laws: laws, saturation: a.Saturation, phases: a.Phases, pools: pools, days: a.DataDays, rows: rowsOfHours(hours)}
		made, err := c.forecasts(ctx)
		if err != nil {
			return a, err
		}
		if forecasts && cfg.Predictions {
			a.Forecasts = made
		}
		if recommends && sc.current() == 0 {
			a.Insufficient = append(a.Insufficient, lacking{What: lackingMachines, Need: needMachines})
		}
		if recommends {
			a.ScalingLaw, a.Recommendations = laws(agg.AllModels), c.recommendations(made)
		}
	}
	if cfg.Alerts {
		a.Alerts = alertsOf(&a)
	}
	return a, nil
}

func rowsOfHours(hours []hourUse) (rows []agg.Row) {
	for _, h := range hours {
		rows = append(rows, h.rows...)
	}
	return rows
}

func dayName(t time.Time) string { return t.UTC().Format(time.DateOnly) }

func utilizations(hours []hourUse, period report.Period) []utilization {
	out := []utilization{}
	for _, r := range resources {
		u := utilization{Resource: r.name, Unit: r.unit, Source: "events", Period: period, Days: []dayUse{}}
		var sum, daySum agg.ExactSum
		var means []float64
		var dayCount uint64
		closeDay := func() {
			if n := len(u.Days); n > 0 && dayCount > 0 {
				u.Days[n-1].Mean = daySum.Mean(dayCount)
			}
			daySum, dayCount = agg.ExactSum{}, 0
		}
		for _, h := range hours {
			g := h.gauge[r.name]
			if g.Count == 0 {
				continue
			}
			if h.asked[r.name] {
				u.Source = "metrics_server"
			}
			if n := len(u.Days); n == 0 || u.Days[n-1].Day != dayName(h.start) {
				closeDay()
				u.Days = append(u.Days, dayUse{Day: dayName(h.start), Max: g.Max})
			}
			today := &u.Days[len(u.Days)-1]
			today.Max = max(today.Max, g.Max)
			if u.Samples == 0 {
				u.Max = g.Max
			}
			u.Hours, u.Samples, u.Max = u.Hours+1, u.Samples+g.Count, max(u.Max, g.Max)
			means = append(means, g.Mean())
			sum.Merge(&g.Sum)
			daySum.Merge(&g.Sum)
			dayCount += g.Count
		}
		closeDay()
		if u.Hours == 0 {
			continue
		}
		slices.Sort(means)
		u.Mean, u.P95 = sum.Mean(u.Samples), means[int(math.Ceil(0.95*float64(len(means))))-1]
		out = append(out, u)
	}
	return out
}

// growths compares whole days: the last fourteen that end by end.
func growths(hours []hourUse, end time.Time) []growth {
	last := report.Floor("daily", end)
	period := report.Period{Start: last.AddDate(0, 0, -14), End: last}
	type key struct{ metric, model string }
	counts := map[key]*[14]int64{}
	for _, h := range hours {
		if h.start.Before(period.Start) || !h.start.Before(period.End) {
			continue
		}
		day := int(h.start.Sub(period.Start) / (24 * time.Hour))
		for i := range h.rows {
			r := &h.rows[i]
			for metric, v := range map[string]int64{"requests": r.Requests, "total_tokens": r.TotalTokens} {
				k := key{metric, r.Model}
				if counts[k] == nil {
					counts[k] = &[14]int64{}
				}
				counts[k][day] += v
			}
		}
	}
	out := make([]growth, 0, len(counts))
	for k, days := range counts {
		g := growth{Metric: k.metric, Model: k.model, Period: period}
		var before, after int64
		for i, v := range days {
			if i < 7 {
				before += v
			} else {
				after += v
			}
			g.Days = append(g.Days, dayCount{Day: dayName(period.Start.AddDate(0, 0, i)), Value: v})
		}
		g.PerDay, g.PerDayBefore = float64(after)/7, float64(before)/7
		if before > 0 {
			g.WeekOverWeek = new(float64(after)/float64(before) - 1)
		}
		out = append(out, g)
	}
	sorting.By(out, func(a, b growth) int { return compareText(a.Metric, b.Metric, a.Model, b.Model) })
	return out
}

// compareText compares pairs of texts.
func compareText(pairs ...string) int {
	for i := 0; i+1 < len(pairs); i += 2 {
		switch {
		case pairs[i] < pairs[i+1]:
			return -1
		case pairs[i] > pairs[i+1]:
			return 1
		}
	}
	return 0
}
