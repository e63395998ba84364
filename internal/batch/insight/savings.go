package insight

import (
	"fmt"
	"math"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// ModelCost is what one model cost and how good it was.
type ModelCost struct {
	Model    string
	Unit     []float64 // USD per million tokens, by day; Absent = not all of the day was priced
	Cost     []int64   // nano-USD by day
	Requests []float64
	Scores   float64 // answers of users
	Score    float64 // their mean, 1–5
	P95MS    float64 // latency; Absent = not known
}

const (
	recent       = 7   // days that stand for what is now
	recentLeast  = 5   // of them with a price
	cheaperLeast = 0.1 // saving that matters, as a share
	scoresLeast  = 30  // to judge a model by
)

// now are the last days of a model: logarithms of its unit cost, what it costs a day, and its requests.
func (m *ModelCost) now() (unit []float64, nanoADay float64, requests float64) {
	from := max(0, len(m.Unit)-recent)
	for i := from; i < len(m.Unit); i++ {
		nanoADay += float64(m.Cost[i]) / float64(len(m.Unit)-from)
		requests += m.Requests[i]
	}
	return logs(m.Unit[from:]), nanoADay, requests
}

// apart compares two models day by day: how much less the second costs, as a share, and the p-value of its costing something else. ok is
// false when too few days have a price of both.
func apart(a, b []float64) (share, p float64, ok bool) {
	var d []float64
	for i := range a {
		if x := b[i] - a[i]; !math.IsNaN(x) {
			d = append(d, x)
		}
	}
	n := float64(len(d))
	if len(d) < recentLeast {
		return 0, 1, false
	}
	t := mean(d) / math.Sqrt(max(squares(d)/(n-1), 1e-6)/n)
	return 1 - math.Exp(median(d)), studentTail(t, n-1), true
}

// UnitCosts looks for changes of what a token costs. units are the series of the models, in their order. What the last rise costs a month is
// what there is to save.
func (r *Report) UnitCosts(units []Series, models []ModelCost) {
	if r.Steady {
		return
	}
	for i := range units {
		all := Steps(units[i].Values)
		small := func(s *Step) bool { return math.Abs(math.Log(s.Ratio())) < math.Log(1+units[i].Least) }
		last := len(all) - 1 // the change that still holds
		for last >= 0 && (all[last].P > maybe || small(&all[last])) {
			last--
		}
		for n := range all {
			step := &all[n]
			if small(step) {
				r.nothing(step.P)
				continue
			}
			f := r.change(&units[i], step)
			if _, nano, _ := models[i].now(); n == last && step.Ratio() > 1 && nano > 0 {
				f.Saving, f.Risk = new(agg.USD(math.Round(nano*(1-1/step.Ratio())*30))), "unknown"
				f.Text += fmt.Sprintf(" That is %s USD a month at the pace of the last %d days.", short(f.Saving.Float()), recent)
			}
			r.test(f, step.P)
		}
	}
}

// Savings looks, for each model, for the one that would save most in its place, by what a token of each has cost in the last days.
func (r *Report) Savings(models []ModelCost) {
	for i := range models {
		dear := &models[i]
		unit, nano, n := dear.now()
		if nano == 0 {
			continue
		}
		var best *ModelCost
		share, p, price := 0.0, 1.0, 0.0
		for j := range models {
			other, _, m := models[j].now()
			if i == j || m < 100 {
				continue
			}
			if s, q, ok := apart(unit, other); ok && s > share {
				best, share, p, price = &models[j], s, q, math.Exp(Median(other))
			}
		}
		switch {
		case best == nil:
		case share < cheaperLeast:
			r.nothing(p)
		default:
			p = min(1, p*float64(len(models)-1)) // the best of so many
			r.test(cheaper(dear, best, share, math.Exp(Median(unit)), price, nano, n), p)
		}
	}
}

func cheaper(dear, best *ModelCost, share, unit, price, nanoADay, requests float64) Finding {
	month := agg.USD(math.Round(nanoADay * share * 30))
	risk, why := riskOf(dear, best)
	return Finding{Kind: "cheaper_model", Subject: map[string]string{"model": dear.Model}, Metric: "usd_per_million_tokens", Before: new(round(unit)), After: new(round(price)), Saving: &month, Risk: risk,
		Text: fmt.Sprintf("Requests to %s would cost %.0f %% less on %s: %s instead of %s USD per million tokens, %s USD a month at the pace of the last %d days. Risk %s: %s.",
			dear.Model, share*100, best.Model, short(price), short(unit), short(month.Float()), recent, risk, why),
		Evidence: map[string]any{"alternative": best.Model, "share_saved": round(share), "cost_usd_a_day": round(nanoADay / 1e9), "days": recent, "requests": requests,
			"satisfaction": number(dear.Score, dear.Scores > 0), "satisfaction_alternative": number(best.Score, best.Scores > 0), "scores": dear.Scores, "scores_alternative": best.Scores,
			"latency_p95_ms": number(dear.P95MS, !math.IsNaN(dear.P95MS)), "latency_p95_ms_alternative": number(best.P95MS, !math.IsNaN(best.P95MS)),
			"assumes": "as many tokens on either model"}}
}

func number(x float64, known bool) *float64 {
	if !known {
		return nil
	}
	return new(round(x))
}

// riskOf judges what users may lose. The spread of scores is not known, so it is taken to be as wide as their mean allows.
func riskOf(dear, best *ModelCost) (risk, why string) {
	switch {
	case dear.Scores < scoresLeast || best.Scores < scoresLeast:
		return "unknown", fmt.Sprintf("too few users have judged the two (%s and %s scores)", short(dear.Scores), short(best.Scores))
	case best.Score < dear.Score-0.1:
		if z := (dear.Score - best.Score) / math.Sqrt(spread(dear)+spread(best)); normalTail(z) < 0.05 {
			return "high", fmt.Sprintf("users are less content with it, %s against %s of 5", short(best.Score), short(dear.Score))
		}
		return "medium", fmt.Sprintf("users seem less content with it, %s against %s of 5, though too few have said so to be sure", short(best.Score), short(dear.Score))
	case best.P95MS > dear.P95MS*1.25:
		return "medium", fmt.Sprintf("it is slower, %s ms against %s ms in 95 of 100 requests", short(best.P95MS), short(dear.P95MS))
	}
	return "low", fmt.Sprintf("users are as content with it, %s against %s of 5", short(best.Score), short(dear.Score))
}

// spread is the largest variance that a mean of scores from 1 to 5 can have.
func spread(m *ModelCost) float64 { return (5 - m.Score) * (m.Score - 1) / m.Scores }

// Unpriced says how much of the cost is not known.
func (r *Report) Unpriced(requests, unpriced float64) {
	if requests == 0 || unpriced/requests < 0.01 {
		return
	}
	r.facts = append(r.facts, Finding{Kind: "unpriced_requests", Subject: map[string]string{}, Metric: "unpriced_requests", After: new(round(unpriced / requests)),
		Text:     fmt.Sprintf("%.0f %% of the requests have no price, so costs are higher than they look: %s of %s. PUT /prices sets prices for what arrives from then on.", unpriced/requests*100, short(unpriced), short(requests)),
		Evidence: map[string]any{"requests": requests, "unpriced_requests": unpriced}})
}
