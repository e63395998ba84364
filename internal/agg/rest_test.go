package agg

import (
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// TestRest: what is taken away from a cell leaves what folding the other events gives, or is refused.
func TestRest(t *testing.T) {
	told := 0
	rapid.Check(t, func(t *rapid.T) {
		apart := rapid.Bool().Draw(t, "requests and samples stay together")
		samples := rapid.Bool().Draw(t, "samples are named")
		small := rapid.Bool().Draw(t, "no sum is full")
		draw := newDice(rapid.Uint64().Draw(t, "coins"))
		var whole, named, rest Cell
		for _, e := range genEvents(t) {
			if e.Kind == event.BusinessEvent && small {
				e.SetInt(event.BusinessValue, e.Int(event.BusinessValue)%1e6)
				e.SetInt(event.Cost, max(e.Int(event.Cost), 0)%1e6)
			}
			of := &rest
			switch {
			case apart && e.Kind == event.LLMRequest, apart && e.Kind == event.SystemMetric && samples:
				of = &named
			case apart && e.Kind == event.SystemMetric:
			case draw.below(2) == 0:
				of = &named
			}
			late := draw.below(3) == 0
			whole.Add(e, late)
			of.Add(e, late)
		}
		got, ok := whole.Rest(&named)
		if knowable := rest.Requests == 0 && max(whole.Business.Gain, whole.Business.Loss, whole.Business.Cost) < math.MaxInt64 && (rest.System.Samples == 0 || named.System.Samples == 0); ok != knowable {
			t.Fatalf("known %v, want %v", ok, knowable)
		}
		if ok && !got.Equal(&rest) {
			t.Fatalf("%x, want %x", got.Append(nil), rest.Append(nil))
		}
		var sum Cell
		sum.Merge(&named)
		sum.Merge(&rest)
		if !sum.Equal(&whole) {
			t.Fatal("the parts are changed")
		}
		if ok && named.Feedback.Scores > 0 && rest.Feedback.Scores > 0 && named.Business.Events > 0 && rest.Business.Events > 0 {
			told++
		}
	})
	if told == 0 && !testing.Short() { // which tries few
		t.Error("nothing was taken away")
	}
}
