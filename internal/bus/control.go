package bus

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"

	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/telemetry"
)

// ControlState is a state that the control log rebuilds: what it is follows from the records under its prefix, applied in
// order, and from nothing else. So every instance says the same, without a database and without asking each other.
type ControlState interface {
	// Reset forgets everything: the records come again from the start of the log.
	Reset()
	// Apply takes the next record. What it decides (an id, a verdict) it decides from the state and the record alone, never
	// by the clock or by chance. An error says that the record can never be applied; it is logged, counted and passed over,
	// and must have changed nothing. value is the callee's to keep.
	Apply(key string, value []byte, offset int64) error
}

// settler is a ControlState that wants to know when it is whole after a Reset: everything is applied that was in the log when it
// began to be read. Until then it may go on to say what it said before.
type settler interface{ Settled() }

// ControlLog is the log of small commands on event.TopicControl, and its follower. Commands are appended by any instance and
// applied by all in the same order. Its methods WaitFor, Settled and CatchUp tell how far that is.
type ControlLog struct {
	*Replica
	commands *commands
}

// NewControlLog opens the control log of b. Name the states with Handle, then Run it.
func NewControlLog(b *Bus, log *slog.Logger, reg *telemetry.Registry) (*ControlLog, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	c := &commands{
		log:     log.With("topic", event.TopicControl),
		applied: reg.Counter("control_log_applied_total", "Commands of the control log that were applied."),
		skipped: reg.Counter("control_log_skipped_total", "Records of the control log that can never be applied and were passed over."),
	}
	r, err := b.NewReplica(event.ControlTopic, "control log", c, ProducerOptions{MaxBufferedMessages: 1000, MaxBufferedBytes: 8 << 20}, log)
	if err != nil {
		return nil, err
	}
	return &ControlLog{r, c}, nil
}

// Handle gives the records whose key begins with prefix to a state. Call it before Run. Records that nobody handles are
// passed over: another instance may know more than this one.
func (c *ControlLog) Handle(prefix string, s ControlState) {
	c.commands.states = append(c.commands.states, controlled{prefix, s})
}

// Append writes a command with acks=all and tells its offset, as that of Replica does.
func (c *ControlLog) Append(ctx context.Context, key string, value []byte) (offset int64, err error) {
	return c.Replica.Append(ctx, []byte(key), value)
}

// commands hands each record to the state of its prefix. It is the ReplicaState of the control log.
type commands struct {
	log              *slog.Logger
	states           []controlled
	applied, skipped telemetry.Counter
}

type controlled struct {
	prefix string
	state  ControlState
}

func (c *commands) Reset() {
	for _, s := range c.states {
		s.state.Reset()
	}
}

func (c *commands) Settled() {
	for _, s := range c.states {
		if s, ok := s.state.(settler); ok {
			s.Settled()
		}
	}
}

func (c *commands) Apply(m *Message) {
	key := string(m.Key)
	for _, s := range c.states {
		if !strings.HasPrefix(key, s.prefix) {
			continue
		}
		if err := applyTo(s.state, key, m); err != nil {
			c.skipped.Inc()
			c.log.Error("record of the control log cannot be applied, passed over", "key", key, "offset", m.Offset, "error", err)
			return
		}
		c.applied.Inc()
		return
	}
	c.log.Debug("record of the control log is not for this instance", "key", key, "offset", m.Offset)
}

// applyTo makes an error of a panic: a record that brings the process down would do so again at each start.
func applyTo(s ControlState, key string, m *Message) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v\n%s", v, debug.Stack())
		}
	}()
	return s.Apply(key, m.Value, m.Offset)
}
