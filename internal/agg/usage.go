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

// Merge adds what o counted.
func (u *Usage) Merge(o *Usage) {
	u.Requests += o.Requests
	u.Errors += o.Errors
	u.Unknown += o.Unknown
	u.Late += o.Late
	u.Tokens.add(&o.Tokens)
	plus(&u.Cost, o.Cost)
	u.Priced += o.Priced
}

// AddUsage adds the counts, tokens and money of requests; who made them is for the caller to add.
func (c *Cell) AddUsage(u *Usage) {
	c.Events += u.Requests
	c.Requests += u.Requests
	c.Errors += u.Errors
	c.Unknown += u.Unknown
	c.Late += u.Late
	c.Tokens.add(&u.Tokens)
	plus(&c.Cost, u.Cost)
	c.Priced += u.Priced
}
