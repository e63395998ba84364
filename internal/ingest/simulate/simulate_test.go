package simulate

import (
	"bytes"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/event"
)

func stream(seed int64, d time.Duration, s Scenario) (lines [][]byte, byKind map[event.Kind]int) {
	start := time.Unix(1_750_000_000, 0)
	g, byKind := New(seed, Profile{Rate: 40, Scenario: s}, start), map[event.Kind]int{}
	for now := start; now.Before(start.Add(d)); now = now.Add(time.Second) {
		g.Due(now, func(e *event.Event) {
			if e.Time > now.UnixMicro() {
				panic("an event from the future")
			}
			byKind[e.Kind]++
			lines = append(lines, event.AppendJSON(nil, e))
		})
	}
	return lines, byKind
}

func TestSameSeedSameTraffic(t *testing.T) {
	for _, s := range Scenarios {
		a, kinds := stream(7, 3*time.Minute, s)
		b, _ := stream(7, 3*time.Minute, s)
		if !bytes.Equal(bytes.Join(a, nil), bytes.Join(b, nil)) {
			t.Errorf("%s: the same seed made other traffic", s)
		}
		for _, k := range event.Kinds {
			if kinds[k] == 0 {
				t.Errorf("%s: no %s", s, k)
			}
		}
		if c, _ := stream(8, 3*time.Minute, s); bytes.Equal(bytes.Join(a, nil), bytes.Join(c, nil)) {
			t.Errorf("%s: another seed made the same traffic", s)
		}
	}
}

func TestEventsAreValidAndCorrelated(t *testing.T) {
	lines, _ := stream(3, 5*time.Minute, Incident)
	var p event.Parser
	var e event.Event
	ids, sessions, orphans := map[string]bool{}, map[string]string{}, 0
	for _, l := range lines {
		if bad := p.Parse(l, &e); bad != nil {
			t.Fatalf("%s: %v", l, bad)
		}
		if ids[e.Clone().ID] {
			t.Fatalf("id %s twice", e.ID)
		}
		ids[e.Clone().ID] = true
		switch c := e.Clone(); e.Kind {
		case event.LLMRequest:
			sessions[c.Text(event.RequestID)] = c.Text(event.SessionID)
		case event.UserFeedback, event.BusinessEvent:
			session, known := sessions[c.Text(event.RequestID)]
			if !known {
				orphans++
			}
			if c.Text(event.SessionID) != session { // funnels go by it
				t.Errorf("%s: the request is of the session %q", l, session)
			}
		}
	}
	if orphans > 0 {
		t.Errorf("%d ratings or business events came before their request", orphans)
	}
}

// What comes out looks like what a server sees: rates, failures, ratings that follow from how it went.
func TestShares(t *testing.T) {
	start := time.Unix(1_750_000_000, 0)
	g := New(11, Profile{Rate: 40}, start)
	var n [len(event.Kinds) + 1]float64
	var failed, score, bad, ratedBad float64
	wrong := map[string]bool{}
	models := map[string]float64{}
	g.Due(start.Add(30*time.Minute), func(e *event.Event) {
		n[e.Kind]++
		switch e.Kind {
		case event.LLMRequest:
			models[e.Text(event.Model)]++
			if !e.Bool(event.Success) {
				failed++
				wrong[e.Text(event.RequestID)] = true
			}
		case event.UserFeedback:
			if s := e.Float(event.SatisfactionScore); wrong[e.Text(event.RequestID)] {
				bad, ratedBad = bad+s, ratedBad+1
			} else {
				score += s
			}
		}
	})
	requests := n[event.LLMRequest]
	for what, c := range map[string]struct{ got, lo, hi float64 }{
		"requests":            {requests, 68_000, 76_000},
		"failures":            {failed / requests, .003, .006}, // a calm server keeps within the objective of 99 %
		"feedback":            {n[event.UserFeedback] / requests, .05, .10},
		"business":            {n[event.BusinessEvent] / requests, .02, .04},
		"samples":             {n[event.SystemMetric], 4 * 178, 4 * 182},
		"share of the first":  {models["mixtral-8x7b"] / requests, .35, .41},
		"score when it fails": {bad / ratedBad, 1, 2.5},
		"score when it works": {score / (n[event.UserFeedback] - ratedBad), 3, 4.8},
	} {
		if c.got < c.lo || c.got > c.hi {
			t.Errorf("%s: %.4f, want %v to %v", what, c.got, c.lo, c.hi)
		}
	}
}

// A calm server has no queue, whatever its rate, and a rule about queues stays silent; one with an incident has one.
func TestQueuesAreOfIncidents(t *testing.T) {
	start := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	longest := func(s Scenario, rate float64, d time.Duration) (most float64) {
		sum, n := map[string]float64{}, map[string]float64{}
		minute := start
		New(5, Profile{Rate: rate, Scenario: s}, start).Due(start.Add(d), func(e *event.Event) {
			if e.Kind != event.SystemMetric {
				return
			}
			if at := time.UnixMicro(e.Time); at.Sub(minute) >= time.Minute { // as queue-length judges it
				for host := range sum {
					most = max(most, sum[host]/n[host])
				}
				clear(sum)
				clear(n)
				minute = at
			}
			sum[e.Text(event.Host)] += e.Float(event.RequestsWaiting)
			n[e.Text(event.Host)]++
		})
		return most
	}
	for _, rate := range []float64{.2, 1, 10, 50} {
		if q := longest(Steady, rate, time.Hour); q > 4 {
			t.Errorf("%v requests a second: a queue of %.1f on a calm server", rate, q)
		}
	}
	if q := longest(Diurnal, 5, 24*time.Hour); q > 4 {
		t.Errorf("a queue of %.1f on a usual day", q)
	}
	for _, rate := range []float64{50, 100} {
		if q := longest(Incident, rate, 20*time.Minute); q < 21 {
			t.Errorf("%v requests a second: a queue of %.1f in an incident, want one that calls", rate, q)
		}
	}
}

// What engines say that they did is what requests say.
func TestEnginesTellTheirRequests(t *testing.T) {
	start := time.Unix(1_750_000_000, 0)
	asked, told := map[string]float64{}, map[string]float64{}
	New(11, Profile{Rate: 40}, start).Due(start.Add(30*time.Minute), func(e *event.Event) {
		if e.Kind == event.LLMRequest && e.Bool(event.Success) {
			asked["generation_tokens_per_second"] += float64(e.Int(event.CompletionTokens))
			asked["prefix_cache_queries_per_second"] += float64(e.Int(event.PromptTokens))
			asked["prefix_cache_hits_per_second"] += float64(e.Int(event.CachedTokens))
		}
		if e.Kind != event.SystemMetric {
			return
		}
		if !slices.IsSortedFunc(e.Metrics, func(a, b event.Metric) int { return strings.Compare(a.Name, b.Name) }) {
			t.Fatalf("metrics without order: %v", e.Metrics)
		}
		for _, m := range e.Metrics {
			told[m.Name] += m.Value * sampling.Seconds()
		}
	})
	for name, n := range asked {
		if math.Abs(told[name]/n-1) > .02 { // those of the last sample are under way
			t.Errorf("%s: engines tell %.0f, requests %.0f", name, told[name], n)
		}
	}
	if told["preemptions_per_second"] != 0 {
		t.Errorf("a calm server preempts %.1f requests", told["preemptions_per_second"])
	}
}
