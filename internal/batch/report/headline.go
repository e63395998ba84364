package report

import (
	"fmt"
	"strings"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// Headline is one of the five numbers that answer "how are we doing".
type Headline struct {
	Key      string   `json:"key"`
	Label    string   `json:"label"`
	Value    *float64 `json:"value"`
	Text     string   `json:"text"` // the value as page one of the PDF shows it
	Previous *float64 `json:"previous"`
	Change   *float64 `json:"change"` // value ÷ previous − 1; null where one of them is not known or the previous is 0
	Trend    Trend    `json:"trend"`
	Sentence string   `json:"sentence"`
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

// Headline returns the five numbers.
func (s *Summary) Headline() []Headline {
	now, before := s.Total, s.Previous
	if now == nil {
		now = &agg.Row{}
	}
	was := s.previously()
	value := func(get func(*agg.Row) *float64) (v, p *float64) {
		if before != nil {
			p = get(before)
		}
		return get(now), p
	}
	item := func(key, label string, get func(*agg.Row) *float64, write func(*float64) string, moreIs Trend, say func(text, then string) string) Headline {
		v, p := value(get)
		h := Headline{Key: key, Label: label, Value: v, Text: write(v), Previous: p, Change: change(v, p)}
		h.Trend = judge(h.Change, moreIs)
		then := ""
		if p != nil {
			then = write(p)
		}
		h.Sentence = say(h.Text, then)
		return h
	}
	compared := func(sentence, then string) string {
		if then == "" {
			return sentence + "; nothing is known of " + was + "."
		}
		return sentence + "; " + then + " in " + was + "."
	}
	return []Headline{
		item("requests", "Requests", func(r *agg.Row) *float64 { return new(float64(r.Requests)) }, func(v *float64) string { return count(int64(*v)) }, Neutral,
			func(text, then string) string {
				return compared(plural(now.Requests, "request")+" by "+plural(now.UniqueUsers, "user"), then)
			}),
		item("error_rate", "Error rate", func(r *agg.Row) *float64 { return r.ErrorRate }, percent, Worse, func(text, then string) string {
			if now.ErrorRate == nil {
				return "No request of known outcome."
			}
			return compared(fmt.Sprintf("%s failed, %s of those whose outcome is known", plural(now.Errors, "request"), text), then)
		}),
		item("latency_p95_ms", "Latency, 95th percentile", func(r *agg.Row) *float64 { return r.LatencyP95MS }, millis, Worse, func(text, then string) string {
			if now.LatencyP95MS == nil {
				return "No successful request whose duration is known."
			}
			return compared("95 of 100 successful requests took at most "+text, then)
		}),
		item("user_satisfaction", "User satisfaction", func(r *agg.Row) *float64 { return r.UserSatisfaction }, score, Better, func(text, then string) string {
			if now.UserSatisfaction == nil {
				return "No user gave a score."
			}
			return compared(fmt.Sprintf("Mean of %s", plural(now.FeedbackCount, "answer")), then)
		}),
		item("cost_usd", "Cost", func(r *agg.Row) *float64 { return r.CostUSD }, money, Neutral, func(text, then string) string {
			if now.CostUSD == nil {
				return "No request has a known price."
			}
			if now.Requests == 0 {
				return compared("Nothing was asked for", then)
			}
			return compared(money(new(*now.CostUSD/float64(now.Requests)*1000))+" per 1,000 requests", then)
		}),
	}
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
	for _, h := range s.Headline() {
		if h.Trend == Better || h.Trend == Worse {
			names[h.Trend] = append(names[h.Trend], map[string]string{"error_rate": "the error rate", "latency_p95_ms": "latency", "user_satisfaction": "user satisfaction"}[h.Key])
		}
	}
	was := s.previously()
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
	return fmt.Sprintf("Compared with %s, quality is unchanged.", was)
}

func listed(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}
