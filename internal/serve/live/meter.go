package live

import (
	"math/bits"
	"sync"
	"time"
)

// meter counts per second and tells the rate of the last ten whole seconds. Safe for concurrent use.
type meter struct {
	mu    sync.Mutex
	slots [12]struct{ second, n int64 }
}

const meterSpan = 10 // seconds

func (m *meter) add(now time.Time, n int64) {
	s := now.Unix()
	m.mu.Lock()
	defer m.mu.Unlock()
	slot := &m.slots[s%int64(len(m.slots))]
	if slot.second != s {
		slot.second, slot.n = s, 0
	}
	slot.n += n
}

func (m *meter) rate(now time.Time) float64 {
	s := now.Unix()
	m.mu.Lock()
	defer m.mu.Unlock()
	var n int64
	for _, slot := range m.slots {
		if slot.second < s && slot.second >= s-meterSpan {
			n += slot.n
		}
	}
	return float64(n) / meterSpan
}

// sampler counts measurements in buckets, each a sixteenth wide, to tell the quantiles of the last minute. Safe for concurrent use.
type sampler struct {
	mu    sync.Mutex
	slots [samplerSlots]struct {
		number int64
		max    time.Duration
		counts [samplerBuckets]uint32
	}
}

const (
	samplerSlot    = 10 * time.Second
	samplerSlots   = 7   // the running one and a minute
	samplerBuckets = 640 // up to 18 minutes
)

func (s *sampler) add(now time.Time, d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count(now, d)
}

// addItems adds how long ago each item was written.
func (s *sampler) addItems(now time.Time, items []item) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range items {
		s.count(now, now.Sub(items[i].written))
	}
}

func (s *sampler) count(now time.Time, d time.Duration) {
	n := now.UnixNano() / int64(samplerSlot)
	slot := &s.slots[n%samplerSlots]
	if slot.number != n {
		slot.number, slot.max = n, 0
		clear(slot.counts[:])
	}
	d = max(d, 0)
	slot.max = max(slot.max, d)
	slot.counts[bucket(d)]++
}

// bucket is where a duration counts; ceiling is the largest one of a bucket.
func bucket(d time.Duration) int {
	exp := max(bits.Len64(uint64(d))-5, 0)
	return min(exp*16+int(d>>exp), samplerBuckets-1)
}

func ceiling(bucket int) time.Duration {
	exp := max(bucket/16-1, 0)
	return time.Duration(bucket-exp*16+1)<<exp - 1
}

// Quantiles are those of one kind of measurement over the last minute, by nearest rank and up to a sixteenth too high, 0 when there
// was none.
type Quantiles struct {
	P50 float64 `json:"p50"`
	P95 float64 `json:"p95"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

// quantiles tells those of the last minute in the given unit.
func (s *sampler) quantiles(now time.Time, unit time.Duration) Quantiles {
	var counts [samplerBuckets]uint64
	var total uint64
	var most time.Duration
	n := now.UnixNano() / int64(samplerSlot)
	s.mu.Lock()
	for i := range s.slots {
		slot := &s.slots[i]
		if slot.number <= n-samplerSlots || slot.number > n {
			continue
		}
		most = max(most, slot.max)
		for b, c := range slot.counts {
			counts[b] += uint64(c)
			total += uint64(c)
		}
	}
	s.mu.Unlock()
	if total == 0 {
		return Quantiles{}
	}
	at := func(permille uint64) float64 {
		rank, seen, b := max((permille*total+999)/1000, 1), uint64(0), 0
		for ; b < len(counts)-1; b++ {
			if seen += counts[b]; seen >= rank {
				break
			}
		}
		return float64(min(ceiling(b), most)) / float64(unit)
	}
	return Quantiles{P50: at(500), P95: at(950), P99: at(990), Max: float64(most) / float64(unit)}
}
