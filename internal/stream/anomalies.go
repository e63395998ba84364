package stream

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/stream/rule"
	"github.com/hxp-enterprise/hxp/internal/stream/watch"
)

// AnomalyRule is the name under which anomalies are told on hxp-alerts. No rule has it: nobody wrote one.
const AnomalyRule = "Anomaly"

// anomalyVersion changes when anomalies are found in another way. No rule has it, so what is open at a start is told to be over: the
// watcher begins anew.
const anomalyVersion = "watch-1"

// arrivals are the cells of what has counted since the watcher looked last, by model and tenant. What happened long ago is not
// among them: the replay of an old trace is no news.
type arrivals struct {
	mu    sync.Mutex
	cells map[agg.Key]*agg.Cell
}

// What is as old as this when it counts is not watched; what the journal told so long ago is not either.
const (
	oldestWatched = 600 // seconds
	stalest       = 30 * time.Second
)

// mostArrivals bounds the groups of a step.
const mostArrivals = 10_000

// add takes a copy of what a second gained in a group.
func (a *arrivals) add(start int64, key agg.Key, c *agg.Cell, now int64) {
	if now-start > oldestWatched || c.Requests == 0 && c.Feedback.Count == 0 {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if have := a.cells[key]; have != nil {
		have.Merge(c)
	} else if len(a.cells) < mostArrivals {
		a.cells[key] = c.Clone()
	}
}

// take empties a.
func (a *arrivals) take() map[agg.Key]*agg.Cell {
	a.mu.Lock()
	defer a.mu.Unlock()
	cells := a.cells
	a.cells = map[agg.Key]*agg.Cell{}
	return cells
}

// notice shows the watcher a unit that counts, before its cells go to the ladder.
func (l *lane) notice(v *verdict, at time.Time, w *work) {
	if l.arrived == nil || time.Since(at) > stalest {
		return
	}
	now := at.Unix()
	if w != nil {
		for k, c := range w.first() {
			l.arrived.add(k.start, l.names.sets[0].keys.names[k.key].modelTenant(), c, now)
		}
		return
	}
	for _, body := range v.bodies { // count says when it is damaged
		_ = eachDelta(body, func(d delta) { l.arrived.add(d.Start, d.Key.modelTenant(), d.Cell, now) })
	}
}

// watchAnomalies looks at what has arrived every ten seconds until ctx ends, and has the judge tell what it finds.
func (s *Service) watchAnomalies(ctx context.Context) {
	if s.judge == nil {
		return
	}
	w := watch.New()
	tick := time.NewTicker(watch.Step * time.Second)
	defer tick.Stop()
	hour := int64(0)
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			if h := floor(now.Unix()-watch.Step, 3600); h != hour {
				hour = h
				w.Season(h, s.weeksBefore(h))
			}
			arrived := s.arrived.take()
			for _, a := range w.Step(now.Unix()-watch.Step, byModel(arrived)) {
				d := decided(a, arrived)
				select {
				case s.judge.finds <- d:
				case <-ctx.Done():
					return
				}
			}
		}
	}
}

// weeksBefore is what the windows know of the same hour, and of those beside it, some weeks before.
func (s *Service) weeksBefore(hour int64) []watch.Hours {
	weeks := make([]watch.Hours, watch.SeasonWeeks)
	for i := range weeks {
		for k := range weeks[i] {
			from := hour - int64(i+1)*7*24*3600 + int64(k-1)*3600
			weeks[i][k] = byModel(s.Query(Span{from, from + 3600}).Groups)
		}
	}
	return weeks
}

func byModel(groups map[agg.Key]*agg.Cell) map[string]*agg.Cell {
	models := map[string]*agg.Cell{}
	for k, c := range groups {
		switch {
		case k.Model == "" || k.Model == otherName:
		case models[k.Model] == nil:
			models[k.Model] = c.Clone()
		default:
			models[k.Model].Merge(c)
		}
	}
	return models
}

// decided tells of an anomaly as rules tell of theirs.
func decided(a *watch.Anomaly, arrived map[agg.Key]*agg.Cell) rule.Decision {
	direction := "above"
	if !a.Up {
		direction = "below"
	}
	why := make([]string, 0, len(a.Opinions))
	for _, o := range a.Opinions {
		why = append(why, fmt.Sprintf("%s (%.3f): %s", o.Name, o.Score, o.Says))
	}
	d := rule.Decision{
		ID: "anomaly-" + a.ID, Rule: AnomalyRule, Version: anomalyVersion, State: rule.Firing, Severity: "warning", Class: a.Metric, Mode: "observe",
		Key: map[string]string{"model": a.Model}, Labels: map[string]string{"alertname": AnomalyRule, "model": a.Model, "metric": a.Metric, "direction": direction},
		Annotations: map[string]string{
			"summary":    fmt.Sprintf("%s of %s is %s the usual: %.4g, usually %.4g", a.Metric, a.Model, direction, a.Value, a.Usual),
			"why":        strings.Join(why, "; "),
			"confidence": fmt.Sprintf("%.6f", a.Confidence),
		},
		At: seconds(a.DetectedAt), StartsAt: seconds(a.Since), CausedAt: seconds(a.DetectedAt), Window: rule.Window{Start: seconds(a.DetectedAt - 60), End: seconds(a.DetectedAt)},
		Value: a.Value, Threshold: a.Usual, Top: contributors(a.Model, arrived), RequestIDs: []string{},
	}
	if a.EndedAt != 0 {
		return d.Ended(int64(seconds(a.EndedAt)))
	}
	return d
}

func seconds(at int64) rule.Time { return rule.Time(at * 1e6) }

// contributors are the tenants that a model's requests of the last step came from.
func contributors(model string, arrived map[agg.Key]*agg.Cell) []rule.Share {
	var all uint64
	for k, c := range arrived {
		if k.Model == model {
			all += c.Requests
		}
	}
	top := []rule.Share{}
	for k, c := range arrived {
		if k.Model == model && k.Tenant != "" && c.Requests > 0 {
			top = append(top, rule.Share{Field: "tenant", Value: k.Tenant, Share: float64(c.Requests) / float64(all), Of: int(all)})
		}
	}
	slices.SortFunc(top, func(a, b rule.Share) int { return cmp.Or(cmp.Compare(b.Share, a.Share), cmp.Compare(a.Value, b.Value)) })
	return top[:min(len(top), 5)]
}
