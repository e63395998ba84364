package ingest

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/ingest/format"
)

// fate is what becomes of an item.
type fate uint8

const (
	accepted fate = iota
	duplicate
	rejected
)

// item is one event of a body.
type item struct {
	fate   fate
	named  bool // its identity was given by the sender, so the filter knows it
	claim  bool // we are the ones who write it and owe the filter the outcome
	kind   event.Kind
	id     string
	ident  [2]uint64
	place  place
	wait   *wait // somebody else is writing it
	sent   int   // index of its message, -1 when there is none
	extra  int   // index of the first of its copies for routes
	extras int   // how many
	moved  bool  // a route took it away from the topic of its kind
	reject *event.Invalid
	dead   string // id of its dead letter
	made   string // id that was made up here for the event or the dead letter, without a key of the sender
}

// batch is one request under way. It is reused: everything in it belongs to one request at a time.
type batch struct {
	body        []byte
	spans       []span
	items       []item
	bad         []*event.Invalid // by item, what its format found wrong; shorter than the items when all is well
	redrives    []int            // by item, how often the dead letter that it was had been sent again
	headers     []event.Header   // how to read the items, as a record of a topic has them; nil for the plain forms
	single      bool             // the body is one JSON value, not an array or lines
	strict      bool             // one bad item refuses the body
	quiet       bool             // who sent it keeps what is bad: no dead letters
	format      string           // foreign format that the items were made from
	left        []format.Skipped // what its format found to be no event
	held        int64            // bytes that the gate wants back
	key         string           // Idempotency-Key
	principal   string           // whose key it is
	tenant      string           // that the sender is bound to; "" = none
	tenants     map[string]*int  // new events by tenant, where tenants have quotas
	sender      string           // the principal, else the address; "" is this process
	results     bool             // the answer names what was taken
	warnings    []warning        // of the event that was looked at
	doubted     bool             // one was
	contentType string
	now         int64 // microseconds

	decoder event.Decoder
	e       event.Event
	arena   arena
	msgs    []bus.Message
	send    []*bus.Message
	settled bool // every claim was told its outcome
	doomed  bool // a write timed out: its messages may still be read, so nothing is reused
}

var batches = sync.Pool{New: func() any { return new(batch) }}

// recycle gives the batch back unless somebody may still look at it.
func (b *batch) recycle() {
	if b.doomed || cap(b.items) > 10_000 {
		return
	}
	b.e.Reset()
	clear(b.items)
	clear(b.msgs)
	clear(b.send)
	b.arena.reset()
	*b = batch{spans: b.spans[:0], items: b.items[:0], decoder: b.decoder, e: b.e, arena: b.arena, msgs: b.msgs[:0], send: b.send[:0]}
	batches.Put(b)
}

// prepare parses every item, decides about it and makes its message. Nothing is written yet.
func (a *API) prepare(b *batch) *refusal {
	now := a.now()
	b.now = now.UnixMicro()
	b.decoder.Limits = a.settings().Event
	n := len(b.spans)
	b.items = grown(b.items, n)
	b.msgs = grown(b.msgs, n)
	b.send = b.send[:0]
	b.arena.expect(len(b.body) + 128*n)
	for i := range b.spans {
		raw := b.body[b.spans[i].from:b.spans[i].to]
		it := &b.items[i]
		it.sent = -1
		bad := a.judge(b, i, raw)
		switch {
		case bad == nil:
			if len(b.e.Extra) > 0 && !b.doubted && b.format == "" {
				a.doubt(b, i)
			}
			a.take(b, i)
		case b.single && bad.Code == event.CodeSyntax:
			return &refusal{status: http.StatusBadRequest, detail: "the body is not JSON: " + bad.Detail}
		case b.strict:
			return &refusal{status: http.StatusBadRequest, detail: fmt.Sprintf("nothing was taken: event %d: %v", i, bad)}
		default:
			a.reject(b, i, raw, bad)
		}
	}
	return nil
}

// judge reads an item into b.e.
func (a *API) judge(b *batch, i int, raw []byte) *event.Invalid {
	if i < len(b.bad) && b.bad[i] != nil {
		b.e.Reset()
		return b.bad[i]
	}
	if bad := b.decoder.Decode(raw, b.headers, &b.e); bad != nil {
		return bad
	}
	if b.tenant != "" {
		if bad := b.bind(a.settings().Event); bad != nil {
			return bad
		}
	}
	if b.e.HasTime && b.e.Time > b.now+a.settings().MaxFuture.Microseconds() {
		return &event.Invalid{Code: event.CodeFuture, Pointer: "/timestamp", Detail: "lies more than " + a.settings().MaxFuture.String() + " ahead of the clock here, " + event.FormatTime(b.now) + "; look at the sender's clock and time zone"}
	}
	return nil
}

// take makes the message of a valid item, unless it is known.
func (a *API) take(b *batch, i int) {
	it, e := &b.items[i], &b.e
	it.named = true
	if e.ID == "" && b.key != "" {
		e.ID = b.derive(i, nil)
	} else if e.ID == "" {
		e.ID, it.named = a.makeID(b, i)
		it.made = e.ID
	}
	if !e.HasTime {
		e.Time, e.HasTime = b.now, true
	}
	it.kind = e.Kind
	if b.results {
		it.id = strings.Clone(e.ID)
	}
	if a.filter != nil {
		it.ident = e.Identity()
	}
	if it.named && a.filter != nil {
		var v verdict
		switch v, it.place, it.wait = a.filter.claim(it.ident); v {
		case known:
			it.fate = duplicate
			return
		case pending:
			return
		case fresh:
			it.claim = true
		}
	}
	m := &b.msgs[i]
	m.Topic = e.Kind.Topic()
	m.Value = b.arena.encode(e, b.spans[i].to-b.spans[i].from)
	m.Key = b.arena.copy(e.Key())
	if i < len(b.redrives) && b.redrives[i] > 0 {
		m.Headers = []bus.Header{{Key: event.HeaderRedrives, Value: strconv.AppendInt(nil, int64(b.redrives[i]), 10)}}
	}
	it.sent = len(b.send)
	b.send = append(b.send, m)
	a.countTenant(b)
	a.route(b, i)
}

// reject turns an item into a dead letter.
func (a *API) reject(b *batch, i int, raw []byte, bad *event.Invalid) {
	it := &b.items[i]
	it.fate, it.reject = rejected, bad
	if b.quiet {
		return
	}
	if b.key != "" {
		it.dead = b.derive(i, raw)
	} else {
		it.dead, _ = a.makeID(b, i)
		it.made = it.dead
	}
	d := event.DeadLetter{ID: it.dead, Topic: b.e.Kind.Topic(), Partition: -1, Offset: -1, ReceivedAt: b.now,
		Code: bad.Code, Pointer: bad.Pointer, Reason: bad.Detail, Payload: raw, Headers: b.origin()}
	b.decoder.Discreet(&d)
	key, value, headers := d.Record()
	m := &b.msgs[i]
	m.Topic, m.Key = event.TopicDeadLetters, key
	m.Value = append([]byte(nil), value...) // the body's memory ends with the request, a message may not
	for _, h := range headers {
		m.Headers = append(m.Headers, bus.Header{Key: h.Key, Value: h.Value})
	}
	it.sent = len(b.send)
	b.send = append(b.send, m)
}

// origin are the headers of a dead letter: what tells how its payload is to be read.
func (b *batch) origin() [][2]string {
	var out [][2]string
	for _, h := range b.headers {
		out = append(out, [2]string{h.Key, string(h.Value)})
	}
	if b.headers == nil {
		out = append(out, [2]string{event.HeaderContentType, b.contentType})
	}
	if b.format != "" {
		out = append(out, [2]string{"format", b.format})
	}
	return out
}

// mint makes a random id of 128 bits.
func (b *batch) mint() string {
	var raw [16]byte
	binary.BigEndian.PutUint64(raw[:8], rand.Uint64())
	binary.BigEndian.PutUint64(raw[8:], rand.Uint64())
	return hex.EncodeToString(raw[:])
}

// makeID makes up the id of an item: a random one, or the one that it had in a request that failed; that is known then.
func (a *API) makeID(b *batch, i int) (id string, known bool) {
	if id := a.unfinished.take(b, i, a.now()); id != "" {
		return id, true
	}
	return b.mint(), false
}

// derive makes the id of an item without one under an Idempotency-Key: a hash of principal, key and index, so that a retry
// of the request gives the same ids, and two principals that choose the same key do not meet. That of a dead letter depends on
// its payload too.
func (b *batch) derive(i int, payload []byte) string {
	h := make([]byte, 0, 256)
	h = append(append(h, b.principal...), 0)
	h = append(append(h, b.key...), 0)
	h = append(binary.BigEndian.AppendUint64(h, uint64(i)), payload...)
	sum := sha256.Sum256(h)
	return hex.EncodeToString(sum[:16])
}

// errOther says that somebody else failed to write an event that this request waited for.
var errOther = errors.New("another request that held the same event did not get it written")

// write sends everything and waits: for the acknowledgements, and for what others have in flight. It settles every claim,
// whatever happens.
func (a *API) write(ctx context.Context, b *batch) error {
	var err error
	if len(b.send) > 0 {
		carryTrace(ctx, b.send)
		err = a.lostCopies(b, a.out.Send(ctx, b.send))
	}
	var some *bus.SendError
	if err != nil {
		b.doomed = true
	}
	errors.As(err, &some)
	for i := range b.items {
		it := &b.items[i]
		if it.sent < 0 {
			continue
		}
		written := it.written(err, some)
		it.place = it.placeOf(b.send[it.sent])
		if it.claim {
			a.filter.settle(it.ident, written, it.place)
		}
	}
	b.settled = true
	failed := err
	if failed == nil {
		failed = a.awaitOthers(ctx, b)
	}
	if failed != nil {
		a.remember(b, err, some)
	}
	return failed
}

// awaitOthers waits for the outcome of events that somebody else, often this very body, writes.
func (a *API) awaitOthers(ctx context.Context, b *batch) error {
	for i := range b.items {
		it := &b.items[i]
		if it.wait == nil {
			continue
		}
		select {
		case <-it.wait.done:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if !it.wait.written {
			return errOther
		}
		it.fate, it.place = duplicate, it.wait.place
	}
	return nil
}

func grown[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n] // cleared when it was given back
}

// arena is memory for the encoded events of one request, so that they are few allocations.
type arena struct {
	chunk []byte
	next  int // size of the next chunk
}

const maxChunk = 256 << 10

func (a *arena) reset() {
	if cap(a.chunk) > maxChunk {
		a.chunk = nil
	}
	a.chunk = a.chunk[:0]
}

// expect says how much will be asked for in all.
func (a *arena) expect(bytes int) {
	a.next = min(max(bytes, 512), maxChunk)
	if cap(a.chunk)-len(a.chunk) < a.next {
		a.chunk = make([]byte, 0, a.next)
	}
}

// encode returns the canonical form of e, which was read from about so many bytes.
func (a *arena) encode(e *event.Event, bytes int) []byte {
	const envelope = 160 // id, timestamp and longer names that the input may have left out
	if cap(a.chunk)-len(a.chunk) < bytes+envelope {
		a.chunk = make([]byte, 0, max(a.next, bytes+envelope))
	}
	from := len(a.chunk)
	out := event.AppendJSON(a.chunk, e)
	if cap(out) != cap(a.chunk) { // it moved after all, with everything that lay before it
		return append(make([]byte, 0, len(out)-from), out[from:]...)
	}
	a.chunk = out
	return out[from:len(out):len(out)]
}

func (a *arena) copy(s string) []byte {
	if cap(a.chunk)-len(a.chunk) < len(s) {
		a.chunk = make([]byte, 0, max(a.next, len(s)))
	}
	from := len(a.chunk)
	a.chunk = append(a.chunk, s...)
	return a.chunk[from:len(a.chunk):len(a.chunk)]
}
