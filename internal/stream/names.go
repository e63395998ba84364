package stream

import (
	"strings"

	"github.com/hxp-enterprise/hxp/internal/kit/near"
)

// names tells the values of dimensions apart up to a budget; the rest count under otherName, so that a stranger who sends a
// million names costs bounded memory and the totals stay exact.
type names struct{ sets []setNames }

// setNames numbers the groups of one set.
type setNames struct {
	set
	keys    keys
	budgets [2]*budget
	most    int             // pairs; 0 = as many as the budgets of the values make
	told    int             // pairs that are told apart
	near    near.Table[who] // groups of late
}

// budget holds the values of one dimension that are told apart, whatever sets it is in.
type budget struct {
	known map[string]bool
	most  int
}

func newNames(c *Config) *names {
	sets, _ := c.sets() // Validate has refused what is wrong with them
	budgets := map[string]*budget{"model": newBudget(c.MaxModels), "tenant": newBudget(c.MaxTenants)}
	for i := range sets {
		if s := &sets[i]; len(s.dims) == 1 {
			budgets[s.name] = newBudget(s.budget)
		}
	}
	n := &names{}
	for _, s := range sets {
		sn := setNames{set: s, keys: newKeys(len(s.dims) == 2)}
		if len(s.dims) == 2 {
			sn.most = s.budget
		}
		for i, d := range s.dims {
			if budgets[d.name] == nil {
				budgets[d.name] = newBudget(c.DimensionValues)
			}
			sn.budgets[i] = budgets[d.name]
		}
		n.sets = append(n.sets, sn)
	}
	return n
}

func newBudget(most int) *budget { return &budget{known: map[string]bool{}, most: most} }

// remember takes the names that the windows hold, in the order in which they came, so that a restart tells the same ones apart.
func (n *names) remember(w *windows) {
	for i, l := range w.ladders {
		held := make([]bool, len(l.keys.names))
		for _, h := range l.hours {
			h.facts(func(own groups) {
				for j := range own {
					held[own[j].who] = true
				}
			})
		}
		for who, v := range l.keys.names {
			if held[who] {
				n.sets[i].id(v)
			}
		}
	}
}

// note says in over what of an event's values counts under otherName: pairs, when those have a budget of their own.
func (s *setNames) note(over overflow, v, under values, second int64) {
	at := dimSpan{s.name, floor(second, overflowSpans[finestOverflow])}
	if s.most > 0 {
		over.of(at).Add(v[0] + "\x00" + v[1])
		return
	}
	for i, d := range s.dims {
		if under[i] != v[i] {
			at.dimension = d.name
			over.of(at).Add(v[i])
		}
	}
}

var others = values{otherName, otherName}

// id numbers the group of some values. under are those that it counts under: others when a budget is used up.
func (s *setNames) id(v values) (id who, under values) {
	if id, ok := s.near.Find(v[0], v[1]); ok {
		return id, v
	}
	if id, ok := s.keys.ids[v]; ok {
		own := s.keys.names[id]
		s.near.Put(own[0], own[1], id)
		return id, v
	}
	under = v
	for i := range s.dims {
		under[i] = s.budgets[i].admit(v[i])
	}
	if s.most > 0 && under != others {
		if _, known := s.keys.ids[under]; !known && s.told >= s.most {
			under = others
		} else if !known {
			s.told++
		}
	}
	return s.keys.id(under), under
}

func (b *budget) admit(name string) string {
	switch {
	case name == "" || name == otherName || b.known[name]:
		return name
	case len(b.known) >= b.most:
		return otherName
	}
	b.known[strings.Clone(name)] = true
	return name
}
