package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/batch/cost"
	"github.com/hxp-enterprise/hxp/internal/batch/insight"
)

// document puts the numbers in order: what was found first, then what it stands on.
func (n Insight) document(rows []byte) *document {
	s := n.Summary
	d := s.begin(rows)
	d.terms = n.terms()
	if s.Kind == Cost {
		n.costDocument(d)
	} else {
		n.businessDocument(d)
	}
	s.cover(d)
	s.comparison(d)
	return d
}

func (n Insight) businessDocument(d *document) {
	s := n.Summary
	n.findings(d)
	s.trends(d)
	s.models(d)
	s.tenants(d)
	s.cost(d)
	n.own(d)
	n.budgets(d)
	s.quality(d)
	n.satisfaction(d)
	s.dimension(d, "endpoints", "Endpoints", "endpoint", s.Endpoints)
	n.people(d)
	s.dimension(d, "users", "Heavy users", "user", s.Users)
	s.incidents(d)
	s.capacity(d)
	s.periods(d)
}

func (n Insight) costDocument(d *document) {
	s := n.Summary
	d.hero = nil
	if c := s.costChart(d.style); !c.empty() {
		d.hero, c.title = c, "Cost per "+unit(s.TrendLevel, 1)
	}
	n.budgets(d)
	n.findings(d)
	s.cost(d)
	n.own(d)
	tokens := s.chart(d.style, "Tokens", d.style.short)
	tokens.bars = true
	tokens.add(s, "prompt", d.style.accent, func(r *agg.Row) *float64 { return new(float64(r.PromptTokens)) })
	tokens.add(s, "completion", d.style.accent2, func(r *agg.Row) *float64 { return new(float64(r.CompletionTokens)) })
	unitCost := s.chart(d.style, "Cost of a million tokens", d.style.moneyShort)
	unitCost.unit = d.style.rate()
	tokenCost := perUnit(1e6, func(r *agg.Row) int64 { return r.TotalTokens })
	unitCost.add(s, "", d.style.accent, func(r *agg.Row) *float64 { return tokenCost(counted{r, s.trendUnpriced()}) })
	d.addCharts("trends", "What moves the cost", "Each point is one "+unit(s.TrendLevel, 1)+".", tokens, unitCost)
	s.tenants(d)
	s.dimension(d, "endpoints", "Endpoints", "endpoint", s.Endpoints)
	s.dimension(d, "users", "Users", "user", s.Users)
	s.incidents(d)
	s.periods(d)
}

// dimension is a table of the busiest of something.
func (s *Summary) dimension(d *document, key, title, noun string, rows []agg.Row) {
	if len(rows) > 0 {
		d.add(key, title, "The whole period, the busiest first.", s.groups(d, strings.ToUpper(noun[:1])+noun[1:], noun, rows, nil))
	}
}

// findings are the statements, savings apart and ranked.
func (n Insight) findings(d *document) {
	f := n.Found
	if f == nil {
		return
	}
	st := d.style
	var found, savings items
	for i := range f.Findings {
		x := &f.Findings[i]
		shown := item{title: title(x), text: x.Text, tone: toneOf(x)}
		if x.Saving != nil && x.At == nil {
			shown.right, shown.tone = st.money(usd(x.Saving))+" a month", Better
			savings = append(savings, shown)
			continue
		}
		if c := change(x.After, x.Before); c != nil {
			shown.right = st.change(c)
		}
		found = append(found, shown)
	}
	about := "What stands out, each with the numbers behind it; of all that is said at most one in a hundred is chance."
	if f.Days != n.Period {
		about += " To tell a change from chance, the days " + st.span(f.Days) + " were looked at; changes are told that began in the period."
	}
	var first block = prose("Nothing stands out of the ordinary in this period.")
	if len(found) > 0 {
		first = shownItems(found)
	}
	d.add("findings", "Findings", about, append([]block{first}, limitsOf(f.Limits)...)...)
	if len(savings) > 0 {
		d.add("savings", "Savings", "Ranked by what they would save in a month.", shownItems(savings))
	}
}

// limitsOf says what could not be told.
func limitsOf(all []Limit) []block {
	var list facts
	for _, l := range all {
		list = append(list, [2]string{"Not told", spoken(l.What) + ": " + l.Why + "."})
	}
	if list == nil {
		return nil
	}
	return []block{list}
}

func shownItems(l items) items { return l[:min(len(l), mostItems)] }

// changedMetrics are the metrics whose changes findings tell, for people.
var changedMetrics = map[string]string{"latency_ms.p50": "Latency", "ttft_ms.p50": "Time to first token", "gpu_usage": "GPU usage", "kv_cache_usage": "KV cache usage"}

// title of a finding: what, and of whom.
func title(f *insight.Finding) string {
	out := spoken(f.Kind)
	if metric := changedMetrics[f.Metric]; metric != "" {
		switch f.Kind {
		case "level_shift":
			out = metric + " at another level"
		case "trend":
			out = metric + " drifts"
		}
	}
	for _, k := range sortedKeys(f.Subject) {
		out += ", " + f.Subject[k]
	}
	return out
}

// toneOf judges a finding: slower, dearer, more errors, less content and lost are for the worse.
func toneOf(f *insight.Finding) Trend {
	moreIs := Neutral
	switch {
	case strings.HasPrefix(f.Kind, "lost_"):
		return Worse
	case f.Metric == "satisfaction":
		moreIs = Better
	case f.Metric == "error_rate", f.Metric == "usd_per_million_tokens", strings.HasPrefix(f.Metric, "latency_ms"), strings.HasPrefix(f.Metric, "ttft_ms"):
		moreIs = Worse
	}
	if t := judge(change(f.After, f.Before), moreIs); t == Better || t == Worse {
		return t
	}
	return Neutral
}

// people tells how users come, come again and ask.
func (n Insight) people(d *document) {
	if n.Found == nil || n.Found.People == nil {
		return
	}
	p, st := n.Found.People, d.style
	var blocks []block
	var list facts
	if a := p.Activity; a != nil && a.Users > 0 {
		text := st.plural(int64(a.Users), "user")
		if a.DailyUsers != nil {
			text += "; " + st.digits(*a.DailyUsers, 3) + " on a typical day, " + st.count(int64(a.MostUsers)) + " on the busiest"
		}
		if a.Unnamed > 0 {
			text += "; " + st.plural(int64(a.Unnamed), "request") + " without a user"
		}
		list = append(list, [2]string{"Who came", text + "."})
	}
	if x := p.Sessions; x != nil && x.Sessions > 0 && x.PerSession != nil && x.OneRequest != nil {
		list = append(list, [2]string{"Sessions", fmt.Sprintf("%s, of %s requests in the median; %s of them have one request alone.", st.plural(int64(x.Sessions), "session"), st.digits(*x.PerSession, 3), st.percent(x.OneRequest))})
	}
	if list != nil {
		blocks = append(blocks, list)
	}
	if t := retention(st, p.Cohorts); t != nil {
		blocks = append(blocks, t)
	}
	d.add("people", "Who came, and came again", "Of the days "+st.span(n.Found.Days)+". Users by the week of their first request, and the share of them that came in the weeks after.", blocks...)
}

// mostWeeks is how many weeks of retention have room.
const mostWeeks = 9

// retention is a table of cohorts, the latest last; nil when there are fewer than two weeks.
func retention(st *style, cohorts []insight.Cohort) block {
	cohorts = cohorts[max(0, len(cohorts)-mostWeeks):]
	if len(cohorts) < 2 {
		return nil
	}
	weeks := 0
	for _, c := range cohorts {
		weeks = max(weeks, min(len(c.Retained), mostWeeks))
	}
	t := &table{columns: []column{{head: "First came in the week of", left: true}, {head: "Users", width: 16}}}
	for w := 1; w < weeks; w++ {
		t.columns = append(t.columns, column{head: fmt.Sprintf("%d later", w), width: 14})
	}
	for _, c := range cohorts {
		row := []cell{text(c.Week), text(st.count(int64(c.Users)))}
		for w := 1; w < weeks; w++ {
			if w < len(c.Retained) {
				row = append(row, text(st.fixed(100*c.Retained[w], 0)+" %"))
			} else {
				row = append(row, text(""))
			}
		}
		t.rows = append(t.rows, row)
	}
	return t
}

// satisfaction tells what users think of answers by how long these took, and of the models.
func (n Insight) satisfaction(d *document) {
	if n.Found == nil || n.Found.People == nil {
		return
	}
	p, st := n.Found.People, d.style
	scores := func(head string, all []insight.ShownScores) *table {
		t := &table{columns: []column{{head: head, left: true}, {head: "Judgements", width: 30}, {head: "Mean of 5", width: 26}, {head: "with 95 % from", width: 30}, {head: "to", width: 26}}}
		number := func(v *float64) cell {
			if v == nil {
				return text("–")
			}
			return text(st.fixed(*v, 2))
		}
		for _, x := range all {
			if x.N > 0 {
				t.rows = append(t.rows, []cell{text(x.Name), text(st.count(int64(x.N))), number(x.Mean), number(x.Lo), number(x.Hi)})
			}
		}
		return t
	}
	var blocks []block
	for _, t := range []*table{scores("Answers that took", p.ByLatency), scores("Model", p.ByModel), versionTable(st, p.ByVersion)} {
		if len(t.rows) > 0 {
			blocks = append(blocks, t)
		}
	}
	d.add("satisfaction", "What users think of answers", "Of the days "+st.span(n.Found.Days)+"; judgements that came within the hour of their request.", blocks...)
}

// versionTable holds each version of a model against its others.
func versionTable(st *style, all []insight.ShownVersion) *table {
	t := &table{columns: []column{{head: "Model and version", left: true}, {head: "Judgements", width: 22}, {head: "Mean of 5", width: 20}, {head: "with 95 % from", width: 26}, {head: "to", width: 16}, {head: "other versions", width: 26}, {head: "chance", width: 18}}}
	number := func(v *float64, decimals int) cell {
		if v == nil {
			return text("–")
		}
		return text(st.fixed(*v, decimals))
	}
	for _, x := range all[:min(len(all), mostModels)] {
		name, chance := x.Model+", "+x.Version, number(x.PValue, 3)
		if x.Version == "" {
			name = x.Model + ", none named"
		}
		if x.PValue != nil && *x.PValue < 0.001 {
			chance = text("< " + st.fixed(0.001, 3))
		}
		t.rows = append(t.rows, []cell{text(name), text(st.count(int64(x.N))), number(x.Mean, 2), number(x.Lo, 2), number(x.Hi, 2), number(x.Others, 2), chance})
	}
	if len(t.rows) > 0 {
		t.more = "Chance: how likely so large a difference to the other versions of the model would be if there were none, by Welch's test; not told with fewer than 30 judgements of either."
	}
	return t
}

// own tells what own GPUs cost, with what is idle.
func (n Insight) own(d *document) {
	if len(n.Own) == 0 {
		return
	}
	st := d.style
	money := func(v *agg.USD) cell { return text(blank(st.money(usd(v)))) }
	pools := &table{columns: []column{{head: "Pool", left: true}, {head: "GPUs", width: 14}, {head: "GPU-hours", width: 22}, {head: "In use", width: 20}, {head: "Cost", width: 28}, {head: "Used", width: 28}, {head: "Idle", width: 28}}}
	models := &table{columns: []column{{head: "Model", left: true}, {head: "Pool", width: 26, left: true}, {head: "Requests", width: 20}, {head: "Loaded", width: 26}, {head: "Marginal", width: 26}, {head: "Loaded, 1M tokens", width: 34}}}
	for _, p := range n.Own {
		pools.rows = append(pools.rows, []cell{text(p.Name), text(st.count(int64(p.GPUs))), text(st.count(p.GPUHours)), text(blank(st.percent(p.Utilization))), money(&p.CostUSD), money(p.UsedUSD), money(p.IdleUSD)})
		for _, m := range p.Models {
			models.rows = append(models.rows, []cell{text(m.Model), text(p.Name), text(st.count(int64(m.Requests))), money(&m.LoadedUSD), money(m.MarginalUSD), text(blank(st.money(m.PerMillion)))})
		}
	}
	blocks := []block{pools}
	if len(models.rows) > 0 {
		blocks = append(blocks, models)
	}
	if t := n.ownTenants(st); t != nil {
		blocks = append(blocks, t)
	}
	d.add("own", "Own GPUs", "What the pools cost in the period, fully loaded: capital, power and hosts, busy or idle. Not in the cost above, which is that of prices.", blocks...)
}

// ownTenants is a table of whose requests took how much, with what was idle, which together is what the pools cost; nil where nobody knows.
func (n Insight) ownTenants(st *style) block {
	if len(n.OwnTenants) == 0 {
		return nil
	}
	whole, rest := agg.USD(0), agg.USD(0)
	for _, p := range n.Own {
		whole += p.CostUSD
	}
	t := &table{columns: []column{{head: "Used by tenant", left: true}, {head: "Share", width: 24}, {head: "Cost", width: 30}}}
	line := func(name string, v agg.USD) {
		t.rows = append(t.rows, []cell{text(name), text(blank(st.percent(ratio(v, whole)))), text(st.money(usd(&v)))})
	}
	idle := whole
	for i, x := range n.OwnTenants {
		if idle -= x.OwnUSD; i < mostItems {
			line(cmp.Or(x.Tenant, "without a tenant"), x.OwnUSD)
		} else {
			rest += x.OwnUSD
		}
	}
	if more := len(n.OwnTenants) - mostItems; more > 0 {
		line(fmt.Sprintf("%d more", more), rest)
	}
	line("Idle", idle)
	t.total = []cell{text("Total"), text(blank(st.percent(ratio(whole, whole)))), text(st.money(usd(&whole)))}
	return t
}

// ratio is a part of a whole; nil where there is none.
func ratio(part, whole agg.USD) *float64 {
	if whole == 0 {
		return nil
	}
	return new(part.Float() / whole.Float())
}

// budgets tells how the budgets of the month stood at the end of the period.
func (n Insight) budgets(d *document) {
	if len(n.Budgets) == 0 {
		return
	}
	st := d.style
	t := &table{columns: []column{{head: "Name", left: true}, {head: "Month", width: 18}, {head: "Spent", width: 24}, {head: "Budget", width: 24}, {head: "Used", width: 18}, {head: "End of month", width: 26}, {head: "State", width: 34}}}
	var doubts facts
	for i := range n.Budgets {
		b := &n.Budgets[i]
		words, tone := stateOf(st, b)
		t.rows = append(t.rows, []cell{text(b.Name), text(b.Month), text(st.money(usd(&b.SpentUSD))), text(st.money(usd(&b.BudgetUSD))), text(st.fixed(100*b.UsedRatio, 1) + " %"), text(blank(st.money(b.ExpectedUSD))), {words, tone}})
		if b.Why != "" {
			doubts = append(doubts, [2]string{b.Name, strings.ToUpper(b.Why[:1]) + b.Why[1:] + "."})
		}
	}
	blocks := []block{t}
	if doubts != nil {
		blocks = append(blocks, doubts)
	}
	d.add("budgets", "Budgets", "How the budgets of the month stood at the end of the period. What is expected at the end of the month is the forecast of the days, without what has no price.", blocks...)
}

// stateOf writes how a budget stands.
func stateOf(st *style, b *cost.Standing) (words string, tone Trend) {
	switch b.State {
	case cost.Breached:
		return "spent on " + dayOf(st, b.BreachOn), Worse
	case cost.WillBreach:
		return "likely spent on " + dayOf(st, b.BreachOn), Worse
	case cost.MayBreach:
		return "may be spent on " + dayOf(st, b.Earliest), Neutral
	case cost.Within:
		return "lasts", Better
	}
	return "not known", Neutral
}

// dayOf names a day in a text.
func dayOf(st *style, t *time.Time) string { return st.date(*t, st.day) }

// terms are the definitions of what the report has.
func (n Insight) terms() []Term {
	out := slices.Clone(Definitions)
	if n.Own != nil {
		out = append(out, Term{"Loaded, marginal", "Marginal: a model's share of what was in use of its pool of GPUs, each hour shared out by the tokens of that hour. Loaded: its share of everything that the pool cost, idle hours as well."})
	}
	if n.Found != nil {
		out = append(out, Term{"Finding", "What a test finds with a false discovery rate of one in a hundred over all tests of the report, and what is large enough to matter. Days that resemble the day before prove less."})
	}
	return out
}

func sortedKeys(m map[string]string) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}
