package rule

import (
	"cmp"

	"github.com/hxp-enterprise/hxp/internal/kit/sorting"
)

// A key that was silent for as long as the windows reach is kept for its budget alone, which lasts for weeks. Where there are as many groups
// as there may be, it leaves its place to a key that is there: people are to be called for that one.

// makeRoom gives the place of the key that was silent longest to another one, and tells whether there was such a key. Which one that is
// follows from what was merged: it is the same on all instances, and when the journal is read again.
func (r *judged) makeRoom(at int64) bool {
	if r.Type != BurnRate {
		return false // nothing else outlasts its windows
	}
	if !r.sought {
		r.silent, r.sought = r.seek(), true
	}
	for len(r.silent) > 0 {
		oldest := r.silent[0]
		r.silent = r.silent[1:]
		if oldest.silent() { // still
			r.evict(oldest, at)
			return true
		}
	}
	return false
}

// seek lists the groups that are silent, the one for which that is longest first. Between two looks none becomes so.
func (r *judged) seek() (out []*group) {
	others := r.othersKey()
	for _, g := range r.all {
		if g.silent() && g.key != others {
			out = append(out, g)
		}
	}
	sorting.By(out, func(a, b *group) int { return cmp.Or(cmp.Compare(a.newest, b.newest), cmp.Compare(a.key, b.key)) })
	return out
}

// evict lets a group go. What it spent of its budget is spent: it counts among all others from then on.
func (r *judged) evict(g *group, at int64) {
	delete(r.groups, g.key)
	for i := range r.all {
		if r.all[i] == g {
			r.all[i] = r.all[len(r.all)-1]
			r.all[len(r.all)-1] = nil
			r.all = r.all[:len(r.all)-1]
			break
		}
	}
	into := r.others(at)
	into.first = min(into.first, g.first)
	for _, x := range g.budget {
		into.budget.add(x.hour, &tally{Num: x.bad, Den: x.total})
	}
}
