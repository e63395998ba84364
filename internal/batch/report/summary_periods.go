package report

import (
	"strings"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// capacity tells how the machines were used, where they measured it.
func (s *Summary) capacity(d *document) {
	st, now := d.style, s.total()
	was, earlier := s.Previous, s.Earlier
	if was == nil {
		was = &agg.Row{}
	}
	if earlier == nil {
		earlier = &agg.Row{}
	}
	percent := func(v *float64) string {
		if v == nil {
			return "–"
		}
		return st.fixed(*v, 1) + " %"
	}
	t := &table{columns: []column{{head: "Resource", left: true}, {head: "Mean", width: 28}, {head: "Previous", width: 28}, {head: "Change", width: 28}, {head: s.Period.earlierName(s.Kind.Level()), width: 34}}}
	for _, r := range []struct {
		name string
		get  func(*agg.Row) *float64
	}{{"CPU", func(r *agg.Row) *float64 { return r.CPUUsage }}, {"Memory", func(r *agg.Row) *float64 { return r.MemoryUsage }}, {"GPU", func(r *agg.Row) *float64 { return r.GPUUsage }}} {
		if v := r.get(now); v != nil {
			t.rows = append(t.rows, []cell{text(r.name), text(percent(v)), text(percent(r.get(was))), text(st.change(change(v, r.get(was)))), text(percent(r.get(earlier)))})
		}
	}
	if len(t.rows) == 0 {
		return
	}
	about := "Mean of the samples of all machines."
	if now.ThroughputRPS != nil {
		about = "Mean of the samples of all machines, at " + st.digits(*now.ThroughputRPS, 3) + " requests a second on average."
	}
	d.add("capacity", "Capacity", about, t)
}

// periods shows the totals of each period of the level, when there are several.
func (s *Summary) periods(d *document) {
	st, level := d.style, s.Kind.Level()
	var totals []agg.Row
	for i := range s.Rows {
		if s.Rows[i].Model == agg.AllModels {
			totals = append(totals, s.Rows[i])
		}
	}
	if len(totals) < 2 {
		return
	}
	row := func(name string, r *agg.Row) []cell {
		return []cell{text(name), text(st.count(r.Requests)), text(blank(st.percent(r.ErrorRate))), text(blank(st.millis(r.LatencyP50MS))), text(blank(st.millis(r.LatencyP95MS))), text(blank(st.millis(r.TTFTP95MS))),
			text(st.short(float64(r.TotalTokens))), text(blank(strings.TrimSuffix(st.score(r.UserSatisfaction), " of 5"))), text(blank(st.money(r.CostUSD)))}
	}
	t := &table{columns: []column{{head: "Start", left: true}, {head: "Requests", width: 17}, {head: "Error rate", width: 18}, {head: "p50", width: 18}, {head: "p95", width: 18}, {head: "TTFT p95", width: 18}, {head: "Tokens", width: 16}, {head: "Score", width: 12}, {head: "Cost", width: 22}}}
	shown := first(totals, mostPeriods)
	for i := range shown {
		t.rows = append(t.rows, row(st.label(level, shown[i].Timestamp), &shown[i]))
	}
	if s.Total != nil {
		t.total = row("Total", s.Total)
	}
	if n := len(totals) - len(shown); n > 0 {
		t.more = st.count(int64(n)) + " more in " + d.source + "."
	}
	word := unit(level, 2)
	d.add("periods", strings.ToUpper(word[:1])+word[1:], "All models. A "+unit(level, 1)+" without data has no line.", t)
}
