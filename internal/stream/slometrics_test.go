package stream

import (
	"fmt"
	"testing"

	"github.com/hxp-enterprise/hxp/internal/stream/rule"
)

// However many groups an objective has, few of them have series; those that have one keep it while they exist.
func TestFewSeriesOfAnObjective(t *testing.T) {
	r, other := &rule.Rule{Name: "a"}, &rule.Rule{Name: "b"}
	of := func(n int) (all []rule.Counted) {
		for i := range n {
			all = append(all, rule.Counted{Rule: r, Values: []string{fmt.Sprint(i)}, Total: int64(i)})
		}
		return append(all, rule.Counted{Rule: other, Values: []string{"x"}, Total: 1})
	}
	c := &sloCollector{}
	seen := func(all []rule.Counted, hidden int) map[string]bool {
		t.Helper()
		groups, left := c.choose(all)
		out := map[string]bool{}
		for _, o := range groups[r.Promise()] {
			out[o.Values[0]] = true
		}
		if len(groups[other.Promise()]) != 1 || left[r.Promise()] != hidden || len(out)+hidden != len(all)-1 {
			t.Fatalf("%d shown, %d hidden, %d of the other", len(out), left[r.Promise()], len(groups[other.Promise()]))
		}
		return out
	}
	first := seen(of(500), 400)
	if !first["499"] || !first["400"] || first["399"] {
		t.Error("the larger groups are not those that are shown")
	}
	for key := range seen(of(1000), 900) {
		if !first[key] {
			t.Errorf("group %s took the place of another one", key)
		}
	}
	if again := seen(of(350), 250); !again["349"] || !again["250"] || again["249"] {
		t.Error("what is gone does not make room")
	}
}
