package report

import (
	"time"

	"github.com/hxp-enterprise/hxp/internal/batch/capacity"
	"github.com/hxp-enterprise/hxp/internal/batch/forecast"
)

// Analysis is what readers take of the answer of GET /capacity/analysis: this document, and the command line. What is not in it yet stays empty.
type Analysis struct {
	Period          Period           `json:"period"`
	DataDays        int              `json:"data_days"`
	Utilization     []Utilization    `json:"resource_utilization"`
	Growth          []Growth         `json:"growth_trends"`
	Forecasts       []Forecast       `json:"capacity_forecasts"`
	Recommendations []Recommendation `json:"scaling_recommendations"`
	Saturation      []Saturation     `json:"saturation"`
	Phases          []Phase          `json:"phases"`
	Law             *ScalingLaw      `json:"scaling_law"`
	Alerts          []Warning        `json:"alerts"`
	Insufficient    []Lacking        `json:"insufficient_data"`
}

// Utilization is how much of a resource was in use.
type Utilization struct {
	Resource string   `json:"resource"`
	Unit     string   `json:"unit"`
	Source   string   `json:"source"` // events, or metrics_server
	Period   Period   `json:"period"`
	Hours    int      `json:"hours"`   // with samples
	Samples  uint64   `json:"samples"` // of all machines
	Mean     float64  `json:"mean"`    // of the samples
	P95      float64  `json:"p95"`     // of the means of the hours, nearest rank
	Max      float64  `json:"max"`     // of the samples
	Days     []DayUse `json:"days"`
}

// DayUse is how much of it was in use on a day.
type DayUse struct {
	Day  string  `json:"day"`
	Mean float64 `json:"mean"`
	Max  float64 `json:"max"`
}

// Growth compares the last seven days with the seven before.
type Growth struct {
	Metric       string     `json:"metric"`
	Model        string     `json:"model"`
	Period       Period     `json:"period"`
	PerDay       float64    `json:"per_day"`        // mean of the last seven days
	PerDayBefore float64    `json:"per_day_before"` // mean of the seven days before
	WeekOverWeek *float64   `json:"week_over_week"` // relative change; null when there was nothing before
	Days         []DayCount `json:"days"`           // that it stands on
}

// DayCount is a count of a day.
type DayCount struct {
	Day   string `json:"day"`
	Value int64  `json:"value"`
}

// Forecast is how the hours of a metric go on.
type Forecast struct {
	Metric   string            `json:"metric"`
	Model    string            `json:"model"`
	Interval float64           `json:"interval"`
	DataFrom time.Time         `json:"data_from"` // the first hour that it stands on
	Points   []ForecastPoint   `json:"points"`    // by hour, after the last one with events
	Method   string            `json:"method"`
	Backtest forecast.Backtest `json:"backtest"`
	Warnings []string          `json:"warnings"`
}

// ForecastPoint is a value to come with its bounds.
type ForecastPoint struct {
	T   time.Time `json:"t"`
	P50 float64   `json:"p50"`
	Lo  float64   `json:"lo"`
	Hi  float64   `json:"hi"`
}

// Recommendation is how many machines the load of the next week asks for. Formula is an expression over the names in Inputs whose value is
// Recommended.
type Recommendation struct {
	Model       string               `json:"model"`
	Resource    string               `json:"resource"`
	Current     int                  `json:"current"`
	Recommended int                  `json:"recommended"`
	Binding     string               `json:"binding_constraint"`
	Formula     string               `json:"formula"`
	Inputs      map[string]float64   `json:"inputs"`
	Demand      float64              `json:"demand_per_hour"`  // requests in the busiest hour of the next week, 95th percentile
	Carries     float64              `json:"carries_per_hour"` // requests an hour that the machines that there are carry at their limit
	Constraints map[string]float64   `json:"constraints"`      // what each constraint alone would let them carry
	Exhaustion  *capacity.Exhaustion `json:"exhaustion"`       // days until the daily peak reaches the target; null when it does not surely grow
	Confidence  float64              `json:"confidence"`       // 0–1, from days of data, fit of the constraint and coverage of the forecast
	CostDelta   *float64             `json:"cost_delta_usd_month"`
	CostBasis   string               `json:"cost_basis,omitempty"` // machine_hour_usd, or self_hosted: what the pools cost an hour, by the machines that there are
	Law         *capacity.USL        `json:"scaling_law"`          // that it counts with; null where machines are taken to carry alike
	Reason      string               `json:"reason"`
}

// Saturation is where the objective of a model breaks.
type Saturation struct {
	Model     string           `json:"model"`
	Metric    string           `json:"metric"`
	Objective float64          `json:"objective"`
	Knee      *capacity.Knee   `json:"knee"`     // requests a second, on the machines that there are now; null where nothing broke, or nothing was good
	Machines  int              `json:"machines"` // that there are now; 0 = not known
	Points    []capacity.Point `json:"points"`   // with the load as it was
}

// ScalingLaw is how what is carried grows with the number of machines, with what it was learnt from.
type ScalingLaw struct {
	capacity.USL
	Most   *float64       `json:"most_machines"` // more of them carry less; null where there is no such number
	Used   bool           `json:"used"`          // it fits well enough to recommend and to simulate with
	Points []ScalingPoint `json:"points"`
}

// ScalingPoint is what so many machines carried, in requests a second.
type ScalingPoint struct {
	Machines int     `json:"machines"`
	Carried  float64 `json:"carried_per_second"`
	Law      float64 `json:"law_per_second"`
	Windows  int     `json:"windows"`
}

// Law is the law to count with, nil where there is none that fits.
func (l *ScalingLaw) Law() *capacity.USL {
	if l == nil || !l.Used {
		return nil
	}
	return &l.USL
}

// Phase is where prefill or decode of a model leaves its objective.
type Phase struct {
	Model     string         `json:"model"`
	Phase     string         `json:"phase"` // prefill or decode
	Metric    string         `json:"metric"`
	Objective float64        `json:"objective"`
	Windows   int            `json:"windows"`            // that it is told from
	Knee      *capacity.Knee `json:"knee"`               // tokens a second: of prompts for prefill, of answers for decode; null where nothing broke, or nothing was good
	Tokens    float64        `json:"tokens_per_request"` // of that phase, in the last seven days
}

// Warning is an alert of an analysis. Rule names the page of the runbook: CapacityShort, CapacityEnds or ObjectiveBreaks.
type Warning struct {
	Rule      string  `json:"rule"`
	Severity  string  `json:"severity"`
	Model     string  `json:"model"`
	Value     float64 `json:"value"`
	Threshold float64 `json:"threshold"`
	Text      string  `json:"text"`
}

// Lacking is what needs more days of data.
type Lacking struct {
	What string `json:"what"`
	Have int    `json:"have_days"`
	Need int    `json:"need_days"`
}
