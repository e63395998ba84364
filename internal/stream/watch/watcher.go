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
	Objective  string // that suffers in it; "" when none is known to
	Urgent     bool   // it suffers so much that people are to be called
}

// Suffering tells which objective suffers in a metric of a model, and whether so much that people are called; "" when none does.
type Suffering func(model, metric string) (objective string, urgent bool)

// Content is Suffering where nothing does.
func Content(string, string) (objective string, urgent bool) { return "", false }

// Watcher watches the models. It is not for concurrent use.
type Watcher struct {
	models map[string]*[len(metrics)]series
}

// New makes a watcher that has seen nothing.
func New() *Watcher { return &Watcher{models: map[string]*[len(metrics)]series{}} }

// Step takes the cells of the step that began at a second, by model, and what suffers by then. It returns the anomalies that opened or
// closed, in order. Steps come one after another without a gap.
func (w *Watcher) Step(at int64, cells map[string]*agg.Cell, suffers Suffering) (changed []*Anomaly) {
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
			changed = append(changed, s.judge(model, at, suffers)...)
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

// Models lists the models that are watched, by name.
func (w *Watcher) Models() []string { return slices.Sorted(maps.Keys(w.models)) }

// judge opens an anomaly when two detectors agree, or one does where an objective suffers, and closes it when all are silent.
func (s *series) judge(model string, at int64, suffers Suffering) []*Anomaly {
	voices, speaking := s.heard(at)
	objective, urgent := "", false
	if speaking || s.open != nil {
		objective, urgent = suffers(model, s.metric.name)
		urgent = urgent && objective != ""
	}
	if s.open == nil {
		for direction, list := range voices {
			if !speaking || len(list) == 0 {
				continue
			}
			if objective != "" && s.metric.hurts(direction == 1) {
				return []*Anomaly{s.begin(model, at, list, objective, urgent)}
			}
			if len(list) >= 2 && s.grave(list) {
				return []*Anomaly{s.begin(model, at, list, "", false)}
			}
		}
		return nil
	}
	s.lasted++
	if list := voices[s.open.direction()]; urgent && !s.open.Urgent && speaking && len(list) > 0 && s.metric.hurts(s.open.Up) {
		return s.worsen(model, at, list, objective)
	}
	if speaking && s.lasted < 2*accepted {
		s.calm = 0
		return nil
	}
	if s.calm++; s.calm < settled && s.lasted < 2*accepted {
		return nil
	}
	return []*Anomaly{s.end(at)}
}

// heard are the voices of the last minute, those that say less and those that say more, and whether one speaks now.
func (s *series) heard(at int64) (voices [2][]voice, speaking bool) {
	for i := range s.voices {
		speaking = speaking || s.at[i] == at
		if s.at[i] > at-window*Step && s.at[i] > 0 {
			d := 0
			if s.voices[i].up {
				d = 1
			}
			voices[d] = append(voices[d], s.voices[i])
		}
	}
	return voices, speaking
}

func (a *Anomaly) direction() int {
	if a.Up {
		return 1
	}
	return 0
}

// worsen ends the open anomaly and goes on with one that is urgent: whoever was told of the first is told that it is worse now.
func (s *series) worsen(model string, at int64, voices []voice, objective string) []*Anomaly {
	since, lasted, usual := s.open.Since, s.lasted, s.open.Usual
	over := s.open
	over.EndedAt = at + Step
	now := s.begin(model, at, voices, objective, true)
	now.Since, now.Usual, s.lasted = since, usual, lasted
	return []*Anomaly{over, now}
}

func (s *series) end(at int64) *Anomaly {
	a := s.open
	a.EndedAt = at + Step
	s.open, s.calm, s.lasted, s.high, s.low = nil, 0, 0, cusum{}, cusum{}
	return a
}

// grave tells whether voices are worth an anomaly. How much people ask for drifts all day: a count must be improbable by itself.
func (s *series) grave(voices []voice) bool {
	return s.metric.kind != count || slices.ContainsFunc(voices, func(v voice) bool { return v.name == "tail" || v.name == "silence" || v.name == "season" })
}

func (s *series) begin(model string, at int64, voices []voice, objective string, urgent bool) *Anomaly {
	a := &Anomaly{Metric: s.metric.name, Model: model, Since: at, DetectedAt: at + Step, Up: voices[0].up, Usual: s.shown(s.usual), Objective: objective, Urgent: urgent}
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
