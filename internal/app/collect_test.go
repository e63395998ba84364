package app

import (
	"os"
	"runtime"
	"runtime/debug"
	"testing"
)

func TestGrowthFollowsWhatLives(t *testing.T) {
	for live, want := range map[uint64]int{0: 100, 30 << 20: 100, 64 << 20: 67, 128 << 20: 48, 320 << 20: 37, 3200 << 20: 30} {
		if got := growth(live); got != want {
			t.Errorf("of %d MiB the heap grows by %d %%, want %d", live>>20, got, want)
		}
	}
}

// What lives in the process is looked at, unless GOGC says how to collect.
func TestCollectionsArePaced(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(100))
	percent := func() int {
		now := debug.SetGCPercent(100)
		debug.SetGCPercent(now)
		return now
	}
	lives := make([]byte, 256<<20)
	runtime.GC()
	t.Setenv("GOGC", "100")
	paceCollections()()
	if got := percent(); got != 100 {
		t.Errorf("with GOGC=100 the heap grows by %d %%", got)
	}
	if err := os.Unsetenv("GOGC"); err != nil { // Setenv sets it back
		t.Fatal(err)
	}
	limit := debug.SetMemoryLimit(8 << 30)
	paceCollections()()
	debug.SetMemoryLimit(limit)
	if got := percent(); got != 100 {
		t.Errorf("with a limit of the memory the heap grows by %d %%", got)
	}
	paceCollections()()
	if got := percent(); got < 30 || got > 40 {
		t.Errorf("with a quarter of a gigabyte the heap grows by %d %%, want about 39", got)
	}
	runtime.KeepAlive(lives)
}
