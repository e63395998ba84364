package bus

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// Members come and go: everybody has equally many numbers within one, all numbers have one owner, no more move than must, and the
// order in which members are listed changes nothing.
func TestShare(t *testing.T) {
	rnd := rand.New(rand.NewPCG(6, 1))
	for range 500 {
		numbers := int32(1 + rnd.IntN(20))
		var members []claimant
		for step := range int32(8) {
			if len(members) == 0 || rnd.IntN(2) == 0 {
				members = append(members, claimant{name: fmt.Sprint("m", rnd.IntN(1000)), generation: -1})
			} else {
				members = slices.Delete(members, 0, 1+rnd.IntN(len(members)))
			}
			if len(members) == 0 {
				continue
			}
			owner := share(numbers, members)
			kept := check(t, numbers, members, owner)
			had := 0
			for _, m := range members {
				had += min(len(m.owns), (int(numbers)+len(members)-1)/len(members))
			}
			if slack := len(members); kept < had-slack {
				t.Errorf("%d of %d numbers moved, among %d members", had-kept, numbers, len(members))
			}
			turned := slices.Clone(members)
			slices.Reverse(turned)
			for n, i := range share(numbers, turned) {
				if turned[i].name != members[owner[n]].name {
					t.Fatalf("number %d depends on the order of the members", n)
				}
			}
			for i := range members {
				members[i].owns, members[i].generation = nil, step
			}
			for n, i := range owner {
				members[i].owns = append(members[i].owns, int32(n))
			}
			if again := share(numbers, members); !slices.Equal(again, owner) {
				t.Fatalf("what is balanced was shared out anew: %v, then %v", owner, again)
			}
		}
	}
}

// check tells how many numbers stayed where they were.
func check(t *testing.T, numbers int32, members []claimant, owner []int) (kept int) {
	t.Helper()
	count := make([]int, len(members))
	for n, i := range owner {
		if i < 0 || i >= len(members) {
			t.Fatalf("number %d of %d has no owner", n, numbers)
		}
		count[i]++
		if slices.Contains(members[i].owns, int32(n)) {
			kept++
		}
	}
	if slices.Max(count)-slices.Min(count) > 1 {
		t.Fatalf("%d numbers are shared out as %v", numbers, count)
	}
	return kept
}

// A member that was away still says that it has what others were given meanwhile: theirs is the later word.
func TestShareBelievesTheLatest(t *testing.T) {
	owner := share(4, []claimant{{"a", 3, []int32{0, 1, 2, 3}}, {"b", 5, []int32{2, 3}}})
	if want := []int{0, 0, 1, 1}; !slices.Equal(owner, want) {
		t.Errorf("owners %v, want %v", owner, want)
	}
}
