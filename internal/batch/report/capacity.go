package report

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"time"
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

func (c *Capacity) document(a *Analysis, table []byte) *document {
	d := newDocument(CapacityReport, c.Period, c.Template)
	d.attach(table)
	d.lead = a.lead(d.style)
	d.headline, d.terms = a.headline(d.style), capacityTerms
	d.courses = make([][]*float64, len(d.headline))
	a.warned(d)
	a.recommended(d)
	a.broken(d)
	a.phased(d)
	a.scaled(d)
	a.utilized(d)
	a.growing(d)
	a.forecasts(d)
	a.lacking(d)
	c.Hours.cover(d)
	d.coverage = append(d.coverage, [2]string{"Looked at", fmt.Sprintf("%s of hours, from %s to %s", d.style.plural(int64(a.DataDays), "day"), a.Period.Start.UTC().Format(time.RFC3339), a.Period.End.UTC().Format(time.RFC3339))})
	return d
}

// use writes how much of a resource is used.
func (a *Analysis) use(st *style, unit string, v float64) string {
	if unit == "requests" {
		return st.digits(v, 2)
	}
	if unit == "ratio" {
		v *= 100
	}
	return st.fixed(v, 1) + " %"
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
func (a *Analysis) useChart(st *style, name, unit string, days []DayUse) *chart {
	days = days[max(0, len(days)-90):]
	c := &chart{style: st, title: spoken(name), level: "daily", most: 100, step: 25, full: true, write: func(v float64) string { return st.digits(v, 3) + " %" }}
	if unit == "requests" {
		c.most, c.full, c.write = 0, false, st.short
	}
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
	{"Machines", "Hosts whose samples were read in the last hours with any. Of them as many may be lost at a time as the failure domain says; those come on top of what the load needs."},
	{"Demand", "The 95th percentile of the busiest hour that is forecast for the next week."},
	{"Constraints", "What each thing that can run out lets the machines carry an hour. The one that carries the least binds."},
	{"Exhaustion", "Days until the trend of the daily peaks reaches the target, with an interval of 95 % by Sen's method; none where the load does not surely grow."},
	{"Confidence", "Share of four weeks of data that there are × how well the binding constraint is known × how near the forecast's interval came to its promise in the backtest."},
	{"Forecast", "Expected value of each hour, and an interval learnt from the errors of the backtest of the series itself."},
	{"MASE", "Mean error of the forecast ÷ mean change of the series from one season to the next. Beside it stands what the seasonal naive forecast reaches in the same backtest."},
	{"Use", "Mean of the samples of all machines in an hour; the mean, the 95th percentile (nearest rank) and the highest of them."},
	{"Growth", "Mean of the last seven whole days ÷ mean of the seven before − 1."},
}, slices.DeleteFunc(slices.Clone(Definitions), func(t Term) bool {
	return !slices.Contains([]string{"CPU, memory, GPU", "Late events", "Completeness"}, t.Name)
})...)
