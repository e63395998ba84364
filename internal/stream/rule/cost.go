package rule

import "time"

// Cost is what judging a rule has taken since the rule, as it is, was taken up. What it takes to fold events is shared by all rules.
type Cost struct {
	Rule   string
	Looks  uint64        // judgements of a group
	Spent  time.Duration // on them, by Options.Clock
	Groups int           // that are kept now
	Bytes  int           // of memory, about, as of the last look at all of them
}

// Costs tells what each rule costs, in the order of the rules.
func (g *Engine) Costs() []Cost {
	out := make([]Cost, len(g.rules))
	for i, r := range g.rules {
		out[i] = Cost{Rule: r.Name, Looks: r.looks, Spent: r.spent, Groups: len(r.all), Bytes: r.sized.bytes}
	}
	return out
}

// passed asks the clock, if there is one.
func (g *Engine) passed() time.Duration {
	if g.clock == nil {
		return 0
	}
	return g.clock()
}
