package watch

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// drip is a model of which requests begin to fail, so many in a step. Of one in a hundred one detector at most speaks.
func drip(at int64, errors uint64) *agg.Cell {
	c := asked(map[string]int{"m": 100})["m"]
	c.Unknown = 0
	if at >= 1800 && at < 2400 {
		c.Errors = errors
	}
	return c
}

// follow shows a watcher the drip and tells what it says.
func follow(errors uint64, suffers Suffering) string {
	var story []string
	w := New()
	for at := int64(Step); at < 3000; at += Step {
		for _, a := range w.Step(at, map[string]*agg.Cell{"m": drip(at, errors)}, suffers) {
			state := "begins"
			if a.EndedAt != 0 {
				state = "ends"
			}
			story = append(story, fmt.Sprintf("%s %s of %d [%s %v]", a.Metric, state, len(a.Opinions), a.Objective, a.Urgent))
		}
	}
	return strings.Join(story, ", ")
}

// One detector wakes nobody, unless an objective of the same series suffers. When it suffers more, that is said too, by another anomaly
// in place of the first.
func TestSuffering(t *testing.T) {
	const slo = "availability"
	for name, tt := range map[string]struct {
		suffers Suffering
		want    string
	}{
		"nothing suffers":   {Content, ""},
		"another model":     {func(model, _ string) (string, bool) { return map[string]string{"x": slo}[model], true }, ""},
		"another metric":    {func(_, metric string) (string, bool) { return map[string]string{"ttft_ms.p50": slo}[metric], true }, ""},
		"the series":        {func(_, metric string) (string, bool) { return map[string]string{"error_rate": slo}[metric], false }, "error_rate begins of 1 [availability false], error_rate ends of 1 [availability false]"},
		"the series, badly": {func(_, metric string) (string, bool) { return map[string]string{"error_rate": slo}[metric], true }, "error_rate begins of 1 [availability true], error_rate ends of 1 [availability true]"},
	} {
		if got := follow(1, tt.suffers); got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
	asks := 0
	worse := func(_, metric string) (string, bool) {
		if metric != "error_rate" {
			return "", false
		}
		asks++
		return slo, asks > 2
	}
	const want = "error_rate begins of 1 [availability false], error_rate ends of 1 [availability false], error_rate begins of 2 [availability true], error_rate ends of 2 [availability true]"
	if got := follow(3, worse); got != want {
		t.Errorf("it becomes worse: %q, want %q", got, want)
	}
}

// An anomaly that helps the objective is none because of it: fewer errors, or happier users, while it suffers from what was before.
func TestSufferingHasADirection(t *testing.T) {
	for i := range metrics {
		if m := &metrics[i]; m.hurts(true) == m.hurts(false) || m.hurts(true) != (m.name != "feedback.satisfaction") {
			t.Errorf("%s", m.name)
		}
	}
	all := func(string, string) (string, bool) { return "x", true }
	rnd := rand.New(rand.NewPCG(1, 1))
	m := anyTraffic(rnd, "m", 5)
	m.swing, m.rough = 0, 0
	faster := &fault{latency: 0.5, from: 1500, to: 2400}
	w, found := New(), 0
	for at := int64(Step); at < 2400; at += Step {
		for _, a := range w.Step(at, map[string]*agg.Cell{"m": m.step(rnd, at, faster)}, all) {
			if a.Metric != "latency_ms.p50" || a.Up {
				continue
			}
			if found++; a.Objective != "" || a.Urgent {
				t.Errorf("%+v", a)
			}
		}
	}
	if found == 0 {
		t.Error("that it is faster is not found")
	}
}
