package event

import "unsafe"

// TextMember is the text of a member of an object that an event carries as it came (Extra, Metadata); of two of one name, that of the
// last. It is "" when there is no such member, or its value is no text. Other members are passed over without being read. The text may
// share its memory with the object.
func TextMember(object []byte, name string) (text string) {
	s := scanner{limit: Limits{Depth: deepestScan}}
	i := skipSpace(object, 0)
	if i >= len(object) || object[i] != '{' {
		return ""
	}
	for i = skipSpace(object, i+1); i < len(object) && object[i] == '"'; {
		start := i + 1
		end, escaped := scanString(object, start)
		if end == fault {
			return ""
		}
		key := object[start : end-1]
		if escaped {
			key = appendUnescaped(nil, key)
		}
		if i = skipSpace(object, end); i >= len(object) || object[i] != ':' {
			return ""
		}
		var m member
		if i = s.value(object, skipSpace(object, i+1), 1, &m); i == fault {
			return ""
		}
		if string(key) == name {
			text = textOf(object, &m)
		}
		if i = skipSpace(object, i); i < len(object) && object[i] == ',' {
			i = skipSpace(object, i+1)
		}
	}
	return text
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
