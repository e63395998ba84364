package watch

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/event"
)

// asked makes the cells of models with so many requests each.
func asked(requests map[string]int) map[string]*agg.Cell {
	cells := map[string]*agg.Cell{}
	for model, n := range requests {
		c := new(agg.Cell)
		for range n {
			c.Add(&event.Event{Kind: event.LLMRequest}, false)
		}
		cells[model] = c
	}
	return cells
}

func invented(from, n int) map[string]int {
	names := map[string]int{}
	for i := range n {
		names[fmt.Sprintf("invented-%06d", from+i)] = 1
	}
	return names
}

// Names that a stranger invents take the places of nobody who is asked more, and do not keep theirs from one who is.
func TestInventedModelsKeepNobodyUnwatched(t *testing.T) {
	w, at := New(), int64(0)
	step := func(requests map[string]int) {
		at += Step
		w.Step(at, asked(requests), Content)
		if len(w.models) > MaxModels {
			t.Fatalf("%d models are watched", len(w.models))
		}
	}
	step(invented(0, 2*MaxModels))
	if len(w.models) != MaxModels {
		t.Fatalf("%d models are watched", len(w.models))
	}
	honest := map[string]int{"busy": 50, "modest": 5}
	for range 2 {
		step(honest)
	}
	for model := range honest {
		if w.models[model] == nil {
			t.Fatalf("%s is not watched", model)
		}
	}
	for i := range 20 {
		all := invented(1000*(i+1), MaxModels)
		maps.Copy(all, honest)
		step(all)
	}
	for model := range honest {
		if m := w.models[model]; m == nil || m[0].steps < 21 {
			t.Errorf("%s lost its place", model)
		}
	}
}

// A place is lost to one who is asked clearly more alone, never while an anomaly is open, and one in a step.
func TestPlaces(t *testing.T) {
	full := func() *Watcher {
		w := New()
		requests := map[string]int{}
		for i := range MaxModels {
			requests[fmt.Sprintf("m%03d", i)] = 100 + i
		}
		w.Step(Step, asked(requests), Content)
		w.Step(2*Step, asked(requests), Content)
		return w
	}
	for _, c := range []struct {
		name    string
		more    map[string]int
		open    []string
		in, out []string
	}{
		{name: "more than twice", more: map[string]int{"new": 202}, in: []string{"new"}, out: []string{"m000"}},
		{name: "about twice", more: map[string]int{"new": 201}},
		{name: "the busiest of two", more: map[string]int{"a": 500, "b": 501}, in: []string{"b"}, out: []string{"m000"}},
		{name: "an open anomaly", more: map[string]int{"new": 500}, open: []string{"m000", "m001"}, in: []string{"new"}, out: []string{"m002"}},
		{name: "the fewest is busy now", more: map[string]int{"new": 500, "m000": 499}, in: []string{"new"}, out: []string{"m001"}},
		{name: "no name", more: map[string]int{"": 500}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := full()
			want := slices.Collect(maps.Keys(w.models))
			for _, model := range c.open {
				w.models[model][0].open = &Anomaly{Model: model}
			}
			w.Step(3*Step, asked(c.more), Content)
			want = slices.DeleteFunc(append(want, c.in...), func(m string) bool { return slices.Contains(c.out, m) })
			slices.Sort(want)
			if got := slices.Sorted(maps.Keys(w.models)); !slices.Equal(got, want) {
				t.Errorf("watched %v, want %v", got, want)
			}
		})
	}
}

// Of those who come at once those who are asked most are watched, whatever the order of the map.
func TestTheBusiestAreWatched(t *testing.T) {
	requests := invented(0, 3*MaxModels)
	want := []string{}
	for i := range MaxModels {
		model := fmt.Sprintf("z%03d", i)
		requests[model] = 2
		want = append(want, model)
	}
	w := New()
	w.Step(Step, asked(requests), Content)
	if got := slices.Sorted(maps.Keys(w.models)); !slices.Equal(got, want) {
		t.Errorf("watched %v", got)
	}
}
