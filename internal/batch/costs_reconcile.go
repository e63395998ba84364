package batch

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

// Gateways say what a request took, engines count what they did. Where the two differ, something is served that nobody pays for, or paid
// for that nobody served. Engines tell rates (prompt_tokens_per_second, generation_tokens_per_second); the mean rate of an engine in an
// hour times the hour is what it counted, as far as its samples cover the hour.

// reconciliation is the answer of GET /costs/reconciliation.
type reconciliation struct {
	From  time.Time        `json:"from"`
	To    time.Time        `json:"to"`
	Total reconciledHour   `json:"total"`
	Hours []reconciledHour `json:"hours"` // that have samples of engines
}

// reconciledHour compares one hour, or all of those that can be compared.
type reconciledHour struct {
	Hour    *time.Time `json:"hour,omitempty"`
	Engines int        `json:"engines"`
	Samples int        `json:"samples"`

	GatewayPrompt     int64    `json:"gateway_prompt_tokens"`
	GatewayCompletion int64    `json:"gateway_completion_tokens"`
	EnginePrompt      float64  `json:"engine_prompt_tokens"`
	EngineCompletion  float64  `json:"engine_completion_tokens"`
	PromptRatio       *float64 `json:"prompt_ratio"` // engine ÷ gateway
	CompletionRatio   *float64 `json:"completion_ratio"`
}

func (h *reconciledHour) compare() {
	if h.GatewayPrompt > 0 {
		h.PromptRatio = new(h.EnginePrompt / float64(h.GatewayPrompt))
	}
	if h.GatewayCompletion > 0 {
		h.CompletionRatio = new(h.EngineCompletion / float64(h.GatewayCompletion))
	}
}

func (s *Service) getReconciliation(w http.ResponseWriter, r *http.Request) {
	q := &query{values: r.URL.Query()}
	q.only("from", "to")
	a := reconciliation{Hours: []reconciledHour{}}
	a.From, a.To = s.costTimes(q)
	a.From, a.To = s.wholeHours(q, a.From, a.To.Add(time.Hour-1))
	if q.refused(w, r) {
		return
	}
	if _, err := asking(r.Context(), s, func() (struct{}, error) { return struct{}{}, s.reconcile(r.Context(), &a) }); err != nil {
		s.fail(w, r, err)
		return
	}
	writeJSON(w, a)
}

func writeJSON(w http.ResponseWriter, v any) { httpx.JSON(w, http.StatusOK, v) }

func (s *Service) reconcile(ctx context.Context, a *reconciliation) error {
	hours, err := s.deps.Hours.HourStates(ctx, a.From.Unix(), a.To.Unix())
	if err != nil {
		return err
	}
	rows := reading{}
	for _, h := range hours {
		files, _, _, err := s.deps.Hours.HourSnapshot(ctx, h.Hour)
		if err != nil {
			return err
		}
		files = metricFiles(files)
		if !rows.take(rowsOf(files)) {
			return tooMuch("from", "it takes more than %d raw events; ask for a shorter time", maxCostRows)
		}
		one := reconciledHour{Hour: new(timeOf(h.Hour))}
		if err := s.folder.engines(ctx, h.Hour, files, &one); err != nil {
			return err
		}
		if one.Engines == 0 {
			continue
		}
		table, err := s.costTable(ctx, &costQuery{from: timeOf(h.Hour), to: timeOf(h.Hour + 3600), rows: &rows})
		if err != nil {
			return err
		}
		one.GatewayPrompt, one.GatewayCompletion = table.Total.Tokens.Prompt, table.Total.Tokens.Completion
		one.compare()
		a.Hours = append(a.Hours, one)
		t := &a.Total
		t.Engines, t.Samples = max(t.Engines, one.Engines), t.Samples+one.Samples
		t.GatewayPrompt, t.GatewayCompletion = t.GatewayPrompt+one.GatewayPrompt, t.GatewayCompletion+one.GatewayCompletion
		t.EnginePrompt, t.EngineCompletion = t.EnginePrompt+one.EnginePrompt, t.EngineCompletion+one.EngineCompletion
	}
	a.Total.compare()
	return nil
}

// metricFiles are the files that hold system metrics.
func metricFiles(files []event.LakeFile) []event.LakeFile {
	return slices.DeleteFunc(slices.Clone(files), func(f event.LakeFile) bool {
		k, _ := event.KindOfTopic(f.Topic)
		return k != event.SystemMetric
	})
}

// engineRates are the rates that one engine told within an hour.
type engineRates struct {
	prompt, answer           agg.ExactSum
	promptCount, answerCount uint64
}

// engines adds up what the engines counted in an hour. An engine is a source and a host.
func (f *folder) engines(ctx context.Context, hour int64, files []event.LakeFile, h *reconciledHour) error {
	if len(files) == 0 {
		return nil
	}
	w, err := f.begin(ctx, hour, files, whole)
	if err != nil {
		return err
	}
	defer w.close()
	w.folder = &folder{scan: f.scan, readers: 1} // what it writes has one owner
	_, others := w.byKind()
	by, keep, row := map[[2]string]*engineRates{}, []int32{}, event.LakeRow{}
	_, err = forEach(ctx, w, w.units(others, true), func(event.Kind) event.LakeColumns {
		return event.ColumnsOf(event.LakeOffset, event.LakeTime, event.LakeSource, event.LakeExtra) | event.FieldsOf(event.Host)
	}, func() struct{} { return struct{}{} }, func(_ struct{}, s *source, b *event.LakeBlock) error {
		var err error
		if keep, err = w.choose(s, b, keep[:0]); err != nil {
			return err
		}
		b.KeepText()
		for _, i := range keep {
			if err := b.Row(int(i), &row); err != nil {
				return err
			}
			for _, m := range row.Event.Metrics {
				prompt := m.Name == "prompt_tokens_per_second"
				if !prompt && m.Name != "generation_tokens_per_second" {
					continue
				}
				key := [2]string{row.Event.Source, row.Event.Text(event.Host)}
				e := by[key]
				if e == nil {
					e = &engineRates{}
					by[key] = e
				}
				h.Samples++
				if prompt {
					e.prompt.Add(m.Value)
					e.promptCount++
				} else {
					e.answer.Add(m.Value)
					e.answerCount++
				}
			}
		}
		return nil
	})
	h.Engines = len(by)
	var prompt, answer agg.ExactSum // so that the order of the engines does not show
	for _, e := range by {
		if e.promptCount > 0 {
			prompt.Add(e.prompt.Mean(e.promptCount) * 3600)
		}
		if e.answerCount > 0 {
			answer.Add(e.answer.Mean(e.answerCount) * 3600)
		}
	}
	h.EnginePrompt, h.EngineCompletion = prompt.Mean(1), answer.Mean(1)
	return err
}
