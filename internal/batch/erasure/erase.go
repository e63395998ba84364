package erasure

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// States of a record.
const (
	Running = "running"
	Done    = "done"
	Partly  = "partly" // something is left that this service cannot take out; see left
	Failed  = "failed"
)

// Record is what an erasure did, or would do.
type Record struct {
	ID          string             `json:"id"`
	By          string             `json:"by"`      // user_id or tenant
	Salt        string             `json:"salt"`    // hexadecimal
	Subject     string             `json:"subject"` // SHA-256 of the salt and the name, hexadecimal
	DryRun      bool               `json:"dry_run"`
	Allowed     []string           `json:"allowed,omitempty"` // topics, past_groups: what the operator allowed on brokers that may serve others
	State       string             `json:"state"`
	RequestedAt time.Time          `json:"requested_at"`
	EndedAt     *time.Time         `json:"ended_at"`
	Error       string             `json:"error,omitempty"`
	Hours       []event.ErasedHour `json:"hours"` // of the lake
	LakeRows    int64              `json:"lake_rows"`
	SQLRows     int64              `json:"sql_rows"`
	Topics      []Topic            `json:"topics"`
	Left        []Left             `json:"left"` // what the look afterwards found, and what ends it
	PrevHash    string             `json:"prev_hash,omitempty"`
	Hash        string             `json:"hash,omitempty"` // SHA-256 of the record without it, which chains it to the one before
}

// Left is a place that may still hold the name.
type Left struct {
	Where string `json:"where"`
	Count int64  `json:"count"` // -1 = not known
	Ends  string `json:"ends"`  // what ends it
}

// about tells whether a record is about a name.
func (r *Record) about(name string) bool { return subject(r.Salt, name) == r.Subject }

func subject(salt, name string) string {
	sum := sha256.Sum256([]byte(salt + "\x00" + name))
	return hex.EncodeToString(sum[:])
}

func newRecord(by, name string, w Words, dryRun bool, now time.Time) *Record {
	var id, salt [16]byte
	rand.Read(id[:]) // never fails
	rand.Read(salt[:])
	r := &Record{ID: hex.EncodeToString(id[:8]), By: by, Salt: hex.EncodeToString(salt[:]), DryRun: dryRun, Allowed: w.list(), State: Running, RequestedAt: now.UTC(),
		Hours: []event.ErasedHour{}, Topics: []Topic{}, Left: []Left{}}
	r.Subject = subject(r.Salt, name)
	return r
}

// seal chains a record to the one before.
func (r *Record) seal(prev string) error {
	r.PrevHash, r.Hash = prev, ""
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(text)
	r.Hash = hex.EncodeToString(sum[:])
	return nil
}

// checkChain says what is wrong with a chain, "" when nothing is.
func checkChain(records []*Record) string {
	prev := ""
	for _, r := range records {
		again := *r
		if err := again.seal(prev); err != nil || again.Hash != r.Hash {
			return fmt.Sprintf("record %s is not the one that was written, or one before it is missing", r.ID)
		}
		prev = r.Hash
	}
	return ""
}

// carryOut does what a record says, and fills it.
func (s *Service) carryOut(ctx context.Context, r *Record, name string, w Words) error {
	field := fields[r.By]
	names := s.deps.Names(field, name)
	if err := s.settle(ctx); err != nil {
		return fmt.Errorf("what was acknowledged did not reach the lake: %w", err)
	}
	if err := s.eraseLake(ctx, r, names); err != nil {
		return err
	}
	var err error
	if r.DryRun {
		r.SQLRows, err = s.deps.Store.CountValues(ctx, r.By, names)
	} else {
		r.SQLRows, err = s.forget(ctx, r.By, names)
	}
	if err != nil {
		return err
	}
	r.Topics, err = s.deps.Topics.Shorten(ctx, names, w, r.DryRun, func(topics []Topic) error {
		r.Topics = topics
		return s.noteBegun(ctx, r)
	})
	if err != nil || r.DryRun {
		return err
	}
	return s.lookAgain(ctx, r, names)
}

// eraseLake takes events out of the lake and writes down after each hour what has left it.
func (s *Service) eraseLake(ctx context.Context, r *Record, names []string) error {
	hours, err := s.deps.Lake.Erase(ctx, fields[r.By], names, r.DryRun, func(h event.ErasedHour) error {
		r.Hours = append(r.Hours, h)
		r.LakeRows += h.Rows
		return s.noteBegun(context.WithoutCancel(ctx), r) // it has left
	})
	if r.DryRun {
		for _, h := range hours {
			r.Hours = append(r.Hours, h)
			r.LakeRows += h.Rows
		}
	}
	slices.SortFunc(r.Hours, func(a, b event.ErasedHour) int { return a.Hour.Compare(b.Hour) })
	return err
}

// forgetTries is more than there are levels of aggregates: what one brings back, another may have read.
const forgetTries = 6

// forget takes rows and cells by a name out of the tables. An aggregation that has read them, or the events, before they left would bring
// them back: such are waited for, until nothing comes back.
func (s *Service) forget(ctx context.Context, by string, names []string) (rows int64, err error) {
	for range forgetTries {
		if err := s.deps.Settled(ctx); err != nil {
			return rows, err
		}
		n, err := s.deps.Store.ForgetValues(ctx, by, names)
		rows += n
		if err != nil || n == 0 {
			return rows, err
		}
	}
	return rows, nil // the look afterwards tells whether anything is left
}

// settle waits until everything that was acknowledged by now is in the lake.
func (s *Service) settle(ctx context.Context) error {
	ends, err := s.deps.Ends(ctx)
	if err != nil {
		return err
	}
	if err := s.deps.Writer.Flush(ctx); err != nil {
		return err
	}
	return s.deps.Writer.Wait(ctx, ends)
}

// lookAgain is the proof: everything is looked through once more.
func (s *Service) lookAgain(ctx context.Context, r *Record, names []string) error {
	left, err := s.deps.Lake.Erase(ctx, fields[r.By], names, true, nil)
	if err != nil {
		return err
	}
	rows := int64(0)
	for _, h := range left {
		rows += h.Rows
	}
	if rows > 0 {
		r.Left = append(r.Left, Left{"lake", rows, "the same request again: these events came meanwhile"})
	}
	sql, err := s.deps.Store.CountValues(ctx, r.By, names)
	if err != nil {
		return err
	}
	if sql > 0 {
		r.Left = append(r.Left, Left{"tables of aggregates", sql, "the same request again: an hour was aggregated meanwhile"})
	}
	for i := range r.Topics {
		r.Left = append(r.Left, r.Topics[i].left()...)
	}
	more, err := s.deps.Elsewhere(ctx, r.Hours)
	r.Left = append(r.Left, more...)
	return err
}

// errBusy says that another erasure is carried out.
var errBusy = errors.New("another erasure is carried out; try again when it has ended")

// alone carries one erasure out while no other instance does. A dry run needs not be alone.
func (s *Service) alone(ctx context.Context, j job) error {
	if j.lease == nil {
		return s.carryOut(ctx, j.record, j.name, j.words)
	}
	held, free := j.lease.hold(ctx)
	defer free()
	err := s.noteBegun(held, j.record)
	if err == nil {
		err = s.carryOut(held, j.record, j.name, j.words)
	}
	if err != nil && held.Err() != nil && ctx.Err() == nil {
		err = context.Cause(held)
	}
	return err
}

// work carries one erasure out and writes its record down.
func (s *Service) work(ctx context.Context, j job) {
	r, began := j.record, s.deps.Now()
	err := s.alone(ctx, j)
	ended := s.deps.Now().UTC()
	r.EndedAt = &ended
	switch {
	case err != nil:
		r.State, r.Error = Failed, err.Error()
	case len(r.Left) > 0:
		r.State = Partly
	default:
		r.State = Done
	}
	if !r.DryRun {
		if kept := s.keep(context.WithoutCancel(ctx), r); kept != nil {
			r.State, r.Error = Failed, errors.Join(err, fmt.Errorf("the record was not written: %w", kept)).Error()
		}
	}
	s.log.Info("erasure ended", "id", r.ID, "by", r.By, "dry_run", r.DryRun, "state", r.State, "lake_rows", r.LakeRows, "sql_rows", r.SQLRows, "left", len(r.Left), "error", r.Error, "took", ended.Sub(began))
	s.mu.Lock()
	s.last = r
	s.current = nil
	s.mu.Unlock()
	close(j.done)
}
