package ingest

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/telemetry"
	"github.com/hxp-enterprise/hxp/sdk/spill"
)

// held stands for the offset of a message that waits on our disk.
const held = -2

// holding is a sender that keeps on disk what the brokers cannot take now, and brings it to them in order when they are back.
// While anything waits, everything waits, so that nothing overtakes it.
//
// A message that is kept counts as written: it was synced to the disk. It may reach the brokers twice, when the process ends
// between the write and the note of it; its event is the same one then, and readers count it once.
type holding struct {
	out  sender
	disk *spill.Queue
	log  *slog.Logger
	kept telemetry.Counter

	mu      sync.RWMutex // writers go beside each other while nothing waits; the one who begins to keep is alone
	waiting bool

	drained chan struct{} // closed when nothing of an earlier process waits any more
	stuck   chan struct{} // closed when the brokers did not take what waits at the first try
}

func newHolding(out sender, disk *spill.Queue, log *slog.Logger, reg *telemetry.Registry) *holding {
	h := &holding{out: out, disk: disk, log: log, waiting: disk.Stats().Records > 0, drained: make(chan struct{}), stuck: make(chan struct{}),
		kept: reg.Counter("ingest_held_total", "Messages that were kept on disk because the brokers were away.")}
	reg.GaugeFunc("ingest_held_messages", "Messages that wait on disk for the brokers.", func() float64 { return float64(disk.Stats().Records) })
	reg.GaugeFunc("ingest_held_bytes", "Disk that waiting messages take.", func() float64 { return float64(disk.Stats().Bytes) })
	return h
}

// Send writes msgs, or keeps those that cannot be written now. A topic that is not there is no matter of time: what would go
// to it fails, as it does without a disk.
func (h *holding) Send(ctx context.Context, msgs []*bus.Message) error {
	h.mu.RLock()
	if !h.waiting {
		err := h.out.Send(ctx, msgs)
		h.mu.RUnlock()
		if err == nil || !passing(err) {
			return err
		}
		return h.keep(msgs, err)
	}
	h.mu.RUnlock()
	return h.keep(msgs, nil)
}

// passing tells whether everything that a write did not write may be written later, when the brokers are back.
func passing(err error) bool {
	some, ok := errors.AsType[*bus.SendError](err)
	if !ok {
		return bus.Retryable(err)
	}
	return !slices.ContainsFunc(some.Errs, func(e error) bool {
		return e != nil && (!bus.Retryable(e) || errors.Is(e, bus.ErrUnknownTopic))
	})
}

// keep puts on disk what err, the error of a write that was tried, says is not written.
func (h *holding) keep(msgs []*bus.Message, err error) error {
	rest := unwritten(msgs, err)
	records := make([][]byte, len(rest))
	for i, m := range rest {
		records[i] = framed(m)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if full := h.disk.Append(records...); full != nil {
		h.log.Error("events cannot be kept on disk", "error", full)
		if err == nil {
			err = bus.ErrAway
		}
		return fmt.Errorf("%w; and they cannot be kept here: %w", err, full)
	}
	if !h.waiting {
		h.log.Warn("the brokers are away, events are kept on disk", "error", err)
	}
	h.waiting = true
	h.kept.Add(float64(len(rest)))
	for _, m := range rest {
		m.Partition, m.Offset = -1, held
	}
	return nil
}

// unwritten lists the messages that a failed write did not write.
func unwritten(msgs []*bus.Message, err error) []*bus.Message {
	var some *bus.SendError
	if !errors.As(err, &some) {
		return msgs
	}
	var rest []*bus.Message
	for i, e := range some.Errs {
		if e != nil {
			rest = append(rest, msgs[i])
		}
	}
	return rest
}

// Bounds of one step of the drain.
const (
	drainMost  = 1000
	drainPause = time.Second // between two tries while the brokers are away
)

// drain brings what waits to the brokers until ctx ends. It runs once.
func (h *holding) drain(ctx context.Context) {
	for first := true; ; {
		empty, err := h.step(ctx)
		if empty && first {
			close(h.drained)
			first = false
		}
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			h.log.Error("what waits on disk cannot be read", "error", err)
			if !rest(ctx) {
				return
			}
		case empty:
			select {
			case <-ctx.Done():
				return
			case <-h.disk.More():
			}
		}
	}
}

// rest waits between two tries; it is false when ctx ended.
func rest(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(drainPause):
		return true
	}
}

// step brings some of what waits and tells whether nothing more does.
func (h *holding) step(ctx context.Context) (empty bool, err error) {
	records, err := h.disk.Peek(drainMost)
	if err != nil {
		return false, err
	}
	if len(records) == 0 {
		return h.emptied(), nil
	}
	msgs := make([]*bus.Message, 0, len(records))
	for _, r := range records {
		if m, err := unframed(r); err != nil {
			h.log.Error("a message that waited on disk cannot be read", "error", err)
		} else {
			msgs = append(msgs, m)
		}
	}
	if !h.deliver(ctx, msgs) {
		return false, nil
	}
	return false, h.disk.Ack(len(records))
}

// deliver writes msgs and tries again with what is left of them, until ctx ends; then it is false.
func (h *holding) deliver(ctx context.Context, msgs []*bus.Message) bool {
	for {
		err := h.out.Send(ctx, msgs)
		if err != nil {
			msgs = h.left(msgs, err)
		}
		if err == nil || len(msgs) == 0 {
			return true
		}
		h.log.Debug("the brokers do not take what waits yet", "error", err)
		select {
		case <-h.stuck:
		default:
			close(h.stuck)
		}
		if !rest(ctx) {
			return false
		}
	}
}

// left lists what is to be tried again after a write that failed. Its sender was told that it is taken, so what a route sends to
// a topic that is gone goes to the topic of its kind: that is the event itself when it was moved, and when it was a copy,
// readers count it once with the event. Only what the brokers will never take is given up.
func (h *holding) left(msgs []*bus.Message, err error) []*bus.Message {
	some, ok := errors.AsType[*bus.SendError](err)
	if !ok {
		return msgs
	}
	var out []*bus.Message
	for i, e := range some.Errs {
		m := msgs[i]
		if e == nil {
			continue
		}
		if _, ours := event.TopicNamed(m.Topic); !ours && errors.Is(e, bus.ErrUnknownTopic) {
			home := homeOf(m)
			h.log.Error("the topic of a route is gone, its event goes to the topic of its kind", "topic", m.Topic, "kind_topic", home)
			if m.Topic = home; home == "" {
				continue
			}
		}
		if errors.Is(e, bus.ErrTooLarge) {
			h.log.Error("a message that waited on disk is too large for the brokers and given up", "topic", m.Topic, "error", e)
			continue
		}
		out = append(out, m)
	}
	return out
}

// homeOf is the topic of the kind of an event, "" for what is none.
func homeOf(m *bus.Message) string {
	var p event.Parser
	var e event.Event
	if p.Parse(m.Value, &e) != nil {
		return ""
	}
	return e.Kind.Topic()
}

// emptied lets writers go to the brokers again when nothing waits.
func (h *holding) emptied() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.disk.Stats().Records > 0 {
		return false
	}
	if h.waiting {
		h.log.Info("everything that waited on disk is written")
	}
	h.waiting = false
	return true
}

// state says how much waits, for the health of the service.
func (h *holding) state() (messages uint64, bytes int64) {
	s := h.disk.Stats()
	return s.Records, s.Bytes
}

func (h *holding) close() {
	if err := h.disk.Close(); err != nil {
		h.log.Error("the spill cannot be closed", "error", err)
	}
}

// framed is a message as it lies on disk: topic, key, value, then names and values of its headers, each after its length.
func framed(m *bus.Message) []byte {
	out := make([]byte, 0, len(m.Topic)+len(m.Key)+len(m.Value)+16)
	put := func(b []byte) { out = append(binary.AppendUvarint(out, uint64(len(b))), b...) }
	put([]byte(m.Topic))
	put(m.Key)
	put(m.Value)
	for _, h := range m.Headers {
		put([]byte(h.Key))
		put(h.Value)
	}
	return out
}

var errTorn = errors.New("the record is not whole")

func unframed(b []byte) (*bus.Message, error) {
	var parts [][]byte
	for len(b) > 0 {
		n, k := binary.Uvarint(b)
		if k <= 0 || n > uint64(len(b)-k) {
			return nil, errTorn
		}
		parts = append(parts, b[k:k+int(n):k+int(n)])
		b = b[k+int(n):]
	}
	if len(parts) < 3 || len(parts)%2 == 0 {
		return nil, errTorn
	}
	m := &bus.Message{Topic: string(parts[0]), Key: parts[1], Value: parts[2]}
	for i := 3; i < len(parts); i += 2 {
		m.Headers = append(m.Headers, bus.Header{Key: string(parts[i]), Value: parts[i+1]})
	}
	return m, nil
}
