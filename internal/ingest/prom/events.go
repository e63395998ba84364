package prom

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"math"
	"slices"

	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/sorting"
)

// fields are the numbers of a system metric that the catalogue knows.
var fields = func() map[string]event.Field {
	m := map[string]event.Field{}
	for i := range event.Catalogue {
		if s := &event.Catalogue[i]; s.Type == event.Number && slices.Contains(s.Kinds, event.SystemMetric) {
			m[s.Name] = event.Field(i)
		}
	}
	return m
}()

// Events ends the reading. Its events are in the order in which their first sample came.
func (b *Batch) Events() []event.Event {
	out := make([]event.Event, 0, len(b.order))
	for _, g := range b.order {
		var e event.Event
		if b.fill(g, &e) {
			out = append(out, e)
			b.weights = append(b.weights, g.weight)
		}
	}
	return out
}

// Weights tells how many samples went into each of the events.
func (b *Batch) Weights() []Weight { return b.weights }

// fill makes the event of a group; false when it has no number.
func (b *Batch) fill(g *group, e *event.Event) bool {
	g.derive()
	e.Kind = event.SystemMetric
	list := make([]*number, 0, len(g.numbers))
	for _, n := range g.numbers {
		list = append(list, n)
	}
	sorting.By(list, func(a, b *number) int { return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(a.rule.as, b.rule.as)) })
	any := false
	for _, n := range list {
		any = b.set(e, n.rule.as, n.value()) || any
	}
	sorting.By(e.Metrics, func(a, b event.Metric) int { return cmp.Compare(a.Name, b.Name) })
	if !any {
		return false
	}
	e.Source, e.Time, e.HasTime = g.source, g.time, true
	e.ID = g.id()
	if g.host != "" {
		e.SetText(event.Host, g.host)
	}
	e.Extra = object([]Label{{"gpu", g.gpu}, {"gpu_model", g.product}, {"gpu_uuid", g.uuid}, {"model", g.model}})
	e.Metadata = object(g.rest())
	return true
}

// set gives the event a number, as a field or as a metric of its own.
func (b *Batch) set(e *event.Event, as string, v float64) bool {
	f, field := fields[as]
	v += 0 // -0 is 0
	switch {
	case math.IsNaN(v) || math.IsInf(v, 0):
		b.Stats.Refused++
		return false
	case !field && len(e.Metrics) >= b.limits.Metrics:
		b.Stats.Over++
		return false
	case !field:
		e.Metrics = append(e.Metrics, event.Metric{Name: as, Value: v})
		return true
	}
	if s := &event.Catalogue[f]; v < s.Min || v > s.Max {
		b.Stats.Refused++
		return false
	}
	e.SetFloat(f, v)
	return true
}

// derive makes numbers of pairs and histograms. A number that came under its own name stays.
func (g *group) derive() {
	type total struct{ part, whole float64 }
	totals := map[*ratio]*total{}
	for k, p := range g.pairs {
		if !p.has[0] || !p.has[1] {
			continue
		}
		t := totals[k.of]
		if t == nil {
			t = &total{}
			totals[k.of] = t
		}
		part, whole := k.of.of(p.side[0], p.side[1])
		t.part, t.whole = t.part+part, t.whole+whole
	}
	for r, t := range totals {
		if t.whole > 0 {
			g.derived(r.as, 100*t.part/t.whole)
		}
	}
	for as, h := range g.histograms {
		mean, ok := h.mean()
		switch {
		case !ok:
		case h.rule.how == asMean:
			g.derived(as, h.rule.finish(mean))
		default:
			g.derived(as+"_avg", h.rule.finish(mean))
			if q := h.quantiles(.5, .95, .99); q != nil {
				g.derived(as+"_p50", h.rule.finish(q[0]))
				g.derived(as+"_p95", h.rule.finish(q[1]))
				g.derived(as+"_p99", h.rule.finish(q[2]))
			}
		}
	}
}

func (g *group) derived(as string, v float64) {
	if g.numbers[as] == nil {
		g.numbers[as] = &number{rule: rule{as: as, fold: sum}, n: 1, sum: v}
	}
}

// id is the same for the same reading: by source, whom it speaks of, time, and for remote write the series.
func (g *group) id() string {
	h := sha256.New()
	for _, s := range []string{"system_metric", g.source, g.host, g.model, g.gpu} {
		h.Write(append([]byte(s), 0))
	}
	h.Write(binary.BigEndian.AppendUint64(nil, uint64(g.time)))
	if g.series != nil {
		h.Write(g.series.Sum(nil))
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// rest are the operator's labels that name neither host nor model.
func (g *group) rest() (out []Label) {
	for _, l := range g.labels {
		if !slices.Contains(hostLabels, l.Name) && !slices.Contains(modelLabels, l.Name) {
			out = append(out, l)
		}
	}
	return out
}

// object is a JSON object of the labels that have a value; nil when none has.
func object(labels []Label) []byte {
	var out []byte
	for _, l := range labels {
		if l.Value == "" {
			continue
		}
		name, _ := json.Marshal(l.Name) // a string always marshals
		value, _ := json.Marshal(l.Value)
		out = append(append(append(append(out, ','), name...), ':'), value...)
	}
	if out == nil {
		return nil
	}
	out[0] = '{'
	return append(out, '}')
}
