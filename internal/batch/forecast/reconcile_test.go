package forecast

import (
	"math"
	"slices"
	"testing"
)

func TestPartsAddUpToTheirTotal(t *testing.T) {
	a, b := []float64{1, 0, 4}, []float64{3, 0, 4}
	total := []float64{8, 6, 4}
	Reconcile(total, [][]float64{a, b})
	for k, want := range total {
		if sum := a[k] + b[k]; math.Abs(sum-want) > 1e-12 {
			t.Errorf("step %d: %v", k, sum)
		}
	}
	if !slices.Equal(a, []float64{2, 2.5, 2}) || !slices.Equal(b, []float64{6, 3.5, 2}) { // 5 and 7 of 12 over the whole horizon where nothing was expected
		t.Errorf("%v and %v", a, b)
	}
	none := []float64{0}
	Reconcile([]float64{3}, [][]float64{none})
	if none[0] != 3 {
		t.Errorf("alone: %v", none[0])
	}
	Reconcile([]float64{3}, nil)
}

// Bounds move with their value, however small it was: none is multiplied.
func TestBoundsMoveWithTheirValue(t *testing.T) {
	r := Result{Forecast: []float64{4, 1e-9, 8}, Lo: []float64{3, 0, 2}, Hi: []float64{6, 2, 9}}
	r.Move([]float64{5, 100, 1})
	want := Result{Forecast: []float64{5, 100, 1}, Lo: []float64{4, 100 - 1e-9, 0}, Hi: []float64{7, 102 - 1e-9, 2}}
	if !slices.Equal(r.Forecast, want.Forecast) || !slices.Equal(r.Lo, want.Lo) || !slices.Equal(r.Hi, want.Hi) {
		t.Errorf("%+v", r)
	}
}

// One learning answers every interval as asking for that interval alone does.
func TestIntervalsOfOneLearning(t *testing.T) {
	y := make([]float64, 400)
	for i := range y {
		y[i] = 100 + 40*math.Sin(float64(i)*math.Pi/12) + float64(i*i%37)
	}
	o := Options{Horizon: 48, Seasons: []int{24, 168}}
	l, err := Learn(y, o)
	if err != nil {
		t.Fatal(err)
	}
	for _, o.Interval = range []float64{0.5, 0.9, 0.99} {
		alone, err := Series(y, o)
		r := l.Within(o.Interval)
		if err != nil || !slices.Equal(r.Forecast, alone.Forecast) || !slices.Equal(r.Lo, alone.Lo) || !slices.Equal(r.Hi, alone.Hi) || *r.Backtest.Coverage != *alone.Backtest.Coverage {
			t.Errorf("%v: %+v, alone %+v, %v", o.Interval, r, alone, err)
		}
		r.Move(make([]float64, 48)) // an answer is its own
	}
	if wide, narrow := l.Within(0.99), l.Within(0.5); wide.Hi[0] <= narrow.Hi[0] || wide.Forecast[0] == 0 {
		t.Errorf("0.99: %v, 0.5: %v", wide.Hi[0], narrow.Hi[0])
	}
}
