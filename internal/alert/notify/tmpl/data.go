package tmpl

import "time"

// Data is what a message is about: what a template sees, and what a webhook of version 4 is sent.
type Data struct {
	Version           string            `json:"version"`
	GroupKey          string            `json:"groupKey"`
	TruncatedAlerts   int               `json:"truncatedAlerts"`
	Status            string            `json:"status"` // firing while one of the alerts does
	Receiver          string            `json:"receiver"`
	GroupLabels       map[string]string `json:"groupLabels"`
	CommonLabels      map[string]string `json:"commonLabels"`
	CommonAnnotations map[string]string `json:"commonAnnotations"`
	ExternalURL       string            `json:"externalURL"`
	Alerts            []Alert           `json:"alerts"`
}

// Alert is an alert of a message.
type Alert struct {
	Status       string            `json:"status"`
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations"`
	StartsAt     time.Time         `json:"startsAt"`
	EndsAt       time.Time         `json:"endsAt"` // zero while it fires
	GeneratorURL string            `json:"generatorURL"`
	Fingerprint  string            `json:"fingerprint"`
}

// The two statuses.
const (
	Firing   = "firing"
	Resolved = "resolved"
)

// With are the alerts of a status.
func (d *Data) With(status string) []Alert {
	var out []Alert
	for _, a := range d.Alerts {
		if a.Status == status {
			out = append(out, a)
		}
	}
	return out
}
