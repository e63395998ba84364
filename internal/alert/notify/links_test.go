package notify

import (
	"reflect"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/alert/notify/plan"
	"github.com/hxp-enterprise/hxp/internal/alert/notify/tmpl"
)

// A message carries the links of what is proposed about its alerts; what is kept of it does not.
func TestMessagesCarryLinks(t *testing.T) {
	until := time.Date(2026, 3, 1, 10, 5, 0, 0, time.UTC)
	s := &Service{o: Options{Proposals: func(labels map[string]string) []Proposal {
		if labels["model"] != "a" {
			return nil
		}
		return []Proposal{{"drain on gpu", "https://x/1", until}, {"cap on gpu", "https://x/2", until}}
	}}}
	alert := func(status, model, summary string) tmpl.Alert {
		a := tmpl.Alert{Status: status, Labels: map[string]string{"alertname": "r", "model": model}}
		if summary != "" {
			a.Annotations = map[string]string{"summary": summary}
		}
		return a
	}
	kept := &tmpl.Data{Alerts: []tmpl.Alert{alert("firing", "a", "errors"), alert("firing", "a", ""), alert("firing", "b", "errors"), alert("resolved", "a", "errors")}}
	before := *kept
	before.Alerts = append([]tmpl.Alert{}, kept.Alerts...)
	mail := &plan.Way{Channel: plan.ByEmail}
	told := s.proposed(mail, kept)
	if !reflect.DeepEqual(*kept, before) || kept.Alerts[0].Annotations["summary"] != "errors" {
		t.Error("what is kept has changed")
	}
	const links = "\nProposed: drain on gpu. Decide until 10:05 UTC: https://x/1\nProposed: cap on gpu. Decide until 10:05 UTC: https://x/2"
	for i, want := range []string{"errors" + links, "r" + links, "errors", "errors"} {
		if got := told.Alerts[i].Annotations["summary"]; got != want {
			t.Errorf("alert %d says %q", i, got)
		}
	}
	if told.Alerts[0].Annotations["decision_url"] != "https://x/1" || told.Alerts[2].Annotations["decision_url"] != "" {
		t.Errorf("the links are %v", told.Alerts)
	}
	if s.proposed(&plan.Way{Channel: plan.ByConsole}, kept) != kept {
		t.Error("a link goes into the log")
	}
	if s.o.Proposals = nil; s.proposed(mail, kept) != kept {
		t.Error("without links the message is another one")
	}
}
