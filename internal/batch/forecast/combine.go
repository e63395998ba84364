package forecast

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/hxp-enterprise/hxp/internal/kit/sorting"
)

const (
	// maxOrigins is how many points of the past are asked about, and enoughOrigins how many must remain for a method that starts late.
	maxOrigins    = 12
	enoughOrigins = 10
	// sharpness is the power of the errors that weights fall with. Two (Bates and Granger) keeps bad methods in; more forgets them.
	sharpness = 4
	// shares is in how many steps seasonal naive is mixed in where the rest is worse.
	shares = 4
)

// problem is one series on its way to a forecast.
type problem struct {
	y        []float64 // near 1 in size, without gaps
	o        Options
	negative bool
	season   int   // whose naive forecast is the measure; 1 without seasons
	origins  []int // counts of values that are seen, rising
	depth    int   // steps told at each origin
	methods  []candidate
	naive    int // which of the methods is the measure
}

// candidate is a method with what it told.
type candidate struct {
	name string
	past [][]float64 // by origin, depth steps
	errs []float64   // mean absolute error by origin
	next []float64   // the forecast
}

func newProblem(y []float64, o Options) *problem {
	p := &problem{y: y, o: o, negative: slices.Min(y) < 0, season: 1}
	measure := "last value"
	if len(o.Seasons) > 0 && len(y) > o.Seasons[0] {
		p.season, measure = o.Seasons[0], "seasonal naive"
	}
	methods := pool(len(y), o.Seasons, p.negative)
	p.plan(methods)
	for _, m := range methods {
		if c, ok := p.try(m); ok {
			p.methods = append(p.methods, c)
		}
	}
	p.naive = slices.IndexFunc(p.methods, func(c candidate) bool { return c.name == measure })
	return p
}

// plan lays the origins: whole seasons apart and whole seasons before the end, so that a step of each has the same place in the season as that
// step of the forecast. The second half of the series is used; less of it where methods need more to start from.
func (p *problem) plan(methods []method) {
	n := len(p.y)
	p.depth = max(1, min(p.o.Horizon, n/4, n-p.season))
	stride := (p.depth + p.season - 1) / p.season * p.season
	end := n - stride
	if end < p.season { // less than two seasons: one origin as late as can be
		end, stride = n-p.depth, n
	} else if half := stride / 2; half%p.season == 0 {
		stride = half // they may overlap
	}
	first := max(n/2, p.season)
	for _, m := range methods {
		if m.need <= end-(enoughOrigins-1)*stride {
			first = max(first, m.need)
		}
	}
	p.origins = []int{end}
	for o := end - stride; o >= first && len(p.origins) < maxOrigins; o -= stride {
		p.origins = append(p.origins, o)
	}
	slices.Reverse(p.origins)
}

// try asks a method at each origin and at the end. One that cannot tell at all of them is left out; repeating what was can always.
func (p *problem) try(m method) (candidate, bool) {
	if m.need > p.origins[0] {
		return candidate{}, false
	}
	seen := func(n int) []float64 { return p.y[:n:n] } // what appends to it leaves the rest alone
	tell, c := m.learn(seen(p.origins[0])), candidate{name: m.name}
	for _, o := range p.origins {
		told := p.clamp(tell(seen(o), p.depth))
		if told == nil {
			return c, false
		}
		c.past, c.errs = append(c.past, told), append(c.errs, meanError(p.y[o:], told))
	}
	c.next = p.clamp(tell(seen(len(p.y)), p.o.Horizon))
	return c, c.next != nil
}

// clamp keeps a series that was never negative from becoming it.
func (p *problem) clamp(v []float64) []float64 {
	if !p.negative {
		for i := range v {
			v[i] = max(v[i], 0)
		}
	}
	return v
}

// meanError is the mean absolute error of what was told of the values that follow.
func meanError(follow, told []float64) float64 {
	sum := 0.0
	for i, v := range told {
		sum += math.Abs(follow[i] - v)
	}
	return sum / float64(len(told))
}

// typical is the measure of a method: the median of its errors at the origins, since one storm of traffic says nothing about the other days.
func typical(errs []float64) float64 { return median(slices.Clone(errs)) }

// weights returns the share of each method from its errors at all origins but one, or at all of them (-1), so that an origin can be told
// by weights that never saw it.
func (p *problem) weights(without int) []float64 {
	w := make([]float64, len(p.methods))
	for i, m := range p.methods {
		errs := m.errs
		if without >= 0 && len(errs) > 1 {
			errs = slices.Delete(slices.Clone(errs), without, without+1)
		}
		w[i] = typical(errs)
	}
	best, sum := slices.Min(w), 0.0
	for i, e := range w {
		switch {
		case e == best: // also where both are 0
			w[i] = 1
		default:
			w[i] = math.Pow(best/e, sharpness)
		}
		sum += w[i]
	}
	for i := range w {
		w[i] /= sum
	}
	return w
}

// guarded mixes k/shares of seasonal naive into the weights.
func (p *problem) guarded(without, k int) []float64 {
	w, naive := p.weights(without), float64(k)/shares
	for i := range w {
		w[i] *= 1 - naive
	}
	w[p.naive] += naive
	return w
}

// combine mixes in as little of seasonal naive as makes the whole no worse than it at the origins. It returns the weights and the
// errors (told less value) of each origin, told by the others.
func (p *problem) combine() (w []float64, residuals [][]float64) {
	limit := typical(p.methods[p.naive].errs)
	for k := range shares + 1 {
		residuals = make([][]float64, len(p.origins))
		errs := make([]float64, len(p.origins))
		for j, o := range p.origins {
			told := mix(p.guarded(j, k), p.methods, func(c candidate) []float64 { return c.past[j] })
			errs[j] = meanError(p.y[o:], told)
			for i := range told {
				told[i] -= p.y[o+i]
			}
			residuals[j] = told
		}
		if w = p.guarded(-1, k); typical(errs) <= limit {
			break
		}
	}
	return w, residuals
}

// mix returns the weighted sum of what the methods told.
func mix(w []float64, methods []candidate, of func(candidate) []float64) []float64 {
	var out []float64
	for i, m := range methods {
		told := of(m)
		if out == nil {
			out = make([]float64, len(told))
		}
		for k, v := range told {
			out[k] += w[i] * v
		}
	}
	return out
}

// describe names the methods with their shares, the largest first.
func (p *problem) describe(w []float64) string {
	type part struct {
		name  string
		share float64
	}
	var parts []part
	for i, m := range p.methods {
		k := slices.IndexFunc(parts, func(q part) bool { return q.name == m.name })
		if k < 0 {
			k, parts = len(parts), append(parts, part{name: m.name})
		}
		parts[k].share += w[i]
	}
	sorting.StableBy(parts, func(a, b part) int {
		switch {
		case a.share > b.share:
			return -1
		case a.share < b.share:
			return 1
		}
		return strings.Compare(a.name, b.name)
	})
	var names []string
	for _, q := range parts {
		if percent := math.Round(100 * q.share); percent > 0 {
			names = append(names, fmt.Sprintf("%s %.0f %%", q.name, percent))
		}
	}
	return strings.Join(names, ", ")
}
