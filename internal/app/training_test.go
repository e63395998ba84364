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

// training is the profile of its traffic.
var training = simulate.Profile{Rate: 50, Scenario: simulate.Incident}

// answers are those of docs/training.md, on one line.
func answers(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile("../../docs/training.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(strings.Join(strings.Fields(string(page)), " "), "## Answers")
	return text
}

// saying wants the answers to say something.
func saying(t *testing.T) func(format string, values ...any) {
	t.Helper()
	text := answers(t)
	return func(format string, values ...any) {
		t.Helper()
		if want := fmt.Sprintf(format, values...); !strings.Contains(text, want) {
			t.Errorf("the answers do not say %q", want)
		}
	}
}

// TestAnswersOfTheTraining holds the figures and names in the answers of docs/training.md that are about single incidents to the traffic of the
// training and to the rules that come with hxp. TestHoursOfTheTraining is about whole hours, TestTraining of test/e2e about what the program says.
func TestAnswersOfTheTraining(t *testing.T) {
	if testing.Short() {
		t.Skip("it judges 37 minutes of traffic")
	}
	says := saying(t)
	start := time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)
	begins, ends := 5*time.Minute, 9*time.Minute // of the first incident
	calm, bad := map[string]*taught{}, map[string]*taught{}
	engine, err := rule.New(rule.Pack(), rule.Options{})
	if err != nil {
		t.Fatal(err)
	}
	fired := map[bool][]rule.Decision{} // in the second incident or before
	resolved := map[string]time.Time{}
	g := simulate.New(1, training, start)
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
			switch d.State {
			case rule.Firing:
				second := s > 30*time.Minute
				fired[second] = append(fired[second], d)
			case rule.Resolved:
				resolved[d.ID] = time.UnixMicro(int64(d.At))
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
		if waits := strings.HasPrefix(d.Rule, "queue-"); d.Class == "" && waits != (d.StartsAt < first.StartsAt) {
			t.Errorf("%s starts at %v, %s at %v", d.Rule, d.StartsAt, first.Rule, first.StartsAt)
		}
	}
	says("%.0f %% of its requests fail", 100*float64(bad[slowest].failed)/float64(bad[slowest].requests))
	says("from %.0f ms to %.0f ms", median(calm[slowest].ttft), median(bad[slowest].ttft))
	says("from %.0f ms to %.0f ms", median(calm[slowest].tpot), median(bad[slowest].tpot))
	again := slices.IndexFunc(fired[true], func(d rule.Decision) bool { return d.Rule == first.Rule })
	if again < 0 || fired[true][again].ID == first.ID {
		t.Errorf("the second incident has no alert of its own: %v", fired[true])
	}
	says("resolved some %s minutes after its incident", [...]string{"no", "one", "two", "three"}[int(resolved[first.ID].Sub(start.Add(ends)).Round(time.Minute).Minutes())])
}

// minute is what came in one minute of the training.
type minute struct{ requests, failed int }

// TestHoursOfTheTraining holds the answers of docs/training.md that are about whole hours to its traffic: the three hours before, and what comes
// while it lasts.
func TestHoursOfTheTraining(t *testing.T) {
	if testing.Short() {
		t.Skip("it makes four hours of traffic")
	}
	says := saying(t)
	const past, live = 3 * time.Hour, 40 * time.Minute // until hours are looked at
	now := time.Date(2026, 3, 2, 10, 17, 0, 0, time.UTC)
	minutes := make([]minute, int((past + live).Minutes()))
	spent := map[string]map[string]*[2]int{"availability": {}, "ttft": {}} // by objective and model of the past: good, bad
	failed, scores, paid := map[string]bool{}, map[int]int{}, int64(0)
	slos := map[string]*rule.SLO{}
	for _, r := range rule.Pack() {
		if r.Type == rule.BurnRate {
			slos[r.Promise()] = r.Definition()
		}
	}
	judge := func(objective string, e *event.Event, good bool) {
		if spent[objective][e.Text(event.Model)] == nil {
			spent[objective][e.Text(event.Model)] = new([2]int)
		}
		spent[objective][e.Text(event.Model)][map[bool]int{true: 0, false: 1}[good]]++
	}
	see := func(e *event.Event) {
		at := time.UnixMicro(e.Time)
		switch ok := e.Bool(event.Success); e.Kind {
		case event.LLMRequest:
			m := &minutes[min(int(at.Sub(now.Add(-past)).Minutes()), len(minutes)-1)]
			m.requests++
			if !ok {
				m.failed++
				failed[e.Text(event.RequestID)] = true
				paid += e.Int(event.Cost)
			}
			if at.Before(now) {
				judge("availability", e, ok)
				if ok {
					judge("ttft", e, float64(e.Int(event.TTFT))/1e6 <= *slos["ttft"].Limit)
				}
			}
		case event.UserFeedback:
			if failed[e.Text(event.RequestID)] {
				scores[int(e.Float(event.SatisfactionScore))]++
			}
		}
	}
	simulate.New(1, training, now.Add(-past)).Due(now, see)
	simulate.New(1, training, now).Due(now.Add(live), see)

	if len(slos) != len(spent) {
		t.Errorf("there are the objectives %v", slos)
	}
	says("`availability` (%.0f %% succeed) and `ttft` (%.0f %% have their first token in time)", 100*slos["availability"].Objective, 100*slos["ttft"].Objective)
	for objective, models := range spent {
		for model, n := range models {
			left := 1 - float64(n[1])/(float64(n[0]+n[1])*(1-slos[objective].Objective))
			if over := objective == "availability" && model == "mixtral-8x7b"; over != (left < 0) || !over && left < 0.5 {
				t.Errorf("of the budget of %s for %s %.2f are left", model, objective, left)
			}
		}
	}
	says("had six incidents: the budget of `mixtral-8x7b` for availability is overspent")

	rated := 0
	for _, n := range scores {
		rated += n
	}
	says("one failed request in %s or so is rated", map[int]string{7: "seven", 8: "eight", 9: "nine"}[(len(failed)+rated/2)/rated])
	if seldom := float64(scores[3]) / float64(rated); seldom == 0 || seldom > 0.1 || scores[1]+scores[2]+scores[3] != rated {
		t.Errorf("failed requests have the scores %v", scores)
	}
	if paid != 0 {
		t.Errorf("failed requests cost %d", paid)
	}

	sum, fewest, most := minute{}, 1<<30, 0
	for i, m := range minutes {
		sum.requests, sum.failed = sum.requests+m.requests, sum.failed+m.failed
		if i >= 60 {
			sum.requests, sum.failed = sum.requests-minutes[i-60].requests, sum.failed-minutes[i-60].failed
		}
		if i >= 119 { // hours that were over when the training began, or are when they are looked at
			fewest, most = min(fewest, sum.failed), max(most, sum.failed)
			if sum.requests < 178_000 || sum.requests > 182_000 {
				t.Errorf("%d requests in an hour", sum.requests)
			}
		}
	}
	t.Logf("%d to %d failed requests in an hour", fewest, most)
	says("about 180,000 requests and %s to %s failed ones", thousands(fewest/100*100), thousands((most+99)/100*100))
}

func thousands(n int) string { return fmt.Sprintf("%d,%03d", n/1000, n%1000) }
