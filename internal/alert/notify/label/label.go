// Package label has the labels that alerts carry, and the matchers that pick alerts by them, as Prometheus and its Alertmanager have
// them: the same fingerprints, the same texts, the same meaning of an absent label, which is the empty value. It is pure.
package label

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Set are labels by name. An empty value is as good as none.
type Set map[string]string

// Fingerprint names a set: equal sets have equal ones.
type Fingerprint string

// The constants of FNV-1a with 64 bits.
const (
	fnvOffset = 14695981039346656037
	fnvPrime  = 1099511628211
	separator = 0xff // it is in no UTF-8
)

// Fingerprint computes the fingerprint under which Prometheus knows the set.
func (s Set) Fingerprint() Fingerprint {
	sum := uint64(fnvOffset)
	add := func(text string) {
		for i := range len(text) {
			sum = (sum ^ uint64(text[i])) * fnvPrime
		}
		sum = (sum ^ separator) * fnvPrime
	}
	if len(s) == 0 {
		return Fingerprint(fmt.Sprintf("%016x", sum))
	}
	for _, name := range s.Names() {
		add(name)
		add(s[name])
	}
	return Fingerprint(fmt.Sprintf("%016x", sum))
}

// Names are the names in their order.
func (s Set) Names() []string { return slices.Sorted(maps.Keys(s)) }

// String writes the set as {a="b", c="d"}.
func (s Set) String() string {
	var b strings.Builder
	b.WriteByte('{')
	for i, name := range s.Names() {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(name + "=" + strconv.Quote(s[name]))
	}
	return b.String() + "}"
}

// Compare orders sets by their names and values, in the order of the names. Sorts of all alerts go through it, so it sorts nothing: the
// first name that the sets do not share decides.
func Compare(a, b Set) int {
	first, differ := "", false
	look := func(s, other Set) {
		for name, value := range s {
			if v, ok := other[name]; (!ok || v != value) && (!differ || name < first) {
				first, differ = name, true
			}
		}
	}
	look(a, b)
	look(b, a)
	if !differ {
		return 0
	}
	x, inA := a[first]
	y, inB := b[first]
	switch {
	case inA && inB:
		return strings.Compare(x, y)
	case inA:
		return without(b, first)
	}
	return -without(a, first)
}

// without compares a set that has a name with one that has none: the latter comes first where it ends there.
func without(s Set, name string) int {
	for other := range s {
		if other > name {
			return -1
		}
	}
	return 1
}

// Common are the pairs that all sets have.
func Common(sets []Set) Set {
	if len(sets) == 0 {
		return Set{}
	}
	out := maps.Clone(sets[0])
	if out == nil {
		return Set{}
	}
	for _, s := range sets[1:] {
		maps.DeleteFunc(out, func(name, value string) bool { have, ok := s[name]; return !ok || have != value })
	}
	return out
}

// The limits of what strangers send.
const (
	MaxLabels = 64
	MaxName   = 256
	MaxValue  = 4 << 10
)

// Check says what is wrong with labels or annotations of a stranger, and at which name.
func (s Set) Check() (name string, err error) {
	if len(s) > MaxLabels {
		return "", fmt.Errorf("there are %d; at most %d are taken", len(s), MaxLabels)
	}
	for _, name := range s.Names() {
		switch value := s[name]; {
		case name == "" || len(name) > MaxName || !utf8.ValidString(name):
			return name, fmt.Errorf("a name has 1 to %d bytes of UTF-8", MaxName)
		case len(value) > MaxValue || !utf8.ValidString(value):
			return name, fmt.Errorf("a value has at most %d bytes of UTF-8", MaxValue)
		}
	}
	return "", nil
}

// Size is how many bytes the names and values have.
func (s Set) Size() (n int) {
	for name, value := range s {
		n += len(name) + len(value)
	}
	return n
}

// Shorten cuts the longest values until all together have at most so many bytes, as far as that can be had by it.
func (s Set) Shorten(most int) {
	const least = 200 // bytes that are left of a value
	for s.Size() > most {
		longest := ""
		for _, name := range s.Names() {
			if longest == "" || len(s[name]) > len(s[longest]) {
				longest = name
			}
		}
		if len(s[longest]) <= least {
			return
		}
		s[longest] = strings.ToValidUTF8(s[longest][:least-len("…")], "") + "…"
	}
}

// WithoutEmpty leaves out labels without a value.
func (s Set) WithoutEmpty() Set {
	out := make(Set, len(s))
	for name, value := range s {
		if value != "" {
			out[name] = value
		}
	}
	return out
}
