package forecast

// Reconcile makes forecasts of parts add up to that of their total, step by step: each part keeps its share of what the parts say together
// (proportional reconciliation, top down: Gross and Sohl, Journal of Forecasting 9, 1990). The total is the steadier series, so it is
// believed. Where no part expects anything, the total is shared as the parts say over the whole horizon, or evenly. All have one
// horizon, and none was ever negative.
func Reconcile(total []float64, parts [][]float64) {
	whole, all := make([]float64, len(parts)), 0.0
	for i, p := range parts {
		for _, v := range p {
			whole[i] += v
		}
		all += whole[i]
	}
	for k, want := range total {
		sum := 0.0
		for _, p := range parts {
			sum += p[k]
		}
		for i, p := range parts {
			switch {
			case sum > 0:
				p[k] *= want / sum
			case all > 0:
				p[k] = want * whole[i] / all
			default:
				p[k] = want / float64(len(parts))
			}
		}
	}
}

// Move puts the forecast of a series that was never negative elsewhere. Its bounds move as far: what was told of the total says nothing about how well a part
// is known, and a factor would have no end where the parts expect next to nothing.
func (r *Result) Move(to []float64) {
	for k, v := range to {
		by := v - r.Forecast[k]
		r.Forecast[k], r.Lo[k], r.Hi[k] = v, min(v, max(0, r.Lo[k]+by)), max(v, r.Hi[k]+by)
	}
}
