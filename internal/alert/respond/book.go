package respond

import (
	"fmt"
	"slices"
	"time"

	"github.com/hxp-enterprise/hxp/internal/kit/chain"
)

// State of a response.
type State string

// The states.
const (
	Proposed  State = "proposed"
	Approved  State = "approved"
	Applied   State = "applied"
	Verified  State = "verified"
	Reverted  State = "reverted"
	Refused   State = "refused"
	Failed    State = "failed"
	Expired   State = "expired"
	Dismissed State = "dismissed"
)

// States lists all of them.
var States = []State{Proposed, Approved, Applied, Verified, Reverted, Refused, Failed, Expired, Dismissed}

// Phase says what is under way in a state.
type Phase string

// The phases. In none of them but Idle may another instance act, until the claim is over.
const (
	Idle      Phase = ""
	Applying  Phase = "applying"
	Verifying Phase = "verifying"
	Reverting Phase = "reverting"
	Waiting   Phase = "waiting"  // a change of several steps goes on; others may take it back
	Stepping  Phase = "stepping" // its next call is being made
)

// Response is what became of an order.
type Response struct {
	ID    string
	Seq   int // place among all responses, from 1
	Order Order
	State State
	Phase Phase

	Reason                string // of the last record
	Rail                  Rail   // that refused it
	ProposedAt, UpdatedAt time.Time
	ClaimedAt, AppliedAt  time.Time
	ExpiresAt             time.Time // of a proposal or an approval that nobody has acted on
	LeaseUntil            time.Time // of a change that is in place; zero = there is nothing to take back
	Step                  string    // of a change that goes in steps, the last one that was begun
	StepAt                time.Time // when it was
	Passing               bool      // it has done its work when it is verified
	Owner                 string
	ClaimUntil            time.Time
	Takes                 string
	Before, After         []byte
	Tries                 int // failed attempts to take it back
	RetryAt               time.Time
	Automatic             bool // no person approved it
}

// InPlace tells whether the change must be taken back some time.
func (r *Response) InPlace() bool { return !r.LeaseUntil.IsZero() }

// Open tells whether more can become of it.
func (r *Response) Open() bool {
	return r.InPlace() || r.Phase != Idle || r.State == Proposed || r.State == Approved
}

// Switch is the kill switch as the log has it.
type Switch struct {
	On     bool
	Who    string
	Reason string
	At     time.Time
}

// maxClosed is how many responses are remembered of which nothing can become any more.
const maxClosed = 10_000

// Book is the state that follows from the log. Records are applied in the order of the log; a record counts only when it is
// chained to the one that counted last, so of two that were written at once the first one wins, and everybody who reads the log
// sees the same winner.
type Book struct {
	chain.Chain
	limits Limits

	responses map[string]*Response
	listed    []*Response // by Seq
	open      []*Response // those of listed that more can become of
	seq       int

	kill  Switch
	usage usage
}

// NewBook makes an empty book.
func NewBook(l Limits) *Book {
	b := &Book{limits: l}
	b.Reset()
	return b
}

// Reset forgets everything.
func (b *Book) Reset() {
	*b = Book{limits: b.limits, responses: map[string]*Response{}, usage: newUsage()}
}

// Switch is the kill switch.
func (b *Book) Switch() Switch { return b.kill }

// Find returns a response, or nil.
func (b *Book) Find(id string) *Response { return b.responses[id] }

// All lists the responses, the oldest first.
func (b *Book) All() []*Response { return b.listed }

// Open lists those of which more can become.
func (b *Book) Open() []*Response { return b.open }

// Apply takes the next record of the log. It returns the record if it counts, and the response that it is about.
func (b *Book) Apply(offset int64, value []byte) (*Record, *Response) {
	rec, err := Unseal(value)
	if err != nil {
		rec = &Record{}
	}
	verdict, fault := b.Take(offset, rec.PrevHash, rec.Hash, err)
	if fault != "" { // nobody knows then what is in place, so the kill switch goes on until a person has looked and turns it off
		b.kill = Switch{On: true, Who: "hxp", Reason: fmt.Sprintf("the audit log is not as it was written, at offset %d", offset), At: b.kill.At}
	}
	if verdict == chain.Late || verdict == chain.NoRecord {
		return nil, nil
	}
	return rec, b.fold(rec)
}

// fold lets a record take effect.
func (b *Book) fold(rec *Record) *Response {
	switch rec.What {
	case WhatSwitchOn, WhatSwitchOff:
		b.kill = Switch{rec.What == WhatSwitchOn, rec.Who, rec.Reason, rec.At}
		return nil
	case WhatPassedOver:
		b.usage.refused(rec.Rule, rec.Rail, rec.At)
		return nil
	}
	r := b.responses[rec.Response]
	if r == nil {
		if r = b.begin(rec); r == nil {
			return nil
		}
	} else if !r.allows(rec) {
		return nil // a writer looks before it writes, so this was no writer of ours
	}
	r.take(rec)
	b.usage.note(r, rec, b.limits)
	if !r.Open() {
		b.open = slices.DeleteFunc(b.open, func(x *Response) bool { return x == r })
		b.forget()
	}
	return r
}

// begin makes the response of its first record.
func (b *Book) begin(rec *Record) *Response {
	if rec.Order == nil || rec.Response == "" || rec.What != WhatProposed && rec.What != WhatApproved && rec.What != WhatRefused {
		return nil
	}
	b.seq++
	r := &Response{ID: rec.Response, Seq: b.seq, Order: *rec.Order, ProposedAt: rec.At, UpdatedAt: rec.At, Automatic: rec.What == WhatApproved}
	b.responses[r.ID] = r
	b.listed, b.open = append(b.listed, r), append(b.open, r)
	return r
}

// forget drops the oldest responses that are closed.
func (b *Book) forget() {
	if len(b.listed)-len(b.open) <= maxClosed {
		return
	}
	i := slices.IndexFunc(b.listed, func(r *Response) bool { return !r.Open() })
	delete(b.responses, b.listed[i].ID)
	b.listed = slices.Delete(b.listed, i, i+1)
}

// allows tells whether a record can follow.
func (r *Response) allows(rec *Record) bool {
	unclaimed := r.Phase == Idle || rec.At.After(r.ClaimUntil)
	switch rec.What {
	case WhatApproved:
		return r.State == Proposed
	case WhatDismissed:
		return r.State == Proposed
	case WhatExpired:
		return (r.State == Proposed || r.State == Approved) && r.Phase == Idle
	case WhatRefused:
		return r.State == Approved && r.Phase == Idle
	case WhatClaimed:
		return r.State == Approved && unclaimed || r.State == Applied && r.Phase == Verifying && unclaimed
	case WhatApplied:
		return r.Phase == Applying && r.Owner == rec.Owner
	case WhatVerified, WhatUnverified:
		return (r.Phase == Verifying || r.Phase == Waiting) && r.Owner == rec.Owner
	case WhatStepping:
		return r.Phase == Waiting && r.Owner == rec.Owner
	case WhatWaiting:
		return (r.Phase == Waiting || r.Phase == Stepping) && (unclaimed || r.Owner == rec.Owner)
	case WhatRenewed:
		return r.InPlace() && r.Phase == Idle
	case WhatReverting:
		return r.InPlace() && (unclaimed || r.Owner == rec.Owner && r.Phase != Reverting || r.Phase == Waiting) // one takes it back at a time, also of one owner
	case WhatReverted:
		return r.Phase == Reverting && r.Owner == rec.Owner
	case WhatFailed:
		return r.Phase != Idle && r.Owner == rec.Owner
	}
	return false
}

// take moves the response on. Only records that are allowed come here.
func (r *Response) take(rec *Record) {
	r.UpdatedAt, r.Reason, r.Rail = rec.At, rec.Reason, rec.Rail
	switch rec.What {
	case WhatProposed:
		r.State, r.ExpiresAt = Proposed, rec.Until
	case WhatApproved:
		r.State, r.ExpiresAt = Approved, rec.Until
	case WhatDismissed:
		r.State = Dismissed
	case WhatExpired:
		r.State = Expired
	case WhatRefused:
		r.State = Refused
	case WhatClaimed:
		if r.State == Approved {
			r.Phase = Applying
		}
		if r.ClaimedAt.IsZero() {
			r.ClaimedAt, r.Before, r.Takes = rec.At, rec.Before, rec.Takes
		}
		r.Owner, r.ClaimUntil = rec.Owner, rec.ClaimUntil
	case WhatApplied:
		r.State, r.Phase, r.AppliedAt, r.After = Applied, Verifying, rec.At, rec.After
		r.LeaseUntil, r.ClaimUntil = rec.Until, rec.ClaimUntil
		if rec.Step != "" {
			r.Phase, r.Step, r.StepAt, r.Passing = Waiting, rec.Step, rec.At, rec.Passing
		}
	case WhatStepping:
		r.Phase, r.Step, r.StepAt, r.ClaimUntil = Stepping, rec.Step, rec.At, rec.ClaimUntil
		if rec.Before != nil {
			r.Before = rec.Before
		}
	case WhatWaiting:
		r.Phase, r.Owner, r.ClaimUntil = Waiting, rec.Owner, rec.ClaimUntil
	case WhatVerified:
		r.State, r.Phase = Verified, Idle
	case WhatUnverified:
		r.Phase = Idle
	case WhatRenewed:
		r.LeaseUntil = rec.Until
	case WhatReverting:
		r.Phase, r.Owner, r.ClaimUntil = Reverting, rec.Owner, rec.ClaimUntil
	case WhatReverted:
		r.State, r.Phase, r.LeaseUntil, r.Takes = Reverted, Idle, time.Time{}, ""
	case WhatFailed:
		r.fail(rec)
	}
}

// fail is the end of an attempt: of applying, which left nothing, of verifying what cannot be taken back, or of taking back, which
// is tried again.
func (r *Response) fail(rec *Record) {
	if r.Phase == Reverting {
		r.Tries++
		r.RetryAt = rec.At.Add(min(time.Second<<min(r.Tries, 9), longestRetry))
	} else {
		r.LeaseUntil, r.Takes = time.Time{}, ""
	}
	r.State, r.Phase = Failed, Idle
}

// longestRetry is the pause between attempts to take a change back, at most.
const longestRetry = 5 * time.Minute
