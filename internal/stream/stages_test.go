package stream

import (
	"encoding/json"
	"math"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/bus/bustest"
	"github.com/hxp-enterprise/hxp/internal/stream/rule"
)

// Every stage of the way of an event is told with the events that went through it and the time they took; those within a lane add up to what
// the lanes were busy.
func TestStages(t *testing.T) {
	b := bustest.New(t)
	s := judging(t, b, t.TempDir(), newRules(t, outage))
	const n = 3000
	produce(t, b, failures(0, n, "a"))
	until(t, b, "outage", rule.Firing, 1)
	for end := time.Now().Add(time.Minute); s.Counted() < n; {
		if _, err := s.Objectives(t.Context()); err != nil || time.Now().After(end) { // a question takes about as long as it needs
			t.Fatal(s.Counted(), err)
		}
	}
	s.end(t)
	w := httptest.NewRecorder()
	s.getPerformance(w, httptest.NewRequest("GET", "/analytics/performance", nil))
	var a struct{ Stages []stageAnswer }
	if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil {
		t.Fatal(err)
	}
	lane := 0.0
	for i, x := range a.Stages {
		if x.Name != stageNames[i] || x.Seconds < 0 || x.Events < n {
			t.Errorf("%+v, want %s of %d events at least", x, stageNames[i], n)
		}
		if stage(i).inLane() {
			lane += x.Seconds
		}
		if x.Seconds == 0 && (stage(i) == stageParse || stage(i) == stagePublish || stage(i) == stageJudge) {
			t.Errorf("%s took no time", x.Name)
		}
	}
	busy := time.Duration(s.metrics.busy.Load() + s.metrics.times.joined.Load()).Seconds()
	if len(a.Stages) != int(stages) || math.Abs(lane-busy) > 1e-9+busy/1e6 {
		t.Errorf("%d stages; those in lanes took %v s, the lanes were busy for %v s", len(a.Stages), lane, busy)
	}
}

// One chunk in so many is timed, the first of them, and what was timed is handed over once.
func TestLaps(t *testing.T) {
	var l laps
	var times stageTimes
	timed := 0
	for range 3*sampledChunks + 1 {
		l.begin()
		if l.on {
			timed++
		}
		l.lap(stageParse)
		l.on = false
	}
	if timed != 4 {
		t.Errorf("%d chunks of %d are timed", timed, 3*sampledChunks+1)
	}
	l.took[stageJoins] = 5
	l.hand(&times)
	l.hand(&times)
	if got := times.nanos[stageJoins].Load(); got != 5 {
		t.Errorf("handed over %d ns, want 5", got)
	}
}
