package stream

import (
	"strings"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// values are those of the dimensions of a set, in their order; "" = the event names none.
type values [2]string

// modelTenant is a group of the first set.
func (v values) modelTenant() agg.Key { return agg.Key{Model: v[0], Tenant: v[1]} }

// who names a group by a number that its ladder gave it: the number of values that occur together, or, for sums over a margin, of one
// value alone. The upper bits say which.
type who uint32

const (
	byFirst  who = 1 << 30 // all with one first value
	bySecond who = 2 << 30 // all with one second value
	byNone   who = 3 << 30 // all there is
	byWhich      = byNone
)

func (w who) whole() bool { return w&byWhich == 0 }

// keys numbers the groups of a ladder or a folder.
type keys struct {
	ids   map[values]who
	names []values
	alone [2]singles // first values, and second ones
	parts [][3]who   // by number: all, first value alone, second alone
	pairs bool       // the set has two dimensions
}

// singles numbers the values of one dimension.
type singles struct {
	ids   map[string]who
	names []string
}

func newKeys(pairs bool) keys {
	return keys{ids: map[values]who{}, alone: [2]singles{{ids: map[string]who{}}, {ids: map[string]who{}}}, pairs: pairs}
}

// id returns the number of values, whose text is copied when they are new.
func (k *keys) id(v values) who {
	if id, ok := k.ids[v]; ok {
		return id
	}
	v = values{strings.Clone(v[0]), strings.Clone(v[1])}
	id := who(len(k.names))
	k.ids[v] = id
	k.names = append(k.names, v)
	k.parts = append(k.parts, [3]who{byNone, byFirst | k.alone[0].id(v[0]), bySecond | k.alone[1].id(v[1])})
	return id
}

func (s *singles) id(name string) who {
	id, ok := s.ids[name]
	if !ok {
		id = who(len(s.names))
		s.ids[name] = id
		s.names = append(s.names, name)
	}
	return id
}

// margins are the sums in which a group takes part. Of a set of one dimension its first value alone is the group.
func (k *keys) margins(w who) []who {
	if !k.pairs {
		return k.parts[w][:1]
	}
	return k.parts[w][:]
}

// find is the number under which a ladder knows a group; which says what of the values counts.
func (k *keys) find(v values, which who) (w who, known bool) {
	switch which {
	case byNone:
		return byNone, true
	case byFirst:
		w, known = k.alone[0].ids[v[0]]
	case bySecond:
		w, known = k.alone[1].ids[v[1]]
	default:
		w, known = k.ids[v]
	}
	return which | w, known
}

// hides tells whether what counts in a group may belong to another one, for which others stand there.
func (k *keys) hides(w who, g named) bool {
	first, second := k.names[w][0], k.names[w][1]
	switch g.which {
	case byNone:
		return false
	case byFirst:
		return first == otherName
	case bySecond:
		return second == otherName
	}
	return (first == otherName || first == g.values[0]) && (!k.pairs || second == otherName || second == g.values[1])
}

// groups is how many groups there are of a kind.
func (k *keys) groups(which who) int {
	switch which {
	case byNone:
		return 1
	case byFirst:
		return len(k.alone[0].names)
	case bySecond:
		return len(k.alone[1].names)
	}
	return len(k.names)
}

// part is the group of a kind that values belong to, counted from 0.
func (k *keys) part(id, which who) who {
	switch which {
	case byNone:
		return 0
	case byFirst, bySecond:
		return k.parts[id][which/byFirst] &^ byWhich
	}
	return id
}

// values are those of a group of a kind.
func (k *keys) values(n, which who) values {
	switch which {
	case byNone:
		return values{}
	case byFirst:
		return values{k.alone[0].names[n], ""}
	case bySecond:
		return values{"", k.alone[1].names[n]}
	}
	return k.names[n]
}
