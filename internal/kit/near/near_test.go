package near_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/hxp-enterprise/hxp/internal/kit/near"
)

// Whatever comes to the same place, a table tells what was put last for a pair, or nothing.
func TestFindsWhatWasPutLastOrNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var table near.Table[int]
		last := map[[2]string]int{}
		names := rapid.SampledFrom([]string{"", "a", "b", "ab", "gpt-4o", "gpt-4o-mini", "o3", "x\x00y"})
		for i := range rapid.IntRange(1, 100).Draw(t, "steps") {
			pair := [2]string{names.Draw(t, "first"), names.Draw(t, "second")}
			if got, found := table.Find(pair[0], pair[1]); found {
				if want, known := last[pair]; !known || got != want {
					t.Fatalf("%q: %d, want %d, %v", pair, got, want, known)
				}
			}
			if rapid.Bool().Draw(t, "put") {
				table.Put(pair[0], pair[1], i)
				last[pair] = i
				if got, found := table.Find(pair[0], pair[1]); !found || got != i {
					t.Fatalf("%q: %d, %v after %d was put", pair, got, found, i)
				}
			}
		}
	})
}
