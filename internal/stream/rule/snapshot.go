package rule

import (
	"encoding/binary"
	"encoding/hex"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// snapshotMagic and snapshotForm begin a snapshot; the form is counted up when older ones can no longer be read.
const (
	snapshotMagic = "HXPR"
	snapshotForm  = 4
	formUnspent   = 3 // knows of no budgets
	formBefore    = 2 // and neither of counters nor of ids of events
)

// Export writes what g knows, for Import.
func (g *Engine) Export() []byte {
	b := append([]byte(snapshotMagic), snapshotForm)
	b = binary.AppendVarint(b, g.now)
	b = binary.AppendVarint(b, g.tick)
	b = binary.AppendUvarint(b, uint64(len(g.rules)))
	for _, r := range g.rules {
		b = appendString(b, r.Name)
		b = binary.AppendVarint(appendVersion(b, r.version), r.since)
		b = binary.AppendUvarint(b, uint64(len(r.all)))
		for _, group := range r.all {
			b = group.appendTo(b)
		}
	}
	return g.appendPending(b)
}

func appendVersion(dst []byte, version string) []byte {
	var raw [8]byte
	_, _ = hex.Decode(raw[:], []byte(version)) // Rule.Version wrote it
	return append(dst, raw[:]...)
}

// appendPending writes what waits, by the number of its rule.
func (g *Engine) appendPending(b []byte) []byte {
	number := map[*judged]uint64{}
	for i, r := range g.rules {
		number[r] = uint64(i)
	}
	b = binary.AppendUvarint(b, uint64(len(g.pending)))
	for at, c := range g.pending {
		b = binary.AppendVarint(b, at)
		b = binary.AppendUvarint(b, uint64(len(c.cells)))
		for k, x := range c.cells {
			b = binary.AppendUvarint(b, number[k.rule])
			b = x.appendTo(b)
		}
		b = binary.AppendUvarint(b, uint64(len(c.held)))
		for i := range c.held {
			b = binary.AppendUvarint(b, number[c.held[i].rule])
			b = c.held[i].appendTo(b)
		}
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
