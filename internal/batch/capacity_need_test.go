package batch

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/batch/capacity"
	"github.com/hxp-enterprise/hxp/internal/batch/report"
	"github.com/hxp-enterprise/hxp/internal/event"
)

// busyHours are hours of n days from planStart on two machines: a load with the season of a day that grows by 2 % of the first day's each day, and GPUs
// that use 10 % and 0.05 % for each request.
func busyHours(n int) (hours []hourUse, sc *scanned) {
	sc = noRaw()
	for t := range 24 * n {
		at := planStart.Add(time.Duration(t) * time.Hour)
		requests := int64(math.Round(float64(dailyLoad(t, 600)) * (1 + 0.02*float64(t/24))))
		var c agg.Cell
		for range 2 {
			var e event.Event
			e.Kind = event.SystemMetric
			e.SetFloat(event.GPUUsage, 10+0.05*float64(requests))
			c.Add(&e, false)
		}
		hours = append(hours, hourUse{start: at, gauge: map[string]agg.Gauge{"gpu_usage": c.System.Gauge("gpu_usage")}, rows: []agg.Row{
			{Timestamp: at, Model: agg.AllModels, Requests: requests, Events: requests, TotalTokens: 100 * requests, Completeness: new(1.0)},
			{Timestamp: at, Model: "m", Requests: requests, Events: requests, TotalTokens: 100 * requests, Completeness: new(1.0)}}})
		sc.machines[at.Unix()] = fleetOf("gpu-0", "gpu-1")
	}
	return hours, sc
}

// fleetOf is machines that name no model, or one as "host model".
func fleetOf(machines ...string) fleet {
	f := newFleet()
	for _, m := range machines {
		host, model, _ := strings.Cut(m, " ")
		f.add(host, model)
	}
	return f
}

func TestRecommendationFollowsFromUseAndForecast(t *testing.T) {
	cfg := planningDefaults()
	cfg.MachineUSD = 2.5
	hours, sc := busyHours(28)
	a := analysed(t, &cfg, hours, sc, planStart.AddDate(0, 0, 28))
	if len(a.Recommendations) != 1 || len(a.Insufficient) != 0 {
		t.Fatalf("%+v, lacking %v", a.Recommendations, a.Insufficient)
	}
	r := a.Recommendations[0]
	// Two machines carry (100 − 10) ÷ 0.05 = 1,800 requests an hour; the busiest hour of the next week is near 960·(1 + 0.02·34) = 1,610.
	if r.Model != agg.AllModels || r.Binding != "gpu_usage" || r.Current != 2 || math.Abs(r.Carries-1800) > 2 || r.Demand < 1500 || r.Demand > 1900 {
		t.Fatalf("%+v", r)
	}
	if want := int(math.Ceil(2*r.Demand/(0.7*r.Carries))) + 1; r.Recommended != want || r.Inputs["failure_domain"] != 1 {
		t.Errorf("%d, want %d", r.Recommended, want)
	}
	if r.CostDelta == nil || math.Abs(*r.CostDelta-float64(r.Recommended-2)*2.5*730) > 1e-6 {
		t.Errorf("costs %v", r.CostDelta)
	}
	// 1,260 is the target; the daily peak is 960·1.54 = 1,478 at the end: reached already.
	if r.Exhaustion == nil || r.Exhaustion.Days != 0 || r.Confidence < 0.7 {
		t.Errorf("%+v, confidence %v", r.Exhaustion, r.Confidence)
	}
	if len(a.Alerts) != 1 || a.Alerts[0].Rule != "CapacityShort" || !strings.Contains(a.Alerts[0].Text, "the use of the GPUs") {
		t.Errorf("%+v", a.Alerts)
	}
	if len(a.Forecasts) != 4 || a.Forecasts[0].Metric != "requests" || len(a.Forecasts[0].Points) != planHours {
		t.Errorf("%d forecasts", len(a.Forecasts))
	}
	cfg.Alerts, cfg.Predictions, cfg.Models = false, false, false
	if a := analysed(t, &cfg, hours, sc, planStart.AddDate(0, 0, 28)); len(a.Alerts) != 0 || len(a.Forecasts) != 0 || len(a.Recommendations) != 1 {
		t.Errorf("switched off: %+v", a)
	}
}

func TestExhaustionIsTold(t *testing.T) {
	cfg := planningDefaults()
	cfg.Target = 1
	hours, sc := busyHours(21)
	a := analysed(t, &cfg, hours, sc, planStart.AddDate(0, 0, 21))
	// The peak is 960·1.4 = 1,344 on the last day and grows by 19.2 a day: 1,800 in 23.7 days.
	if len(a.Recommendations) != 1 || a.Recommendations[0].Exhaustion == nil {
		t.Fatalf("%+v", a.Recommendations)
	}
	e := a.Recommendations[0].Exhaustion
	if math.Abs(e.Days-23.7) > 3 || e.Lo > e.Days || e.Days > e.Hi {
		t.Errorf("%+v", e)
	}
}

func TestSuppose(t *testing.T) {
	r := &recommendation{Recommendation: report.Recommendation{Model: "m", Current: 4, Demand: 1000, Carries: 2000, Binding: "gpu_usage", Inputs: map[string]float64{"target_utilization": 0.7}}}
	for _, c := range []struct {
		traffic float64
		lost    int
		verdict string
		missing int
		use     float64
	}{{1, 0, verdictHolds, 0, 0.5}, {1, 1, verdictHolds, 0, 2.0 / 3}, {1, 2, verdictTight, 1, 1}, {1.5, 0, verdictTight, 1, 0.75}, {2, 1, verdictBreaks, 3, 4.0 / 3}, {1, 9, verdictBreaks, 3, 0}, {0, 9, verdictHolds, 0, 0}} {
		o := suppose(r, c.traffic, c.lost)
		if o.Verdict != c.verdict || o.Missing != c.missing || (o.Use == nil) != (o.Left == 0) || o.Use != nil && math.Abs(*o.Use-c.use) > 1e-9 {
			t.Errorf("%+v: %+v", c, o)
		}
	}
}

// ladder is one run of a real server under load, which is not part of the repository.
func ladder(t *testing.T, sc *scanned, scale int) (first, last float64) {
	t.Helper()
	body, err := os.ReadFile(fmt.Sprintf("../../../shared/data/engine/vllm_scale%d_detail.json", scale))
	if err != nil {
		t.Skip("no real runs: ", err)
	}
	var requests map[string]struct {
		Record float64 `json:"record_time"`
		TTFT   float64 `json:"first_chunk_time"`
		Total  float64 `json:"total_chunk_time"`
	}
	if err := json.Unmarshal(body, &requests); err != nil {
		t.Fatal(err)
	}
	first = math.Inf(1)
	for _, r := range requests {
		start := r.Record - r.Total
		first, last = min(first, start), max(last, start)
		at := int64(start) / slice
		if sc.slices["vllm"][at] == nil {
			sc.slices["vllm"][at] = &sliceOf{}
		}
		w := sc.slices["vllm"][at]
		w.requests, w.ttft = w.requests+1, append(w.ttft, r.TTFT*1000)
	}
	return first, last
}

// On a real server under three loads (100, 500 and 1500 times the pace of a trace) the first is carried, at up to 6 requests a second, and the second
// breaks in its last 20 seconds, at 15 to 24.
func TestKneeOfARealServer(t *testing.T) {
	sc := noRaw()
	sc.slices["vllm"] = map[int64]*sliceOf{}
	first, last := ladder(t, sc, 100)
	ladder(t, sc, 500)
	ladder(t, sc, 1500)
	found := sc.saturations(2000, sc.laws(2000))
	if len(found) != 1 || found[0].Knee == nil {
		t.Fatalf("%+v", found)
	}
	k := found[0].Knee
	t.Logf("knee at %.2f (%.2f to %.2f), peaks %.1f times their hour", k.Load, k.Lo, k.Hi, found[0].peak)
	if k.Load < 6 || k.Load > 24 {
		t.Errorf("knee at %v", k.Load)
	}
	for _, p := range found[0].Points {
		if at := float64(p.Start.Unix()); at >= first-slice && at <= last && !p.Good {
			t.Errorf("the slow run breaks: %+v", p)
		}
	}
}

func TestSimulationAnswers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := begin(t, newWorld(), nil)
		hourWithData(t, r.w, r)
		for path, word := range map[string]string{"traffic=-1": "traffic", "traffic=NaN": "traffic", "lost=1.5": "whole", "lost=1001": "lost", "days=3": "unknown_parameter"} {
			if a := r.call("GET", "/capacity/simulate?"+path, ""); a.status != 422 || !strings.Contains(a.body, word) {
				t.Errorf("%s: %d %s", path, a.status, a.body)
			}
		}
		if a := r.call("GET", "/capacity/simulate?traffic=2&lost=1", ""); a.status != 200 || !strings.Contains(a.body, `"outcomes":[]`) || !strings.Contains(a.body, "scaling_recommendations") {
			t.Errorf("one hour: %d %s", a.status, a.body)
		}
	})
}

// Raw events are counted by model and ten seconds, each identity once; an hour that cannot be read is left out whole.
func TestScanOfRawEvents(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		r := begin(t, w, nil)
		row := func(id string, second int64) event.LakeRow {
			e := request(id, "m", second*1e6)
			e.Event.SetInt(event.TTFT, int64(150*time.Millisecond))
			return e
		}
		w.publish(hour0, row("1", 0), row("2", 9), row("3", 10), row("1", 20))
		w.publish(hour0+3600, row("4", 5))
		both, err := r.s.scan(t.Context(), []int64{hour0 + 3600, hour0})
		if err != nil || len(both.slices["m"]) != 3 {
			t.Fatalf("%d slices, %v", len(both.slices["m"]), err)
		}
		first := both.slices["m"][hour0/slice]
		if first.requests != 2 || len(first.ttft) != 2 || first.ttft[0] != 150 || both.slices["m"][hour0/slice+2] != nil {
			t.Errorf("%+v", first)
		}
		w.scanFails = func(f event.LakeFile) error {
			if f.Hour == hour0 {
				return os.ErrNotExist
			}
			return nil
		}
		one, err := r.s.scan(t.Context(), []int64{hour0 + 3600, hour0})
		if err != nil || len(one.slices["m"]) != 1 {
			t.Errorf("%d slices, %v", len(one.slices["m"]), err)
		}
	})
}

func TestMachinesAreCountedByHost(t *testing.T) {
	var b event.LakeBlock
	b.Empty(event.SystemMetric, 3)
	*b.Fill(event.LakeColumn(event.Host)) = event.LakeVector{Words: []string{"gpu-0", "gpu-1"}, Index: []int32{0, 1, 0}}
	*b.Fill(event.LakeColumn(event.Model)) = event.LakeVector{Words: []string{"m", ""}, Index: []int32{0, 1, 1}}
	b.Rows = 3
	sc := newScanned()
	for hour := range int64(5) {
		sc.addMachines(event.LakeFile{Hour: hour * 3600}, &b)
	}
	sc.machines[4*3600] = fleetOf("gpu-1")
	sc.machines[0].add("gpu-9", "m") // an hour that is too old to count
	if sc.current() != 2 || sc.currentOf("m") != 1 || sc.currentOf("never named") != 2 {
		t.Errorf("%d machines, %d of m, %d of another model", sc.current(), sc.currentOf("m"), sc.currentOf("never named"))
	}
}

// Machines that left a model, as containers with new names do each day, are none of its machines.
func TestMachinesThatAreGoneAreNotCounted(t *testing.T) {
	sc := newScanned()
	for day := range int64(30) {
		host := fmt.Sprintf("pod-%d", day)
		sc.machines[day*24*3600] = fleetOf(host+" m", host+" was", "other n")
	}
	for hour := range int64(hoursOfMachines) {
		sc.machines[(30*24+hour)*3600] = fleetOf("pod-30 m", "other n")
	}
	if m, was := sc.currentOf("m"), sc.currentOf("was"); m != 1 || was != 0 || sc.current() != 2 {
		t.Errorf("%d machines of m, %d of a model that left, %d in all", m, was, sc.current())
	}
}

// An hour with more requests than are read hides neither its machines nor the hours before it.
func TestScanOfABusySystem(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		r := begin(t, w, nil)
		sample := func(host string, offset int64) event.LakeRow {
			row := request(host, "m", offset)
			row.TopicID, row.Topic = "t2", event.SystemMetric.Topic()
			row.Event.Kind = event.SystemMetric
			row.Event.SetText(event.Host, host)
			return row
		}
		w.publish(hour0, request("1", "m", 0), request("2", "m", 1))
		w.publish(hour0+3600, request("3", "m", 2))
		w.publish(hour0+3600, sample("gpu-0", 0), sample("gpu-1", 1), sample("gpu-0", 2))
		w.hours[hour0+3600].files[0].Rows = requestsScanned + 1
		sc, err := r.s.scan(t.Context(), []int64{hour0 + 3600, hour0})
		if err != nil {
			t.Fatal(err)
		}
		if sc.current() != 2 {
			t.Errorf("%d machines", sc.current())
		}
		if of := sc.slices["m"]; len(of) != 1 || of[hour0/slice] == nil || of[hour0/slice].requests != 2 {
			t.Errorf("the hour before: %+v", of)
		}
	})
}

// Where no machine was measured, nothing is recommended and the analysis says why.
func TestNothingIsRecommendedWithoutMachines(t *testing.T) {
	cfg := planningDefaults()
	hours, _ := busyHours(28)
	a := analysed(t, &cfg, hours, noRaw(), planStart.AddDate(0, 0, 28))
	if len(a.Recommendations) != 0 || len(a.Alerts) != 0 || len(a.Insufficient) != 1 || a.Insufficient[0] != (lacking{What: lackingMachines, Need: needMachines}) {
		t.Errorf("%+v, lacking %v", a.Recommendations, a.Insufficient)
	}
}

// fleets are windows of machines that carry by a law: of each number of machines an hour whose load rises in steps until the objective breaks.
func fleets(law capacity.USL, counts ...int) *scanned {
	sc := noRaw()
	of := map[int64]*sliceOf{}
	sc.slices["m"] = of
	for i, n := range counts {
		hour := planStart.Add(time.Duration(i) * time.Hour).Unix()
		names := make([]string, n)
		for k := range names {
			names[k] = fmt.Sprintf("gpu-%d", k)
		}
		sc.machines[hour] = fleetOf(names...)
		carries := int(math.Floor(law.Carries(float64(n)) * slice))
		for step, requests := range []int{carries / 2, carries, carries * 3 / 4, carries + 2, carries / 2} {
			w := &sliceOf{requests: requests}
			ttft := 400.0
			if step == 3 {
				ttft = 5000
			}
			for range requests {
				w.ttft = append(w.ttft, ttft)
			}
			of[hour/slice+int64(step)] = w
		}
		// A window that is twice as large as what was carried, and bad: what did not meet the objective was not carried.
		bad := &sliceOf{requests: 2 * carries}
		for range bad.requests {
			bad.ttft = append(bad.ttft, 9000)
		}
		of[hour/slice+100] = bad
	}
	return sc
}

// The law is learnt from the good windows of each number of machines, its parameters come back, and what is recommended and supposed counts with it.
func TestScalingLawIsLearntAndUsed(t *testing.T) {
	want := capacity.USL{Lambda: 40, Sigma: 0.06, Kappa: 0.004}
	sc := fleets(want, 1, 2, 3, 4, 6, 8)
	law := sc.laws(2000)(agg.AllModels)
	if law == nil || !law.Used || len(law.Points) != 6 || math.Abs(law.Lambda-40) > 0.5 || math.Abs(law.Sigma-0.06) > 0.01 || math.Abs(law.Kappa-0.004) > 0.001 || law.Fit < 0.98 {
		t.Fatalf("%+v", law)
	}
	if law.Most == nil || math.Abs(*law.Most-want.Most()) > 1 {
		t.Errorf("most %v, want %v", law.Most, want.Most())
	}
	if few := fleets(want, 2, 4).laws(2000)(agg.AllModels); few != nil {
		t.Errorf("two numbers of machines: %+v", few)
	}
	for _, w := range sc.slices["m"] { // nothing ever broke, so nobody knows what would have been too much
		for i := range w.ttft {
			w.ttft[i] = 100
		}
	}
	if idle := sc.laws(2000)(agg.AllModels); idle != nil {
		t.Errorf("an objective that never broke: %+v", idle)
	}
	// The knee is that of the machines that there are now, eight in the last hour, whatever number broke at it.
	sc = fleets(want, 1, 2, 3, 4, 6, 8)
	if s := sc.saturations(2000, sc.laws(2000)); len(s) != 1 || s[0].Machines != 8 || s[0].Knee == nil || math.Abs(s[0].Knee.Load/want.Carries(8)-1) > 0.05 || s[0].Knee.Hi > 1.15*s[0].Knee.Lo {
		t.Errorf("%+v", s[0].Knee)
	}
	cfg := planningDefaults()
	hours, machines := busyHours(28)
	sc = fleets(want, 1, 2, 3, 4, 6, 8)
	for hour, f := range machines.machines {
		if _, ok := sc.machines[hour]; !ok {
			sc.machines[hour] = f
		}
	}
	a := analysed(t, &cfg, hours, sc, planStart.AddDate(0, 0, 28))
	r := a.Recommendations[0]
	if a.ScalingLaw == nil || r.Law == nil || r.Current != 2 || !strings.Contains(r.Formula, "scaling_efficiency") {
		t.Fatalf("%+v", r)
	}
	if linear := int(math.Ceil(2*r.Demand/(0.7*r.Carries))) + 1; r.Recommended < linear {
		t.Errorf("%d machines with contention, %d without", r.Recommended, linear)
	}
	plain := r
	plain.Law = nil
	for _, traffic := range []float64{1, 2, 2.6} {
		o, without := suppose(&r, traffic, 0), suppose(&plain, traffic, 0)
		if o.Missing < without.Missing || o.Carries != without.Carries {
			t.Errorf("%v times: %+v, without the law %+v", traffic, o, without)
		}
		if left := o.Left + o.Missing; !o.Unreachable && 0.7*r.carriedBy(left) < o.Demand*(1-1e-9) {
			t.Errorf("%v times: %d machines carry %v of %v", traffic, left, r.carriedBy(left), o.Demand)
		}
	}
	if o := suppose(&r, 900, 0); !o.Unreachable || !strings.Contains(o.Text, "no number of machines") {
		t.Errorf("more than any number carries: %+v", o)
	}
	many := recommendation{Recommendation: report.Recommendation{Model: "m", Current: 30, Carries: law.Carries(30), Law: &capacity.USL{Lambda: 40, Sigma: 0.1}, Inputs: map[string]float64{"target_utilization": 0.7}}}
	many.Demand = 0.95 * 0.7 * many.Carries // more than the 21 that are useful carry
	for lost, missing := range map[int]int{0: 0, 5: 0, 8: 3} {
		if o := suppose(&many, 1, lost); o.Unreachable || o.Missing != missing {
			t.Errorf("%d of 30 are lost: %+v, want %d missing", lost, o, missing)
		}
	}
	if one, both := r.carriedBy(1), r.carriedBy(2); one <= both/2 || one >= both {
		t.Errorf("one machine carries %v, two %v", one, both)
	}
}

// On fewer machines the same load uses more of each: the line is that of the machines that there are now.
func TestUseFollowsLoadOnOtherNumbersOfMachines(t *testing.T) {
	var hours []hourUse
	for k := range 96 {
		machines := 2
		if k >= 48 {
			machines = 4
		}
		requests := float64(dailyLoad(k, 600))
		var c agg.Cell
		for range 6 * machines {
			var e event.Event
			e.Kind = event.SystemMetric
			e.SetFloat(event.GPUUsage, 10+0.1*requests/float64(machines))
			c.Add(&e, false)
		}
		hours = append(hours, hourUse{start: planStart.Add(time.Duration(k) * time.Hour), gauge: map[string]agg.Gauge{"gpu_usage": c.System.Gauge("gpu_usage")},
			rows: []agg.Row{{Model: agg.AllModels, Requests: int64(requests)}}})
	}
	if l, ok := useLine(hours, "gpu_usage"); !ok || math.Abs(l.Slope-0.025) > 1e-3 || math.Abs(l.Idle-10) > 0.5 || l.Fit < 0.99 {
		t.Errorf("%+v %v", l, ok)
	}
}
