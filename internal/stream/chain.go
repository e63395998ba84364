package stream

import (
	"fmt"
	"slices"
)

// journal is the state of one partition of hxp-panes: what its units say once the chain rule has decided which of them
// count. It is a pure function of the partition's records, so every reader of it comes to the same result.
type journal struct {
	next   int64 // journal offset that comes next
	chains map[source]*chain
	halves []*half // units of which parts are missing, in the order of their first part
	torn   bool    // units were missing before next when reading began
}

// chain is what counts of one input partition.
type chain struct {
	Begin     int64 // the windows hold what counts from here on
	To        int64 // the next unit counts only if it begins here
	Watermark int64
	Arrival   int64
	Idle      bool
	Lost      int64 // records that are missing from the windows
	GapReason string
	Tally     tally

	last   int64 // journal offset of the last unit that counted; 0 = it was not read since the lane began
	adrift bool  // units are missing behind To: the next one that begins there or later goes on, until one chains without a jump
}

// half is a unit of which not all parts have come.
type half struct {
	header header // of part 0 when that is there, else of the first part that came
	bodies [][]byte
	have   int
	first  int64 // offset of the part that came first
}

// maxHalves bounds what units that will never be whole (their owner was killed between two parts) can hold. The oldest goes
// first, by its place in the log, so that every reader forgets the same one.
const maxHalves = 64

// verdict is what the journal says of a unit whose last part was just read.
type verdict struct {
	header  header
	counted bool
	after   int64 // arrival of the latest record that counted before the unit, microseconds; 0 when that is not known
	bodies  [][]byte
}

func newJournal() *journal { return &journal{chains: map[source]*chain{}} }

// read takes the record at offset. It returns a verdict when the record completes a unit, else nil.
func (j *journal) read(offset int64, value []byte) (*verdict, error) {
	j.next = offset + 1
	h, body, err := decodeUnit(value)
	if err != nil {
		return nil, fmt.Errorf("journal offset %d: %w", offset, err)
	}
	if h.Parts == 1 {
		return j.judge(h, [][]byte{body}, offset), nil
	}
	u := j.half(h, offset)
	if len(u.bodies) != h.Parts || u.header.Source != h.Source {
		return nil, fmt.Errorf("journal offset %d: part %d of unit %x does not fit the others", offset, h.Part, h.Unit)
	}
	if u.bodies[h.Part] == nil {
		u.bodies[h.Part] = append([]byte{}, body...)
		u.have++
	}
	if h.Part == 0 {
		u.header = h
	}
	if u.have < h.Parts {
		return nil, nil
	}
	j.halves = slices.DeleteFunc(j.halves, func(o *half) bool { return o == u })
	return j.judge(u.header, u.bodies, u.first), nil
}

// resume is the offset from which on the units can be read again that are not whole yet, and those that come next.
func (j *journal) resume() int64 {
	at := j.next
	for _, u := range j.halves {
		at = min(at, u.first)
	}
	return at
}

// half finds or begins the unit that a part belongs to.
func (j *journal) half(h header, offset int64) *half {
	for _, u := range j.halves {
		if u.header.Unit == h.Unit {
			return u
		}
	}
	if len(j.halves) == maxHalves {
		j.halves = slices.Delete(j.halves, 0, 1)
	}
	u := &half{header: h, bodies: make([][]byte, h.Parts), first: offset}
	j.halves = append(j.halves, u)
	return u
}

// judge applies the chain rule: the first unit of a partition begins its chain, any other counts if it begins where the
// last counted one ended. The unit's first part lies at offset.
func (j *journal) judge(h header, bodies [][]byte, offset int64) *verdict {
	v := &verdict{header: h, bodies: bodies}
	c := j.chains[h.Source]
	jumped := c == nil && j.torn
	if c == nil {
		c = &chain{Begin: h.From, To: h.From, Watermark: h.Watermark}
		j.chains[h.Source] = c
	}
	if c.adrift && h.From > c.To {
		c.miss(h.From-c.To, reasonElsewhere)
		c.To, jumped = h.From, true
	}
	if c.To != h.From {
		return v
	}
	c.adrift = jumped // a unit behind a jump may be one that counts nowhere else
	v.counted, v.after = true, c.Arrival
	c.To, c.last = h.To, offset
	c.Watermark = max(c.Watermark, h.Watermark)
	if h.Arrival != 0 {
		c.Arrival = later(c.Arrival, h.Arrival, h.Arrival)
	}
	c.Idle = h.Idle
	if h.Gap != nil {
		c.miss(h.Gap.Lost, h.Gap.Reason)
	}
	c.Tally.add(&h.Tally)
	return v
}

// reasonElsewhere is why records are missing that another instance counted.
const reasonElsewhere = "another instance counted them, the journal of that time is gone, and its snapshots are not here: share the folder _state"

// tear says that units are missing of the journal between what is known and what comes next.
func (j *journal) tear() {
	j.torn = true
	for _, c := range j.chains {
		c.adrift = true
	}
}

// positions are where the input partitions are counted to.
func (j *journal) positions() map[source]int64 {
	at := map[source]int64{}
	for src, c := range j.chains {
		at[src] = c.To
	}
	return at
}

// miss notes that so many records are not in the windows.
func (c *chain) miss(lost int64, reason string) {
	c.Lost += lost
	c.GapReason = reason
}
