package app

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/batch/report"
	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/stream/alerts"
	"github.com/hxp-enterprise/hxp/internal/stream/rule"
)

// A process that follows no alerts does not say that there were none.
func TestIncidentsOfAProcessWithoutAlerts(t *testing.T) {
	s := &system{}
	if got, err := s.incidents(t.Context(), report.Period{Start: time.Unix(0, 0), End: time.Unix(3600, 0)}); got.Fired != nil || err != nil {
		t.Errorf("%v, %v", got, err)
	}
	if got := incidentText(&alerts.Alert{Value: 0.123456789, Threshold: 0.1}); got != "The value was 0.123457; the threshold is 0.1." {
		t.Error(got)
	}
	if got := incidentText(&alerts.Alert{Annotations: map[string]string{"summary": "slow"}}); got != "slow" {
		t.Error(got)
	}
}

// A list that has lost its beginning, by the log or by its own limit, says from when on it is whole.
func TestIncidentsSayFromWhenTheyAreWhole(t *testing.T) {
	start := time.Unix(1_800_000_000, 0)
	p := report.Period{Start: start, End: start.Add(time.Hour)}
	book := alerts.NewBook(alerts.Budget, slog.New(slog.DiscardHandler), nil)
	fire := func(n int) {
		at := rule.Time(start.Add(time.Duration(n) * time.Second).UnixMicro())
		text, err := json.Marshal(rule.Decision{ID: fmt.Sprint("e", n), Rule: "busy", Version: "v", State: rule.Firing, Severity: "info", StartsAt: at, At: at, Window: rule.Window{Start: at - 60e6, End: at}, RequestIDs: []string{}})
		if err != nil {
			t.Fatal(err)
		}
		book.Take(&bus.Message{Value: text, Offset: int64(n), Timestamp: start.Add(time.Duration(n) * time.Second)})
	}
	if got := incidentsOf(book, p, nil); got.Fired == nil || len(got.Fired) != 0 || got.Since != nil {
		t.Errorf("an empty log that begins at its beginning: %+v", got)
	}
	for n := range mostIncidents {
		fire(n)
	}
	if got := incidentsOf(book, p, nil); len(got.Fired) != mostIncidents || got.Since != nil {
		t.Errorf("all: %d, since %v", len(got.Fired), got.Since)
	}
	fire(mostIncidents)
	if got := incidentsOf(book, p, nil); len(got.Fired) != mostIncidents || got.Since == nil || !got.Since.Equal(start.Add(time.Second)) {
		t.Errorf("cut: %d, since %v", len(got.Fired), got.Since)
	}
	book.Trim(0, 100)
	if got := incidentsOf(book, p, nil); len(got.Fired) != mostIncidents-99 || got.Since == nil || got.Since.Before(start.Add(99*time.Second)) || got.Since.After(start.Add(100*time.Second)) {
		t.Errorf("trimmed: %d, since %v", len(got.Fired), got.Since)
	}
}
