package notify

import (
	"cmp"
	"fmt"
	"maps"
	"time"

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
func (s *Service) proposed(way *plan.Way, d *tmpl.Data) (data *tmpl.Data, links []string) {
	if s.o.Proposals == nil || way.Channel == plan.ByConsole {
		return d, nil
	}
	out := *d
	out.Alerts = append([]tmpl.Alert{}, d.Alerts...)
	for i := range out.Alerts {
		a := &out.Alerts[i]
		if a.Status != tmpl.Firing {
			continue
		}
		for n, p := range s.o.Proposals(a.Labels) {
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
