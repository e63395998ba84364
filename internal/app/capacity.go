package app

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"github.com/hxp-enterprise/hxp/internal/batch/report"
)

// What the batch service tells of capacity, as its documents read it.
type (
	// CapacityPlan is what a person wants to see of an analysis.
	CapacityPlan = report.Analysis
	// Lacking is what needs more days of data.
	Lacking = report.Lacking
)

// Supposition is what would be if traffic grew or machines were lost.
type Supposition struct {
	Traffic  float64 `json:"traffic"`
	Lost     int     `json:"lost"`
	DataDays int     `json:"data_days"`
	Outcomes []struct {
		Model   string   `json:"model"`
		Left    int      `json:"machines_left"`
		Demand  float64  `json:"demand_per_hour"`
		Carries float64  `json:"carries_per_hour"`
		Use     *float64 `json:"use"`
		Verdict string   `json:"verdict"`
		Missing int      `json:"machines_missing"`
		Beyond  bool     `json:"unreachable"`
		Binding string   `json:"binding_constraint"`
		Text    string   `json:"text"`
	} `json:"outcomes"`
	Insufficient []Lacking `json:"insufficient_data"`
}

// Capacity reads the analysis of capacity into to, a *CapacityPlan or what else takes its JSON.
func (a *Asked) Capacity(ctx context.Context, to any) error {
	return a.Into(ctx, http.MethodGet, "/capacity/analysis", nil, to)
}

// Suppose asks what would become of the load when traffic is so many times what is forecast and machines are lost; model "" is all.
func (a *Asked) Suppose(ctx context.Context, traffic float64, lost int, model string) (s Supposition, err error) {
	q := url.Values{"traffic": {strconv.FormatFloat(traffic, 'g', -1, 64)}, "lost": {strconv.Itoa(lost)}}
	if model != "" {
		q.Set("model", model)
	}
	return s, a.Into(ctx, http.MethodGet, "/capacity/simulate?"+q.Encode(), nil, &s)
}
