package report

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/batch/cost"
	"github.com/hxp-enterprise/hxp/internal/batch/insight"
)

// Found is what business intelligence says of a period.
type Found struct {
	Days     Period            // that were looked at: the period, and days before it where it is short
	Findings []insight.Finding // ranked
	Limits   []Limit
	People   *People // nil where nobody knows
}

// Limit says what could not be told, and why.
type Limit struct {
	What string `json:"what"`
	Why  string `json:"why"`
}

// People is what is known of users, over the days that were looked at.
type People struct {
	Activity  *insight.Users         `json:"activity"`
	Sessions  *insight.Sessions      `json:"sessions"`
	Cohorts   []insight.Cohort       `json:"cohorts"`
	ByLatency []insight.ShownScores  `json:"satisfaction_by_latency"`
	ByModel   []insight.ShownScores  `json:"satisfaction_by_model"`
	ByVersion []insight.ShownVersion `json:"satisfaction_by_version"`
}

// OwnShare is what the requests of a tenant took of own GPUs; "" is those that name none.
type OwnShare struct {
	Tenant string  `json:"tenant"`
	OwnUSD agg.USD `json:"own_gpu_usd"`
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

// insightJSON is the document for programs.
type insightJSON struct {
	head
	Findings    []insight.Finding `json:"findings"` // null where nobody looks for them, as the three that follow
	Days        *Period           `json:"findings_from_days"`
	Limits      []Limit           `json:"limits"`
	People      *People           `json:"people"`
	Own         []*cost.PoolCost  `json:"own_gpus"`           // null where there are none
	OwnTenants  []OwnShare        `json:"own_gpus_by_tenant"` // null where they are not told apart
	Budgets     []cost.Standing   `json:"budgets"`
	Total       *totalRow         `json:"total"`
	Models      []modelRow        `json:"models"`
	Tenants     []groupRow        `json:"tenants"`
	Endpoints   []groupRow        `json:"endpoints"`
	Users       []groupRow        `json:"users"`
	Periods     []row             `json:"periods"`
	Incidents   []Incident        `json:"incidents"` // null where nobody knows
	AllSince    *time.Time        `json:"incidents_whole_since,omitempty"`
	Coverage    Coverage          `json:"coverage"`
	Definitions []Term            `json:"definitions"`
}

// totalRow is the total of the period.
type totalRow struct {
	modelRow
	Model *struct{} `json:"model,omitempty"`
}

func (n Insight) json() ([]byte, error) {
	s := n.Summary
	doc := insightJSON{head: s.head(), Own: s.Own, OwnTenants: s.OwnTenants, Budgets: s.Budgets, Models: []modelRow{}, Tenants: groupRows(s.Tenants), Endpoints: groupRows(s.Endpoints), Users: groupRows(s.Users), Periods: []row{}, Incidents: s.Incidents.Fired, AllSince: s.Incidents.Since,
		Coverage: s.Coverage(), Definitions: n.terms()}
	if f := s.Found; f != nil {
		doc.Findings, doc.Days, doc.Limits, doc.People = f.Findings, &f.Days, f.Limits, f.People
	}
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

// insightColumns are those of the CSV; new ones are added at the end.
var insightColumns = []string{"dimension", "value", "requests", "errors", "error_rate", "latency_p95_ms", "user_satisfaction", "unique_users", "prompt_tokens", "completion_tokens", "total_tokens", "cost_usd", "previous_requests", "previous_cost_usd",
	"finding", "at", "before", "after", "saving_usd_month", "pool", "marginal_usd", "idle_usd", "budget_usd", "expected_usd", "state"}

// csv has one line for each value of each dimension, the total first, and one for each finding, pool of own GPUs, model on it, budget and incident.
func (n Insight) csv() ([]byte, error) {
	s := n.Summary
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	w.UseCRLF = true
	_ = w.Write(insightColumns)
	put := func(cells map[string]any) {
		line := make([]string, len(insightColumns))
		for i, name := range insightColumns {
			line[i] = Cell(cells[name])
		}
		_ = w.Write(line)
	}
	n.rows(put)
	if s.Found != nil {
		for _, f := range s.Found.Findings {
			cells := map[string]any{"dimension": "finding", "value": title(&f), "finding": f.Text, "before": f.Before, "after": f.After, "saving_usd_month": usd(f.Saving)}
			if f.At != nil {
				cells["at"] = *f.At
			}
			put(cells)
		}
	}
	for _, p := range s.Own {
		put(map[string]any{"dimension": "own_gpu_pool", "value": p.Name, "pool": p.Name, "cost_usd": p.CostUSD.Float(), "marginal_usd": usd(p.UsedUSD), "idle_usd": usd(p.IdleUSD)})
		for _, m := range p.Models {
			put(map[string]any{"dimension": "own_gpu_model", "value": m.Model, "pool": p.Name, "requests": int64(m.Requests), "prompt_tokens": m.Prompt, "completion_tokens": m.Completion,
				"total_tokens": m.Prompt + m.Completion, "cost_usd": m.LoadedUSD.Float(), "marginal_usd": usd(m.MarginalUSD)})
		}
	}
	for _, x := range s.Budgets {
		put(map[string]any{"dimension": "budget", "value": x.Name, "cost_usd": x.SpentUSD.Float(), "budget_usd": x.BudgetUSD.Float(), "expected_usd": x.ExpectedUSD, "state": string(x.State)})
	}
	for i := range s.Incidents.Fired {
		put(s.Incidents.Fired[i].cells())
	}
	w.Flush()
	if err := w.Error(); err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	return b.Bytes(), nil
}

// cells are the line of an incident.
func (x *Incident) cells() map[string]any {
	state := x.Severity + ", lasts"
	if x.End != nil {
		state = x.Severity + ", " + lasted(x.End.Sub(x.Start))
	}
	text := x.Text
	for _, a := range x.Actions {
		text += fmt.Sprintf(" %s: %s at %s, %s.", a.At.UTC().Format(time.RFC3339), a.Action, a.Target, a.State)
	}
	return map[string]any{"dimension": "incident", "value": strings.TrimSuffix(x.Rule+", "+x.Subject, ", "), "finding": text, "at": x.Start, "state": state}
}

// rows puts the lines of the dimensions.
func (n Insight) rows(put func(map[string]any)) {
	line := func(dimension string, r, was *agg.Row) {
		cells := map[string]any{"dimension": dimension, "value": r.Model, "requests": r.Requests, "errors": r.Errors, "error_rate": r.ErrorRate, "latency_p95_ms": r.LatencyP95MS, "user_satisfaction": r.UserSatisfaction,
			"unique_users": r.UniqueUsers, "prompt_tokens": r.PromptTokens, "completion_tokens": r.CompletionTokens, "total_tokens": r.TotalTokens, "cost_usd": r.CostUSD}
		if was != nil {
			cells["previous_requests"], cells["previous_cost_usd"] = was.Requests, was.CostUSD
		}
		put(cells)
	}
	s := n.Summary
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
}

// usd is an amount as a number, nil when it is not known.
func usd(n *agg.USD) *float64 {
	if n == nil {
		return nil
	}
	return new(n.Float())
}
