package anomaly

import (
	"cmp"
	"encoding/binary"
	"slices"
)

// fact is something that holds at a step: a bit of the value, or, from firstContext on, a context that was active.
type fact int32

const (
	firstContext = fact(2 * bits)
	maxLeft      = 7      // facts of the side of a new context that looks back
	maxActive    = 15     // active contexts that count as facts of the step
	maxContexts  = 20_000 // beyond, all is learnt anew from the newest values
	leanContexts = 3000   // the same, of a lean detector
)

// contexts is the memory of what follows what. A context says that right, some facts of a step, came after left, some facts of
// the step before. It is selected when its whole left side holds, and active when its right side then holds too. Among the
// facts of a step are the contexts that were active at it, so contexts build on contexts and reach further back.
//
// A step is strange when few of the selected contexts become active, and when much of what could be learnt from it is new.
type contexts struct {
	left, right side
	list        []context
	byPair      map[int64]int32 // left and right number → context
	before      []fact          // facts of the step before
	met         []int32         // left sides of which something held at the step before

	active    []int32
	candidate []pair
	seen      map[string]bool // candidates of this step
}

type context struct {
	activity int32
	whole    bool // made of all facts of two steps, not of what two contexts had in common
}

// pair is a context that could be learnt.
type pair struct{ left, right []fact }

func newContexts() *contexts {
	return &contexts{left: newSide(), right: newSide(), byPair: map[int64]int32{}, seen: map[string]bool{}}
}

func (c *contexts) size() int { return len(c.list) }

// step takes the facts of the next value and returns how strange it is, from 0 to 1.
func (c *contexts) step(value [bits]fact) float64 {
	now := value[:]
	fresh := false
	clear(c.seen)
	if len(c.before) > 0 {
		_, fresh = c.learn(c.before, now, true)
		c.seen[pairKey(c.before, now)] = true
	}
	c.right.hold(now)
	selected := c.meet(fresh)
	expected := 0.0
	if selected > 0 {
		expected = float64(len(c.active)) / float64(selected)
	}
	learnt := 0
	if fresh {
		learnt++
	}
	for _, p := range c.candidate {
		if _, isNew := c.learn(p.left, p.right, false); isNew {
			learnt++
		}
	}
	novel := 0.0
	if len(c.seen) > 0 {
		novel = float64(learnt) / float64(len(c.seen))
	}
	c.remember(now)
	return (1 - expected + novel) / 2
}

// meet goes through the contexts whose left side was met at the step before: it notes which are active, and, when the
// step is a new one, what could be learnt from what its contexts have in common with older ones.
func (c *contexts) meet(fresh bool) (selected int) {
	c.active, c.candidate = c.active[:0], c.candidate[:0]
	newest := int32(-1) // the context of this very step says nothing about it
	if fresh {
		newest = int32(len(c.list) - 1)
	}
	for _, l := range c.met {
		left := &c.left.parts[l]
		full := len(left.held) == len(left.facts)
		for _, k := range left.links {
			if k.context == newest {
				continue
			}
			right := &c.right.parts[k.right]
			if full {
				selected++
				if len(right.held) == len(right.facts) {
					c.list[k.context].activity++
					c.active = append(c.active, k.context)
					continue
				}
			}
			if fresh && len(right.held) > 0 && c.list[k.context].whole && len(left.held) <= maxLeft {
				p := pair{slices.Clone(left.held), slices.Clone(right.held)}
				c.candidate = append(c.candidate, p)
				c.seen[pairKey(p.left, p.right)] = true
			}
		}
	}
	return selected
}

// remember makes the step the one before: its facts and its busiest active contexts.
func (c *contexts) remember(value []fact) {
	slices.SortFunc(c.active, func(a, b int32) int {
		return cmp.Or(cmp.Compare(c.list[a].activity, c.list[b].activity), cmp.Compare(a, b))
	})
	c.before = append(c.before[:0], value...)
	for _, id := range c.active[max(0, len(c.active)-maxActive):] {
		c.before = append(c.before, firstContext+fact(id))
	}
	slices.Sort(c.before)
	c.met = c.left.hold(c.before)
}

// learn returns the context of two sides, and whether it is a new one.
func (c *contexts) learn(left, right []fact, whole bool) (id int32, isNew bool) {
	l, r := c.left.part(left), c.right.part(right)
	key := int64(l)<<32 | int64(r)
	if id, known := c.byPair[key]; known {
		c.list[id].whole = c.list[id].whole || whole
		return id, false
	}
	id = int32(len(c.list))
	c.list = append(c.list, context{whole: whole})
	c.byPair[key] = id
	c.left.parts[l].links = append(c.left.parts[l].links, link{r, id})
	return id, true
}

// side is all that stands on one side of contexts.
type side struct {
	parts  []part
	byKey  map[string]int32
	byFact map[fact][]int32
	held   []int32 // parts of which something holds now
	key    []byte
}

type part struct {
	facts []fact
	held  []fact // of them, those that hold now
	links []link
}

type link struct{ right, context int32 }

func newSide() side { return side{byKey: map[string]int32{}, byFact: map[fact][]int32{}} }

// part finds or makes the part of these facts.
func (s *side) part(facts []fact) int32 {
	s.key = appendFacts(s.key[:0], facts)
	if n, ok := s.byKey[string(s.key)]; ok {
		return n
	}
	n := int32(len(s.parts))
	s.byKey[string(s.key)] = n
	s.parts = append(s.parts, part{facts: slices.Clone(facts)})
	for _, f := range facts {
		s.byFact[f] = append(s.byFact[f], n)
	}
	return n
}

// hold notes what of each part holds when these facts do, and returns the parts of which something does, in their order.
func (s *side) hold(facts []fact) []int32 {
	for _, n := range s.held {
		s.parts[n].held = s.parts[n].held[:0]
	}
	s.held = s.held[:0]
	for _, f := range facts {
		for _, n := range s.byFact[f] {
			p := &s.parts[n]
			if len(p.held) == 0 {
				s.held = append(s.held, n)
			}
			p.held = append(p.held, f)
		}
	}
	slices.Sort(s.held)
	return s.held
}

func appendFacts(b []byte, facts []fact) []byte {
	for _, f := range facts {
		b = binary.LittleEndian.AppendUint32(b, uint32(f))
	}
	return b
}

func pairKey(left, right []fact) string {
	b := appendFacts(make([]byte, 0, 4*(len(left)+len(right)+1)), left)
	return string(appendFacts(append(b, 0xff, 0xff, 0xff, 0xff), right))
}
