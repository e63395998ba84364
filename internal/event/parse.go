package event

import (
	"slices"
	"unsafe"
)

// Parser reads events. It is not for concurrent use; it is reusable and its zero value is ready.
//
// Its way through a valid event is one pass over the text, which notes where keys and values lie, and one over these notes.
// Whatever is faulty, ambiguous (a key twice, a field beside its alias) or very rare (escapes in keys, numbers of more than
// 18 characters) it hands to Reference: that one decides and words the fault.
type Parser struct {
	Limits Limits // as everywhere in an installation

	scan       scanner
	top, inner []member // of the payload, of its "data"
	strangers  []member // members that the catalogue does not know for the kind
	spare      []member // takes turns with strangers
	seen       []uint16 // set of keys; twice as many places as there may be keys
	scratch    []byte
	slab       []byte // memory for texts that cannot alias the payload; given away piece by piece, never taken back
}

// Parse reads one event in the canonical, flat or bare form and resets e first. It returns nil when the event is valid;
// otherwise e holds no more than its Kind, if that much was to be read. Texts of e alias data where nothing had to be unescaped.
func (p *Parser) Parse(data []byte, e *Event) *Invalid {
	l := p.Limits.filled()
	if len(data) > l.Bytes || !valid(data) || !p.read(data, &l) {
		return l.reference(data, e)
	}
	e.Reset()
	if !p.envelope(data, e) {
		return l.meaning(data, e)
	}
	e.Settle()
	if p.scan.deepest == l.Depth || p.scan.keys > l.Keys-nearKeys || len(data) > l.Bytes/nearBytes {
		return l.written(e)
	}
	return nil
}

// read takes the notes of an object and tells whether it is well-formed and within the limits.
func (p *Parser) read(data []byte, l *Limits) bool {
	i := skipSpace(data, 0)
	if i == len(data) || data[i] != '{' {
		return false
	}
	p.scan.begin(l)
	p.top, i = p.scan.members(data, i+1, 1, p.top[:0], &p.inner)
	return i != fault && skipSpace(data, i) == len(data) && p.scan.keys <= l.Keys
}

// envelope reads the notes of the payload, and by them the fields of the event.
func (p *Parser) envelope(data []byte, e *Event) bool {
	var set uint64
	var metadata *member
	nested, known, unknown := false, 0, 0
	for i := range p.top {
		m := &p.top[i]
		if m.name == 0 {
			unknown++
			continue
		}
		place := int(names.entries[m.name].place)
		if set>>place&1 != 0 {
			return false
		}
		set |= 1 << place
		if place < int(numFields) {
			known++
			continue
		}
		if m.token == tokenNull {
			continue
		}
		ok := true
		switch place {
		case placeID:
			e.ID, ok = p.text(data, m, maxIDText)
		case placeType:
			if m.token != tokenString || m.special {
				return false
			}
			e.Kind, ok = ParseKind(view(data, m))
		case placeTime:
			e.Time, ok = readTime(data, m)
			e.HasTime = true
		case placeSource:
			e.Source, ok = p.text(data, m, maxText)
		case placeSchema:
			e.SchemaVersion, ok = p.text(data, m, maxText)
		case placeCorrelation:
			e.CorrelationID, ok = p.text(data, m, maxIDText)
		case placeData:
			nested, ok = true, m.token == tokenObject
		case placeMetadata:
			metadata, ok = m, m.token == tokenObject
		}
		if !ok {
			return false
		}
	}
	if e.Kind == NoKind || unknown > 1 && !p.distinct(data, p.top) {
		return false
	}
	if !nested {
		return p.metadata(data, e, metadata, false) && p.fields(data, e, p.top, true)
	}
	return p.metadata(data, e, metadata, known+unknown > 0) && p.fields(data, e, p.inner, false) &&
		p.distinct(data, p.inner)
}

// fields reads the notes of the data fields. In the flat form those of the envelope stand among them.
func (p *Parser) fields(data []byte, e *Event, list []member, flat bool) bool {
	var set uint64
	p.strangers = p.strangers[:0]
	for i := range list {
		m := &list[i]
		if m.name != 0 {
			entry := &names.entries[m.name]
			if set>>entry.place&1 != 0 {
				return false
			}
			set |= 1 << entry.place
			if f := Field(entry.place); f >= numFields {
				if flat {
					continue
				}
			} else if r := &rules[f]; r.kinds>>e.Kind&1 == 0 {
				if m.token != tokenNull {
					p.strangers = append(p.strangers, *m)
				}
				continue
			} else {
				if m.token != tokenNull && !p.field(data, e, m, f, r, int(entry.shift)) {
					return false
				}
				continue
			}
		}
		switch {
		case m.token == tokenNull:
		case m.token == tokenNumber && e.Kind == SystemMetric:
			if !metric(data, e, m) {
				return false
			}
		default:
			p.strangers = append(p.strangers, *m)
		}
	}
	if len(p.strangers) > 0 {
		e.Extra = p.keep(p.object(p.scratch[:0], data, p.strangers))
	}
	return true
}

func (p *Parser) field(data []byte, e *Event, m *member, f Field, r *rule, shift int) bool {
	switch r.typ {
	case Text:
		s, ok := p.text(data, m, r.maxText)
		if !ok || len(r.enum) > 0 && !slices.Contains(r.enum, s) {
			return false
		}
		e.SetText(f, s)
	case Boolean:
		if m.token != tokenTrue && m.token != tokenFalse {
			return false
		}
		e.SetBool(f, m.token == tokenTrue)
	case Number:
		v, ok := float(data, m)
		if !ok || v < r.min || v > r.max {
			return false
		}
		e.SetFloat(f, v)
	default:
		if m.token != tokenNumber {
			return false
		}
		d, ok := readDecimal(data[m.valueStart:m.valueEnd])
		if !ok {
			return false
		}
		v, exact, ok := d.scaled(shift)
		if !ok || v < r.lo || v > r.hi || r.typ == Integer && !exact {
			return false
		}
		e.SetInt(f, v)
	}
	return true
}

func metric(data []byte, e *Event, m *member) bool {
	v, ok := float(data, m)
	if !ok || m.keyEnd-m.keyStart > maxMetricName || len(e.Metrics) == MaxMetrics {
		return false
	}
	key := data[m.keyStart:m.keyEnd]
	e.Metrics = append(e.Metrics, Metric{unsafe.String(unsafe.SliceData(key), len(key)), v})
	return true
}

func float(data []byte, m *member) (float64, bool) {
	lit := data[m.valueStart:m.valueEnd]
	if m.token != tokenNumber || len(lit) > maxNumber {
		return 0, false
	}
	return readFloat(lit)
}

func readTime(data []byte, m *member) (int64, bool) {
	switch {
	case m.token == tokenString && !m.special:
		return parseTime(view(data, m))
	case m.token == tokenNumber:
		d, ok := readDecimal(data[m.valueStart:m.valueEnd])
		if !ok {
			return 0, false
		}
		return d.epochMicros()
	}
	return 0, false
}

// view is the text of a string without escapes, in place.
func view(data []byte, m *member) string {
	b := data[m.valueStart:m.valueEnd]
	return unsafe.String(unsafe.SliceData(b), len(b))
}

// text is the text of any string of at most limit bytes.
func (p *Parser) text(data []byte, m *member, limit int) (string, bool) {
	s := ""
	switch {
	case m.token != tokenString:
		return "", false
	case m.special:
		p.scratch = appendUnescaped(p.scratch[:0], data[m.valueStart:m.valueEnd])
		if len(p.scratch) <= limit {
			b := p.keep(p.scratch)
			s = unsafe.String(unsafe.SliceData(b), len(b))
		}
		return s, len(p.scratch) <= limit
	}
	s = view(data, m)
	return s, len(s) <= limit
}
