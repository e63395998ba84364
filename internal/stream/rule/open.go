package rule

import "slices"

// Match is what an open episode of a sequence has come to since its last decision.
type Match struct {
	Count      int64
	Window     Window
	RequestIDs []string
	Events     []string
}

// Matches lists, by the id of their episode, the sequences that are seen now, at most so many.
func (g *Engine) Matches(most int) map[string]Match {
	out := map[string]Match{}
	for _, r := range g.rules {
		if r.Type != Sequence {
			continue
		}
		for _, group := range r.all {
			p := &group.episodes[0]
			if p.state != Firing {
				continue
			}
			if len(out) == most {
				return out
			}
			x := &p.reading
			out[r.id(group, 0, p.start)] = Match{int64(x.value), Window{Time(x.from * second), Time(x.to * second)}, x.ids, x.events}
		}
	}
	return out
}

// Episode is one that is open.
type Episode struct {
	ID, Rule, Version string
}

// Open lists the episodes that are open.
func (g *Engine) Open() (out []Episode) {
	for _, r := range g.rules {
		for _, group := range r.all {
			for class := range group.episodes {
				if p := &group.episodes[class]; p.state != none {
					out = append(out, Episode{r.id(group, class, p.start), r.Name, r.version})
				}
			}
		}
	}
	return out
}

// TakeUp goes on with the episode of a decision that was told before, under its id; what g has instead is dropped. It is false
// when no rule of g can have made the decision.
func (g *Engine) TakeUp(d *Decision) bool {
	r := g.byName[d.Version]
	if r == nil || d.State != Pending && d.State != Firing {
		return false
	}
	g.export.Abandon()
	key, class := r.series(d)
	group := g.group(r, key, int64(d.StartsAt)/second)
	if group == nil || r.id(group, class, int64(d.StartsAt)) != d.ID {
		return false
	}
	group.newest = max(group.newest, int64(d.CausedAt))
	group.episodes[class] = episode{d.State, int64(d.StartsAt), max(g.now, int64(d.At)), reading{true, d.Value, d.Threshold, int64(d.Window.Start) / second, int64(d.Window.End) / second, d.RequestIDs, d.Events}}
	return true
}

// Drop forgets the episode of a decision, as though it had never begun.
func (g *Engine) Drop(d *Decision) {
	r := g.byName[d.Version]
	if r == nil {
		return
	}
	key, class := r.series(d)
	if group := r.groups[key]; group != nil && group.episodes[class].state != none && r.id(group, class, group.episodes[class].start) == d.ID {
		g.export.Abandon()
		group.episodes[class] = episode{}
	}
}

// DropAll forgets the open episodes whose id is one of some.
func (g *Engine) DropAll(of func(id string) bool) {
	for _, r := range g.rules {
		for _, group := range r.all {
			for class := range group.episodes {
				if p := &group.episodes[class]; p.state != none && of(r.id(group, class, p.start)) {
					g.export.Abandon()
					*p = episode{}
				}
			}
		}
	}
}

// series is where the episode of a decision is kept: the key of its group, and its class.
func (r *compiled) series(d *Decision) (key string, class int) {
	values := make([]string, len(r.GroupBy))
	for i, name := range r.GroupBy {
		values[i] = d.Key[name]
	}
	return keyOf(values), max(slices.Index(classNames[:], d.Class), 0)
}
