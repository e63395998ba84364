package rule

// ledger is what an objective has counted of a key since it was first seen. It only grows, and is kept over restarts, so it can be
// shown as counters of Prometheus.
type ledger struct{ total, bad int64 }

func (l *ledger) add(t *tally) { l.total, l.bad = plus(l.total, t.Den), plus(l.bad, t.Num) }

// Counted is what the objective of a rule has counted of a key. Nothing of it is changed later.
type Counted struct {
	Rule        *Rule
	Values      []string // of group_by, in its order
	Total, Good int64
}

// Counted lists what the objectives have counted.
func (g *Engine) Counted() (out []Counted) {
	for _, r := range g.rules {
		if r.Type != BurnRate {
			continue
		}
		for _, group := range r.all {
			out = append(out, Counted{&r.Rule, group.values, group.counted.total, group.counted.total - group.counted.bad})
		}
	}
	return out
}
