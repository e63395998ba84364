package forecast

import "math"

// Backtest says how good the method would have been at points of the past. MASE is the mean absolute error divided by the mean
// absolute difference of values one season apart (Hyndman and Koehler, International Journal of Forecasting 22, 2006): below 1 is
// better than repeating the last season was within the series. Of several origins the median is told. It is nil where nothing ever
// changed from season to season.
type Backtest struct {
	MASE              *float64 `json:"mase"`
	MASESeasonalNaive *float64 `json:"mase_seasonal_naive"`
	Coverage          *float64 `json:"coverage"` // share of values within the interval that the other origins give; nil with fewer than two
	Bias              float64  `json:"bias"`     // mean of forecast − value, in the unit of the series
	Origins           int      `json:"origins"`
	Horizon           int      `json:"horizon"` // steps that were looked ahead at each
}

// backtest scores the errors (told less value) of each origin, but for the coverage, which depends on the interval.
func (p *problem) backtest(residuals [][]float64, unit float64) Backtest {
	b := Backtest{Origins: len(p.origins), Horizon: p.depth}
	var errs []float64
	count, sum := 0, 0.0
	for _, r := range residuals {
		size := 0.0
		for _, e := range r {
			size += math.Abs(e)
			sum += e
		}
		count += len(r)
		errs = append(errs, size/float64(len(r)))
	}
	b.Bias = sum / float64(count) * unit
	if step := p.seasonalStep(); step > 0 {
		b.MASE, b.MASESeasonalNaive = new(typical(errs)/step), new(typical(p.methods[p.naive].errs)/step)
	}
	return b
}

// coverage is the share of the errors of each origin that lie within the bounds that the others give.
func coverage(residuals [][]float64, interval float64) *float64 {
	if len(residuals) < 2 {
		return nil
	}
	within, count := 0, 0
	for j, r := range residuals {
		others := append(append([][]float64{}, residuals[:j]...), residuals[j+1:]...)
		lo, hi := bound(make([]float64, len(r)), others, interval)
		for k, e := range r {
			if count++; lo[k] <= e && e <= hi[k] {
				within++
			}
		}
	}
	return new(float64(within) / float64(count))
}

// seasonalStep is the mean absolute difference of values one season apart.
func (p *problem) seasonalStep() float64 {
	return meanError(p.y[p.season:], p.y[:len(p.y)-p.season])
}
