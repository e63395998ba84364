package insight

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// seen is an event of a subject.
type seen struct {
	at    int64
	steps uint
}

// farthest tries every sequence.
func farthest(events []seen, steps int, within int64) (most int) {
	var try func(from, step int, began int64)
	try = func(from, step int, began int64) {
		if most = max(most, step); step == steps {
			return
		}
		for i := from; i < len(events); i++ {
			e := events[i]
			if e.steps>>step&1 == 0 || step > 0 && e.at-began > within {
				continue
			}
			start := began
			if step == 0 {
				start = e.at
			}
			try(i+1, step+1, start)
		}
	}
	try(0, 0, 0)
	return most
}

// A funnel finds how far each subject comes, whichever of its events are taken for the steps.
func TestFunnelIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		steps, within := rapid.IntRange(1, 4).Draw(t, "steps"), rapid.Int64Range(0, 12).Draw(t, "within")
		f, by, at := NewFunnel(steps, within), map[string][]seen{}, int64(0)
		for range rapid.IntRange(0, 14).Draw(t, "events") {
			at += rapid.Int64Range(0, 4).Draw(t, "gap")
			who, e := rapid.SampledFrom([]string{"a", "b"}).Draw(t, "who"), seen{at, rapid.UintRange(0, 1<<steps-1).Draw(t, "is")}
			f.See(who, e.at, e.steps)
			by[who] = append(by[who], e)
		}
		want := make([]int, steps)
		for _, events := range by {
			for i := range farthest(events, steps, within) {
				want[i]++
			}
		}
		var got []int
		for _, s := range f.Steps(slices.Repeat([]string{"s"}, steps)) {
			got = append(got, s.Subjects)
		}
		if !slices.Equal(got, want) || f.Len() != want[0] {
			t.Fatalf("%d begin, %v come to the steps, want %v", f.Len(), got, want)
		}
	})
}

func TestFunnelShares(t *testing.T) {
	f := NewFunnel(3, 10)
	for i, who := range []string{"a", "b", "c", "d"} {
		f.See(who, int64(i), 1)
	}
	f.See("a", 5, 2)
	f.See("b", 6, 2)
	f.See("b", 12, 4) // too late by one
	f.See("e", 7, 2)  // never began
	got := f.Steps([]string{"asked", "rated", "bought"})
	if got[0].Subjects != 4 || *got[0].OfFirst != 1 || got[1].Subjects != 2 || *got[1].OfFirst != 0.5 || *got[1].OfBefore != 0.5 || got[2].Subjects != 0 || *got[2].OfBefore != 0 {
		t.Errorf("%+v", got)
	}
	if none := NewFunnel(2, 1).Steps([]string{"x", "y"}); none[0].OfFirst != nil || none[1].OfBefore != nil {
		t.Errorf("%+v", none)
	}
}
