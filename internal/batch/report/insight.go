package report

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// Finding is a statement about a period with the numbers behind it.
type Finding struct {
	Kind     string            `json:"kind"`
	Subject  map[string]string `json:"subject"`
	Metric   string            `json:"metric"`
	At       *time.Time        `json:"at"`
	Before   *float64          `json:"before"`
	After    *float64          `json:"after"`
	Text     string            `json:"text"`
	Evidence json.RawMessage   `json:"evidence"`
	Saving   *float64          `json:"saving_usd_month,omitempty"`
}

// Insight is a report about a period as a whole: business_intelligence, monthly_business_intelligence and cost. What it is made from is a
// summary of more dimensions.
type Insight struct{ *Summary }

// Render makes the document in a format.
func (n Insight) Render(format string) ([]byte, error) {
	if err := n.checkRows(); err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	table, err := n.csv()
	if err != nil {
		return nil, err
	}
	switch format {
	case CSV:
		return table, nil
	case JSON:
		return n.json()
	}
	return n.document(table).render(format)
}

// document puts the numbers in order: what was found first, then what it stands on.
func (n Insight) document(rows []byte) *document {
	s := n.Summary
	d := s.begin(rows)
	if s.Kind == Cost {
		n.costDocument(d)
	} else {
		s.findings(d)
		s.trends(d)
		s.models(d)
		s.tenants(d)
		s.cost(d)
		s.quality(d)
		s.dimension(d, "endpoints", "Endpoints", "endpoint", s.Endpoints)
		s.dimension(d, "users", "Heavy users", "user", s.Users)
		s.capacity(d)
		s.periods(d)
	}
	s.cover(d)
	s.comparison(d)
	return d
}

func (n Insight) costDocument(d *document) {
	s := n.Summary
	d.hero = s.costChart(d.style)
	d.hero.title = "Cost per " + unit(s.TrendLevel, 1)
	s.findings(d)
	s.cost(d)
	tokens := s.chart(d.style, "Tokens", d.style.short)
	tokens.bars = true
	tokens.add(s, "prompt", d.style.accent, func(r *agg.Row) *float64 { return new(float64(r.PromptTokens)) })
	tokens.add(s, "completion", d.style.accent2, func(r *agg.Row) *float64 { return new(float64(r.CompletionTokens)) })
	unitCost := s.chart(d.style, "Cost of a million tokens", d.style.moneyShort)
	tokenCost := perUnit(1e6, func(r *agg.Row) int64 { return r.TotalTokens })
	unitCost.add(s, "", d.style.accent, func(r *agg.Row) *float64 { return tokenCost(counted{r, s.trendUnpriced()}) })
	d.add("trends", "What moves the cost", "Each point is one "+unit(s.TrendLevel, 1)+".", charts{tokens, unitCost})
	s.tenants(d)
	s.dimension(d, "endpoints", "Endpoints", "endpoint", s.Endpoints)
	s.dimension(d, "users", "Users", "user", s.Users)
	s.periods(d)
}

// dimension is a table of the busiest of something.
func (s *Summary) dimension(d *document, key, title, noun string, rows []agg.Row) {
	if len(rows) > 0 {
		d.add(key, title, "The whole period, the busiest first.", s.groups(d, strings.ToUpper(noun[:1])+noun[1:], noun, rows, nil))
	}
}

// findings are the statements, savings apart and ranked.
func (s *Summary) findings(d *document) {
	if s.Findings == nil {
		return
	}
	st := d.style
	var found, savings items
	for _, f := range s.Findings {
		x := item{title: f.title(), text: f.Text, tone: Neutral}
		if f.Saving != nil {
			x.right, x.tone = st.money(f.Saving)+" a month", Better
			savings = append(savings, x)
			continue
		}
		if c := change(f.After, f.Before); c != nil {
			x.right = st.change(c)
		}
		found = append(found, x)
	}
	if len(found) == 0 {
		d.add("findings", "Findings", "", prose("Nothing stands out of the ordinary in this period."))
	} else {
		d.add("findings", "Findings", "What stands out, each with the numbers behind it.", shownItems(found))
	}
	if len(savings) > 0 {
		d.add("savings", "Savings", "Ranked by what they would save in a month.", shownItems(savings))
	}
}

func shownItems(l items) items { return l[:min(len(l), mostItems)] }

// title of a finding: what, and of whom.
func (f *Finding) title() string {
	out := spoken(f.Kind)
	for _, k := range sortedKeys(f.Subject) {
		out += ", " + f.Subject[k]
	}
	return out
}

// insightJSON is the document for programs.
type insightJSON struct {
	head
	Findings    []Finding  `json:"findings"` // null where nobody looks for them
	Total       *totalRow  `json:"total"`
	Models      []modelRow `json:"models"`
	Tenants     []groupRow `json:"tenants"`
	Endpoints   []groupRow `json:"endpoints"`
	Users       []groupRow `json:"users"`
	Periods     []row      `json:"periods"`
	Coverage    Coverage   `json:"coverage"`
	Definitions []Term     `json:"definitions"`
}

// totalRow is the total of the period.
type totalRow struct {
	modelRow
	Model *struct{} `json:"model,omitempty"`
}

func (n Insight) json() ([]byte, error) {
	s := n.Summary
	doc := insightJSON{head: s.head(), Findings: s.Findings, Models: []modelRow{}, Tenants: groupRows(s.Tenants), Endpoints: groupRows(s.Endpoints), Users: groupRows(s.Users), Periods: []row{},
		Coverage: s.Coverage(), Definitions: Definitions}
	if s.Total != nil {
		doc.Total = &totalRow{modelRow: modelRow{Row: *s.Total}}
	}
	for _, r := range s.Models {
		doc.Models = append(doc.Models, modelRow{Row: r, Unpriced: s.Unpriced.of(r.Model)})
	}
	for _, r := range s.Rows {
		if r.Model == agg.AllModels {
			doc.Periods = append(doc.Periods, row{Row: r})
		}
	}
	b, err := json.MarshalIndent(doc, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	return append(b, '\n'), nil
}

var insightColumns = []string{"dimension", "value", "requests", "errors", "error_rate", "latency_p95_ms", "user_satisfaction", "unique_users", "prompt_tokens", "completion_tokens", "total_tokens", "cost_usd", "previous_requests", "previous_cost_usd", "finding", "at", "before", "after", "saving_usd_month"}

// csv has one line for each value of each dimension, the total first, and one for each finding.
func (n Insight) csv() ([]byte, error) {
	s := n.Summary
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	w.UseCRLF = true
	_ = w.Write(insightColumns)
	line := func(dimension string, r, was *agg.Row) {
		cells := []any{dimension, r.Model, r.Requests, r.Errors, r.ErrorRate, r.LatencyP95MS, r.UserSatisfaction, r.UniqueUsers, r.PromptTokens, r.CompletionTokens, r.TotalTokens, r.CostUSD, nil, nil, nil, nil, nil, nil, nil}
		if was != nil {
			cells[12], cells[13] = was.Requests, was.CostUSD
		}
		_ = w.Write(cellsOf(cells))
	}
	total := *s.total()
	total.Model = agg.AllModels
	line("total", &total, s.Previous)
	for _, dim := range []struct {
		name string
		rows []agg.Row
		was  map[string]agg.Row
	}{{"model", s.Models, s.ModelsBefore}, {"tenant", s.Tenants, s.TenantsBefore}, {"endpoint", s.Endpoints, nil}, {"user_id", s.Users, nil}} {
		for i := range dim.rows {
			line(dim.name, &dim.rows[i], before(dim.was, dim.rows[i].Model))
		}
	}
	for i := range s.Findings {
		f := &s.Findings[i]
		cells := make([]any, len(insightColumns))
		cells[0], cells[1], cells[14], cells[16], cells[17], cells[18] = "finding", f.title(), f.Text, f.Before, f.After, f.Saving
		if f.At != nil {
			cells[15] = *f.At
		}
		_ = w.Write(cellsOf(cells))
	}
	w.Flush()
	if err := w.Error(); err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	return b.Bytes(), nil
}

func cellsOf(values []any) []string {
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = Cell(v)
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
