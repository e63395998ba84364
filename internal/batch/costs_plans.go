package batch

import (
	"context"
	"net/http"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/batch/cost"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

// What follows from costs: what a move to another model would have done, what own GPUs cost, and how budgets stand.

func (s *Service) mountPlans(m *httpx.Mux) {
	from, to := httpx.Query("from", "Start, RFC 3339; the first of the month when not given."), httpx.Query("to", "End, exclusive; the end of the running hour when not given.")
	bad := httpx.Answer("422", "A parameter cannot be used; errors says which.")
	m.HandleFunc("POST /costs/whatif", s.postWhatIf, httpx.Needs(httpx.Read), httpx.Doc("What costs would have been, had another model served a share of the requests: {\"from\", \"to\", \"moves\": [{\"from\": model, \"to\": model, \"share\": 0.3}]}."),
		httpx.Body("application/json"), httpx.Answer("200", "What each move would have done, and all together.", whatIfAnswer{}), bad)
	m.HandleFunc("GET /costs/self-hosted", s.getOwnCosts, httpx.Doc("What own GPUs (costs.self_hosted) cost, fully loaded and as used, by pool and model."), from, to,
		httpx.Answer("200", "The pools.", ownAnswer{}), bad)
	m.HandleFunc("GET /costs/accepted", s.getAccepted, httpx.Doc("What an accepted answer costs, by model: the cost of the requests that users judged, by those that they accepted (a thumb up, or a score of 4 or 5)."), from, to,
		httpx.Answer("200", "The models.", acceptedAnswer{}), bad)
	m.HandleFunc("GET /costs/reconciliation", s.getReconciliation, httpx.Doc("Tokens that requests tell against those that the engines counted, by hour."), from, to,
		httpx.Answer("200", "The hours, and all together.", reconciliation{}), bad)
	m.HandleFunc("GET /costs/budgets", s.getBudgets, httpx.Doc("How the budgets of the month (costs.budgets) stand, and when they are likely to be spent."),
		httpx.Answer("200", "The budgets.", budgetsAnswer{}))
}

type ownAnswer struct {
	From  time.Time        `json:"from"`
	To    time.Time        `json:"to"`
	Total agg.USD          `json:"cost_usd"`
	Pools []*cost.PoolCost `json:"pools"`
}

func (s *Service) getOwnCosts(w http.ResponseWriter, r *http.Request) {
	q := &query{values: r.URL.Query()}
	q.only("from", "to")
	a := ownAnswer{Pools: []*cost.PoolCost{}}
	a.From, a.To = s.costTimes(q)
	a.From, a.To = s.wholeHours(q, a.From, a.To)
	hours := int64(a.To.Sub(a.From) / time.Hour)
	if hours > maxCostHours {
		q.bad("from", "too_much", "%d hours; at most %d are read at a time", hours, maxCostHours)
	}
	if q.refused(w, r) {
		return
	}
	if _, err := asking(r.Context(), s, func() (any, error) { return nil, s.ownCosts(r.Context(), &a) }); err != nil {
		s.fail(w, r, err)
		return
	}
	httpx.JSON(w, http.StatusOK, a)
}

// ownCosts fills in what own GPUs cost in the whole hours of an answer.
func (s *Service) ownCosts(ctx context.Context, a *ownAnswer) error {
	t, err := s.costTable(ctx, &costQuery{from: a.From, to: a.To, own: true})
	if err != nil {
		return err
	}
	for _, c := range t.Pools {
		a.Pools, a.Total = append(a.Pools, c), a.Total+c.CostUSD
	}
	return nil
}
