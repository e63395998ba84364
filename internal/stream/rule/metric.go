package rule

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/words"
)

// tally is what some events come to under one metric. Tallies of different spans are added.
type tally struct {
	Count int64        // events that the rule is about
	Num   int64        // what the metric adds up, or of ratio and burn_rate the events in question
	Den   int64        // by which a mean or share is divided
	Sum   agg.ExactSum // of numbers that are no integers, so that their order does not matter
}

func (t *tally) merge(o *tally) {
	t.Count = plus(t.Count, o.Count)
	t.Num = plus(t.Num, o.Num)
	t.Den = plus(t.Den, o.Den)
	if !o.Sum.IsZero() {
		t.Sum.Merge(&o.Sum)
	}
}

// finite keeps sums of a stranger's numbers where they can be written.
func finite(v float64) float64 { return min(max(v, -math.MaxFloat64), math.MaxFloat64) }

// measure adds a number that is no integer.
func (t *tally) measure(v float64) {
	t.Sum.Add(v)
	t.Den++
}

// plus stops at the largest int64 instead of turning over.
func plus(a, b int64) int64 {
	switch sum := a + b; {
	case a > 0 && b > 0 && sum < 0:
		return math.MaxInt64
	case a < 0 && b < 0 && sum >= 0:
		return math.MinInt64
	default:
		return sum
	}
}

// metric is a number of agg by which rules are judged, cut down to what it needs: a few integers for each second instead of a
// whole cell. A test holds that it says what agg says.
type metric struct {
	name  string
	add   func(e *event.Event, t *tally)
	value func(t *tally, seconds float64) (float64, bool)

	spread bool        // percentiles and ends: they need a sketch
	field  event.Field // of the spread
	of     agg.Metric
	grows  bool // over a longer span it is larger, as sums are and means are not
	sums   bool // a mean of numbers that are no integers
}

// divides tells whether the metric is a mean or a share: what it is divided by says how much a value of it weighs.
func (m metric) divides() bool { return !m.grows && !m.spread && m.name != "throughput_rps" }

// duration tells whether a request has the duration that a spread is made of: those of failed ones say nothing.
func (m metric) duration(e *event.Event) (int64, bool) {
	return e.Int(m.field), e.Kind == event.LLMRequest && e.Bool(event.Success) && e.Has(m.field)
}

// metricNames are those of agg that rules can be about.
var metricNames = slices.DeleteFunc(agg.MetricNames(), func(name string) bool {
	return name == "late_events" || strings.HasPrefix(name, "unique_")
})

func parseMetric(name string) (m metric, fault string) {
	switch {
	case strings.HasPrefix(name, "unique_"):
		return m, fmt.Sprintf("%s is counted by rules of type distinct, with field: %s", quote(name), map[string]string{"unique_users": "user_id"}[name])
	case name == "late_events":
		return m, "late events cause no alert, so rules cannot count them"
	}
	known, ok := agg.ParseMetric(name)
	if !ok {
		return m, fmt.Sprintf("there is no metric %s%s", quote(name), words.DidYouMean(name, metricNames))
	}
	if gauge, ok := strings.CutPrefix(name, "system."); ok && name != "system.samples" {
		return gaugeMetric(name, gauge), ""
	}
	if base, stat, ok := strings.Cut(name, "."); ok && durations[base] != 0 {
		return durationMetric(name, durations[base], stat, known), ""
	}
	m = simple[name]
	m.name = name
	return m, ""
}

var durations = map[string]event.Field{"latency_ms": event.DurationMS, "ttft_ms": event.TTFT, "tpot_ms": event.TPOT}

func durationMetric(name string, field event.Field, stat string, of agg.Metric) metric {
	m := metric{name: name, field: field, of: of, value: number, grows: stat == "count"}
	switch stat {
	case "count":
		m.add = func(e *event.Event, t *tally) {
			if _, ok := m.duration(e); ok {
				t.Num++
			}
		}
	case "avg":
		m.value = func(t *tally, _ float64) (float64, bool) { return float64(t.Num) / 1e6 / float64(t.Den), t.Den > 0 }
		m.add = func(e *event.Event, t *tally) {
			if ns, ok := m.duration(e); ok {
				t.Num, t.Den = plus(t.Num, ns), t.Den+1
			}
		}
	default:
		m.spread, m.add = true, func(*event.Event, *tally) {}
	}
	return m
}

func gaugeMetric(name, gauge string) metric {
	field := slices.IndexFunc(event.Catalogue[:], func(s event.Spec) bool { return s.Name == gauge && s.Type == event.Number })
	return metric{name: name, value: mean, sums: true, add: func(e *event.Event, t *tally) {
		if e.Kind != event.SystemMetric {
			return
		}
		if field >= 0 && e.Has(event.Field(field)) {
			t.measure(e.Float(event.Field(field)))
		}
		for i := range e.Metrics {
			if e.Metrics[i].Name == gauge {
				t.measure(e.Metrics[i].Value)
			}
		}
	}}
}

func number(t *tally, _ float64) (float64, bool) { return float64(t.Num), true }
func money(t *tally, _ float64) (float64, bool)  { return float64(t.Num) / 1e9, t.Den > 0 }
func mean(t *tally, _ float64) (float64, bool) {
	return finite(t.Sum.Mean(uint64(max(t.Den, 0)))), t.Den > 0
}
func share(t *tally, _ float64) (float64, bool)     { return float64(t.Num) / float64(t.Den), t.Den > 0 }
func perSecond(t *tally, s float64) (float64, bool) { return float64(t.Num) / s, s > 0 }

// countIf counts the events of a kind that are so.
func countIf(kind event.Kind, so func(e *event.Event) bool) metric {
	return metric{value: number, grows: true, add: func(e *event.Event, t *tally) {
		if e.Kind == kind && so(e) {
			t.Num++
		}
	}}
}

// sumOf adds up an integer field, of which a valid event has none below 0.
func sumOf(kind event.Kind, f event.Field) metric {
	return metric{value: number, grows: true, add: func(e *event.Event, t *tally) {
		if e.Kind == kind {
			t.Num = plus(t.Num, max(e.Int(f), 0))
		}
	}}
}

// moneyOf adds up money.
func moneyOf(kind event.Kind, f event.Field) metric {
	return metric{value: money, grows: true, add: func(e *event.Event, t *tally) {
		if e.Kind == kind && e.Has(f) {
			t.Num, t.Den = plus(t.Num, e.Int(f)), t.Den+1
		}
	}}
}

func meanOf(kind event.Kind, f event.Field) metric {
	return metric{value: mean, sums: true, add: func(e *event.Event, t *tally) {
		if e.Kind == kind && e.Has(f) {
			t.measure(e.Float(f))
		}
	}}
}

func always(*event.Event) bool      { return true }
func failed(e *event.Event) bool    { return e.Has(event.Success) && !e.Bool(event.Success) }
func undecided(e *event.Event) bool { return !e.Has(event.Success) }
func unpriced(e *event.Event) bool  { return !e.Has(event.Cost) }
func thumb(up string) func(*event.Event) bool {
	return func(e *event.Event) bool { return e.Text(event.Thumbs) == up }
}

var simple = map[string]metric{
	"requests":          countIf(event.LLMRequest, always),
	"errors":            countIf(event.LLMRequest, failed),
	"unknown":           countIf(event.LLMRequest, undecided),
	"unpriced_requests": countIf(event.LLMRequest, unpriced),
	"events":            {value: number, grows: true, add: func(_ *event.Event, t *tally) { t.Num++ }},
	"error_rate": {value: share, add: func(e *event.Event, t *tally) {
		if e.Kind == event.LLMRequest && e.Has(event.Success) {
			t.Den++
			if failed(e) {
				t.Num++
			}
		}
	}},
	"throughput_rps": {value: perSecond, add: func(e *event.Event, t *tally) {
		if e.Kind == event.LLMRequest {
			t.Num++
		}
	}},
	"tokens":                sumOf(event.LLMRequest, event.TotalTokens),
	"tokens.total":          sumOf(event.LLMRequest, event.TotalTokens),
	"tokens.prompt":         sumOf(event.LLMRequest, event.PromptTokens),
	"tokens.completion":     sumOf(event.LLMRequest, event.CompletionTokens),
	"tokens.cached":         sumOf(event.LLMRequest, event.CachedTokens),
	"tokens.reasoning":      sumOf(event.LLMRequest, event.ReasoningTokens),
	"cost_usd":              moneyOf(event.LLMRequest, event.Cost),
	"feedback.count":        countIf(event.UserFeedback, always),
	"feedback.thumbs_up":    countIf(event.UserFeedback, thumb("up")),
	"feedback.thumbs_down":  countIf(event.UserFeedback, thumb("down")),
	"feedback.satisfaction": meanOf(event.UserFeedback, event.SatisfactionScore),
	"feedback.accuracy":     meanOf(event.UserFeedback, event.AccuracyFeedback),
	"business.events":       countIf(event.BusinessEvent, always),
	"business.value_usd":    moneyOf(event.BusinessEvent, event.BusinessValue),
	"business.cost_usd":     moneyOf(event.BusinessEvent, event.Cost),
	"system.samples":        countIf(event.SystemMetric, always),
}
