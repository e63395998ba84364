package rule

import (
	"testing"
	"time"
)

// TestCosts: a rule costs the time that passes while it is judged, and one judgement for each of its groups and looks; a change of another rule
// takes nothing from it, and without a clock no time is told.
func TestCosts(t *testing.T) {
	many := one(t, "name: many\ntype: ratio\nof: data.success == false\nop: '>'\nvalue: 0.5\nwindow: 10s\ngroup_by: [model]")
	all := one(t, "name: all\ntype: ratio\nof: data.success == false\nop: '>'\nvalue: 0.5\nwindow: 10s")
	asked := time.Duration(0)
	g, err := New([]Rule{many, all}, Options{Clock: func() time.Duration { asked += time.Millisecond; return asked }})
	if err != nil {
		t.Fatal(err)
	}
	g.Advance(testBegin)
	for _, model := range []string{"a", "b", "c"} {
		e := call(1, model, true)
		g.Event(&e, Position{})
	}
	g.Advance(testBegin + 4*second)
	costs := map[string]Cost{}
	for _, c := range g.Costs() {
		costs[c.Rule] = c
	}
	if m, a := costs["many"], costs["all"]; m.Groups != 3 || a.Groups != 1 || a.Looks == 0 || m.Looks != 3*a.Looks || m.Spent == 0 || m.Spent != a.Spent || m.Bytes <= a.Bytes {
		t.Errorf("%+v", costs)
	}
	p, err := Compile([]Rule{many})
	if err != nil {
		t.Fatal(err)
	}
	g.Swap(p)
	if got := g.Costs(); len(got) != 1 || got[0].Looks != costs["many"].Looks || got[0].Spent != costs["many"].Spent {
		t.Errorf("after a change of another rule: %+v, was %+v", got, costs["many"])
	}
	g, _ = New([]Rule{many}, Options{})
	g.Advance(testBegin)
	e := call(1, "a", true)
	g.Event(&e, Position{})
	g.Advance(testBegin + 4*second)
	if got := g.Costs()[0]; got.Spent != 0 || got.Looks == 0 {
		t.Errorf("without a clock: %+v", got)
	}
}
