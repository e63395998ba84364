package forecast

// Reconcile makes forecasts of parts add up to that of their total, step by step: each part keeps its share of what the parts say together, and
// its bounds keep their distance relative to its value (proportional reconciliation, top down: Gross and Sohl, Journal of Forecasting 9,
// 1990). The total is the steadier series, so it is believed. Where no part expects anything, the total is shared as the parts say
// over the whole horizon, or evenly. All have one horizon, and none was ever negative.
func Reconcile(total []float64, parts []*Result) {
	if len(parts) == 0 {
		return
	}
	whole, all := make([]float64, len(parts)), 0.0
	for i, p := range parts {
		for _, v := range p.Forecast {
			whole[i] += v
		}
		all += whole[i]
	}
	for k, want := range total {
		sum := 0.0
		for _, p := range parts {
			sum += p.Forecast[k]
		}
		for i, p := range parts {
			switch {
			case sum > 0:
				scale(p, k, want/sum)
			case all > 0:
				raise(p, k, want*whole[i]/all)
			default:
				raise(p, k, want/float64(len(parts)))
			}
		}
	}
}

func scale(p *Result, k int, by float64) {
	p.Forecast[k] *= by
	p.Lo[k] *= by
	p.Hi[k] *= by
}

// raise puts a step that was 0 to a value and keeps its bounds around it.
func raise(p *Result, k int, to float64) {
	p.Forecast[k] = to
	p.Lo[k] = min(p.Lo[k], to)
	p.Hi[k] = max(p.Hi[k], to)
}
