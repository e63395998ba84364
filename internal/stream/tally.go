package stream

import (
	"encoding/binary"
	"maps"
	"slices"
	"strings"
)

// tally counts what happened to the records of a unit beside the panes.
type tally struct {
	Records     int64 // all records read
	Events      int64 // folded into panes
	Duplicates  int64
	DeadLetters int64 // not valid, future ones included
	Future      int64
	Late        int64
	Errors      int64 // failed requests
	// BySource says of the producers what was not in order: at most maxSources names, the rest under otherName. The map is never changed
	// once the unit is sent, so that it can be shown to others.
	BySource map[string]oddities
}

// oddities counts events that did not come as they should have.
type oddities struct {
	Late, Ancient, Future, Duplicates int64 // ancient ones are late as well
}

func (o *oddities) counters() [4]*int64 {
	return [...]*int64{&o.Late, &o.Ancient, &o.Future, &o.Duplicates}
}

func (o *oddities) add(more oddities) {
	more4 := more.counters()
	for i, n := range o.counters() {
		*n += *more4[i]
	}
}

const (
	otherName  = "__other__"
	maxSources = 64
)

// odd counts what was not in order of a source.
func (t *tally) odd(source string, x oddities) {
	if t.BySource == nil {
		t.BySource = map[string]oddities{}
	}
	have, known := t.BySource[source]
	if !known {
		if len(t.BySource) >= maxSources {
			source = otherName
			have = t.BySource[source]
		} else {
			source = strings.Clone(source) // the event's text is not ours to keep
		}
	}
	have.add(x)
	t.BySource[source] = have
}

func (t *tally) add(o *tally) {
	t.Records += o.Records
	t.Events += o.Events
	t.Duplicates += o.Duplicates
	t.DeadLetters += o.DeadLetters
	t.Future += o.Future
	t.Late += o.Late
	t.Errors += o.Errors
	if len(o.BySource) > 0 {
		t.BySource = maps.Clone(t.BySource)
		for _, source := range slices.Sorted(maps.Keys(o.BySource)) { // in one order, so that all readers keep the same names
			t.odd(source, o.BySource[source])
		}
	}
}

func (t *tally) counters() []*int64 {
	return []*int64{&t.Records, &t.Events, &t.Duplicates, &t.DeadLetters, &t.Future, &t.Late, &t.Errors}
}

func (t *tally) appendTo(dst []byte) []byte {
	for _, n := range t.counters() {
		dst = binary.AppendVarint(dst, *n)
	}
	dst = binary.AppendUvarint(dst, uint64(len(t.BySource)))
	for _, name := range slices.Sorted(maps.Keys(t.BySource)) {
		dst = appendText(dst, name)
		x := t.BySource[name]
		for _, n := range x.counters() {
			dst = binary.AppendVarint(dst, *n)
		}
	}
	return dst
}

// tally reads what appendTo wrote; of sources, that before all had only their late events.
func (d *decoder) tally(t *tally, all bool) {
	for _, n := range t.counters() {
		*n = d.varint()
	}
	for n := d.uvarint(); n > 0 && d.err == nil; n-- {
		source, x := d.text(), oddities{}
		counters := x.counters()
		for i := range counters {
			if i == 0 || all {
				*counters[i] = d.varint()
			}
		}
		if d.err == nil {
			t.odd(source, x)
		}
	}
}
