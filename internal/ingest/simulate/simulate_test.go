package simulate

import (
	"bytes"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/event"
)

func stream(seed int64, d time.Duration, s Scenario) (lines [][]byte, byKind map[event.Kind]int) {
	start := time.Unix(1_750_000_000, 0)
	g, byKind := New(seed, Profile{Rate: 40, Scenario: s}, start), map[event.Kind]int{}
	for now := start; now.Before(start.Add(d)); now = now.Add(time.Second) {
		g.Due(now, func(e *event.Event) {
			if e.Time > now.UnixMicro() {
				panic("an event from the future")
			}
			byKind[e.Kind]++
			lines = append(lines, event.AppendJSON(nil, e))
		})
	}
	return lines, byKind
}

func TestSameSeedSameTraffic(t *testing.T) {
	for _, s := range Scenarios {
		a, kinds := stream(7, 3*time.Minute, s)
		b, _ := stream(7, 3*time.Minute, s)
		if !bytes.Equal(bytes.Join(a, nil), bytes.Join(b, nil)) {
			t.Errorf("%s: the same seed made other traffic", s)
		}
		for _, k := range event.Kinds {
			if kinds[k] == 0 {
				t.Errorf("%s: no %s", s, k)
			}
		}
		if c, _ := stream(8, 3*time.Minute, s); bytes.Equal(bytes.Join(a, nil), bytes.Join(c, nil)) {
			t.Errorf("%s: another seed made the same traffic", s)
		}
	}
}

func TestEventsAreValidAndCorrelated(t *testing.T) {
	lines, _ := stream(3, 5*time.Minute, Incident)
	var p event.Parser
	var e event.Event
	ids, requests, orphans := map[string]bool{}, map[string]bool{}, 0
	for _, l := range lines {
		if bad := p.Parse(l, &e); bad != nil {
			t.Fatalf("%s: %v", l, bad)
		}
		if ids[e.Clone().ID] {
			t.Fatalf("id %s twice", e.ID)
		}
		ids[e.Clone().ID] = true
		switch c := e.Clone(); e.Kind {
		case event.LLMRequest:
			requests[c.Text(event.RequestID)] = true
		case event.UserFeedback, event.BusinessEvent:
			if !requests[c.Text(event.RequestID)] {
				orphans++
			}
		}
	}
	if orphans > 0 {
		t.Errorf("%d ratings or business events came before their request", orphans)
	}
}
