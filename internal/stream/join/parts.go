package join

import "encoding/binary"

// parts holds the encoded parts of all requests in the order of their arrival, in segments that are given back from the oldest
// on. A part has a head: the place of the part before it of the same request, its length, and whether a record has it.
type parts struct {
	list  [][]byte
	base  uint32 // number of list[0]
	spare []byte // the segment given back last
	bytes int64  // of all segments
}

// place says where a part lies: the number of its segment and the offset in it. 0 = nowhere.
type place uint64

const (
	segmentBytes = 64 << 10
	partHead     = 8 + 4
	sentBit      = 1 << 31
)

// fits tells whether n bytes more need no new segment.
func (p *parts) fits(n int) bool {
	return len(p.list) > 0 && cap(p.list[len(p.list)-1])-len(p.list[len(p.list)-1]) >= n+partHead
}

// segmentFor is the size of a segment that n bytes fit into.
func segmentFor(n int) int { return max(segmentBytes, n+partHead) }

// extend begins a new segment, which n bytes fit into.
func (p *parts) extend(n int) {
	s := p.spare
	p.spare = nil
	if cap(s) < n+partHead {
		s = make([]byte, 0, segmentFor(n))
	}
	if len(p.list) == 0 && p.base == 0 {
		p.base = 1 // so that no part lies at 0
	}
	p.list = append(p.list, s[:0])
	p.bytes += int64(cap(s))
}

// add keeps a part; it must fit.
func (p *parts) add(prev place, part []byte, sent bool) place {
	last := len(p.list) - 1
	s := p.list[last]
	at := place(p.base+uint32(last))<<32 | place(len(s))
	s = binary.LittleEndian.AppendUint64(s, uint64(prev))
	size := uint32(len(part))
	if sent {
		size |= sentBit
	}
	s = binary.LittleEndian.AppendUint32(s, size)
	p.list[last] = append(s, part...)
	return at
}

func (p *parts) head(at place) []byte {
	return p.list[uint32(at>>32)-p.base][uint32(at):]
}

// get returns the part at a place, whether a record has it, and where the part before it lies.
func (p *parts) get(at place) (part []byte, sent bool, prev place) {
	h := p.head(at)
	size := binary.LittleEndian.Uint32(h[8:])
	return h[partHead : partHead+size&^sentBit], size&sentBit != 0, place(binary.LittleEndian.Uint64(h))
}

// mark notes whether a record has the part.
func (p *parts) mark(at place, sent bool) {
	h := p.head(at)[8:]
	size := binary.LittleEndian.Uint32(h) &^ sentBit
	if sent {
		size |= sentBit
	}
	binary.LittleEndian.PutUint32(h, size)
}

// release gives back the segments before the one of a place.
func (p *parts) release(at place) { p.drop(int(uint32(at>>32)) - int(p.base)) }

func (p *parts) releaseAll() { p.drop(len(p.list)) }

func (p *parts) drop(n int) {
	for i := range n {
		p.bytes -= int64(cap(p.list[i]))
		p.spare, p.list[i] = p.list[i], nil
	}
	p.list = p.list[n:]
	p.base += uint32(n)
}
