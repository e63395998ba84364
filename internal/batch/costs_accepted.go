package batch

import (
	"cmp"
	"net/http"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/kit/sorting"
)

// acceptedAnswer is the answer of GET /costs/accepted.
type acceptedAnswer struct {
	From    time.Time       `json:"from"`
	To      time.Time       `json:"to"`
	Judged  int             `json:"judged"`
	Matched int             `json:"with_their_request"` // judgements whose request lies in the same hour
	Models  []acceptedModel `json:"models"`
}

// acceptedModel is what an accepted answer of one model costs. The answers that nobody judged are assumed to be like those.
type acceptedModel struct {
	Model    string   `json:"model"`
	Judged   int      `json:"judged"`
	Accepted int      `json:"accepted"`
	Rate     float64  `json:"acceptance_rate"`
	Unpriced int      `json:"unpriced_requests"` // of the judged; with any, the cost of an answer is not known
	CostUSD  *agg.USD `json:"cost_usd"`          // of the judged
	Each     *float64 `json:"cost_usd_per_accepted_answer"`
}

func (s *Service) getAccepted(w http.ResponseWriter, r *http.Request) {
	q := &query{values: r.URL.Query()}
	q.only("from", "to")
	a := acceptedAnswer{Models: []acceptedModel{}}
	if a.From, a.To = s.costTimes(q); q.refused(w, r) {
		return
	}
	c, err := asking(r.Context(), s, func() (*contented, error) { return s.judged(r.Context(), a.From, a.To, new(reading)) })
	if err != nil {
		s.fail(w, r, err)
		return
	}
	a.Judged, a.Matched = c.judged, c.matched
	for _, m := range c.models {
		x := acceptedModel{Model: m.Name, Judged: m.judged, Accepted: m.accepted, Rate: float64(m.accepted) / float64(m.judged), Unpriced: m.judged - m.priced}
		if m.priced == m.judged {
			x.CostUSD = new(agg.USD(m.cost))
			if m.accepted > 0 {
				x.Each = new(x.CostUSD.Float() / float64(m.accepted))
			}
		}
		a.Models = append(a.Models, x)
	}
	sorting.By(a.Models, func(a, b acceptedModel) int {
		return cmp.Or(cmp.Compare(b.Judged, a.Judged), strings.Compare(a.Model, b.Model))
	})
	writeJSON(w, a)
}
