package app

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
)

// Recommendation is how many machines are needed, as the batch service tells it.
type Recommendation struct {
	Model       string             `json:"model"`
	Resource    string             `json:"resource"`
	Current     int                `json:"current"`
	Recommended int                `json:"recommended"`
	Binding     string             `json:"binding_constraint"`
	Formula     string             `json:"formula"`
	Inputs      map[string]float64 `json:"inputs"`
	Demand      float64            `json:"demand_per_hour"`
	Carries     float64            `json:"carries_per_hour"`
	Exhaustion  *struct {
		Days float64 `json:"days"`
		Lo   float64 `json:"lo"`
		Hi   float64 `json:"hi"`
	} `json:"exhaustion"`
	Confidence float64  `json:"confidence"`
	CostDelta  *float64 `json:"cost_delta_usd_month"`
	Reason     string   `json:"reason"`
}

// Lacking is what needs more days of data.
type Lacking struct {
	What string `json:"what"`
	Have int    `json:"have_days"`
	Need int    `json:"need_days"`
}

// CapacityPlan is what a person wants to see of an analysis.
type CapacityPlan struct {
	DataDays        int              `json:"data_days"`
	Recommendations []Recommendation `json:"scaling_recommendations"`
	Saturation      []struct {
		Model string `json:"model"`
		Knee  *struct {
			Load float64 `json:"load"`
			Lo   float64 `json:"lo"`
			Hi   float64 `json:"hi"`
		} `json:"knee"`
	} `json:"saturation"`
	Alerts []struct {
		Severity string `json:"severity"`
		Model    string `json:"model"`
		Text     string `json:"text"`
	} `json:"alerts"`
	Insufficient []Lacking `json:"insufficient_data"`
}

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
