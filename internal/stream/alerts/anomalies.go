package alerts

import (
	"net/http"
	"strconv"

	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

// anomalyRule is the name under which anomalies are told on the topic that no rule decided.
const anomalyRule = "Anomaly"

// Anomaly is an alert of a number that is not as usual: found by detectors, or by a rule that compares a metric with its own past.
// value is what is, threshold what is usual, or would have been too much for the rule.
type Anomaly struct {
	*Alert
	Metric     string   `json:"metric"`
	Direction  string   `json:"direction"`  // above or below; "" of a rule, which says it itself
	Confidence *float64 `json:"confidence"` // 0 to 1; null of a rule
	Why        string   `json:"why"`        // what each detector says
}

func anomalyOf(a *Alert, metric string) Anomaly {
	out := Anomaly{Alert: a, Metric: metric, Direction: a.Labels["direction"], Why: a.Annotations["why"]}
	if v, err := strconv.ParseFloat(a.Annotations["confidence"], 64); err == nil && v >= 0 && v <= 1 {
		out.Confidence = &v
	}
	return out
}

type anomalies struct {
	Anomalies []Anomaly `json:"anomalies"`
	Next      *string   `json:"next_cursor"`
}

// mountAnomalies adds GET /anomalies. ofRule tells which rules compare a metric with its own past.
func (b *Book) mountAnomalies(m *httpx.Mux, ofRule func(rule string) (metric string, ok bool)) {
	m.HandleFunc("GET /anomalies", func(w http.ResponseWriter, r *http.Request) { b.getAnomalies(w, r, ofRule) },
		httpx.Doc("Lists what was not as usual, newest first: what the detectors found in the live numbers of models, and the alerts of the rules of type anomaly that count now."), httpx.Paging(),
		httpx.Query("metric", "only those of this metric, such as latency_ms.p50", httpx.Text(0, maxID)), httpx.Query("model", "only those of this model", httpx.Text(0, maxID)),
		httpx.Query("state", "pending, firing, resolved, or several of them separated by commas"), httpx.Query("since", "RFC 3339: only those that began at this time or later"),
		httpx.Query("until", "RFC 3339: only those that began before this time"),
		httpx.Answer("200", "the anomalies", anomalies{}))
}

func (b *Book) getAnomalies(w http.ResponseWriter, r *http.Request, ofRule func(rule string) (metric string, ok bool)) {
	page, bad := httpx.PageOf(r)
	var want Wanted
	if bad == nil {
		want, bad = wanted(r, page)
	}
	if bad != nil {
		httpx.Problem(w, r, http.StatusBadRequest, bad.Detail, *bad)
		return
	}
	metricOf := func(a *Alert) (string, bool) {
		if a.Rule == anomalyRule {
			return a.Labels["metric"], true
		}
		return ofRule(a.Rule)
	}
	metric, model := r.URL.Query().Get("metric"), r.URL.Query().Get("model")
	want.Match = func(a *Alert) bool {
		of, ok := metricOf(a)
		return ok && (metric == "" || of == metric) && (model == "" || a.Key["model"] == model)
	}
	out := anomalies{Anomalies: []Anomaly{}}
	list, more := b.List(want, page.Limit)
	for _, a := range list {
		of, _ := metricOf(a)
		out.Anomalies = append(out.Anomalies, anomalyOf(a, of))
	}
	out.Next = next(list, more)
	httpx.JSON(w, http.StatusOK, out)
}
