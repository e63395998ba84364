package batch

import (
	"encoding/csv"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/batch/cost"
	"github.com/hxp-enterprise/hxp/internal/batch/report"
	"github.com/hxp-enterprise/hxp/internal/kit/auth"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

// costLine is what some requests cost. CostUSD is that of the priced ones, null when there are none. What they took of own GPUs is in none of it.
type costLine struct {
	CostUSD  *agg.USD       `json:"cost_usd"`
	Requests uint64         `json:"requests"`
	Errors   uint64         `json:"errors"`
	Unpriced uint64         `json:"unpriced_requests"`
	Tokens   agg.TokenStats `json:"tokens"`
	OwnUSD   *agg.USD       `json:"own_gpu_usd,omitempty"` // where own=true asked for it
}

func lineOf(u *cost.Sum, own bool) costLine {
	l := costLine{Requests: u.Requests, Errors: u.Errors, Unpriced: u.Unpriced(), Tokens: agg.TokenStats(u.Tokens)}
	if u.Priced > 0 {
		l.CostUSD = new(agg.USD(u.Cost))
	}
	if own {
		l.OwnUSD = new(agg.USD(u.Own))
	}
	return l
}

// costGroup is a line with its key; a part is null where requests do not tell it.
type costGroup struct {
	Key map[string]*string `json:"key"`
	costLine
}

// costAnswer is the answer of GET /costs.
type costAnswer struct {
	From   time.Time   `json:"from"`
	To     time.Time   `json:"to"`
	Total  costLine    `json:"total"`
	Groups []costGroup `json:"groups"`
	Own    *ownTotal   `json:"own_gpus,omitempty"`
	Next   *string     `json:"next_cursor"`
}

// ownTotal is what own GPUs cost in the whole hours of an answer: what its groups took, and what nobody used.
type ownTotal struct {
	From    time.Time  `json:"from"`
	To      time.Time  `json:"to"`
	CostUSD agg.USD    `json:"cost_usd"`
	UsedUSD agg.USD    `json:"used_usd"`
	IdleUSD agg.USD    `json:"idle_usd"`
	Idle    []idleLine `json:"idle"`
}

// idleLine is what a pool cost while nobody used it, by the times that the answer is grouped by.
type idleLine struct {
	Key    map[string]*string `json:"key"`
	Pool   string             `json:"pool"`
	OwnUSD agg.USD            `json:"own_gpu_usd"`
}

func ownTotalOf(q *costQuery, t *cost.Table) *ownTotal {
	o := &ownTotal{From: q.from.Add(time.Hour - 1).Truncate(time.Hour), To: earlierOf(q.to.Truncate(time.Hour), q.ended), UsedUSD: agg.USD(t.Total.Own), IdleUSD: agg.USD(t.IdleTotal()), Idle: []idleLine{}}
	if o.To.Before(o.From) {
		o.To = o.From
	}
	o.CostUSD = o.UsedUSD + o.IdleUSD
	for _, l := range t.Idle {
		line := idleLine{Key: map[string]*string{}, Pool: l.Pool, OwnUSD: agg.USD(l.Nano)}
		for i, part := range t.By {
			if l.Key[i] != "" {
				line.Key[part] = &l.Key[i]
			}
		}
		o.Idle = append(o.Idle, line)
	}
	return o
}

func earlierOf(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func (s *Service) mountCosts(m *httpx.Mux, limit, cursor httpx.Option) {
	options := []httpx.Option{httpx.TenantIn("tenant"), httpx.Doc("What requests cost. The groups add up to the total, to the last nano-USD."),
		httpx.Query("from", "Start, RFC 3339; the first of the month when not given."), httpx.Query("to", "End, exclusive; the end of the running hour when not given."),
		httpx.Query("group_by", "Up to four of model, tenant, user_id, key, feature, prompt_version, endpoint, operation, session_id, host, hour, day, month, with commas; one line of everything when not given."),
		httpx.Query("own", "true: also what the requests took of own GPUs (costs.self_hosted), and what nobody used. Both together are what the pools cost in the whole hours that are over."),
		httpx.Query("format", "json, or csv or focus (FOCUS 1.2, as CSV, by day, model and tenant, own GPUs included) for everything without pages."), limit, cursor,
		httpx.Answer("200", "The costs, the dearest group first. cost_usd is that of the priced requests, null when there are none.", costAnswer{}),
		httpx.AnswerAs("200", "text/csv", ""), httpx.Answer("422", "A parameter cannot be used, or the question reads too much; errors says which."),
		httpx.Without("Where raw events have left, or values count together as __other__, it may be unknown whether it is among them: else 422."),
	}
	for _, part := range costNames {
		options = append(options, httpx.Query(part, "Only requests of this "+part+"."))
	}
	m.HandleFunc("GET /costs", s.getCosts, options...)
}

func (s *Service) getCosts(w http.ResponseWriter, r *http.Request) {
	q := &query{values: r.URL.Query()}
	q.only(slices.Concat([]string{"from", "to", "group_by", "own", "format", "limit", "cursor", "without"}, costNames)...)
	bound := auth.Tenant(r.Context())
	limit, format := q.limit(), q.choice("format", "json", "json", "csv", "focus")
	ask := &costQuery{by: costBy(q), own: q.choice("own", "false", "true", "false") == "true" || format == "focus"}
	if ask.own && bound != "" {
		httpx.Problem(w, r, http.StatusForbidden, fmt.Sprintf("what own GPUs cost, and own=true and format=focus tell, is of all tenants together, and this token is bound to %q; leave them out", bound))
		return
	}
	ask.from, ask.to = s.costTimes(q)
	first := 0
	if text := q.values.Get("cursor"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			q.bad("cursor", "bad_cursor", "take it from next_cursor, unchanged")
		}
		first = n
	}
	if format == "focus" {
		if len(ask.by) > 0 {
			q.bad("group_by", "conflict", "FOCUS has its own columns: leave group_by out")
		}
		ask.by = cost.FocusParts
	}
	by, narrow := ask.by, narrowing(q)
	if q.refused(w, r) {
		return
	}
	narrow.into(ask)
	table, err := asking(r.Context(), s, func() (*cost.Table, error) {
		t, err := s.costTable(r.Context(), ask)
		if err != nil || len(ask.narrow) == 0 {
			return t, err
		}
		return narrow.of(t, by)
	})
	if err != nil {
		s.fail(w, r, err)
		return
	}
	switch format {
	case "csv":
		sendCSV(w, r, "costs.csv", func(out io.Writer) error { return writeCosts(out, table, ask.own) })
	case "focus":
		w.Header().Set("X-Unpriced-Requests", strconv.FormatUint(table.Total.Unpriced(), 10))
		sendCSV(w, r, "focus.csv", func(out io.Writer) error {
			return cost.WriteFocus(out, table, ask.from, ask.to, s.cfg().Costs.Account(), report.Text)
		})
	default:
		httpx.JSON(w, http.StatusOK, pageOfCosts(ask, table, first, limit))
	}
}

func pageOfCosts(ask *costQuery, table *cost.Table, first, limit int) costAnswer {
	a := costAnswer{From: ask.from, To: ask.to, Total: lineOf(&table.Total, ask.own), Groups: []costGroup{}}
	if ask.own {
		a.Own = ownTotalOf(ask, table)
	}
	groups := table.Groups()
	groups = groups[min(first, len(groups)):]
	if len(groups) > limit {
		groups, a.Next = groups[:limit], new(strconv.Itoa(first+limit))
	}
	for i := range groups {
		g := costGroup{Key: map[string]*string{}, costLine: lineOf(&groups[i].Sum, ask.own)}
		for n, part := range table.By {
			if v := groups[i].Key[n]; v != "" {
				g.Key[part] = &v
			} else {
				g.Key[part] = nil
			}
		}
		a.Groups = append(a.Groups, g)
	}
	return a
}

// sendCSV answers with a file. When it fails on the way, the connection is cut: the reader must see that something is missing.
func sendCSV(w http.ResponseWriter, r *http.Request, name string, write func(io.Writer) error) {
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	w.Header().Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", name))
	if r.Method == http.MethodHead {
		return
	}
	if err := write(w); err != nil {
		panic(http.ErrAbortHandler)
	}
}

// writeCosts writes a header and a line for each group (RFC 4180, CRLF); null is an empty cell, and no text is a formula. With own GPUs there is a
// column of them, and at the end a line for each idle pool.
func writeCosts(w io.Writer, t *cost.Table, own bool) error {
	out := csv.NewWriter(w)
	out.UseCRLF = true
	header := append(append([]string{}, t.By...), "cost_usd", "requests", "errors", "unpriced_requests", "prompt_tokens", "completion_tokens", "total_tokens", "cached_tokens", "reasoning_tokens")
	if own {
		header = append(header, "own_gpu_usd", "idle_pool")
	}
	_ = out.Write(header) // Error tells
	for _, g := range t.Groups() {
		line := keyCells(g.Key)
		money := ""
		if g.Priced > 0 {
			money = agg.USD(g.Cost).String()
		}
		line = append(line, money)
		for _, n := range [...]uint64{g.Requests, g.Errors, g.Unpriced(), uint64(g.Tokens.Prompt), uint64(g.Tokens.Completion), uint64(g.Tokens.Total), uint64(g.Tokens.Cached), uint64(g.Tokens.Reasoning)} {
			line = append(line, strconv.FormatUint(n, 10))
		}
		if own {
			line = append(line, agg.USD(g.Own).String(), "")
		}
		_ = out.Write(line)
	}
	for _, l := range t.Idle {
		line := append(keyCells(l.Key), make([]string, 9)...)
		_ = out.Write(append(line, agg.USD(l.Nano).String(), report.Text(l.Pool)))
	}
	out.Flush()
	return out.Error()
}

// keyCells are the cells of a key.
func keyCells(key []string) []string {
	out := make([]string, len(key), len(key)+11)
	for i := range key {
		out[i] = report.Text(key[i])
	}
	return out
}
