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
	Arrival   int64 // the latest broker time of all records up to To, microseconds; never goes back
	Gap       *gap  // set when the unit covers offsets that no longer exist
	Tally     tally // of the whole unit, carried by part 0
}

// gap says what of [From, To) could not be read.
type gap struct {
	Lost   int64
	Reason string
}

// tally counts what happened to the records of a unit beside the panes.
type tally struct {
	Records      int64 // all records read
	Events       int64 // folded into panes
	Duplicates   int64
	DeadLetters  int64 // not valid, future ones included
	Future       int64
	Late         int64
	Errors       int64            // failed requests
	LateBySource map[string]int64 // at most maxSources names, the rest under otherName
}

const (
	otherName  = "__other__"
	maxSources = 64
)

func (t *tally) late(source string) {
	t.Late++
	if t.LateBySource == nil {
		t.LateBySource = map[string]int64{}
	}
	if _, known := t.LateBySource[source]; !known {
		if len(t.LateBySource) >= maxSources {
			source = otherName
		} else {
			source = string(append([]byte(nil), source...)) // the event's text is not ours to keep
		}
	}
	t.LateBySource[source]++
}

func (t *tally) add(o *tally) {
	t.Records += o.Records
	t.Events += o.Events
	t.Duplicates += o.Duplicates
	t.DeadLetters += o.DeadLetters
	t.Future += o.Future
	t.Late += o.Late
	t.Errors += o.Errors
	for name, n := range o.LateBySource {
		if t.LateBySource == nil {
			t.LateBySource = map[string]int64{}
		}
		if _, known := t.LateBySource[name]; !known && len(t.LateBySource) >= maxSources {
			name = otherName
		}
		t.LateBySource[name] += n
	}
}

// delta is what one second gained in one group.
type delta struct {
	Start int64 // unix second
	Key   agg.Key
	Cell  *agg.Cell
}

func sortDeltas(ds []delta) {
	slices.SortFunc(ds, func(a, b delta) int {
		return cmp.Or(cmp.Compare(a.Start, b.Start), cmp.Compare(a.Key.Model, b.Key.Model), cmp.Compare(a.Key.Tenant, b.Key.Tenant))
	})
}

const (
	unitMagic = "HXPU"
	unitVer   = 3 // 1 had no spenders, 2 no arrival and no partials of rules
	// maxPart keeps a record of the journal well below the megabyte that brokers take by default.
	maxPart  = 700 << 10
	maxParts = 1 << 16
)

// body is what a part carries: deltas, what users spent by span, and partials of rules. Each is written after its length.
type body struct{ deltas, users, rules []byte }

func (b *body) size() int { return len(b.deltas) + len(b.users) + len(b.rules) }

func (b *body) appendTo(dst []byte) []byte {
	for _, section := range [][]byte{b.deltas, b.users, b.rules} {
		dst = appendBytes(dst, section)
	}
	return dst
}

// cut tells whether the input was cut under whoever wrote the unit, and down to where what counts was.
func (h *header) cut() (end int64, was bool) {
	return min(h.From, h.To), h.Gap != nil && h.Gap.Reason == reasonCut
}

// encodeUnit returns the records' values of a unit, each at most about maxPart bytes. A span of users, and a block of rules,
// is well below half of that.
func encodeUnit(h header, ds []delta, users map[int64]*spenders, rules [][]byte) [][]byte {
	var bodies []body
	for _, b := range encodeDeltas(ds) {
		bodies = append(bodies, body{deltas: b})
	}
	roomy := func() *body {
		if bodies[len(bodies)-1].size() > maxPart/2 {
			bodies = append(bodies, body{})
		}
		return &bodies[len(bodies)-1]
	}
	for _, start := range slices.Sorted(maps.Keys(users)) {
		b := roomy()
		b.users = appendSpenders(binary.AppendVarint(b.users, start), users[start])
	}
	for _, block := range rules {
		b := roomy()
		b.rules = appendBytes(b.rules, block)
	}
	values := make([][]byte, len(bodies))
	h.Parts = len(bodies)
	for i := range bodies {
		h.Part = i
		values[i] = bodies[i].appendTo(appendHeader(make([]byte, 0, 256+bodies[i].size()), &h))
	}
	return values
}

func encodeDeltas(ds []delta) (bodies [][]byte) {
	sortDeltas(ds)
	body, prev := []byte{}, int64(0)
	for i := range ds {
		if len(body) > maxPart {
			bodies, body, prev = append(bodies, body), []byte{}, 0
		}
		body = binary.AppendVarint(body, ds[i].Start-prev)
		prev = ds[i].Start
		body = appendText(body, ds[i].Key.Model)
		body = appendText(body, ds[i].Key.Tenant)
		body = ds[i].Cell.Append(body)
	}
	return append(bodies, body)
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

func (t *tally) counters() []*int64 {
	return []*int64{&t.Records, &t.Events, &t.Duplicates, &t.DeadLetters, &t.Future, &t.Late, &t.Errors}
}

func (t *tally) appendTo(dst []byte) []byte {
	for _, n := range t.counters() {
		dst = binary.AppendVarint(dst, *n)
	}
	names := make([]string, 0, len(t.LateBySource))
	for name := range t.LateBySource {
		names = append(names, name)
	}
	slices.Sort(names)
	dst = binary.AppendUvarint(dst, uint64(len(names)))
	for _, name := range names {
		dst = appendText(dst, name)
		dst = binary.AppendVarint(dst, t.LateBySource[name])
	}
	return dst
}

// decodeUnit reads one record of the journal: its header, and its body for eachDelta, eachSpender and eachRules. The text
// aliases value.
func decodeUnit(value []byte) (h header, body []byte, err error) {
	d := decoder{src: value}
	if string(d.bytes(4)) != unitMagic {
		return h, nil, errors.New("not a unit of the journal")
	}
	version := d.byte()
	if d.err == nil && (version < 1 || version > unitVer) {
		return h, nil, fmt.Errorf("unit of version %d, this program knows %d", version, unitVer)
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
		d.tally(&h.Tally)
	}
	if d.err == nil && (h.Parts < 1 || h.Parts > maxParts || h.Part < 0 || h.Part >= h.Parts) {
		d.err = fmt.Errorf("part %d of %d", h.Part, h.Parts)
	}
	return h, d.olderBody(version), d.err
}

// olderBody brings the body of an older version into today's form.
func (d *decoder) olderBody(version byte) []byte {
	var b body
	switch {
	case d.err != nil || version == unitVer:
		return d.src
	case version == 1:
		b.deltas = d.src
	default:
		b.deltas = d.section()
		b.users = d.src
	}
	return b.appendTo(nil)
}

// section reads bytes after their length.
func (d *decoder) section() []byte { return d.bytes(int(min(d.uvarint(), math.MaxInt32))) }

// eachDelta calls fn with each delta of a part's body.
func eachDelta(body []byte, fn func(delta)) error {
	whole := decoder{src: body}
	d := decoder{src: whole.section(), err: whole.err}
	start := int64(0)
	for len(d.src) > 0 {
		start += d.varint()
		key := agg.Key{Model: d.text(), Tenant: d.text()}
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
	whole := decoder{src: body}
	whole.section()
	d := decoder{src: whole.section(), err: whole.err}
	for len(d.src) > 0 {
		start := d.varint()
		d.spenders(func(user string, x spend) { fn(start, user, x) })
	}
	return d.err
}

// eachRules calls fn with each block of partials of rules.
func eachRules(body []byte, fn func(block []byte)) error {
	whole := decoder{src: body}
	whole.section()
	whole.section()
	d := decoder{src: whole.section(), err: whole.err}
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

func (d *decoder) tally(t *tally) {
	for _, n := range t.counters() {
		*n = d.varint()
	}
	for n := d.uvarint(); n > 0 && d.err == nil; n-- {
		name, count := d.text(), d.varint()
		if d.err == nil {
			if t.LateBySource == nil {
				t.LateBySource = map[string]int64{}
			}
			t.LateBySource[name] += count
		}
	}
}
