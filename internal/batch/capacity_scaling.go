package batch

import (
	"cmp"
	"maps"
	"math"
	"slices"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/batch/capacity"
)

// How what is carried grows with the number of machines. Two machines seldom carry twice what one does: they share a router, a disk, a cache. It is
// learnt from the server's own windows: of each number of machines, the load that they carried within the objective. A number at which the objective
// never broke says nothing, since nobody knows how much more it would have carried.

// laws tells the law of a model, or of all together; nil where too little is known.
type laws func(model string) *scalingLaw

// laws learns them when they are asked for: that of a model whose machines name it, and that of all machines and models together for every other.
func (sc *scanned) laws(objective float64) laws {
	learnt := map[string]*scalingLaw{}
	return func(model string) *scalingLaw {
		if !sc.named(model) {
			model = agg.AllModels
		}
		l, ok := learnt[model]
		if !ok {
			of := sc.slices[model]
			if model == agg.AllModels {
				of = sc.together()
			}
			l = learnLaw(of, sc.machines, counter(model), objective)
			learnt[model] = l
		}
		return l
	}
}

// counter counts the machines of a model, or all.
func counter(model string) func(fleet) int {
	if model == agg.AllModels {
		return func(f fleet) int { return len(f.all) }
	}
	return func(f fleet) int { return len(f.byModel[model]) }
}

// onTheMachinesNow returns windows with the load that would be as hard on the machines that there are now: what three carry, six carry twice, or as much more as
// the law says. Windows of an hour whose machines are not known stay as they are.
func (sc *scanned) onTheMachinesNow(points []capacity.Point, model string, law *capacity.USL) []capacity.Point {
	current := sc.currentOf(model)
	if !sc.named(model) {
		model = agg.AllModels
	}
	count := counter(model)
	out := slices.Clone(points)
	for i := range out {
		n := count(sc.machines[out[i].Start.Unix()/3600*3600])
		switch {
		case n == 0 || current == 0 || n == current:
		case law != nil:
			out[i].Load *= law.Carries(float64(current)) / law.Carries(float64(n))
		default:
			out[i].Load *= float64(current) / float64(n)
		}
	}
	return out
}

// learnLaw learns from slices of time and the machines of their hours.
func learnLaw(slicesOf map[int64]*sliceOf, machinesOf map[int64]fleet, count func(fleet) int, objective float64) *scalingLaw {
	byCount := map[int]map[int64]*sliceOf{}
	for at, w := range slicesOf {
		n := count(machinesOf[at*slice/3600*3600])
		if byCount[n] == nil {
			byCount[n] = map[int64]*sliceOf{}
		}
		byCount[n][at] = w
	}
	delete(byCount, 0) // hours without samples of machines
	l := &scalingLaw{Points: []scalingPoint{}}
	var machines, carried []float64
	for _, n := range slices.Sorted(maps.Keys(byCount)) {
		points := windows(byCount[n], widthOf(byCount[n]), measure{"ttft_ms.p95", byRequests, firstTokens, objective})
		if k := capacity.FindKnee(points); k != nil {
			most := k.Carried(points)
			machines, carried = append(machines, float64(n)), append(carried, most)
			l.Points = append(l.Points, scalingPoint{Machines: n, Carried: most, Windows: len(points)})
		}
	}
	var ok bool
	if l.USL, ok = capacity.FitUSL(machines, carried); !ok {
		return nil
	}
	l.Used = l.Believed()
	if most := l.USL.Most(); !math.IsInf(most, 1) {
		l.Most = &most
	}
	for i := range l.Points {
		l.Points[i].Law = l.Carries(float64(l.Points[i].Machines))
	}
	return l
}

// together are the slices of all models as one.
func (sc *scanned) together() map[int64]*sliceOf {
	all := map[int64]*sliceOf{}
	for _, model := range slices.Sorted(maps.Keys(sc.slices)) {
		for at, w := range sc.slices[model] {
			if all[at] == nil {
				all[at] = &sliceOf{}
			}
			all[at].join(w)
		}
	}
	return all
}

// Hours of each number of machines that are read for the law.
const (
	hoursOfFleet = 6
	mostFleets   = 8
)

// hoursOfFleets are, of each number of machines that there seem to have been, the busiest hours. How many there were is told by the raw samples alone; but
// machines are sampled at a steady pace, so hours with another number of samples had another number of machines.
func hoursOfFleets(hours []hourUse) (out []int64) {
	bySamples := map[int][]*hourUse{}
	for i := range hours {
		most := uint64(0)
		for _, g := range hours[i].gauge {
			most = max(most, g.Count)
		}
		if most > 0 {
			step := int(math.Round(math.Log(float64(most)) / math.Log(1.1))) // a tenth more or fewer are the same
			bySamples[step] = append(bySamples[step], &hours[i])
		}
	}
	steps := slices.SortedFunc(maps.Keys(bySamples), func(a, b int) int {
		return cmp.Or(cmp.Compare(len(bySamples[b]), len(bySamples[a])), cmp.Compare(a, b))
	})
	for _, step := range steps[:min(len(steps), mostFleets)] {
		of := bySamples[step]
		slices.SortStableFunc(of, func(a, b *hourUse) int {
			return cmp.Or(cmp.Compare(requestsOf(*b, agg.AllModels), requestsOf(*a, agg.AllModels)), b.start.Compare(a.start))
		})
		for _, h := range of[:min(len(of), hoursOfFleet)] {
			out = append(out, h.start.Unix())
		}
	}
	return out
}
