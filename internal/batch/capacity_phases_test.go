package batch

import (
	"math"
	"testing"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/batch/cost"
)

// A server that reads 4,000 and writes 500 tokens a second breaks there in both phases, and how many requests that is follows from how long they are now.
func TestPhases(t *testing.T) {
	sc := noRaw()
	sc.slices["m"] = map[int64]*sliceOf{}
	for i := range int64(60) { // sixty requests in each ten seconds, longer and longer
		w := &sliceOf{requests: 60, prompt: 1000 * (i + 1), completion: 125 * (i + 1)}
		for range 60 {
			first, each := 300.0, 50.0
			if w.prompt > 40_000 {
				first = 9000
			}
			if w.completion > 5_000 {
				each = 900
			}
			w.ttft, w.tpot = append(w.ttft, first), append(w.tpot, each)
		}
		sc.slices["m"][i] = w
	}
	hour := func(model string, n, prompt, completion int64) hourUse {
		return hourUse{start: planStart, rows: []agg.Row{{Model: model, Requests: n, PromptTokens: n * prompt, CompletionTokens: n * completion}}}
	}
	cfg := planningDefaults()
	got := sc.phases(&cfg, []hourUse{hour("other", 9, 9, 9), hour("m", 10, 2000, 100), hour("m", 30, 1000, 300)}, sc.laws(2000))
	if len(got) != 2 || got[0].Phase.Phase != "prefill" || got[1].Phase.Phase != "decode" {
		t.Fatalf("%+v", got)
	}
	for i, want := range []struct{ knee, tokens float64 }{{4000, 1250}, {500, 250}} {
		if k := got[i].Knee; k == nil || math.Abs(k.Load/want.knee-1) > 0.05 || got[i].Tokens != want.tokens {
			t.Errorf("%s: %+v at %v tokens a request, want %+v", got[i].Phase.Phase, k, got[i].Tokens, want)
		}
	}
	c := &course{phases: got}
	all := c.objectives("m")
	if len(all) != 2 || all[0].Name != "prefill_tokens" || math.Abs(all[0].Carries/(3600*got[0].Knee.Load/1250/got[0].peak)-1) > 1e-9 || c.objectives("other") != nil {
		t.Errorf("%+v", all)
	}
	if cfg.TPOT = 0; len(sc.phases(&cfg, []hourUse{hour("m", 1, 1, 1)}, sc.laws(2000))) != 1 {
		t.Error("decode is judged without an objective")
	}
}

// What a machine costs follows from the setting, else from the pools that serve the model.
func TestMachineHour(t *testing.T) {
	sc := noRaw()
	sc.machines[0] = fleet{map[string]bool{"a": true, "b": true}, map[string]map[string]bool{"m": {"a": true}}}
	c := &course{cfg: new(planningDefaults()), sc: sc, pools: []cost.Pool{{Name: "p", Models: []string{"m"}, GPUs: 4, GPUHourUSD: 2}, {Name: "q", Models: []string{"n"}, GPUs: 1, GPUHourUSD: 1}}}
	for _, tc := range []struct {
		model    string
		machines int
		usd      float64
	}{{"m", 1, 8}, {"n", 2, 0}, {agg.AllModels, 2, 4.5}, {"x", 2, 0}} {
		if usd, basis := c.machineHour(tc.model, tc.machines); usd != tc.usd || basis != "self_hosted" {
			t.Errorf("%s: %v by %s, want %v", tc.model, usd, basis, tc.usd)
		}
	}
	c.cfg.MachineUSD = 3
	if usd, basis := c.machineHour("m", 1); usd != 3 || basis != "machine_hour_usd" {
		t.Errorf("%v by %s", usd, basis)
	}
}
