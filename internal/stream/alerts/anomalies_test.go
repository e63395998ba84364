package alerts

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/bus"
)

// anomalyRecord is what the fast path writes of an anomaly.
func anomalyRecord(t *testing.T, n int, model, metric string) *bus.Message {
	t.Helper()
	at := time.UnixMicro(begin + int64(n)*1e6).UTC()
	value, err := json.Marshal(map[string]any{
		"id": fmt.Sprintf("anomaly-%d", n), "rule": anomalyRule, "version": "watch-1", "state": "firing", "severity": "warning", "key": map[string]string{"model": model},
		"labels":      map[string]string{"metric": metric, "model": model, "direction": "above"},
		"annotations": map[string]string{"why": "tail (1.000): so", "confidence": "0.999"},
		"at":          at, "starts_at": at, "window": map[string]any{"start": at.Add(-time.Minute), "end": at}, "value": 2, "threshold": 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	return &bus.Message{Value: value, Offset: int64(n)}
}

func TestAnomalies(t *testing.T) {
	b := newBook(Budget)
	script(b, "1!") // of a rule of type anomaly, see get
	for n, x := range [][2]string{2: {"m1", "error_rate"}, 3: {"m1", "requests"}, 4: {"m2", "requests"}} {
		if x[0] != "" {
			b.Take(anomalyRecord(t, n, x[0], x[1]))
		}
	}
	for query, want := range map[string]string{
		"": "anomaly-4 anomaly-3 anomaly-2 e1", "metric=requests": "anomaly-4 anomaly-3 e1", "model=m1": "anomaly-3 anomaly-2", "metric=requests&model=m1": "anomaly-3",
		"state=resolved": "", "limit=1": "anomaly-4",
	} {
		var a anomalies
		get(t, b, "/anomalies?"+query, 200, &a)
		var ids []string
		for _, x := range a.Anomalies {
			ids = append(ids, x.ID)
			if found := x.Rule == anomalyRule; found && (x.Confidence == nil || *x.Confidence != 0.999 || x.Why == "" || x.Threshold != 1 || x.Direction != "above") || x.Metric == "" || !found && x.Confidence != nil {
				t.Errorf("%s: %+v", query, x)
			}
		}
		if got := strings.Join(ids, " "); got != want {
			t.Errorf("%q: %s, want %s", query, got, want)
		}
	}
	get(t, b, "/anomalies?since=yesterday", 400, nil)
}
