package rule

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
