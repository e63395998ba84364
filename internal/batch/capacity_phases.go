package batch

import (
	"maps"
	"slices"

	"github.com/hxp-enterprise/hxp/internal/batch/capacity"
	"github.com/hxp-enterprise/hxp/internal/batch/report"
)

// The two phases of a request ask for different things: prefill reads the whole prompt before the first token, decode writes one token after the
// other. So each has a limit of its own, in tokens a second, and a request takes of it by its length. Where requests get longer, fewer of them fit.

// phase is what is told of where one phase of a model leaves its objective, with what plans need of it.
type phase struct {
	report.Phase
	peak float64 // load of the peaks of an hour relative to the hour
}

// phaseDays is how many days tell how long requests are now.
const phaseDays = 7

// phases tells of each model where time to first token and time per output token break, by tokens.
func (sc *scanned) phases(cfg *Planning, hours []hourUse, laws laws) []phase {
	out := []phase{}
	for _, model := range slices.Sorted(maps.Keys(sc.slices)) {
		if model == "" {
			continue
		}
		width := sc.width(model)
		prompt, completion := tokensOf(hours[max(0, len(hours)-24*phaseDays):], model)
		for _, p := range []struct {
			name   string
			tokens float64
			measure
		}{
			{"prefill", prompt, measure{"ttft_ms.p95", func(w *sliceOf) float64 { return float64(w.prompt) }, firstTokens, cfg.TTFT}},
			{"decode", completion, measure{"tpot_ms.p95", func(w *sliceOf) float64 { return float64(w.completion) }, func(w *sliceOf) []float64 { return w.tpot }, cfg.TPOT}},
		} {
			points := windows(sc.slices[model], width, p.measure)
			if len(points) == 0 || p.tokens <= 0 || p.objective <= 0 {
				continue
			}
			knee := capacity.FindKnee(sc.onTheMachinesNow(points, model, laws(model).Law()))
			out = append(out, phase{report.Phase{Model: model, Phase: p.name, Metric: p.metric, Objective: p.objective, Windows: len(points), Knee: knee, Tokens: p.tokens}, peakFactor(sc.slices[model], width)})
		}
	}
	return out
}

// tokensOf is how long the requests to a model are: prompt and answer, in tokens.
func tokensOf(hours []hourUse, model string) (prompt, completion float64) {
	requests := 0.0
	for _, h := range hours {
		for i := range h.rows {
			if r := &h.rows[i]; r.Model == model {
				requests, prompt, completion = requests+float64(r.Requests), prompt+float64(r.PromptTokens), completion+float64(r.CompletionTokens)
			}
		}
	}
	if requests == 0 {
		return 0, 0
	}
	return prompt / requests, completion / requests
}
