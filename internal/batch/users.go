package batch

import (
	"cmp"
	"slices"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// userTotal is what is known of one user, or of users that readers did not keep apart.
type userTotal struct {
	name   string
	events int64
	usage  agg.Usage
	cell   *agg.Cell // of events that are no requests, nil when there are none
}

func (u *userTotal) add(events int64, cell *agg.Cell) {
	u.events += events
	if cell != nil && u.cell != nil {
		u.cell.Merge(cell)
	} else if cell != nil {
		u.cell = cell
	}
}

// addUsers adds a cell for each of the busiest users and one for the others. An hour has far more users than it keeps apart: cells
// for all of them, only to be merged again, took a third of the time of a fold.
func (p *partial) addUsers(most int, sum cells) {
	totals := make([]*userTotal, 0, len(p.users))
	for _, u := range p.users {
		if u.name != agg.Others {
			totals = append(totals, u)
		}
	}
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
	if others := p.users[agg.Others]; others != nil { // those that readers did not keep apart
		sum.addUser(agg.Others, others, &p.others)
	}
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
