package report

import (
	"fmt"
	"strings"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// Headline is one of the five numbers that answer "how are we doing".
type Headline struct {
	Key           string   `json:"key"`
	Label         string   `json:"label"`
	Value         *float64 `json:"value"`
	Text          string   `json:"text"` // the value as page one of the PDF shows it
	Previous      *float64 `json:"previous"`
	Change        *float64 `json:"change"` // value ÷ previous − 1; null where one of them is not known or the previous is 0
	Trend         Trend    `json:"trend"`
	Earlier       *float64 `json:"earlier"` // in the same period before
	ChangeEarlier *float64 `json:"change_earlier"`
	TrendEarlier  Trend    `json:"trend_earlier"`
	Sentence      string   `json:"sentence"`
}

// Trend judges a change.
type Trend string

// The judgements. More or fewer requests, and what they cost, are neither good nor bad.
const (
	Better  Trend = "better"
	Worse   Trend = "worse"
	Same    Trend = "same"
	Neutral Trend = "neutral"
	Unknown Trend = "unknown"
)

// counted is a row with how many of its requests have no price; nil = not known.
type counted struct {
	*agg.Row
	unpriced *int64
}

// priced is how many requests the cost is of, 0 when that is not known.
func (c counted) priced() int64 {
	if c.unpriced == nil {
		return 0
	}
	return c.Requests - *c.unpriced
}

// without says how many requests the cost is not of.
func (c counted) without(st *style) string {
	switch {
	case c.unpriced == nil:
		return "how many have no price is not known"
	case *c.unpriced == 0:
		return "all have a price"
	}
	return st.count(*c.unpriced) + " of " + st.plural(c.Requests, "request") + " without a price are not in it"
}

// quantity is one of the five: where it stands in a row, and how it is told.
type quantity struct {
	key, label, lower string
	get               func(counted) *float64
	write             func(*style, *float64) string
	moreIs            Trend
	say               func(st *style, now counted, text string) (sentence string, compare bool)
}

var quantities = []quantity{
	{"requests", "Requests", "requests", func(r counted) *float64 { return new(float64(r.Requests)) }, func(st *style, v *float64) string { return st.count(int64(*v)) }, Neutral,
		func(st *style, now counted, _ string) (string, bool) {
			return st.plural(now.Requests, "request") + " by " + st.plural(now.UniqueUsers, "user"), true
		}},
	{"error_rate", "Error rate", "the error rate", func(r counted) *float64 { return r.ErrorRate }, (*style).percent, Worse,
		func(st *style, now counted, text string) (string, bool) {
			if now.ErrorRate == nil {
				return "No request of known outcome.", false
			}
			return fmt.Sprintf("%s failed, %s of those whose outcome is known", st.plural(now.Errors, "request"), text), true
		}},
	{"latency_p95_ms", "Latency, 95th percentile", "latency", func(r counted) *float64 { return r.LatencyP95MS }, (*style).millis, Worse,
		func(_ *style, now counted, text string) (string, bool) {
			if now.LatencyP95MS == nil {
				return "No successful request whose duration is known.", false
			}
			return "95 of 100 successful requests took at most " + text, true
		}},
	{"user_satisfaction", "User satisfaction", "user satisfaction", func(r counted) *float64 { return r.UserSatisfaction }, (*style).score, Better,
		func(st *style, now counted, _ string) (string, bool) {
			if now.UserSatisfaction == nil {
				return "No user gave a score.", false
			}
			return "Mean of " + st.plural(now.FeedbackCount, "answer"), true
		}},
	{"cost_usd", "Cost", "cost", func(r counted) *float64 { return r.CostUSD }, (*style).money, Neutral,
		func(st *style, now counted, _ string) (string, bool) {
			if now.CostUSD == nil {
				return "No request has a known price.", false
			}
			if now.Requests == 0 {
				return "Nothing was asked for", true
			}
			per := perRequests(now)
			if per == nil {
				return "Of the requests with a price; " + now.without(st), true
			}
			return st.money(per) + " per 1,000 requests with a price; " + now.without(st), true
		}},
}

// perRequests is the cost of 1,000 requests that have a price.
func perRequests(r counted) *float64 {
	if r.CostUSD == nil || r.priced() == 0 {
		return nil
	}
	return new(*r.CostUSD / float64(r.priced()) * 1000)
}

// perUnit divides the cost by what all requests together have. It is not known unless all of them have a price, since nobody counts the
// tokens and users of those that have one.
func perUnit(units float64, n func(*agg.Row) int64) func(counted) *float64 {
	return func(r counted) *float64 {
		if r.CostUSD == nil || n(r.Row) == 0 || r.unpriced == nil || *r.unpriced > 0 {
			return nil
		}
		return new(*r.CostUSD / float64(n(r.Row)) * units)
	}
}

// ofAll is the sentence of a cost per something that all requests have.
func ofAll(st *style, now counted, units int64, text string) (string, bool) {
	if units > 0 && now.CostUSD != nil && now.priced() < now.Requests {
		return "Not known: " + now.without(st) + ".", false
	}
	return text, units > 0 && now.CostUSD != nil
}

// costQuantities are the five of the report of costs.
var costQuantities = []quantity{
	quantities[4],
	{"cost_per_1000_requests_usd", "Cost of 1,000 requests", "the cost of a request", perRequests, (*style).money, Worse,
		func(st *style, now counted, _ string) (string, bool) {
			if now.priced() == 0 {
				return "Not known: " + now.without(st) + ".", false
			}
			return "Of " + st.plural(now.priced(), "request") + " with a price; " + now.without(st), now.CostUSD != nil
		}},
	{"cost_per_million_tokens_usd", "Cost of a million tokens", "the cost of a token", perUnit(1e6, func(r *agg.Row) int64 { return r.TotalTokens }), (*style).money, Worse,
		func(st *style, now counted, _ string) (string, bool) {
			return ofAll(st, now, now.TotalTokens, st.short(float64(now.PromptTokens))+" prompt and "+st.short(float64(now.CompletionTokens))+" completion tokens")
		}},
	{"cost_per_user_usd", "Cost of a user", "the cost of a user", perUnit(1, func(r *agg.Row) int64 { return r.UniqueUsers }), (*style).money, Neutral,
		func(st *style, now counted, _ string) (string, bool) {
			return ofAll(st, now, now.UniqueUsers, "Of "+st.plural(now.UniqueUsers, "different user"))
		}},
	quantities[0],
}

// quantities are the five numbers of the kind.
func (s *Summary) quantities() []quantity {
	if s.Kind == Cost {
		return costQuantities
	}
	return quantities
}

// Headline returns the five numbers.
func (s *Summary) Headline() []Headline {
	st, was := styleOf(s.Template), s.previously()
	now := counted{s.total(), s.Unpriced.of(agg.AllModels)}
	out := make([]Headline, 0, len(quantities))
	for _, q := range s.quantities() {
		h := Headline{Key: q.key, Label: st.text(q.key, q.label), Value: q.get(now)}
		h.Text = q.write(st, h.Value)
		if s.Previous != nil {
			h.Previous = q.get(counted{s.Previous, s.UnpricedBefore.of(agg.AllModels)})
		}
		if s.Earlier != nil {
			h.Earlier = q.get(counted{s.Earlier, s.UnpricedEarlier.of(agg.AllModels)})
		}
		h.Change, h.ChangeEarlier = change(h.Value, h.Previous), change(h.Value, h.Earlier)
		h.Trend, h.TrendEarlier = judge(h.Change, q.moreIs), judge(h.ChangeEarlier, q.moreIs)
		sentence, compare := q.say(st, now, h.Text)
		switch {
		case !compare:
		case h.Previous == nil:
			sentence += "; nothing is known of " + was + "."
		default:
			sentence += "; " + q.write(st, h.Previous) + " in " + was + "."
		}
		h.Sentence = sentence
		out = append(out, h)
	}
	return out
}

// previously names the period of comparison.
func (s *Summary) previously() string {
	level := s.Kind.Level()
	n, _ := s.Period.Count(level)
	if n == 1 {
		return "the " + unit(level, 1) + " before"
	}
	return fmt.Sprintf("the %d %s before", n, unit(level, n))
}

func change(v, before *float64) *float64 {
	if v == nil || before == nil || *before == 0 {
		return nil
	}
	return new(*v / *before - 1)
}

// judge says what a change means; moreIs is Better, Worse or Neutral.
func judge(change *float64, moreIs Trend) Trend {
	switch {
	case change == nil:
		return Unknown
	case *change > -0.0005 && *change < 0.0005:
		return Same
	case moreIs == Neutral:
		return Neutral
	case (*change > 0) == (moreIs == Better):
		return Better
	}
	return Worse
}

// lead is the one sentence above the five numbers.
func (s *Summary) lead() string {
	if s.Total == nil || s.Total.Events == 0 {
		return "No events were counted in this period."
	}
	names := map[Trend][]string{}
	for i, h := range s.Headline() {
		names[h.Trend] = append(names[h.Trend], s.quantities()[i].lower)
	}
	was := s.previously()
	if t := s.Thin; t != nil {
		was += fmt.Sprintf(", of which only %d of %d %s have data", t.WithData, t.All, unit(t.Level, t.All))
	}
	better, worse := listed(names[Better]), listed(names[Worse])
	switch {
	case s.Previous == nil:
		return "There is nothing to compare with: nothing is known of " + was + "."
	case better != "" && worse != "":
		return fmt.Sprintf("Compared with %s, %s got better and %s got worse.", was, better, worse)
	case better != "":
		return fmt.Sprintf("Compared with %s, %s got better and nothing got worse.", was, better)
	case worse != "":
		return fmt.Sprintf("Compared with %s, %s got worse.", was, worse)
	}
	what := "quality is"
	if s.Kind == Cost {
		what = "unit costs are"
	}
	return fmt.Sprintf("Compared with %s, %s unchanged.", was, what)
}

func listed(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}
