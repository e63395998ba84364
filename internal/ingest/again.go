package ingest

import (
	"encoding/binary"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hxp-enterprise/hxp/internal/bus"
)

// The bounds of what unfinished remembers.
const (
	maxUnfinished  = 100_000
	unfinishedTime = 15 * time.Minute
)

// unfinished remembers the ids that were made up for the items of requests whose write failed. Who sends the same body again gets
// the same ids: what was written after all is known then, here or to the readers of the topics, and counts once. An id is given
// once, so that a body that is the same by chance, later, is one of its own.
//
// It forgets with the process. A sender that wants more gives its events ids, or its request an Idempotency-Key.
type unfinished struct {
	seeds [2]maphash.Seed
	some  atomic.Bool // most of the time there is nothing, and nothing needs to be hashed

	mu    sync.Mutex
	ids   map[[2]uint64]madeID
	order []madeID // the oldest first; those that were taken stay until their turn comes
}

// madeID is the id of an item.
type madeID struct {
	key [2]uint64
	id  string
	at  time.Time
}

func newUnfinished() *unfinished {
	return &unfinished{seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}, ids: map[[2]uint64]madeID{}}
}

// key tells an item by its sender, its place in the body and its bytes.
func (u *unfinished) key(b *batch, i int) (key [2]uint64) {
	var place [8]byte
	binary.BigEndian.PutUint64(place[:], uint64(i))
	for half := range key {
		var h maphash.Hash
		h.SetSeed(u.seeds[half])
		for _, part := range []string{b.sender, b.contentType, b.format} {
			h.WriteString(part)
			h.WriteByte(0)
		}
		for _, header := range b.headers {
			h.WriteString(header.Key)
			h.WriteByte(0)
			h.Write(header.Value)
			h.WriteByte(0)
		}
		h.Write(place[:])
		h.Write(b.body[b.spans[i].from:b.spans[i].to])
		key[half] = h.Sum64()
	}
	return key
}

// take gives the id that an item had in a request that failed; "" when it had none.
func (u *unfinished) take(b *batch, i int, now time.Time) string {
	if !u.some.Load() {
		return ""
	}
	key := u.key(b, i)
	u.mu.Lock()
	defer u.mu.Unlock()
	u.forget(now)
	made := u.ids[key]
	delete(u.ids, key)
	return made.id
}

// put keeps the id of an item of a request that failed.
func (u *unfinished) put(b *batch, i int, id string, now time.Time) {
	key := u.key(b, i)
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.order) == maxUnfinished {
		u.drop(1)
	}
	u.forget(now)
	made := madeID{key, id, now}
	u.ids[key] = made
	u.order = append(u.order, made)
	u.some.Store(true)
}

// forget drops what is too old to be sent again.
func (u *unfinished) forget(now time.Time) {
	n := 0
	for n < len(u.order) && now.Sub(u.order[n].at) >= unfinishedTime {
		n++
	}
	u.drop(n)
	if len(u.order) == 0 {
		u.order = nil
		u.some.Store(false)
	}
}

func (u *unfinished) drop(n int) {
	for _, o := range u.order[:n] {
		if u.ids[o.key] == o { // else it was taken, and perhaps put again
			delete(u.ids, o.key)
		}
	}
	u.order = u.order[n:]
}

// remember keeps the ids that were made up for the items of a request that is answered with an error. err is that of its write.
func (a *API) remember(b *batch, err error, some *bus.SendError) {
	for i := range b.items {
		it := &b.items[i]
		if it.made == "" {
			continue
		}
		a.unfinished.put(b, i, it.made, a.now())
		if it.fate != rejected && !it.claim && it.sent >= 0 && a.filter != nil && it.written(err, some) {
			a.filter.add(it.ident, it.place)
		}
	}
}
