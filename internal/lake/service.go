package lake

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/telemetry"
)

// Writer takes the input topics into the lake. It is a run.Service.
type Writer struct {
	cfg      Config
	lake     *Lake
	bus      *bus.Bus
	manifest Manifest
	log      *slog.Logger
	metrics  *metrics
	topics   []string

	ready     chan struct{}
	readyOnce sync.Once
	urge      chan struct{} // asks the session to publish now
	waiting   atomic.Int32  // callers of Wait

	mu      sync.Mutex
	next    map[string]map[int32]int64 // published positions by topic and partition
	moved   chan struct{}              // closed and replaced when next changes
	failure error                      // why the last session ended; nil once one has published or is in step

	point func(step string) error // see publisher

	// Schemas, when set, reads records that were written with a schema of the registry; others are skipped. Set it before Run.
	Schemas Schemas
	// Prices, when set, rates requests that bring no cost. Set it before Run.
	Prices event.Prices
}

// Schemas reads records that were written with a schema of the registry.
type Schemas interface {
	event.Schemas
	// Prepare makes the verdict over what is in batch certain. It waits, and fails only when ctx ends.
	Prepare(ctx context.Context, batch []*bus.Message) error
}

// NewWriter makes the writer of l. Registry may be nil.
func NewWriter(cfg Config, l *Lake, b *bus.Bus, m Manifest, log *slog.Logger, reg *telemetry.Registry) *Writer {
	w := &Writer{cfg: cfg.withDefaults(), lake: l, bus: b, manifest: m, log: log,
		ready: make(chan struct{}), urge: make(chan struct{}, 1), moved: make(chan struct{}), next: make(map[string]map[int32]int64)}
	for _, k := range event.Kinds {
		w.topics = append(w.topics, k.Topic())
	}
	w.metrics = newMetrics(reg, w.topics...)
	return w
}

// Ready is closed when the first positions are known and reading begins.
func (w *Writer) Ready() <-chan struct{} { return w.ready }

const (
	sweepEvery = time.Hour
	sweepRetry = time.Minute     // when files must not be removed just now
	drainTime  = 5 * time.Second // for what is buffered when the service stops
)

// Run works until ctx ends; then it publishes what it has read and returns nil. Trouble never ends it.
func (w *Writer) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { w.sweepAgain(ctx) })
	if w.cfg.CompactEnabled {
		wg.Go(func() { w.compactAgain(ctx) })
	}
	const longest = 10 * time.Second
	pause := 100 * time.Millisecond
	for ctx.Err() == nil {
		worked, err := w.session(ctx)
		if ctx.Err() != nil {
			if err != nil {
				w.log.Warn("what the lake had buffered is not published; it is read again at the next start", "error", err)
			}
			return nil
		}
		if worked {
			pause = 100 * time.Millisecond
		}
		if errors.Is(err, errLayout) || errors.Is(err, errRace) {
			w.log.Info("the lake reads its positions anew", "reason", err)
		} else {
			w.fail(err)
			w.log.Error("the lake begins again from its last published positions", "error", err, "after", pause)
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		pause = min(2*pause, longest)
	}
	return nil
}

func (w *Writer) fail(err error) {
	w.metrics.failures.Inc()
	w.mu.Lock()
	w.failure = err
	w.mu.Unlock()
}

// Healthy returns nil while the lake takes in what comes, else why it does not.
func (w *Writer) Healthy() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.failure
}

func (w *Writer) sweepAgain(ctx context.Context) {
	for ctx.Err() == nil {
		pause := sweepEvery
		if !w.sweepOnce(ctx) {
			pause = sweepRetry
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

// sweepOnce removes what is not part of the lake any more, unless it must not now.
func (w *Writer) sweepOnce(ctx context.Context) (now bool) {
	release, now, err := w.lake.MayRemove()
	if err != nil {
		w.log.Warn("files that are not part of the lake could not be removed", "error", err)
	}
	if !now {
		return false
	}
	defer func() { _ = release() }()
	old, err := w.lake.sweepSuperseded(ctx, w.manifest, w.cfg.SupersededGrace, w.log)
	w.metrics.dropped.Add(float64(old))
	orphans, sweepErr := w.lake.sweep(ctx, w.manifest, w.cfg.OrphanGrace)
	w.metrics.swept.Add(float64(orphans))
	if err = errors.Join(err, sweepErr); err != nil && ctx.Err() == nil {
		w.log.Warn("files that are not part of the lake could not be removed", "error", err)
	}
	if old+orphans > 0 {
		w.log.Info("files that are not part of the lake were removed", "superseded", old, "orphans", orphans)
	}
	return true
}

// Floor returns the offset from which the lake still needs a partition; nothing at or above it may be deleted from the log.
// ok is false while the position is not known.
func (w *Writer) Floor(topic string, partition int32) (offset int64, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	offset, ok = w.next[topic][partition]
	return offset, ok
}

// Positions returns the published positions by topic and partition.
func (w *Writer) Positions() map[string]map[int32]int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := make(map[string]map[int32]int64, len(w.next))
	for topic, parts := range w.next {
		out[topic] = maps.Clone(parts)
	}
	return out
}

// Flush asks for what has been read to be published without waiting for the interval. It does not wait for that.
func (w *Writer) Flush(context.Context) error {
	select {
	case w.urge <- struct{}{}:
	default: // asked for already
	}
	return nil
}

// Wait returns when everything before the offsets of until (by topic and partition) is published, and makes haste about it.
func (w *Writer) Wait(ctx context.Context, until map[string]map[int32]int64) error {
	for topic := range until {
		if _, ok := event.KindOfTopic(topic); !ok {
			return fmt.Errorf("lake: %s is not a topic that the lake takes in", topic)
		}
	}
	w.waiting.Add(1)
	defer w.waiting.Add(-1)
	for {
		w.mu.Lock()
		behind, moved := w.behind(until), w.moved
		w.mu.Unlock()
		if behind == "" {
			return nil
		}
		w.Flush(ctx)
		select {
		case <-moved:
		case <-ctx.Done():
			if failure := w.Healthy(); failure != nil {
				return fmt.Errorf("lake: %s is not published yet: %w: %w", behind, context.Cause(ctx), failure)
			}
			return fmt.Errorf("lake: %s is not published yet: %w", behind, context.Cause(ctx))
		}
	}
}

// behind names a partition that is not published up to its offset, "" when there is none. The caller holds mu.
func (w *Writer) behind(until map[string]map[int32]int64) string {
	for topic, parts := range until {
		for p, offset := range parts {
			if next, ok := w.next[topic][p]; offset > 0 && (!ok || next < offset) {
				return fmt.Sprintf("%s/%d up to %d (published: %d)", topic, p, offset, next)
			}
		}
	}
	return ""
}

// advance notes published positions and wakes who waits for them.
func (w *Writer) advance(positions map[event.TopicPartition]int64, whole bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if whole {
		clear(w.next)
	}
	for tp, next := range positions {
		if w.next[tp.Topic] == nil {
			w.next[tp.Topic] = make(map[int32]int64)
		}
		w.next[tp.Topic][tp.Partition] = next
	}
	w.failure = nil
	close(w.moved)
	w.moved = make(chan struct{})
}
