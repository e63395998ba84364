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
	Total  agg.Usage
	groups map[string]*agg.Usage
	most   int
	buf    []byte
}

// Group is one line of a table. A part of its key is "" where requests do not tell it.
type Group struct {
	Key []string
	agg.Usage
}

// Times are the names of the parts that tell when.
var Times = []string{"hour", "day", "month"}

// MaxGroups is how many lines a table keeps apart; requests of further keys count together under agg.Others, those of each time for
// themselves.
const MaxGroups = 100_000

// NewTable makes an empty table.
func NewTable(by []string) *Table {
	return &Table{By: by, groups: map[string]*agg.Usage{}, most: MaxGroups}
}

// separator stands between the parts of a key; no text of an event has it.
const separator = "\x00"

// At returns the line of a key to add to; the caller adds the same to Total.
func (t *Table) At(parts []string) *agg.Usage {
	t.buf = t.buf[:0]
	for i, p := range parts {
		if i > 0 {
			t.buf = append(t.buf, separator...)
		}
		t.buf = append(t.buf, p...)
	}
	if u := t.groups[string(t.buf)]; u != nil {
		return u
	}
	key := string(t.buf)
	if len(t.groups) >= t.most {
		key = strings.Join(t.others(parts), separator)
		if u := t.groups[key]; u != nil {
			return u
		}
	}
	u := new(agg.Usage)
	t.groups[key] = u
	return u
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
func (t *Table) Add(parts []string, u *agg.Usage) {
	t.At(parts).Merge(u)
	t.Total.Merge(u)
}

// Merge adds another table of the same parts.
func (t *Table) Merge(o *Table) {
	for _, key := range slices.Sorted(maps.Keys(o.groups)) { // in order: which keys are kept apart must not hang on chance
		t.Add(strings.Split(key, separator), o.groups[key])
	}
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
func (t *Table) Of(parts ...string) *agg.Usage {
	if u := t.groups[strings.Join(parts, separator)]; u != nil {
		return u
	}
	return new(agg.Usage)
}
