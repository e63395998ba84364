package report

import (
	"cmp"
	"slices"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/kit/sorting"
)

// cost shows what the models cost, by request and by token.
func (s *Summary) cost(d *document) {
	known := slices.Clone(s.Models)
	known = slices.DeleteFunc(known, func(r agg.Row) bool { return r.CostUSD == nil })
	if len(known) == 0 {
		if s.total().Requests > 0 {
			d.add("cost", "Cost", "", prose("No request of this period has a known price, so nothing can be said of cost. Unknown is not zero: give the models prices, or let the events state cost_usd."))
		}
		return
	}
	sorting.StableBy(known, func(a, b agg.Row) int { return cmp.Compare(*b.CostUSD, *a.CostUSD) })
	all := append(known[:len(known):len(known)], slices.DeleteFunc(slices.Clone(s.Models), func(r agg.Row) bool { return r.CostUSD != nil })...)
	d.add("cost", "Cost", "By model, the dearest first. Unpriced requests have no price and are not in it; the cost of tokens is known where every request has one.", s.costBars(d.style, first(known, 12)), s.costTable(d, all))
}

func (s *Summary) costBars(st *style, rows []agg.Row) bars {
	var out bars
	top := *rows[0].CostUSD
	for _, r := range rows {
		b := bar{name: r.Model, text: st.money(r.CostUSD)}
		if top > 0 {
			b.share = *r.CostUSD / top
		}
		if all := s.total().CostUSD; all != nil && *all > 0 {
			b.text += "  ·  " + st.fixed(100**r.CostUSD / *all, 1) + " %"
		}
		out = append(out, b)
	}
	return out
}

func (s *Summary) costTable(d *document, rows []agg.Row) *table {
	st := d.style
	row := func(name string, r, was *agg.Row) []cell {
		var old *float64
		if was != nil {
			old = was.CostUSD
		}
		c, unpriced := counted{r, s.Unpriced.of(r.Model)}, "–"
		if c.unpriced != nil {
			unpriced = st.count(*c.unpriced)
		}
		return []cell{text(name), text(blank(st.money(r.CostUSD))), text(st.change(change(r.CostUSD, old))), text(unpriced), text(blank(st.money(perRequests(c)))),
			text(blank(st.money(perUnit(1e6, func(r *agg.Row) int64 { return r.TotalTokens })(c))))}
	}
	t := &table{columns: []column{{head: "Model", left: true}, {head: "Cost", width: 24}, {head: "Change", width: 20}, {head: "Unpriced", width: 20}, {head: "per 1,000 priced", width: 30}, {head: "per million tokens", width: 32}}}
	shown := first(rows, mostModels)
	for i := range shown {
		t.rows = append(t.rows, row(shown[i].Model, &shown[i], before(s.ModelsBefore, shown[i].Model)))
	}
	if len(rows) > 1 && s.Total != nil && s.Total.CostUSD != nil {
		t.total = row("Total", s.Total, s.Previous)
	}
	t.more = d.more(len(rows), len(shown), "model")
	return t
}
