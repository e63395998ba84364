package batch

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/batch/forecast"
)

var planStart = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

// dailyLoad is the requests of an hour: a season of a day around base.
func dailyLoad(hour int, base float64) int64 {
	return int64(math.Round(base * (1 + 0.6*math.Sin(float64(hour%24-8)*math.Pi/12))))
}

// dailyRows are rows of so many hours: models a and b, the second from day 5 on with half the requests, and their total. Prices are
// known of a alone.
func dailyRows(hours int) (rows []agg.Row) {
	for t := range hours {
		row := func(model string, requests int64, cost *float64) {
			rows = append(rows, agg.Row{Timestamp: planStart.Add(time.Duration(t) * time.Hour), Model: model, Requests: requests, Events: requests, CostUSD: cost, Completeness: new(1.0)})
		}
		a, b := dailyLoad(t, 1000), int64(0)
		if t >= 5*24 {
			b = dailyLoad(t, 500)
		}
		row(agg.AllModels, a+b, nil)
		row("a", a, new(float64(a)/1000))
		if b > 0 {
			row("b", b, nil)
		}
	}
	return rows
}

func TestHistoryOfRows(t *testing.T) {
	rows := dailyRows(10 * 24)
	h := historyOf(rows, forecastMetrics["requests"])
	if !h.start.Equal(planStart) || h.hours != 240 || len(h.values[agg.AllModels]) != 240 || len(h.values["a"]) != 240 || len(h.values["b"]) != 120 {
		t.Fatalf("%v, %d hours: %d, %d, %d", h.start, h.hours, len(h.values[agg.AllModels]), len(h.values["a"]), len(h.values["b"]))
	}
	if h.values["b"][0] != float64(dailyLoad(0, 500)) || h.values["a"][239] != float64(dailyLoad(239, 1000)) {
		t.Error("values are at other hours")
	}
	if got := strings.Join(h.busiest(9), ","); got != "a,b" {
		t.Error(got)
	}
	if rest := h.without([]string{"a"}); rest[0] != 0 || rest[239] != float64(dailyLoad(239, 500)) {
		t.Errorf("without a: %v, %v", rest[0], rest[239])
	}
	unpriced := history{values: map[string][]float64{agg.AllModels: {3, 3, math.NaN()}, "a": {math.NaN(), 2, 1}}}
	if rest := unpriced.without([]string{"a"}); rest[0] != 3 || rest[1] != 1 || !math.IsNaN(rest[2]) {
		t.Errorf("without a that has no price at first: %v", rest)
	}
	cost := historyOf(rows, forecastMetrics["cost_usd"])
	if !math.IsNaN(cost.values["b"][3]) || cost.values["a"][3] != float64(dailyLoad(3, 1000))/1000 {
		t.Error("a price that is not known is one that is not known")
	}
}

func TestHistoryEndsWithWhatIsCounted(t *testing.T) {
	rows := dailyRows(100)
	n := len(rows)
	rows[n-1].Completeness, rows[n-2].Completeness = new(0.5), new(0.5) // of hour 99: the total and a
	if h := historyOf(rows, forecastMetrics["requests"]); h.hours != 99 || !h.end().Equal(planStart.Add(99*time.Hour)) {
		t.Errorf("%d hours", h.hours)
	}
	if h := historyOf(nil, forecastMetrics["requests"]); h.hours != 0 || len(h.values) != 0 {
		t.Errorf("no rows: %+v", h)
	}
}

// An hour without events is an outage where there were always many, and a quiet one where there were not.
func TestOutagesAreNotSilence(t *testing.T) {
	var rows []agg.Row
	for _, r := range dailyRows(10 * 24) {
		if hour := int(r.Timestamp.Sub(planStart) / time.Hour); hour != 100 && hour != 101 {
			rows = append(rows, r)
		}
	}
	h := historyOf(rows, forecastMetrics["requests"])
	if !math.IsNaN(h.values[agg.AllModels][100]) || !math.IsNaN(h.values["a"][101]) || math.IsNaN(h.values["a"][102]) {
		t.Error("an outage is taken for silence")
	}
	for i := range rows {
		rows[i].Events = 5
	}
	if h := historyOf(rows, forecastMetrics["requests"]); h.values["a"][100] != 0 {
		t.Error("silence is taken for an outage")
	}
}

func TestModelsAddUpToTheTotal(t *testing.T) {
	q := forecastQuestion{"requests", 48}
	set, err := forecastHistory(t.Context(), historyOf(dailyRows(21*24), forecastMetrics["requests"]), q, forecastModels)
	if err != nil || len(set.byModel) != 3 || len(set.refused) != 0 {
		t.Fatalf("%v, %d models, refused %v", err, len(set.byModel), set.refused)
	}
	all, _ := set.of(agg.AllModels, 0.95)
	a, _ := set.of("a", 0.95)
	b, _ := set.of("b", 0.95)
	if !all.Points[0].T.Equal(planStart.Add(21*24*time.Hour)) || !b.DataFrom.Equal(planStart.Add(5*24*time.Hour)) {
		t.Errorf("from %v, data of b from %v", all.Points[0].T, b.DataFrom)
	}
	for i, p := range all.Points {
		if sum := a.Points[i].P50 + b.Points[i].P50; math.Abs(sum-p.P50) > 1e-6*p.P50 {
			t.Errorf("hour %d: %v and %v of %v", i, a.Points[i].P50, b.Points[i].P50, p.P50)
		}
		if want := float64(dailyLoad(i, 1000) + dailyLoad(i, 500)); math.Abs(p.P50-want) > 15 {
			t.Errorf("hour %d: %v of %v", i, p.P50, want)
		}
	}
}

// A model of which too little is known is forecast with the rest: its load is not given to the others.
func TestRefusedModelsLeaveTheOthersAlone(t *testing.T) {
	var rows []agg.Row
	const hours, known = 14 * 24, 6
	for k := range hours {
		row := func(model string, requests int64, cost *float64) {
			rows = append(rows, agg.Row{Timestamp: planStart.Add(time.Duration(k) * time.Hour), Model: model, Requests: requests, Events: requests, CostUSD: cost, Completeness: new(1.0)})
		}
		total := int64(50)
		if k >= hours-known {
			total = 100
			row("b", 50, nil) // new, and without a price but for one hour
			if k == hours-known {
				rows[len(rows)-1].CostUSD = new(50.0)
			}
		}
		row("a", 50, new(50.0))
		row(agg.AllModels, total, new(50.0))
		if k == hours-known {
			rows[len(rows)-1].CostUSD = new(100.0)
		}
	}
	for metric, most := range map[string]float64{"requests": 55, "cost_usd": 51} {
		h := historyOf(rows, forecastMetrics[metric])
		set, err := forecastHistory(t.Context(), h, forecastQuestion{metric, 48}, forecastModels)
		if err != nil || set.refused["b"] == nil || len(set.byModel) != 2 {
			t.Fatalf("%s: %v, refused %v", metric, err, set.refused)
		}
		sum := 0.0
		for _, v := range set.byModel["a"].points {
			sum += v / 48
		}
		if sum < 45 || sum > most {
			t.Errorf("%s of a: %v an hour, of 50", metric, sum)
		}
	}
}

// store puts rows into the hours of a world.
func (w *world) store(rows []agg.Row) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range rows {
		p := w.period("hourly", r.Timestamp.Unix())
		if p.Aggregate.Rows == nil {
			p.Aggregate.Rows = map[string][]agg.Row{}
		}
		p.Aggregate.Rows[agg.ByModel] = append(p.Aggregate.Rows[agg.ByModel], r)
	}
}

// An interval that nobody asked for before costs no learning, and the weekly task waits for nobody who asks.
func TestWhatIsLearntAnswersEveryInterval(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		w.store(dailyRows(8 * 24))
		r := begin(t, w, nil)
		wide := r.call("GET", "/forecasts?interval=0.95", "")
		for range cap(r.s.shelf.slots) { // all are taken: who needs one waits for ever
			r.s.shelf.slots <- struct{}{}
		}
		narrow := r.call("GET", "/forecasts?interval=0.5000001", "")
		if wide.status != 200 || narrow.status != 200 || narrow.json["interval"] != 0.5000001 || narrow.body == wide.body {
			t.Errorf("%d %.200s, %d %.200s", wide.status, wide.body, narrow.status, narrow.body)
		}
		if _, sum := r.task("weekly", "capacity_analysis", "2026-03-01T00:00:00Z", "2026-03-08T00:00:00Z"); sum["data_days"] != 7.0 {
			t.Errorf("the task: %v", sum)
		}
		for range cap(r.s.shelf.slots) {
			<-r.s.shelf.slots
		}
	})
}

func TestBacktestOfThePast(t *testing.T) {
	h := historyOf(dailyRows(21*24), forecastMetrics["requests"])
	out, err := backtest(h, backtestRequest{Metric: "requests", Model: "a", Horizon: 24, Interval: 0.95, Origins: 5})
	if err != nil || len(out.Origins) != 5 {
		t.Fatalf("%v, %d origins", err, len(out.Origins))
	}
	for k, o := range out.Origins {
		if !o.T.Equal(planStart.Add(time.Duration(16+k)*24*time.Hour)) || math.Abs(o.Forecast-o.Actual) > 0.02*o.Actual || o.Actual < 23000 {
			t.Errorf("origin %d: %+v", k, o)
		}
	}
	_, err = backtest(h, backtestRequest{Metric: "requests", Model: "a", Horizon: 600, Interval: 0.95, Origins: 5})
	if no, ok := errors.AsType[*forecast.Error](err); !ok || no.Code != forecast.InsufficientData {
		t.Errorf("a horizon beyond the data: %v", err)
	}
}

func TestForecastAnswers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := begin(t, newWorld(), nil)
		if a := r.call("GET", "/forecasts", ""); a.status != 422 || !strings.Contains(a.body, "insufficient_data") {
			t.Errorf("without hours: %d %s", a.status, a.body)
		}
		hourWithData(t, r.w, r)
		for _, tc := range []struct {
			method, path, body string
			status             int
			word               string
		}{
			{"GET", "/forecasts", "", 422, "insufficient_data"},
			{"GET", "/forecasts?model=no_such", "", 404, "no_such"},
			{"GET", "/forecasts?metric=no_such", "", 422, "metric"},
			{"GET", "/forecasts?horizon_hours=0", "", 422, "horizon_hours"},
			{"GET", "/forecasts?horizon_hours=1.5", "", 422, "whole"},
			{"GET", "/forecasts?horizon_hours=721", "", 422, "720"},
			{"GET", "/forecasts?interval=2", "", 422, "interval"},
			{"GET", "/forecasts?interval=NaN", "", 422, "interval"},
			{"GET", "/forecasts?days=2", "", 422, "unknown_parameter"},
			{"POST", "/forecasts/backtest", "", 422, "insufficient_data"},
			{"POST", "/forecasts/backtest", `{"model":"no_such"}`, 404, "no_such"},
			{"POST", "/forecasts/backtest", `{"metric":"latency"}`, 422, "/metric"},
			{"POST", "/forecasts/backtest", `{"horizon_hours":0,"interval":1,"origins":31}`, 422, "/origins"},
			{"POST", "/forecasts/backtest", `{"days":3}`, 422, "bad_json"},
			{"POST", "/forecasts/backtest", `{} {}`, 422, "more after"},
			{"POST", "/forecasts/backtest", strings.Repeat(" ", maxBacktestBody+1), 413, "more than"},
		} {
			if a := r.call(tc.method, tc.path, tc.body); a.status != tc.status || !strings.Contains(a.body, tc.word) {
				t.Errorf("%s %s %.40s: %d %s", tc.method, tc.path, tc.body, a.status, a.body)
			}
		}
	})
}

func FuzzBacktestRequest(f *testing.F) {
	f.Add([]byte(`{"metric":"requests","model":"m","horizon_hours":24,"interval":0.9,"origins":3}`))
	f.Add([]byte(`{"horizon_hours":1e9}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		req, errs := decodeBacktest(body)
		if len(errs) == 0 && (forecastMetrics[req.Metric] == nil || req.Horizon < 1 || req.Horizon > maxHorizonHours || req.Origins < 1 || req.Origins > maxOriginsAsked) {
			t.Errorf("%+v", req)
		}
		for _, e := range errs {
			if e.Code == "" || e.Detail == "" {
				t.Errorf("%+v", e)
			}
		}
	})
}

// A switch that is off answers, and takes nothing from what stands on forecasts.
func TestForecastsAreSwitchedOff(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := begin(t, newWorld(), func(c *Config) { c.Intelligence.Forecasting = false })
		for method, path := range map[string]string{"GET": "/forecasts", "POST": "/forecasts/backtest"} {
			if a := r.call(method, path, ""); a.status != 409 || !strings.Contains(a.body, "forecasting_enabled") {
				t.Errorf("%s %s: %d %s", method, path, a.status, a.body)
			}
		}
		if a := r.call("GET", "/capacity/analysis", ""); a.status != 200 {
			t.Errorf("%d %s", a.status, a.body)
		}
	})
}
