package stream

import (
	"cmp"
	"encoding/binary"
	"maps"
	"slices"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/kit/sorting"
	"github.com/hxp-enterprise/hxp/internal/stream/rule"
	"github.com/hxp-enterprise/hxp/internal/stream/watch"
)

// arrived is what units that count have of each model. What happened long before it arrived is not among it: the replay of an old trace is no
// news.
type arrived struct {
	at      int64 // second of the latest arrival
	models  map[string]*agg.Cell
	tenants map[agg.Key]uint64 // requests
}

// oldestWatched is how many seconds before its arrival something may have happened that is watched.
const oldestWatched = 600

// mostWatched bounds the models, and the pairs of model and tenant, of a step.
const mostWatched = 10_000

func newArrived(at int64) *arrived {
	return &arrived{at: at, models: map[string]*agg.Cell{}, tenants: map[agg.Key]uint64{}}
}

// add takes a copy of what a second gained in a group.
func (a *arrived) add(start int64, key agg.Key, c *agg.Cell) {
	if a.at-start > oldestWatched || c.Requests == 0 && c.Feedback.Count == 0 || key.Model == "" || key.Model == otherName {
		return
	}
	a.merge(key.Model, c, true)
	a.credit(key, c.Requests)
}

func (a *arrived) credit(key agg.Key, requests uint64) {
	if _, known := a.tenants[key]; key.Tenant != "" && requests > 0 && (known || len(a.tenants) < mostWatched) {
		a.tenants[key] += requests
	}
}

// merge adds a cell of a model. One that is not shared becomes its own.
func (a *arrived) merge(model string, c *agg.Cell, shared bool) {
	switch have := a.models[model]; {
	case have != nil:
		have.Merge(c)
	case len(a.models) >= mostWatched:
	case shared:
		a.models[model] = c.Clone()
	default:
		a.models[model] = c
	}
}

// take adds all of more, which is not used any longer.
func (a *arrived) take(more *arrived) {
	for model, c := range more.models {
		a.merge(model, c, false)
	}
	for key, n := range more.tenants {
		a.credit(key, n)
	}
}

// pairsInCell is how many pairs of model and tenant take less memory than a cell.
const pairsInCell = 10

// weight is the memory that a takes, in cells.
func (a *arrived) weight() int { return len(a.models) + len(a.tenants)/pairsInCell }

// contributors are the tenants that a model's requests came from.
func (a *arrived) contributors(model string) []rule.Share {
	top := []rule.Share{}
	c := a.models[model]
	if c == nil || c.Requests == 0 {
		return top
	}
	for k, n := range a.tenants {
		if k.Model == model {
			top = append(top, rule.Share{Field: "tenant", Value: k.Tenant, Share: float64(n) / float64(c.Requests), Of: int(c.Requests)})
		}
	}
	sorting.By(top, func(a, b rule.Share) int { return cmp.Or(cmp.Compare(b.Share, a.Share), cmp.Compare(a.Value, b.Value)) })
	return top[:min(len(top), 5)]
}

// gather copies what a unit that counts has for the watcher, before its cells go to the ladder. w is nil for a unit that was read.
func (l *lane) gather(v *verdict, w *work) *arrived {
	if l.judge == nil || v.header.Arrival == 0 {
		return nil
	}
	if w == nil {
		return gathered(v)
	}
	a := newArrived(v.header.Arrival / 1e6)
	for k, c := range w.first() {
		a.add(k.start, l.names.sets[0].keys.names[k.key].modelTenant(), c)
	}
	return a
}

// gathered reads it from the bodies of the unit; whoever counts it says when they are damaged.
func gathered(v *verdict) *arrived {
	a := newArrived(v.header.Arrival / 1e6)
	for _, body := range v.bodies {
		_ = eachDelta(body, func(d delta) { a.add(d.Start, d.Key.modelTenant(), d.Cell) })
	}
	return a
}

// outlook shows the watcher what has arrived, ten seconds of the judge's clock after ten seconds. So what it finds follows from the journal
// alone, and a restart that takes up its state finds the same.
type outlook struct {
	watcher *watch.Watcher
	next    int64              // second at which the step begins that is shown next; 0 = nothing has arrived yet
	steps   map[int64]*arrived // that are not over, by that second
	cells   int                // what they weigh
	hour    int64              // of which the watcher knows what the weeks before had
}

func newOutlook() *outlook { return &outlook{watcher: watch.New(), steps: map[int64]*arrived{}} }

// mostWaiting bounds the cells that wait for the clock. What is beyond, because the journal of hours is read without a state of before, is
// forgotten from the oldest on, and the watcher begins behind it.
const mostWaiting = 20_000

// take adds what a unit has. What comes after its step was shown is seen with the next one. It returns the anomalies that end because too much
// waits.
func (l *outlook) take(a *arrived) (ended []*watch.Anomaly) {
	if a == nil || len(a.models) == 0 {
		return nil
	}
	at := floor(a.at, watch.Step)
	if l.next == 0 {
		l.next = at
	}
	at = max(at, l.next)
	step := l.steps[at]
	if step == nil {
		step = newArrived(at)
		l.steps[at] = step
	}
	l.cells -= step.weight()
	step.take(a)
	l.cells += step.weight()
	for l.cells > mostWaiting && len(l.steps) > 1 {
		oldest := slices.Min(slices.Collect(maps.Keys(l.steps)))
		l.cells -= l.steps[oldest].weight()
		delete(l.steps, oldest)
		ended = append(ended, l.anew(oldest+watch.Step)...)
	}
	return ended
}

// anew goes on at a second with a watcher that has seen nothing. What the one before had open ends where that has seen it last: the new one
// would never end it.
func (l *outlook) anew(at int64) (ended []*watch.Anomaly) {
	ended = l.watcher.Open()
	for _, a := range ended {
		a.EndedAt = l.next
	}
	l.watcher, l.next, l.hour = watch.New(), at, 0
	return ended
}

// due takes the next step that is over at a time in microseconds. Where nothing arrived for long before a start, hxp itself may have been away,
// and nobody knows what was asked: that is passed over.
func (l *outlook) due(now, since int64) (at int64, step *arrived, ok bool) {
	if l.next == 0 || (l.next+watch.Step)*1e6 > now {
		return 0, nil, false
	}
	if l.next*1e6 < since && l.rests(floor(now/1e6, watch.Step), floor(since/1e6, watch.Step)) {
		return 0, nil, false
	}
	if (l.next+watch.Step)*1e6 > now {
		return 0, nil, false
	}
	at = l.next
	l.next += watch.Step
	if step = l.steps[at]; step == nil {
		return at, newArrived(at), true
	}
	l.cells -= step.weight()
	delete(l.steps, at)
	return at, step, true
}

// longestRest is for how many seconds before a start nothing may arrive.
const longestRest = 60

// rests passes over a rest before a start, and tells whether to wait until it is known how long that is.
func (l *outlook) rests(now, since int64) bool {
	end := since
	for at := range l.steps {
		end = min(end, at)
	}
	if end > now {
		return true
	}
	if end-l.next > longestRest {
		l.next = end
	}
	return false
}

// look shows the watcher what is over, and tells what it finds.
func (j *judge) look() {
	var burning watch.Suffering
	for {
		at, step, ok := j.outlook.due(j.engine.Now(), j.since)
		if !ok {
			return
		}
		if burning == nil {
			burning = suffering(j.engine.Burning())
		}
		if hour := floor(at, 3600); hour != j.outlook.hour {
			j.outlook.hour = hour
			j.outlook.watcher.Season(hour, j.weeksBefore(hour, j.outlook.watcher.Models()))
		}
		for _, a := range j.outlook.watcher.Step(at, step.models, burning) {
			j.came(a, step)
		}
	}
}

// came tells of an anomaly that came, or that is over.
func (j *judge) came(a *watch.Anomaly, seen *arrived) {
	d := j.voice.Load().decided(a, seen)
	j.illustrate(&d)
	j.found(&d)
}

// append writes the state of l.
func (l *outlook) append(b []byte) []byte {
	b = appendBytes(b, l.watcher.Append(nil))
	b = binary.AppendVarint(binary.AppendVarint(b, l.next), l.hour)
	b = binary.AppendUvarint(b, uint64(len(l.steps)))
	for at, step := range l.steps {
		b = binary.AppendUvarint(binary.AppendVarint(b, at), uint64(len(step.models)))
		for model, c := range step.models {
			b = appendBytes(appendText(b, model), c.Append(nil))
		}
		b = binary.AppendUvarint(b, uint64(len(step.tenants)))
		for k, n := range step.tenants {
			b = binary.AppendUvarint(appendText(appendText(b, k.Model), k.Tenant), n)
		}
	}
	return b
}

// outlook reads what append wrote.
func (d *decoder) outlook() *outlook {
	l := newOutlook()
	if text := d.section(); d.err == nil {
		l.watcher, d.err = watch.Read(text)
	}
	l.next, l.hour = d.varint(), d.varint()
	for n := d.uvarint(); n > 0 && d.err == nil; n-- {
		step := newArrived(d.varint())
		for k := d.uvarint(); k > 0 && d.err == nil; k-- {
			model, c := d.text(), new(agg.Cell)
			if text := d.section(); d.err == nil {
				_, d.err = c.Decode(text)
			}
			step.models[model] = c
		}
		for k := d.uvarint(); k > 0 && d.err == nil; k-- {
			step.tenants[agg.Key{Model: d.text(), Tenant: d.text()}] = d.uvarint()
		}
		l.steps[step.at] = step
		l.cells += step.weight()
	}
	return l
}
