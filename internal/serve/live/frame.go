package live

import (
	"strconv"
	"sync"
	"time"
)

// tick is one moment of one channel: its state, and the bytes that tell it. It never changes after it was published, apart
// from the snapshot's bytes, which are made when the first client needs them.
type tick struct {
	topic     string
	epoch     string
	seq, prev uint64 // prev is the seq of the tick that update patches; 0 for the first
	t         time.Time
	due       time.Time
	state     State
	update    []byte // SSE frame; nil for the first

	once     sync.Once
	snapshot []byte
}

// snapshotFrame returns the frame that tells the whole state; all who need it share it.
func (k *tick) snapshotFrame() []byte {
	k.once.Do(func() { k.snapshot = k.encode("snapshot", k.state.Data) })
	return k.snapshot
}

// encode makes an SSE frame of data.
func (k *tick) encode(kind string, data Object) []byte {
	b := make([]byte, 0, 1024)
	b = append(b, "id: "...)
	b = append(b, k.epoch...)
	b = append(b, '.')
	b = strconv.AppendUint(b, k.seq, 10)
	b = append(b, "\nevent: "...)
	b = append(b, k.topic...)
	b = append(b, "\ndata: "...)
	b = k.message(b, kind, data)
	return append(b, "\n\n"...)
}

// message appends the JSON message itself, as every transport sends it.
func (k *tick) message(b []byte, kind string, data Object) []byte {
	b = append(b, `{"type":"`...)
	b = append(b, kind...)
	b = append(b, `","topic":"`...)
	b = append(b, k.topic...)
	b = append(b, `","epoch":"`...)
	b = append(b, k.epoch...)
	b = append(b, `","seq":`...)
	b = strconv.AppendUint(b, k.seq, 10)
	b = append(b, `,"t":`...)
	b = appendTime(b, k.t)
	b = append(b, `,"watermark":`...)
	b = appendTime(b, k.state.Watermark)
	b = append(b, `,"data":`...)
	b = data.AppendJSON(b)
	return append(b, '}')
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
