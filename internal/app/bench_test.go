package app

import (
	"errors"
	"testing"
	"time"
)

// What cannot be measured is refused before anything is started.
func TestMeasurementsThatAreRefused(t *testing.T) {
	for _, tc := range []struct {
		name string
		o    BenchOptions
		want error
	}{
		{"nothing", BenchOptions{Duration: time.Second}, ErrNoBench},
		{"windows", BenchOptions{}, ErrBadDuration},
		{"peers", BenchOptions{Duration: time.Second}, ErrNoKafka},
		{"batch", BenchOptions{Duration: time.Second, Rows: fewestRows - 1}, ErrFewRows},
	} {
		if _, err := Bench(t.Context(), tc.name, tc.o); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v, want %v", tc.name, err, tc.want)
		}
	}
}
