package app

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/hxp-enterprise/hxp/internal/batch/forecast"
)

// manySeries is a table of n waves of a day, every tenth of which has a word among its values.
func manySeries(n int) string {
	var b strings.Builder
	b.WriteString("id,part,values\n")
	for i := range n {
		fmt.Fprintf(&b, "s%d,train,", i)
		for t := range 100 + i%7 {
			fmt.Fprintf(&b, "%.3f ", 100+40*math.Sin(float64(t)*math.Pi/12))
		}
		if i%10 == 9 {
			b.WriteString("many")
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func TestForecastTableKeepsOrderAndGoesOn(t *testing.T) {
	o := ForecastOptions{Horizon: 24, Seasons: []int{24}, Interval: 0.9}
	n := 0
	failed, err := ForecastTable(t.Context(), "f.csv", strings.NewReader(manySeries(50)), o, func(f Forecast) error {
		if f.ID != fmt.Sprintf("s%d", n) || (f.Error != nil) != (n%10 == 9) || (f.Result == nil) != (f.Error != nil) {
			t.Errorf("%d: %+v", n, f)
		}
		if f.Error != nil && (f.Error.Code != forecast.InvalidSeries || !strings.Contains(f.Error.Detail, `"many"`)) {
			t.Errorf("%d: %v", n, f.Error)
		}
		n++
		return nil
	})
	if n != 50 || failed != 5 || err != nil {
		t.Errorf("%d series, %d failed, %v", n, failed, err)
	}
}

func TestForecastTableStopsWhereItIsTold(t *testing.T) {
	o := ForecastOptions{Horizon: 24, Seasons: []int{24}, Interval: 0.9}
	enough, n := errors.New("enough"), 0
	if _, err := ForecastTable(t.Context(), "f.csv", strings.NewReader(manySeries(50)), o, func(Forecast) error {
		if n++; n == 3 {
			return enough
		}
		return nil
	}); !errors.Is(err, enough) || n != 3 {
		t.Errorf("%d series, %v", n, err)
	}
	none := func(Forecast) error { t.Error("shown"); return nil }
	for word, text := range map[string]string{"f.csv:1: the header": "a,b\n", "f.csv:2: a line has three cells": "id,part,values\na\n"} {
		if _, err := ForecastTable(t.Context(), "f.csv", strings.NewReader(text), o, none); err == nil || !strings.HasPrefix(err.Error(), word) {
			t.Errorf("%s: %v", word, err)
		}
	}
	o.Horizon = 0
	if _, err := ForecastTable(t.Context(), "f.csv", strings.NewReader(manySeries(1)), o, none); err == nil || !strings.Contains(err.Error(), "horizon is 0") {
		t.Error(err)
	}
}
