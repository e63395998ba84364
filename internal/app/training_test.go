package app

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/ingest/simulate"
	"github.com/hxp-enterprise/hxp/internal/stream/rule"
)

// taught is what a model does in a stretch of the training's traffic.
type taught struct {
	requests, failed int
	took             time.Duration // all of it
	ttft, tpot       []float64     // of what succeeded, in ms
}

func (x *taught) add(e *event.Event) {
	x.requests++
	x.took += time.Duration(e.Int(event.DurationMS))
	if !e.Bool(event.Success) {
		x.failed++
		return
	}
	x.ttft, x.tpot = append(x.ttft, float64(e.Int(event.TTFT))/1e6), append(x.tpot, float64(e.Int(event.TPOT))/1e6)
}

// TestAnswersOfTheTraining holds the figures and names in the answers of docs/training.md to the traffic of the training and to the rules
// that come with hxp.
func TestAnswersOfTheTraining(t *testing.T) {
	if testing.Short() {
		t.Skip("it judges 37 minutes of traffic")
	}
	page, err := os.ReadFile("../../docs/training.md")
	if err != nil {
		t.Fatal(err)
	}
	_, answers, _ := strings.Cut(strings.Join(strings.Fields(string(page)), " "), "## Answers")
	says := func(format string, values ...any) {
		t.Helper()
		if want := fmt.Sprintf(format, values...); !strings.Contains(answers, want) {
			t.Errorf("the answers do not say %q", want)
		}
	}

	start := time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)
	begins, ends := 5*time.Minute, 9*time.Minute // of the first incident
	calm, bad := map[string]*taught{}, map[string]*taught{}
	engine, err := rule.New(rule.Pack(), rule.Options{})
	if err != nil {
		t.Fatal(err)
	}
	fired := map[bool][]rule.Decision{} // in the second incident or before
	g := simulate.New(1, simulate.Profile{Rate: 50, Scenario: simulate.Incident}, start)
	offset := int64(0)
	for s := time.Duration(0); s < 37*time.Minute; s += time.Second {
		g.Due(start.Add(s), func(e *event.Event) {
			offset++
			engine.Event(e, rule.Position{Kind: e.Kind, Offset: offset})
			into, of := time.UnixMicro(e.Time).Sub(start), calm
			if into > begins {
				of = bad
			}
			if e.Kind == event.LLMRequest && into < ends {
				if of[e.Text(event.Model)] == nil {
					of[e.Text(event.Model)] = new(taught)
				}
				of[e.Text(event.Model)].add(e)
			}
		})
		for _, d := range engine.Advance(start.Add(s).UnixMicro()) {
			if d.State == rule.Firing {
				second := s > 30*time.Minute
				fired[second] = append(fired[second], d)
			}
		}
	}

	all, slowest := taught{}, ""
	for model, x := range calm {
		all.requests, all.failed = all.requests+x.requests, all.failed+x.failed
		if slowest == "" || x.took/time.Duration(x.requests) > calm[slowest].took/time.Duration(calm[slowest].requests) {
			slowest = model
		}
	}
	says("about %.0f requests a second", float64(all.requests)/begins.Seconds())
	says("%.1f %% of them fail", 100*float64(all.failed)/float64(all.requests))
	says("`%s` is the slowest, at %.0f s on average", slowest, (calm[slowest].took / time.Duration(calm[slowest].requests)).Seconds())

	first := fired[false][0]
	after := time.UnixMicro(int64(first.At)).Sub(start) - begins
	says("`%s`, %.0f s after the first failures, for `%s`", first.Rule, after.Seconds(), slowest)
	if first.Key["model"] != slowest {
		t.Errorf("the first alert is of %v", first.Key)
	}
	says("[its runbook](%s)", strings.TrimPrefix(first.Annotations["runbook_url"], "docs/"))
	for _, d := range fired[false][1:] {
		says("`%s`", d.Rule)
	}
	says("%.0f %% of its requests fail", 100*float64(bad[slowest].failed)/float64(bad[slowest].requests))
	says("from %.0f ms to %.0f ms", median(calm[slowest].ttft), median(bad[slowest].ttft))
	says("from %.0f ms to %.0f ms", median(calm[slowest].tpot), median(bad[slowest].tpot))
	again := slices.IndexFunc(fired[true], func(d rule.Decision) bool { return d.Rule == first.Rule })
	if again < 0 || fired[true][again].ID == first.ID {
		t.Errorf("the second incident has no alert of its own: %v", fired[true])
	}
}
