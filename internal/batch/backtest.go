package batch

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/batch/forecast"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

// backtestRequest is the body of POST /forecasts/backtest.
type backtestRequest struct {
	Metric   string  `json:"metric"`
	Model    string  `json:"model"`
	Horizon  int     `json:"horizon_hours"`
	Interval float64 `json:"interval"`
	Origins  int     `json:"origins"`
}

// backtestJSON is a forecast of the past: each origin told from the hours before it alone, as it would have been told then.
type backtestJSON struct {
	Metric            string           `json:"metric"`
	Model             string           `json:"model"`
	Horizon           int              `json:"horizon_hours"`
	Interval          float64          `json:"interval"`
	MASE              *float64         `json:"mase"` // means over the origins
	MASESeasonalNaive *float64         `json:"mase_seasonal_naive"`
	Coverage          *float64         `json:"coverage"`
	Origins           []backtestOrigin `json:"origins"`
}

type backtestOrigin struct {
	T                 time.Time `json:"t"` // the first hour that was told
	Actual            float64   `json:"actual"`
	Forecast          float64   `json:"forecast"` // sums over the horizon
	MASE              *float64  `json:"mase"`
	MASESeasonalNaive *float64  `json:"mase_seasonal_naive"`
	Coverage          float64   `json:"coverage"`
}

// decodeBacktest reads a request; what is not given has its default.
func decodeBacktest(body []byte) (backtestRequest, []httpx.FieldError) {
	req := backtestRequest{Metric: "requests", Model: agg.AllModels, Horizon: 24, Interval: forecastInterval, Origins: defaultOrigins}
	if len(bytes.TrimSpace(body)) > 0 {
		d := json.NewDecoder(bytes.NewReader(body))
		d.DisallowUnknownFields()
		err := d.Decode(&req)
		if err == nil && d.More() {
			err = errors.New("there is more after the object")
		}
		if err != nil {
			return req, []httpx.FieldError{{Pointer: "", Code: "bad_json", Detail: err.Error()}}
		}
	}
	var errs []httpx.FieldError
	bad := func(wrong bool, field, format string, args ...any) {
		if wrong {
			errs = append(errs, httpx.FieldError{Pointer: "/" + field, Code: "out_of_range", Detail: fmt.Sprintf(format, args...)})
		}
	}
	bad(forecastMetrics[req.Metric] == nil, "metric", "%.40q is not one of %s", req.Metric, metricNames())
	bad(req.Horizon < 1 || req.Horizon > maxHorizonHours, "horizon_hours", "%d is not from 1 to %d", req.Horizon, maxHorizonHours)
	bad(!(req.Interval >= 0.01 && req.Interval <= 0.999), "interval", "%v is not from 0.01 to 0.999", req.Interval)
	bad(req.Origins < 1 || req.Origins > maxOriginsAsked, "origins", "%d is not from 1 to %d", req.Origins, maxOriginsAsked)
	return req, errs
}

func (s *Service) postBacktest(w http.ResponseWriter, r *http.Request) {
	body, bad := httpx.ReadBody(w, r, maxBacktestBody)
	if bad != nil {
		bad.Answer(w, r)
		return
	}
	req, errs := decodeBacktest(body)
	if len(errs) > 0 {
		httpx.Problem(w, r, http.StatusUnprocessableEntity, "the backtest cannot be made: "+errs[0].Detail, errs...)
		return
	}
	if s.forecastsOff(w, r) {
		return
	}
	if !take(r.Context(), s.shelf.slots) {
		return // nobody listens
	}
	defer func() { <-s.shelf.slots }()
	rows, err := s.historyRows(r.Context(), s.now().UTC().Truncate(time.Hour))
	if err != nil {
		s.fail(w, r, err)
		return
	}
	h := historyOf(rows, forecastMetrics[req.Metric])
	if h.values[req.Model] == nil && req.Model != agg.AllModels {
		httpx.Problem(w, r, http.StatusNotFound, fmt.Sprintf("no stored hour has the model %.80q", req.Model))
		return
	}
	out, err := backtest(h, req)
	if no, ok := errors.AsType[*forecast.Error](err); ok {
		httpx.Problem(w, r, http.StatusUnprocessableEntity, "there is nothing to test: "+no.Detail, httpx.FieldError{Pointer: "/model", Code: no.Code, Detail: no.Detail})
		return
	}
	httpx.JSON(w, http.StatusOK, out)
}

// backtest tells origins a day apart, the last as late as its horizon allows, and scores what was told.
func backtest(h history, req backtestRequest) (backtestJSON, error) {
	out := backtestJSON{Metric: req.Metric, Model: req.Model, Horizon: req.Horizon, Interval: req.Interval, Origins: []backtestOrigin{}}
	y := h.values[req.Model]
	var refused error = &forecast.Error{Code: forecast.InsufficientData, Detail: fmt.Sprintf("%d hours are fewer than a horizon of %d and eight before it", len(y), req.Horizon)}
	var errs, naive, held []float64
	for k := range req.Origins {
		o := len(y) - req.Horizon - 24*(req.Origins-1-k)
		if o < 24 {
			continue
		}
		r, err := forecast.Series(y[:o], forecast.Options{Horizon: req.Horizon, Seasons: hourSeasons, Interval: req.Interval})
		if err != nil {
			refused = err
			continue
		}
		origin := score(y, o, r)
		origin.T = h.end().Add(time.Duration(o-len(y)) * time.Hour)
		out.Origins = append(out.Origins, origin)
		held = append(held, origin.Coverage)
		if origin.MASE != nil {
			errs, naive = append(errs, *origin.MASE), append(naive, *origin.MASESeasonalNaive)
		}
	}
	if len(out.Origins) == 0 {
		return out, refused
	}
	out.MASE, out.MASESeasonalNaive, out.Coverage = meanOrNil(errs), meanOrNil(naive), meanOrNil(held)
	return out, nil
}

// score compares what was told at an origin with what came, as far as that is known.
func score(y []float64, o int, r forecast.Result) (s backtestOrigin) {
	ours, naive, known, within := 0.0, 0.0, 0.0, 0.0
	for i, told := range r.Forecast {
		v, before := y[o+i], y[o-24+i%24]
		if math.IsNaN(v) || math.IsNaN(before) {
			continue
		}
		known++
		s.Actual, s.Forecast = s.Actual+v, s.Forecast+told
		ours, naive = ours+math.Abs(v-told), naive+math.Abs(v-before)
		if r.Lo[i] <= v && v <= r.Hi[i] {
			within++
		}
	}
	step, pairs := 0.0, 0.0
	for i := 24; i < o; i++ {
		if d := math.Abs(y[i] - y[i-24]); !math.IsNaN(d) {
			step, pairs = step+d, pairs+1
		}
	}
	if known > 0 {
		s.Coverage = within / known
		if step > 0 {
			s.MASE, s.MASESeasonalNaive = new(ours/known/(step/pairs)), new(naive/known/(step/pairs))
		}
	}
	return s
}

func meanOrNil(v []float64) *float64 {
	if len(v) == 0 {
		return nil
	}
	sum := 0.0
	for _, x := range v {
		sum += x
	}
	return new(sum / float64(len(v)))
}
