package watch

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// Step is the length of a step in seconds.
const Step = 10

// MaxModels is how many models are watched. One that comes when there are so many takes the place of one that is asked clearly less.
const MaxModels = 200

// forgotten is for how many steps a model may be silent before it is not watched any more.
const forgotten = 24 * 3600 / Step

// Opinion is what a detector says of an anomaly.
type Opinion struct {
	Name  string  `json:"name"`
	Score float64 `json:"score"` // how sure, 0 to 1
	Says  string  `json:"says"`
}

// Anomaly is a time in which a metric of a model was not as usual. Times are unix seconds.
type Anomaly struct {
	ID         string
	Metric     string
	Model      string
	Since      int64 // when it began, as far as can be told
	DetectedAt int64 // end of the step in which two detectors agreed
	EndedAt    int64 // 0 while it is open
	Up         bool
	Value      float64 // of the minute before DetectedAt
	Usual      float64
	Confidence float64 // 1 − the product of the doubts
	Opinions   []Opinion
}

// Watcher watches the models. It is not for concurrent use.
type Watcher struct {
	models map[string]*[len(metrics)]series
}

// New makes a watcher that has seen nothing.
func New() *Watcher { return &Watcher{models: map[string]*[len(metrics)]series{}} }

// Step takes the cells of the step that began at a second, by model, and returns the anomalies that opened or closed, in order.
// Steps come one after another without a gap.
func (w *Watcher) Step(at int64, cells map[string]*agg.Cell) (changed []*Anomaly) {
	w.welcome(cells)
	nothing := new(agg.Cell)
	for _, model := range slices.Sorted(maps.Keys(w.models)) {
		c := cells[model]
		if c == nil {
			c = nothing
		}
		m := w.models[model]
		for i := range m {
			s := &m[i]
			s.step(s.metric.read(c), at)
			if a := s.judge(model, at); a != nil {
				changed = append(changed, a)
			}
		}
		if m[0].silent > forgotten {
			delete(w.models, model)
		}
	}
	return changed
}

// Open lists the anomalies that are open, the oldest first.
func (w *Watcher) Open() (out []*Anomaly) {
	for _, m := range w.models {
		for i := range m {
			if m[i].open != nil {
				out = append(out, m[i].open)
			}
		}
	}
	slices.SortFunc(out, func(a, b *Anomaly) int {
		return cmp.Or(cmp.Compare(a.DetectedAt, b.DetectedAt), cmp.Compare(a.ID, b.ID))
	})
	return out
}

// judge opens an anomaly when two detectors agree, and closes it when all are silent.
func (s *series) judge(model string, at int64) *Anomaly {
	speaking := 0
	var up [2][]voice
	for i := range s.voices {
		if s.at[i] == at {
			speaking++
		}
		if s.at[i] > at-window*Step && s.at[i] > 0 {
			d := 0
			if s.voices[i].up {
				d = 1
			}
			up[d] = append(up[d], s.voices[i])
		}
	}
	if s.open == nil {
		for _, voices := range up {
			if speaking > 0 && len(voices) >= 2 && s.grave(voices) {
				return s.begin(model, at, voices)
			}
		}
		return nil
	}
	s.lasted++
	if speaking > 0 && s.lasted < 2*accepted {
		s.calm = 0
		return nil
	}
	if s.calm++; s.calm < settled && s.lasted < 2*accepted {
		return nil
	}
	a := s.open
	a.EndedAt = at + Step
	s.open, s.calm, s.lasted, s.high, s.low = nil, 0, 0, cusum{}, cusum{}
	return a
}

// grave tells whether voices are worth an anomaly. How much people ask for drifts all day: a count must be improbable by itself.
func (s *series) grave(voices []voice) bool {
	return s.metric.kind != count || slices.ContainsFunc(voices, func(v voice) bool { return v.name == "tail" || v.name == "silence" })
}

func (s *series) begin(model string, at int64, voices []voice) *Anomaly {
	a := &Anomaly{Metric: s.metric.name, Model: model, Since: at, DetectedAt: at + Step, Up: voices[0].up, Usual: s.shown(s.usual)}
	a.Value, _ = s.minute()
	doubt := 1.0
	for _, v := range voices {
		a.Since = min(a.Since, v.since)
		a.Opinions = append(a.Opinions, Opinion{v.name, v.score, v.says})
		doubt *= 1 - v.score
	}
	a.Confidence = 1 - doubt
	a.ID = id(a)
	s.open, s.calm, s.lasted = a, 0, 0
	return a
}

func id(a *Anomaly) string {
	text, err := json.Marshal([]any{a.Metric, a.Model, a.DetectedAt})
	if err != nil {
		panic(fmt.Sprintf("watch: %v", err)) // texts and a number
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:12])
}
