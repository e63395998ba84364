package batch

import (
	"fmt"
	"math"
	"net/http"
	"time"

	"github.com/hxp-enterprise/hxp/internal/batch/capacity"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

// Limits of what is supposed.
const (
	maxTraffic = 1000
	maxLost    = 1000
)

// supposition is the answer of GET /capacity/simulate: what would be if.
type supposition struct {
	Traffic  float64       `json:"traffic"` // times the load that is forecast
	Lost     int           `json:"lost"`    // machines
	DataDays int           `json:"data_days"`
	Outcomes []consequence `json:"outcomes"` // of each recommendation of the analysis
	Missing  []lacking     `json:"insufficient_data"`
}

// consequence is what becomes of one of them. Use is the demand relative to what the machines that are left carry; above 1 they break.
type consequence struct {
	Model   string   `json:"model"`
	Left    int      `json:"machines_left"`
	Demand  float64  `json:"demand_per_hour"`
	Carries float64  `json:"carries_per_hour"`
	Use     *float64 `json:"use"` // null when no machine is left
	Verdict string   `json:"verdict"`
	Missing int      `json:"machines_missing"` // until the demand is within the target, without spare ones
	// Unreachable says that no useful number of machines brings the demand within the target, by the scaling law: machines_missing are those that help.
	Unreachable bool   `json:"unreachable"`
	Binding     string `json:"binding_constraint"`
	Text        string `json:"text"`
}

// Verdicts.
const (
	verdictHolds  = "holds"  // within the target
	verdictTight  = "tight"  // beyond the target, below what can be carried
	verdictBreaks = "breaks" // more than can be carried
)

// suppose tells what becomes of a recommendation when traffic grows by a factor and machines are lost. Each machine carries its share of what
// they carry together, or what the law says of so many; the binding constraint stays the same.
func suppose(r *recommendation, traffic float64, lost int) consequence {
	target := r.Inputs["target_utilization"]
	o := consequence{Model: r.Model, Left: max(0, r.Current-lost), Demand: r.Demand * traffic, Binding: r.Binding}
	o.Carries = r.carriedBy(o.Left)
	needed, enough := 0, true
	if o.Demand > 0 {
		needed, enough = capacity.Count(r.Current, o.Demand, r.Carries*target, r.Law)
	}
	o.Missing, o.Unreachable = max(0, needed-o.Left), !enough
	switch {
	case o.Demand > o.Carries:
		o.Verdict = verdictBreaks
	case o.Demand > o.Carries*target:
		o.Verdict = verdictTight
	default:
		o.Verdict = verdictHolds
	}
	o.Text = fmt.Sprintf("%s: %.0f requests in the busiest hour on %d %s that carry %.0f by %s", o.Verdict, o.Demand, o.Left, plural(o.Left, "machine"), o.Carries, o.Binding)
	if o.Left > 0 {
		o.Use = new(o.Demand / o.Carries)
		o.Text += fmt.Sprintf(", %.0f %% of it", 100**o.Use)
	}
	switch {
	case o.Unreachable:
		o.Text += fmt.Sprintf("; no number of machines in one group brings that to the target of %.0f %%: beyond %d one more adds next to nothing", 100*target, needed)
	case o.Missing > 0:
		o.Text += fmt.Sprintf("; %d more would bring that to the target of %.0f %%", o.Missing, 100*target)
	}
	return o
}

// carriedBy is how many requests an hour so many machines carry.
func (r *recommendation) carriedBy(machines int) float64 {
	share := float64(machines) / float64(r.Current)
	if r.Law != nil && machines > 0 {
		share *= r.Law.Efficiency(machines, r.Current)
	}
	return r.Carries * share
}

func (s *Service) mountCapacity(m *httpx.Mux) {
	off := httpx.Answer("409", "Capacity analysis is switched off.")
	m.HandleFunc("GET /capacity/analysis", s.getCapacity, httpx.Doc("How the machines are used, how the load grows and goes on, where models break, and how many machines that asks for; the last analysis, or one of now."),
		httpx.Answer("200", "The analysis.", analysis{}), off)
	m.HandleFunc("GET /capacity/simulate", s.getSimulation, httpx.Doc("What if traffic grows, or machines are lost? Answered from the recommendations of the analysis."),
		httpx.Query("traffic", "Times the load that is forecast, 0 to 1000; 1 when not given."), httpx.Query("lost", "Machines that are lost, 0 to 1000; 0 when not given."), httpx.Query("model", "Only of this model, _all for all together."),
		httpx.Answer("200", "What would become of each.", supposition{}), off, httpx.Answer("422", "A parameter cannot be used; errors says which."))
}

func (s *Service) getSimulation(w http.ResponseWriter, r *http.Request) {
	q := &query{values: r.URL.Query()}
	q.only("traffic", "lost", "model")
	traffic, lost := q.number("traffic", 1, 0, maxTraffic), q.number("lost", 0, 0, maxLost)
	if lost != math.Trunc(lost) {
		q.bad("lost", "out_of_range", "%v is not a whole number of machines", lost)
	}
	if q.refused(w, r) || s.capacityOff(w, r) {
		return
	}
	a, err := s.analysis(r.Context(), s.now().UTC().Truncate(time.Hour))
	if err != nil {
		s.fail(w, r, err)
		return
	}
	out := supposition{Traffic: traffic, Lost: int(lost), DataDays: a.DataDays, Outcomes: []consequence{}, Missing: a.Insufficient}
	for i := range a.Recommendations {
		if model := q.values.Get("model"); model == "" || model == a.Recommendations[i].Model {
			out.Outcomes = append(out.Outcomes, suppose(&a.Recommendations[i], traffic, int(lost)))
		}
	}
	httpx.JSON(w, http.StatusOK, out)
}
