package batch

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/batch/forecast"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

// Limits of forecasts over HTTP.
const (
	defaultHorizon   = 48
	maxHorizonHours  = 720
	forecastModels   = 50 // of which each has a forecast that adds up to the total
	keptForecasts    = 16
	defaultOrigins   = 7
	maxOriginsAsked  = 30
	maxBacktestBody  = 4 << 10
	forecastInterval = 0.95
)

// otherModels stands for the models that are not among the busiest. No model has this name.
const otherModels = "\x00other"

// hourSeasons are the seasons of hours: the day and the week.
var hourSeasons = []int{24, 168}

// forecastQuestion is what is learnt from the stored hours. The interval is no part of it: there are as many as floating-point numbers, so that each who asks could
// ask for one that nobody has learnt for.
type forecastQuestion struct {
	metric  string
	horizon int
}

// forecastSet is what was learnt of a metric, for all models together and for each of the busiest, as far as there is data for them.
type forecastSet struct {
	question forecastQuestion
	start    time.Time // of the first hour that is told
	byModel  map[string]*modelForecast
	refused  map[string]*forecast.Error
}

// modelForecast is the forecast of a model. The points of the models add up to those of the total.
type modelForecast struct {
	learnt *forecast.Learnt
	points []float64
	hours  int // that it stands on
}

// forecastShelf keeps the last sets, and lets only so many be made at a time as there are cores.
type forecastShelf struct {
	slots   chan struct{} // of what somebody asks for: forecasts, backtests, analyses of capacity
	planned chan struct{} // of the task of the weekly DAG, which must not wait for them
	mu      sync.Mutex    // guards what follows
	from    string        // state of the hours that the sets were made from
	sets    map[forecastQuestion]*forecastSet
}

func newForecastShelf() *forecastShelf {
	return &forecastShelf{slots: make(chan struct{}, runtime.GOMAXPROCS(0)), planned: make(chan struct{}, 1), sets: map[forecastQuestion]*forecastSet{}}
}

func (f *forecastShelf) look(from string, q forecastQuestion) *forecastSet {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.from != from {
		return nil
	}
	return f.sets[q]
}

func (f *forecastShelf) keep(from string, q forecastQuestion, set *forecastSet) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.from != from || len(f.sets) >= keptForecasts {
		f.from = from
		clear(f.sets)
	}
	f.sets[q] = set
}

// forecasts answers a question from the hours that ended by end.
func (s *Service) forecasts(ctx context.Context, q forecastQuestion, end time.Time) (*forecastSet, error) {
	start, at, err := s.deps.Periods.LastBuilt(ctx, "hourly")
	if err != nil {
		return nil, err
	}
	from := fmt.Sprint(end.Unix(), start, at.UnixMicro())
	if set := s.shelf.look(from, q); set != nil {
		return set, nil
	}
	if !take(ctx, s.shelf.slots) {
		return nil, context.Cause(ctx)
	}
	defer func() { <-s.shelf.slots }()
	if set := s.shelf.look(from, q); set != nil { // somebody else made it meanwhile
		return set, nil
	}
	rows, err := s.historyRows(ctx, end)
	if err != nil {
		return nil, err
	}
	set, err := forecastHistory(ctx, historyOf(rows, forecastMetrics[q.metric]), q, forecastModels)
	if err != nil {
		return nil, err
	}
	s.shelf.keep(from, q, set)
	return set, nil
}

// forecastHistory forecasts a metric for all models together and for each, so that the models, with what is left of the total, add up to it. Left is what
// belongs to no model with a forecast of its own: to one that is not among the busiest, or of which too little is known.
func forecastHistory(ctx context.Context, h history, q forecastQuestion, models int) (*forecastSet, error) {
	set := &forecastSet{question: q, start: h.end(), byModel: map[string]*modelForecast{}, refused: map[string]*forecast.Error{}}
	busiest := h.busiest(models)
	var told []string
	for _, model := range append([]string{agg.AllModels}, busiest...) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if set.learn(model, h.values[model]) && model != agg.AllModels {
			told = append(told, model)
		}
	}
	total := set.byModel[agg.AllModels]
	if total == nil {
		return set, nil
	}
	if len(h.values) > len(told)+1 {
		if set.learn(otherModels, h.without(told)) {
			told = append(told, otherModels)
		}
	}
	parts := make([][]float64, len(told))
	for i, model := range told {
		parts[i] = set.byModel[model].points
	}
	forecast.Reconcile(total.points, parts)
	delete(set.byModel, otherModels)
	return set, nil
}

// learn is false when there is no forecast of values.
func (set *forecastSet) learn(model string, values []float64) bool {
	if values == nil {
		return false
	}
	l, err := forecast.Learn(values, forecast.Options{Horizon: set.question.horizon, Seasons: hourSeasons})
	if no, ok := errors.AsType[*forecast.Error](err); ok {
		set.refused[model] = no
		return false
	}
	set.byModel[model] = &modelForecast{l, l.Points(), len(values)}
	return true
}

// of returns the forecast of a model with the bounds of an interval; ok is false where there is none.
func (set *forecastSet) of(model string, interval float64) (f metricForecast, ok bool) {
	m := set.byModel[model]
	if m == nil {
		return f, false
	}
	r := m.learnt.Within(interval)
	r.Move(m.points)
	f = metricForecast{Metric: set.question.metric, Model: model, Interval: interval, Method: r.Method, Backtest: r.Backtest, Warnings: r.Warnings,
		DataFrom: set.start.Add(-time.Duration(m.hours) * time.Hour), Points: make([]timedPoint, len(r.Forecast))}
	for i, v := range r.Forecast {
		f.Points[i] = timedPoint{T: set.start.Add(time.Duration(i) * time.Hour), P50: v, Lo: r.Lo[i], Hi: r.Hi[i]}
	}
	return f, true
}

func (s *Service) mountForecasts(m *httpx.Mux) {
	refused := httpx.Answer("422", "A parameter cannot be used, or there are too few hours; errors says which.")
	none, off := httpx.Answer("404", "No stored hour has this model."), httpx.Answer("409", "Forecasts are switched off.")
	m.HandleFunc("GET /forecasts", s.getForecast, httpx.Doc("How the hours of a metric go on, with an interval and with how good that would have been in the past. Models add up to the total."),
		httpx.Query("metric", "requests (default), errors, prompt_tokens, completion_tokens, total_tokens or cost_usd."), httpx.Query("model", "A model, _all for all together (default)."),
		httpx.Query("horizon_hours", "Hours ahead, 1 to 720; 48 when not given."), httpx.Query("interval", "Share of the hours to come that lie between lo and hi; 0.95 when not given."),
		httpx.Answer("200", "The forecast.", metricForecast{}), none, off, refused)
	m.HandleFunc("POST /forecasts/backtest", s.postBacktest, httpx.Needs(httpx.Read), httpx.Doc("Forecasts days of the past from what lay before them and scores each. Body: {\"metric\", \"model\", \"horizon_hours\", \"interval\", \"origins\"}, all with defaults."),
		httpx.Body("application/json"), httpx.Answer("200", "The scores of each origin and their means.", backtestJSON{}), none, off, refused)
}

// forecastsOff answers where nothing is forecast for those who ask.
func (s *Service) forecastsOff(w http.ResponseWriter, r *http.Request) bool {
	on := s.cfg().Intelligence.Forecasting
	if !on {
		httpx.Problem(w, r, http.StatusConflict, "disabled: forecasts are switched off; business_intelligence.forecasting_enabled switches them on")
	}
	return !on
}

// number reads a parameter within bounds.
func (q *query) number(name string, fallback, low, high float64) float64 {
	text := q.values.Get(name)
	if text == "" {
		return fallback
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || !(v >= low && v <= high) {
		q.bad(name, "out_of_range", "%.40q is not a number from %v to %v", text, low, high)
		return fallback
	}
	return v
}

func (s *Service) getForecast(w http.ResponseWriter, r *http.Request) {
	q := &query{values: r.URL.Query()}
	q.only("metric", "model", "horizon_hours", "interval")
	hours := q.number("horizon_hours", defaultHorizon, 1, maxHorizonHours)
	if hours != float64(int(hours)) {
		q.bad("horizon_hours", "out_of_range", "%v is not a whole number of hours", hours)
	}
	ask := forecastQuestion{q.choice("metric", "requests", slices.Sorted(maps.Keys(forecastMetrics))...), int(hours)}
	interval := q.number("interval", forecastInterval, 0.01, 0.999)
	if q.refused(w, r) || s.forecastsOff(w, r) {
		return
	}
	model := q.values.Get("model")
	if model == "" {
		model = agg.AllModels
	}
	set, err := s.forecasts(r.Context(), ask, s.now().UTC().Truncate(time.Hour))
	if err != nil {
		s.fail(w, r, err)
		return
	}
	if f, ok := set.of(model, interval); ok {
		httpx.JSON(w, http.StatusOK, f)
		return
	}
	s.noForecast(w, r, model, set)
}

// noForecast answers for a model that has none.
func (s *Service) noForecast(w http.ResponseWriter, r *http.Request, model string, set *forecastSet) {
	switch no := set.refused[model]; {
	case no != nil:
		httpx.Problem(w, r, http.StatusUnprocessableEntity, "there is no forecast of the stored hours: "+no.Detail, httpx.FieldError{Pointer: "model", Code: no.Code, Detail: no.Detail})
	case model == agg.AllModels:
		httpx.Problem(w, r, http.StatusUnprocessableEntity, "there is no forecast: no hour is stored", httpx.FieldError{Pointer: "model", Code: forecast.InsufficientData, Detail: "no hour is stored"})
	default:
		httpx.Problem(w, r, http.StatusNotFound, fmt.Sprintf("there is no forecast of the model %.80q: it is none of the %d busiest of the stored hours", model, forecastModels))
	}
}

// metricNames are the metrics in words.
func metricNames() string { return strings.Join(slices.Sorted(maps.Keys(forecastMetrics)), ", ") }
