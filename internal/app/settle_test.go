package app

import (
	"math"
	"runtime/debug"
	"testing"
)

// A memory limit brings fewer collections with it, unless somebody has said how many.
func TestAMemoryLimitMakesRoom(t *testing.T) {
	before := debug.SetGCPercent(100)
	defer func() { debug.SetGCPercent(before); debug.SetMemoryLimit(math.MaxInt64) }()
	for _, c := range []struct {
		limit, gogc string
		percent     int
		memory      int64
	}{{"0", "", 100, math.MaxInt64}, {"8", "100", 100, 8 << 30}, {"8", "", roomyGC, 8 << 30}} {
		t.Setenv("GOGC", c.gogc)
		cfg, _, err := LoadConfig(LoadOptions{Environ: []string{"EVENT_PROCESSING_API_MEMORY_GB=" + c.limit, "HXP_DATA_DIR=" + t.TempDir()}})
		if err != nil {
			t.Fatal(err)
		}
		limitProcess(cfg, []string{Stream})
		if got, memory := debug.SetGCPercent(100), debug.SetMemoryLimit(-1); got != c.percent || memory != c.memory {
			t.Errorf("limit %q, GOGC %q: %d %% within %d bytes, want %d within %d", c.limit, c.gogc, got, memory, c.percent, c.memory)
		}
	}
}
