package stream

import (
	"cmp"
	"math"
	"net/http"
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
	Change    float64  `json:"change"` // b − a, absent counts as 0
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
}

func (s *Service) getCompare(w http.ResponseWriter, r *http.Request) {
	p := params{Values: r.URL.Query()}
	metrics := p.metrics("metric", 1)
	a, b := p.span("a"), p.span("b")
	limit := int(p.whole("limit", "a number", 1, 1000, 100))
	if len(p.bad) > 0 {
		httpx.Problem(w, r, http.StatusUnprocessableEntity, p.bad[0].Detail, p.bad...)
		return
	}
	ans := compare(s.Query(a), s.Query(b), metrics[0])
	ans.Contributions = ans.Contributions[:min(limit, len(ans.Contributions))]
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

// compare ranks the values of all dimensions by how much of a metric's change is theirs.
func compare(a, b Result, m agg.Metric) compareAnswer {
	ans := compareAnswer{Metric: m.Name, Contributions: []contribution{}}
	var q question
	whole := func(r Result) spanAnswer {
		c, _ := q.group(r.Groups)
		return spanAnswer{time.Unix(r.Span.Start, 0).UTC(), time.Unix(r.Span.End, 0).UTC(), value(m, c, r.Span)}
	}
	ans.A, ans.B = whole(a), whole(b)
	for _, dim := range dimensions {
		cells := map[string][2]*agg.Cell{}
		for i, r := range []Result{a, b} {
			for k, c := range r.Groups {
				pair := cells[of(k, dim)]
				if pair[i] == nil {
					pair[i] = new(agg.Cell)
				}
				pair[i].Merge(c)
				cells[of(k, dim)] = pair
			}
		}
		for name, pair := range cells {
			c := contribution{Dimension: dim, A: value(m, pair[0], a.Span), B: value(m, pair[1], b.Span)}
			if name != "" {
				c.Value = &name
			}
			c.Change = number(c.B) - number(c.A)
			ans.Contributions = append(ans.Contributions, c)
		}
	}
	sorting.By(ans.Contributions, func(x, y contribution) int {
		return cmp.Or(cmp.Compare(math.Abs(y.Change), math.Abs(x.Change)), cmp.Compare(x.Dimension, y.Dimension), cmp.Compare(text(x.Value), text(y.Value)))
	})
	return ans
}

func value(m agg.Metric, c *agg.Cell, span Span) *float64 {
	if c == nil {
		return nil
	}
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
