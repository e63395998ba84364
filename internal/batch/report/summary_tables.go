package report

import (
	"fmt"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// share writes a part of a whole; nothing of nothing is not known.
func share(st *style, part, whole int64) string {
	if whole == 0 {
		return "–"
	}
	return st.fixed(100*float64(part)/float64(whole), 1) + " %"
}

// changed is a cell with the change of a count that judges nothing.
func changed(st *style, now int64, before *agg.Row) cell {
	if before == nil {
		return text("new")
	}
	return text(st.change(change(new(float64(now)), new(float64(before.Requests)))))
}

// before finds the row of a name, nil when there was none.
func before(rows map[string]agg.Row, name string) *agg.Row {
	if r, ok := rows[name]; ok {
		return &r
	}
	return nil
}

// total of the period; never nil.
func (s *Summary) total() *agg.Row {
	if s.Total == nil {
		return &agg.Row{}
	}
	return s.Total
}

// more says how many rows of a table are not shown.
func (d *document) more(all, shown int, noun string) string {
	if all <= shown {
		return ""
	}
	return fmt.Sprintf("%s more in %s.", d.style.plural(int64(all-shown), noun), d.source)
}

// first are the rows that a table shows.
func first(rows []agg.Row, n int) []agg.Row { return rows[:min(len(rows), n)] }

func (s *Summary) models(d *document) {
	if len(s.Models) == 0 {
		return
	}
	st, sum := d.style, s.total()
	row := func(name string, r, was *agg.Row) []cell {
		return []cell{text(name), text(st.count(r.Requests)), text(share(st, r.Requests, sum.Requests)), changed(st, r.Requests, was), text(blank(st.millis(r.LatencyP50MS))),
			text(blank(st.millis(r.LatencyP95MS))), text(blank(st.millis(r.TTFTP95MS))), text(st.short(float64(r.TotalTokens))), text(blank(st.money(r.CostUSD)))}
	}
	t := &table{columns: []column{{head: "Model", left: true}, {head: "Requests", width: 17}, {head: "Share", width: 14}, {head: "Change", width: 18}, {head: "p50", width: 17}, {head: "p95", width: 18},
		{head: "TTFT p95", width: 18}, {head: "Tokens", width: 15}, {head: "Cost", width: 20}}}
	shown := first(s.Models, mostModels)
	for i := range shown {
		t.rows = append(t.rows, row(shown[i].Model, &shown[i], before(s.ModelsBefore, shown[i].Model)))
	}
	if len(s.Models) > 1 && s.Total != nil {
		t.total = row("Total", sum, s.Previous)
	}
	t.more = d.more(len(s.Models), len(shown), "model")
	d.add("models", "Models", "The whole period by model, the busiest first; change of the requests against "+s.previously()+". Latencies and time to first token (TTFT) are of successful requests.", t)
}

func (s *Summary) tenants(d *document) {
	if len(s.Tenants) == 0 {
		return
	}
	d.add("tenants", "Tenants", "The whole period by tenant, the busiest first; change of the requests against "+s.previously()+".",
		s.groups(d, "Tenant", "tenant", s.Tenants, s.TenantsBefore))
}

// groups is a table of another dimension; without was it says nothing of the period before.
func (s *Summary) groups(d *document, head, noun string, rows []agg.Row, was map[string]agg.Row) *table {
	st, sum := d.style, s.total()
	type part struct {
		column
		cell func(r *agg.Row) cell
	}
	parts := []part{
		{column{head: head, left: true}, func(r *agg.Row) cell {
			if r.Model == agg.Others {
				return text("others together")
			}
			return text(r.Model)
		}},
		{column{head: "Requests", width: 18}, func(r *agg.Row) cell { return text(st.count(r.Requests)) }},
		{column{head: "Share", width: 16}, func(r *agg.Row) cell { return text(share(st, r.Requests, sum.Requests)) }},
	}
	if was != nil {
		parts = append(parts, part{column{head: "Change", width: 20}, func(r *agg.Row) cell { return changed(st, r.Requests, before(was, r.Model)) }})
	}
	parts = append(parts, part{column{head: "Error rate", width: 19}, func(r *agg.Row) cell { return text(blank(st.percent(r.ErrorRate))) }})
	if noun != "user" {
		parts = append(parts, part{column{head: "Users", width: 16}, func(r *agg.Row) cell { return text(st.count(r.UniqueUsers)) }})
	}
	parts = append(parts, part{column{head: "Tokens", width: 17}, func(r *agg.Row) cell { return text(st.short(float64(r.TotalTokens))) }},
		part{column{head: "Cost", width: 24}, func(r *agg.Row) cell { return text(blank(st.money(r.CostUSD))) }})
	t := &table{}
	for _, p := range parts {
		t.columns = append(t.columns, p.column)
	}
	most := mostModels
	if noun == "user" { // the rest has few requests each
		most = mostUsers
	}
	shown := first(rows, most)
	for i := range shown {
		var row []cell
		for _, p := range parts {
			row = append(row, p.cell(&shown[i]))
		}
		t.rows = append(t.rows, row)
	}
	t.more = d.more(len(rows), len(shown), noun)
	return t
}
