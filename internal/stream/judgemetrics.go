package stream

import (
	"time"

	"github.com/hxp-enterprise/hxp/internal/kit/telemetry"
	"github.com/hxp-enterprise/hxp/internal/stream/rule"
)

// ruleMetrics say how the rules are doing.
type ruleMetrics struct {
	decisions  *telemetry.CounterVec
	evaluation telemetry.Histogram
	decision   telemetry.Histogram
	forced     telemetry.Counter
	lost       telemetry.Counter
	names      map[string]bool // of rules that have a counter of their own
}

// mostCounted bounds the rules that are counted apart.
const mostCounted = 200

func newRuleMetrics(reg *telemetry.Registry, s *Service) ruleMetrics {
	m := ruleMetrics{
		names:      map[string]bool{},
		decisions:  reg.CounterVec("rules_decisions_total", "Decisions of rules that were written to hxp-alerts.", "rule", "state"),
		evaluation: reg.Histogram("rule_evaluation_seconds", "Time that one judgement of all rules took.", []float64{.00001, .0001, .001, .01, .1, 1, 10}),
		decision:   reg.Histogram("rule_decision_latency_seconds", "From the arrival of the event that made an alert fire to the decision in hxp-alerts.", []float64{.005, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10, 60}),
		forced:     reg.Counter("rules_forced_total", "Times that was judged without partitions that are behind, because too much waited for them."),
		lost:       reg.Counter("rules_decisions_lost_total", "Decisions that were not written because hxp-alerts took none for too long."),
	}
	held := func() rule.Stats {
		if s.judge == nil {
			return rule.Stats{}
		}
		return *s.judge.held.Load()
	}
	reg.GaugeFunc("rules_groups", "Keys that rules keep apart.", func() float64 { return float64(held().Groups) })
	reg.GaugeFunc("rules_bytes", "Memory of the rules, about.", func() float64 { return float64(held().Bytes) })
	reg.GaugeFunc("rules_pending", "Partial results that wait for the clock of the rules.", func() float64 { return float64(held().Pending) })
	reg.CounterFunc("rules_overflow_total", "Times that something was counted under __other__ or passed over, because a rule has too many groups.", func() float64 { return float64(held().Overflow) })
	reg.CounterFunc("rules_dropped_total", "Values and events of sequences that were passed over because too many are kept.", func() float64 { return float64(held().Dropped) })
	reg.CounterFunc("rules_behind_total", "Partial results that came after their tick and counted with the next one.", func() float64 { return float64(held().Behind) })
	reg.Register(&sloCollector{Service: s})
	reg.Register(costCollector{s})
	reg.GaugeFunc("rules_lag_seconds", "How far the clock of the rules is behind.", func() float64 { return s.rulesLag(time.Now()).Seconds() })
	return m
}

// decided counts a decision. The judge calls it.
func (m *ruleMetrics) decided(d *rule.Decision) {
	name := d.Rule
	if !m.names[name] {
		if len(m.names) >= mostCounted {
			name = otherName
		} else {
			m.names[name] = true
		}
	}
	m.decisions.WithLabelValues(name, string(d.State)).Inc()
}

// rulesLag is how far the judge's clock is behind that of the wall; 0 before it has begun.
func (s *Service) rulesLag(now time.Time) time.Duration {
	if s.judge == nil {
		return 0
	}
	clock := s.judge.clock.Load()
	if clock == 0 {
		return 0
	}
	return max(now.Sub(time.UnixMicro(clock)), 0)
}
