package rule

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// one decodes a rule that must be right.
func one(t testing.TB, text string) Rule {
	t.Helper()
	rules, faults := Decode([]byte(text))
	if len(faults) > 0 {
		t.Fatalf("%s\n%v", text, faults)
	}
	return rules[0]
}

// call is a request at a second of the test, to the microsecond.
func call(at float64, model string, success bool) event.Event {
	var e event.Event
	e.Kind, e.Time, e.HasTime = event.LLMRequest, testBegin+int64(at*1e6), true
	e.SetText(event.Model, model)
	e.SetText(event.RequestID, fmt.Sprintf("r-%s-%.6f", model, at))
	e.SetBool(event.Success, success)
	return e
}

// play shows an engine the events, in the order given or shuffled within what is allowed, and advances to every whole second or to
// some of them.
func play(t testing.TB, rules []Rule, events []event.Event, end int64, rnd *rand.Rand) []Decision {
	t.Helper()
	engine, err := New(rules, Options{})
	if err != nil {
		t.Fatal(err)
	}
	events = slices.Clone(events)
	slices.SortStableFunc(events, func(a, b event.Event) int { return int(min(max(a.Time-b.Time, -1), 1)) })
	for i := range events {
		events[i].ID = fmt.Sprint(i) // offset, kept over the shuffle
	}
	out := engine.Advance(testBegin)
	next := 0
	for now := int64(1); now <= end; now++ {
		if rnd != nil && rnd.IntN(3) > 0 && now < end {
			continue
		}
		from := next
		for next < len(events) && events[next].Time < testBegin+now*second {
			next++
		}
		batch := events[from:next]
		if rnd != nil {
			rnd.Shuffle(len(batch), func(i, j int) { batch[i], batch[j] = batch[j], batch[i] })
		}
		for i := range batch {
			var offset int64
			fmt.Sscan(batch[i].ID, &offset)
			engine.Event(&batch[i], Position{Kind: batch[i].Kind, Offset: offset})
		}
		out = append(out, engine.Advance(testBegin+now*second)...)
	}
	return out
}

// story is what decisions say, without the examples, which depend on the order in which events come.
func story(decisions []Decision) string {
	var b strings.Builder
	for _, d := range decisions {
		fmt.Fprintf(&b, "%.2f %s %s %v %g/%g [%d %d) %s\n", float64(int64(d.At)-testBegin)/1e6, d.Rule, d.State, d.Key, d.Value, d.Threshold, (int64(d.Window.Start)-testBegin)/second, (int64(d.Window.End)-testBegin)/second, d.ID)
	}
	return b.String()
}

// exported is the state of an engine in one piece.
func exported(g *Engine) []byte {
	e := g.Export()
	for e.Next() {
	}
	return slices.Concat(e.Pieces...)
}
