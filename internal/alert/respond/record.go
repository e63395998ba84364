package respond

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"
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

// Seal chains the record behind the one that has the hash prev, and returns what is written to the log: canonical JSON, which is
// the keys of every object in order, no blanks, and numbers as they are.
func (r *Record) Seal(prev string) ([]byte, error) {
	r.At, r.Until, r.ClaimUntil = stamp(r.At), stamp(r.Until), stamp(r.ClaimUntil)
	r.Reason = clip(r.Reason, maxReason)
	r.PrevHash, r.Hash = prev, ""
	text, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("record %s: %w", r.What, err)
	}
	fields, err := parse(text)
	if err != nil {
		return nil, fmt.Errorf("record %s: %w", r.What, err)
	}
	sum, err := hashOf(fields)
	if err != nil {
		return nil, fmt.Errorf("record %s: %w", r.What, err)
	}
	r.Hash, fields["hash"] = sum, sum
	out, err := canonical(fields)
	if err == nil && len(out) > maxRecord {
		err = fmt.Errorf("record %s: it has %d bytes; at most %d are written", r.What, len(out), maxRecord)
	}
	return out, err
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
	if len(value) > maxRecord {
		return nil, fmt.Errorf("it has %d bytes; a record has at most %d", len(value), maxRecord)
	}
	fields, err := parse(value)
	if err != nil {
		return nil, err
	}
	if again, err := canonical(fields); err != nil || !bytes.Equal(again, value) {
		return nil, errors.New("it is not canonical JSON")
	}
	sum, err := hashOf(fields)
	if err != nil {
		return nil, err
	}
	if sum != fields["hash"] {
		return nil, fmt.Errorf("its hash is %.80v, but its content has %s", fields["hash"], sum)
	}
	r := &Record{}
	if err := json.Unmarshal(value, r); err != nil {
		return nil, err
	}
	return r, nil
}

func parse(text []byte) (map[string]any, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var fields map[string]any
	if err := d.Decode(&fields); err != nil {
		return nil, fmt.Errorf("it is no JSON object: %w", err)
	}
	if fields == nil || d.More() {
		return nil, errors.New("it is not one JSON object")
	}
	return fields, nil
}

// hashOf is sha256 over the canonical JSON without the hash itself.
func hashOf(fields map[string]any) (string, error) {
	bare := make(map[string]any, len(fields))
	for k, v := range fields {
		if k != "hash" {
			bare[k] = v
		}
	}
	text, err := canonical(bare)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:]), nil
}

// canonical relies on package json, which sorts the keys of maps.
func canonical(fields map[string]any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(fields); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// clip keeps texts short, at the edge of a character.
func clip(s string, most int) string {
	if len(s) <= most {
		return s
	}
	end := most
	for end > 0 && s[end]&0xC0 == 0x80 {
		end--
	}
	return s[:end] + "…"
}
