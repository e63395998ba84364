package respond

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/hxp-enterprise/hxp/internal/kit/chain"
	"github.com/hxp-enterprise/hxp/internal/kit/words"
)

// What a record tells.
type What string

// Everything that happens is one of these.
const (
	WhatProposed   What = "proposed"
	WhatApproved   What = "approved"
	WhatDismissed  What = "dismissed"
	WhatExpired    What = "expired"
	WhatRefused    What = "refused"
	WhatClaimed    What = "claimed"    // somebody is about to act; only one claim of a response counts, the first in the log
	WhatApplied    What = "applied"    // the change is in place
	WhatVerified   What = "verified"   // and does what it shall
	WhatUnverified What = "unverified" // and nobody can tell whether it does; the state stays applied
	WhatStepping   What = "stepping"   // the next call of a change is about to be made
	WhatWaiting    What = "waiting"    // a change goes on, and its owner looks after it
	WhatRenewed    What = "renewed"    // its lease goes on
	WhatReverting  What = "reverting"  // somebody is about to take it back
	WhatReverted   What = "reverted"
	WhatFailed     What = "failed"
	WhatPassedOver What = "passed_over" // an alert that nothing may follow from: too old, or replayed
	WhatSwitchOn   What = "kill_switch_on"
	WhatSwitchOff  What = "kill_switch_off"
)

// Record is one entry of the log. Its hash covers everything else in it, and the hash of the record before.
type Record struct {
	At       time.Time `json:"at"`
	Who      string    `json:"who"`
	What     What      `json:"what"`
	Reason   string    `json:"reason"`
	Response string    `json:"response,omitempty"`
	Rule     string    `json:"rule,omitempty"`
	Rail     Rail      `json:"rail,omitempty"`  // that refused
	Order    *Order    `json:"order,omitempty"` // in the first record of a response
	Owner    string    `json:"owner,omitempty"` // instance that acts
	Until    time.Time `json:"until,omitzero"`  // end of a proposal, of an approval, or of a lease

	ClaimUntil time.Time       `json:"claim_until,omitzero"` // until then only the owner acts
	Step       string          `json:"step,omitempty"`       // that a change has come to
	Passing    bool            `json:"passing,omitempty"`    // the change is taken back when it is verified
	Takes      string          `json:"takes,omitempty"`      // endpoint that the change takes out of its group
	Before     json.RawMessage `json:"before,omitempty"`     // what a claim or a step found, for taking it back
	After      json.RawMessage `json:"after,omitempty"`
	PrevHash   string          `json:"prev_hash"` // "" in the first record
	Hash       string          `json:"hash"`
}

// The sizes that a record may have.
const (
	maxRecord = 256 << 10
	maxReason = 1000
	maxState  = 32 << 10 // of Before and of After
)

// Seal chains the record behind the one that has the hash prev, and returns what is written to the log.
func (r *Record) Seal(prev string) ([]byte, error) {
	r.At, r.Until, r.ClaimUntil = stamp(r.At), stamp(r.Until), stamp(r.ClaimUntil)
	r.Reason = words.Clip(r.Reason, maxReason)
	r.PrevHash, r.Hash = prev, ""
	text, hash, err := chain.Seal(r, prev, maxRecord)
	if err != nil {
		return nil, fmt.Errorf("record %s: %w", r.What, err)
	}
	r.Hash = hash
	return text, nil
}

// stamp is a time as records have it.
func stamp(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Microsecond)
}

// Unseal reads a record and proves that it is as it was written.
func Unseal(value []byte) (*Record, error) {
	r := &Record{}
	if err := chain.Unseal(value, r, maxRecord); err != nil {
		return nil, err
	}
	return r, nil
}
