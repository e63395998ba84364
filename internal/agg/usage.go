package agg

import (
	"encoding/binary"

	"github.com/hxp-enterprise/hxp/internal/event"
)

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

// Append writes u, which is not negative anywhere.
func (u *Usage) Append(dst []byte) []byte {
	t := &u.Tokens
	for _, n := range [...]uint64{u.Requests, u.Errors, u.Unknown, u.Late, u.Priced, uint64(u.Cost),
		uint64(t.Prompt), uint64(t.Completion), uint64(t.Total), uint64(t.Cached), uint64(t.Reasoning)} {
		dst = binary.AppendUvarint(dst, n)
	}
	return dst
}

// Decode replaces u by what Append wrote at the start of src and returns what follows it.
func (u *Usage) Decode(src []byte) (rest []byte, err error) {
	r := reader{src: src}
	*u = Usage{Requests: r.count("requests"), Errors: r.count("errors"), Unknown: r.count("unknown"), Late: r.count("late"), Priced: r.count("priced"), Cost: r.int("cost")}
	u.Tokens = Tokens{Prompt: r.int("prompt tokens"), Completion: r.int("completion tokens"), Total: r.int("total tokens"), Cached: r.int("cached tokens"), Reasoning: r.int("reasoning tokens")}
	r.check(u.Errors+u.Unknown <= u.Requests && u.Late <= u.Requests && u.Priced <= u.Requests, "more outcomes or prices than requests")
	if r.err != nil {
		return src, r.err
	}
	return r.src, nil
}

// Take takes away what o counted, which must be a part of u.
func (u *Usage) Take(o *Usage) {
	u.Requests -= min(o.Requests, u.Requests)
	u.Errors -= min(o.Errors, u.Errors)
	u.Unknown -= min(o.Unknown, u.Unknown)
	u.Late -= min(o.Late, u.Late)
	u.Priced -= min(o.Priced, u.Priced)
	u.Cost -= min(o.Cost, u.Cost)
	t, p := &u.Tokens, &o.Tokens
	for _, x := range [...]struct{ of, take *int64 }{{&t.Prompt, &p.Prompt}, {&t.Completion, &p.Completion}, {&t.Total, &p.Total}, {&t.Cached, &p.Cached}, {&t.Reasoning, &p.Reasoning}} {
		*x.of -= min(*x.take, *x.of)
	}
}

// Unpriced returns the number of requests without a cost.
func (u *Usage) Unpriced() uint64 { return u.Requests - u.Priced }
