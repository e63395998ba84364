package stream

import (
	"encoding/binary"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// windows are what the counted units of a lane add up to.
type windows struct {
	sets      []set
	ladders   []*ladder // by set
	wallet    *wallet
	strangers *strangers
}

func newWindows(c *Config) windows {
	w := windows{wallet: newWallet(), strangers: newStrangers()}
	w.sets, _ = c.sets() // Validate has refused what is wrong with them
	for i := range w.sets {
		w.ladders = append(w.ladders, newLadder(c.LadderCells, len(w.sets[i].dims) == 2))
	}
	return w
}

// ladderOf is the ladder of a set by its name, nil when that is not kept any more.
func (w *windows) ladderOf(name string) *ladder {
	for i := range w.sets {
		if w.sets[i].name == name {
			return w.ladders[i]
		}
	}
	return nil
}

// credit adds what was folded. The cells belong to the windows afterwards, or are spare.
func (w *windows) credit(x *work, n *names, now int64, spare *spareCells) {
	for set, ds := range x.list(n) {
		for i := range ds {
			if !w.ladders[set].take(&ds[i], now) {
				spare.put(ds[i].Cell)
			}
		}
	}
	for start, users := range x.spent {
		w.wallet.credit(finestSpend, start, users, now)
	}
	for at, d := range x.over {
		w.strangers.add(at, d)
	}
}

// creditBody adds what a part of a unit tells. Sets that are not kept any more are passed over.
func (w *windows) creditBody(body []byte, now int64) (deltas, users error) {
	deltas = eachDelta(body, func(d delta) { w.ladders[0].add(d.Start, d.Key, d.Cell, now) })
	if deltas == nil {
		deltas = eachFurther(body, func(set string, d delta) {
			if l := w.ladderOf(set); l != nil {
				l.add(d.Start, d.Key, d.Cell, now)
			}
		})
	}
	if deltas == nil {
		deltas = eachSpot(body, func(at dimSpan, d *agg.Distinct) { w.strangers.add(at, d) })
	}
	return deltas, eachSpender(body, func(start int64, user string, x spend) { w.wallet.add(start, user, x, now) })
}

// hurry says whether a backlog is worked off.
func (w *windows) hurry(behind bool) {
	for _, l := range w.ladders {
		l.behind = behind
	}
}

// age lets what came long ago go to coarser resolutions.
func (w *windows) age(now int64) {
	for _, l := range w.ladders {
		l.age(now)
	}
	w.wallet.age(now)
}

// appendFurther writes the ladders of the further sets, each after its name and length, and what overflowed.
func (w *windows) appendFurther(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(w.ladders)-1))
	for i := 1; i < len(w.ladders); i++ {
		b = appendBytes(appendText(b, w.sets[i].name), w.ladders[i].appendTo(nil))
	}
	return w.strangers.appendTo(b)
}

// further reads what appendFurther wrote. Sets that are not kept any more are passed over.
func (d *decoder) further(w *windows) {
	for n := d.uvarint(); n > 0 && d.err == nil; n-- {
		l := w.ladderOf(d.text())
		if x := (decoder{src: d.section(), err: d.err}); l != nil {
			x.ladder(l)
			d.err = x.err
		}
	}
	d.strangers(w.strangers)
}
