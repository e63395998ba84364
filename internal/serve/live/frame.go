package live

import (
	"strconv"
	"sync"
	"time"

	"github.com/hxp-enterprise/hxp/internal/serve/live/ws"
)

// wire is how messages are wrapped on their way.
type wire uint8

const (
	sse wire = iota
	socket
	wires
)

// maxHead is the largest head of a WebSocket frame.
const maxHead = 10

// message is the envelope of what a topic says.
type message struct {
	kind, topic, epoch string
	seq                uint64
	t                  time.Time
}

// appendFrame appends a message with an id as w carries it. body appends what follows the time: members with a comma before each.
func (m *message) appendFrame(dst []byte, w wire, body func([]byte) []byte) []byte {
	if w == sse {
		dst = append(dst, "id: "...)
		dst = append(dst, m.epoch...)
		dst = append(dst, '.')
		dst = strconv.AppendUint(dst, m.seq, 10)
		dst = append(dst, "\nevent: "...)
		dst = append(dst, m.topic...)
		dst = append(dst, "\ndata: "...)
		return append(body(m.append(dst)), "\n\n"...)
	}
	start := len(dst)
	dst = body(m.append(append(dst, make([]byte, maxHead)...)))
	return settleHead(dst, start)
}

// settleHead puts the head of a frame before what was appended behind a place of maxHead bytes at start.
func settleHead(dst []byte, start int) []byte {
	payload := dst[start+maxHead:]
	var head [maxHead]byte
	h := ws.AppendHead(head[:0], ws.Text, len(payload))
	dst = append(dst[:start], h...)
	return append(dst, payload...) // moves down, over what it leaves
}

// append appends the envelope without its closing brace.
func (m *message) append(b []byte) []byte {
	b = append(b, `{"type":"`...)
	b = append(b, m.kind...)
	b = append(b, `","topic":"`...)
	b = append(b, m.topic...)
	b = append(b, `","epoch":"`...)
	b = append(b, m.epoch...)
	b = append(b, `","seq":`...)
	b = strconv.AppendUint(b, m.seq, 10)
	b = append(b, `,"t":`...)
	return appendTime(b, m.t)
}

// appendTime appends t as RFC 3339 in UTC with milliseconds, null for the zero time.
func appendTime(b []byte, t time.Time) []byte {
	if t.IsZero() {
		return append(b, "null"...)
	}
	b = append(b, '"')
	b = t.UTC().AppendFormat(b, "2006-01-02T15:04:05.000Z07:00")
	return append(b, '"')
}

// note wraps a message without an id: one that a client which comes back does not count as seen.
func note(w wire, event string, text []byte) []byte {
	if w == socket {
		return ws.AppendFrame(nil, ws.Text, text)
	}
	b := append([]byte("event: "+event+"\ndata: "), text...)
	return append(b, "\n\n"...)
}

// tick is one moment of one channel: its state, and the bytes that tell it. It never changes after it was published, apart
// from the bytes, which are made when the first client needs them.
type tick struct {
	message
	prev  uint64 // seq of the tick that patch changes; 0 for the first
	due   time.Time
	state State
	patch Object // nil for the first

	encoded            *sampler
	snapshots, updates [wires]lazy
}

// lazy are bytes that are made once, for all who need them.
type lazy struct {
	once sync.Once
	b    []byte
}

// snapshot returns the frame that tells the whole state; update the one that tells what changed.
func (k *tick) snapshot(w wire) []byte { return k.bytes(&k.snapshots[w], w, "snapshot", k.state.Data) }
func (k *tick) update(w wire) []byte   { return k.bytes(&k.updates[w], w, "update", k.patch) }

func (k *tick) bytes(l *lazy, w wire, kind string, data Object) []byte {
	l.once.Do(func() {
		began, m := time.Now(), k.message
		m.kind = kind
		l.b = m.appendFrame(make([]byte, 0, 1024), w, func(b []byte) []byte {
			b = appendTime(append(b, `,"watermark":`...), k.state.Watermark)
			return append(data.AppendJSON(append(b, `,"data":`...)), '}')
		})
		k.encoded.add(k.t, time.Since(began))
	})
	return l.b
}
