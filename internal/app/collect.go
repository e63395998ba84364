package app

import (
	"context"
	"math"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"time"
)

// The Go runtime lets the heap grow by as much as lives before it collects again. Here that would be hundreds of megabytes: filters, tables of joins,
// packed cells and what the lake has not published yet live long, and most of it has no pointers, so that a collection does not look into it.
// So the heap may grow by a third of what lives, and a little more, which keeps a small one from being collected all the time.
const (
	growthOfLive = 30 // percent
	growthSpare  = 24 << 20
	paceEvery    = 100 * time.Millisecond // a heap that fills up is collected several times in a second
)

// growth is the part of what lives, in percent, by which the heap may grow.
func growth(live uint64) int {
	return int(min(100, growthOfLive+100*growthSpare/max(live, 1)))
}

// paceCollections sees to that until stop is called. Who sets GOGC decides for himself, and a limit bounds the heap better, see roomyGC.
func paceCollections() (stop func()) {
	if os.Getenv("GOGC") != "" || debug.SetMemoryLimit(-1) != math.MaxInt64 {
		return func() {}
	}
	live, set := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}, 100
	pace := func() {
		metrics.Read(live)
		if now := growth(live[0].Value.Uint64()); now < set-5 || now > set+5 { // to set it stops the world for a moment
			debug.SetGCPercent(now)
			set = now
		}
	}
	pace()
	ctx, cancel := context.WithCancel(context.Background())
	var work sync.WaitGroup
	work.Go(func() {
		tick := time.NewTicker(paceEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				pace()
			case <-ctx.Done():
				return
			}
		}
	})
	return func() {
		cancel()
		work.Wait()
	}
}
