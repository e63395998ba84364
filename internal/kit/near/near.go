// Package near finds again what belongs to names that were met lately, without hashing them: where a few of thousands of names make most of
// the traffic, a map would take longer than what is done with what it finds.
package near

const places = 64

// Table holds what belongs to some pairs of names, each at one place; one that comes to a place takes it. The zero Table is empty. Not for
// concurrent use.
type Table[V any] struct{ entries [places]entry[V] }

type entry[V any] struct {
	first, second string
	value         V
	used          bool
}

// place is where a pair is looked for: names of models differ in their length, their middle or their end.
func place(first, second string) (at uint) {
	if n := uint(len(first)); n > 0 {
		at = 7*n + uint(first[n/2]) + 11*uint(first[n-1])
	}
	if n := uint(len(second)); n > 0 {
		at = 5*at + 7*n + uint(second[n/2]) + 11*uint(second[n-1])
	}
	return at % places
}

// Find returns what belongs to two names, if the table still has it.
func (t *Table[V]) Find(first, second string) (value V, found bool) {
	if e := &t.entries[place(first, second)]; e.used && e.first == first && e.second == second {
		return e.value, true
	}
	return value, false
}

// Put keeps what belongs to two names, whose text is not copied.
func (t *Table[V]) Put(first, second string, value V) {
	t.entries[place(first, second)] = entry[V]{first, second, value, true}
}
