package app

import (
	"context"
	"errors"
	"io"
	"runtime"
	"sync"

	"github.com/hxp-enterprise/hxp/internal/batch/forecast"
	"github.com/hxp-enterprise/hxp/internal/batch/forecast/table"
)

// ForecastOptions say what is asked of a forecast.
type ForecastOptions = forecast.Options

// Forecast is what `hxp forecast` tells of one series: the result, or why there is none.
type Forecast struct {
	ID string `json:"id"`
	*forecast.Result
	Error *forecast.Error `json:"error,omitempty"`
}

// ForecastTable forecasts the series of a table, as many at a time as there are cores, and gives each to show in the order of the table. It holds
// no more than two for each core. An error of options is a *forecast.Error; failed counts the series without a forecast.
func ForecastTable(ctx context.Context, name string, in io.Reader, o ForecastOptions, show func(Forecast) error) (failed int, err error) {
	if err := o.Validate(); err != nil {
		return 0, err
	}
	r, err := table.NewReader(name, in)
	if err != nil {
		return 0, err
	}
	ctx, stop := context.WithCancel(ctx)
	cores := runtime.GOMAXPROCS(0)
	waiting := make(chan chan Forecast, cores) // in the order of the table
	var readErr error
	var workers sync.WaitGroup
	slots := make(chan struct{}, cores)
	workers.Go(func() {
		defer close(waiting)
		for ctx.Err() == nil {
			s, err := r.Next()
			if err != nil {
				readErr = err
				return
			}
			answer := make(chan Forecast, 1)
			select {
			case waiting <- answer:
			case <-ctx.Done():
				return
			}
			slots <- struct{}{}
			workers.Go(func() {
				answer <- forecastOne(s, o)
				<-slots
			})
		}
	})
	defer workers.Wait()
	defer stop()
	for answer := range waiting {
		f := <-answer
		if f.Error != nil {
			failed++
		}
		if err := show(f); err != nil {
			return failed, err
		}
	}
	if readErr != nil && !errors.Is(readErr, io.EOF) {
		return failed, readErr
	}
	return failed, ctx.Err()
}

func forecastOne(s table.Series, o ForecastOptions) Forecast {
	if s.Err != nil {
		return Forecast{ID: s.ID, Error: &forecast.Error{Code: forecast.InvalidSeries, Detail: s.Err.Error()}}
	}
	r, err := forecast.Series(s.Values, o)
	if bad, ok := errors.AsType[*forecast.Error](err); ok {
		return Forecast{ID: s.ID, Error: bad}
	}
	return Forecast{ID: s.ID, Result: &r}
}
