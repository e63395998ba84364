package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/stream"
)

// ErrNoKafka says that the peers' job was asked for without a broker.
var ErrNoKafka = errors.New("--kafka HOST:PORT must name a broker whose topic llm-requests is filled")

// benchPeers does what stream processors are compared by: it counts the requests that topic llm-requests of a Kafka holds, and
// writes what windows of ten seconds come to by model. All the fast path does is done: nothing counts twice, joins are made, the
// journal is written. Its peers join nothing, so o.Unjoined switches joining off, as EVENT_CORRELATION_ENABLED does. With o.Fill it fills the topic instead. Where hxp has counted already it would go on instead of beginning anew, so that is refused.
func benchPeers(ctx context.Context, s *system, o BenchOptions) (map[string]any, error) {
	b, err := bus.Connect(ctx, bus.Config{Bootstrap: []string{o.Kafka}}, s.log)
	if err != nil {
		return nil, err
	}
	defer b.Close()
	if err := b.EnsureTopics(ctx, event.Topics); err != nil {
		return nil, err
	}
	logs, err := b.Offsets(ctx, "llm-requests", event.TopicPanes)
	if err != nil {
		return nil, err
	}
	for _, journal := range logs[event.TopicPanes] {
		if journal.End > 0 {
			return nil, fmt.Errorf("hxp has counted on this broker: delete topic %s and the others that begin with hxp-", event.TopicPanes)
		}
	}
	total := int64(0)
	for _, log := range logs["llm-requests"] {
		total += log.End - log.Start
	}
	if o.Fill > 0 {
		sent, err := load(ctx, b, 2, o.Fill, nil)
		return map[string]any{"filled": sent, "before": total}, err
	}
	if total == 0 {
		return nil, errors.New("topic llm-requests is empty: fill it first, for example by --fill 5000000")
	}
	s.set.stream.Correlation = !o.Unjoined
	return s.count(ctx, b, total, func(fast *stream.Service) error {
		got, err := writeWindows(ctx, fast, b, o.Out)
		if err == nil && got != total {
			err = fmt.Errorf("the windows count %d requests, the topic holds %d records", got, total)
		}
		return err
	})
}

// count measures the fast path alone, until as many records of b as there are count; then look may ask it.
func (s *system) count(ctx context.Context, b *bus.Bus, total int64, look func(*stream.Service) error) (map[string]any, error) {
	fast := stream.New(s.set.stream, b, stream.Options{StateDir: s.set.lakeDir, Log: s.log, Registry: nil})
	work, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	began, cpu0 := time.Now(), processCPU()
	go func() { ended <- fast.Run(work) }()
	select {
	case <-fast.Ready():
	case err := <-ended:
		return nil, err
	}
	m := milestones{total: total, began: time.Now()}
	for m.pass(fast.Counted()) {
		if err := pause(ctx); err != nil {
			break
		}
	}
	cpu := processCPU() - cpu0
	err := look(fast)
	stop()
	if err := errors.Join(err, <-ended, ctx.Err()); err != nil {
		return nil, err
	}
	out := m.results()
	out["start_seconds"], out["cpu_us_per_event"] = m.began.Sub(began).Seconds(), cpu.Seconds()/float64(total)*1e6
	return out, nil
}

// milestones notes when a tenth, nine tenths and all of a count are reached.
type milestones struct {
	total             int64
	began, early, end time.Time
	tenth, ninth      int64 // counted at early and late
	late              time.Time
}

// pass takes a count and tells whether there is more to come.
func (m *milestones) pass(n int64) bool {
	now := time.Now()
	if m.early.IsZero() && n >= m.total/10 {
		m.early, m.tenth = now, n
	}
	if m.late.IsZero() && n >= m.total*9/10 {
		m.late, m.ninth = now, n
	}
	m.end = now
	return n < m.total
}

func (m *milestones) results() map[string]any {
	took := m.end.Sub(m.began).Seconds()
	out := map[string]any{"events": m.total, "seconds": took, "events_per_second": float64(m.total) / took}
	if between := m.late.Sub(m.early).Seconds(); between > 0 {
		out["steady_events_per_second"] = float64(m.ninth-m.tenth) / between
	}
	return out
}

// peerWindow is a result as all peers write it.
type peerWindow struct {
	Start      int64   `json:"window_start"` // milliseconds
	Model      string  `json:"model"`
	Count      uint64  `json:"count"`
	Errors     uint64  `json:"errors"`
	Prompt     int64   `json:"prompt_tokens"`
	Completion int64   `json:"completion_tokens"`
	Avg        float64 `json:"avg"`
	P50        float64 `json:"p50"`
	P95        float64 `json:"p95"`
	P99        float64 `json:"p99"`
}

// peerSeconds is the length of their windows.
const peerSeconds = 10

// writeWindows writes all windows that hold something to a topic, unless there is none, and counts the requests in them.
func writeWindows(ctx context.Context, fast *stream.Service, b *bus.Bus, topic string) (requests int64, err error) {
	p, err := b.NewProducer(bus.ProducerOptions{Linger: 20 * time.Millisecond})
	if err != nil {
		return 0, err
	}
	defer p.Close()
	var failed error
	eachWindow(fast, func(start int64, model string, c *agg.Cell) {
		if requests += int64(c.Requests); topic == "" {
			return
		}
		l := c.Latency.Stats()
		w := peerWindow{Start: start * 1000, Model: model, Count: c.Requests, Errors: c.Errors, Prompt: c.Tokens.Prompt, Completion: c.Tokens.Completion}
		if l.Count > 0 {
			w.Avg, w.P50, w.P95, w.P99 = *l.Avg, *l.P50, *l.P95, *l.P99
		}
		value, err := json.Marshal(w)
		failed = errors.Join(failed, err)
		p.SendAsync(ctx, &bus.Message{Topic: topic, Key: []byte(model), Value: value}, nil)
	})
	return requests, errors.Join(failed, p.Flush(ctx))
}

// eachWindow calls fn with each model of each window that holds something, by rising time.
func eachWindow(fast *stream.Service, fn func(start int64, model string, c *agg.Cell)) {
	for _, hour := range fast.Hours() {
		for start := hour; start < hour+3600; start += peerSeconds {
			for model, c := range fast.Models(time.Unix(start, 0), time.Unix(start+peerSeconds, 0)) {
				fn(start, model, c)
			}
		}
	}
}
