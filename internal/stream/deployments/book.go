package deployments

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/hxp-enterprise/hxp/internal/bus"
)

const (
	maxDeployments = 10_000 // that were told, and as many that were seen
	maxVersions    = 10_000
	beginning      = 10 * time.Minute // of the topic: there everything is new
)

// entry is a deployment with where it stands in the topic.
type entry struct {
	*Deployment
	offset int64
}

func (e *entry) older(o *entry) int {
	return cmp.Or(e.At.Compare(o.At), cmp.Compare(e.ID, o.ID))
}

// Book is the deployments folded from their topic. It is a bus.Book. Its methods may be called from any goroutine.
type Book struct {
	mu       sync.RWMutex
	whole    <-chan struct{} // closed when everything is in it that was told before
	order    []*entry        // by their time, the oldest first
	ids      map[string]bool // of those in order
	told     int             // of order, those that somebody told
	versions map[version]int // by the number of the record that named it last
	records  int             // that named versions
	news     pace            // of them, by the broker's clock
	first    time.Time       // of the topic
}

// NewBook makes an empty book.
func NewBook() *Book {
	b := &Book{}
	b.Reset()
	return b
}

// Follow makes what reads the topic into the book; run it.
func (b *Book) Follow(tail *bus.Tail) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.whole = tail.Ready()
}

// Reset is part of bus.Book.
func (b *Book) Reset() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.order, b.ids, b.told = nil, map[string]bool{}, 0
	b.versions, b.records, b.news, b.first = map[version]int{}, 0, pace{}, time.Time{}
}

// Take is part of bus.Book. A record that is none is passed over.
func (b *Book) Take(m *bus.Message) {
	d, err := Decode(m.Value)
	if err != nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.first.IsZero() {
		b.first = m.Timestamp
	}
	if d.Kind != Told {
		v := version{d.Model, d.Version}
		if b.versions[v] > 0 {
			return
		}
		b.learn(v)
		if m.Timestamp.Sub(b.first) < beginning || !b.news.admit(m.Timestamp) {
			return
		}
	}
	b.add(&entry{d, m.Offset})
}

// learn notes a version. When there are too many, a tenth is forgotten: those of which no record has spoken for longest. It is called under
// the lock.
func (b *Book) learn(v version) {
	b.records++
	b.versions[v], b.versions[version{v.model, ""}] = b.records, b.records
	if len(b.versions) > maxVersions {
		kept := slices.Sorted(maps.Values(b.versions))[maxVersions/10]
		maps.DeleteFunc(b.versions, func(_ version, record int) bool { return record < kept })
	}
}

// add is called under the lock.
func (b *Book) add(e *entry) {
	if b.ids[e.ID] {
		return
	}
	i, _ := slices.BinarySearchFunc(b.order, e, (*entry).older)
	b.order, b.ids[e.ID] = slices.Insert(b.order, i, e), true
	b.count(e, 1)
	told := e.Kind == Told
	if told && b.told > maxDeployments || !told && len(b.order)-b.told > maxDeployments {
		i = slices.IndexFunc(b.order, func(o *entry) bool { return (o.Kind == Told) == told }) // names of strangers take no room of what was told
		b.count(b.order[i], -1)
		delete(b.ids, b.order[i].ID)
		b.order = slices.Delete(b.order, i, i+1)
	}
}

func (b *Book) count(e *entry, sign int) {
	if e.Kind == Told {
		b.told += sign
	}
}

// Trim is part of bus.Book. What retention removed from the topic leaves the list; versions stay known.
func (b *Book) Trim(_ int32, start int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.order = slices.DeleteFunc(b.order, func(e *entry) bool {
		if e.offset < start {
			b.count(e, -1)
			delete(b.ids, e.ID)
		}
		return e.offset < start
	})
}

// young tells whether something that arrived at a time belongs to the beginning of the topic.
func (b *Book) young(at time.Time) bool {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.first.IsZero() || at.Sub(b.first) < beginning
}

// unknown tells what of a version that arrived at a time is new, "" for nothing. It is not sure while the book is being read, and when it
// takes no more in this hour.
func (b *Book) unknown(v version, at time.Time) (k Kind, sure bool) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	select {
	case <-b.whole:
	default: // nil, where nobody reads the topic, is never ready
		return "", false
	}
	v = version{clip(v.model), clip(v.prompt)}
	switch {
	case b.versions[v] > 0:
		return "", true
	case b.news.full(at):
		return "", false
	case b.versions[version{v.model, ""}] > 0:
		return Prompt, true
	}
	return Model, true
}

// mark is a place in the list.
type mark struct {
	at time.Time
	id string
}

// list returns deployments, the newest first, at most limit, and whether there are more.
func (b *Book) list(since time.Time, before *mark, model string, limit int) (out []*Deployment, more bool) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	end := len(b.order)
	if before != nil {
		end, _ = slices.BinarySearchFunc(b.order, &entry{Deployment: &Deployment{At: before.at, ID: before.id}}, (*entry).older)
	}
	for _, e := range slices.Backward(b.order[:end]) {
		switch {
		case e.At.Before(since):
			return out, false
		case model != "" && e.Model != "" && e.Model != model:
		case len(out) == limit:
			return out, true
		default:
			out = append(out, e.Deployment)
		}
	}
	return out, false
}
