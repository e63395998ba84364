package report

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/batch/cost"
)

// Summary is what a *_summary report, and the numbers of the others, are made from.
type Summary struct {
	Kind     Kind
	Period   Period
	Template *Template // nil = the built-in one
	// Rows are those of the kind's level that start in the period, of all models, by time and model.
	Rows []agg.Row
	// Total, Previous and Earlier are the totals of the whole period, of the one before, and of the same period before; nil = nothing is
	// known of it.
	Total, Previous, Earlier *agg.Row
	// Thin is how much of the period before has data, where that is clearly less than of this one; nil = it can be compared with.
	Thin *Parts
	// Models are the totals of the whole period by model, the busiest first, and so are the other dimensions.
	Models, Tenants, Endpoints, Users []agg.Row
	// Unpriced are the requests without a price by model and in all, those before and earlier as the totals.
	Unpriced, UnpricedBefore, UnpricedEarlier Unpriced
	// ModelsBefore are the totals of the period before by model, TenantsBefore by tenant.
	ModelsBefore, TenantsBefore map[string]agg.Row
	// Trend are the rows agg.AllModels that the charts show: those of TrendLevel in TrendPeriod.
	Trend       []agg.Row
	TrendLevel  string
	TrendPeriod Period
	// Incidents are the alerts that fired in the period.
	Incidents Alerts
	// Found is what was found out about the period; nil = nobody here looks for it.
	Found *Found
	// Own is what own GPUs cost in the period, nil = there are none; Budgets is how the budgets of the month stood at its end.
	Own        []*cost.PoolCost
	OwnTenants []OwnShare // what they took of own GPUs; none where raw events are too many to be read
	Budgets    []cost.Standing
	// Missing are the periods of the level that have data but no row yet.
	Missing []time.Time
}

// Parts are the periods of a level in a longer one, and how many of them have data.
type Parts struct {
	Level         string
	WithData, All int
}

// Unpriced counts requests without a price by model, and of all under agg.AllModels. What is not there is not known.
type Unpriced map[string]int64

func (u Unpriced) of(model string) *int64 {
	if n, ok := u[model]; ok {
		return &n
	}
	return nil
}

// trendUnpriced is what is known of the parts of the period: none lacks a price when the whole period lacks none.
func (s *Summary) trendUnpriced() *int64 {
	if n := s.Unpriced.of(agg.AllModels); n != nil && *n == 0 && s.TrendPeriod == s.Period {
		return n
	}
	return nil
}

// Alerts are those that fired in a period.
type Alerts struct {
	Fired []Incident // the oldest first; nil = nobody here knows
	Since *time.Time // of those that began before, some may be missing; nil = none is
}

// Incident is an alert with what was done about it.
type Incident struct {
	Start    time.Time  `json:"starts_at"`
	End      *time.Time `json:"ends_at"` // null while it lasts
	Rule     string     `json:"rule"`
	Severity string     `json:"severity"`
	Subject  string     `json:"subject"`
	Text     string     `json:"text"`
	Actions  []Action   `json:"actions"`
}

// Action is a change of a system that answered an alert.
type Action struct {
	At     time.Time `json:"at"`
	Action string    `json:"action"`
	Target string    `json:"target"`
	State  string    `json:"state"`
}

// check refuses what would make a wrong document.
func (s *Summary) check() error {
	if !s.Kind.Summary() {
		return fmt.Errorf("%s is no summary", s.Kind)
	}
	return s.checkRows()
}

// checkRows refuses rows that contradict each other or the period.
func (s *Summary) checkRows() error {
	if _, err := s.Period.Count(s.Kind.Level()); err != nil {
		return fmt.Errorf("the period: %w", err)
	}
	for i := range s.Rows {
		r := &s.Rows[i]
		if r.Timestamp.Before(s.Period.Start) || !r.Timestamp.Before(s.Period.End) {
			return fmt.Errorf("a row of %s lies outside of the period", r.Timestamp.Format(time.RFC3339))
		}
		if i == 0 {
			continue
		}
		if b := &s.Rows[i-1]; r.Timestamp.Before(b.Timestamp) || r.Timestamp.Equal(b.Timestamp) && r.Model <= b.Model {
			return fmt.Errorf("the rows of %s are not in order, or two are of one model", r.Timestamp.Format(time.RFC3339))
		}
	}
	return nil
}

// Coverage says how much of a period its numbers cover.
type Coverage struct {
	Completeness float64     `json:"completeness"` // 1 = nothing is missing or behind; a period without events counts as covered
	Level        string      `json:"level"`
	Periods      int         `json:"periods"`
	WithData     int         `json:"periods_with_data"`
	Missing      []time.Time `json:"missing"` // have data but are not aggregated
	Events       int64       `json:"events"`
	LateEvents   int64       `json:"late_events"`
}

// Coverage counts what is there.
func (s *Summary) Coverage() Coverage {
	level := s.Kind.Level()
	n, _ := s.Period.Count(level)
	c := Coverage{Level: level, Periods: n, Missing: s.Missing}
	if c.Missing == nil {
		c.Missing = []time.Time{}
	}
	covered := float64(n - len(s.Missing))
	for i := range s.Rows {
		r := &s.Rows[i]
		if r.Model != agg.AllModels {
			continue
		}
		c.WithData, c.Events, c.LateEvents = c.WithData+1, c.Events+r.Events, c.LateEvents+r.LateEvents
		if r.Completeness != nil {
			covered -= 1 - *r.Completeness
		}
	}
	if n > 0 {
		c.Completeness = min(1, max(0, covered/float64(n)))
	}
	return c
}

// Completeness is the share of the period that the numbers cover.
func (s *Summary) Completeness() float64 { return s.Coverage().Completeness }

// Render makes the document in a format.
func (s *Summary) Render(format string) ([]byte, error) {
	if err := s.check(); err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	switch format {
	case JSON:
		return s.json()
	case CSV:
		return rowsCSV(s.Rows)
	}
	table, err := rowsCSV(s.Rows)
	if err != nil {
		return nil, err
	}
	return s.document(table).render(format)
}

// Schema is the version of the JSON documents. Fields are added within a version; none is renamed, retyped or dropped.
const Schema = "hxp.report/1"

// head is what the documents for programs of summaries and of business intelligence begin with.
type head struct {
	Schema       string     `json:"schema"`
	Type         Kind       `json:"report_type"`
	Title        string     `json:"title"`
	Period       Period     `json:"period"`
	Previous     Period     `json:"previous_period"`
	Earlier      Period     `json:"same_period_before"`
	Completeness float64    `json:"completeness"`
	Unpriced     *int64     `json:"unpriced_requests"` // that the cost is not of; null where nobody knows
	Lead         string     `json:"summary"`
	Headline     []Headline `json:"headline"`
}

func (s *Summary) head() head {
	level := s.Kind.Level()
	return head{
		Schema: Schema, Type: s.Kind, Title: s.Kind.Title(), Period: s.Period, Previous: s.Period.Previous(level), Earlier: s.Period.Earlier(level),
		Completeness: s.Completeness(), Unpriced: s.Unpriced.of(agg.AllModels), Lead: s.lead(), Headline: s.Headline(),
	}
}

type summaryJSON struct {
	head
	Rows        []row      `json:"rows"`
	Models      []modelRow `json:"models"`
	Tenants     []groupRow `json:"tenants"`
	Incidents   []Incident `json:"incidents"` // null where nobody knows
	AllSince    *time.Time `json:"incidents_whole_since,omitempty"`
	Coverage    Coverage   `json:"coverage"`
	Definitions []Term     `json:"definitions"`
}

// row is a row without updated_at: when a row was written is not what the data say.
type row struct {
	agg.Row
	UpdatedAt *struct{} `json:"updated_at,omitempty"`
}

// modelRow is the total of a model: no period of its own.
type modelRow struct {
	agg.Row
	Unpriced  *int64    `json:"unpriced_requests,omitempty"` // that the cost is not of
	Timestamp *struct{} `json:"timestamp,omitempty"`
	UpdatedAt *struct{} `json:"updated_at,omitempty"`
}

// groupRow is the total of a value of another dimension.
type groupRow struct {
	Name string `json:"name"`
	modelRow
	Model *struct{} `json:"model,omitempty"`
}

func groupRows(rows []agg.Row) []groupRow {
	out := make([]groupRow, 0, len(rows))
	for _, r := range rows {
		out = append(out, groupRow{Name: r.Model, modelRow: modelRow{Row: r}})
	}
	return out
}

func (s *Summary) json() ([]byte, error) {
	doc := summaryJSON{head: s.head(), Tenants: groupRows(s.Tenants), Incidents: s.Incidents.Fired, AllSince: s.Incidents.Since,
		Rows: []row{}, Models: []modelRow{},
		Coverage: s.Coverage(), Definitions: Definitions}
	for _, r := range s.Rows {
		doc.Rows = append(doc.Rows, row{Row: r})
	}
	for _, r := range s.Models {
		doc.Models = append(doc.Models, modelRow{Row: r, Unpriced: s.Unpriced.of(r.Model)})
	}
	b, err := json.MarshalIndent(doc, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	return append(b, '\n'), nil
}
