package sorting

import (
	"cmp"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

type pair struct{ key, place int }

func byKey(a, b pair) int { return cmp.Compare(a.key, b.key) }

// TestAsSlicesDo holds both functions to those of the standard library that they stand for.
func TestAsSlicesDo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var list []pair
		for i, key := range rapid.SliceOf(rapid.IntRange(0, 20)).Draw(t, "keys") {
			list = append(list, pair{key, i})
		}
		want := slices.Clone(list)
		slices.SortStableFunc(want, byKey)

		got := slices.Clone(list)
		StableBy(got, byKey)
		if !slices.Equal(got, want) {
			t.Fatalf("StableBy of %v: %v, want %v", list, got, want)
		}

		got = slices.Clone(list)
		By(got, byKey)
		if !slices.IsSortedFunc(got, byKey) {
			t.Fatalf("By of %v: %v", list, got)
		}
		slices.SortFunc(got, func(a, b pair) int { return cmp.Or(byKey(a, b), cmp.Compare(a.place, b.place)) })
		if !slices.Equal(got, want) {
			t.Fatalf("By of %v has lost something: %v", list, got)
		}
	})
}
