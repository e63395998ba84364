package stream

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// Spenders are what a map would be, and the best of them those that sorting finds.
func TestSpendersAreAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, want := &spenders{}, map[string]spend{}
		most := rapid.IntRange(1, 60).Draw(t, "most")
		for range rapid.IntRange(0, 200).Draw(t, "requests") {
			user := strings.Repeat("u", rapid.IntRange(0, 3).Draw(t, "length")) + fmt.Sprint(rapid.IntRange(0, 50).Draw(t, "user"))
			x := spend{1, rapid.Int64Range(0, 3).Draw(t, "tokens"), rapid.Int64Range(0, 1).Draw(t, "cost")}
			s.take(user, x, most)
			room := most
			if _, more := want[otherName]; more {
				room++
			}
			if _, known := want[user]; !known && len(want) >= room {
				user = otherName
			}
			have := want[user]
			have.add(x)
			want[user] = have
		}
		if got := maps.Collect(s.all()); !maps.Equal(got, want) || s.len() != len(want) {
			t.Fatalf("%v, want %v", got, want)
		}
		n := rapid.IntRange(1, 60).Draw(t, "best")
		if len(s.list) > n {
			want = bestOf(want, n)
		}
		if got := maps.Collect(s.best(n).all()); !maps.Equal(got, want) {
			t.Fatalf("best %d: %v, want %v", n, got, want)
		}
	})
}

func bestOf(all map[string]spend, n int) map[string]spend {
	rest := all[otherName]
	delete(all, otherName)
	out := map[string]spend{}
	for _, by := range spendMetrics {
		names := slices.SortedFunc(maps.Keys(all), func(a, b string) int { return cmp.Or(cmp.Compare(by(all[b]), by(all[a])), strings.Compare(a, b)) })
		for _, name := range names[:min(n, len(names))] {
			out[name] = all[name]
		}
	}
	for name, x := range all {
		if _, kept := out[name]; !kept {
			rest.add(x)
		}
	}
	if rest != (spend{}) {
		out[otherName] = rest
	}
	return out
}
