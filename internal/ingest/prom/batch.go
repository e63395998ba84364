package prom

import (
	"crypto/sha256"
	"hash"
	"math"
	"strconv"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// Limits bound what one Batch makes.
type Limits struct {
	Events  int // groups of series that become one event each
	Metrics int // numbers of an event beside the fields of the catalogue; event.MaxMetrics at most
}

// Origin says where samples come from.
type Origin struct {
	Source string  // of the events
	Host   string  // where no label names one
	Labels []Label // the operator's; they win over the exporter's
	Read   int64   // when it was read, microseconds; the time of samples that have none
	Time   int64   // of the events; 0 = that of each sample
}

// Stats counts what became of the samples of a Batch.
type Stats struct {
	Samples int // all that came
	Stale   int // NaN, infinite, staleness marks, older than an hour
	Unnamed int // of families that are left out by rule
	Crowded int // of hosts, models or GPUs beyond Limits.Events
	Over    int // numbers beyond Limits.Metrics
	Refused int // numbers outside of the limits of their field
	Resets  int // counters that began again
}

// Batch makes events of the samples of one reading. It is not for concurrent use; the State may be shared.
type Batch struct {
	Stats   Stats
	names   *Names
	state   *State
	limits  Limits
	rules   map[family][]rule
	groups  map[groupKey]*group
	order   []*group
	weights []Weight
	changes []change
}

// family is what rules are looked up by.
type family struct {
	name string
	typ  Type
}

// NewBatch begins a reading.
func NewBatch(n *Names, s *State, l Limits) *Batch {
	l.Metrics = min(l.Metrics, event.MaxMetrics)
	return &Batch{names: n, state: s, limits: l, rules: map[family][]rule{}, groups: map[groupKey]*group{}}
}

// groupKey tells the events of a reading apart.
type groupKey struct {
	source, host, model, gpu string
	time                     int64
}

// group becomes one event.
type group struct {
	groupKey
	uuid, product string // of the GPU
	labels        []Label
	series        hash.Hash // of the series, where the ids depend on them
	weight        Weight
	numbers       map[string]*number
	pairs         map[pairKey]*pair
	histograms    map[string]*histogram
}

// number folds the series that become one number.
type number struct {
	rule   rule
	family string // of two spellings of one thing the first that comes counts
	rank   rank
	n      int
	sum    float64
	low    float64
	high   float64
}

// Weight is how many samples, and of native histograms how many, went into an event.
type Weight struct{ Samples, Histograms int }

// rank is the order in which numbers get the places of an event.
type rank uint8

const (
	named  rank = iota // by a table or by the configuration
	others             // under their own name
)

type pairKey struct {
	of     *ratio
	series key
}

type pair struct {
	side [2]float64
	has  [2]bool
}

// maxAge is how old the time that an exporter gives a sample may be.
const maxAge = 3600 * 1_000_000

// Add takes one sample.
func (b *Batch) Add(s *Sample, o *Origin) {
	b.Stats.Samples++
	b.add(s, o)
}

func (b *Batch) add(s *Sample, o *Origin) {
	at := s.Time
	if at == 0 {
		at = o.Read
	}
	if math.IsNaN(s.Value) || math.IsInf(s.Value, 0) || o.Time != 0 && at < o.Read-maxAge {
		b.Stats.Stale++
		return
	}
	rules := b.resolve(s)
	if len(rules) == 0 || s.Part == Other {
		b.Stats.Unnamed++
		return
	}
	g := b.group(s, o, at)
	if g == nil {
		b.Stats.Crowded++
		return
	}
	switch {
	case !s.Native:
		g.weight.Samples++
	case s.Part == Count:
		g.weight.Histograms++
	}
	if g.series != nil {
		g.note(s)
	}
	var st step
	if needsStep(rules, s) {
		var c change
		st, c = b.state.advance(s.key(), s.Value, at)
		b.changes = append(b.changes, c)
		if st.reset {
			b.Stats.Resets++
		}
	}
	for i := range rules {
		g.apply(&rules[i], s, st)
	}
}

// Undo takes back what the reading told the State: its events were not written and the same samples will come again.
func (b *Batch) Undo() { b.state.undo(b.changes) }

// resolve finds the rules of a family once for each Batch.
func (b *Batch) resolve(s *Sample) []rule {
	f := family{s.Name, s.Type}
	rules, ok := b.rules[f]
	if !ok {
		rules = b.names.rules(s.Name, s.Type)
		b.rules[f] = rules
	}
	return rules
}

// needsStep tells whether a sample is looked at as the reading of a counter.
func needsStep(rules []rule, s *Sample) bool {
	for i := range rules {
		r := &rules[i]
		if r.only != nil && !r.only(s) {
			continue
		}
		switch r.how {
		case asRate, asIncrease:
			return s.Part == Value || s.Part == Count || s.Part == Sum
		case asSummary:
			return s.Part != Value
		case asMean:
			return s.Part == Count || s.Part == Sum
		}
	}
	return false
}

// group finds the event that a sample belongs to; nil when there are too many.
func (b *Batch) group(s *Sample, o *Origin, at int64) *group {
	who := identify(s, o)
	k := groupKey{source: o.Source, host: who.host, model: who.model, gpu: who.gpu, time: o.Time}
	if k.time == 0 {
		k.time = at
	}
	if g := b.groups[k]; g != nil {
		g.learn(who)
		return g
	}
	if len(b.groups) >= b.limits.Events {
		return nil
	}
	g := &group{groupKey: k, labels: o.Labels, numbers: map[string]*number{}}
	g.learn(who)
	if o.Time == 0 {
		g.series = sha256.New()
	}
	b.groups[k] = g
	b.order = append(b.order, g)
	return g
}

// note makes the id of the event depend on the series: senders of remote write cut one reading into several requests, and
// send a request again as it was.
func (g *group) note(s *Sample) {
	write := func(text string) { g.series.Write(append([]byte(text), 0)) }
	write(s.Name)
	write(partNames[s.Part])
	for _, l := range s.Labels {
		write(l.Name)
		write(l.Value)
	}
}

// apply lets a rule take a sample.
func (g *group) apply(r *rule, s *Sample, st step) {
	if r.only != nil && !r.only(s) {
		return
	}
	switch {
	case r.how == asValue && s.Part == Value:
		g.put(r.as, r, s.Name, s.Value)
	case r.how == asRate && s.Part == Value && st.ok:
		g.put(r.as, r, s.Name, st.increase/st.seconds)
	case r.how == asIncrease && st.ok && (s.Part == Count || s.Part == Sum):
		g.put(r.as+"_"+partNames[s.Part], r, s.Name, st.increase)
	case r.how == asIncrease && st.ok && s.Part == Value:
		g.put(r.as, r, s.Name, st.increase)
	case r.how == asPart && s.Part == Value:
		g.side(r, s)
	case (r.how == asSummary || r.how == asMean) && s.Part != Value && st.ok:
		g.observe(r, s, st.increase)
	}
}

func (g *group) put(as string, r *rule, family string, v float64) {
	n := g.numbers[as]
	if n == nil {
		n = &number{rule: *r, family: family, low: v, high: v}
		n.rule.as = as
		if r.own {
			n.rank = others
		}
		g.numbers[as] = n
	}
	if n.family != family {
		return
	}
	n.n++
	n.sum += v
	n.low, n.high = min(n.low, v), max(n.high, v)
}

// value folds.
func (n *number) value() float64 {
	v := n.sum
	switch n.rule.fold {
	case mean:
		v /= float64(n.n)
	case highest:
		v = n.high
	case lowest:
		v = n.low
	}
	return n.rule.finish(v)
}

// finish brings a number into its unit.
func (r *rule) finish(v float64) float64 {
	if r.scale != 0 {
		v *= r.scale
	}
	if r.turn != nil {
		v = r.turn(v)
	}
	return v
}

func (g *group) side(r *rule, s *Sample) {
	if g.pairs == nil {
		g.pairs = map[pairKey]*pair{}
	}
	k := pairKey{r.ratio, labelsKey(s.Labels)}
	p := g.pairs[k]
	if p == nil {
		p = &pair{}
		g.pairs[k] = p
	}
	p.side[r.side], p.has[r.side] = s.Value, true
}

func (g *group) observe(r *rule, s *Sample, increase float64) {
	if g.histograms == nil {
		g.histograms = map[string]*histogram{}
	}
	h := g.histograms[r.as]
	if h == nil {
		h = &histogram{rule: r, family: s.Name}
		g.histograms[r.as] = h
	}
	if h.family != s.Name {
		return
	}
	switch s.Part {
	case Count:
		h.count += increase
	case Sum:
		h.sum += increase
	case Bucket:
		if bound, err := strconv.ParseFloat(s.label("le"), 64); err == nil && !math.IsNaN(bound) {
			h.add(bound, increase)
		}
	}
}
