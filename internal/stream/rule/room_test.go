package rule

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// With all places taken, a key that comes gets that of the key that was silent longest, so its alerts are told; what that spent of its
// budget counts among the others. It is the same where the state is written and read meanwhile.
func TestSilentKeysMakeRoom(t *testing.T) {
	rules := []Rule{one(t, promised+"max_groups: 3\n")}
	const day = 24 * 3600
	run := func(restart bool) (all []Decision, stands []string, overflow uint64) {
		g, err := New(rules, Options{})
		if err != nil {
			t.Fatal(err)
		}
		n := int64(0)
		send := func(at float64, models string, good, bad int) {
			for _, model := range strings.Fields(models) {
				for i := range good + bad {
					e := call(at, model, i < good)
					g.Event(&e, Position{Kind: e.Kind, Offset: n})
					n++
				}
			}
			all = append(all, g.Advance(testBegin+int64(at+30)*second)...)
			var now []string
			for _, o := range g.Objectives() {
				now = append(now, fmt.Sprintf("%s %d-%d", o.Key["model"], o.Total, o.Budget.Bad))
			}
			stands = append(stands, strings.Join(now, ", "))
			if restart {
				overflow += g.Stats().Overflow
				next, err := New(rules, Options{})
				if err != nil {
					t.Fatal(err)
				}
				if err := next.Import(exported(g)); err != nil {
					t.Fatal(err)
				}
				g = next
			}
		}
		send(0, "b", 20, 1)
		send(3600, "a", 10, 0)
		send(7200, "c", 30, 0)
		for i := range int64(4) { // three days without a and b
			send(float64(8000+(i+1)*day), "c", 1, 0)
		}
		send(5*day, "d", 0, 50)
		send(5*day+60, "e f", 1, 0)
		send(5*day+120, "b", 1, 0)
		return all, stands, overflow + g.Stats().Overflow
	}
	all, stands, overflow := run(false)
	want := []string{"b 21-1", "a 10-0, b 21-1", "a 10-0, b 21-1, c 30-0", "a 10-0, b 21-1, c 31-0", "a 10-0, b 21-1, c 32-0", "a 10-0, b 21-1, c 33-0", "a 10-0, b 21-1, c 34-0",
		"__other__ 21-1, a 10-0, c 34-0, d 50-50",
		"__other__ 32-1, c 34-0, d 50-50, e 1-0", // a left for e, and nobody for f
		"__other__ 33-1, c 34-0, d 50-50, e 1-0",
	}
	if !reflect.DeepEqual(stands, want) || overflow != 2 {
		t.Errorf("the objectives stand\n%s\nwant\n%s\nand %d overflowed", strings.Join(stands, "\n"), strings.Join(want, "\n"), overflow)
	}
	paged := false
	for _, d := range all {
		paged = paged || d.Class == "page" && d.State == Firing && d.Key["model"] == "d"
	}
	if !paged {
		t.Errorf("nobody is told of the key that came: %+v", all)
	}
	again, stood, over := run(true)
	if !reflect.DeepEqual(stood, stands) || over != overflow || story(again) != story(all) {
		t.Errorf("with restarts the objectives stand\n%s\n%d overflowed, told\n%s", strings.Join(stood, "\n"), over, story(again))
	}
}
