package batch

import (
	"context"
	"math"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// An hour is folded in parts by giving each a stretch of its rows, in the order of their places. A part reads all columns of its own
// rows alone. What else counts for them it learns from few columns of other rows: whether a copy lies at a smaller place (the
// identities of what may lie before its own rows), and which model a request has that its own events speak of (request ids and
// models, only when they do). Hours that were compacted have no copies, and their parts read nothing twice.

// portion is a stretch of the rows of an hour: rows [from, to) in the order of places.
type portion struct{ from, to int64 }

// whole is the portion of those who fold in one piece.
var whole = portion{0, math.MaxInt64}

func (s portion) has(row int64) bool { return row >= s.from && row < s.to }

// of is about how many of the first n rows are in the share: its ends are moved to those of blocks.
func (s portion) of(n int64) int64 { return max(0, min(s.to, n)-min(s.from, n)) }

// needed are the files with rows of the own portion and, unless the hour was compacted, those that may hold a smaller place than one of
// these.
func (w *work) needed() (out []*source) {
	reach, copies := place(0), w.copies
	mine := func(s *source) bool { return s.first < w.own.to && s.first+s.Rows > w.own.from }
	for _, s := range w.sources {
		if mine(s) {
			if end := placeOf(s.chain, min(s.To, maxOffset)); w.order.before(reach, end) {
				reach = end
			}
		}
	}
	for _, s := range w.sources {
		if mine(s) || copies && w.order.before(placeOf(s.chain, min(s.From, maxOffset)), reach) {
			out = append(out, s)
		}
	}
	return out
}

// What reading a row costs, measured: all columns and folding = 100.
const (
	costOwn  = 100
	costSeen = 25 // identity alone, compared with those of the own rows
	costAsk  = 25 // request id and model alone
)

// divide cuts the rows of an hour into n shares that cost about the same. Shares further back are smaller, because they are
// compared with all rows before them. Where a row begins a share is in whole numbers, so that every machine finds the same.
func divide(files []event.LakeFile, n int) []portion {
	rows, requests := int64(0), int64(0)
	for _, f := range files { // those that speak of requests lie behind the others
		rows += f.Rows
		if k, _ := event.KindOfTopic(f.Topic); !companion(k) {
			requests += f.Rows
		}
	}
	seen := int64(costSeen)
	if len(files) > 0 && compacted(files) {
		seen = 0
	}
	low, high := int64(0), rows*(costOwn+costSeen+costAsk)+1
	for low < high { // the least that lets n shares take all rows
		if middle := low + (high-low)/2; fill(middle, n, rows, requests, seen)[n-1].to >= rows {
			high = middle
		} else {
			low = middle + 1
		}
	}
	shares := fill(low, n, rows, requests, seen)
	shares[n-1].to = whole.to
	return shares
}

// fill gives each share as many rows as it may have at a cost.
func fill(cost int64, n int, rows, requests, seen int64) []portion {
	shares, at := make([]portion, n), int64(0)
	for i := range shares {
		own := (cost - seen*at) / costOwn
		if at+own > requests { // its events speak of requests anywhere
			own = max(requests-at, (cost-seen*at-costAsk*requests)/costOwn)
		}
		to := min(rows, at+max(0, own))
		shares[i], at = portion{at, to}, to
	}
	return shares
}

// winnerBytes is what an own row costs beside its sighting when other rows are compared with it: its slot in the table of its bin, a
// slot and a half for each row, and its bits in the filter.
const winnerBytes = 40

// compare adds the own rows of which a copy lies at a smaller place elsewhere. best are the winners among the own ones, by bin.
func (w *work) compare(ctx context.Context, others []unit, best []winners, losers places) error {
	f := newFilter(best)
	found, err := forEach(ctx, w, others, identity, func() *comparison { return &comparison{losers: places{}} },
		func(c *comparison, s *source, block *event.LakeBlock) error {
			if err := s.checkOffsets(block); err != nil {
				return err
			}
			offsets := block.Column(event.LakeOffset)
			c.hashes = block.Identities(c.hashes[:0])
			for i, h := range c.hashes {
				if h = notZero(h); !f.may(h) {
					continue
				}
				own := f.find(h)
				switch p := placeOf(s.chain, offsets.Ints[i]); {
				case own.hash != h:
				case p == own.place:
					return w.errTwice(p)
				case w.order.before(p, own.place):
					c.losers.add(own.place)
					if w.order.sameOffset(p, own.place) {
						w.reused.Add(1)
					}
				}
			}
			return nil
		})
	for _, c := range found {
		losers.addAll(c.losers)
	}
	return err
}

// comparison is what one reader found.
type comparison struct {
	losers places
	hashes [][2]uint64 // scratch
}

// filter knows the identities of the own rows. Most others are none of them, which a few bits tell that stay in the cache.
type filter struct {
	best  []winners
	shift uint
	bits  []uint64
}

func newFilter(best []winners) *filter {
	rows := 0
	for i := range best {
		rows += len(best[i].slots)
	}
	size := 1
	for size*64 < 8*rows {
		size *= 2
	}
	f := &filter{best: best, shift: binShift(len(best)), bits: make([]uint64, size)}
	for i := range best {
		for _, s := range best[i].slots {
			if s.hash != [2]uint64{} {
				f.bits[s.hash[1]>>6%uint64(size)] |= 1 << (s.hash[1] & 63)
			}
		}
	}
	return f
}

func (f *filter) may(h [2]uint64) bool {
	return f.bits[h[1]>>6%uint64(len(f.bits))]>>(h[1]&63)&1 != 0
}

// find returns the own row with an identity, or an empty one.
func (f *filter) find(h [2]uint64) *sighting {
	t := &f.best[h[0]>>f.shift]
	return t.find(h)
}

// maxParts bounds the parts of an hour.
const maxParts = 64
