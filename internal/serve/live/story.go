package live

import (
	"slices"
	"sort"
	"sync"
	"time"

	"github.com/klauspost/compress/s2"
)

const (
	keepStory  = 2 * time.Minute // what happened is kept for those who come back, as far as there is room
	roomCapped = 96 << 20        // bytes of a capped topic
	room       = 8 << 20         // bytes of another topic
	chunkBytes = 32 << 10        // a chunk is cut when it has so many
	overhead   = 96              // bytes of a happening beside its data
	foreign    = 5 * time.Minute // before it is told: what bears an older time was given it by a writer
)

// story is what happened in a topic, as far as it is kept. Hub.mu guards it.
type story struct {
	topic   *Topic
	clients map[*client]struct{}
	left    time.Time // when the last client left, or one asked for it

	chunks []*chunk // the newest last
	cold   int      // chunks that are
	bytes  int
	hot    int    // of them, in chunks that are not cold
	last   uint64 // seq of the newest happening
	floor  uint64 // what came up to here is not kept any more
	hole   uint64 // up to here something may be missing that never came
	why    string // of the hole
	pace   pace

	running bool          // the feed is at work, or asked to be
	wanted  chan struct{} // asks for it
	begun   chan struct{} // closed when all that is written from now on will be told
}

func newStory(t *Topic) *story {
	s := &story{topic: t, clients: map[*client]struct{}{}, wanted: make(chan struct{}, 1), begun: make(chan struct{})}
	if t.Feed == nil {
		s.running = true
		close(s.begun)
	}
	return s
}

// chunk is a row of happenings with numbers that follow one another. What it says never changes after it was told.
type chunk struct {
	topic, epoch string
	first, last  uint64
	told         time.Time
	over         map[group]int // what no client could get in that second; that beyond maxPaced counts as of no model and no tenant
	overSize     int           // of that map, in bytes
	size         int           // of what it says, in bytes
	bytes        int           // that it takes; Hub.mu guards it

	mu         sync.Mutex
	happenings []Happening // a slice that is never changed; without data when that is packed
	views      map[viewKey]*view
	cold       bool   // most clients have it: its frames are not kept any more, and its data is packed
	packed     []byte // the data of all happenings, in a row
	sizes      []int  // of it
}

type viewKey struct {
	wire   wire
	filter Filter
}

// view are the frames of what a filter lets through of a chunk, for all clients of it.
type view struct {
	once   sync.Once
	frames []byte
	items  []item
	over   int
}

type item struct {
	seq     uint64
	end     int // of its frame
	written time.Time
}

// group are happenings of one model and one tenant, or of one of them, whatever the other.
type group struct{ model, tenant string }

// pace counts the happenings of the running second, to keep no more than some client could get.
type pace struct {
	second int64
	all    int
	groups map[group]int
}

// maxPaced bounds the groups that are counted; those beyond count as one.
const maxPaced = 1024

// groupsOf are those that a happening is counted in, beside all. A model of a tenant is not: there are too many.
func groupsOf(model, tenant string) []group {
	if tenant == "" {
		return []group{{model, ""}}
	}
	return []group{{model, ""}, {"", tenant}}
}

// room tells whether another happening of a model and a tenant would be taken now.
func (p *pace) room(second int64, model, tenant string) bool {
	if p.second != second || p.all < PerSecond {
		return true
	}
	for _, g := range groupsOf(model, tenant) {
		if p.groups[g] < PerSecond {
			return true
		}
	}
	return false
}

// take tells whether a happening is among the first PerSecond of its second, or of one of its groups in that second.
func (p *pace) take(second int64, model, tenant string) (some bool) {
	if p.second != second || p.groups == nil {
		p.second, p.all, p.groups = second, 0, map[group]int{}
	}
	p.all++
	some = p.all <= PerSecond
	for _, g := range groupsOf(model, tenant) {
		if _, known := p.groups[g]; !known && len(p.groups) >= maxPaced {
			g = group{}
		}
		p.groups[g]++
		some = some || p.groups[g] <= PerSecond
	}
	return some
}

// tell appends what happened. seq is the number that was given last in the hub; it returns the one that is now.
func (s *story) tell(epoch string, seq uint64, now time.Time, happenings []Happening) uint64 {
	var k *chunk
	open := func() {
		k = &chunk{topic: s.topic.Name, epoch: epoch, first: seq + 1, told: now}
	}
	closeChunk := func() {
		if len(k.happenings) == 0 && k.over == nil {
			return
		}
		if len(k.happenings) == 0 {
			seq++ // so that a client can pass it
		}
		k.last, k.bytes = seq, k.size+k.overSize
		s.chunks = append(s.chunks, k)
		s.bytes += k.bytes
		s.hot += k.bytes
	}
	open()
	for _, h := range happenings {
		if s.topic.Capped && (h.Data == nil || !s.pace.take(now.Unix(), h.Model, h.Tenant)) {
			k.leaveOut(group{h.Model, h.Tenant})
			continue
		}
		seq++
		k.happenings = append(k.happenings, h)
		if k.size += len(h.Data) + overhead; k.size >= chunkBytes {
			closeChunk()
			open()
		}
	}
	closeChunk()
	s.last = seq
	s.trim(now)
	return seq
}

// leaveOut counts what no client could get.
func (k *chunk) leaveOut(g group) {
	_, known := k.over[g]
	if !known && len(k.over) >= maxPaced {
		g = group{}
		_, known = k.over[g]
	}
	if k.over == nil {
		k.over = map[group]int{}
	}
	if !known {
		k.overSize += len(g.model) + len(g.tenant) + overhead
	}
	k.over[g]++
}

// fresh is how much of what happened last is not packed and shares the frames that were made of it, in bytes: most of a second at 5,000 events in one.
// Whoever is later makes frames for himself, which costs so much that he would only get later.
const fresh = 2 << 20

// trim lets go of what is too old or too much, and of the frames of what most clients have.
func (s *story) trim(now time.Time) {
	limit := room
	if s.topic.Capped {
		limit = roomCapped
	}
	n := 0
	for n < len(s.chunks) && (s.bytes > limit || now.Sub(s.chunks[n].told) > keepStory) {
		k := s.chunks[n]
		if s.bytes -= k.bytes; n >= s.cold {
			s.hot -= k.bytes
		}
		s.floor = max(s.floor, k.last)
		n++
	}
	s.chunks = slices.Delete(s.chunks, 0, n)
	for s.cold = max(s.cold-n, 0); s.hot > fresh && s.cold < len(s.chunks)-1; s.cold++ {
		k := s.chunks[s.cold]
		s.hot -= k.bytes
		size := k.cool()
		s.bytes += size - k.bytes
		k.bytes = size
	}
}

// after returns the chunks that have something beyond a position.
func (s *story) after(seq uint64) []*chunk {
	return s.chunks[sort.Search(len(s.chunks), func(i int) bool { return s.chunks[i].last > seq }):]
}

// view returns the frames of what f lets through.
func (k *chunk) view(w wire, f Filter, encoded func(time.Duration)) *view {
	v := k.shared(viewKey{w, f})
	v.once.Do(func() {
		began := time.Now()
		v.make(k, w, f)
		encoded(time.Since(began))
	})
	return v
}

// shared finds the view that others use as well; of a cold chunk there is none.
func (k *chunk) shared(key viewKey) *view {
	k.mu.Lock()
	defer k.mu.Unlock()
	if v := k.views[key]; v != nil {
		return v
	}
	v := &view{}
	if !k.cold {
		if k.views == nil {
			k.views = map[viewKey]*view{}
		}
		k.views[key] = v
	}
	return v
}

// cool lets go of the frames and packs the data. It returns how much the chunk takes then.
func (k *chunk) cool() (bytes int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	row := make([]byte, 0, k.size)
	bare := slices.Clone(k.happenings)
	sizes := make([]int, len(bare))
	for i := range bare {
		row, sizes[i], bare[i].Data = append(row, bare[i].Data...), len(bare[i].Data), nil
	}
	k.views, k.cold = nil, true
	k.happenings, k.sizes, k.packed = bare, sizes, slices.Clip(s2.Encode(nil, row))
	return len(k.packed) + len(bare)*overhead + k.overSize
}

// whole returns the happenings with their data.
func (k *chunk) whole() []Happening {
	k.mu.Lock()
	happenings, packed, sizes := k.happenings, k.packed, k.sizes
	k.mu.Unlock()
	if packed == nil {
		return happenings
	}
	row, err := s2.Decode(nil, packed)
	if err != nil {
		panic(err) // it was packed in this process
	}
	happenings = slices.Clone(happenings)
	for i, n := range sizes {
		happenings[i].Data, row = row[:n:n], row[n:]
	}
	return happenings
}

func (v *view) make(k *chunk, w wire, f Filter) {
	happenings := k.whole()
	for i := range happenings {
		h := &happenings[i]
		if !f.match(h) {
			continue
		}
		m := message{kind: "event", topic: k.topic, epoch: k.epoch, seq: k.first + uint64(i), t: h.Time}
		v.frames = m.appendFrame(v.frames, w, func(b []byte) []byte {
			return append(append(append(b, `,"data":`...), h.Data...), '}')
		})
		v.items = append(v.items, item{m.seq, len(v.frames), k.written(h)})
	}
	for g, n := range k.over {
		if f.lets(g.model, g.tenant) {
			v.over += n
		}
	}
}

// written is when a happening was written, as far as can be known: a writer who names a time of his own choice does not say.
func (k *chunk) written(h *Happening) time.Time {
	if age := k.told.Sub(h.Time); age < 0 || age > foreign {
		return k.told
	}
	return h.Time
}

// part returns the frames of items i to n.
func (v *view) part(i, n int) []byte {
	if i >= n {
		return nil
	}
	start := 0
	if i > 0 {
		start = v.items[i-1].end
	}
	return v.frames[start:v.items[n-1].end]
}
