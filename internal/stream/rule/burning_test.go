package rule

import (
	"fmt"
	"testing"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// What is spent too fast is listed by key for as long as it is, what calls people first.
func TestBurning(t *testing.T) {
	rules, faults := Decode([]byte(`
slos:
  - {name: works, indicator: availability, objective: 0.9, min_count: 10}
  - {name: all, indicator: availability, objective: 0.99, min_count: 10, group_by: [tenant]}`))
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	g, err := New(rules, Options{})
	if err != nil {
		t.Fatal(err)
	}
	at := int64(1_700_000_000)
	for i := range int64(600) {
		for _, model := range []string{"bad", "good"} {
			e := event.Event{Kind: event.LLMRequest, Time: (at + i) * 1e6, HasTime: true}
			e.SetText(event.Model, model)
			e.SetText(event.Tenant, "t")
			e.SetBool(event.Success, model == "good" || i%4 != 0)
			g.Event(&e, Position{Offset: i})
		}
		g.Advance((at + i) * 1e6)
	}
	want := "[{all availability  true} {works availability bad false}]" // 2.5 times as fast as allowed is a ticket
	if got := fmt.Sprint(g.Burning()); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	g.Advance((at + 5*24*3600) * 1e6)
	if got := g.Burning(); len(got) != 0 {
		t.Errorf("days later: %v", got)
	}
}
