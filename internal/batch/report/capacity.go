package report

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// Capacity is the report capacity_analysis: what GET /capacity/analysis says at the end of a period.
type Capacity struct {
	Period   Period
	Template *Template
	// Hours are the rows of the period, for what it covers.
	Hours Summary
	// Analysis is the answer of the API; its generated_at is left out, since when it was made is not what the data say.
	Analysis json.RawMessage
}

// Completeness is the share of the period that the numbers cover.
func (c *Capacity) Completeness() float64 { return c.Hours.Completeness() }

// Render makes the document in a format.
func (c *Capacity) Render(format string) ([]byte, error) {
	if _, err := c.Period.Count("hourly"); err != nil {
		return nil, fmt.Errorf("report: the period: %w", err)
	}
	var a Analysis
	if err := json.Unmarshal(c.Analysis, &a); err != nil {
		return nil, fmt.Errorf("report: the analysis: %w", err)
	}
	table, err := a.csv()
	if err != nil {
		return nil, err
	}
	switch format {
	case CSV:
		return table, nil
	case JSON:
		return c.json()
	}
	return c.document(&a, table).render(format)
}

func (c *Capacity) json() ([]byte, error) {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(c.Analysis, &all); err != nil {
		return nil, fmt.Errorf("report: the analysis: %w", err)
	}
	delete(all, "generated_at")
	b, err := json.MarshalIndent(struct {
		Schema       string                     `json:"schema"`
		Type         Kind                       `json:"report_type"`
		Title        string                     `json:"title"`
		Period       Period                     `json:"period"`
		Completeness float64                    `json:"completeness"`
		Analysis     map[string]json.RawMessage `json:"analysis"`
		Coverage     Coverage                   `json:"coverage"`
	}{Schema, CapacityReport, CapacityReport.Title(), c.Period, c.Completeness(), all, c.Hours.Coverage()}, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	return append(b, '\n'), nil
}

var capacityColumns = []string{"section", "model", "name", "time", "value", "lo", "hi", "previous", "unit", "text"}

// csv has one line for each number of the analysis.
func (a *Analysis) csv() ([]byte, error) {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	w.UseCRLF = true
	put := func(values ...any) { _ = w.Write(cellsOf(values)) }
	_ = w.Write(capacityColumns)
	for _, u := range a.Utilization {
		for _, v := range []struct {
			name  string
			value float64
		}{{"mean", u.Mean}, {"p95", u.P95}, {"max", u.Max}} {
			put("resource_utilization", nil, u.Resource+"_"+v.name, nil, v.value, nil, nil, nil, u.Unit, nil)
		}
	}
	for _, g := range a.Growth {
		put("growth_trends", g.Model, g.Metric, nil, g.PerDay, nil, nil, g.PerDayBefore, "per day", nil)
	}
	for _, f := range a.Forecasts {
		for _, p := range f.Points {
			put("capacity_forecasts", f.Model, f.Metric, p.T, p.P50, p.Lo, p.Hi, nil, nil, nil)
		}
	}
	for _, r := range a.Recommendations {
		put("scaling_recommendations", r.Model, r.Resource, nil, int64(r.Recommended), nil, nil, int64(r.Current), nil, r.Reason)
	}
	for _, l := range a.Insufficient {
		put("insufficient_data", nil, l.What, nil, int64(l.Have), nil, nil, nil, "days", fmt.Sprintf("%d days are needed", l.Need))
	}
	w.Flush()
	if err := w.Error(); err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	return b.Bytes(), nil
}

func (c *Capacity) document(a *Analysis, table []byte) *document {
	d := newDocument(CapacityReport, c.Period, c.Template)
	d.attach(table)
	d.lead = a.lead(d.style)
	d.headline, d.terms = a.headline(d.style), capacityTerms
	d.courses = make([][]*float64, len(d.headline))
	a.recommended(d)
	a.phased(d)
	a.utilized(d)
	a.growing(d)
	a.forecasts(d)
	a.lacking(d)
	c.Hours.cover(d)
	d.coverage = append(d.coverage, [2]string{"Looked at", fmt.Sprintf("%s of hours, from %s to %s", d.style.plural(int64(a.DataDays), "day"), a.Period.Start.UTC().Format(time.RFC3339), a.Period.End.UTC().Format(time.RFC3339))})
	return d
}

// lead says the most urgent thing first.
func (a *Analysis) lead(st *style) string {
	first := (*Recommendation)(nil)
	for i := range a.Recommendations {
		r := &a.Recommendations[i]
		if r.Exhaustion != nil && (first == nil || r.Exhaustion.Days < first.Exhaustion.Days) {
			first = r
		}
	}
	short := (*Recommendation)(nil)
	for i := range a.Recommendations {
		if r := &a.Recommendations[i]; short == nil && r.Recommended > r.Current {
			short = r
		}
	}
	switch {
	case short != nil:
		return fmt.Sprintf("The load of the next week asks for %s %s for %s; there are %s.", st.count(int64(short.Recommended)), strings.ToLower(spoken(short.Resource)), modelName(short.Model), st.count(int64(short.Current)))
	case first != nil:
		return fmt.Sprintf("%s of %s is exhausted in %s days if the load goes on as it does (%s to %s).", spoken(first.Resource), modelName(first.Model), st.digits(first.Exhaustion.Days, 2), st.digits(first.Exhaustion.Lo, 2), st.digits(first.Exhaustion.Hi, 2))
	case len(a.Recommendations) > 0:
		return "No resource is exhausted within the horizon of the forecasts."
	case a.DataDays == 0:
		return "There are no hours with data to look at."
	case len(a.Insufficient) > 0:
		return fmt.Sprintf("%s of data are not enough for every statement; what is missing stands at the end.", st.plural(int64(a.DataDays), "day"))
	}
	return "How the machines were used and how the load grew."
}

// headline are up to five numbers.
func (a *Analysis) headline(st *style) []Headline {
	var out []Headline
	add := func(key, label, text, sentence string, v float64) {
		if len(out) < 5 {
			out = append(out, Headline{Key: key, Label: st.text(key, label), Value: &v, Text: text, Trend: Unknown, TrendEarlier: Unknown, Sentence: sentence})
		}
	}
	for _, g := range a.Growth {
		if g.Metric == "requests" && g.Model == "_all" {
			add("requests_per_day", "Requests a day", st.short(g.PerDay), "Mean of the last seven whole days; "+st.short(g.PerDayBefore)+" in the seven before.", g.PerDay)
			out[len(out)-1].Previous, out[len(out)-1].Change = &g.PerDayBefore, g.WeekOverWeek
			out[len(out)-1].Trend = judge(g.WeekOverWeek, Neutral)
		}
	}
	for _, name := range []string{"gpu_usage", "kv_cache_usage", "gpu_memory_usage", "cpu_usage", "memory_usage"} {
		for _, u := range a.Utilization {
			if u.Resource == name {
				add(name, spoken(name)+", busy hours", a.use(st, u.Unit, u.P95), fmt.Sprintf("95 of 100 hours were at or below this; the mean is %s, the highest sample %s.", a.use(st, u.Unit, u.Mean), a.use(st, u.Unit, u.Max)), u.P95)
			}
		}
	}
	return out
}

// use writes how much of a resource is used.
func (a *Analysis) use(st *style, unit string, v float64) string {
	if unit == "ratio" {
		v *= 100
	}
	return st.fixed(v, 1) + " %"
}

func (a *Analysis) recommended(d *document) {
	st := d.style
	var list items
	for _, r := range a.Recommendations {
		x := item{title: spoken(r.Resource) + ", " + modelName(r.Model), text: r.Reason, tone: Neutral}
		x.right = st.count(int64(r.Current)) + " → " + st.count(int64(r.Recommended))
		if r.Recommended > r.Current {
			x.tone = Worse
		}
		if r.CostDelta != nil && *r.CostDelta != 0 {
			x.text += " That is " + st.money(r.CostDelta) + " a month" + map[string]string{"self_hosted": ", at what the own GPUs cost", "machine_hour_usd": ", at the price of a machine"}[r.CostBasis] + "."
		}
		if r.Formula != "" {
			x.text += " Reckoned: " + substituted(st, r.Formula, r.Inputs) + " = " + st.count(int64(r.Recommended)) + "."
		}
		list = append(list, x)
	}
	if len(list) > 0 {
		d.add("recommendations", "Recommendations", "What the load of the forecast asks for, and why.", shownItems(list))
	}
	var knees bars
	top := 0.0
	for _, s := range a.Saturation {
		if s.Knee != nil {
			top = max(top, s.Knee.Load)
		}
	}
	for _, s := range a.Saturation {
		if s.Knee != nil && top > 0 {
			knees = append(knees, bar{s.Model, s.Knee.Load / top, st.digits(s.Knee.Load, 3) + " requests/s"})
		}
	}
	if len(knees) > 0 {
		d.add("saturation", "Where latency breaks", "Requests a second at which the time to first token left what is good, learnt from the server's own windows.", knees)
	}
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

// phased tells how many tokens a second each phase carries.
func (a *Analysis) phased(d *document) {
	st := d.style
	t := &table{columns: []column{{head: "Model", left: true}, {head: "Phase", width: 20, left: true}, {head: "Tokens a request", width: 30}, {head: "breaks at tokens/s", width: 32}, {head: "from", width: 24}, {head: "to", width: 24}}}
	for _, p := range a.Phases {
		if p.Knee != nil {
			t.rows = append(t.rows, []cell{text(p.Model), text(p.Phase), text(st.short(math.Round(p.Tokens))), text(st.short(math.Round(p.Knee.Load))), text(st.short(math.Round(p.Knee.Lo))), text(st.short(math.Round(p.Knee.Hi)))})
		}
	}
	if len(t.rows) > 0 {
		d.add("phases", "Limits of prefill and decode", "Tokens a second at which an objective broke: of prompts for the time to the first token (prefill), of answers for the time per token (decode).", t)
	}
}

func (a *Analysis) utilized(d *document) {
	st := d.style
	t := &table{columns: []column{{head: "Resource", left: true}, {head: "Mean", width: 30}, {head: "95 of 100 hours", width: 34}, {head: "Highest", width: 30}}}
	var pictures charts
	for _, u := range a.Utilization {
		t.rows = append(t.rows, []cell{text(spoken(u.Resource)), text(a.use(st, u.Unit, u.Mean)), text(a.use(st, u.Unit, u.P95)), text(a.use(st, u.Unit, u.Max))})
		if c := a.useChart(st, u.Resource, u.Unit, u.Days); c != nil {
			pictures = append(pictures, c)
		}
	}
	if len(t.rows) > 0 {
		blocks := []block{t}
		if len(pictures) > 0 {
			blocks = append(blocks, pictures)
		}
		d.add("capacity", "How the machines were used", "Samples of all machines, in the hours that were looked at.", blocks...)
	}
}

// useChart shows the last ninety days of a resource.
func (a *Analysis) useChart(st *style, name, unit string, days []dayUse) *chart {
	days = days[max(0, len(days)-90):]
	c := &chart{style: st, title: spoken(name), level: "daily", most: 100, step: 25, full: true, write: func(v float64) string { return st.digits(v, 3) + " %" }}
	means, most := series{"mean", st.accent, nil}, series{"highest", st.accent3, nil}
	factor := 1.0
	if unit == "ratio" {
		factor = 100
	}
	for _, u := range days {
		t, err := time.Parse(time.DateOnly, u.Day)
		if err != nil {
			return nil
		}
		for n := len(c.times); n > 0 && c.times[n-1].AddDate(0, 0, 1).Before(t) && n < 400; n = len(c.times) { // days without samples are gaps
			c.times = append(c.times, c.times[n-1].AddDate(0, 0, 1))
			means.values, most.values = append(means.values, nil), append(most.values, nil)
		}
		c.times = append(c.times, t)
		means.values, most.values = append(means.values, new(u.Mean*factor)), append(most.values, new(u.Max*factor))
	}
	c.series = []series{means, most}
	if len(c.times) < 2 {
		return nil
	}
	return c
}

func (a *Analysis) growing(d *document) {
	st := d.style
	t := &table{columns: []column{{head: "Model", left: true}, {head: "Measured", width: 34, left: true}, {head: "A day", width: 28}, {head: "Week before", width: 28}, {head: "Change", width: 26}}}
	for _, g := range a.Growth[:min(len(a.Growth), mostModels)] {
		t.rows = append(t.rows, []cell{text(modelName(g.Model)), text(spoken(g.Metric)), text(st.short(math.Round(g.PerDay))), text(st.short(math.Round(g.PerDayBefore))), text(st.change(g.WeekOverWeek))})
	}
	if len(t.rows) > 0 {
		d.add("growth", "Growth", "The last seven whole days against the seven before.", t)
	}
}

func (a *Analysis) forecasts(d *document) {
	st := d.style
	var pictures charts
	for _, f := range a.Forecasts {
		if len(pictures) == 8 || len(f.Points) < 2 {
			continue
		}
		c := &chart{style: st, title: spoken(f.Metric) + ", " + modelName(f.Model), level: "hourly", write: st.short}
		p50, lo, hi := series{"expected", st.accent, nil}, series{"from", st.accent3, nil}, series{"to", st.accent3, nil}
		for _, p := range f.Points[:min(len(f.Points), 24*31)] {
			c.times = append(c.times, p.T)
			p50.values, lo.values, hi.values = append(p50.values, new(p.P50)), append(lo.values, new(max(p.Lo, 0))), append(hi.values, new(p.Hi))
		}
		c.series = []series{p50, lo, hi}
		pictures = append(pictures, c)
	}
	if len(pictures) > 0 {
		d.add("forecast", "Forecasts", "What is expected each hour, and the interval that it will lie in.", pictures)
	}
}

func (a *Analysis) lacking(d *document) {
	var list facts
	for _, l := range a.Insufficient {
		list = append(list, [2]string{spoken(l.What), fmt.Sprintf("%d of %d days with data", l.Have, l.Need)})
	}
	if len(list) > 0 {
		d.add("lacking", "Not enough data", "These statements are made when there is more to stand on.", list)
	}
}

// capacityTerms are the definitions of this report.
var capacityTerms = append([]Term{
	{"Use", "Mean of the samples of all machines in an hour; the mean, the 95th percentile (nearest rank) and the highest of them."},
	{"Growth", "Mean of the last seven whole days ÷ mean of the seven before − 1."},
	{"Forecast", "Expected value of each hour, and an interval that held in the backtest of the series itself."},
	{"Exhaustion", "Days until the trend of the daily peaks is more than what the machines carried while they met their objective."},
}, slices.DeleteFunc(slices.Clone(Definitions), func(t Term) bool {
	return !slices.Contains([]string{"CPU, memory, GPU", "Late events", "Completeness"}, t.Name)
})...)
