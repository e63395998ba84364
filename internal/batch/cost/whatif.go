package cost

import (
	"fmt"
	"math/big"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// Move is a share of the requests to one model that another would serve.
type Move struct {
	From  string `json:"from"`
	To    string `json:"to"`
	Share Share  `json:"share"`
}

// Share is a part of everything in millionths, written as a number from 0 to 1.
type Share int64

// whole is a Share of everything.
const whole = 1_000_000

// MarshalJSON writes the share as a number.
func (s Share) MarshalJSON() ([]byte, error) {
	return fmt.Appendf(nil, "%g", float64(s)/whole), nil
}

// UnmarshalJSON reads a number above 0 and up to 1.
func (s *Share) UnmarshalJSON(text []byte) error {
	r, err := exact(string(text))
	if err != nil || r.Sign() <= 0 || r.Cmp(big.NewRat(1, 1)) > 0 {
		return fmt.Errorf("share %.40s is not a number above 0 and up to 1", text)
	}
	if *s = Share(halfEven(r.Mul(r, big.NewRat(whole, 1)))); *s == 0 {
		return fmt.Errorf("share %.40s is less than half of a millionth, the finest share that is held", text)
	}
	return nil
}

// of is the share of an amount, halves to even.
func (s Share) of(n int64) int64 {
	return halfEven(new(big.Rat).Mul(big.NewRat(n, 1), big.NewRat(int64(s), whole)))
}

// Outcome is what a move would have done to the costs of some time.
type Outcome struct {
	Move
	Requests uint64  `json:"requests"` // that would have moved
	Before   agg.USD `json:"cost_usd_before"`
	After    agg.USD `json:"cost_usd_after"`
	Saving   agg.USD `json:"saving_usd"` // negative = it would have cost more
	Month    agg.USD `json:"saving_usd_month"`
	Basis    string  `json:"basis"` // price = each request by the price book, sums = all of them together by the price book, observed = what the model's own requests have cost
}

// WhatIf is what a move would have done to requests of the one model, from what it and the other used in so many hours. They would have taken
// as many tokens of each sort on either model. to is the price of the other, nil = unknown; then what its own requests have cost counts. each is
// what it makes of the requests one by one, where it needs to see them (Price.ByRequest); nil = nobody can, and their sums have to do.
func WhatIf(m Move, from, other *agg.Usage, to *Price, each *int64, hours int64) (*Outcome, error) {
	switch {
	case from.Requests == 0:
		return nil, fmt.Errorf("there were no requests to %s in that time", m.From)
	case from.Priced < from.Requests:
		return nil, fmt.Errorf("%d of %d requests to %s have no price, so nobody knows what would be saved; PUT /prices sets prices for what arrives from then on", from.Unpriced(), from.Requests, m.From)
	}
	o := &Outcome{Move: m, Requests: uint64(m.Share.of(int64(from.Requests))), Before: agg.USD(m.Share.of(from.Cost))}
	switch all, ok := bulk(to, from); {
	case each != nil:
		o.Basis, o.After = "price", agg.USD(m.Share.of(*each))
	case ok && to.ByRequest():
		o.Basis, o.After = "sums", agg.USD(m.Share.of(all))
	case ok:
		o.Basis, o.After = "price", agg.USD(m.Share.of(all))
	case other.Priced > 0 && other.Priced == other.Requests && other.Tokens.Total > 0:
		o.Basis = "observed"
		all := new(big.Rat).Mul(big.NewRat(other.Cost, other.Tokens.Total), big.NewRat(from.Tokens.Total, 1))
		o.After = agg.USD(m.Share.of(halfEven(all)))
	default:
		return nil, fmt.Errorf("nobody knows what %s costs: the price book has no price of it that holds now, and its own requests of that time have none", m.To)
	}
	o.Saving = o.Before - o.After
	o.Month = agg.USD(nearest(int64(o.Saving), 30*24, hours))
	return o, nil
}

// bulk is what the tokens of many requests cost by a price, as far as sums of them tell: without its tiers, which ask for the length of each
// request, and without what only single requests tell (countNames), which costs what the others do.
func bulk(p *Price, u *agg.Usage) (nano int64, ok bool) {
	if p == nil {
		return 0, false
	}
	n := [sorts]int64{Input: u.Tokens.Prompt, Output: u.Tokens.Completion, Cached: u.Tokens.Cached, Reasoning: u.Tokens.Reasoning}
	return p.cost(int64(u.Requests), &p.Rates, &n, true, true, 1<<62)
}

// nearest is n·a/b, halves to even; n may be negative.
func nearest(n, a, b int64) int64 {
	r := new(big.Rat).SetFrac(new(big.Int).Mul(big.NewInt(n), big.NewInt(a)), big.NewInt(b))
	if r.Sign() < 0 {
		return -halfEven(r.Neg(r))
	}
	return halfEven(r)
}
