package forecast

import (
	"fmt"
	"math"
	"slices"
)

// Limits of what is computed. The time grows with the product of length and horizon, so both have an end.
const (
	MaxValues  = 100_000 // of one series
	MaxHorizon = 10_000  // steps
	MaxSeason  = 10_000  // steps
	MaxSeasons = 4
	minValues  = 8    // that a forecast can be made from at all
	maxSize    = 1e15 // of a value; larger ones lose their units in float64
)

// Options say what is asked.
type Options struct {
	Horizon  int     // steps ahead
	Seasons  []int   // lengths of the seasons in steps, such as 24 and 168 for hours; none is a series without seasons
	Interval float64 // share of the coming values that shall lie in [Lo, Hi]; between 0 and 1
}

// Codes of errors.
const (
	InvalidOptions   = "invalid_options"
	InvalidSeries    = "invalid_series"
	InsufficientData = "insufficient_data"
)

// Error is why there is no forecast.
type Error struct {
	Code   string `json:"code"`
	Detail string `json:"detail"`
}

func (e *Error) Error() string { return e.Code + ": " + e.Detail }

func refuse(code, format string, args ...any) error {
	return &Error{code, fmt.Sprintf(format, args...)}
}

// Result is a forecast. Forecast, Lo and Hi have one value for each step ahead, in the unit of the series, Lo ≤ Forecast ≤ Hi.
type Result struct {
	Forecast []float64 `json:"forecast"`
	Lo       []float64 `json:"lo"`
	Hi       []float64 `json:"hi"`
	Method   string    `json:"method"`
	Backtest Backtest  `json:"backtest"`
	Warnings []string  `json:"warnings"`
}

// Validate returns what is wrong with options.
func (o Options) Validate() error {
	if err := o.learnable(); err != nil {
		return err
	}
	if !(o.Interval > 0 && o.Interval < 1) {
		return refuse(InvalidOptions, "interval is %v; it must lie between 0 and 1, such as 0.95", o.Interval)
	}
	return nil
}

// learnable returns what is wrong with those of the options that learning needs.
func (o Options) learnable() error {
	if o.Horizon < 1 || o.Horizon > MaxHorizon {
		return refuse(InvalidOptions, "horizon is %d; it must be from 1 to %d steps", o.Horizon, MaxHorizon)
	}
	if len(o.Seasons) > MaxSeasons {
		return refuse(InvalidOptions, "%d seasons; at most %d", len(o.Seasons), MaxSeasons)
	}
	for i, s := range o.Seasons {
		if s < 2 || s > MaxSeason {
			return refuse(InvalidOptions, "season %d; it must be from 2 to %d steps", s, MaxSeason)
		}
		if i > 0 && s <= o.Seasons[i-1] {
			return refuse(InvalidOptions, "seasons %v; give them from the shortest to the longest, each once", o.Seasons)
		}
	}
	return nil
}

// Series forecasts one series; NaN is a missing value. The error is an *Error.
func Series(values []float64, o Options) (Result, error) {
	if err := o.Validate(); err != nil {
		return Result{}, err
	}
	l, err := Learn(values, o)
	if err != nil {
		return Result{}, err
	}
	return l.Within(o.Interval), nil
}

// Learnt is a forecast before somebody says how wide its interval shall be. Learning takes the time; bounds of any interval follow from it at little cost.
type Learnt struct {
	told      Result      // without bounds and coverage
	next      []float64   // the forecast, divided by unit
	residuals [][]float64 // told less value at each origin, divided by unit
	unit      float64
	negative  bool
}

// Learn does what a forecast needs but for the interval, which is not looked at. The error is an *Error.
func Learn(values []float64, o Options) (*Learnt, error) {
	if err := o.learnable(); err != nil {
		return nil, err
	}
	warnings := []string{} // an empty list, not null
	y, err := prepare(values, o, &warnings)
	if err != nil {
		return nil, err
	}
	unit := scaleOf(y)
	for i := range y {
		y[i] /= unit
	}
	p := newProblem(y, o)
	w, residuals := p.combine()
	l := &Learnt{residuals: residuals, unit: unit, negative: p.negative, next: mix(w, p.methods, func(c candidate) []float64 { return c.next })}
	l.told = Result{Forecast: l.Points(), Method: p.describe(w), Backtest: p.backtest(residuals, unit), Warnings: append(warnings, p.warn()...)}
	return l, nil
}

// Points returns the forecast.
func (l *Learnt) Points() []float64 {
	out := slices.Clone(l.next)
	for i := range out {
		out[i] *= l.unit
	}
	return out
}

// Within returns the forecast with the bounds that a share of the coming values, above 0 and below 1, shall lie in.
func (l *Learnt) Within(interval float64) Result {
	r := l.told
	r.Forecast, r.Warnings = slices.Clone(r.Forecast), slices.Clone(r.Warnings)
	r.Backtest.Coverage = coverage(l.residuals, interval)
	r.Lo, r.Hi = bound(l.next, l.residuals, interval)
	for i := range r.Lo {
		if !l.negative {
			r.Lo[i] = max(r.Lo[i], 0)
		}
		r.Lo[i] *= l.unit
		r.Hi[i] *= l.unit
	}
	return r
}

// warn says what a reader should know about the ground that a forecast stands on.
func (p *problem) warn() []string {
	var out []string
	for _, s := range p.o.Seasons {
		if len(p.y) < seasonsNeeded*s {
			out = append(out, fmt.Sprintf("season %d is not learnt: %d values are fewer than %d seasons", s, len(p.y), seasonsNeeded))
		}
	}
	if len(p.origins) < 2 {
		out = append(out, "the backtest has one origin: the interval is a guess")
	}
	if p.depth < p.o.Horizon {
		out = append(out, fmt.Sprintf("the backtest looked %d steps ahead: what is told of the others was not tested", p.depth))
	}
	return out
}

// prepare checks a series and returns what is learnt from, without gaps.
func prepare(values []float64, o Options, warnings *[]string) ([]float64, error) {
	if len(values) > MaxValues {
		return nil, refuse(InvalidSeries, "%d values; at most %d in one series", len(values), MaxValues)
	}
	known := 0
	for i, v := range values {
		switch {
		case math.IsNaN(v):
		case math.Abs(v) > maxSize:
			return nil, refuse(InvalidSeries, "value %d is %v; sizes go up to %g", i+1, v, maxSize)
		default:
			known++
		}
	}
	if known < minValues {
		return nil, refuse(InsufficientData, "%d values; a forecast needs at least %d", known, minValues)
	}
	y, err := fill(values, o.Seasons, warnings)
	if err != nil {
		return nil, err
	}
	y = recent(y, o.Seasons)
	return cutShift(y, o.Seasons, warnings), nil
}

// What is older than half a year of weeks tells little and costs time.
const (
	seasonsLearnt = 26
	valuesLearnt  = 4096 // at least, and four times as many at most
)

func recent(y []float64, seasons []int) []float64 {
	limit := valuesLearnt
	if len(seasons) > 0 {
		limit = max(limit, min(seasonsLearnt*seasons[len(seasons)-1], 4*limit))
	}
	return y[max(0, len(y)-limit):]
}

// scaleOf returns a positive size of the values, so that all series look alike inside.
func scaleOf(y []float64) float64 {
	sizes := make([]float64, 0, len(y))
	for _, v := range y {
		if v != 0 {
			sizes = append(sizes, math.Abs(v))
		}
	}
	if len(sizes) == 0 {
		return 1
	}
	slices.Sort(sizes)
	// A power of two, so that dividing by it and multiplying with it changes no digit.
	return math.Exp2(math.Round(math.Log2(sizes[len(sizes)/2])))
}
