package audit

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/chain"
	"github.com/hxp-enterprise/hxp/internal/kit/telemetry"
	"github.com/hxp-enterprise/hxp/internal/kit/words"
)

// Record is one change.
type Record struct {
	At        time.Time       `json:"at"`
	Who       string          `json:"who"`
	From      string          `json:"from"` // address that asked, "" for what nobody asked over the network
	Service   string          `json:"service"`
	What      string          `json:"what"`   // route, such as PUT /rules/{name}
	Target    string          `json:"target"` // path that was asked
	Status    int             `json:"status"`
	RequestID string          `json:"request_id"`
	Before    json.RawMessage `json:"before"` // null where nothing was there; of what is large, its hash
	After     json.RawMessage `json:"after"`
	PrevHash  string          `json:"prev_hash"` // "" in the first record
	Hash      string          `json:"hash"`
}

const (
	maxRecord = 64 << 10
	maxSide   = 16 << 10 // of before and of after; of what is more there is the hash
	maxText   = 1 << 10
	mostTries = 32
)

// Log writes and reads the log. It is a run.Service.
type Log struct {
	*bus.Replica
	log  *slog.Logger
	lost telemetry.Counter

	writing chan struct{} // one record of this process at a time

	mu    sync.Mutex
	chain chain.Chain
}

// New makes the log on b, which stays the caller's. Run it.
func New(b *bus.Bus, log *slog.Logger, reg *telemetry.Registry) (*Log, error) {
	topic, _ := event.TopicNamed(event.TopicAudit)
	l := &Log{log: log, writing: make(chan struct{}, 1), lost: reg.Counter("hxp_audit_lost_total", "Changes whose record could not be written to the audit log; they are in the log of the process.")}
	r, err := b.NewReplica(topic, "audit log of changes", state{l}, bus.ProducerOptions{MaxBufferedMessages: 100, MaxBufferedBytes: 4 << 20, DeliveryTimeout: 5 * time.Second}, log)
	l.Replica = r
	return l, err
}

// state follows the chain. It is a bus.ReplicaState.
type state struct{ l *Log }

func (s state) Reset() {
	s.l.mu.Lock()
	defer s.l.mu.Unlock()
	s.l.chain = chain.Chain{}
}

func (s state) Apply(m *bus.Message) {
	s.l.mu.Lock()
	defer s.l.mu.Unlock()
	take(&s.l.chain, m.Offset, m.Value)
}

func (state) Settled() {}

// take takes a record into a chain.
func take(c *chain.Chain, offset int64, value []byte) {
	var r Record
	err := chain.Unseal(value, &r, maxRecord)
	c.Take(offset, r.PrevHash, r.Hash, err)
}

func (l *Log) passed() []int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.chain.Passed()
}

var errContended = errors.New("others write to it all the time")

// Note records a change. It waits until the record counts, for within at the longest; when it cannot be written, it goes to the log of the process.
func (l *Log) Note(ctx context.Context, r Record, within time.Duration) {
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), within)
	defer stop()
	r.At = r.At.UTC().Truncate(time.Microsecond)
	r.Who, r.Target, r.RequestID = clip(r.Who), clip(r.Target), clip(r.RequestID)
	r.Before, r.After = side(r.Before), side(r.After)
	if err := l.write(ctx, r); err != nil {
		l.lost.Inc()
		l.log.Error("a change is not in the audit log", "error", err, "who", r.Who, "from", r.From, "service", r.Service, "what", r.What, "target", r.Target, "status", r.Status)
	}
}

func (l *Log) write(ctx context.Context, r Record) error {
	select {
	case l.writing <- struct{}{}:
		defer func() { <-l.writing }()
	case <-ctx.Done():
		return fmt.Errorf("wait for those before it: %w", ctx.Err())
	}
	for range mostTries {
		l.mu.Lock()
		head := l.chain.Head()
		l.mu.Unlock()
		text, hash, err := chain.Seal(r, head, maxRecord)
		if err != nil {
			return err
		}
		offset, err := l.Append(ctx, nil, text)
		if err == nil {
			err = l.WaitFor(ctx, offset)
		} else {
			err = errors.Join(err, l.CatchUp(ctx)) // it may have been written all the same
		}
		l.mu.Lock()
		won := l.chain.Has(hash)
		l.mu.Unlock()
		if won {
			return nil
		}
		if err != nil {
			return fmt.Errorf("write to it: %w", err)
		}
	}
	return errContended
}

// side is what may stand in a record of one side of a change. Of what is too large the hash does, by which a copy of it can be told.
func side(text json.RawMessage) json.RawMessage {
	switch {
	case len(text) == 0 || !utf8.Valid(text) || !json.Valid(text):
		return json.RawMessage("null")
	case len(text) > maxSide:
		return fmt.Appendf(nil, `{"left_out":{"bytes":%d,"sha256":"%x"}}`, len(text), sha256.Sum256(text))
	}
	return text
}

// clip keeps texts short, at the edge of a character.
func clip(s string) string { return words.Clip(s, maxText) }
