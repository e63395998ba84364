package stream

import (
	"cmp"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
	"github.com/hxp-enterprise/hxp/internal/kit/sorting"
)

// contribution is what one value of one dimension had to do with the change of a metric between two spans.
type contribution struct {
	Dimension string   `json:"dimension"`
	Value     *string  `json:"value"` // null = those that name none
	A         *float64 `json:"a"`
	B         *float64 `json:"b"`
	Change    float64  `json:"change"`       // b − a, absent counts as 0
	Part      float64  `json:"contribution"` // of the change of the whole
}

type spanAnswer struct {
	Start time.Time `json:"start"`
	End   time.Time `json:"end"`
	Value *float64  `json:"value"`
}

type compareAnswer struct {
	Metric        string         `json:"metric"`
	A             spanAnswer     `json:"a"`
	B             spanAnswer     `json:"b"`
	Contributions []contribution `json:"contributions"`
	NextCursor    *string        `json:"next_cursor"`
	// Untold are dimensions of which nothing is said, because the windows do not tell them apart together with what is left out.
	Untold []string `json:"untold,omitempty"`
}

func (s *Service) getCompare(w http.ResponseWriter, r *http.Request) {
	p := params{Values: r.URL.Query()}
	p.only("a", "b", "metric", "window", "without", "limit", "cursor")
	metrics := p.metrics("metric", 1)
	a, b := p.span("a"), p.span("b")
	offset, limit := p.page()
	q := question{without: p.without()}
	if len(q.without) > 0 {
		s.plan(&p, &q)
	}
	var ans compareAnswer
	if len(p.bad) == 0 {
		ans, p.bad = s.compare(a, b, metrics[0], &q)
	}
	if len(p.bad) > 0 {
		httpx.Problem(w, r, http.StatusUnprocessableEntity, p.bad[0].Detail, p.bad...)
		return
	}
	ans.Contributions, ans.NextCursor = pageOf(ans.Contributions, offset, limit)
	httpx.JSON(w, http.StatusOK, ans)
}

// span reads START/END, or the end of a window of `window` seconds.
func (p *params) span(name string) (out Span) {
	v := p.Get(name)
	start, end, both := strings.Cut(v, "/")
	if !both {
		start, end = "", v
	}
	if v == "" {
		p.refuse(name, "%s is missing: give START/END, each as RFC 3339", name)
		return out
	}
	t, ok := p.parseTime(name, end)
	if !ok {
		return out
	}
	out.End = ceilSecond(t)
	if !both {
		out.Start = out.End - p.whole("window", "whole seconds", 1, maxWindow, 300)
		return out
	}
	if t, ok = p.parseTime(name, start); !ok {
		return out
	}
	if out.Start = t.Unix(); out.Start >= out.End || out.End-out.Start > maxWindow {
		p.refuse(name, "%s=%q: the start lies before the end, by at most %d seconds", name, clip(v), maxWindow)
	}
	return out
}

// compared is one of two spans that are compared, with all that there is in it.
type compared struct {
	Span
	whole *agg.Cell
}

// compare ranks the values of all dimensions that are kept apart by how much of a metric's change is theirs, of all that a question counts.
func (s *Service) compare(a, b Span, m agg.Metric, of *question) (ans compareAnswer, bad []httpx.FieldError) {
	all := make([]int, len(s.sets))
	for i := range all {
		all[i] = i
	}
	a, b = s.about(a, all...).Span, s.about(b, all...).Span
	if bad = append(s.hides(of, a), s.hides(of, b)...); len(bad) > 0 {
		return ans, bad
	}
	ans = compareAnswer{Metric: m.Name, Contributions: []contribution{}}
	sides := [2]compared{{a, s.overall(of, a)}, {b, s.overall(of, b)}}
	ans.A, ans.B = sides[0].answer(m), sides[1].answer(m)
	for i := range s.sets {
		var sizes [2][]size
		for _, d := range s.sets[i].dims {
			p, q := params{}, question{groupBy: []string{d.name}, without: of.without}
			s.plan(&p, &q)
			hidden := len(p.bad) > 0 || len(s.hides(&q, a)) > 0 || len(s.hides(&q, b)) > 0
			if hidden && !slices.Contains(ans.Untold, d.name) {
				ans.Untold = append(ans.Untold, d.name)
			}
			if hidden || q.set != i { // a smaller set tells them apart
				continue
			}
			if sizes[0] == nil {
				sizes = [2][]size{s.sizes(i, a), s.sizes(i, b)}
			}
			ans.Contributions = append(ans.Contributions, s.contributions(&q, sides, sizes, m)...)
		}
	}
	sorting.By(ans.Contributions, func(x, y contribution) int {
		return cmp.Or(cmp.Compare(math.Abs(y.Part), math.Abs(x.Part)), cmp.Compare(math.Abs(y.Change), math.Abs(x.Change)), cmp.Compare(x.Dimension, y.Dimension), cmp.Compare(text(x.Value), text(y.Value)))
	})
	return ans, nil
}

func (s *compared) answer(m agg.Metric) spanAnswer {
	return spanAnswer{time.Unix(s.Start, 0).UTC(), time.Unix(s.End, 0).UTC(), value(m, s.whole, s.Span)}
}

// part is what a group that has a number in a span adds to the change of the whole from what was usual before. Of what adds up that is the
// number itself. Of means it is how far the group is from the usual, by the share of the values that are its own: over all groups these add up to
// the change of the whole. Percentiles are taken for means, so that a group of one request does not stand above one of thousands.
func (s *compared) part(m agg.Metric, c *agg.Cell, number, usual float64) float64 {
	n, mean := m.Weight(c)
	if !mean {
		return number
	}
	all, _ := m.Weight(s.whole)
	return min(n/max(all, 1), 1) * (number - usual)
}

// contributions are those of the values of the one dimension that q groups by, between two spans in which its set has some sizes.
func (s *Service) contributions(q *question, sides [2]compared, sizes [2][]size, m agg.Metric) []contribution {
	place := s.sets[q.set].place(q.groupBy[0])
	by, usual := map[string]*contribution{}, number(value(m, sides[0].whole, sides[0].Span))
	for i := range sides {
		of := &sides[i]
		_, groups := s.everyGroup(q, of.Span, sizes[i])
		for _, g := range groups {
			name := g.values[place]
			c := by[name]
			if c == nil {
				c = &contribution{Dimension: q.groupBy[0]}
				if by[name] = c; name != "" {
					c.Value = &name
				}
			}
			v := value(m, g.cell, of.Span)
			if part := of.part(m, g.cell, number(v), usual); i == 0 {
				c.A, c.Part = v, c.Part-part
			} else {
				c.B, c.Part = v, c.Part+part
			}
		}
	}
	list := make([]contribution, 0, len(by))
	for _, c := range by {
		c.Change = number(c.B) - number(c.A)
		list = append(list, *c)
	}
	return list
}

func value(m agg.Metric, c *agg.Cell, span Span) *float64 {
	v, ok := m.Of(c, float64(span.End-span.Start))
	if !ok {
		return nil
	}
	return &v
}

func number(v *float64) float64 {
	if v == nil {
		return 0
	}
	return *v
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
