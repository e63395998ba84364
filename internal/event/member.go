package event

import (
	"math"
	"strconv"
	"unsafe"
)

// TextMember is the text of a member of an object that an event carries as it came (Extra, Metadata); of two of one name, that of the
// last. It is "" when there is no such member, or its value is no text. Other members are passed over without being read. The text may
// share its memory with the object.
func TextMember(object []byte, name string) (text string) {
	whole := eachMember(object, func(key []byte, m member) {
		if string(key) == name {
			text = textOf(object, &m)
		}
	})
	if !whole {
		return ""
	}
	return text
}

// CountMembers puts counts, which are members of an object as in TextMember, where their names stand; a name may be "" and is then none.
// What is not there stays as it is. ok is false when one is there and is no whole number from 0 to the most that a count of tokens may be.
func CountMembers(object []byte, names []string, counts []int64) (ok bool) {
	bad := uint64(0)
	whole := eachMember(object, func(key []byte, m member) {
		for i, name := range names {
			if name == "" || string(key) != name || m.token == tokenNull {
				continue
			}
			n, err := strconv.ParseFloat(view(object, &m), 64)
			if m.token != tokenNumber || err != nil || n < 0 || n > maxTokens || n != math.Trunc(n) {
				bad |= 1 << i
				continue
			}
			counts[i], bad = int64(n), bad&^(1<<i)
		}
	})
	return whole && bad == 0
}

// EachName visits the names of the members of an object that an event carries as it came. A name is good until visit returns.
func EachName(object []byte, visit func(name []byte)) {
	eachMember(object, func(key []byte, _ member) { visit(key) })
}

// eachMember visits the members of an object and tells whether it could be read to its end.
func eachMember(object []byte, visit func(key []byte, m member)) bool {
	s := scanner{limit: Limits{Depth: deepestScan}}
	i := skipSpace(object, 0)
	if i >= len(object) || object[i] != '{' {
		return false
	}
	for i = skipSpace(object, i+1); i < len(object) && object[i] == '"'; {
		start := i + 1
		end, escaped := scanString(object, start)
		if end == fault {
			return false
		}
		key := object[start : end-1]
		if escaped {
			key = appendUnescaped(nil, key)
		}
		if i = skipSpace(object, end); i >= len(object) || object[i] != ':' {
			return false
		}
		var m member
		if i = s.value(object, skipSpace(object, i+1), 1, &m); i == fault {
			return false
		}
		visit(key, m)
		if i = skipSpace(object, i); i < len(object) && object[i] == ',' {
			i = skipSpace(object, i+1)
		}
	}
	return true
}

// deepestScan is as deep as a scanner can tell objects from arrays; settings allow less.
const deepestScan = 63

func textOf(object []byte, m *member) string {
	switch {
	case m.token != tokenString || m.valueStart == m.valueEnd:
		return ""
	case m.special:
		b := appendUnescaped(nil, object[m.valueStart:m.valueEnd])
		return unsafe.String(unsafe.SliceData(b), len(b))
	}
	return view(object, m)
}
