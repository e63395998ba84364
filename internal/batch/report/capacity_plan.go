package report

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strings"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/batch/capacity"
)

// urgent is the recommendation that somebody should read first: the one that lacks most machines, then the one whose end is nearest; nil where there
// is none.
func (a *Analysis) urgent() *Recommendation {
	days := func(r *Recommendation) float64 {
		if r.Exhaustion == nil {
			return math.Inf(1)
		}
		return r.Exhaustion.Days
	}
	var first *Recommendation
	for i := range a.Recommendations {
		r := &a.Recommendations[i]
		if first == nil || cmp.Or(cmp.Compare(r.Recommended-r.Current, first.Recommended-first.Current), cmp.Compare(days(first), days(r))) > 0 {
			first = r
		}
	}
	return first
}

// lead says the most urgent thing first.
func (a *Analysis) lead(st *style) string {
	r := a.urgent()
	switch {
	case r != nil && r.Recommended > r.Current:
		return fmt.Sprintf("The load of the next week asks for %s %s for %s; there are %s.", st.count(int64(r.Recommended)), strings.ToLower(spoken(r.Resource)), modelName(r.Model), st.count(int64(r.Current)))
	case r != nil && r.Exhaustion != nil:
		return fmt.Sprintf("The load of %s reaches the target %s if it grows on as it did.", modelName(r.Model), exhausted(st, r.Exhaustion))
	case r != nil:
		return "The machines carry what is expected of the next week, and no load surely grows towards their limit."
	case a.DataDays == 0:
		return "There are no hours with data to look at."
	case len(a.Insufficient) > 0:
		return fmt.Sprintf("%s of data are not enough for every statement; what is missing stands at the end.", st.plural(int64(a.DataDays), "day"))
	}
	return "How the machines were used and how the load grew."
}

// exhausted says when, for a sentence.
func exhausted(st *style, e *capacity.Exhaustion) string {
	if e.Days == 0 {
		return "already"
	}
	return fmt.Sprintf("in %s days (%s to %s)", st.digits(e.Days, 2), st.digits(e.Lo, 2), st.digits(e.Hi, 2))
}

// headline are up to five numbers: of the plan where there is one, of growth and of use.
func (a *Analysis) headline(st *style) []Headline {
	var out []Headline
	add := func(key, label, text, sentence string, v *float64) *Headline {
		if len(out) == 5 {
			return nil
		}
		out = append(out, Headline{Key: key, Label: st.text(key, label), Value: v, Text: text, Trend: Unknown, TrendEarlier: Unknown, Sentence: sentence})
		return &out[len(out)-1]
	}
	if r := a.urgent(); r != nil {
		of := ", " + modelName(r.Model)
		add("machines", "Machines"+of, st.count(int64(r.Current))+" → "+st.count(int64(r.Recommended)), "There are "+st.count(int64(r.Current))+", the next week asks for "+st.count(int64(r.Recommended))+"; what binds is "+spoken(r.Binding)+". Confidence "+st.fixed(100*r.Confidence, 0)+" %.", new(float64(r.Recommended)))
		use := r.Demand / r.Carries
		add("busiest_hour", "Busiest hour to come"+of, st.fixed(100*use, 0)+" %", "Of what the machines carry: "+st.digits(r.Demand, 3)+" requests an hour of "+st.digits(r.Carries, 3)+". The target is "+st.fixed(100*r.Inputs["target_utilization"], 0)+" %.", &use)
		a.runsOut(st, r, add)
		if r.CostDelta != nil {
			add("cost_delta", "Cost of the change", signedMoney(st, *r.CostDelta), "A month"+basisWords(r.CostBasis)+".", r.CostDelta)
		}
	}
	for _, g := range a.Growth {
		if g.Metric == "requests" && g.Model == agg.AllModels {
			if h := add("requests_per_day", "Requests a day", st.short(g.PerDay), "Mean of the last seven whole days; "+st.short(g.PerDayBefore)+" in the seven before.", &g.PerDay); h != nil {
				h.Previous, h.Change, h.Trend = &g.PerDayBefore, g.WeekOverWeek, judge(g.WeekOverWeek, Neutral)
			}
		}
	}
	for _, name := range []string{"gpu_usage", "kv_cache_usage", "gpu_memory_usage", "cpu_usage", "memory_usage", "requests_waiting"} {
		for _, u := range a.Utilization {
			if u.Resource == name {
				add(name, spoken(name)+", busy hours", a.use(st, u.Unit, u.P95), fmt.Sprintf("95 of 100 hours were at or below this; the mean is %s, the highest sample %s.", a.use(st, u.Unit, u.Mean), a.use(st, u.Unit, u.Max)), &u.P95)
			}
		}
	}
	return out
}

// runsOut tells when the load reaches the target.
func (a *Analysis) runsOut(st *style, r *Recommendation, add func(key, label, text, sentence string, v *float64) *Headline) {
	const key, label = "exhaustion", "Target reached"
	e := r.Exhaustion
	switch {
	case e == nil:
		add(key, label, "not in sight", "The daily peaks do not surely grow.", nil)
	case e.Days == 0:
		add(key, label, "now", "The daily peaks are beyond the target of "+st.fixed(100*r.Inputs["target_utilization"], 0)+" % of what the machines carry.", &e.Days)
	default:
		add(key, label, st.digits(e.Days, 2)+" days", "With 95 % in "+st.digits(e.Lo, 2)+" to "+st.digits(e.Hi, 2)+" days, if the daily peaks grow on as they did.", &e.Days)
	}
}

func signedMoney(st *style, v float64) string {
	if v > 0 {
		return "+" + st.money(&v)
	}
	return st.money(&v)
}

// basisWords says by what machines are priced.
func basisWords(basis string) string {
	return map[string]string{"self_hosted": ", at what the own GPUs cost", "machine_hour_usd": ", at the price of a machine"}[basis]
}

// warned are the alerts of the analysis.
func (a *Analysis) warned(d *document) {
	titles := map[string]string{"CapacityShort": "Capacity is short", "CapacityEnds": "Capacity ends soon", "ObjectiveBreaks": "An objective broke"}
	var list items
	for _, x := range a.Alerts {
		shown := item{title: cmp.Or(titles[x.Rule], x.Rule) + ", " + modelName(x.Model), text: strings.ToUpper(x.Text[:1]) + x.Text[1:], right: x.Severity, tone: Neutral}
		if x.Severity == "critical" {
			shown.tone = Worse
		}
		if !strings.HasSuffix(shown.text, ".") {
			shown.text += "."
		}
		list = append(list, shown)
	}
	if len(list) > 0 {
		d.add("alerts", "Alerts", "What somebody should do something about; each goes to those who take alerts, once, when a weekly analysis finds it.", list)
	}
}

// recommended says how many machines are needed: all plans side by side, then what each stands on.
func (a *Analysis) recommended(d *document) {
	if len(a.Recommendations) == 0 {
		return
	}
	st := d.style
	t := &table{columns: []column{{head: "For", left: true}, {head: "There are", width: 18}, {head: "Needed", width: 18}, {head: "What binds", width: 38}, {head: "Target reached, days", width: 38}, {head: "Confidence", width: 22}}}
	priced := slices.ContainsFunc(a.Recommendations, func(r Recommendation) bool { return r.CostDelta != nil })
	if priced {
		t.columns = append(t.columns, column{head: "USD a month", width: 26})
		t.columns[len(t.columns)-1].head = st.Currency.Code + " a month"
	}
	blocks := []block{t}
	for i := range a.Recommendations {
		r := &a.Recommendations[i]
		needed := cell{text: st.count(int64(r.Recommended))}
		if r.Recommended > r.Current {
			needed.trend = Worse
		}
		row := []cell{text(modelName(r.Model)), text(st.count(int64(r.Current))), needed, text(spoken(r.Binding)), text(r.until(st)), text(st.fixed(100*r.Confidence, 0) + " %")}
		if priced {
			row = append(row, text(blank(st.money(r.CostDelta))))
		}
		t.rows = append(t.rows, row)
		blocks = append(blocks, r.shown(st), r.basis(st))
	}
	d.add("recommendations", "Recommendations", "What the load of the next week asks for, and why.", blocks...)
}

// until is in how many days the target is reached, for a table.
func (r *Recommendation) until(st *style) string {
	switch e := r.Exhaustion; {
	case e == nil:
		return "–"
	case e.Days == 0:
		return "now"
	default:
		return st.digits(e.Days, 2) + " (" + st.digits(e.Lo, 2) + " to " + st.digits(e.Hi, 2) + ")"
	}
}

// shown is the statement.
func (r *Recommendation) shown(st *style) items {
	x := item{title: spoken(r.Resource) + ", " + modelName(r.Model), text: r.Reason, tone: Neutral, right: st.count(int64(r.Current)) + " → " + st.count(int64(r.Recommended))}
	if r.Recommended > r.Current {
		x.tone = Worse
	}
	if r.CostDelta != nil && *r.CostDelta != 0 {
		x.text += " That is " + signedMoney(st, *r.CostDelta) + " a month" + basisWords(r.CostBasis) + "."
	}
	return items{x}
}

// basis is what a recommendation stands on.
func (r *Recommendation) basis(st *style) facts {
	var carried []string
	for _, name := range slices.SortedFunc(maps.Keys(r.Constraints), func(a, b string) int {
		return cmp.Or(cmp.Compare(r.Constraints[a], r.Constraints[b]), strings.Compare(a, b))
	}) {
		carried = append(carried, spoken(name)+" "+st.digits(r.Constraints[name], 3))
	}
	f := facts{{"Carried an hour, by", strings.Join(carried, "; ") + " requests. The least binds."},
		{"Demand", st.digits(r.Demand, 3) + " requests in the busiest hour of the next week, 95th percentile."}}
	if e := r.Exhaustion; e == nil {
		f = append(f, [2]string{"Target reached", "Not in sight: the daily peaks do not surely grow."})
	} else {
		f = append(f, [2]string{"Target reached", strings.ToUpper(exhausted(st, e)[:1]) + exhausted(st, e)[1:] + ", by the trend of the daily peaks."})
	}
	f = append(f, [2]string{"Confidence", st.fixed(100*r.Confidence, 0) + " %: days of data, how well the constraint is known, and how well the forecast's interval held."})
	if r.Formula != "" {
		f = append(f, [2]string{"Formula", r.Formula}, [2]string{"With numbers", substituted(st, r.Formula, r.Inputs) + " = " + st.count(int64(r.Recommended))})
	}
	return f
}

// broken tells at which load an objective broke.
func (a *Analysis) broken(d *document) {
	st := d.style
	t := &table{columns: []column{{head: "Model", left: true}, {head: "Objective", width: 44}, {head: "breaks at requests/s", width: 34}, {head: "carried up to", width: 26}, {head: "broke from", width: 24}, {head: "Windows", width: 18}}}
	for _, s := range a.Saturation {
		if s.Knee != nil {
			t.rows = append(t.rows, []cell{text(s.Model), text("TTFT p95 ≤ " + st.millis(&s.Objective)), text(st.digits(s.Knee.Load, 3)), text(st.digits(s.Knee.Lo, 3)), text(st.digits(s.Knee.Hi, 3)), text(st.count(int64(len(s.Points))))})
		}
	}
	if len(t.rows) > 0 {
		d.add("saturation", "Where latency breaks", "Requests a second at which the time to first token left its objective, learnt from the server's own windows of up to a minute and told for the machines that there are now.", t)
	}
}

// scaled tells how what is carried grows with the number of machines.
func (a *Analysis) scaled(d *document) {
	l := a.Law
	if l == nil {
		return
	}
	st := d.style
	t := &table{columns: []column{{head: "Machines", left: true}, {head: "carried, requests/s", width: 40}, {head: "by the law", width: 40}, {head: "a machine", width: 40}}}
	for _, p := range l.Points {
		t.rows = append(t.rows, []cell{text(st.count(int64(p.Machines))), text(st.digits(p.Carried, 3)), text(st.digits(p.Law, 3)), text(st.digits(p.Carried/float64(p.Machines), 3))})
	}
	about := "The universal scalability law: contention σ = " + st.digits(l.Sigma, 3) + ", coherency κ = " + st.digits(l.Kappa, 3) + "."
	if l.Most != nil {
		about += " Beyond " + st.fixed(math.Floor(*l.Most), 0) + " machines more carry less."
	}
	if l.Used {
		about += " The recommendation for all models counts with it."
	} else {
		about += " It fits too badly to count with."
	}
	d.add("scaling", "How more machines help", about, t)
}

var inputName = regexp.MustCompile(`[a-z][a-z0-9_]*`)

// substituted writes a formula with the numbers in the places of their names.
func substituted(st *style, formula string, inputs map[string]float64) string {
	return inputName.ReplaceAllStringFunc(formula, func(name string) string {
		if v, ok := inputs[name]; ok {
			return st.digits(v, 4)
		}
		return name
	})
}

// modelName is a model as people read it.
func modelName(model string) string {
	if model == agg.AllModels {
		return "all models"
	}
	return model
}

// forecasts shows how the load goes on, and how good such forecasts were.
func (a *Analysis) forecasts(d *document) {
	st := d.style
	var pictures charts
	t := &table{columns: []column{{head: "Forecast", left: true}, {head: "Origins", width: 17}, {head: "MASE", width: 17}, {head: "naive", width: 17}, {head: "Within the interval", width: 34}, {head: "Bias", width: 24}}}
	for i := range a.Forecasts {
		f := &a.Forecasts[i]
		if len(f.Points) < 2 {
			continue
		}
		if len(pictures) < 8 {
			pictures = append(pictures, f.chart(st))
		}
		t.rows = append(t.rows, f.tested(st))
	}
	if len(pictures) > 0 {
		d.add("forecast", "Forecasts", "What is expected each hour, and the interval that it will lie in.", pictures)
		d.add("backtests", "How good such forecasts were", "The same method, told from what lay before each of several points of the past, against what then came. MASE is the mean error in units of what changes from season to season; naive is that of the seasonal naive forecast.", t)
	}
}

func (f *Forecast) chart(st *style) *chart {
	c := &chart{style: st, title: spoken(f.Metric) + ", " + modelName(f.Model), level: "hourly", write: st.short}
	p50, around := series{"expected", st.accent, nil}, band{name: st.fixed(100*f.Interval, 0) + " % interval", color: st.accent.mix(0.82)}
	for _, p := range f.Points[:min(len(f.Points), 24*31)] {
		c.times = append(c.times, p.T)
		p50.values = append(p50.values, new(p.P50))
		around.lo, around.hi = append(around.lo, p.Lo), append(around.hi, p.Hi)
	}
	c.series, c.band = []series{p50}, &around
	return c
}

// tested is the line of the backtest.
func (f *Forecast) tested(st *style) []cell {
	number := func(v *float64, decimals int, unit string, factor float64) cell {
		if v == nil {
			return text("–")
		}
		return text(st.fixed(*v*factor, decimals) + unit)
	}
	b := &f.Backtest
	covered := number(b.Coverage, 0, " %", 100)
	covered.text += " of " + st.fixed(100*f.Interval, 0) + " %"
	return []cell{text(spoken(f.Metric) + ", " + modelName(f.Model)), text(st.count(int64(b.Origins))), number(b.MASE, 2, "", 1), number(b.MASESeasonalNaive, 2, "", 1), covered, text(signed(st, b.Bias))}
}

// signed writes a difference.
func signed(st *style, v float64) string {
	if v > 0 {
		return "+" + st.short(v)
	}
	return st.short(v)
}
