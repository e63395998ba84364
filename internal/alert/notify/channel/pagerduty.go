package channel

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/alert/notify/plan"
	"github.com/hxp-enterprise/hxp/internal/alert/notify/tmpl"
	"github.com/hxp-enterprise/hxp/internal/kit/deliver"
)

func jsonHeader() http.Header {
	return http.Header{"Content-Type": {"application/json"}, "User-Agent": {"hxp"}}
}

func sorted(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }

// The limits of Events API v2.
const (
	pagerSummary = 1024
	pagerDetail  = 4 << 10
	pagerLists   = 128 << 10
)

// pagerBody triggers or resolves the incident of a group: the group is its dedup_key, so that what is told again changes the same one.
func pagerBody(w *plan.Way, m *Message, key string) object {
	d := m.shown()
	sum := sha256.Sum256([]byte(d.GroupKey))
	out := object{"routing_key": key, "dedup_key": hex.EncodeToString(sum[:]), "client": "hxp", "event_action": "trigger"}
	if d.ExternalURL != "" {
		out["client_url"] = d.ExternalURL
	}
	if d.Status == tmpl.Resolved {
		out["event_action"] = "resolve"
	}
	details := object{"firing": tmpl.Shorten(listed(d, tmpl.Firing), pagerLists), "resolved": tmpl.Shorten(listed(d, tmpl.Resolved), pagerLists), "num_firing": len(m.Data.With(tmpl.Firing)), "num_resolved": len(m.Data.With(tmpl.Resolved))}
	for name := range w.PagerDuty.Details {
		details[name] = tmpl.Shorten(w.Text("details/"+name, d), pagerDetail)
	}
	payload := object{
		"summary": tmpl.Shorten(cmp.Or(w.Text("description", d), plan.Title(d)), pagerSummary), "severity": pagerSeverity(w, d), "timestamp": m.Made.UTC().Format(time.RFC3339),
		"source": cmp.Or(w.Text("source", d), d.CommonLabels["instance"], d.CommonLabels["model"], "hxp"), "custom_details": details,
	}
	for _, name := range []string{"class", "component", "group"} {
		if v := w.Text(name, d); v != "" {
			payload[name] = v
		}
	}
	out["payload"] = payload
	var links []object
	for _, a := range d.Alerts {
		if strings.HasPrefix(a.GeneratorURL, "http") && len(links) < 5 {
			links = append(links, object{"href": a.GeneratorURL, "text": a.Labels["alertname"]})
		}
	}
	if links != nil {
		out["links"] = links
	}
	return out
}

// listed writes the alerts of a status, a block of lines for each.
func listed(d *tmpl.Data, status string) string {
	var b strings.Builder
	for _, a := range d.With(status) {
		for _, name := range sorted(a.Labels) {
			b.WriteString(name + " = " + a.Labels[name] + "\n")
		}
		for _, name := range sorted(a.Annotations) {
			b.WriteString("  " + name + ": " + a.Annotations[name] + "\n")
		}
		b.WriteString("\n")
	}
	return b.String()
}

// pagerSeverity is one of the four that PagerDuty knows.
func pagerSeverity(w *plan.Way, d *tmpl.Data) string {
	said := cmp.Or(w.Text("severity", d), worst(d))
	switch said {
	case "critical", "error", "warning", "info":
		return said
	case "page":
		return "critical"
	case "none", "":
		return "info"
	}
	return "error"
}

func (s *Sender) pagerDuty(ctx context.Context, w *plan.Way, m *Message) error {
	key, err := s.Vault.Read(string(w.PagerDuty.Key))
	if err != nil {
		return &deliver.Failure{Err: err}
	}
	return s.post(ctx, m, w.PagerDuty.URL, pagerBody(w, m, key), key)
}
