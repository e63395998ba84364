package batch

import (
	"context"
	"fmt"
	"math/bits"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// Copies of an event are found before anything is folded, by the identities of all rows and nothing else. Each reader throws
// what it sees into bins by hash, one after another, so memory is written in order; then the bins are taken one by one, each
// with a small table that stays in the processor's cache. A single table of all identities costs a miss of the cache for each
// row, about four times as much, and a lock or an order between readers.

// sighting is one row: who it is and where it lies.
type sighting struct {
	hash  [2]uint64
	place place
}

const (
	// sightingBytes is what a row costs in memory while copies are sought: a sighting, and the share of what is not full.
	sightingBytes = 26
	binRows       = 8 << 10 // rows for each bin: its table takes about 300 KiB
	maxBins       = 1 << 10
	sheaf         = 256 // sightings that a bin takes memory for at a time
)

// bins are the sightings of one reader, by hash.
type bins struct {
	list   [][]*[sheaf]sighting
	last   []int32 // sightings in the last sheaf of each bin
	shift  uint
	hashes [][2]uint64 // scratch
}

func newBins(n int) *bins {
	b := &bins{list: make([][]*[sheaf]sighting, n), last: make([]int32, n), shift: binShift(n)}
	for i := range b.last {
		b.last[i] = sheaf
	}
	return b
}

// binShift is how far a hash is moved to the right to be the number of one of n bins.
func binShift(n int) uint { return uint(64 - bits.Len(uint(n-1))) }

func (b *bins) add(s sighting) {
	i := s.hash[0] >> b.shift
	if b.last[i] == sheaf {
		b.list[i], b.last[i] = append(b.list[i], new([sheaf]sighting)), 0
	}
	b.list[i][len(b.list[i])-1][b.last[i]] = s
	b.last[i]++
}

// each calls fn with the sightings of a bin, some at a time.
func (b *bins) each(bin int, fn func([]sighting)) {
	for i, s := range b.list[bin] {
		if i == len(b.list[bin])-1 {
			fn(s[:b.last[bin]])
		} else {
			fn(s[:])
		}
	}
}

// count returns the number of sightings in a bin.
func (b *bins) count(bin int) int {
	return max(0, (len(b.list[bin])-1)*sheaf+int(b.last[bin]))
}

// findCopies finds all rows of the own share that do not count because a copy at a smaller place does. It takes as many passes over
// the identities as the memory for them asks for.
func (w *work) findCopies(ctx context.Context) (losers places, passes int, err error) {
	own, others := w.units(w.needed(), true), w.units(w.needed(), false)
	perRow := int64(sightingBytes)
	if len(others) > 0 {
		perRow += winnerBytes
	}
	total := uint64(max(1, (w.rows*perRow+int64(w.budget)-1)/int64(w.budget)))
	n := 1
	for n < maxBins && int64(n)*binRows*int64(total) < w.rows {
		n *= 2
	}
	losers = places{}
	for pass := range total {
		seen, err := forEach(ctx, w, own, identity, func() *bins { return newBins(n) }, func(b *bins, s *source, block *event.LakeBlock) error {
			return b.see(s, block, pass, total)
		})
		if err != nil {
			return nil, 0, err
		}
		best, err := w.settle(ctx, seen, n, losers, len(others) > 0)
		if err != nil {
			return nil, 0, err
		}
		if len(others) > 0 {
			if err := w.compare(ctx, others, best, losers); err != nil {
				return nil, 0, err
			}
		}
	}
	return losers, int(total), nil
}

// identity are the columns that tell who a row is and where it lies.
func identity(event.Kind) event.LakeColumns {
	return event.ColumnsOf(event.LakeID, event.LakeSource, event.LakeOffset)
}

// see throws the rows of a block into bins.
func (b *bins) see(s *source, block *event.LakeBlock, pass, passes uint64) error {
	offsets := block.Column(event.LakeOffset)
	if err := s.checkOffsets(block); err != nil {
		return err
	}
	b.hashes = block.Identities(b.hashes[:0])
	for i, h := range b.hashes {
		if passes == 1 || h[1]%passes == pass {
			b.add(sighting{notZero(h), placeOf(s.chain, offsets.Ints[i])})
		}
	}
	return nil
}

// settle adds the losers among what was seen. With keep it returns the winners, by bin.
func (w *work) settle(ctx context.Context, seen []*bins, n int, losers places, keep bool) (best []winners, err error) {
	var next atomic.Int64
	if keep {
		best = make([]winners, n)
	}
	found := make([]places, min(w.readers, n))
	g, ctx := errgroup.WithContext(ctx)
	for i := range found {
		found[i] = places{}
		g.Go(func() error {
			table := winners{order: w.order}
			defer func() { w.reused.Add(table.reused) }()
			for bin := int(next.Add(1)) - 1; bin < n; bin = int(next.Add(1)) - 1 {
				if err := ctx.Err(); err != nil {
					return err
				}
				if p, twice := table.settle(seen, bin, found[i]); twice {
					return w.errTwice(p)
				}
				if keep {
					best[bin], table.slots = winners{slots: table.slots, order: w.order}, nil
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	for _, f := range found {
		losers.addAll(f)
	}
	return best, nil
}

// winners holds the smallest place of each identity of a bin. It is open-addressed; the hash {0, 0} marks an empty slot.
type winners struct {
	slots  []sighting
	order  order
	reused int64 // copies at one offset of a log that was cut off
}

// settle adds the losers of a bin to the set. A place that is seen twice is not a copy but damage: one file holds the row twice.
func (t *winners) settle(seen []*bins, bin int, losers places) (damaged place, twice bool) {
	n := 0
	for _, b := range seen {
		n += b.count(bin)
	}
	if room := n + n/2 + 1; cap(t.slots) < room {
		t.slots = make([]sighting, room)
	} else {
		t.slots = t.slots[:room]
		clear(t.slots)
	}
	for _, b := range seen {
		b.each(bin, func(some []sighting) {
			for i := range some {
				s := &some[i]
				e := t.find(s.hash)
				switch {
				case e.hash != s.hash:
					*e = *s
				case s.place == e.place:
					damaged, twice = s.place, true
				case t.order.before(s.place, e.place):
					losers.add(e.place)
					t.note(s.place, e.place)
					e.place = s.place
				default:
					losers.add(s.place)
					t.note(s.place, e.place)
				}
			}
		})
	}
	return damaged, twice
}

// note counts copies that lie at one offset.
func (t *winners) note(p, q place) {
	if t.order.sameOffset(p, q) {
		t.reused++
	}
}

// find returns the slot of h, or the empty one where it belongs.
func (t *winners) find(h [2]uint64) *sighting {
	n := uint64(len(t.slots))
	i, _ := bits.Mul64(h[1], n) // the bin took bits of h[0]; h[1] spreads evenly over any number of slots
	for {
		e := &t.slots[i]
		if e.hash == h || e.hash == [2]uint64{} {
			return e
		}
		if i++; i == n {
			i = 0
		}
	}
}

// notZero keeps the mark of an empty slot free. It joins two identities out of 2^128.
func notZero(h [2]uint64) [2]uint64 {
	if h == [2]uint64{} {
		h[1] = 1
	}
	return h
}

// errTwice says which row a file claims to hold twice.
func (w *work) errTwice(p place) error {
	for _, s := range w.sources {
		if s.chain == int(p>>offsetBits) {
			return fmt.Errorf("fold hour %s: offset %d of %s/%d is there twice; the manifest is damaged, run `hxp lake verify`",
				hourName(w.hour), p&maxOffset, s.Topic, s.Partition)
		}
	}
	return fmt.Errorf("fold hour %s: a row is there twice", hourName(w.hour))
}
