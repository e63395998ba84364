package agg

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// statsCell is a cell with a little of everything; the golden bytes are made from it too.
func statsCell() *Cell {
	var c Cell
	for i, ns := range []int64{1_500_000_000, 250_000_000, 90_000_000_000, 0} {
		c.Add(request([]string{"anna", "ben"}[i%2], "s", ns), i == 1)
	}
	failed := request("carl", "s2", 7_000_000_000)
	failed.SetBool(event.Success, false)
	failed.Clear(event.Cost)
	c.Add(failed, false)
	unknown := request("", "", 1)
	unknown.Clear(event.Success)
	unknown.SetInt(event.CachedTokens, 1000)
	unknown.SetInt(event.ReasoningTokens, 45)
	c.Add(unknown, false)

	for _, score := range []float64{4.5, 5, 1} {
		e := &event.Event{Kind: event.UserFeedback}
		e.SetFloat(event.SatisfactionScore, score)
		e.SetText(event.Thumbs, map[bool]string{true: "up", false: "down"}[score > 3])
		c.Add(e, false)
	}
	accurate := &event.Event{Kind: event.UserFeedback}
	accurate.SetFloat(event.AccuracyFeedback, 0.1)
	c.Add(accurate, false)

	for _, value := range []int64{12_345_678_901, -20_000_000_000} {
		e := &event.Event{Kind: event.BusinessEvent}
		e.SetInt(event.BusinessValue, value)
		c.Add(e, false)
	}
	for _, cpu := range []float64{75, 80.5, 60} {
		e := &event.Event{Kind: event.SystemMetric}
		e.SetFloat(event.CPUUsage, cpu)
		e.SetFloat(event.PowerW, 250.5)
		e.Metrics = []event.Metric{{Name: "my \"gauge\"", Value: cpu / 10}, {Name: "samples", Value: 1}, {Name: strings.Repeat("n", 129), Value: 1}}
		c.Add(e, false)
	}
	return &c
}

func TestStats(t *testing.T) {
	got, err := json.Marshal(statsCell().Stats(60))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"requests":6,"errors":1,"unknown":1,"error_rate":0.2,"throughput_rps":0.1,` +
		`"latency_ms":{"count":4,"avg":22937.5,"min":0,"max":90000,"p50":P50,"p95":90000,"p99":90000},` +
		`"ttft_ms":{"count":4,"avg":2293.75,"min":0,"max":9000,"p50":T50,"p95":9000,"p99":9000},` +
		`"tpot_ms":{"count":4,"avg":229.375,"min":0,"max":900,"p50":O50,"p95":900,"p99":900},` +
		`"tokens":{"prompt":7200,"completion":2070,"total":9270,"cached":1000,"reasoning":45},` +
		`"cost_usd":0.006172835,"unpriced_requests":1,"unique_users":3,"unique_sessions":2,` +
		`"feedback":{"count":4,"satisfaction":3.5,"accuracy":0.1,"thumbs_up":2,"thumbs_down":1},` +
		`"business":{"events":2,"value_usd":-7.654321099,"cost_usd":null},` +
		`"system":{"samples":3,"cpu_usage":71.83333333333333,"memory_usage":null,"gpu_usage":null,"kv_cache_usage":null,"my \"gauge\"":7.183333333333334,"power_w":250.5},` +
		`"events":15,"late_events":1}`
	s := statsCell().Stats(60)
	for name, p := range map[string]struct{ got, exact float64 }{"P50": {*s.LatencyMS.P50, 250}, "T50": {*s.TTFTMS.P50, 25}, "O50": {*s.TPOTMS.P50, 2.5}} {
		if math.Abs(p.got-p.exact) > relativeError*p.exact {
			t.Errorf("%s = %v, want about %v", name, p.got, p.exact)
		}
		b, _ := json.Marshal(p.got)
		want = strings.Replace(want, name, string(b), 1)
	}
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if n := statsCell().System.Dropped(); n != 3 {
		t.Errorf("%d numbers were dropped, want 3", n)
	}
}

// Absent data are null, never 0.
func TestEmptyStats(t *testing.T) {
	got, err := json.Marshal(new(Cell).Stats(0))
	if err != nil {
		t.Fatal(err)
	}
	const none = `{"count":0,"avg":null,"min":null,"max":null,"p50":null,"p95":null,"p99":null}`
	want := `{"requests":0,"errors":0,"unknown":0,"error_rate":null,"throughput_rps":null,"latency_ms":` + none + `,"ttft_ms":` + none + `,"tpot_ms":` + none +
		`,"tokens":{"prompt":0,"completion":0,"total":0,"cached":0,"reasoning":0},"cost_usd":null,"unpriced_requests":0,"unique_users":0,"unique_sessions":0,` +
		`"feedback":{"count":0,"satisfaction":null,"accuracy":null,"thumbs_up":0,"thumbs_down":0},"business":{"events":0,"value_usd":null,"cost_usd":null},` +
		`"system":{"samples":0,"cpu_usage":null,"memory_usage":null,"gpu_usage":null,"kv_cache_usage":null},"events":0,"late_events":0}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	free := &event.Event{Kind: event.LLMRequest}
	free.SetInt(event.Cost, 0)
	var c Cell
	c.Add(free, false)
	if s := c.Stats(1); s.CostUSD == nil || *s.CostUSD != 0 || s.ErrorRate != nil || s.UnpricedRequests != 0 {
		t.Errorf("a free request of unknown outcome: cost %v, error rate %v", s.CostUSD, s.ErrorRate)
	}
}

func TestUSD(t *testing.T) {
	for u, want := range map[USD]string{
		0: "0", 1: "0.000000001", -1: "-0.000000001", 1_500_000_000: "1.5", -20 * nanos: "-20", 100_000_000: "0.1", 12_345_678_901: "12.345678901",
		math.MaxInt64: "9223372036.854775807", math.MinInt64: "-9223372036.854775808",
	} {
		b, err := json.Marshal(u)
		if err != nil || string(b) != want {
			t.Errorf("%d nano-USD = %s (%v), want %s", int64(u), b, err, want)
		}
		var back USD
		if err := json.Unmarshal(b, &back); err != nil || back != u {
			t.Errorf("%s = %d nano-USD (%v), want %d", b, int64(back), err, int64(u))
		}
	}
	for text, want := range map[string]USD{"1e-3": 1_000_000, "2.5E2": 250 * nanos, "null": 7} {
		u := USD(7)
		if err := json.Unmarshal([]byte(text), &u); err != nil || u != want {
			t.Errorf("%s = %d (%v), want %d", text, int64(u), err, int64(want))
		}
	}
	for _, text := range []string{"1e-10", "1e10", "1e999999999", `"x"`, "{}", "1" + strings.Repeat("0", 70)} {
		var u USD
		if err := json.Unmarshal([]byte(text), &u); err == nil {
			t.Errorf("%s was taken as %v", text, u)
		}
	}
	if USD(100_000_000).Float() != 0.1 {
		t.Errorf("0.1 USD as a float is %v", USD(100_000_000).Float())
	}
}

// However many names a stranger invents, the known ones stay and memory is bounded.
func TestSystemNames(t *testing.T) {
	var c Cell
	d := newDice(5)
	for range 5000 {
		e := &event.Event{Kind: event.SystemMetric}
		e.SetFloat(event.CPUUsage, 50)
		e.SetFloat(event.PowerW, 300)
		for range 5 {
			e.Metrics = append(e.Metrics, event.Metric{Name: string(rune('!'+d.below(90))) + string(rune('!'+d.below(90))), Value: 1})
		}
		c.Add(e, false)
	}
	if n := len(c.System.Gauges); n != maxNames+2 {
		t.Errorf("%d gauges, want %d", n, maxNames+2)
	}
	if g := c.System.Gauge("power_w"); g.Count != 5000 || g.Mean() != 300 {
		t.Errorf("power_w: %d values, mean %v", g.Count, g.Mean())
	}
	kept := uint64(0)
	for i := range c.System.Gauges {
		kept += c.System.Gauges[i].Count
	}
	if c.System.Dropped() != 5000*7-kept || kept == 5000*7 {
		t.Errorf("dropped %d of %d, kept %d", c.System.Dropped(), 5000*7, kept)
	}
}
