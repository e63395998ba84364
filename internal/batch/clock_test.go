package batch

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

var clockJumps = map[string]time.Duration{"a day forward": 24 * time.Hour, "an hour back": -time.Hour, "NTP back": -2 * time.Second}

// setClock gives the database of the world a clock that is set.
func (w *world) setClock(t *testing.T) (set func(by time.Duration)) {
	var by atomic.Int64
	w.open(t).UseWall(func() time.Time { return time.Now().Add(time.Duration(by.Load())) })
	return func(d time.Duration) { by.Store(int64(d)) }
}

// The clock of the database is set, and set right half an hour later: no run of a day to come is made, none is made twice, and none is missing.
func TestClockJumpsSkipNoRuns(t *testing.T) {
	for name, by := range clockJumps {
		t.Run(name, func(t *testing.T) {
			nightBubble(t, func(t *testing.T) {
				w := newWorld()
				w.looksEach = 10 * time.Second
				set := w.setClock(t)
				r := begin(t, w, nil)
				time.Sleep(29 * time.Minute)
				set(by)
				time.Sleep(30 * time.Minute)
				if hours := r.scheduled(hourly); len(hours) > 1 {
					t.Errorf("half an hour after the jump: %v", hours)
				}
				set(0)
				time.Sleep(2 * time.Hour)
				want(t, "afterwards", r.scheduled(hourly), "03-30T22 success", "03-30T23 success", "03-31T00 success")
				want(t, "the day", r.scheduled(daily), "03-30T00 success")
			})
		})
	}
}

// A task that is executed goes on: neither its lease nor the time of its run is over because of the clock.
func TestClockJumpsEndNoTask(t *testing.T) {
	for name, by := range clockJumps {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld()
				set := w.setClock(t)
				w.scanTakes = 10 * time.Minute
				w.setEnds(map[string]map[int32]int64{"llm-requests": {0: 1}})
				w.publish(time.Now().Truncate(time.Hour).Unix(), request("1", "m", 0))
				w.reach("llm-requests", 0, 1)
				r := begin(t, w, nil)
				path := r.post(1000, 1001)
				time.Sleep(time.Minute)
				set(by)
				time.Sleep(15 * time.Minute)
				if run := r.run(path); run.State != agg.RunSuccess || run.Tasks[0].Try != 1 {
					t.Errorf("%s after %d tries: %s", run.State, run.Tasks[0].Try, run.Tasks[0].Error)
				}
			})
		})
	}
}
