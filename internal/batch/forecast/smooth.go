package forecast

import (
	"math"
	"slices"
)

// smoothing is exponential smoothing of a level and of one figure for each place of each season, with an error that carries over
// (Taylor, Journal of the Operational Research Society 54, 2003), without trend:
//
//	base_t = level + Σ figure_s[t mod s],  guess_t = base_t + φ·carry,  d = x_t − guess_t
//	carry = x_t − base_t,  level += α·d,  figure_s += γ_s·d
//
// The figures begin as medians. α, φ and γ_s are those of a grid with the least mean absolute error one step ahead, found by going
// along one of them after another.
type smoothing struct {
	seasons []int
	log     bool
}

var (
	alphas = []float64{0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 0.7}
	phis   = []float64{0, 0.3, 0.6, 0.8, 0.9, 0.97}
	gammas = []float64{0, 0.02, 0.05, 0.1, 0.2, 0.4}
)

// rounds of going along the grid; most series stop changing after two.
const rounds = 3

func (s smoothing) learn(y []float64) continuation {
	x := slices.Clone(y)
	if s.log {
		logOf(x)
	}
	grid := [][]float64{alphas, phis}
	p := []float64{0.1, 0.6}
	for range s.seasons {
		grid, p = append(grid, gammas), append(p, 0.1)
	}
	start, best := s.begin(x), math.Inf(1)
	for range rounds {
		before := best
		for i, values := range grid {
			kept := p[i]
			for _, p[i] = range values {
				if e := start.copy().run(x, p); e < best {
					best, kept = e, p[i]
				}
			}
			p[i] = kept
		}
		if best == before {
			break
		}
	}
	return func(y []float64, h int) []float64 { return s.ahead(y, h, p) }
}

func (s smoothing) ahead(y []float64, h int, p []float64) []float64 {
	x, offset := slices.Clone(y), 0.0
	if s.log {
		offset = logOf(x)
	}
	state := s.begin(x)
	state.run(x, p)
	out, carry := make([]float64, h), state.carry
	for i := range out {
		carry *= p[1]
		out[i] = state.level + carry
		for k, n := range s.seasons {
			out[i] += state.figures[k][(len(x)+i)%n]
		}
	}
	if s.log {
		unlog(out, offset)
	}
	return out
}

// smoothed is what smoothing knows at a time.
type smoothed struct {
	level, carry float64
	figures      [][]float64 // by season and place
}

func (s smoothing) begin(x []float64) *smoothed {
	rest := slices.Clone(x)
	state := &smoothed{level: median(rest)}
	for i, v := range x {
		rest[i] = v - state.level
	}
	var same []float64
	for _, n := range s.seasons {
		figure := make([]float64, n)
		for place := range figure {
			same = same[:0]
			for t := place; t < len(rest); t += n {
				same = append(same, rest[t])
			}
			figure[place] = median(same)
		}
		for t := range rest {
			rest[t] -= figure[t%n]
		}
		state.figures = append(state.figures, figure)
	}
	return state
}

func (s *smoothed) copy() *smoothed {
	c := *s
	c.figures = make([][]float64, len(s.figures))
	for i, f := range s.figures {
		c.figures[i] = slices.Clone(f)
	}
	return &c
}

// run goes through x and returns the sum of the absolute errors one step ahead.
func (s *smoothed) run(x, p []float64) float64 {
	sum, place := 0.0, make([]int, len(s.figures))
	for _, v := range x {
		base := s.level
		for k, f := range s.figures {
			base += f[place[k]]
		}
		d := v - base - p[1]*s.carry
		sum += math.Abs(d)
		s.carry = v - base
		s.level += p[0] * d
		for k, f := range s.figures {
			f[place[k]] += p[2+k] * d
			if place[k]++; place[k] == len(f) {
				place[k] = 0
			}
		}
	}
	return sum
}
