package rule

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/hxp-enterprise/hxp/internal/event"
)

const growing = `{name: g, type: rate, metric: system.requests_waiting, op: ">", value: 0.05, window: 2m, min_count: 5, group_by: [host]}`

// waiting is a sample of the queue of a host.
func waiting(at, queue float64) event.Event {
	e := event.Event{Kind: event.SystemMetric, Time: testBegin + int64(at*1e6), HasTime: true}
	e.SetText(event.Host, "h")
	e.SetFloat(event.RequestsWaiting, queue)
	return e
}

// lineThrough is the slope, in a second, of the line that fits best, by the book: over the samples that are
// seen by a time, each at the step of two seconds that it lies in.
func lineThrough(events []event.Event, from, to, seen int64) (slope float64, n int, reach int64) {
	var ts, ys []float64
	first, last := to, from
	for _, e := range events {
		at := (e.Time - testBegin) / second / 2 * 2
		if at >= from && at < to && e.Time < seen {
			ts, ys = append(ts, float64(at)), append(ys, e.Float(event.RequestsWaiting))
			first, last = min(first, at), max(last, at)
		}
	}
	var mt, my, num, den float64
	for i := range ts {
		mt, my = mt+ts[i]/float64(len(ts)), my+ys[i]/float64(len(ts))
	}
	for i := range ts {
		num, den = num+(ts[i]-mt)*(ys[i]-my), den+(ts[i]-mt)*(ts[i]-mt)
	}
	return num / den, len(ts), last - first
}

// Growth is the slope of the line by least squares through all samples of the window, at each look, whatever they are.
func TestGrowthIsTheLineThroughTheWindow(t *testing.T) {
	r := one(t, growing)
	for seed := range uint64(20) {
		rnd := rand.New(rand.NewPCG(seed, 2))
		var events []event.Event
		queue := 0.0
		for at := 0.0; at < 600; at += rnd.Float64() * 20 {
			queue = max(0, queue+rnd.NormFloat64()*3)
			events = append(events, waiting(at, queue))
		}
		for _, d := range play(t, []Rule{r}, events, 700, rnd) {
			if d.State != Firing {
				continue
			}
			to := (int64(d.Window.End) - testBegin) / second
			slope, n, reach := lineThrough(events, to-120, to, int64(d.At))
			if math.Abs(slope-d.Value) > 1e-9*max(1, math.Abs(slope)) || slope <= 0.05 || n < 5 || reach <= 60 {
				t.Errorf("seed %d at %d: %v, by the book %v of %d samples over %d s", seed, to, d.Value, slope, n, reach)
			}
		}
	}
}

// A queue that grows is told; one that is long and stays, one that shrinks, and one of which little is known are not.
func TestGrowth(t *testing.T) {
	for _, tt := range []struct {
		name  string
		queue func(at float64) float64
		until float64
		want  bool
	}{
		{"grows", func(at float64) float64 { return at / 10 }, 300, true},
		{"long and stays", func(float64) float64 { return 500 }, 300, false},
		{"grows slowly", func(at float64) float64 { return at / 30 }, 300, false},
		{"shrinks", func(at float64) float64 { return 500 - at }, 300, false},
		{"little is known", func(at float64) float64 { return 10 * at }, 55, false},
	} {
		var events []event.Event
		for at := 0.0; at < tt.until; at += 5 {
			events = append(events, waiting(at, tt.queue(at)))
		}
		all := play(t, []Rule{one(t, growing)}, events, 400, nil)
		if fired := len(all) > 0 && all[0].State == Firing; fired != tt.want {
			t.Errorf("%s: %s", tt.name, story(all))
		}
	}
}

func TestGrowthRefuses(t *testing.T) {
	for _, tt := range []struct{ from, to, want string }{
		{"system.requests_waiting", "latency_ms.p95", "/metric"}, {"system.requests_waiting", "throughput_rps", "/metric"}, {"2m", "30s", "/window"},
	} {
		_, faults := Decode([]byte(strings.Replace(growing, tt.from, tt.to, 1)))
		if len(faults) != 1 || faults[0].Pointer != tt.want {
			t.Errorf("%s: %v", tt.to, faults)
		}
	}
	for _, metric := range []string{"error_rate", "latency_ms.avg", "feedback.satisfaction"} {
		one(t, strings.Replace(growing, "system.requests_waiting", metric, 1))
	}
}

// Keys are told apart by the name that a gateway gives them, or else the one that the producer sends.
func TestGroupByKey(t *testing.T) {
	r := one(t, `{name: k, type: threshold, metric: requests, op: ">", value: 2, window: 60s, group_by: [key]}`)
	var events []event.Event
	for i, extra := range []string{`{"key":"a"}`, `{"key":"a","other":1}`, `{"key":"x","key_alias":"a"}`, `{"key":"b"}`, `{"key":7}`, ``, `{}`, fmt.Sprintf(`{"key":%q}`, strings.Repeat("l", maxKeyBytes+1))} {
		e := call(float64(i)/10, "m", true)
		e.Extra = []byte(extra)
		events = append(events, e)
	}
	all := play(t, []Rule{r}, events, 5, nil)
	if len(all) != 1 || all[0].Key["key"] != "a" || all[0].Value != 3 {
		t.Errorf("%s", story(all))
	}
}
