package ingest

import (
	"encoding/json"
	"strings"
	"testing"
)

// Whatever a stranger writes as the goal of a reset is one goal, or refused.
func FuzzReset(f *testing.F) {
	for _, s := range []string{`"earliest"`, `"latest"`, `"2026-03-01T00:00:00Z"`, `{"t":{"0":5,"1":6}}`, `{}`, `7`, `{"t":{"-1":0}}`, `{"t":{"0":-9}}`, ``} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		to, err := parseReset(json.RawMessage(raw))
		if err != nil {
			return
		}
		goals := 0
		for _, set := range []bool{to.Earliest, to.Latest, !to.At.IsZero(), to.Offsets != nil} {
			if set {
				goals++
			}
		}
		if goals != 1 {
			t.Fatalf("%q has %d goals: %+v", raw, goals, to)
		}
		for _, parts := range to.Offsets {
			for p, o := range parts {
				if p < 0 || o < 0 {
					t.Fatalf("%q: %d %d", raw, p, o)
				}
			}
		}
	})
}

// A cursor that is taken names a place, and says the same when it is written again.
func FuzzCursors(f *testing.F) {
	f.Add("1777636800123456.0.17")
	f.Add("0.1,1.2")
	f.Add("-1.0.0")
	f.Fuzz(func(t *testing.T, s string) {
		if l, err := parseLetterCursor(s); err == nil && l != nil {
			again, err := decodeCursor(*letterCursor(l))
			if err != nil {
				t.Fatal(err)
			}
			if back, err := parseLetterCursor(again); err != nil || *back != *l {
				t.Fatalf("%q became %+v, then %+v, %v", s, l, back, err)
			}
		}
		b := &browse{next: map[int32]int64{0: 5, 1: 6}, ends: map[int32]int64{0: 10, 1: 10}}
		if b.resume(s) == nil && (b.next[0] < 5 || b.next[1] < 6 || len(b.next) != 2) {
			t.Fatalf("%q goes back or elsewhere: %v", s, b.next)
		}
	})
}

// The body of a redrive that passes its check names letters in one way alone.
func FuzzRedriveBody(f *testing.F) {
	for _, s := range []string{`{"ids":["a"]}`, `{"filter":{"reason":"x"},"patch":{"data":null}}`, `{"filter":{},"patch":[]}`, `{"ids":[],"filter":null}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var b redriveBody
		if json.NewDecoder(strings.NewReader(s)).Decode(&b) != nil || b.check() != nil {
			return
		}
		if (len(b.IDs) > 0) == (b.Filter != nil) || len(b.Patch) > 0 && b.Patch[0] != '{' || b.Limit < 0 || b.Limit > maxRedrive {
			t.Fatalf("%q: %+v", s, b)
		}
	})
}
