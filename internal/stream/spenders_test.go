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
			names := make([]string, len(s.list))
			for i := range s.list {
				names[i] = s.list[i].user
			}
			want = bestOf(want, names, n)
		}
		if got := maps.Collect(s.best(n).all()); !maps.Equal(got, want) {
			t.Fatalf("best %d: %v, want %v", n, got, want)
		}
	})
}

// bestOf finds the best among names in the order in which they came.
func bestOf(all map[string]spend, names []string, n int) map[string]spend {
	rest := all[otherName]
	delete(all, otherName)
	out := map[string]spend{}
	for _, by := range spendMetrics {
		ranked := slices.Clone(names)
		slices.SortStableFunc(ranked, func(a, b string) int { return cmp.Compare(by(all[b]), by(all[a])) })
		for _, name := range ranked[:n] {
			if by(all[name]) > 0 {
				out[name] = all[name]
			}
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
