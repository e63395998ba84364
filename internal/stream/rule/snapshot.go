package rule

import (
	"encoding/binary"
	"encoding/hex"
	"maps"
	"slices"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// snapshotMagic and snapshotForm begin a snapshot; the form is counted up when older ones can no longer be read.
const (
	snapshotMagic = "HXPR"
	snapshotForm  = 4
	formUnspent   = 3 // knows of no budgets
	formBefore    = 2 // and neither of counters nor of ids of events
)

// Export is the state of an Engine at one moment, for Import. It is written piece by piece; between the pieces the engine merges on, and may be
// asked, and what is merged meanwhile is not in the state. Everything else that changes the engine makes the export void.
type Export struct {
	Pieces [][]byte // one behind the other they are the state; nil of one that is void

	engine  *Engine // nil when it is done
	rule    int     // in its rules, the next one
	group   int     // of the groups of that, the next one
	groups  []int   // that each rule had
	pending map[int64]*coming
	ticks   []int64           // of pending, those that are not written yet
	before  map[*group][]byte // groups that have changed since, as they were
	numbers map[*judged]uint64
	size    int // of a piece, about
}

// Export begins the state of g, of which no tick may be judged in part.
func (g *Engine) Export() *Export {
	g.export.Abandon()
	e := &Export{engine: g, pending: g.pending, ticks: slices.Collect(maps.Keys(g.pending)), before: map[*group][]byte{}, numbers: map[*judged]uint64{}, size: pieceBytes}
	g.export, g.pending = e, map[int64]*coming{}
	b := append([]byte(snapshotMagic), snapshotForm)
	b = binary.AppendVarint(b, g.now)
	b = binary.AppendVarint(b, g.tick)
	b = binary.AppendUvarint(b, uint64(len(g.rules)))
	for i, r := range g.rules {
		e.groups, e.numbers[r] = append(e.groups, len(r.all)), uint64(i)
	}
	e.Pieces = [][]byte{e.head(b)}
	return e
}

// pieceBytes is about the size of a piece, which takes a millisecond or two.
const pieceBytes = 256 << 10

// Next writes a piece, and tells whether more are to come.
func (e *Export) Next() (more bool) {
	if e.engine == nil {
		return false
	}
	rules := e.engine.rules
	b := make([]byte, 0, e.size+e.size/8)
	for len(b) < e.size {
		switch {
		case e.rule < len(rules) && e.group < e.groups[e.rule]:
			g := rules[e.rule].all[e.group]
			if was, changed := e.before[g]; changed {
				b = append(b, was...)
			} else {
				b = g.appendTo(b)
			}
			e.group++
		case e.rule < len(rules):
			e.rule, e.group = e.rule+1, 0
			b = e.head(b)
		case len(e.ticks) > 0:
			b = e.appendComing(b, e.ticks[0])
			e.ticks = e.ticks[1:]
		default:
			e.Pieces = append(e.Pieces, b)
			e.end()
			return false
		}
	}
	e.Pieces = append(e.Pieces, b)
	return true
}

// head writes what stands before the groups of the next rule, or behind those of the last one before what waits.
func (e *Export) head(b []byte) []byte {
	if e.rule == len(e.groups) {
		return binary.AppendUvarint(b, uint64(len(e.ticks)))
	}
	r := e.engine.rules[e.rule]
	b = appendString(b, r.Name)
	b = binary.AppendVarint(appendVersion(b, r.version), r.since)
	return binary.AppendUvarint(b, uint64(e.groups[e.rule]))
}

// keep writes a group as it is, before it changes.
func (e *Export) keep(g *group) {
	if e == nil || e.before[g] != nil {
		return
	}
	e.before[g] = g.appendTo(nil)
}

// end gives the engine back what waited when the state began.
func (e *Export) end() {
	g := e.engine
	newer := g.pending
	g.pending, g.export, e.engine = e.pending, nil, nil
	for at, c := range newer {
		have := g.pending[at]
		if have == nil {
			g.pending[at] = c
			continue
		}
		have.held = append(have.held, c.held...)
		for k, x := range c.cells {
			if known := have.cells[k]; known != nil {
				known.merge(x)
				g.waiting--
			} else {
				have.cells[k] = x
			}
		}
	}
}

// waits is what waited when the state began, as long as it is being written.
func (e *Export) waits() map[int64]*coming {
	if e == nil {
		return nil
	}
	return e.pending
}

// Abandon makes an export void that is under way.
func (e *Export) Abandon() {
	if e != nil && e.engine != nil {
		e.end()
		e.Pieces = nil
	}
}

func appendVersion(dst []byte, version string) []byte {
	var raw [8]byte
	_, _ = hex.Decode(raw[:], []byte(version)) // Rule.Version wrote it
	return append(dst, raw[:]...)
}

// appendComing writes what waits for a tick, by the number of its rule.
func (e *Export) appendComing(b []byte, at int64) []byte {
	c := e.pending[at]
	b = binary.AppendVarint(b, at)
	b = binary.AppendUvarint(b, uint64(len(c.cells)))
	for k, x := range c.cells {
		b = binary.AppendUvarint(b, e.numbers[k.rule])
		b = x.appendTo(b)
	}
	b = binary.AppendUvarint(b, uint64(len(c.held)))
	for i := range c.held {
		b = binary.AppendUvarint(b, e.numbers[c.held[i].rule])
		b = c.held[i].appendTo(b)
	}
	return b
}

func (g *group) appendTo(b []byte) []byte {
	b = appendString(b, g.key)
	b = binary.AppendVarint(b, g.first)
	b = binary.AppendVarint(b, g.newest)
	b = binary.AppendVarint(b, g.counted.total)
	b = g.budget.appendTo(binary.AppendVarint(b, g.counted.bad))
	b = binary.AppendUvarint(b, uint64(len(g.steps)))
	before := int64(0)
	for i := range g.steps {
		s := &g.steps[i]
		b = binary.AppendVarint(b, s.at-before)
		before = s.at
		b = appendContents(b, &s.tally, s.last, s.spread, s.values, nil)
	}
	b = appendSamples(b, g.samples)
	b = g.order.appendTo(b)
	for i := range g.episodes {
		b = g.episodes[i].appendTo(b)
	}
	return b
}

func (o *order) appendTo(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(o.runs)))
	for _, r := range o.runs {
		live := byte(0)
		if r.live {
			live = 1
		}
		b = append(b, live)
		b = binary.AppendVarint(b, r.first)
		b = binary.AppendVarint(b, r.last)
		b = appendTexts(appendTexts(b, r.ids), r.events)
	}
	b = binary.AppendUvarint(b, uint64(len(o.waiting)))
	for i := range o.waiting {
		b = o.waiting[i].appendTo(b)
	}
	return o.end.appendTo(b)
}

func (p *episode) appendTo(b []byte) []byte {
	b = appendString(b, string(p.state))
	if p.state == none {
		return b
	}
	x := &p.reading
	for _, n := range [...]int64{p.start, p.held, x.from, x.to} {
		b = binary.AppendVarint(b, n)
	}
	b = appendFloat(appendFloat(b, x.value), x.threshold)
	return appendTexts(appendTexts(b, x.ids), x.events)
}

func appendTexts(b []byte, texts []string) []byte {
	b = binary.AppendUvarint(b, uint64(len(texts)))
	for _, t := range texts {
		b = appendString(b, t)
	}
	return b
}

func appendFloat(b []byte, v float64) []byte {
	var s agg.ExactSum
	s.Add(v)
	return s.Append(b)
}
