package stream

import (
	"bytes"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/stream/rule"
)

// fold adds an event that counts to what the rules of its unit come to.
func (w *work) fold(f *folder, m *bus.Message) {
	if f.rules == nil {
		return
	}
	if w.rules == nil {
		w.rules = f.rules()
		w.partials = w.rules.Begin()
	}
	w.rules.Event(w.partials, f.ev, f.arrival, rule.Position{Kind: f.ev.Kind, Partition: m.Partition, Offset: m.Offset})
}

// folding says how the lane's events are folded for the rules; nil without any.
func (l *lane) folding() func() *rule.Folder {
	if l.judge == nil {
		return nil
	}
	return l.ruleFolder
}

// ruleFolder is the lane's folder of the rules that are run.
func (l *lane) ruleFolder() *rule.Folder {
	if program := l.judge.program.Load(); l.rules == nil || l.rules.Program != program {
		l.rules = program.Folder()
	}
	return l.rules
}

// submit gives a unit that counts to the judge. When the lane may not wait for it any longer, that and all units behind are left
// to the next start: it reads them again, from the snapshot of before.
func (l *lane) submit(v *verdict, mine bool, f *folder, a *arrived) {
	if l.judge == nil || l.cut {
		return
	}
	m := merge{journal: l.journalID, partition: l.number, offset: l.journal.next - 1, resume: l.journal.resume(), source: v.header.Source, to: v.header.To, records: v.header.Tally.Records, after: v.after, arrived: a}
	if mine {
		m.partials, f.pending.partials = f.pending.partials, nil
	} else {
		m.blocks = l.judge.blocks(v)
	}
	select {
	case l.judge.in <- m: // it is there as long as there are lanes
		return
	default:
	}
	select {
	case l.judge.in <- m:
	case <-l.drained:
		l.cut = true
		m.partials.Release()
	}
}

// blocks copies the partials of a unit, so that the record they came with can go.
func (j *judge) blocks(v *verdict) (blocks [][]byte) {
	for _, body := range v.bodies {
		if err := eachRules(body, func(block []byte) { blocks = append(blocks, bytes.Clone(block)) }); err != nil {
			j.log.Error("partials of a counted unit are damaged", "error", err)
		}
	}
	return blocks
}

// decode reads the partials of a unit.
func (j *judge) decode(blocks [][]byte) *rule.Partials {
	p := rule.NewPartials()
	for _, block := range blocks {
		if err := p.Decode(block); err != nil {
			j.log.Error("partials of a counted unit are damaged", "error", err)
		}
	}
	return p
}
