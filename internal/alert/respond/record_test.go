package respond

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var testStart = time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)

func testLimits() Limits {
	return Limits{
		Automatic: true, ApprovalExpiry: 15 * time.Minute, Lease: 10 * time.Minute, MaxLease: time.Hour, Recovery: 2 * time.Minute,
		Cooldown: 5 * time.Minute, MaxCooldown: 6 * time.Hour, MaxLag: time.Minute, Deadline: 30 * time.Second, Settle: 5 * time.Second,
		ActionBurst: 3, ActionRefill: 10 * time.Minute, GlobalBurst: 10, GlobalRefill: 3 * time.Minute, Blast: 0.1,
		FlapCycles: 3, FlapWindow: time.Hour, FlapFreeze: time.Hour,
	}
}

// seal writes a record or ends the test.
func seal(t testing.TB, rec Record, prev string) []byte {
	t.Helper()
	value, err := rec.Seal(prev)
	if err != nil {
		t.Fatal(err)
	}
	return value
}

func switchRecord(n int) Record {
	return Record{At: testStart.Add(time.Duration(n) * time.Second), Who: "ops", What: WhatSwitchOn, Reason: fmt.Sprintf("number %d <&> \u2028", n)}
}

// chainOf writes n records, each chained to the one before.
func chainOf(t testing.TB, n int) (log [][]byte) {
	t.Helper()
	b := NewBook(testLimits())
	for i := range n {
		value := seal(t, switchRecord(i), b.Head())
		if rec, _ := b.Apply(int64(i), value); rec == nil {
			t.Fatalf("record %d does not count", i)
		}
		log = append(log, value)
	}
	return log
}

func replay(log [][]byte) *Book {
	b := NewBook(testLimits())
	for i, value := range log {
		b.Apply(int64(i), value)
	}
	return b
}

func TestRecordsComeBackAsTheyWereWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rec := Record{
			At: testStart.Add(time.Duration(rapid.Int64Range(0, 1e15).Draw(t, "at"))), Who: rapid.String().Draw(t, "who"), What: WhatProposed,
			Reason: rapid.String().Draw(t, "reason"), Response: "r1",
			Order:  &Order{Rule: "r", Alert: "a", Mode: "auto", Action: "drain", Target: "t", Value: "1.50", With: map[string]string{"endpoint": rapid.String().Draw(t, "endpoint")}},
			Before: json.RawMessage(`{"z": 1, "a": [1e3, 2.0]}`),
		}
		value, err := rec.Seal("abc")
		if err != nil {
			t.Fatal(err)
		}
		got, err := Unseal(value)
		if err != nil {
			t.Fatalf("%v\n%s", err, value)
		}
		if got.Hash != rec.Hash || got.PrevHash != "abc" || !got.At.Equal(rec.At) || got.Order.Value != "1.50" {
			t.Fatalf("wrote %+v, read %+v", rec, got)
		}
		if !bytes.Contains(value, []byte(`"before":{"a":[1e3,2.0],"z":1}`)) {
			t.Fatalf("not canonical: %s", value)
		}
	})
}

// Whatever is changed in the log is found, and turns the kill switch on.
func TestTamperingIsFound(t *testing.T) {
	log := chainOf(t, 20)
	off := switchRecord(20)
	off.What = WhatSwitchOff
	log = append(log, seal(t, off, replay(log).Head()))
	if b := replay(log); b.Records() != 21 || b.Switch().On {
		t.Fatalf("the whole log: %d records, switch %+v", b.Records(), b.Switch())
	}
	forged := switchRecord(7)
	forged.Reason = "forged"
	tampered := map[string]func(log [][]byte) [][]byte{
		"a letter is changed": func(l [][]byte) [][]byte {
			l[7] = bytes.Replace(l[7], []byte("number 7"), []byte("number 8"), 1)
			return l
		},
		"a blank is put in":     func(l [][]byte) [][]byte { l[7] = append([]byte{' '}, l[7]...); return l },
		"a record is missing":   func(l [][]byte) [][]byte { return append(l[:7], l[8:]...) },
		"the beginning is gone": func(l [][]byte) [][]byte { return l[7:] },
		"a record is rewritten with a right hash": func(l [][]byte) [][]byte {
			rec, err := Unseal(l[7])
			if err != nil {
				t.Fatal(err)
			}
			l[7] = seal(t, forged, rec.PrevHash)
			return l
		},
		"strangers write": func(l [][]byte) [][]byte { return append(l, []byte("hello")) },
		"two change places": func(l [][]byte) [][]byte {
			l[7], l[8] = l[8], l[7]
			return l
		},
	}
	for name, tamper := range tampered {
		b := replay(tamper(slices.Clone(log)))
		if _, n := b.Faults(); n == 0 {
			t.Errorf("%s: not found", name)
		}
	}
}

// Of two records that follow the same one, the first in the log counts.
func TestFirstWriterWins(t *testing.T) {
	log := chainOf(t, 3)
	b := replay(log)
	first, second := switchRecord(10), switchRecord(11)
	one, two := seal(t, first, b.Head()), seal(t, second, b.Head())
	if rec, _ := b.Apply(3, one); rec == nil {
		t.Error("the first one does not count")
	}
	if rec, _ := b.Apply(4, two); rec != nil {
		t.Error("the second one counts")
	}
	if rec, _ := b.Apply(5, one); rec != nil {
		t.Error("the first one counts twice")
	}
	if _, n := b.Faults(); n != 0 || b.Late() != 2 || b.Records() != 4 {
		t.Errorf("%d faults, %d late, %d records", n, b.Late(), b.Records())
	}
	late := NewBook(testLimits())
	genesis := seal(t, switchRecord(0), "")
	late.Apply(0, genesis)
	late.Apply(1, seal(t, switchRecord(1), ""))
	if _, n := late.Faults(); n != 0 || late.Records() != 1 {
		t.Errorf("two first records: %d faults, %d records", n, late.Records())
	}
}

func FuzzUnseal(f *testing.F) {
	for _, value := range chainOf(f, 2) {
		f.Add(value)
	}
	f.Add([]byte(`{"hash":1}`))
	f.Add([]byte(`{"at":"x","hash":"","prev_hash":""}`))
	f.Fuzz(func(t *testing.T, value []byte) {
		rec, err := Unseal(value)
		if err != nil {
			return
		}
		b := NewBook(testLimits())
		b.Apply(0, value)
		if rec.PrevHash == "" && b.Head() != rec.Hash {
			t.Errorf("a good first record does not count: %s", value)
		}
	})
}

func FuzzParseAlert(f *testing.F) {
	f.Add([]byte(`{"id":"a","rule":"r","state":"firing","key":{"model":"m"},"mode":"auto","actions":[{"type":"drain","target":"t","with":{"endpoint":"{model}"}}],"at":"2026-03-01T10:00:00Z","value":0.5}`))
	f.Add([]byte(`{"id":"a","rule":"r","key":"dag","at":null}`))
	f.Fuzz(func(t *testing.T, value []byte) {
		a, err := ParseAlert(value)
		if err != nil {
			return
		}
		for _, x := range a.Actions {
			rec := Record{At: testStart, Who: "w", What: WhatProposed, Response: a.id(x), Order: a.order(x)}
			sealed, err := rec.Seal("")
			if err != nil {
				continue // too large
			}
			if _, err := Unseal(sealed); err != nil && !strings.Contains(err.Error(), "cannot unmarshal") {
				t.Errorf("%v: %s", err, sealed)
			}
		}
	})
}
