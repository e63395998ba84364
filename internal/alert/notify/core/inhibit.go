package core

import (
	"slices"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/alert/notify/label"
	"github.com/hxp-enterprise/hxp/internal/alert/notify/plan"
)

// inhibitor tells which alerts are held back by others at one time.
type inhibitor struct {
	rules   []plan.InhibitRule
	sources []map[string][]*member // by rule, and by the values that must be equal
}

// inhibitor looks at all alerts once.
func (e *Engine) inhibitor(now time.Time) *inhibitor {
	in := &inhibitor{rules: e.plan.Inhibits}
	for i := range in.rules {
		rule, found := &in.rules[i], map[string][]*member{}
		for fp, a := range e.alerts {
			if !a.Resolved(now) && rule.Source.Match(a.Labels) {
				k := equals(rule, a.Labels)
				found[k] = append(found[k], &member{fp, a})
			}
		}
		in.sources = append(in.sources, found)
	}
	return in
}

func equals(r *plan.InhibitRule, l label.Set) string {
	values := make([]string, len(r.Equal))
	for i, name := range r.Equal {
		values[i] = l[name]
	}
	return strings.Join(values, "\xff")
}

// by are the alerts that hold back one with labels. An alert that is source and target of a rule is not held back by others that are
// both too, so that none holds back itself.
func (in *inhibitor) by(l label.Set) []label.Fingerprint {
	var out []label.Fingerprint
	for i := range in.rules {
		rule := &in.rules[i]
		if !rule.Target.Match(l) {
			continue
		}
		both := rule.Source.Match(l)
		for _, s := range in.sources[i][equals(rule, l)] {
			if !both || !rule.Target.Match(s.alert.Labels) {
				out = append(out, s.fp)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
