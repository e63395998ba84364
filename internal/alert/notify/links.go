package notify

import (
	"cmp"
	"fmt"
	"maps"
	"time"

	"github.com/hxp-enterprise/hxp/internal/alert/notify/core"
	"github.com/hxp-enterprise/hxp/internal/alert/notify/label"
	"github.com/hxp-enterprise/hxp/internal/alert/notify/plan"
	"github.com/hxp-enterprise/hxp/internal/alert/notify/tmpl"
)

// Proposal is something that a person may decide upon by a link.
type Proposal struct {
	What  string
	Link  string
	Until time.Time
}

// proposed is a message in which the alerts that fire carry the links of what is proposed about them. They are added with each try and
// stored nowhere: whoever may read messages over the API, or the log of hxp, must not be able to approve by it. So they are told beside it as well.
// Only alerts of hxp itself get them, and those of their own episode: anybody may post an alert with the labels of a rule, and others that route
// it elsewhere.
func (s *Service) proposed(way *plan.Way, d *tmpl.Data) (data *tmpl.Data, links []string) {
	if s.o.Proposals == nil || way.Channel == plan.ByConsole {
		return d, nil
	}
	episodes := s.episodes(d)
	out := *d
	out.Alerts = append([]tmpl.Alert{}, d.Alerts...)
	for i := range out.Alerts {
		a := &out.Alerts[i]
		if episodes[i] == "" {
			continue
		}
		for n, p := range s.o.Proposals(episodes[i]) {
			if n == 0 {
				if a.Annotations = maps.Clone(a.Annotations); a.Annotations == nil {
					a.Annotations = map[string]string{}
				}
				a.Annotations["decision_url"] = p.Link
				a.Annotations["summary"] = cmp.Or(a.Annotations["summary"], a.Annotations["description"], a.Labels["alertname"])
			}
			links = append(links, p.Link)
			a.Annotations["summary"] += fmt.Sprintf("\nProposed: %s. Decide until %s: %s", p.What, p.Until.UTC().Format("15:04 UTC"), p.Link)
		}
	}
	return &out, links
}

// episodes are the episodes of hxp-alerts that the alerts of a message tell of, "" for those that are over or came from others.
func (s *Service) episodes(d *tmpl.Data) []string {
	out := make([]string, len(d.Alerts))
	s.look(func(e *core.Engine) {
		for i := range d.Alerts {
			told := &d.Alerts[i]
			a := e.Alert(label.Fingerprint(told.Fingerprint))
			if told.Status == tmpl.Firing && a != nil && a.Source == core.FromHxp && maps.Equal(a.Labels, told.Labels) { // a fingerprint can be forged
				out[i] = a.Episode
			}
		}
	})
	return out
}
