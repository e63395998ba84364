package event

import (
	"unicode/utf16"
	"unicode/utf8"

	"github.com/zeebo/xxh3"
)

// metadata keeps the object of that name; joined tells whether the other members of the payload join it, because they are
// fields of the envelope that nobody knows.
func (p *Parser) metadata(data []byte, e *Event, m *member, joined bool) bool {
	p.strangers = p.strangers[:0]
	for i := 0; joined && i < len(p.top); i++ {
		t := &p.top[i]
		if t.token != tokenNull && (t.name == 0 || names.entries[t.name].place < uint8(numFields)) {
			p.strangers = append(p.strangers, *t)
		}
	}
	if len(p.strangers) > 0 {
		if m != nil && !p.own(data, m) {
			return false
		}
		e.Metadata = p.keep(p.object(p.scratch[:0], data, p.strangers))
		return true
	}
	if m == nil {
		return true
	}
	own := data[m.valueStart:m.valueEnd:m.valueEnd]
	if m.special {
		p.scratch = appendDense(p.scratch[:0], own)
		if own = p.scratch; len(own) > 2 {
			own = p.keep(own)
		}
	}
	if len(own) > 2 {
		e.Metadata = own
	}
	return true
}

// own puts the members of the metadata before the strangers that are to join them. It leaves it to Reference when two
// have the same name.
func (p *Parser) own(data []byte, m *member) bool {
	list, end := p.scan.members(data, int(m.valueStart)+1, 2, p.spare[:0], nil)
	list = append(list, p.strangers...)
	for i := range list {
		list[i].name = 0 // no name has a meaning here
	}
	p.strangers, p.spare = list, p.strangers
	return end != fault && p.distinct(data, list)
}

// distinct tells whether no unknown key stands twice in list.
func (p *Parser) distinct(data []byte, list []member) bool {
	cleared := false
	before := 0
	for i := range list {
		m := &list[i]
		if m.name != 0 {
			continue
		}
		key := data[m.keyStart:m.keyEnd]
		if before++; before <= 8 {
			for j := range list[:i] {
				if o := &list[j]; o.name == 0 && string(key) == string(data[o.keyStart:o.keyEnd]) {
					return false
				}
			}
			continue
		}
		if !cleared {
			cleared = true
			if n := 2 * p.scan.limit.Keys; len(p.seen) != n {
				p.seen = make([]uint16, n)
			}
			clear(p.seen)
			for j := range list[:i] {
				if list[j].name == 0 {
					p.enter(data, list, j)
				}
			}
		}
		if !p.enter(data, list, i) {
			return false
		}
	}
	return true
}

// enter puts the key of list[i] into the set of seen ones and tells whether it was new.
func (p *Parser) enter(data []byte, list []member, i int) bool {
	key := data[list[i].keyStart:list[i].keyEnd]
	at := xxh3.Hash(key) % uint64(len(p.seen))
	for p.seen[at] != 0 {
		if o := &list[p.seen[at]-1]; string(key) == string(data[o.keyStart:o.keyEnd]) {
			return false
		}
		at = (at + 1) % uint64(len(p.seen))
	}
	p.seen[at] = uint16(i + 1)
	return true
}

// object appends a JSON object of the members of list to dst. Keys have no escapes, values lose insignificant whitespace.
func (p *Parser) object(dst, data []byte, list []member) []byte {
	for i := range list {
		m := &list[i]
		dst = append(dst, ',', '"')
		dst = append(dst, data[m.keyStart:m.keyEnd]...)
		dst = append(dst, '"', ':')
		value := data[m.valueStart:m.valueEnd]
		switch {
		case m.token == tokenString:
			dst = append(append(append(dst, '"'), value...), '"')
		case m.special:
			dst = appendDense(dst, value)
		default:
			dst = append(dst, value...)
		}
	}
	dst = append(dst, '}')
	dst[0] = '{'
	p.scratch = dst
	return dst
}

const slabSize = 8 << 10

// keep copies b to memory that is never written again.
func (p *Parser) keep(b []byte) []byte {
	if len(b) > slabSize/4 {
		return append([]byte(nil), b...)
	}
	if cap(p.slab)-len(p.slab) < len(b) {
		p.slab = make([]byte, 0, slabSize)
	}
	start := len(p.slab)
	p.slab = append(p.slab, b...)
	return p.slab[start:len(p.slab):len(p.slab)]
}

// appendDense appends a valid JSON text without its insignificant whitespace.
func appendDense(dst, text []byte) []byte {
	for i := 0; i < len(text); {
		switch c := text[i]; c {
		case ' ', '\n', '\r', '\t':
			i++
		case '"':
			end, _ := scanString(text, i+1)
			dst = append(dst, text[i:end]...)
			i = end
		default:
			dst = append(dst, c)
			i++
		}
	}
	return dst
}

// appendUnescaped appends the text that a valid JSON string without its quotes stands for; half a surrogate pair becomes
// U+FFFD.
func appendUnescaped(dst, s []byte) []byte {
	for i := 0; i < len(s); {
		c := s[i]
		if c != '\\' {
			dst = append(dst, c)
			i++
			continue
		}
		c = s[i+1]
		i += 2
		switch c {
		case 'b':
			c = '\b'
		case 'f':
			c = '\f'
		case 'n':
			c = '\n'
		case 'r':
			c = '\r'
		case 't':
			c = '\t'
		case 'u':
			r := hex4(s[i:])
			i += 4
			if utf16.IsSurrogate(r) {
				pair := rune(utf8.RuneError)
				if len(s)-i >= 6 && s[i] == '\\' && s[i+1] == 'u' {
					pair = utf16.DecodeRune(r, hex4(s[i+2:]))
				}
				if r = pair; r != utf8.RuneError {
					i += 6
				}
			}
			dst = utf8.AppendRune(dst, r)
			continue
		}
		dst = append(dst, c)
	}
	return dst
}
