package report

import (
	"strings"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// quality compares what users feel of the models with the period before.
func (s *Summary) quality(d *document) {
	if len(s.Models) == 0 {
		return
	}
	st := d.style
	compared := func(v, old *float64, write func(*float64) string, moreIs Trend) []cell {
		c := change(v, old)
		return []cell{text(blank(write(v))), {st.change(c), judge(c, moreIs)}}
	}
	row := func(name string, r, was *agg.Row) []cell {
		if was == nil {
			was = &agg.Row{}
		}
		out := []cell{text(name), text(st.count(r.Errors))}
		out = append(out, compared(r.ErrorRate, was.ErrorRate, st.percent, Worse)...)
		out = append(out, compared(r.LatencyP95MS, was.LatencyP95MS, st.millis, Worse)...)
		out = append(out, text(st.count(r.FeedbackCount)))
		return append(out, compared(r.UserSatisfaction, was.UserSatisfaction, func(v *float64) string { return strings.TrimSuffix(st.score(v), " of 5") }, Better)...)
	}
	t := &table{columns: []column{{head: "Model", left: true}, {head: "Failed", width: 15}, {head: "Error rate", width: 18}, {head: "Change", width: 19}, {head: "p95", width: 18}, {head: "Change", width: 19}, {head: "Answers", width: 16}, {head: "Score", width: 13}, {head: "Change", width: 18}}}
	shown := first(s.Models, mostModels)
	for i := range shown {
		t.rows = append(t.rows, row(shown[i].Model, &shown[i], before(s.ModelsBefore, shown[i].Model)))
	}
	if len(s.Models) > 1 && s.Total != nil {
		t.total = row("Total", s.Total, s.Previous)
	}
	t.more = d.more(len(s.Models), len(shown), "model")
	d.add("quality", "Quality", "Failures, latency and the scores that users gave; changes against "+s.previously()+".", t)
}
