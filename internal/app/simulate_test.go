package app

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/ingest/simulate"
	"github.com/hxp-enterprise/hxp/internal/ingest/sink"
)

// caught is a way in that keeps the times of events, and fails from the event with the number fails on.
type caught struct {
	times []time.Time
	fails int
}

func (c *caught) Send(_ context.Context, item sink.Item, _ sink.Report) error {
	if len(c.times) == c.fails {
		return errors.New("nobody takes it")
	}
	var e struct {
		Timestamp time.Time `json:"timestamp"`
	}
	if err := json.Unmarshal(item.Value, &e); err != nil {
		return err
	}
	c.times = append(c.times, e.Timestamp)
	return nil
}

func (c *caught) Flush(context.Context) error { return nil }

// The past is told from its beginning to now and not beyond, without waiting; what fails ends it.
func TestSimulatePast(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 30, 0, time.UTC)
	all := &caught{fails: -1}
	n, err := SimulatePast(t.Context(), 1, simulate.Profile{Rate: 1}, now, 2*time.Hour, Sending{Sink: all})
	if err != nil || n != int64(len(all.times)) || n < 7200 {
		t.Fatalf("%d events, %d of them sent, %v", n, len(all.times), err)
	}
	first, last := now, now.Add(-2*time.Hour)
	for _, at := range all.times {
		if at.Before(first) {
			first = at
		}
		if at.After(last) {
			last = at
		}
	}
	if first.Before(now.Add(-2*time.Hour)) || first.After(now.Add(-119*time.Minute)) || last.After(now) || last.Before(now.Add(-time.Minute)) {
		t.Errorf("events from %s to %s", first, last)
	}
	few := &caught{fails: 3}
	if n, err := SimulatePast(t.Context(), 1, simulate.Profile{Rate: 1}, now, time.Hour, Sending{Sink: few}); n != 3 || err == nil {
		t.Errorf("%d events sent, %v", n, err)
	}
}

func TestSimulateFlags(t *testing.T) {
	good := SimulateFlags{Rate: 1, Scenario: "steady", Via: "kafka", Past: time.Hour}
	if err := good.Check(); err != nil {
		t.Error(err)
	}
	for name, f := range map[string]SimulateFlags{
		"to come":           {Rate: 1, Scenario: "steady", Via: "kafka", Past: -time.Hour},
		"too long":          {Rate: 1, Scenario: "steady", Via: "kafka", Past: maxPast + 1},
		"with a duration":   {Rate: 1, Scenario: "steady", Via: "kafka", Past: time.Hour, Duration: time.Hour},
		"no such scenario":  {Rate: 1, Scenario: "storm", Via: "kafka"},
		"nothing a second":  {Scenario: "steady", Via: "kafka"},
		"neither way there": {Rate: 1, Scenario: "steady", Via: "pigeon"},
	} {
		if f.Check() == nil {
			t.Errorf("%s is taken", name)
		}
	}
}
