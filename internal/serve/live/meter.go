package live

import (
	"slices"
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

// sampler keeps the newest measurements to tell the quantiles of the last minute. Safe for concurrent use.
type sampler struct {
	mu   sync.Mutex
	ring [2048]struct {
		at time.Time
		d  time.Duration
	}
	next int
}

func (s *sampler) add(now time.Time, d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ring[s.next].at, s.ring[s.next].d = now, max(d, 0)
	s.next = (s.next + 1) % len(s.ring)
}

// Quantiles are those of one kind of measurement over the last minute, 0 when there was none.
type Quantiles struct {
	P50 float64 `json:"p50"`
	P95 float64 `json:"p95"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

// quantiles tells those of the last minute in the given unit, by nearest rank.
func (s *sampler) quantiles(now time.Time, unit time.Duration) Quantiles {
	s.mu.Lock()
	got := make([]time.Duration, 0, len(s.ring))
	for _, e := range s.ring {
		if !e.at.IsZero() && now.Sub(e.at) <= time.Minute {
			got = append(got, e.d)
		}
	}
	s.mu.Unlock()
	if len(got) == 0 {
		return Quantiles{}
	}
	slices.Sort(got)
	at := func(permille int) float64 {
		rank := (permille*len(got) + 999) / 1000
		return float64(got[max(rank, 1)-1]) / float64(unit)
	}
	return Quantiles{P50: at(500), P95: at(950), P99: at(990), Max: float64(got[len(got)-1]) / float64(unit)}
}
