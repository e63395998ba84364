package app

import (
	"errors"
	"math"
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
		{"windows", BenchOptions{Duration: time.Second, MemoryGB: -1}, ErrBadMemory},
		{"windows", BenchOptions{Duration: time.Second, MemoryGB: math.NaN()}, ErrBadMemory},
		{"batch", BenchOptions{Duration: time.Second, Rows: fewestRows - 1}, ErrFewRows},
	} {
		if _, err := Bench(t.Context(), tc.name, tc.o); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v, want %v", tc.name, err, tc.want)
		}
	}
}
