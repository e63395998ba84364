package batch

import "github.com/hxp-enterprise/hxp/internal/event"

// place is where a copy of an event lies, as one number: the rank of its chain among the chains of the hour in the upper 16 bits, its
// offset in the lower 48. A chain is a partition (topic, topic id, number). Where a log was cut off and written again its offsets came
// twice, with other records: files whose offsets overlap then are chains of their own, so that a place is still one row.
type place uint64

// order tells which of two places comes first where partitions have several chains: it holds the partition of each chain. It is nil
// where each has one, and then the numbers decide.
type order []int32

// before orders places by partition and offset, and rows at one offset by their files.
func (o order) before(p, q place) bool {
	if o == nil {
		return p < q
	}
	if a, b := o[p>>offsetBits], o[q>>offsetBits]; a != b {
		return a < b
	}
	if a, b := p&maxOffset, q&maxOffset; a != b {
		return a < b
	}
	return p < q
}

// sameOffset tells whether two places are those of different rows at one offset.
func (o order) sameOffset(p, q place) bool {
	return o != nil && o[p>>offsetBits] == o[q>>offsetBits] && p&maxOffset == q&maxOffset
}

const (
	offsetBits = 48
	maxOffset  = 1<<offsetBits - 1 // 280 million million: ten years of a partition at 900,000 events/s
	maxChains  = 1 << 16
)

func placeOf(chain int, offset int64) place { return place(chain)<<offsetBits | place(offset) }

// places is a set of places: a bit for each place of a stretch of 65,536 neighbours of which some are in the set. So a few
// places cost 8 KiB for each stretch that they touch, and a set of nearly all rows of an hour a bit for each.
type places map[place]*[stretch / 64]uint64

const (
	stretchBits = 16
	stretch     = 1 << stretchBits
)

func (s places) add(p place) {
	bits := s[p>>stretchBits]
	if bits == nil {
		bits = new([stretch / 64]uint64)
		s[p>>stretchBits] = bits
	}
	bits[p%stretch/64] |= 1 << (p % 64)
}

// addAll adds what o has, which must not be used any more.
func (s places) addAll(o places) {
	for at, more := range o {
		bits := s[at]
		if bits == nil {
			s[at] = more
			continue
		}
		for i := range bits {
			bits[i] |= more[i]
		}
	}
}

// touches tells whether a place of a chain with an offset in [from, to) may be in the set.
func (s places) touches(chain int, from, to int64) bool {
	first, last := placeOf(chain, from)>>stretchBits, placeOf(chain, to-1)>>stretchBits
	if uint64(last-first) >= uint64(len(s)) {
		for at := range s {
			if at >= first && at <= last {
				return true
			}
		}
		return false
	}
	for at := first; at <= last; at++ {
		if s[at] != nil {
			return true
		}
	}
	return false
}

// without appends to keep the rows of a chain whose place is not in the set.
func (s places) without(chain int, offsets *event.LakeVector, rows int, keep []int32) []int32 {
	var at place
	var bits *[stretch / 64]uint64
	for i := range rows {
		p := placeOf(chain, offsets.Ints[i])
		if i == 0 || p>>stretchBits != at { // neighbours are mostly of one stretch
			at = p >> stretchBits
			bits = s[at]
		}
		if bits == nil || bits[p%stretch/64]>>(p%64)&1 == 0 {
			keep = append(keep, int32(i))
		}
	}
	return keep
}
