package watch

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"testing"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// Whenever a watcher is written and read again, it finds what it would have found without that: nothing is learnt anew.
func TestState(t *testing.T) {
	for i, f := range faults {
		rnd := rand.New(rand.NewPCG(uint64(i), 5))
		f.from, f.to = 900, 1300
		models := []*traffic{anyTraffic(rnd, "a", 3), anyTraffic(rnd, "b", 1)}
		whole, cut := New(), New()
		found := 0
		for at := int64(Step); at < 1800; at += Step {
			cells := map[string]*agg.Cell{}
			for k, m := range models {
				of := &f
				if k > 0 {
					of = nil
				}
				if c := m.step(rnd, at, of); c != nil {
					cells[m.name] = c
				}
			}
			if rnd.IntN(10) == 0 {
				text := cut.Append(nil)
				read, err := Read(text)
				if err != nil {
					t.Fatal(err)
				}
				if again := read.Append(nil); !bytes.Equal(again, text) {
					t.Fatalf("%s at %d: written again it is another state", f.name, at)
				}
				cut = read
			}
			a, b := said(t, whole.Step(at, cells, Content)), said(t, cut.Step(at, cells, Content))
			if a != b {
				t.Fatalf("%s at %d: %s, and %s after it was read", f.name, at, a, b)
			}
			if a != "null" {
				found++
			}
		}
		if found < 2 {
			t.Errorf("%s: %d times something was found, so that nothing was compared", f.name, found)
		}
	}
}

func said(t *testing.T, found []*Anomaly) string {
	text, err := json.Marshal(found)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// What is damaged is refused, and what is of other metrics.
func TestStateIsRefused(t *testing.T) {
	w := New()
	for at := int64(Step); at < 900; at += Step {
		w.Step(at, asked(map[string]int{"a": 5, "b": 9}), Content)
	}
	good := w.Append(nil)
	for n := range len(good) {
		if _, err := Read(good[:n]); err == nil {
			t.Fatalf("the first %d bytes of %d are taken", n, len(good))
		}
	}
	other := bytes.Clone(good)
	other[1]++
	if _, err := Read(other); err == nil {
		t.Error("a state of another metric is taken")
	}
	if _, err := Read(append(good, 0)); err == nil {
		t.Error("a state with something behind it is taken")
	}
}

// Whatever stands there, reading it does not panic, and what is taken works.
func FuzzRead(f *testing.F) {
	w := New()
	f.Add(w.Append(nil))
	for at := int64(Step); at < 700; at += Step {
		w.Step(at, asked(map[string]int{"a": 5 + int(at/600)*40}), Content)
	}
	f.Add(w.Append(nil))
	f.Fuzz(func(t *testing.T, text []byte) {
		w, err := Read(text)
		if err != nil {
			return
		}
		for at := int64(1000); at < 1100; at += Step {
			w.Step(at, asked(map[string]int{"a": 3}), Content)
		}
	})
}
