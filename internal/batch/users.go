package batch

import (
	"cmp"
	"slices"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// userTotal is what all readers found of one user.
type userTotal struct {
	name   string
	events int64
	usage  agg.Usage
	cell   *agg.Cell // of events that are no requests, nil when there are none
}

// addUsers merges what the readers found of users, and adds a cell for each of the busiest and one for the others. An hour has far
// more users than it keeps apart: cells for all of them, only to be merged again, took a third of the time of a fold.
func addUsers(all []*tally, most int, sum cells) {
	totals, others := mergeUsers(all)
	slices.SortFunc(totals, func(a, b *userTotal) int {
		return cmp.Or(cmp.Compare(b.events, a.events), cmp.Compare(a.name, b.name))
	})
	for i, u := range totals {
		if i < most {
			sum.addUser(u.name, u, nil)
		} else {
			sum.addUser(agg.Others, u, nil)
		}
	}
	if others.total.name != "" { // those that readers did not keep apart
		sum.addUser(agg.Others, &others.total, &others.users)
	}
}

// otherUsers are users that no reader kept apart.
type otherUsers struct {
	total userTotal
	users agg.Distinct
}

func mergeUsers(all []*tally) (totals []*userTotal, others otherUsers) {
	byName := map[string]*userTotal{}
	for _, t := range all {
		others.users.Merge(&t.others)
		for n, v := range t.users.values {
			u := byName[v.name]
			switch {
			case v.name == "":
				continue
			case v.name == agg.Others:
				u = &others.total
				u.name = v.name
			case u == nil:
				u = &userTotal{name: v.name}
				byName[v.name], totals = u, append(totals, u)
			}
			u.events += v.events
			if n < len(t.usage) {
				u.usage.Merge(&t.usage[n])
			}
			if v.cell != nil && u.cell != nil {
				u.cell.Merge(v.cell)
			} else if v.cell != nil {
				u.cell = v.cell
			}
		}
	}
	return totals, others
}

// addUser adds what is known of a user, or of users, to a cell. users are those who made the requests, nil = the one of that name.
func (c cells) addUser(value string, u *userTotal, users *agg.Distinct) {
	g := agg.Group{Dimension: agg.ByUser, Value: value}
	if u.cell != nil {
		c.add(g, u.cell)
	}
	if u.usage.Requests == 0 {
		return
	}
	into := c[g]
	if into == nil {
		into = new(agg.Cell)
		c[g] = into
	}
	into.AddUsage(&u.usage)
	if users != nil {
		into.Users.Merge(users)
	} else {
		into.Users.Add(u.name)
	}
}
