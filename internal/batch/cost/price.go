package cost

import (
	"cmp"
	"slices"
	"time"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// Sort is a sort of token that may have a price of its own.
type Sort uint8

// The sorts: the tokens of the prompt and of the answer, and parts of either.
const (
	Input Sort = iota
	Output
	Cached    // of the prompt: read from a cache
	Written   // of the prompt: written to a cache
	Written1h // of Written: to be kept for more than an hour
	AudioIn
	ImageIn
	Reasoning // of the answer
	AudioOut
	ImageOut
	sorts
)

// rateNames are the names of the prices, which are LiteLLM's.
var rateNames = [sorts]string{
	Input: "input_cost_per_token", Output: "output_cost_per_token", Cached: "cache_read_input_token_cost", Reasoning: "output_cost_per_reasoning_token",
	Written: "cache_creation_input_token_cost", Written1h: "cache_creation_input_token_cost_above_1hr", AudioIn: "input_cost_per_audio_token",
	ImageIn: "input_cost_per_image_token", AudioOut: "output_cost_per_audio_token", ImageOut: "output_cost_per_image_token",
}

// countNames are the counts of parts that the catalogue of events has no field for. They stand among the data that it does not know
// (event.Extra), and what does not stand there is none.
var countNames = [sorts]string{
	Written: "cache_creation_tokens", Written1h: "cache_creation_1h_tokens", AudioIn: "prompt_audio_tokens", ImageIn: "prompt_image_tokens",
	AudioOut: "completion_audio_tokens", ImageOut: "completion_image_tokens",
}

// The parts of prompt and answer, in the order in which they take from the whole where their counts are more than that: audio that came
// from a cache is cached.
var (
	partsOfPrompt = []Sort{Cached, Written1h, Written, AudioIn, ImageIn}
	partsOfAnswer = []Sort{Reasoning, AudioOut, ImageOut}
)

// Rates are the prices of one token, by what the token is. nil is a price that is not told.
type Rates [sorts]*Pico

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
		for i := range r {
			r[i] = cmp.Or(t.Rates[i], r[i])
		}
	}
	return r
}

// maxCost is the most that a request may cost, in nano-USD: what is more is a wrong price, and the request stays unpriced.
const maxCost = 1_000_000 * 1_000_000_000

// Cost is what a request costs in nano-USD. ok is false when the event does not tell what the price needs to know.
func (p *Price) Cost(e *event.Event) (nano int64, ok bool) {
	rates, n, ok := p.counts(e)
	if !ok {
		return 0, false
	}
	// A request that failed may well end without an answer, and then nobody tells its length.
	answered := e.Has(event.CompletionTokens) || e.Has(event.Success) && !e.Bool(event.Success)
	return p.cost(1, &rates, &n, e.Has(event.PromptTokens), answered, maxCost)
}

// CostOfTold is what a request costs in nano-USD when what it does not tell is taken for none, as sums over requests take it. ok is false
// when the price has nothing for what it does tell.
func (p *Price) CostOfTold(e *event.Event) (nano int64, ok bool) {
	rates, n, _ := p.counts(e)
	return p.cost(1, &rates, &n, true, true, maxCost)
}

// ByRequest tells whether the price needs to see each request: it has tiers, which ask for the length of a prompt, or prices for tokens that
// no sum keeps apart.
func (p *Price) ByRequest() bool { return len(p.Tiers) > 0 || p.count() }

// counts are the tokens of a request by their sort, and the rates of its tier. ok is false when a count that these ask for is none.
func (p *Price) counts(e *event.Event) (rates Rates, n [sorts]int64, ok bool) {
	n = [sorts]int64{Input: e.Int(event.PromptTokens), Output: e.Int(event.CompletionTokens), Cached: e.Int(event.CachedTokens), Reasoning: e.Int(event.ReasoningTokens)}
	rates, ok = p.merged(n[Input]), true
	if len(e.Extra) > 0 && rates.count() {
		ok = event.CountMembers(e.Extra, countNames[:], n[:])
	}
	if n[Written] = max(n[Written], n[Written1h]); rates[Written1h] != nil { // else they cost what the others do
		n[Written] -= n[Written1h]
	}
	return rates, n, ok
}

// cost is what some requests cost that took so many tokens of each sort; prompt and answer say which of the two are told.
func (p *Price) cost(requests int64, rates *Rates, n *[sorts]int64, prompt, answer bool, most int64) (nano int64, ok bool) {
	var s sum
	if p.Request != nil {
		s.add(requests, *p.Request)
	}
	if !charge(&s, rates, n, Input, partsOfPrompt, prompt) || !charge(&s, rates, n, Output, partsOfAnswer, answer) {
		return 0, false
	}
	return s.nano(most)
}

// count tells whether there is a price for what countNames count.
func (r *Rates) count() bool {
	for i, name := range countNames {
		if name != "" && r[i] != nil {
			return true
		}
	}
	return false
}

// charge adds tokens, of which parts may have a price of their own. A price that is not told is a price of no tokens: it is enough
// where there are none, so an embedding needs no price for an answer. Nothing can be said of tokens that are not told unless they are free.
func charge(s *sum, rates *Rates, n *[sorts]int64, all Sort, parts []Sort, told bool) bool {
	left := n[all]
	for _, part := range parts {
		if price := rates[part]; price != nil {
			of := min(n[part], left)
			if !told && n[part] > 0 && *price > 0 { // a part of what nobody told
				return false
			}
			s.add(of, *price)
			left -= of
		}
	}
	switch price := rates[all]; {
	case price == nil:
		return left == 0
	case !told:
		return *price == 0
	default:
		s.add(left, *price)
		return true
	}
}

// same tells whether two versions say the same of requests, whenever they were put.
func (p *Price) same(o *Price) bool {
	return p.Model == o.Model && p.Effective == o.Effective && equal(p.Request, o.Request) && p.Rates.same(o.Rates) &&
		slices.EqualFunc(p.Tiers, o.Tiers, func(a, b Tier) bool { return a.Above == b.Above && a.Rates.same(b.Rates) })
}

func (r Rates) same(o Rates) bool {
	return slices.EqualFunc(r[:], o[:], equal)
}

func equal(a, b *Pico) bool { return a == b || a != nil && b != nil && *a == *b }

// EffectiveFrom is when the price begins to hold.
func (p *Price) EffectiveFrom() time.Time { return time.UnixMicro(p.Effective).UTC() }

// KnownFrom is when the price begins to count.
func (p *Price) KnownFrom() time.Time { return time.UnixMilli(p.Known).UTC() }
