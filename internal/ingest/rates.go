package ingest

import (
	"context"
	"math"
	"sync"
	"time"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// rateEvery is the time between two looks at the ends of the topics.
const rateEvery = 5 * time.Second

// rates are the events per second of each topic between the last two looks.
type rates struct {
	mu   sync.Mutex
	at   time.Time
	ends map[string]int64
	rate map[string]float64
}

func (r *rates) of(topic string) (float64, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	v, ok := r.rate[topic]
	return v, ok
}

// look takes note of the ends (topic → sum over its partitions) at a time.
func (r *rates) look(at time.Time, ends map[string]int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	rate := make(map[string]float64, len(ends))
	seconds := at.Sub(r.at).Seconds()
	for t, end := range ends {
		if before, ok := r.ends[t]; ok && seconds > 0 && end >= before {
			rate[t] = math.Round(float64(end-before)/seconds*1000) / 1000
		}
	}
	r.at, r.ends, r.rate = at, ends, rate
}

func (a *API) sampleRates(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, rateEvery)
	defer cancel()
	names := make([]string, len(event.Topics))
	for i, t := range event.Topics {
		names[i] = t.Name
	}
	bounds, err := a.bus.Offsets(ctx, names...)
	if err != nil {
		if ctx.Err() == nil {
			a.log.Debug("ends of the topics not known", "error", err)
		}
		return
	}
	ends := make(map[string]int64, len(bounds))
	for t, parts := range bounds {
		for _, p := range parts {
			ends[t] += p.End
		}
	}
	a.rates.look(a.now(), ends)
}
