package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// document puts the numbers of a summary in order.
func (s *Summary) document(rows []byte) *document {
	d := s.begin(rows)
	s.trends(d)
	s.models(d)
	s.tenants(d)
	s.cost(d)
	s.quality(d)
	s.incidents(d)
	s.capacity(d)
	s.periods(d)
	s.cover(d)
	s.comparison(d)
	return d
}

// begin is page one: the five numbers, and the course of the requests. rows is the CSV that the document carries.
func (s *Summary) begin(rows []byte) *document {
	d := newDocument(s.Kind, s.Period, s.Template)
	d.attach(rows)
	d.compared, d.lead, d.headline, d.terms = s.previously(), s.lead(), s.Headline(), Definitions
	times := s.trendTimes()
	for _, q := range s.quantities() {
		d.courses = append(d.courses, pick(s.Trend, times, "", d.style.accent, func(r *agg.Row) *float64 { return q.get(counted{r, s.trendUnpriced()}) }).values)
	}
	c := s.chart(d.style, "Requests per "+unit(s.TrendLevel, 1), d.style.short)
	c.bars = true
	c.add(s, "succeeded", d.style.accent, func(r *agg.Row) *float64 { return new(float64(r.Requests - r.Errors)) })
	c.add(s, "failed", d.style.bad, func(r *agg.Row) *float64 { return new(float64(r.Errors)) })
	d.hero = c
	return d
}

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
	d.add("trends", "Course of the period", about, charts(s.trendCharts(d.style)))
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
	c.bars = true
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

// share writes a part of a whole; nothing of nothing is not known.
func share(st *style, part, whole int64) string {
	if whole == 0 {
		return "–"
	}
	return st.fixed(100*float64(part)/float64(whole), 1) + " %"
}

// changed is a cell with the change of a count that judges nothing.
func changed(st *style, now int64, before *agg.Row) cell {
	if before == nil {
		return text("new")
	}
	return text(st.change(change(new(float64(now)), new(float64(before.Requests)))))
}

// before finds the row of a name, nil when there was none.
func before(rows map[string]agg.Row, name string) *agg.Row {
	if r, ok := rows[name]; ok {
		return &r
	}
	return nil
}

// total of the period; never nil.
func (s *Summary) total() *agg.Row {
	if s.Total == nil {
		return &agg.Row{}
	}
	return s.Total
}

// more says how many rows of a table are not shown.
func (d *document) more(all, shown int, noun string) string {
	if all <= shown {
		return ""
	}
	return fmt.Sprintf("%s more in %s.", d.style.plural(int64(all-shown), noun), d.source)
}

// first are the rows that a table shows.
func first(rows []agg.Row, n int) []agg.Row { return rows[:min(len(rows), n)] }

func (s *Summary) models(d *document) {
	if len(s.Models) == 0 {
		return
	}
	st, sum := d.style, s.total()
	row := func(name string, r, was *agg.Row) []cell {
		return []cell{text(name), text(st.count(r.Requests)), text(share(st, r.Requests, sum.Requests)), changed(st, r.Requests, was), text(blank(st.millis(r.LatencyP50MS))),
			text(blank(st.millis(r.LatencyP95MS))), text(blank(st.millis(r.TTFTP95MS))), text(st.short(float64(r.TotalTokens))), text(blank(st.money(r.CostUSD)))}
	}
	t := &table{columns: []column{{head: "Model", left: true}, {head: "Requests", width: 17}, {head: "Share", width: 14}, {head: "Change", width: 18}, {head: "p50", width: 17}, {head: "p95", width: 18},
		{head: "TTFT p95", width: 18}, {head: "Tokens", width: 15}, {head: "Cost", width: 20}}}
	shown := first(s.Models, mostModels)
	for i := range shown {
		t.rows = append(t.rows, row(shown[i].Model, &shown[i], before(s.ModelsBefore, shown[i].Model)))
	}
	if len(s.Models) > 1 && s.Total != nil {
		t.total = row("Total", sum, s.Previous)
	}
	t.more = d.more(len(s.Models), len(shown), "model")
	d.add("models", "Models", "The whole period by model, the busiest first; change of the requests against "+s.previously()+". Latencies and time to first token (TTFT) are of successful requests.", t)
}

func (s *Summary) tenants(d *document) {
	if len(s.Tenants) == 0 {
		return
	}
	d.add("tenants", "Tenants", "The whole period by tenant, the busiest first; change of the requests against "+s.previously()+".",
		s.groups(d, "Tenant", "tenant", s.Tenants, s.TenantsBefore))
}

// groups is a table of another dimension; without was it says nothing of the period before.
func (s *Summary) groups(d *document, head, noun string, rows []agg.Row, was map[string]agg.Row) *table {
	st, sum := d.style, s.total()
	type part struct {
		column
		cell func(r *agg.Row) cell
	}
	parts := []part{
		{column{head: head, left: true}, func(r *agg.Row) cell {
			if r.Model == agg.Others {
				return text("others together")
			}
			return text(r.Model)
		}},
		{column{head: "Requests", width: 18}, func(r *agg.Row) cell { return text(st.count(r.Requests)) }},
		{column{head: "Share", width: 16}, func(r *agg.Row) cell { return text(share(st, r.Requests, sum.Requests)) }},
	}
	if was != nil {
		parts = append(parts, part{column{head: "Change", width: 20}, func(r *agg.Row) cell { return changed(st, r.Requests, before(was, r.Model)) }})
	}
	parts = append(parts, part{column{head: "Error rate", width: 19}, func(r *agg.Row) cell { return text(blank(st.percent(r.ErrorRate))) }})
	if noun != "user" {
		parts = append(parts, part{column{head: "Users", width: 16}, func(r *agg.Row) cell { return text(st.count(r.UniqueUsers)) }})
	}
	parts = append(parts, part{column{head: "Tokens", width: 17}, func(r *agg.Row) cell { return text(st.short(float64(r.TotalTokens))) }},
		part{column{head: "Cost", width: 24}, func(r *agg.Row) cell { return text(blank(st.money(r.CostUSD))) }})
	t := &table{}
	for _, p := range parts {
		t.columns = append(t.columns, p.column)
	}
	shown := first(rows, mostModels)
	for i := range shown {
		var row []cell
		for _, p := range parts {
			row = append(row, p.cell(&shown[i]))
		}
		t.rows = append(t.rows, row)
	}
	t.more = d.more(len(rows), len(shown), noun)
	return t
}

// cost shows what the models cost, by request and by token.
func (s *Summary) cost(d *document) {
	known := slices.Clone(s.Models)
	known = slices.DeleteFunc(known, func(r agg.Row) bool { return r.CostUSD == nil })
	if len(known) == 0 {
		if s.total().Requests > 0 {
			d.add("cost", "Cost", "", prose("No request of this period has a known price, so nothing can be said of cost. Unknown is not zero: give the models prices, or let the events state cost_usd."))
		}
		return
	}
	slices.SortStableFunc(known, func(a, b agg.Row) int { return cmp.Compare(*b.CostUSD, *a.CostUSD) })
	d.add("cost", "Cost", "By model, the dearest first. Unpriced requests have no price and are not in it; the cost of tokens is known where every request has one.", s.costBars(d.style, first(known, 12)), s.costTable(d, known))
}

func (s *Summary) costBars(st *style, rows []agg.Row) bars {
	var out bars
	top := *rows[0].CostUSD
	for _, r := range rows {
		b := bar{name: r.Model, text: st.money(r.CostUSD)}
		if top > 0 {
			b.share = *r.CostUSD / top
		}
		if all := s.total().CostUSD; all != nil && *all > 0 {
			b.text += "  ·  " + st.fixed(100**r.CostUSD / *all, 1) + " %"
		}
		out = append(out, b)
	}
	return out
}

func (s *Summary) costTable(d *document, rows []agg.Row) *table {
	st := d.style
	row := func(name string, r, was *agg.Row) []cell {
		var old *float64
		if was != nil {
			old = was.CostUSD
		}
		c, unpriced := counted{r, s.Unpriced.of(r.Model)}, "–"
		if c.unpriced != nil {
			unpriced = st.count(*c.unpriced)
		}
		return []cell{text(name), text(st.money(r.CostUSD)), text(st.change(change(r.CostUSD, old))), text(unpriced), text(blank(st.money(perRequests(c)))),
			text(blank(st.money(perUnit(1e6, func(r *agg.Row) int64 { return r.TotalTokens })(c))))}
	}
	t := &table{columns: []column{{head: "Model", left: true}, {head: "Cost", width: 24}, {head: "Change", width: 20}, {head: "Unpriced", width: 20}, {head: "per 1,000 priced", width: 30}, {head: "per million tokens", width: 32}}}
	shown := first(rows, mostModels)
	for i := range shown {
		t.rows = append(t.rows, row(shown[i].Model, &shown[i], before(s.ModelsBefore, shown[i].Model)))
	}
	if len(rows) > 1 && s.Total != nil && s.Total.CostUSD != nil {
		t.total = row("Total", s.Total, s.Previous)
	}
	t.more = d.more(len(rows), len(shown), "model")
	return t
}

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

// incidents are alerts and what was done about them.
func (s *Summary) incidents(d *document) {
	const title = "Incidents and actions taken"
	st, known := d.style, &s.Incidents
	if known.Fired == nil {
		return
	}
	if len(known.Fired) == 0 {
		text := "No alert fired in this period."
		if since := known.Since; since != nil && since.Before(s.Period.End) {
			text = "No alert that began after " + st.moment(*since) + " fired in this period. Earlier ones are not known any more."
		} else if since != nil {
			text = "The alerts of this period are not known any more."
		}
		d.add("incidents", title, "", prose(text))
		return
	}
	var list items
	acted := 0
	for _, x := range known.Fired {
		acted += len(x.Actions)
		if len(list) < mostItems {
			list = append(list, x.item(st))
		}
	}
	about := st.plural(int64(len(known.Fired)), "alert") + " fired; " + st.plural(int64(acted), "action") + " followed. The oldest first."
	if n := len(known.Fired) - len(list); n > 0 {
		about += " The first " + st.count(int64(len(list))) + " are shown; the JSON has all."
	}
	if known.Since != nil {
		about += " Of those that began before " + st.moment(*known.Since) + " some may be missing."
	}
	d.add("incidents", title, about, list)
}

// moment writes a time for a sentence.
func (s *style) moment(t time.Time) string { return s.date(t, s.day+", "+s.clock) + " UTC" }

func (x *Incident) item(st *style) item {
	out := item{title: x.Rule, tone: Neutral, right: "lasts"}
	if x.Severity == "critical" || x.Severity == "error" {
		out.tone = Worse
	}
	if x.Subject != "" {
		out.title += ", " + x.Subject
	}
	if x.End != nil {
		out.right = lasted(x.End.Sub(x.Start))
	}
	words := []string{st.date(x.Start, st.day+", "+st.clock) + " UTC, " + x.Severity + "."}
	if x.Text != "" {
		words = append(words, x.Text)
	}
	if len(x.Actions) == 0 {
		words = append(words, "Nothing was changed.")
	}
	for _, a := range x.Actions {
		words = append(words, fmt.Sprintf("%s: %s at %s, %s.", st.date(a.At, st.clock), a.Action, a.Target, a.State))
	}
	out.text = strings.Join(words, " ")
	return out
}

// lasted writes a duration in two units at most.
func lasted(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%d days %d h", int(d.Hours())/24, int(d.Hours())%24)
}

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

// cover says how much of the period the numbers cover.
func (s *Summary) cover(d *document) {
	c, st := s.Coverage(), d.style
	d.coverage = [][2]string{
		{"Period", s.Period.Start.UTC().Format(time.RFC3339) + " to " + s.Period.End.UTC().Format(time.RFC3339) + " (end not included)"},
		{"Completeness", fmt.Sprintf("%s of the period is counted completely", st.percent(&c.Completeness))},
		{"Parts", fmt.Sprintf("%d of %s with data", c.WithData, st.plural(int64(c.Periods), unit(c.Level, 1)))},
		{"Late data", fmt.Sprintf("%s of %s came late and %s counted", st.count(c.LateEvents), st.plural(c.Events, "event"), map[bool]string{true: "is", false: "are"}[c.LateEvents == 1])},
		{"Not aggregated", missingText(st, c)},
		{"Source", "table " + c.Level + "_aggregations; its rows are in " + d.source},
	}
}

// comparison says with which periods the numbers are compared.
func (s *Summary) comparison(d *document) {
	d.coverage = append(d.coverage, [2]string{"Compared with", compareText(d.style, s.Period, s.Kind.Level(), s.Previous != nil, s.Earlier != nil)})
}

func compareText(st *style, p Period, level string, previous, earlier bool) string {
	say := func(p Period, known bool) string {
		if known {
			return st.span(p)
		}
		return st.span(p) + " (nothing is known of it)"
	}
	return "previous: " + say(p.Previous(level), previous) + "; " + strings.ToLower(p.earlierName(level)) + ": " + say(p.Earlier(level), earlier)
}

func missingText(st *style, c Coverage) string {
	if len(c.Missing) == 0 {
		return "nothing"
	}
	var names []string
	for _, t := range c.Missing[:min(len(c.Missing), 5)] {
		names = append(names, st.label(c.Level, t))
	}
	text := strings.Join(names, ", ")
	if n := len(c.Missing) - len(names); n > 0 {
		text += fmt.Sprintf(" and %d more", n)
	}
	return text
}

// earlierName is at the head of the second change.
func (d *document) earlierName() string { return d.period.earlierName(d.kind.Level()) }

// id is the name of what the document says, without its format.
func (d *document) id() string { return ID(d.kind, d.period, d.style.name) }
