package cost

import (
	"cmp"
	"slices"
	"time"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// Rates are the prices of one token, by what the token is. nil is a price that is not told.
type Rates struct {
	Input, Output, Cached, Reasoning *Pico
}

// Tier is what a request costs whose prompt has more than Above tokens.
type Tier struct {
	Above int64
	Rates
}

// Price is one version of what a model costs.
type Price struct {
	Model     string
	Effective int64 // microseconds since the epoch: holds for requests from then on
	Known     int64 // milliseconds since the epoch: counts for records that arrive from then on; 0 = not put yet
	Rates
	Request *Pico  // for each request, beside its tokens
	Tiers   []Tier // by Above, smallest first
}

// merged are the rates of a request whose prompt has so many tokens: those of the highest tier that it reaches, and of the price
// itself where the tier names none.
func (p *Price) merged(prompt int64) Rates {
	r := p.Rates
	for i := range p.Tiers {
		t := &p.Tiers[i]
		if prompt <= t.Above {
			break
		}
		r = Rates{cmp.Or(t.Input, r.Input), cmp.Or(t.Output, r.Output), cmp.Or(t.Cached, r.Cached), cmp.Or(t.Reasoning, r.Reasoning)}
	}
	return r
}

// maxCost is the most that a request may cost, in nano-USD: what is more is a wrong price, and the request stays unpriced.
const maxCost = 1_000_000 * 1_000_000_000

// Cost is what a request costs in nano-USD. ok is false when the event does not tell what the price needs to know.
func (p *Price) Cost(e *event.Event) (nano int64, ok bool) {
	prompt, answer := e.Int(event.PromptTokens), e.Int(event.CompletionTokens)
	rates := p.merged(prompt)
	var s sum
	if p.Request != nil {
		s.add(1, *p.Request)
	}
	if !charge(&s, rates.Input, rates.Cached, prompt, e.Int(event.CachedTokens), e.Has(event.PromptTokens)) {
		return 0, false
	}
	// A request that failed may well end without an answer, and then nobody tells its length.
	told := e.Has(event.CompletionTokens) || e.Has(event.Success) && !e.Bool(event.Success)
	if !charge(&s, rates.Output, rates.Reasoning, answer, e.Int(event.ReasoningTokens), told) {
		return 0, false
	}
	return s.nano(maxCost)
}

// charge adds tokens, of which some may have a price of their own. A price that is not told is a price of no tokens: it is enough
// where there are none. Nothing can be said of tokens that are not told unless they are free.
func charge(s *sum, price, ofPart *Pico, tokens, part int64, told bool) bool {
	part = min(part, tokens)
	if price == nil && ofPart == nil {
		return told && tokens == 0 || !told // an embedding has no answer and no price for one
	}
	if price == nil {
		return false
	}
	if !told {
		return *price == 0
	}
	if ofPart == nil {
		ofPart = price
	}
	s.add(tokens-part, *price)
	s.add(part, *ofPart)
	return true
}

// same tells whether two versions say the same of requests, whenever they were put.
func (p *Price) same(o *Price) bool {
	return p.Model == o.Model && p.Effective == o.Effective && equal(p.Request, o.Request) && p.Rates.same(o.Rates) &&
		slices.EqualFunc(p.Tiers, o.Tiers, func(a, b Tier) bool { return a.Above == b.Above && a.Rates.same(b.Rates) })
}

func (r Rates) same(o Rates) bool {
	return equal(r.Input, o.Input) && equal(r.Output, o.Output) && equal(r.Cached, o.Cached) && equal(r.Reasoning, o.Reasoning)
}

func equal(a, b *Pico) bool { return a == b || a != nil && b != nil && *a == *b }

// EffectiveFrom is when the price begins to hold.
func (p *Price) EffectiveFrom() time.Time { return time.UnixMicro(p.Effective).UTC() }

// KnownFrom is when the price begins to count.
func (p *Price) KnownFrom() time.Time { return time.UnixMilli(p.Known).UTC() }
