package stream

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
	"github.com/hxp-enterprise/hxp/internal/kit/sorting"
)

// userDimension is always known to GET /analytics/top: users are too many for panes by default, so what they spend is counted apart.
const userDimension = "user_id"

type topItem struct {
	Key   map[string]*string `json:"key"`
	Value float64            `json:"value"`
}

type topAnswer struct {
	Window windowAnswer `json:"window"`
	By     string       `json:"by"`
	Metric string       `json:"metric"`
	Items  []topItem    `json:"items"`
	// Other is what users beyond the budget have; null when all are told apart.
	Other      *float64 `json:"other"`
	NextCursor *string  `json:"next_cursor"`
}

func (s *Service) getTop(w http.ResponseWriter, r *http.Request) {
	p := params{Values: r.URL.Query()}
	p.narrowed("by", "metric", "window", "at")
	by := p.Get("by")
	users := by == userDimension && !slices.ContainsFunc(s.sets, func(st set) bool { return st.place(by) >= 0 })
	if !slices.Contains(dimensionNames(), by) {
		p.refuse("by", "by=%q: known are %s", clip(by), strings.Join(dimensionNames(), ", "))
	}
	q := question{filter: p.filter(), without: p.without()}
	if !users && len(p.bad) == 0 {
		q.groupBy = []string{by}
		s.plan(&p, &q)
	}
	if users && len(q.filter) > 0 {
		p.refuse(userDimension, "users are not told apart by model or tenant; leave the filter out")
	}
	if users && slices.ContainsFunc(slices.Collect(maps.Keys(q.without)), func(dim string) bool { return dim != userDimension }) {
		p.refuse("without", "users are not told apart by model or tenant; leave out users alone")
	}
	metrics := p.metrics("metric", 1)
	var spent func(spend) int64
	if users && len(metrics) == 1 {
		if spent = spendMetrics[strings.TrimSuffix(metrics[0].Name, ".total")]; spent == nil {
			p.refuse("metric", "metric=%q: of users there are requests, tokens and cost_usd", metrics[0].Name)
		}
	}
	offset, limit := p.page()
	window := p.whole("window", "whole seconds", 1, maxWindow, int64(s.cfg.WindowSeconds))
	end, given := p.moment("at")
	if !given {
		end = time.Now()
	}
	if len(p.bad) > 0 {
		httpx.Problem(w, r, http.StatusUnprocessableEntity, p.bad[0].Detail, p.bad...)
		return
	}
	q.between(window, end, given)
	a := topAnswer{By: by, Metric: p.Get("metric"), Items: []topItem{}}
	var bad []httpx.FieldError
	if users {
		bad = s.topUsers(&a, q, spent)
	} else {
		bad = s.topKeys(&a, q, metrics[0], offset+limit+1)
	}
	if len(bad) > 0 {
		httpx.Problem(w, r, http.StatusUnprocessableEntity, bad[0].Detail, bad...)
		return
	}
	a.Items, a.NextCursor = pageOf(a.Items, offset, limit)
	httpx.JSON(w, http.StatusOK, a)
}

func (s *Service) topKeys(a *topAnswer, q question, m agg.Metric, most int) []httpx.FieldError {
	res := s.about(q.span, q.set)
	a.Window = windowOf(res.Span, q.widened || res.Widened)
	q.limit = math.MaxInt32
	if m.Name == "requests" { // pages are in that order: of the others no cell is needed
		q.limit = most
	}
	_, groups, _ := s.page(&q, res.Span)
	for _, g := range groups {
		if v, ok := m.Of(g.cell, float64(res.Span.End-res.Span.Start)); ok {
			a.Items = append(a.Items, topItem{s.sets[q.set].shown(g.values, q.groupBy), v})
		}
	}
	sorting.StableBy(a.Items, func(x, y topItem) int { return cmp.Compare(y.Value, x.Value) })
	return s.hides(&q, res.Span)
}

func (s *Service) topUsers(a *topAnswer, q question, of func(spend) int64) []httpx.FieldError {
	span, all := s.spent(q.span)
	a.Window = windowOf(span, q.widened || span != q.span)
	number := func(x spend) float64 {
		if a.Metric == "cost_usd" {
			return agg.USD(of(x)).Float()
		}
		return float64(of(x))
	}
	for user, x := range all.all() {
		if q.without.Has(userDimension, user) {
			continue
		}
		if user == otherName {
			a.Other = new(number(x))
			continue
		}
		a.Items = append(a.Items, topItem{map[string]*string{a.By: &user}, number(x)})
	}
	sorting.By(a.Items, func(x, y topItem) int {
		return cmp.Or(cmp.Compare(y.Value, x.Value), strings.Compare(*x.Key[a.By], *y.Key[a.By]))
	})
	if left := q.without[userDimension]; len(left) > 0 && a.Other != nil {
		return []httpx.FieldError{unsure(userDimension, left[0], fmt.Sprintf("of this span only those that spend most are told apart, others count together as %s, and it may be among them", otherName))}
	}
	return nil
}

// spent adds up what users spent within a span, widened to what can be told apart.
func (s *Service) spent(want Span) (Span, *spenders) {
	lanes := s.allLanes()
	for span := want; ; {
		all, was := &spenders{}, span
		for _, l := range lanes {
			l.mu.Lock()
			span.Start, span.End = l.wallet.window(span.Start, span.End, all)
			l.mu.Unlock()
		}
		if span == was {
			return span, all
		}
	}
}

func windowOf(s Span, widened bool) windowAnswer {
	return windowAnswer{time.Unix(s.Start, 0).UTC(), time.Unix(s.End, 0).UTC(), s.End - s.Start, widened}
}
