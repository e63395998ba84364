package join

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// Record is what is known of one request. Written it is: state, arrival of the first part, time of the last change, number of
// parts, and of each part its length, whether a record had it before (in snapshots alone), and the event in the compact form.
type Record struct {
	Closed, Stub   bool
	First, Changed int64
	Parts          [][]byte
	sent           []bool
}

func (t *Table) appendRecord(dst []byte, e *entry) []byte {
	dst = appendHead(dst, e)
	for _, at := range t.places(e) {
		part, _, _ := t.parts.get(at)
		dst = append(binary.AppendUvarint(dst, uint64(len(part))<<1), part...)
	}
	return dst
}

// places are those of the parts of a request, in the order of their arrival, until the next call.
func (t *Table) places(e *entry) []place {
	t.chain = t.chain[:0]
	for at := e.last; at != 0; {
		t.chain = append(t.chain, at)
		_, _, at = t.parts.get(at)
	}
	slices.Reverse(t.chain)
	return t.chain
}

func appendHead(dst []byte, e *entry) []byte {
	dst = append(dst, e.state&(closed|stub))
	dst = binary.AppendVarint(dst, e.first)
	dst = binary.AppendVarint(dst, e.changed-e.first)
	return binary.AppendUvarint(dst, uint64(e.parts))
}

// ErrRecord says that bytes are not a record.
var ErrRecord = errors.New("not a record of joined events")

// Read reads the record at the beginning of src and returns what follows it. Parts alias src.
func (r *Record) Read(src []byte) (rest []byte, err error) {
	*r = Record{Parts: r.Parts[:0], sent: r.sent[:0]}
	if len(src) == 0 || src[0]&^(closed|stub) != 0 {
		return nil, ErrRecord
	}
	r.Closed, r.Stub, src = src[0]&closed != 0, src[0]&stub != 0, src[1:]
	var took [3]uint64
	for i := range took {
		v, n := binary.Uvarint(src)
		if n <= 0 {
			return nil, ErrRecord
		}
		took[i], src = v, src[n:]
	}
	r.First = unzigzag(took[0])
	r.Changed = r.First + unzigzag(took[1])
	if took[2] == 0 || took[2] > MostParts {
		return nil, fmt.Errorf("%w: %d parts", ErrRecord, took[2])
	}
	for range took[2] {
		v, n := binary.Uvarint(src)
		if n <= 0 || v>>1 > uint64(len(src)-n) {
			return nil, ErrRecord
		}
		end := n + int(v>>1)
		r.Parts, r.sent = append(r.Parts, src[n:end]), append(r.sent, v&1 != 0)
		src = src[end:]
	}
	return src, nil
}

func unzigzag(u uint64) int64 { return int64(u>>1) ^ -int64(u&1) }

// Origin says where records come from that a table absorbs.
type Origin uint8

const (
	Written   Origin = iota // they are in the topic
	Unwritten               // they were taken, and are perhaps not in the topic
	kept                    // from a snapshot, which says of each part whether a record has it
)

// Absorb adds records that were made before now, in microseconds, in whatever order: each request becomes the union of what is
// known. A stranger may have written them: times that cannot be are not taken, for windows close in the order of the first parts.
func (t *Table) Absorb(src []byte, from Origin, now int64) error {
	var r Record
	for len(src) > 0 {
		rest, err := r.Read(src)
		if err != nil {
			return err
		}
		r.First, r.Changed = min(max(r.First, 0), now), min(max(r.Changed, 0), now)
		if err := t.absorb(&r, from); err != nil {
			return err
		}
		src = rest
	}
	return nil
}

func (t *Table) absorb(r *Record, from Origin) error {
	request := ""
	for i, part := range r.Parts { // all of it is looked at before anything is taken
		rest, err := t.ev.ReadCompact(part)
		switch id := t.ev.Text(event.RequestID); {
		case err != nil:
			return err
		case len(rest) > 0 || id == "" || !Joins(t.ev.Kind) || i > 0 && id != request:
			return fmt.Errorf("%w: parts do not belong together", ErrRecord)
		default:
			request = id
		}
	}
	key := event.JoinKey(request)
	more := false
	for i, part := range r.Parts {
		sent := from == Written || from == kept && r.sent[i]
		added := t.unite(key, part, r.First, sent, from == Unwritten)
		more = more || added
	}
	n, e := t.find(key)
	if e == nil {
		return nil
	}
	t.count(e, -1)
	switch {
	case e.state&closed == 0 && r.Closed:
		t.close(e, r.Changed, r.Stub)
	case e.state&closed != 0:
		e.changed = max(e.changed, r.Changed)
		if more {
			e.state |= stub
		}
	}
	if r.Stub {
		e.state |= stub
	}
	if e.state&closed != 0 && e.sent < e.parts {
		t.enqueue(n, e)
	}
	t.count(e, 1)
	return nil
}

// unite adds a part of a record, or notes of one that is known whether a record has it. It tells whether the part is new.
func (t *Table) unite(key [2]uint64, part []byte, first int64, sent, undo bool) (added bool) {
	if t.oversized(part) {
		return false
	}
	_, _ = t.ev.ReadCompact(part)
	t.reserve(len(part))
	_, e := t.find(key)
	if e == nil {
		e = t.open(key, first)
	} else {
		t.count(e, -1)
	}
	defer t.count(e, 1)
	at := t.has(e, t.ev.Source, t.ev.ID)
	if at == 0 {
		return t.add(e, t.ev.Kind, part, sent)
	}
	switch _, was, _ := t.parts.get(at); {
	case sent && !was:
		e.sent++
		t.parts.mark(at, true)
	case undo && was:
		e.sent--
		t.parts.mark(at, false)
	}
	return false
}

// Joins tells whether events of a kind are parts of requests.
func Joins(k event.Kind) bool { return 1<<k&hasAll != 0 }

// AppendState writes the table so that Restore gives back an equal one.
func (t *Table) AppendState(dst []byte) []byte {
	for _, n := range t.Stats.lasting() {
		dst = binary.AppendVarint(dst, *n)
	}
	dst = binary.AppendUvarint(dst, uint64(t.outSize))
	for _, piece := range t.out {
		dst = append(dst, piece...)
	}
	for i := t.head; i < t.next; i++ {
		e := t.at(i)
		dst = appendHead(dst, e)
		for _, at := range t.places(e) {
			part, sent, _ := t.parts.get(at)
			head := uint64(len(part)) << 1
			if sent {
				head |= 1
			}
			dst = append(binary.AppendUvarint(dst, head), part...)
		}
	}
	return dst
}

// lasting are the counters that go on from where they were.
func (s *Stats) lasting() []*int64 {
	return []*int64{&s.Closed, &s.CompleteLive, &s.CompleteStub, &s.Evicted, &s.Forgotten, &s.Overflow}
}

// Restore makes a table of what AppendState wrote before now, in microseconds. The limits may be others.
func Restore(src []byte, l Limits, now int64) (*Table, error) {
	t := New(l)
	told := t.Stats
	for _, c := range told.lasting() {
		v, n := binary.Varint(src)
		if n <= 0 {
			return nil, ErrRecord
		}
		*c, src = v, src[n:]
	}
	size, n := binary.Uvarint(src)
	if n <= 0 || size > uint64(len(src)-n) {
		return nil, ErrRecord
	}
	out, rest := src[n:n+int(size)], src[n+int(size):]
	err := errors.Join(t.Absorb(rest, kept, now), t.Absorb(out, Unwritten, now))
	for i, c := range t.Stats.lasting() {
		*c = *told.lasting()[i]
	}
	return t, err
}
