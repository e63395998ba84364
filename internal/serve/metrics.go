package serve

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/serve/live"
)

const (
	recentSpan = time.Minute      // of "recent" and of the minute before it, for the key figures
	rateSpan   = 10 * time.Second // of "rates": whole seconds that have passed
	maxModels  = 50               // in a state; the others are told as one
	otherModel = "__other__"
)

// Metrics makes the topic "metrics" out of windows. Its state, beside what the contract says ("overall", "models", "window",
// "rates"), has "recent" (the last minute and the one before), "completeness", and "series", the history of the last
// sixteen minutes in steps (see history).
type Metrics struct {
	windows Windows
	window  time.Duration
	// Of gives the windows of what is of one tenant; without it nobody who is bound to one can be told anything. Set it before the first State.
	Of func(tenant string) Windows

	mu      sync.Mutex
	now     time.Time // of the moment below; all filters of one tick share it
	moment  moment
	history history
	tenants map[string]*ofTenant
}

// ofTenant are the metrics of a tenant to whom somebody listens.
type ofTenant struct {
	*Metrics
	asked time.Time
}

const (
	maxTenants   = 100              // listened to at the same time
	tenantLeaves = 30 * time.Second // after which one that nobody listens to is forgotten
)

// NewMetrics makes the topic; window is the span of "overall" and "models".
func NewMetrics(windows Windows, window time.Duration) *Metrics {
	return &Metrics{windows: windows, window: window.Truncate(time.Second)}
}

// Topic is what the hub needs to know.
func (m *Metrics) Topic() live.Topic {
	return live.Topic{Name: "metrics", State: m.State, Tenants: m.Of != nil}
}

// spanCells is what was counted in one span.
type spanCells struct {
	start, end time.Time
	overall    *agg.Cell
	models     map[string]*agg.Cell
}

func (s *spanCells) seconds() float64 { return s.end.Sub(s.start).Seconds() }

// cell returns what the filter lets through; an unknown model has an empty cell.
func (s *spanCells) cell(f live.Filter) *agg.Cell {
	c := s.overall
	if f.Model != "" {
		c = s.models[f.Model]
	}
	if c == nil {
		return &agg.Cell{}
	}
	return c
}

// moment is everything that the states of one tick are made of.
type moment struct {
	window, recent, before, rates spanCells
	watermark                     time.Time
	completeness                  float64
}

func (m *Metrics) span(end time.Time, d time.Duration) (s spanCells, watermark time.Time, completeness float64) {
	s.start, s.end = m.windows.Widen(end.Add(-d), end)
	s.overall, s.models, watermark, completeness = m.windows.Window(s.start, s.end)
	return s, watermark, completeness
}

// State tells the state at now; see live.Topic.
func (m *Metrics) State(ctx context.Context, now time.Time, f live.Filter) (live.State, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if f.Tenant != "" {
		t, err := m.tenant(f.Tenant, now)
		if err != nil {
			return live.State{}, err
		}
		return t.State(ctx, now, live.Filter{Model: f.Model})
	}
	if !now.Equal(m.now) {
		m.now, m.moment = now, m.measure(now)
		m.history.refresh(m.windows, now)
	}
	data, err := m.moment.state(f)
	if err != nil {
		return live.State{}, err
	}
	data["series"] = m.history.series(f)
	return live.State{Data: data, Watermark: m.moment.watermark}, nil
}

// tenant finds the metrics of a tenant, and forgets those that nobody listens to any more. The caller holds m.mu.
func (m *Metrics) tenant(name string, now time.Time) (*Metrics, error) {
	for other, t := range m.tenants {
		if now.Sub(t.asked) > tenantLeaves {
			delete(m.tenants, other)
		}
	}
	t := m.tenants[name]
	if t == nil {
		if len(m.tenants) >= maxTenants || m.Of == nil {
			return nil, fmt.Errorf("%d tenants are listened to, which is the limit", len(m.tenants))
		}
		if m.tenants == nil {
			m.tenants = map[string]*ofTenant{}
		}
		t = &ofTenant{Metrics: NewMetrics(m.Of(name), m.window)}
		m.tenants[name] = t
	}
	t.asked = now
	return t.Metrics, nil
}

// measure asks the windows. The second that is running belongs to the window, so that an event counts at once; rates are
// of whole seconds, because a part of one would make them jump.
func (m *Metrics) measure(now time.Time) (p moment) {
	second := now.UTC().Truncate(time.Second)
	p.window, p.watermark, p.completeness = m.span(second.Add(time.Second), m.window)
	capModels(p.window.models, maxModels)
	p.recent, _, _ = m.span(second.Add(time.Second), recentSpan)
	p.before, _, _ = m.span(p.recent.start, recentSpan)
	p.rates, _, _ = m.span(second, rateSpan)
	return p
}

// capModels merges all but the n busiest models into one named otherModel.
func capModels(models map[string]*agg.Cell, n int) {
	names := make([]string, 0, len(models))
	for name := range models {
		if name != otherModel {
			names = append(names, name)
		}
	}
	if len(names) <= n {
		return
	}
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(models[b].Requests, models[a].Requests), cmp.Compare(models[b].Events, models[a].Events), cmp.Compare(a, b))
	})
	other := models[otherModel]
	if other == nil {
		other = &agg.Cell{}
		models[otherModel] = other
	}
	for _, name := range names[n:] {
		other.Merge(models[name])
		delete(models, name)
	}
}

type stateJSON struct {
	Window       windowJSON           `json:"window"`
	Overall      agg.Stats            `json:"overall"`
	Models       map[string]agg.Stats `json:"models"`
	Rates        ratesJSON            `json:"rates"`
	Recent       recentJSON           `json:"recent"`
	Completeness float64              `json:"completeness"`
}

type windowJSON struct {
	Start   time.Time `json:"start"`
	End     time.Time `json:"end"`
	Seconds float64   `json:"seconds"`
}

type ratesJSON struct {
	Seconds    float64 `json:"seconds"`
	Requests   float64 `json:"requests_per_second"`
	Errors     float64 `json:"errors_per_second"`
	Prompt     float64 `json:"prompt_tokens_per_second"`
	Completion float64 `json:"completion_tokens_per_second"`
	Events     float64 `json:"events_per_second"`
}

type recentJSON struct {
	Seconds  float64   `json:"seconds"`
	Overall  agg.Stats `json:"overall"`
	Previous agg.Stats `json:"previous"` // the same span before
}

func (p *moment) state(f live.Filter) (live.Object, error) {
	s := stateJSON{
		Window:  windowJSON{p.window.start, p.window.end, p.window.seconds()},
		Overall: p.window.cell(f).Stats(p.window.seconds()), Models: map[string]agg.Stats{},
		Recent:       recentJSON{p.recent.seconds(), p.recent.cell(f).Stats(p.recent.seconds()), p.before.cell(f).Stats(p.before.seconds())},
		Completeness: p.completeness,
	}
	for name, c := range p.window.models {
		if f.Model == "" || f.Model == name {
			s.Models[name] = c.Stats(p.window.seconds())
		}
	}
	c, d := p.rates.cell(f), p.rates.seconds()
	s.Rates = ratesJSON{d, float64(c.Requests) / d, float64(c.Errors) / d, float64(c.Tokens.Prompt) / d, float64(c.Tokens.Completion) / d, float64(c.Events) / d}
	return live.Tree(s)
}

// sortedKeys returns the keys of a map in order.
func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func raw(s string) json.RawMessage { return json.RawMessage(s) }
