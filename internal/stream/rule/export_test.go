package rule

import "testing"

// What a single event changes in a group while the state is written is not in the state.
func TestExportIsOfOneMoment(t *testing.T) {
	rules := []Rule{one(t, "name: x\ntype: sequence\nsteps: [data.success == false]\nwithin: 1s\nkeep_firing_for: 1h\ngroup_by: [model]")}
	program, err := Compile(rules)
	if err != nil {
		t.Fatal(err)
	}
	g, folder := NewEngine(program, Options{}), program.Folder()
	g.Advance(testBegin)
	fails := func(at float64) []Decision {
		p := folder.Begin()
		defer p.Release()
		e := call(at, "a", false)
		folder.Event(p, &e, e.Time, Position{})
		return g.Merge(p)
	}
	told := fails(0.1)
	if len(told) != 1 {
		t.Fatalf("%d decisions of one event", len(told))
	}
	g.Drop(&told[0]) // another instance told that it is over; the group stays until the next look
	e := g.Export()
	if again := fails(0.2); len(again) != 1 {
		t.Fatalf("%d decisions while the state is written", len(again))
	}
	for e.Next() {
	}
	back := NewEngine(program, Options{})
	var state []byte
	for _, piece := range e.Pieces {
		state = append(state, piece...)
	}
	if err := back.Import(state); err != nil {
		t.Fatal(err)
	}
	if open := back.Open(); len(open) != 0 {
		t.Errorf("the state has what came after it: %+v", open)
	}
	if open := g.Open(); len(open) != 1 {
		t.Errorf("the engine has %+v", open)
	}
}
