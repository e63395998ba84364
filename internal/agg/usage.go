package agg

import "github.com/hxp-enterprise/hxp/internal/event"

// Usage is what the requests of one user come to, without the sketches of a Cell: an hour has many users, each with few requests.
type Usage struct {
	Requests, Errors, Unknown, Late uint64
	Tokens                          Tokens
	Cost                            int64
	Priced                          uint64
}

// AddUsage counts some rows of q, each with the user whose number of has for it.
func (q *Requests) AddUsage(users []Usage, of []int32, rows []int32) {
	prompt, completion, total, cached, reasoning, cost := ints(q.prompt), ints(q.completion), ints(q.total), ints(q.cached), ints(q.reasoning), ints(q.cost)
	for i, r := range rows {
		u := &users[of[i]]
		u.Requests++
		switch q.outcome[r] {
		case failed:
			u.Errors++
		case unknown:
			u.Unknown++
		}
		if q.late[r] {
			u.Late++
		}
		if prompt != nil {
			plus(&u.Tokens.Prompt, prompt[r])
		}
		if completion != nil {
			plus(&u.Tokens.Completion, completion[r])
		}
		if total != nil {
			plus(&u.Tokens.Total, total[r])
		}
		if cached != nil {
			plus(&u.Tokens.Cached, cached[r])
		}
		if reasoning != nil {
			plus(&u.Tokens.Reasoning, reasoning[r])
		}
		if cost != nil && q.cost.Has(int(r)) {
			u.Priced++
			plus(&u.Cost, cost[r])
		}
	}
}

// ints are the values of a column, nil when no row has one.
func ints(v *event.LakeVector) []int64 {
	if v.None {
		return nil
	}
	return v.Ints
}

// Cell makes a cell of u: one with the counts, tokens and money of its requests and nothing else.
func (u *Usage) Cell() *Cell {
	return &Cell{Events: u.Requests, Requests: u.Requests, Errors: u.Errors, Unknown: u.Unknown, Late: u.Late, Tokens: u.Tokens, Cost: u.Cost, Priced: u.Priced}
}
