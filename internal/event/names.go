package event

import (
	"encoding/binary"
	"math/bits"
)

// Places of the envelope, as bits of a set that also holds every Field.
const (
	placeID = iota + int(numFields)
	placeType
	placeTime
	placeSource
	placeSchema
	placeCorrelation
	placeData
	placeMetadata
)

var envelopeNames = map[string]int{
	"event_id": placeID, "event_type": placeType, "timestamp": placeTime, "source": placeSource,
	"schema_version": placeSchema, "correlation_id": placeCorrelation, "data": placeData, "metadata": placeMetadata,
}

// nameEntry is a name that the parser knows: of the envelope, of a field or an alias. A name of at most 24 bytes is told by
// its length and up to three overlapping words, so that comparing it needs no loop.
type nameEntry struct {
	length            int
	first, last, next uint64 // bytes 0–7, the last 8 (0 when not over 8), 8–15 (0 when not over 16)
	place             uint8  // a Field or one of the places of the envelope
	shift             uint8  // power of ten from the unit of the name to the one that is held
}

const nameBits = 9

// nameTable is a perfect hash of all known names: each has a slot of its own. Slots hold an index into entries, 0 = none.
type nameTable struct {
	multiplier uint64
	slots      [1 << nameBits]uint8
	entries    []nameEntry
}

var names = buildNames()

func (t *nameTable) slot(first, last uint64, length int) uint64 {
	return (first ^ bits.RotateLeft64(last, 23) + uint64(length)) * t.multiplier >> (64 - nameBits)
}

// find returns the index of the name data[start:end] whose first eight bytes (zeros behind its end) are given, 0 when it is
// not known.
func (t *nameTable) find(data []byte, start, end int, first uint64) uint8 {
	length := end - start
	var last uint64
	if length > 8 {
		last = binary.LittleEndian.Uint64(data[end-8:])
	}
	i := t.slots[t.slot(first, last, length)]
	e := &t.entries[i]
	if e.length != length || e.first != first || e.last != last || length > 16 && e.next != binary.LittleEndian.Uint64(data[start+8:]) {
		return 0
	}
	return i
}

func buildNames() *nameTable {
	t := &nameTable{multiplier: 0x9e3779b97f4a7c15, entries: make([]nameEntry, 1)}
	t.entries[0].length = -1
	for name, place := range envelopeNames {
		t.add(name, place, 0)
	}
	for f := range numFields {
		s := &Catalogue[f]
		t.add(s.Name, int(f), s.Type.digits())
		for _, a := range s.Aliases {
			shift := s.Type.digits()
			for scale := a.Scale; scale > 1; scale /= 10 {
				shift++
			}
			t.add(a.Name, int(f), shift)
		}
	}
	for !t.fill() {
		t.multiplier = t.multiplier*6364136223846793005 + 1442695040888963407
	}
	return t
}

func (t *nameTable) add(name string, place, shift int) {
	if len(name) > 24 {
		panic("event: name of more than 24 bytes in the catalogue: " + name)
	}
	var b [32]byte
	copy(b[:], name)
	e := nameEntry{length: len(name), place: uint8(place), shift: uint8(shift)}
	e.first = binary.LittleEndian.Uint64(b[:])
	if len(name) > 8 {
		e.last = binary.LittleEndian.Uint64(b[len(name)-8:])
	}
	if len(name) > 16 {
		e.next = binary.LittleEndian.Uint64(b[8:])
	}
	t.entries = append(t.entries, e)
}

// fill gives every name its slot and tells whether none had to share.
func (t *nameTable) fill() bool {
	clear(t.slots[:])
	for i := 1; i < len(t.entries); i++ {
		e := &t.entries[i]
		at := t.slot(e.first, e.last, e.length)
		if t.slots[at] != 0 {
			return false
		}
		t.slots[at] = uint8(i)
	}
	return true
}

// rule is what the parser must know of a field, drawn from the catalogue.
type rule struct {
	typ      Type
	kinds    uint8 // bit k is set when Kind k has the field
	maxText  int
	lo, hi   int64
	min, max float64
	enum     []string
}

var rules = func() (r [numFields]rule) {
	for f := range numFields {
		s := &Catalogue[f]
		r[f] = rule{typ: s.Type, maxText: f.maxText(), min: s.Min, max: s.Max, enum: s.Enum}
		r[f].lo, r[f].hi = s.limits()
		for _, k := range s.Kinds {
			r[f].kinds |= 1 << k
		}
	}
	return r
}()
