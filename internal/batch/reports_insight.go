package batch

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/batch/cost"
	"github.com/hxp-enterprise/hxp/internal/batch/insight"
	"github.com/hxp-enterprise/hxp/internal/batch/report"
	"github.com/hxp-enterprise/hxp/internal/kit/sorting"
)

// What reports of business intelligence and of costs tell beside the rows: findings, own GPUs, budgets. All of it follows from the stored
// hours and the settings, as of the end of the period.

// leastLook is how many days findings of a report stand on, where there are so many: of a week alone nobody can tell a change from chance.
const leastLook = 28

// study adds them to the numbers of a report.
func (p *reporter) study(ctx context.Context, s *report.Summary) error {
	if s.Kind.Summary() {
		return nil
	}
	var err error
	if s.Found, err = p.found(ctx, s.Kind, s.Period); err != nil {
		return err
	}
	costs := &p.s.cfg().Costs
	if len(costs.SelfHosted) > 0 && s.Period.End.Sub(s.Period.Start) <= maxCostHours*time.Hour {
		if err := p.ownGPUs(ctx, s); err != nil {
			return err
		}
	}
	if len(costs.Budgets) > 0 {
		s.Budgets, err = p.s.standings(ctx, costs.Budgets, s.Period.End)
	}
	return err
}

// ownGPUs tells what own GPUs cost, and whose requests took how much of it: that stands in raw events, and where these are too many only the pools
// are told.
func (p *reporter) ownGPUs(ctx context.Context, s *report.Summary) error {
	q := &costQuery{from: s.Period.Start, to: s.Period.End, by: []string{agg.ByTenant}, own: true}
	t, err := p.s.costTable(ctx, q)
	if _, large := errors.AsType[*agg.Refusal](err); large {
		q.by, q.rows = nil, nil
		if t, err = p.s.costTable(ctx, q); err == nil {
			s.Own = t.Pools
		}
		return err
	}
	if err != nil {
		return err
	}
	s.Own = t.Pools
	groups := t.Groups()
	sorting.StableBy(groups, func(a, b cost.Group) int { return cmp.Or(cmp.Compare(b.Own, a.Own), cmp.Compare(a.Key[0], b.Key[0])) })
	for _, g := range groups {
		if g.Own > 0 {
			s.OwnTenants = append(s.OwnTenants, report.OwnShare{Tenant: g.Key[0], OwnUSD: agg.USD(g.Own)})
		}
	}
	return nil
}

// found is what business intelligence says of a period, nil where it is switched off. Of what it finds in the days before the period only
// that is told which has no day of its own.
func (p *reporter) found(ctx context.Context, k report.Kind, period report.Period) (*report.Found, error) {
	kinds := slices.DeleteFunc(slices.Clone(insightKinds), func(kind string) bool {
		return !p.s.cfg().Intelligence.on(kind) || k == report.Cost && kind != costOptimization
	})
	if len(kinds) == 0 {
		return nil, nil
	}
	f := &report.Found{Days: report.Period{Start: period.End.AddDate(0, 0, -leastLook), End: period.End}, Findings: []insight.Finding{}, Limits: []report.Limit{}}
	if period.Start.Before(f.Days.Start) {
		f.Days.Start = period.Start
	}
	if first := period.End.AddDate(0, 0, -mostDays); f.Days.Start.Before(first) {
		f.Days.Start = first
	}
	l, err := p.s.insights(ctx, kinds, f.Days.Start, f.Days.End)
	if err != nil {
		return nil, err
	}
	for _, x := range l.findings {
		if x.At == nil || !x.At.Before(period.Start) {
			f.Findings = append(f.Findings, x)
		}
	}
	for _, x := range l.limits {
		f.Limits = append(f.Limits, report.Limit(x))
	}
	f.People = peopleOf(l.sections[userBehavior])
	return f, nil
}

// peopleOf is what is known of users, nil where nothing is.
func peopleOf(sections map[string]any) *report.People {
	p := &report.People{}
	if a, ok := sections["activity"].(insight.Users); ok {
		p.Activity = &a
	}
	if x, ok := sections["sessions"].(insight.Sessions); ok {
		p.Sessions = &x
	}
	p.Cohorts, _ = sections["cohorts"].([]insight.Cohort)
	if x, ok := sections["satisfaction"].(satisfaction); ok {
		p.ByLatency, p.ByModel, p.ByVersion = x.ByLatency, x.ByModel, x.ByVersion
	}
	if p.Activity == nil && p.ByLatency == nil {
		return nil
	}
	return p
}
