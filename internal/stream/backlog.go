package stream

import (
	"cmp"

	"github.com/hxp-enterprise/hxp/internal/kit/sorting"
	"github.com/hxp-enterprise/hxp/internal/stream/rule"
)

// backlog is what the journal told of units before the judge had a clock, which is at a start. They stay as they are written, a
// fifth of what they take once they are decoded, until the engine comes to their time.
type backlog struct {
	units []merge
	bytes int
	over  bool // there is a clock
}

// maxBacklog bounds the backlog. Beyond it is judged although not all partitions are read.
const maxBacklog = 96 << 20

// unitBytes is about what a unit takes beside its blocks.
const unitBytes = 256

func (b *backlog) add(m merge) {
	b.units = append(b.units, m)
	b.bytes += unitBytes
	for _, block := range m.blocks {
		b.bytes += len(block)
	}
}

// workOff takes in the backlog, in the order of arrival. Before each unit it is judged as far as that and those behind it cannot
// change, at most up to a time, so that little has to wait decoded.
func (j *judge) workOff(until int64) {
	units := j.backlog.units
	j.backlog.units, j.backlog.bytes = nil, 0
	sorting.By(units, func(a, b merge) int { return cmp.Compare(a.after, b.after) })
	for i := range units {
		j.judgeTo(min(units[i].after, until))
		j.takeIn(&units[i])
		units[i] = merge{}
	}
}

// judgeTo judges all that is to be judged up to a time.
func (j *judge) judgeTo(now int64) {
	for there := false; !there; {
		var decisions []rule.Decision
		decisions, there = j.engine.Approach(now)
		j.decide(decisions)
		j.look()
	}
}
