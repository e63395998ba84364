package app

import (
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/batch/report"
	"github.com/hxp-enterprise/hxp/internal/stream/alerts"
)

// A process that follows no alerts does not say that there were none.
func TestIncidentsOfAProcessWithoutAlerts(t *testing.T) {
	s := &system{}
	if got, err := s.incidents(t.Context(), report.Period{Start: time.Unix(0, 0), End: time.Unix(3600, 0)}); got != nil || err != nil {
		t.Errorf("%v, %v", got, err)
	}
	if got := incidentText(&alerts.Alert{Value: 0.123456789, Threshold: 0.1}); got != "The value was 0.123457; the threshold is 0.1." {
		t.Error(got)
	}
	if got := incidentText(&alerts.Alert{Annotations: map[string]string{"summary": "slow"}}); got != "slow" {
		t.Error(got)
	}
}
