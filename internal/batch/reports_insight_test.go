package batch

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/batch/cost"
	"github.com/hxp-enterprise/hxp/internal/batch/report"
)

// Reports of business intelligence and of costs tell what was found, what own GPUs cost and how the budgets stood at the end of the period; a
// change before the period is no news.
func TestReportsTellFindings(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		fortnight(w) // model a gets twice as dear on 8 March
		r := begin(t, w, func(c *Config) {
			c.Costs.SelfHosted = []cost.Pool{{Name: "own", Models: []string{"a"}, GPUs: 2, GPUHourUSD: 3, PUE: 1, OutputWeight: 4}}
			c.Costs.Budgets = []cost.Budget{{Name: "all", USD: 0.001}}
		})
		type told struct {
			Findings []struct {
				Kind string     `json:"kind"`
				At   *time.Time `json:"at"`
			} `json:"findings"`
			Days    *report.Period    `json:"findings_from_days"`
			People  *report.People    `json:"people"`
			Own     []*cost.PoolCost  `json:"own_gpus"`
			Tenants []report.OwnShare `json:"own_gpus_by_tenant"`
			Budgets []cost.Standing   `json:"budgets"`
		}
		make := func(kind, start, end string) (d told) {
			t.Helper()
			a := r.call("POST", "/reports/generate", `{"report_type":"`+kind+`","format":"json","period":{"start":"2026-03-`+start+`T00:00:00Z","end":"2026-03-`+end+`T00:00:00Z"}}`)
			if a.status != 201 {
				t.Fatalf("%s: %d %s", kind, a.status, a.body)
			}
			id := strings.Split(strings.Split(a.body, `"id":"`)[1], `"`)[0]
			if a = r.call("GET", "/reports/"+id+"/content", ""); json.Unmarshal([]byte(a.body), &d) != nil {
				t.Fatal(a.body)
			}
			return d
		}
		rise := func(d told) (at string) {
			for _, f := range d.Findings {
				if f.Kind == "unit_cost_change" {
					at = f.At.Format(time.DateOnly)
				}
			}
			return at
		}
		bi := make("business_intelligence", "05", "15")
		if rise(bi) != "2026-03-08" || bi.People == nil || bi.People.Activity.Users != 3 || !bi.Days.Start.Equal(time.Date(2026, 2, 15, 0, 0, 0, 0, time.UTC)) {
			t.Errorf("%+v, people %+v", bi, bi.People)
		}
		if len(bi.Own) != 1 || bi.Own[0].Hours != 240 || bi.Own[0].CostUSD != 240*6e9 || len(bi.Own[0].Models) != 1 {
			t.Errorf("own GPUs: %+v", bi.Own)
		}
		sum := agg.USD(0)
		for _, x := range bi.Tenants {
			sum += x.OwnUSD
		}
		if sum == 0 || sum%6e9 != 0 || sum > bi.Own[0].CostUSD { // no samples: an hour with requests is all used
			t.Errorf("the tenants took %s of %s of own GPUs", sum, bi.Own[0].CostUSD)
		}
		if len(bi.Budgets) != 1 || bi.Budgets[0].State != cost.Breached || bi.Budgets[0].BreachOn.Format(time.DateOnly) != "2026-03-01" {
			t.Errorf("budgets: %+v", bi.Budgets)
		}
		costs := make("cost", "10", "15")
		if rise(costs) != "" || costs.Findings == nil || costs.People != nil {
			t.Errorf("the change was before the period: %+v", costs.Findings)
		}
	})
}
