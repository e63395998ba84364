package stream

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// source names one partition of one input topic. A topic made anew has another id and begins a new chain.
type source struct {
	TopicID   string
	Topic     string
	Partition int32
}

// header is what every part of a unit carries.
type header struct {
	Unit      [16]byte // random; parts join by it alone
	Source    source
	From, To  int64 // input offsets [From, To) that the unit covers
	Part      int   // 0-based
	Parts     int
	Watermark int64 // microseconds since the epoch; never goes back
	Idle      bool  // the partition had no more records: its watermark follows the clock until the next unit
	Oldest    int64 // broker time of the oldest record covered, microseconds; 0 = none
	Arrival   int64 // the latest broker time of all records up to To, microseconds; never goes back, unless the clock is set back
	Gap       *gap  // set when the unit covers offsets that no longer exist
	Tally     tally // of the whole unit, carried by part 0
}

// gap says what of [From, To) could not be read.
type gap struct {
	Lost   int64
	Reason string
}

// delta is what one second gained in one group.
type delta struct {
	Start int64 // unix second
	Key   values
	Cell  *agg.Cell
	text  []byte // the cell as it is written; nil until it was
}

func sortDeltas(ds []delta) {
	slices.SortFunc(ds, func(a, b delta) int {
		return cmp.Or(cmp.Compare(a.Start, b.Start), cmp.Compare(a.Key[0], b.Key[0]), cmp.Compare(a.Key[1], b.Key[1]))
	})
}

const (
	unitMagic = "HXPU"
	unitVer   = 4 // 1 had no spenders, 2 no arrival and no partials of rules, 3 no further sets and only late events by source
	// maxPart keeps a record of the journal well below the megabyte that brokers take by default.
	maxPart  = 700 << 10
	maxParts = 1 << 16
)

// payload is what a unit carries beside its header.
type payload struct {
	deltas  []delta // by model and tenant
	users   map[int64]*spenders
	rules   [][]byte // partials
	further []setDeltas
	over    overflow
}

// setDeltas are those of a further set of dimensions.
type setDeltas struct {
	set    string
	deltas []delta
}

// body is what a part carries. Each section is written after its length.
type body struct{ deltas, users, rules, further, over []byte }

func (b *body) sections() [5][]byte {
	return [...][]byte{b.deltas, b.users, b.rules, b.further, b.over}
}

func (b *body) size() (n int) {
	for _, section := range b.sections() {
		n += len(section)
	}
	return n
}

func (b *body) appendTo(dst []byte) []byte {
	for _, section := range b.sections() {
		dst = appendBytes(dst, section)
	}
	return dst
}

// cut tells whether the input was cut under whoever wrote the unit, and down to where what counts was.
func (h *header) cut() (end int64, was bool) {
	return min(h.From, h.To), h.Gap != nil && h.Gap.Reason == reasonCut
}

// encodeUnit returns the records' values of a unit, each at most about maxPart bytes. A span of users, a block of rules, and one of a
// further set, is well below half of that.
func encodeUnit(h header, c payload) [][]byte {
	var bodies []body
	for _, b := range encodeDeltas(c.deltas, maxPart) {
		bodies = append(bodies, body{deltas: b})
	}
	roomy := func() *body {
		if bodies[len(bodies)-1].size() > maxPart/2 {
			bodies = append(bodies, body{})
		}
		return &bodies[len(bodies)-1]
	}
	for _, start := range slices.Sorted(maps.Keys(c.users)) {
		b := roomy()
		b.users = appendSpenders(binary.AppendVarint(b.users, start), c.users[start])
	}
	for _, block := range c.rules {
		b := roomy()
		b.rules = appendBytes(b.rules, block)
	}
	for _, s := range c.further {
		for _, block := range encodeDeltas(s.deltas, maxPart/4) {
			b := roomy()
			b.further = appendBytes(appendText(b.further, s.set), block)
		}
	}
	for _, at := range c.over.spots() {
		b := roomy()
		b.over = appendSpot(b.over, at, c.over[at])
	}
	values := make([][]byte, len(bodies))
	h.Parts = len(bodies)
	for i := range bodies {
		h.Part = i
		values[i] = bodies[i].appendTo(appendHeader(make([]byte, 0, 256+bodies[i].size()), &h))
	}
	return values
}

// encodeDeltas writes deltas in blocks that are a little more than so many bytes, at least one.
func encodeDeltas(ds []delta, most int) (bodies [][]byte) {
	sortDeltas(ds)
	for len(ds) > 0 || bodies == nil {
		body, n := encodeBlock(ds, most)
		bodies, ds = append(bodies, body), ds[n:]
	}
	return bodies
}

// encodeBlock writes the first deltas, and lets them have what is written of their cells.
func encodeBlock(ds []delta, most int) (body []byte, n int) {
	ends, prev := make([][2]int, 0, len(ds)), int64(0)
	for ; n < len(ds) && len(body) <= most; n++ {
		d := &ds[n]
		body = binary.AppendVarint(body, d.Start-prev)
		prev = d.Start
		body = appendText(body, d.Key[0])
		body = appendText(body, d.Key[1])
		from := len(body)
		body = d.Cell.Append(body)
		ends = append(ends, [2]int{from, len(body)})
	}
	for i, end := range ends {
		ds[i].text = body[end[0]:end[1]:end[1]]
	}
	return body, n
}

func appendHeader(dst []byte, h *header) []byte {
	dst = append(dst, unitMagic...)
	dst = append(dst, unitVer)
	dst = append(dst, h.Unit[:]...)
	dst = appendSource(dst, h.Source)
	dst = binary.AppendVarint(dst, h.From)
	dst = binary.AppendVarint(dst, h.To)
	dst = binary.AppendUvarint(dst, uint64(h.Part))
	dst = binary.AppendUvarint(dst, uint64(h.Parts))
	dst = binary.AppendVarint(dst, h.Watermark)
	dst = binary.AppendVarint(dst, h.Oldest)
	dst = binary.AppendVarint(dst, h.Arrival)
	var flags byte
	if h.Idle {
		flags |= 1
	}
	if h.Gap != nil {
		flags |= 2
	}
	dst = append(dst, flags)
	if h.Gap != nil {
		dst = binary.AppendVarint(dst, h.Gap.Lost)
		dst = appendText(dst, h.Gap.Reason)
	}
	if h.Part == 0 {
		dst = h.Tally.appendTo(dst)
	}
	return dst
}

func appendSource(dst []byte, s source) []byte {
	dst = appendText(dst, s.TopicID)
	dst = appendText(dst, s.Topic)
	return binary.AppendVarint(dst, int64(s.Partition))
}

// decodeUnit reads one record of the journal: its header, and its body for eachDelta, eachSpender and eachRules. The text
// aliases value.
func decodeUnit(value []byte) (h header, body []byte, err error) {
	d := decoder{src: value}
	h, version := d.header()
	body = d.olderBody(version)
	return h, body, d.err
}

// header reads what stands before the body, and by which version it was written, the body as well.
func (d *decoder) header() (h header, version byte) {
	if string(d.bytes(4)) != unitMagic {
		d.err = errors.New("not a unit of the journal")
		return h, 0
	}
	version = d.byte()
	if d.err == nil && (version < 1 || version > unitVer) {
		d.err = fmt.Errorf("unit of version %d, this program knows %d", version, unitVer)
		return h, version
	}
	copy(h.Unit[:], d.bytes(16))
	h.Source = d.source()
	h.From, h.To = d.varint(), d.varint()
	h.Part, h.Parts = int(d.uvarint()), int(d.uvarint())
	h.Watermark, h.Oldest = d.varint(), d.varint()
	if version >= 3 {
		h.Arrival = d.varint()
	}
	flags := d.byte()
	h.Idle = flags&1 != 0
	if flags&2 != 0 {
		h.Gap = &gap{Lost: d.varint(), Reason: d.text()}
	}
	if d.err == nil && h.Part == 0 {
		d.tally(&h.Tally, version >= 4)
	}
	if d.err == nil && (h.Parts < 1 || h.Parts > maxParts || h.Part < 0 || h.Part >= h.Parts) {
		d.err = fmt.Errorf("part %d of %d", h.Part, h.Parts)
	}
	return h, version
}

// olderBody brings the body of an older version into today's form.
func (d *decoder) olderBody(version byte) []byte {
	var b body
	switch {
	case d.err != nil || version == unitVer:
		return d.src
	case version == 1:
		b.deltas = d.src
	case version == 2:
		b.deltas = d.section()
		b.users = d.src
	default:
		b.deltas, b.users, b.rules = d.section(), d.section(), d.section()
	}
	return b.appendTo(nil)
}

// section reads bytes after their length.
func (d *decoder) section() []byte { return d.bytes(int(min(d.uvarint(), math.MaxInt32))) }

// sectionOf reads one of the sections of a part's body, in the order of body.sections.
func sectionOf(body []byte, n int) decoder {
	d := decoder{src: body}
	for range n {
		d.section()
	}
	return decoder{src: d.section(), err: d.err}
}

// eachDelta calls fn with each delta by model and tenant of a part's body.
func eachDelta(body []byte, fn func(delta)) error {
	d := sectionOf(body, 0)
	return d.deltas(fn)
}

// eachFurther calls fn with each delta of further sets.
func eachFurther(body []byte, fn func(set string, d delta)) error {
	d := sectionOf(body, 3)
	for len(d.src) > 0 {
		set := d.text()
		block := decoder{src: d.section(), err: d.err}
		if err := block.deltas(func(x delta) { fn(set, x) }); err != nil {
			return err
		}
	}
	return d.err
}

// eachSpot calls fn with what overflowed.
func eachSpot(body []byte, fn func(dimSpan, *agg.Distinct)) error {
	d := sectionOf(body, 4)
	for len(d.src) > 0 {
		d.spot(fn)
	}
	return d.err
}

func (d *decoder) deltas(fn func(delta)) error {
	start := int64(0)
	for len(d.src) > 0 {
		start += d.varint()
		key := values{d.text(), d.text()}
		if d.err != nil {
			return d.err
		}
		cell := new(agg.Cell)
		rest, err := cell.Decode(d.src)
		if err != nil {
			return err
		}
		d.src = rest
		fn(delta{Start: start, Key: key, Cell: cell})
	}
	return d.err
}

// eachSpender calls fn with what each user spent in the span of spenderSpans that begins at start.
func eachSpender(body []byte, fn func(start int64, user string, x spend)) error {
	d := sectionOf(body, 1)
	for len(d.src) > 0 {
		start := d.varint()
		d.spenders(func(user string, x spend) { fn(start, user, x) })
	}
	return d.err
}

// eachRules calls fn with each block of partials of rules.
func eachRules(body []byte, fn func(block []byte)) error {
	d := sectionOf(body, 2)
	for len(d.src) > 0 {
		if block := d.section(); d.err == nil {
			fn(block)
		}
	}
	return d.err
}

func (d *decoder) source() source {
	return source{TopicID: d.text(), Topic: d.text(), Partition: int32(d.varint())}
}
