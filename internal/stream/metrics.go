package stream

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/telemetry"
)

// metrics are what the fast path says of itself. event_processing_total has no labels: the specification's rules ask for it
// plainly.
type metrics struct {
	tracing    tracing
	events     telemetry.Counter
	latency    telemetry.Histogram
	late       telemetry.Counter
	future     telemetry.Counter
	dead       telemetry.Counter
	duplicates telemetry.Counter
	units      telemetry.Counter
	shared     telemetry.Counter
	moves      telemetry.Counter
	ruleMetrics
	joinMetrics

	oldest atomic.Int64 // arrival of the oldest record of the unit that counted last, µs

	folded atomic.Int64 // records, and the time they took in their lanes, since the start
	busy   atomic.Int64 // nanoseconds
	times  stageTimes

	mu      sync.Mutex
	visible agg.Measure // from a record's acknowledged write to the moment it counts, of the running and the last minute
	before  agg.Measure
	turn    time.Time
	rate    rate
}

func newMetrics(reg *telemetry.Registry, s *Service) *metrics {
	m := &metrics{
		events:     reg.Counter("event_processing_total", "Events counted by the fast path."),
		latency:    reg.Histogram("event_processing_latency_seconds", "From the acknowledged write of an event to its being counted in the windows.", []float64{.002, .005, .01, .02, .05, .1, .2, .5, 1, 5, 30}),
		late:       reg.Counter("events_late_total", "Events older than the watermark by more than the allowed lateness."),
		future:     reg.Counter("events_future_total", "Events quarantined because they are stamped ahead of the broker's clock."),
		dead:       reg.Counter("event_processing_dead_letters_total", "Records of the input topics that went to the dead letters."),
		duplicates: reg.Counter("event_processing_duplicates_total", "Records recognised as known before."),
		units:      reg.Counter("event_processing_units_total", "Units of the flush journal that counted."),
		shared:     reg.Counter("event_processing_rebalances_total", "Times that the group of the fast path shared the partitions out among its instances, as this one was told."),
		moves:      reg.Counter("event_processing_partition_moves_total", "Partition numbers that came to this instance from another one, or went to one."),
		turn:       time.Now(),
	}
	m.tracing.tracer = reg.Tracer()
	reg.GaugeFunc("event_processing_watermark_lag_seconds", "How far the watermark is behind the clock.", func() float64 { return s.lag().Seconds() })
	reg.GaugeFunc("event_processing_consumer_lag", "Records of the input topics that are not counted yet.", func() float64 { return float64(s.behind()) })
	reg.GaugeFunc("event_processing_duplicate_filter_reach_seconds", "How far back duplicates are recognised; -1 = everything so far.", func() float64 { return s.reach().Seconds() })
	reg.Register(newOddCollector(s))
	m.ruleMetrics = newRuleMetrics(reg, s)
	m.joinMetrics = newJoinMetrics(reg, s)
	return m
}

// fold notes what folding some records took.
func (m *metrics) fold(f *folder, n int, took time.Duration) {
	if f.src.Topic == event.TopicJoins {
		m.times.joined.Add(int64(took))
		return
	}
	m.folded.Add(int64(n))
	m.busy.Add(int64(took))
	f.laps.hand(&m.times)
}

// counted notes a unit that counts; the delay is known for the oldest of its records.
func (m *metrics) counted(h *header, mine bool) {
	if !mine {
		return
	}
	t := &h.Tally
	m.events.Add(float64(t.Events))
	m.late.Add(float64(t.Late))
	m.future.Add(float64(t.Future))
	m.dead.Add(float64(t.DeadLetters))
	m.duplicates.Add(float64(t.Duplicates))
	m.units.Inc()
	now := time.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.rate.add(now, t.Records)
	if t.Records == 0 || h.Oldest == 0 {
		return
	}
	m.oldest.Store(h.Oldest)
	delay := max(now.Sub(time.UnixMicro(h.Oldest)), 0)
	m.latency.Observe(delay.Seconds())
	if now.Sub(m.turn) > time.Minute {
		m.before, m.visible, m.turn = m.visible, agg.Measure{}, now
	}
	m.visible.Add(int64(delay))
}

// delays returns the measure of the last one to two minutes.
func (m *metrics) delays() agg.Measure {
	m.mu.Lock()
	defer m.mu.Unlock()
	d := m.before.Clone()
	d.Merge(&m.visible)
	return d
}

func (m *metrics) perSecond() float64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.rate.perSecond(time.Now())
}

// rate counts what happened in each of the last seconds.
type rate struct {
	seconds [16]int64
	counts  [16]int64
}

const rateSpan = 10 // whole seconds that a rate looks back

func (r *rate) add(now time.Time, n int64) {
	s := now.Unix()
	i := s % int64(len(r.seconds))
	if r.seconds[i] != s {
		r.seconds[i], r.counts[i] = s, 0
	}
	r.counts[i] += n
}

func (r *rate) perSecond(now time.Time) float64 {
	sum := int64(0)
	for i, s := range r.seconds {
		if age := now.Unix() - s; age >= 1 && age <= rateSpan {
			sum += r.counts[i]
		}
	}
	return float64(sum) / rateSpan
}
