package forecast

import (
	"fmt"
	"math"
	"slices"
)

const (
	// shiftSpread is how many times the usual spread of the blocks beside it a change of level must be, and shiftShare how much of the level.
	shiftSpread = 5
	shiftShare  = 0.3
	// shiftBlocks is how many blocks, at least, a level must have lasted before and after.
	shiftBlocks = 5
	blockValues = 24 // of a series without seasons
)

// cutShift leaves out what lies before the last lasting change of level. Levels are medians of blocks of one (the shortest) season. The
// blocks of a window before and of one after a place, each a whole longest season, are compared: the two medians must differ by
// many times the spread that blocks one longest season apart have, and every block after the place must lie on the new side of the
// middle between them. One day of a storm is no change of level; a growth is none either, since its spread is as large as its steps.
func cutShift(y []float64, seasons []int, warnings *[]string) []float64 {
	block, cycle := blockValues, 1
	if len(seasons) > 0 {
		block = seasons[0]
		cycle = (seasons[len(seasons)-1] + block - 1) / block
	}
	window := (shiftBlocks + cycle - 1) / cycle * cycle
	head := len(y) % block // so that the last block ends with the series
	level := make([]float64, len(y)/block)
	for i := range level {
		level[i] = median(slices.Clone(y[head+i*block : head+(i+1)*block]))
	}
	best, at, size := 0.0, 0, [2]float64{}
	for c := window; c+window <= len(level); c++ {
		before, after := level[c-window:c], level[c:]
		a, b := median(slices.Clone(before)), median(slices.Clone(level[c:c+window]))
		spread := max(spreadOf(before, a), spreadOf(after, b), 1e-9*math.Abs(a))
		middle, jump := (a+b)/2, math.Abs(b-a)
		if jump < shiftSpread*spread || jump < shiftShare*max(math.Abs(a), math.Abs(b)) {
			continue
		}
		stays := !slices.ContainsFunc(after, func(v float64) bool { return (v > middle) != (b > a) })
		if came := !slices.ContainsFunc(before, func(v float64) bool { return (v > middle) == (b > a) }); stays && came && jump/spread > best {
			best, at, size = jump/spread, head+c*block, [2]float64{a, b}
		}
	}
	if at == 0 {
		return y
	}
	*warnings = append(*warnings, fmt.Sprintf("level shift: the last %d values lie around %.4g and those before around %.4g, so only they are learnt from", len(y)-at, size[1], size[0]))
	return y[at:]
}

// spreadOf is the median distance of values from their middle, as large as the standard deviation of normal values.
func spreadOf(v []float64, middle float64) float64 {
	d := make([]float64, len(v))
	for i, x := range v {
		d[i] = math.Abs(x - middle)
	}
	return 1.4826 * median(d)
}
