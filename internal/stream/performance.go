package stream

import (
	"maps"
	"net/http"
	"runtime"
	"slices"
	"time"

	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

type delayAnswer struct {
	P50 *float64 `json:"p50"`
	P95 *float64 `json:"p95"`
	P99 *float64 `json:"p99"`
	Max *float64 `json:"max"`
}

type partitionAnswer struct {
	Topic     string     `json:"topic"`
	Partition int32      `json:"partition"`
	Offset    int64      `json:"offset"`
	End       int64      `json:"end"`
	Lag       int64      `json:"lag"`
	Watermark *time.Time `json:"watermark"`
	Idle      bool       `json:"idle"`
	Late      int64      `json:"late"`
	Lost      int64      `json:"lost,omitempty"`
	GapReason string     `json:"gap_reason,omitempty"`
	Again     int64      `json:"counting_again,omitempty"`
	Unseen    int64      `json:"counted_elsewhere,omitempty"` // by another instance, whose windows this one does not hold
	Blind     int64      `json:"identities_unknown,omitempty"`
	Here      bool       `json:"folded_here"`
	Moves     int        `json:"moves,omitempty"` // to this instance from another one, or back, since it runs
	MovedAt   *time.Time `json:"moved_at,omitempty"`
}

type sourceAnswer struct {
	Source     string `json:"source"`
	Late       int64  `json:"late"`
	Ancient    int64  `json:"ancient"` // of the late ones: by more than a day
	Future     int64  `json:"future"`
	Duplicates int64  `json:"duplicates"`
}

// sources lists what was not in order, by source.
func (s *Service) sources(parts map[source]progress) []sourceAnswer {
	var all tally
	for _, p := range parts {
		for name, x := range p.Tally.BySource {
			all.odd(name, x)
		}
	}
	list := []sourceAnswer{}
	for _, name := range slices.Sorted(maps.Keys(all.BySource)) {
		x := all.BySource[name]
		list = append(list, sourceAnswer{name, x.Late, x.Ancient, x.Future, x.Duplicates})
	}
	return list
}

type performanceAnswer struct {
	EventsTotal     int64             `json:"events_total"`
	EventsPerSecond float64           `json:"events_per_second"`
	Latency         delayAnswer       `json:"processing_latency_ms"`
	WatermarkLag    float64           `json:"watermark_lag_seconds"`
	ConsumerLag     int64             `json:"consumer_lag"`
	Late            int64             `json:"late_events"`
	Future          int64             `json:"future_events"`
	DeadLetters     int64             `json:"dead_letters"`
	Duplicates      int64             `json:"duplicates"`
	ErrorRate       *float64          `json:"error_rate"`
	CPUPercent      float64           `json:"cpu_percent"`
	MemoryBytes     uint64            `json:"memory_bytes"`
	Goroutines      int               `json:"goroutines"`
	Completeness    float64           `json:"completeness"`
	Sources         []sourceAnswer    `json:"sources"`  // whose events were not all in order
	Overflow        map[string]uint64 `json:"overflow"` // by dimension: values that count under __other__, as far back as is known
	Partitions      []partitionAnswer `json:"partitions"`
	Stages          []stageAnswer     `json:"stages"`
}

func (s *Service) getPerformance(w http.ResponseWriter, r *http.Request) {
	p := params{Values: r.URL.Query()}
	if p.only(); len(p.bad) > 0 {
		httpx.Problem(w, r, http.StatusUnprocessableEntity, p.bad[0].Detail, p.bad...)
		return
	}
	parts := s.partitions()
	now := time.Now()
	a := performanceAnswer{
		EventsPerSecond: s.metrics.perSecond(), WatermarkLag: s.lag().Seconds(), ConsumerLag: s.behind(),
		Goroutines: runtime.NumGoroutine(), Completeness: completeness(slices.Collect(maps.Values(parts))), CPUPercent: cpuPercent(s.started), MemoryBytes: memoryBytes(),
		Stages:  s.metrics.stages(),
		Sources: s.sources(parts), Overflow: s.overflowWithin(everything),
		Partitions: []partitionAnswer{},
	}
	if d := s.metrics.delays(); d.Count() > 0 {
		a.Latency = delayAnswer{new(d.QuantileMS(.5)), new(d.QuantileMS(.95)), new(d.QuantileMS(.99)), new(float64(d.Max()) / 1e6)}
	}
	var failed int64
	for _, src := range sortedSources(parts) {
		p := parts[src]
		t := &p.Tally
		a.EventsTotal += t.Events
		a.Late += t.Late
		a.Future += t.Future
		a.DeadLetters += t.DeadLetters
		a.Duplicates += t.Duplicates
		failed += t.DeadLetters
		pa := partitionAnswer{Topic: src.Topic, Partition: src.Partition, Offset: p.Counted, End: p.High, Lag: max(p.High-p.Counted, 0), Idle: p.Idle, Late: t.Late, Lost: p.Lost, GapReason: p.GapReason, Again: p.Again, Unseen: p.Unseen, Blind: p.Blind, Here: s.duties.holds(src.Partition)}
		if m := s.duties.moved(src.Partition); m.times > 0 {
			pa.Moves, pa.MovedAt = m.times, new(m.last.UTC())
		}
		if low := watermark([]progress{p}, s.cfg.Disorder, now); low != noWatermark {
			pa.Watermark = new(time.UnixMicro(low).UTC())
		}
		a.Partitions = append(a.Partitions, pa)
	}
	if n := a.EventsTotal + failed; n > 0 {
		a.ErrorRate = new(float64(failed) / float64(n))
	}
	httpx.JSON(w, http.StatusOK, a)
}
