//go:build profile

package app

import (
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
)

// A build with -tags profile writes what a measurement spent its time on to the file that HXP_BENCH_PROFILE names, and what memory was in use at
// its end to the same name with .heap behind it; go tool pprof reads both. It is no flag, because profiles would cost the program a
// tenth of a megabyte.
func init() {
	path := os.Getenv("HXP_BENCH_PROFILE")
	if path == "" {
		return
	}
	noted := false
	profile = func() (stop func() error, err error) {
		if noted { // by the measurement that this one is a part of
			return func() error { return nil }, nil
		}
		noted = true
		out, err := os.Create(path)
		if err != nil {
			return nil, err
		}
		if err := pprof.StartCPUProfile(out); err != nil {
			return nil, err
		}
		return func() error {
			pprof.StopCPUProfile()
			if err := out.Close(); err != nil {
				return err
			}
			heap, err := os.Create(path + ".heap")
			if err != nil {
				return err
			}
			defer heap.Close()
			runtime.GC()
			if err := pprof.WriteHeapProfile(heap); err != nil {
				return fmt.Errorf("heap profile: %w", err)
			}
			return heap.Close()
		}, nil
	}
}
