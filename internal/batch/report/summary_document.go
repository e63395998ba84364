package report

import "github.com/hxp-enterprise/hxp/internal/agg"

// document puts the numbers of a summary in order.
func (s *Summary) document(rows []byte) *document {
	d := s.begin(rows)
	s.trends(d)
	s.models(d)
	s.tenants(d)
	s.cost(d)
	s.quality(d)
	s.incidents(d)
	s.capacity(d)
	s.periods(d)
	s.cover(d)
	s.comparison(d)
	return d
}

// begin is page one: the five numbers, and the course of the requests. rows is the CSV that the document carries.
func (s *Summary) begin(rows []byte) *document {
	d := newDocument(s.Kind, s.Period, s.Template)
	d.attach(rows)
	d.compared, d.lead, d.headline, d.terms = s.previously(), s.lead(), s.Headline(), Definitions
	times := s.trendTimes()
	for _, q := range s.quantities() {
		d.courses = append(d.courses, pick(s.Trend, times, "", d.style.accent, func(r *agg.Row) *float64 { return q.get(counted{r, s.trendUnpriced()}) }).values)
	}
	c := s.chart(d.style, "Requests per "+unit(s.TrendLevel, 1), d.style.short)
	c.bars = true
	c.add(s, "succeeded", d.style.accent, func(r *agg.Row) *float64 { return new(float64(r.Requests - r.Errors)) })
	c.add(s, "failed", d.style.bad, func(r *agg.Row) *float64 { return new(float64(r.Errors)) })
	if !c.empty() {
		d.hero = c
	}
	return d
}
