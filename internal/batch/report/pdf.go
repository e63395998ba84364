package report

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

func (s *Summary) pdf() ([]byte, error) {
	table, err := rowsCSV(s.Rows)
	if err != nil {
		return nil, err
	}
	d := newSheet(s.Kind.Title(), s.Period.String())
	d.rows(s.Kind, table)
	s.first(d)
	s.trends(d)
	s.models(d)
	s.periods(d)
	s.last(d)
	return d.finish()
}

// first answers "how are we doing" on one page.
func (s *Summary) first(d *sheet) {
	d.page()
	d.f.Bookmark("Overview", 0, 0)
	d.rect(0, 0, pageW, 3.2, accent)
	d.text(margin, 17, "HXP-Enterprise LLM Server", 8.5, true, accent, left)
	d.text(pageW-margin, 17, "compared with "+s.previously(), 8.5, false, muted, right)
	d.text(margin, 30, s.Kind.Title(), 25, true, ink, left)
	d.text(margin, 38, s.Period.String()+", UTC", 11, false, muted, left)
	d.y = 46
	for _, l := range wrap(d, s.lead(), 11, false, innerW) {
		d.text(margin, d.y+2, l, 11, false, ink, left)
		d.y += 5.4
	}
	d.y += 4
	times := s.trendTimes()
	for _, h := range s.Headline() {
		s.number(d, h, times)
	}
	d.y += 7
	c := s.requestsChart(times)
	c.draw(d, frame{margin, d.y, innerW, bottom - d.y - 1})
	d.y = bottom
}

// number is one of the five: what it is, how much, its change, its course, and a sentence.
func (s *Summary) number(d *sheet, h Headline, times []time.Time) {
	const height = 23.0
	d.line([]point{{margin, d.y}, {pageW - margin, d.y}}, hair, 0.2)
	d.text(margin, d.y+6.5, h.Label, 8.5, false, muted, left)
	size := 19.0
	for d.width(h.Text, size, true) > 46 {
		size--
	}
	c := ink
	if h.Value == nil {
		c, size = muted, 14
	}
	d.text(margin, d.y+16, h.Text, size, true, c, left)

	x := margin + 50.0
	d.text(x, d.y+6.5, "Change", 8.5, false, muted, left)
	d.text(x, d.y+16, arrow(h.Change)+changeText(h.Change), 11.5, true, map[Trend]color{Better: good, Worse: bad}[h.Trend].or(ink, h.Trend), left)
	if word := map[Trend]string{Better: "better", Worse: "worse"}[h.Trend]; word != "" {
		d.text(x, d.y+20, word, 7.5, false, muted, left)
	}

	x = margin + 80
	d.text(x, d.y+6.5, "Course", 8.5, false, muted, left)
	spark(d, frame{x, d.y + 8.8, 28, 8.2}, s.course(h.Key, times), accent)

	x = margin + 115
	lines := wrap(d, h.Sentence, 9, false, innerW-115)
	y := d.y + 6.5
	for _, l := range lines[:min(len(lines), 4)] {
		d.text(x, y, l, 9, false, ink, left)
		y += 4.4
	}
	d.y += height
}

// or gives the colour of a trend that judges nothing.
func (c color) or(other color, t Trend) color {
	if t == Better || t == Worse {
		return c
	}
	return other
}

func arrow(change *float64) string {
	switch {
	case change == nil || math.Abs(*change) < 0.0005:
		return ""
	case *change > 0:
		return "▲ "
	}
	return "▼ "
}

// trendTimes are the columns of the charts, those without data included.
func (s *Summary) trendTimes() (times []time.Time) {
	for t := s.TrendPeriod.Start; t.Before(s.TrendPeriod.End); t = Step(s.TrendLevel, t, 1) {
		times = append(times, t)
	}
	return times
}

// course are the values of one headline number over time.
func (s *Summary) course(key string, times []time.Time) []*float64 {
	get := map[string]func(*agg.Row) *float64{
		"requests":       func(r *agg.Row) *float64 { return new(float64(r.Requests)) },
		"error_rate":     func(r *agg.Row) *float64 { return r.ErrorRate },
		"latency_p95_ms": func(r *agg.Row) *float64 { return r.LatencyP95MS }, "cost_usd": func(r *agg.Row) *float64 { return r.CostUSD },
		"user_satisfaction": func(r *agg.Row) *float64 { return r.UserSatisfaction },
	}[key]
	return pick(s.Trend, times, "", accent, get).values
}

func (s *Summary) requestsChart(times []time.Time) chart {
	c := s.chart("Requests per "+unit(s.TrendLevel, 1), times, short)
	c.bars = true
	c.add(s, "succeeded", accent, func(r *agg.Row) *float64 { return new(float64(r.Requests - r.Errors)) })
	c.add(s, "failed", bad, func(r *agg.Row) *float64 { return new(float64(r.Errors)) })
	return c
}

func (s *Summary) chart(title string, times []time.Time, write func(float64) string) chart {
	return chart{title: title, level: s.TrendLevel, times: times, write: write}
}

func (c *chart) add(s *Summary, name string, col color, get func(*agg.Row) *float64) {
	c.series = append(c.series, pick(s.Trend, c.times, name, col, get))
}

// trends is a page of charts.
func (s *Summary) trends(d *sheet) {
	d.page()
	about := "Each point is one " + unit(s.TrendLevel, 1) + "."
	if s.TrendPeriod != s.Period {
		about = fmt.Sprintf("Each point is one %s, from %s to the end of this report.", unit(s.TrendLevel, 1), s.TrendPeriod.Start.UTC().Format("2 January 2006, 15:04"))
	}
	d.heading("Course of the period", about)
	times := s.trendTimes()
	charts := s.trendCharts(times)
	const gap, perRow = 9.0, 2
	w := (innerW - gap) / perRow
	h := (bottom - d.y - 3*gap) / 4
	for i, c := range charts {
		c.draw(d, frame{margin + float64(i%perRow)*(w+gap), d.y + float64(i/perRow)*(h+gap), w, h})
	}
	d.y = bottom
}

func (s *Summary) trendCharts(times []time.Time) []chart {
	asMS := func(v float64) string {
		if v >= 10000 {
			return digits(v/1000, 3) + " s"
		}
		return count(int64(v)) + " ms"
	}
	asPercent := func(v float64) string { return digits(v, 3) + " %" }
	asShare := func(v float64) string { return digits(v*100, 3) + " %" }
	asMoney := func(v float64) string {
		if v < 100 && v != math.Trunc(v) {
			return money(&v)
		}
		return "$" + short(v)
	}

	latency := s.chart("Latency", times, asMS)
	latency.add(s, "p50", accent3, func(r *agg.Row) *float64 { return r.LatencyP50MS })
	latency.add(s, "p95", accent, func(r *agg.Row) *float64 { return r.LatencyP95MS })
	latency.add(s, "p99", muted, func(r *agg.Row) *float64 { return r.LatencyP99MS })
	ttft := s.chart("Time to first token", times, asMS)
	ttft.add(s, "p50", accent3, func(r *agg.Row) *float64 { return r.TTFTP50MS })
	ttft.add(s, "p95", accent, func(r *agg.Row) *float64 { return r.TTFTP95MS })
	errors := s.chart("Error rate", times, asShare)
	errors.most, errors.step = 1, 0.25
	errors.add(s, "", bad, func(r *agg.Row) *float64 { return r.ErrorRate })
	tokens := s.chart("Tokens", times, short)
	tokens.bars = true
	tokens.add(s, "prompt", accent, func(r *agg.Row) *float64 { return new(float64(r.PromptTokens)) })
	tokens.add(s, "completion", accent2, func(r *agg.Row) *float64 { return new(float64(r.CompletionTokens)) })
	users := s.chart("Users", times, short)
	users.bars = true
	users.add(s, "", accent, func(r *agg.Row) *float64 { return new(float64(r.UniqueUsers)) })
	happy := s.chart("User satisfaction (1 to 5)", times, func(v float64) string { return digits(v, 2) })
	happy.most, happy.step, happy.full = 5, 1, true
	happy.add(s, "", accent, func(r *agg.Row) *float64 { return r.UserSatisfaction })
	cost := s.chart("Cost", times, asMoney)
	cost.bars = true
	cost.add(s, "", accent, func(r *agg.Row) *float64 { return r.CostUSD })
	machines := s.chart("Use of the machines", times, asPercent)
	machines.most, machines.step, machines.full = 100, 25, true
	machines.add(s, "CPU", accent3, func(r *agg.Row) *float64 { return r.CPUUsage })
	machines.add(s, "memory", muted, func(r *agg.Row) *float64 { return r.MemoryUsage })
	machines.add(s, "GPU", accent, func(r *agg.Row) *float64 { return r.GPUUsage })
	return []chart{latency, ttft, errors, happy, tokens, users, cost, machines}
}

func (s *Summary) numbersColumns(first column) []column {
	return []column{
		first,
		{head: "Requests", width: 17, cell: func(r *agg.Row) string { return count(r.Requests) }},
		{head: "Error rate", width: 16, cell: func(r *agg.Row) string { return blank(percent(r.ErrorRate)) }},
		{head: "p50", width: 18, cell: func(r *agg.Row) string { return blank(millis(r.LatencyP50MS)) }},
		{head: "p95", width: 18, cell: func(r *agg.Row) string { return blank(millis(r.LatencyP95MS)) }},
		{head: "TTFT p95", width: 18, cell: func(r *agg.Row) string { return blank(millis(r.TTFTP95MS)) }},
		{head: "Tokens", width: 17, cell: func(r *agg.Row) string { return short(float64(r.TotalTokens)) }},
		{head: "Score", width: 12, cell: func(r *agg.Row) string { return blank(strings.TrimSuffix(score(r.UserSatisfaction), " of 5")) }},
		{head: "Cost", width: 20, cell: func(r *agg.Row) string { return blank(money(r.CostUSD)) }},
	}
}

// blank writes absent data as a dash, in tables.
func blank(text string) string {
	if text == noData {
		return "–"
	}
	return text
}

// Rows of a table that a document shows; the CSV in it has all.
const mostModels, mostPeriods = 60, 124

func (s *Summary) models(d *sheet) {
	if len(s.Models) == 0 {
		return
	}
	d.need(bottom) // a page of its own
	d.heading("Models", "The whole period by model, the busiest first. Latencies and time to first token (TTFT) are of successful requests.")
	shown := s.Models[:min(len(s.Models), mostModels)]
	cols := s.numbersColumns(column{head: "Model", width: innerW - 136, left: true, cell: func(r *agg.Row) string { return r.Model }})
	d.table(cols, shown, s.Total)
	if n := len(s.Models) - len(shown); n > 0 {
		d.y += 2
		d.paragraph(fmt.Sprintf("%s more in %s.", plural(int64(n), "model"), d.source), 8, muted)
	}
	d.y += 8
	s.shares(d, shown)
}

// shares shows who makes the requests.
func (s *Summary) shares(d *sheet, models []agg.Row) {
	if s.Total == nil || s.Total.Requests == 0 || len(models) < 2 {
		return
	}
	models = models[:min(len(models), 12)]
	d.need(14 + 6.2*float64(len(models)))
	d.heading("Share of requests", "")
	for i := range models {
		share := float64(models[i].Requests) / float64(s.Total.Requests)
		d.text(margin, d.y+3.2, fit(d, models[i].Model, 8, false, 44), 8, false, ink, left)
		w := innerW - 46 - 18
		d.rect(margin+46, d.y+0.4, w, 3.6, shade)
		d.rect(margin+46, d.y+0.4, w*min(share, 1), 3.6, accent)
		d.text(pageW-margin, d.y+3.2, percent(&share), 8, false, ink, right)
		d.y += 6.2
	}
	d.y += 6
}

// periods shows the totals of each period of the level, when there are several.
func (s *Summary) periods(d *sheet) {
	level := s.Kind.Level()
	var totals []agg.Row
	for i := range s.Rows {
		if s.Rows[i].Model == agg.AllModels {
			totals = append(totals, s.Rows[i])
		}
	}
	if len(totals) < 2 {
		return
	}
	word := unit(level, 2)
	d.heading(strings.ToUpper(word[:1])+word[1:], "All models. A "+unit(level, 1)+" without data has no line.")
	shown := totals[:min(len(totals), mostPeriods)]
	d.table(s.numbersColumns(column{head: "Start", width: innerW - 136, left: true, cell: func(r *agg.Row) string { return label(level, r.Timestamp) }}), shown, s.Total)
	if n := len(totals) - len(shown); n > 0 {
		d.y += 2
		d.paragraph(count(int64(n))+" more in "+d.source+".", 8, muted)
	}
	d.y += 8
}

// last says what the numbers mean and how much of the period they cover.
func (s *Summary) last(d *sheet) {
	d.page()
	c := s.Coverage()
	d.heading("Data coverage", "")
	d.facts([][2]string{
		{"Period", s.Period.Start.UTC().Format(time.RFC3339) + " to " + s.Period.End.UTC().Format(time.RFC3339) + " (end not included)"},
		{"Completeness", fmt.Sprintf("%s of the period is counted completely", percent(&c.Completeness))},
		{"Parts", fmt.Sprintf("%d of %s with data", c.WithData, plural(int64(c.Periods), unit(c.Level, 1)))},
		{"Events", fmt.Sprintf("%s, of which %s came late and %s counted", plural(c.Events, "event"), count(c.LateEvents), map[bool]string{true: "is", false: "are"}[c.LateEvents == 1])},
		{"Not aggregated", missingText(c)},
		{"Source", "table " + c.Level + "_aggregations; its rows are in " + d.source},
		{"Template", Schema},
	})
	d.y += 6
	d.heading("Definitions", "")
	for _, t := range Definitions {
		lines := wrap(d, t.Text, 8.5, false, innerW-40)
		d.need(4.3*float64(len(lines)) + 2)
		d.text(margin, d.y+3, t.Name, 8.5, true, ink, left)
		for _, l := range lines {
			d.text(margin+40, d.y+3, l, 8.5, false, ink, left)
			d.y += 4.3
		}
		d.y += 2
	}
}

func missingText(c Coverage) string {
	if len(c.Missing) == 0 {
		return "nothing"
	}
	var names []string
	for _, t := range c.Missing[:min(len(c.Missing), 5)] {
		names = append(names, label(c.Level, t))
	}
	text := strings.Join(names, ", ")
	if n := len(c.Missing) - len(names); n > 0 {
		text += fmt.Sprintf(" and %d more", n)
	}
	return text
}

func (p *TestPage) pdf() ([]byte, error) {
	table, err := rowsCSV(p.Hours)
	if err != nil {
		return nil, err
	}
	d := newSheet(Test.Title(), p.Period.String())
	d.rows(Test, table)
	d.page()
	d.rect(0, 0, pageW, 3.2, accent)
	d.text(margin, 17, "HXP-Enterprise LLM Server", 8.5, true, accent, left)
	d.text(margin, 30, Test.Title(), 25, true, ink, left)
	d.text(margin, 38, p.Period.String()+", UTC", 11, false, muted, left)
	d.y = 48
	d.paragraph("Who reads this has proof that the chain works: rows were read from the database, this page was drawn from them, and the file was written, read again and compared before it was shown.", 11, ink)
	d.y += 6
	d.heading("Checks", "")
	var facts [][2]string
	for _, c := range p.checks() {
		facts = append(facts, [2]string{c.Name + ": " + c.Status, c.Detail})
	}
	d.facts(facts)
	d.y += 6
	c := chart{title: "Requests per hour", level: "hourly", bars: true, write: short}
	for t := p.Period.Start; t.Before(p.Period.End) && len(c.times) < maxPeriods; t = Step("hourly", t, 1) {
		c.times = append(c.times, t)
	}
	c.series = []series{pick(p.Hours, c.times, "requests", accent, func(r *agg.Row) *float64 { return new(float64(r.Requests)) })}
	c.draw(d, frame{margin, d.y, innerW, 70})
	d.y += 78
	d.heading("Signs", "What the fonts of this document draw.")
	for _, l := range []string{"ABCDEFGHIJKLMNOPQRSTUVWXYZ abcdefghijklmnopqrstuvwxyz 0123456789", "ÄÖÜ äöü ß ÀÉÎÕ àéîõ Łł Čč Şş Ωωλ Жж € % ‰ − ± × ≤ ≥ → – — „“ ‘’ … • ▲ ▼"} {
		d.paragraph(l, 11, ink)
	}
	return d.finish()
}
