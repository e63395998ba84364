package rule

import (
	"fmt"
	"math"
	"testing"

	"github.com/hxp-enterprise/hxp/internal/event"
)

const promised = `name: promised
type: burn_rate
when: event_type == "llm_request"
good: data.success == true
objective: 0.99
group_by: [model]
min_count: 10
`

// Objectives count every event once, from the moment on that it is judged, also when the steps are coarse.
func TestObjectives(t *testing.T) {
	r := one(t, promised)
	g, err := New([]Rule{r}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := g.Objectives(); len(got) != 0 {
		t.Errorf("without events: %+v", got)
	}
	var parser event.Parser
	n := int64(0)
	send := func(from, count, every int64, model string, good bool) {
		for i := range count {
			at := testBegin + (from+i*every)*second
			var e event.Event
			if bad := parser.Parse(fmt.Appendf(nil, `{"event_id":"e%d","event_type":"llm_request","timestamp":0,"data":{"model":%q,"success":%t}}`, n, model, good), &e); bad != nil {
				t.Fatal(bad)
			}
			e.Time = at
			g.Event(&e, Position{Kind: e.Kind, Offset: n})
			n++
			g.Advance(at + second)
		}
	}
	send(0, 1000, 1, "a", true)
	send(1000, 50, 1, "a", false)
	send(1050, 20, 1, "b", true)
	g.Advance(testBegin + 1100*second)
	got := g.Objectives()
	if len(got) != 2 || got[0].Key["model"] != "a" || got[1].Key["model"] != "b" {
		t.Fatalf("%+v", got)
	}
	a, b := got[0], got[1]
	if a.Total != 1050 || a.Good != 1000 || math.Abs(a.Budget.Remaining-(1-50/(1050*0.01))) > 1e-9 || a.Budget.Bad != 50 {
		t.Errorf("%+v", a)
	}
	if len(a.Burn) != len(pairs) || a.Burn[0].Class != "page" || a.Burn[0].Long.String() != "1h" || math.Abs(*a.Burn[0].Rate-50.0/1050/0.01) > 1e-9 || a.Burn[0].Holds || !a.Burn[2].Holds {
		t.Errorf("%+v", a.Burn)
	}
	if b.Total != 20 || b.Good != 20 || b.Budget.Remaining != 1 || *b.Burn[0].Rate != 0 {
		t.Errorf("%+v", b)
	}
	g.Advance(testBegin + 7200*second) // the short windows are empty, the long one is not
	if a := g.Objectives()[0]; a.Total != 1050 || a.Burn[0].Rate != nil || a.Burn[0].ShortRate != nil || a.Burn[2].Rate == nil {
		t.Errorf("two hours later: %+v", a)
	}
	g.Advance(testBegin + (longest+7200)*second)
	if got := g.Objectives(); len(got) != 0 {
		t.Errorf("three days later: %+v", got)
	}
}
