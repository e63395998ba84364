package cost

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/kit/sorting"
)

// Table holds requests by a key of several parts, and all of them together. Its sums are whole numbers, so the lines add up to the total
// exactly, in whatever order they came.
type Table struct {
	By     []string // names of the parts
	Total  Sum
	Untold uint64      // requests of which it is not known which of the lines that are asked for they belong to
	Beyond bool        // there are more lines than are kept apart
	Idle   []IdleLine  // of own GPUs, by time and pool; they are not in the lines
	Pools  []*PoolCost // of own GPUs
	groups map[string]*Sum
	idle   map[string]int // places in Idle, by key and pool
	most   int
	buf    []byte
}

// Sum is what some requests come to.
type Sum struct {
	agg.Usage
	Own     int64  // nano-USD of own GPUs that they took; it is in no price
	Covered uint64 // requests without a price that own GPUs served
}

func (s *Sum) merge(o *Sum) {
	s.Usage.Merge(&o.Usage)
	s.Own += o.Own
	s.Covered += o.Covered
}

// Group is one line of a table. A part of its key is "" where requests do not tell it.
type Group struct {
	Key []string
	Sum
}

// IdleLine is what own GPUs cost while nobody used them. The key has the times of the table; its other parts are "".
type IdleLine struct {
	Key  []string
	Pool string
	Nano int64
}

// Times are the names of the parts that tell when.
var Times = []string{"hour", "day", "month"}

// MaxGroups is how many lines a table keeps apart; requests of further keys count together under agg.Others, those of each time for
// themselves.
const MaxGroups = 100_000

// NewTable makes an empty table.
func NewTable(by []string) *Table {
	return &Table{By: by, groups: map[string]*Sum{}, idle: map[string]int{}, most: MaxGroups}
}

// separator stands between the parts of a key; no text of an event has it.
const separator = "\x00"

// At returns the line of a key to add to; the caller adds the same to Total.
func (t *Table) At(parts []string) *Sum {
	t.join(parts)
	if u := t.groups[string(t.buf)]; u != nil {
		return u
	}
	key := string(t.buf)
	if len(t.groups) >= t.most {
		t.Beyond = true
		key = strings.Join(t.others(parts), separator)
		if u := t.groups[key]; u != nil {
			return u
		}
	}
	u := new(Sum)
	t.groups[key] = u
	return u
}

// join writes a key into the buffer.
func (t *Table) join(parts []string) {
	t.buf = t.buf[:0]
	for i, p := range parts {
		if i > 0 {
			t.buf = append(t.buf, separator...)
		}
		t.buf = append(t.buf, p...)
	}
}

// others is the key of what is too much to be kept apart. Its times stay: they are few, and what reads a table by day reads days.
func (t *Table) others(parts []string) []string {
	out := slices.Clone(parts)
	for i, name := range t.By {
		if !slices.Contains(Times, name) {
			out[i] = agg.Others
		}
	}
	return out
}

// Add counts requests under a key.
func (t *Table) Add(parts []string, u *agg.Usage) { t.add(parts, &Sum{Usage: *u}) }

// AddOwn adds what requests under a key took of own GPUs, and how many of those have no price.
func (t *Table) AddOwn(parts []string, nano int64, unpriced uint64) {
	t.add(parts, &Sum{Own: nano, Covered: unpriced})
}

func (t *Table) add(parts []string, s *Sum) {
	t.At(parts).merge(s)
	t.Total.merge(s)
}

// AddIdle adds what a pool cost while nobody used it, at the times of a key.
func (t *Table) AddIdle(parts []string, pool string, nano int64) {
	t.join(parts)
	t.buf = append(append(t.buf, separator...), pool...)
	i, ok := t.idle[string(t.buf)]
	if !ok {
		i = len(t.Idle)
		t.idle[string(t.buf)], t.Idle = i, append(t.Idle, IdleLine{slices.Clone(parts), pool, 0})
	}
	t.Idle[i].Nano += nano
}

// IdleTotal is what all pools cost while nobody used them.
func (t *Table) IdleTotal() (nano int64) {
	for i := range t.Idle {
		nano += t.Idle[i].Nano
	}
	return nano
}

// Merge adds another table of the same parts.
func (t *Table) Merge(o *Table) {
	for _, key := range slices.Sorted(maps.Keys(o.groups)) { // in order: which keys are kept apart must not hang on chance
		t.add(strings.Split(key, separator), o.groups[key])
	}
	t.Doubt(o)
	for _, l := range o.Idle {
		t.AddIdle(l.Key, l.Pool, l.Nano)
	}
}

// Doubt takes over what another table of the same requests does not tell apart.
func (t *Table) Doubt(o *Table) { t.Untold, t.Beyond = t.Untold+o.Untold, t.Beyond || o.Beyond }

// Only is the table of the lines whose parts all have values that are let through, by other parts of this one. What nobody used of own GPUs is in
// none of them.
func (t *Table) Only(lets func(part, value string) bool, by []string) *Table {
	out, key := NewTable(by), make([]string, len(by))
	for _, g := range t.Groups() {
		if !t.lets(lets, g.Key) {
			continue
		}
		for i, part := range by {
			key[i] = g.Key[slices.Index(t.By, part)]
		}
		out.At(key).merge(&g.Sum)
		out.Total.merge(&g.Sum)
	}
	return out
}

func (t *Table) lets(lets func(part, value string) bool, key []string) bool {
	for i, part := range t.By {
		if !lets(part, key[i]) {
			return false
		}
	}
	return true
}

// Together counts the requests in lines that are let through and in which many values of a part count together.
func (t *Table) Together(lets func(part, value string) bool, part string) (requests uint64) {
	at := slices.Index(t.By, part)
	for _, g := range t.Groups() {
		if g.Key[at] == agg.Others && t.lets(lets, g.Key) {
			requests += g.Requests
		}
	}
	return requests
}

// Len is the number of lines.
func (t *Table) Len() int { return len(t.groups) }

// Groups lists the lines, the dearest first, then those with the most requests, then by key.
func (t *Table) Groups() []Group {
	out := make([]Group, 0, len(t.groups))
	for key, u := range t.groups {
		out = append(out, Group{strings.Split(key, separator), *u})
	}
	sorting.By(out, func(a, b Group) int {
		return cmp.Or(cmp.Compare(b.Cost, a.Cost), cmp.Compare(b.Requests, a.Requests), slices.Compare(a.Key, b.Key))
	})
	return out
}

// Of is the line of a key, empty when there is none.
func (t *Table) Of(parts ...string) *Sum {
	if u := t.groups[strings.Join(parts, separator)]; u != nil {
		return u
	}
	return new(Sum)
}
