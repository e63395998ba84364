package report

import (
	"fmt"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// trendTimes are the columns of the charts, those without data included.
func (s *Summary) trendTimes() (times []time.Time) {
	for t := s.TrendPeriod.Start; t.Before(s.TrendPeriod.End) && len(times) < maxPeriods; t = Step(s.TrendLevel, t, 1) {
		times = append(times, t)
	}
	return times
}

func (s *Summary) chart(st *style, title string, write func(float64) string) *chart {
	return &chart{style: st, title: title, level: s.TrendLevel, times: s.trendTimes(), write: write}
}

func (c *chart) add(s *Summary, name string, col color, get func(*agg.Row) *float64) {
	c.series = append(c.series, pick(s.Trend, c.times, name, col, get))
}

// trends are charts of what page one has as numbers, and of what makes it up.
func (s *Summary) trends(d *document) {
	about := "Each point is one " + unit(s.TrendLevel, 1) + "."
	if s.TrendPeriod != s.Period {
		about = fmt.Sprintf("Each point is one %s, from %s to the end of this report.", unit(s.TrendLevel, 1), d.style.date(s.TrendPeriod.Start, d.style.day+", "+d.style.clock))
	}
	d.addCharts("trends", "Course of the period", about, s.trendCharts(d.style)...)
}

func (s *Summary) trendCharts(st *style) []*chart {
	asMS := func(v float64) string {
		if v >= 10000 {
			return st.digits(v/1000, 3) + " s"
		}
		return st.count(int64(v)) + " ms"
	}
	asShare := func(v float64) string { return st.digits(v*100, 3) + " %" }

	latency := s.chart(st, "Latency", asMS)
	latency.add(s, "p50", st.accent3, func(r *agg.Row) *float64 { return r.LatencyP50MS })
	latency.add(s, "p95", st.accent, func(r *agg.Row) *float64 { return r.LatencyP95MS })
	latency.add(s, "p99", st.muted, func(r *agg.Row) *float64 { return r.LatencyP99MS })
	ttft := s.chart(st, "Time to first token", asMS)
	ttft.add(s, "p50", st.accent3, func(r *agg.Row) *float64 { return r.TTFTP50MS })
	ttft.add(s, "p95", st.accent, func(r *agg.Row) *float64 { return r.TTFTP95MS })
	errors := s.chart(st, "Error rate", asShare)
	errors.most, errors.step = 1, 0.25
	errors.add(s, "", st.bad, func(r *agg.Row) *float64 { return r.ErrorRate })
	happy := s.chart(st, "User satisfaction (1 to 5)", func(v float64) string { return st.digits(v, 2) })
	happy.most, happy.step, happy.full = 5, 1, true
	happy.add(s, "", st.accent, func(r *agg.Row) *float64 { return r.UserSatisfaction })
	tokens := s.chart(st, "Tokens", st.short)
	tokens.bars = true
	tokens.add(s, "prompt", st.accent, func(r *agg.Row) *float64 { return new(float64(r.PromptTokens)) })
	tokens.add(s, "completion", st.accent2, func(r *agg.Row) *float64 { return new(float64(r.CompletionTokens)) })
	users := s.chart(st, "Users", st.short)
	users.bars = true
	users.add(s, "", st.accent, func(r *agg.Row) *float64 { return new(float64(r.UniqueUsers)) })
	return []*chart{latency, ttft, errors, happy, tokens, users, s.costChart(st), s.machinesChart(st)}
}

func (s *Summary) costChart(st *style) *chart {
	c := s.chart(st, "Cost", st.moneyShort)
	c.bars, c.unit = true, st.rate()
	c.add(s, "", st.accent, func(r *agg.Row) *float64 { return r.CostUSD })
	return c
}

func (s *Summary) machinesChart(st *style) *chart {
	c := s.chart(st, "Use of the machines", func(v float64) string { return st.digits(v, 3) + " %" })
	c.most, c.step, c.full = 100, 25, true
	c.add(s, "CPU", st.accent3, func(r *agg.Row) *float64 { return r.CPUUsage })
	c.add(s, "memory", st.muted, func(r *agg.Row) *float64 { return r.MemoryUsage })
	c.add(s, "GPU", st.accent, func(r *agg.Row) *float64 { return r.GPUUsage })
	return c
}
