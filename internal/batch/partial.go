package batch

import (
	"cmp"
	"slices"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// partial is what some rows of an hour come to: those that one reader met, those of one part, or all. Merging partials of rows that
// have none in common gives the partial of all of them, in any order.
type partial struct {
	rows, events int64 // read and folded
	passes       int
	counted      bool                               // only the events of each value were counted: there were too many
	groups       [len(cellFields)]map[string]*value // models, tenants and endpoints, "" = those that name none
	users        map[string]*userTotal              // agg.Others = those that were not kept apart
	others       agg.Distinct                       // of those, who made the requests
	joined       agg.Joined
}

func newPartial() *partial {
	p := &partial{users: map[string]*userTotal{}}
	for i := range p.groups {
		p.groups[i] = map[string]*value{}
	}
	return p
}

// gather merges what the readers found, which must not be used any more.
func gather(all []*tally) *partial {
	p := newPartial()
	for _, t := range all {
		p.events += t.events
		for i, g := range t.groups {
			for n := range g.values {
				p.addValue(i, &g.values[n])
			}
		}
		for n, v := range t.users.values {
			if v.name == "" {
				continue
			}
			u := p.users[v.name]
			if u == nil {
				u = &userTotal{name: v.name}
				p.users[v.name] = u
			}
			u.add(v.events, v.cell)
			if n < len(t.usage) {
				u.usage.Merge(&t.usage[n])
			}
		}
		p.others.Merge(&t.others)
		p.joined.Add(t.joined)
	}
	return p
}

// merge adds o, which must not be used any more.
func (p *partial) merge(o *partial) {
	p.rows, p.events, p.passes, p.counted = p.rows+o.rows, p.events+o.events, max(p.passes, o.passes), p.counted || o.counted
	for i := range o.groups {
		for _, v := range o.groups[i] {
			p.addValue(i, v)
		}
	}
	for _, u := range o.users {
		p.addUser(u)
	}
	p.others.Merge(&o.others)
	p.joined.Add(o.joined)
}

func (p *partial) addValue(group int, v *value) {
	have := p.groups[group][v.name]
	if have == nil {
		p.groups[group][v.name] = v
		return
	}
	have.events += v.events
	if v.cell != nil && have.cell != nil {
		have.cell.Merge(v.cell)
	} else if v.cell != nil {
		have.cell = v.cell
	}
}

func (p *partial) addUser(u *userTotal) {
	if have := p.users[u.name]; have != nil {
		have.add(u.events, u.cell)
		have.usage.Merge(&u.usage)
	} else {
		p.users[u.name] = u
	}
}

// finish makes the cells of the hour out of the partial of all its rows, which must not be used any more.
func (p *partial) finish(limits map[string]int) *folded {
	out := &folded{cells: cells{}, rows: p.rows, events: p.events, passes: p.passes, joined: p.joined}
	total := new(agg.Cell)
	for _, v := range p.groups[byModel] {
		if v.cell != nil {
			total.Merge(v.cell)
		}
	}
	for i := range p.groups {
		for _, v := range p.groups[i] {
			if v.name != "" && v.cell != nil {
				out.cells.add(agg.Group{Dimension: dimensionOf(i), Value: v.name}, v.cell)
			}
		}
	}
	p.addUsers(limits[agg.ByUser], out.cells)
	if out.events > 0 {
		out.cells[agg.Group{Dimension: agg.ByModel, Value: agg.AllModels}] = total
	}
	out.cells.trim(limits)
	return out
}

// choice says by dimension which values keep a cell of their own, where not all do.
type choice map[string]map[string]bool

// choose keeps the values with the most events of each dimension that has more than its limit. The choice is that of cells.trim, so it
// makes no difference to the result whether a reader, or a part, met too many values or not.
func (p *partial) choose(limits map[string]int) choice {
	c := choice{}
	for i := range p.groups {
		events := map[string]int64{}
		for name, v := range p.groups[i] {
			events[name] = v.events
		}
		c.choose(dimensionOf(i), events, limits)
	}
	events := map[string]int64{}
	for name, u := range p.users {
		events[name] = u.events
	}
	c.choose(agg.ByUser, events, limits)
	return c
}

func (c choice) choose(dimension string, events map[string]int64, limits map[string]int) {
	delete(events, "")
	delete(events, agg.Others)
	most := limits[dimension]
	if len(events) <= most {
		return
	}
	names := make([]string, 0, len(events))
	for name := range events {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(cmp.Compare(events[b], events[a]), cmp.Compare(a, b)) })
	c[dimension] = make(map[string]bool, most)
	for _, name := range names[:most] {
		c[dimension][name] = true
	}
}
