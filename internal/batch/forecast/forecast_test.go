package forecast

import (
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
)

var hours = Options{Horizon: 48, Seasons: []int{24, 168}, Interval: 0.95}

// wave is a clean daily season.
func wave(n int) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = 100 + 40*math.Sin(float64(i)*math.Pi/12)
	}
	return out
}

func scaled(y []float64, times, plus float64) []float64 {
	out := make([]float64, len(y))
	for i, v := range y {
		out[i] = v*times + plus
	}
	return out
}

func told(t *testing.T, y []float64, o Options) Result {
	t.Helper()
	before := slices.Clone(y)
	r, err := Series(y, o)
	if err != nil {
		t.Fatal(err)
	}
	for i := range y {
		if math.Float64bits(y[i]) != math.Float64bits(before[i]) {
			t.Fatalf("value %d was changed", i)
		}
	}
	sound(t, r, o)
	return r
}

// sound holds what every forecast promises.
func sound(t *testing.T, r Result, o Options) {
	t.Helper()
	if len(r.Forecast) != o.Horizon || len(r.Lo) != o.Horizon || len(r.Hi) != o.Horizon || r.Method == "" || r.Backtest.Origins < 1 || r.Warnings == nil {
		t.Fatalf("%d, %d and %d values, method %q, %d origins, warnings %#v", len(r.Forecast), len(r.Lo), len(r.Hi), r.Method, r.Backtest.Origins, r.Warnings)
	}
	for i, v := range r.Forecast {
		if !(r.Lo[i] <= v && v <= r.Hi[i]) || math.IsInf(r.Lo[i], 0) || math.IsInf(r.Hi[i], 0) {
			t.Fatalf("step %d: %v in [%v, %v]", i+1, v, r.Lo[i], r.Hi[i])
		}
	}
	if b := r.Backtest; b.MASE != nil && *b.MASE > *b.MASESeasonalNaive {
		t.Fatalf("backtest %v is worse than %v of seasonal naive", *b.MASE, *b.MASESeasonalNaive)
	}
}

func warned(r Result, word string) bool {
	return slices.ContainsFunc(r.Warnings, func(w string) bool { return strings.Contains(w, word) })
}

func TestWhatNeverChangesGoesOn(t *testing.T) {
	for _, v := range []float64{7.5, 0, -3, 1e15} {
		r := told(t, slices.Repeat([]float64{v}, 400), hours)
		for i := range r.Forecast {
			if r.Forecast[i] != v || r.Lo[i] != v || r.Hi[i] != v {
				t.Fatalf("%v: step %d is %v in [%v, %v]", v, i+1, r.Forecast[i], r.Lo[i], r.Hi[i])
			}
		}
		if r.Backtest.MASE != nil || *r.Backtest.Coverage != 1 || r.Backtest.Bias != 0 {
			t.Errorf("%v: %+v", v, r.Backtest)
		}
	}
}

func TestSeasonIsMet(t *testing.T) {
	want := wave(23 * 24)[21*24:]
	for name, c := range map[string]struct{ times, plus float64 }{"plain": {1, 0}, "large": {1e12, 0}, "small": {1e-9, 0}, "negative": {1, -100}} {
		r := told(t, scaled(wave(21*24), c.times, c.plus), hours)
		if e := meanError(scaled(want, c.times, c.plus), r.Forecast) / c.times; e > 0.1 {
			t.Errorf("%s: off by %v", name, e)
		}
	}
}

func TestGrowthGoesOn(t *testing.T) {
	y := wave(30 * 24)
	for i := range y {
		y[i] *= 1 + float64(i)/1000
	}
	r := told(t, y[:28*24], hours)
	if e := meanError(y[28*24:], r.Forecast) / mean(y[28*24:]); e > 0.03 {
		t.Errorf("off by %.1f %%: %s", 100*e, r.Method)
	}
}

func TestGapsAreFilledAndTold(t *testing.T) {
	y := wave(21 * 24)
	for _, i := range []int{0, 1, 50, 51, 200, 300, 301, 302, 303, 304, 305, len(y) - 1} {
		y[i] = math.NaN()
	}
	r := told(t, y, hours)
	if e := meanError(wave(23 * 24)[21*24:], r.Forecast); e > 1 || !warned(r, "10 of 502 values were missing") {
		t.Errorf("off by %v, %q", e, r.Warnings)
	}
	filled, err := fill([]float64{1, math.NaN(), math.NaN(), 4, 5, math.NaN()}, nil, new([]string))
	if err != nil || !slices.Equal(filled, []float64{1, 2, 3, 4, 5, 5}) {
		t.Errorf("lines between neighbours: %v %v", filled, err)
	}
}

func TestLevelShiftCutsWhatIsLearnt(t *testing.T) {
	y := wave(28 * 24)
	for i := range y {
		y[i] += 3 * math.Sin(float64(i*i)) // so that no two days are the same
	}
	storm := slices.Clone(y)
	for i := 20 * 24; i < 21*24; i++ {
		storm[i] *= 9
	}
	if r := told(t, storm, hours); warned(r, "level shift") {
		t.Errorf("a day of storm: %q", r.Warnings)
	}
	for i := 14 * 24; i < len(y); i++ {
		y[i] *= 3
	}
	r := told(t, y, hours)
	if e := meanError(scaled(wave(30 * 24)[28*24:], 3, 0), r.Forecast); !warned(r, "level shift: the last 336 values") || e > 15 {
		t.Errorf("off by %v, %q", e, r.Warnings)
	}
}

func TestWhatIsShortIsSaid(t *testing.T) {
	for n := 8; n < 200; n++ {
		r := told(t, wave(n), hours)
		if n < 72 != warned(r, "season 24 is not learnt") {
			t.Errorf("%d values: %q", n, r.Warnings)
		}
	}
	for name, y := range map[string][]float64{"none": nil, "seven": wave(7), "gaps alone": slices.Repeat([]float64{math.NaN()}, 100), "mostly gaps": slices.Repeat([]float64{1, math.NaN(), math.NaN()}, 50)} {
		_, err := Series(y, hours)
		if e, ok := errors.AsType[*Error](err); !ok || e.Code != InsufficientData {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWrongOptionsAndValues(t *testing.T) {
	with := func(f func(*Options)) Options { o := hours; f(&o); return o }
	for word, o := range map[string]Options{
		"horizon is 0":      with(func(o *Options) { o.Horizon = 0 }),
		"horizon is 10001":  with(func(o *Options) { o.Horizon = MaxHorizon + 1 }),
		"interval is 1":     with(func(o *Options) { o.Interval = 1 }),
		"interval is NaN":   with(func(o *Options) { o.Interval = math.NaN() }),
		"season 1;":         with(func(o *Options) { o.Seasons = []int{1} }),
		"seasons [168 24];": with(func(o *Options) { o.Seasons = []int{168, 24} }),
		"seasons [24 24];":  with(func(o *Options) { o.Seasons = []int{24, 24} }),
		"5 seasons;":        with(func(o *Options) { o.Seasons = []int{2, 3, 4, 5, 6} }),
	} {
		_, err := Series(wave(100), o)
		if e, ok := errors.AsType[*Error](err); !ok || e.Code != InvalidOptions || !strings.Contains(e.Detail, word) {
			t.Errorf("%s: %v", word, err)
		}
	}
	for word, y := range map[string][]float64{"value 3": append(wave(2), math.Inf(1)), "value 1": {-2e15, 1}, "at most": make([]float64, MaxValues+1)} {
		_, err := Series(y, hours)
		if e, ok := errors.AsType[*Error](err); !ok || e.Code != InvalidSeries || !strings.Contains(e.Detail, word) {
			t.Errorf("%s: %v", word, err)
		}
	}
}

func TestFarHorizonIsWider(t *testing.T) {
	y := wave(20 * 24)
	for i := range y {
		y[i] += 10 * math.Sin(float64(i*i))
	}
	o := hours
	o.Horizon = 20 * 24
	r := told(t, y, o)
	near, far := r.Hi[100]-r.Lo[100], r.Hi[479]-r.Lo[479]
	if far < 1.5*near || !warned(r, "the backtest looked 120 steps ahead") {
		t.Errorf("width %v, then %v; %q", near, far, r.Warnings)
	}
}

func TestSameSeriesSameForecast(t *testing.T) {
	y := wave(30 * 24)
	if a, b := told(t, y, hours), told(t, y, hours); !reflect.DeepEqual(a, b) {
		t.Error("two answers")
	}
}

func TestCholesky(t *testing.T) {
	a := [][]float64{{4, 0, 0}, {2, 5, 0}, {0, 1, 3}} // of [[4 2 0] [2 5 1] [0 1 3]]
	c := []float64{4*1 + 2*2, 2*1 + 5*2 + 1*3, 1*2 + 3*3}
	if !cholesky(a, c) {
		t.Fatal("not definite")
	}
	for i, want := range []float64{1, 2, 3} {
		if math.Abs(c[i]-want) > 1e-12 {
			t.Errorf("x = %v", c)
		}
	}
	for name, a := range map[string][][]float64{"singular": {{1, 0}, {1, 1}}, "negative": {{-1, 0}, {0, 1}}, "zero": {{0, 0}, {0, 0}}, "NaN": {{math.NaN(), 0}, {0, 1}}} {
		if cholesky(a, []float64{1, 1}) {
			t.Errorf("%s is called definite", name)
		}
	}
}

// Errors of 1 to 100 at one step, one an origin: of 95 % and without caution the bound is the 96th, as 0.95·101 rounds up to it.
func TestBoundIsTheQuantileOfErrors(t *testing.T) {
	var residuals [][]float64
	for i := range 100 {
		e := float64(i + 1)
		if i%2 == 0 {
			e = -e
		}
		residuals = append(residuals, []float64{e})
	}
	outside := 0.05 * (100 + caution) / 100 // what caution takes off again
	lo, hi := bound([]float64{1000, 0}, residuals, 1-outside)
	if math.Abs(lo[0]-904) > 1e-9 || math.Abs(hi[0]-1096) > 1e-9 {
		t.Errorf("[%v, %v]", lo[0], hi[0])
	}
	if want := 96 * math.Sqrt2; math.Abs(hi[1]-want) > 1e-9 || lo[1] != -hi[1] {
		t.Errorf("a step that was not looked at: [%v, %v]", lo[1], hi[1])
	}
}

// FuzzSeries: whatever the values and the options, the answer is a refusal or keeps its promises.
func FuzzSeries(f *testing.F) {
	encode := func(y []float64) (b []byte) {
		for _, v := range y {
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(float32(v)))
		}
		return b
	}
	f.Add(encode(wave(100)), uint8(24), uint8(48), uint8(10))
	f.Add(encode(slices.Repeat([]float64{0, 0, 0, 1e14, -1e-30}, 20)), uint8(5), uint8(10), uint8(200))
	f.Add(encode(slices.Repeat([]float64{1e-40, math.NaN(), 3}, 20)), uint8(2), uint8(3), uint8(1))
	f.Fuzz(func(t *testing.T, b []byte, s1, s2, h uint8) {
		var y []float64
		for ; len(b) >= 4 && len(y) < 400; b = b[4:] {
			y = append(y, float64(math.Float32frombits(binary.LittleEndian.Uint32(b))))
		}
		o := Options{Horizon: int(h), Interval: 0.9}
		for _, s := range []uint8{s1, s2} {
			if s > 0 {
				o.Seasons = append(o.Seasons, int(s))
			}
		}
		r, err := Series(y, o)
		if err != nil {
			if _, ok := errors.AsType[*Error](err); !ok {
				t.Fatal(err)
			}
			return
		}
		sound(t, r, o)
	})
}

// Small counts that grow by 6 % of the first day each day: what is told of the next day must grow too.
func TestNoisyGrowthIsSeen(t *testing.T) {
	chance := rand.New(rand.NewPCG(1, 2))
	load := func(i int) float64 {
		return 10 * (1 + 0.06*float64(i/24)) * (1 + 0.6*math.Sin(float64(i%24-8)*math.Pi/12))
	}
	var y []float64
	for i := range 14 * 24 {
		y = append(y, math.Floor(load(i)+chance.Float64()))
	}
	want := 0.0
	for i := range 24 {
		want += load(14*24 + i)
	}
	o := hours
	o.Horizon = 24
	r := told(t, y, o)
	if got := 24 * mean(r.Forecast); math.Abs(got-want) > 0.03*want {
		t.Errorf("%.0f of %.0f, the day before %.0f; %s", got, want, 24*mean(y[13*24:]), r.Method)
	}
}
