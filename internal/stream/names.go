package stream

import (
	"strings"
)

// names tells the values of dimensions apart up to a budget; the rest count under otherName, so that a stranger who sends a
// million names costs bounded memory and the totals stay exact.
type names struct{ sets []setNames }

// setNames numbers the groups of one set.
type setNames struct {
	set
	keys    keys
	budgets [2]*budget
	most    int // groups; 0 = as many as the budgets of the values make
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

// id numbers the group of some values. under are those that it counts under: others when a budget is used up.
func (s *setNames) id(v values) (id who, under values) {
	if id, ok := s.keys.ids[v]; ok {
		return id, v
	}
	under = v
	for i := range s.dims {
		under[i] = s.budgets[i].admit(v[i])
	}
	if _, known := s.keys.ids[under]; !known && s.most > 0 && len(s.keys.names) >= s.most {
		under = values{otherName, otherName}
	}
	return s.keys.id(under), under
}

func (b *budget) admit(name string) string {
	switch {
	case name == "" || b.known[name]:
		return name
	case len(b.known) >= b.most:
		return otherName
	}
	b.known[strings.Clone(name)] = true
	return name
}
