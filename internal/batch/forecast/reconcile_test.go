package forecast

import (
	"math"
	"testing"
)

func TestPartsAddUpToTheirTotal(t *testing.T) {
	a := &Result{Forecast: []float64{1, 0, 4}, Lo: []float64{0.5, 0, 2}, Hi: []float64{3, 0, 8}}
	b := &Result{Forecast: []float64{3, 0, 4}, Lo: []float64{1, 0, 4}, Hi: []float64{5, 1, 4}}
	total := []float64{8, 6, 4}
	Reconcile(total, []*Result{a, b})
	for k, want := range total {
		if sum := a.Forecast[k] + b.Forecast[k]; math.Abs(sum-want) > 1e-12 {
			t.Errorf("step %d: %v", k, sum)
		}
	}
	if a.Forecast[0] != 2 || a.Lo[0] != 1 || a.Hi[0] != 6 {
		t.Errorf("scaled to %v in [%v, %v]", a.Forecast[0], a.Lo[0], a.Hi[0])
	}
	if a.Forecast[1] != 2.5 || b.Forecast[1] != 3.5 || a.Hi[1] != 2.5 || b.Hi[1] != 3.5 || a.Lo[1] != 0 { // 5 and 7 of 12 over the whole horizon
		t.Errorf("where nothing was expected: %v in [%v, %v] and %v", a.Forecast[1], a.Lo[1], a.Hi[1], b.Forecast[1])
	}
	none := &Result{Forecast: []float64{0}, Lo: []float64{0}, Hi: []float64{0}}
	Reconcile([]float64{3}, []*Result{none})
	if none.Forecast[0] != 3 {
		t.Errorf("alone: %v", none.Forecast[0])
	}
}
