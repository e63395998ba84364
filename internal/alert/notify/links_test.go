package notify

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/alert/notify/channel"
	"github.com/hxp-enterprise/hxp/internal/alert/notify/core"
	"github.com/hxp-enterprise/hxp/internal/alert/notify/label"
	"github.com/hxp-enterprise/hxp/internal/alert/notify/plan"
	"github.com/hxp-enterprise/hxp/internal/alert/notify/tmpl"
	"github.com/hxp-enterprise/hxp/internal/kit/deliver"
)

// A message carries the links of what is proposed about its alerts; what is kept of it does not.
func TestMessagesCarryLinks(t *testing.T) {
	until := time.Date(2026, 3, 1, 10, 5, 0, 0, time.UTC)
	s := &Service{engine: unplanned(t), o: Options{Proposals: func(episode string) []Proposal {
		if episode != "of a" {
			return nil
		}
		return []Proposal{{"drain on gpu", "https://x/1", until}, {"cap on gpu", "https://x/2", until}}
	}}}
	labelled := func(model string) label.Set { return label.Set{"alertname": "r", "model": model} }
	keep(t, s.engine, core.Alert{Labels: labelled("a"), Source: core.FromHxp, Episode: "of a"})
	keep(t, s.engine, core.Alert{Labels: labelled("b"), Source: core.FromHxp, Episode: "of b"})
	alert := func(status, model, summary string) tmpl.Alert {
		a := tmpl.Alert{Status: status, Labels: labelled(model), Fingerprint: string(labelled(model).Fingerprint())}
		if summary != "" {
			a.Annotations = map[string]string{"summary": summary}
		}
		return a
	}
	kept := &tmpl.Data{Alerts: []tmpl.Alert{alert("firing", "a", "errors"), alert("firing", "a", ""), alert("firing", "b", "errors"), alert("resolved", "a", "errors")}}
	before := *kept
	before.Alerts = append([]tmpl.Alert{}, kept.Alerts...)
	mail := &plan.Way{Channel: plan.ByEmail}
	told, carried := s.proposed(mail, kept)
	if got := strings.Join(carried, " "); got != "https://x/1 https://x/2 https://x/1 https://x/2" {
		t.Errorf("the links are told as %q", got)
	}
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
	if same, _ := s.proposed(&plan.Way{Channel: plan.ByConsole}, kept); same != kept {
		t.Error("a link goes into the log")
	}
	s.o.Proposals = nil
	if same, _ := s.proposed(mail, kept); same != kept {
		t.Error("without links the message is another one")
	}
}

// What becomes of a try is shown over the API and logged: it holds no link, though the receiver may repeat what it was sent.
func TestNoErrorHoldsLinks(t *testing.T) {
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var d tmpl.Data
		if err := json.NewDecoder(r.Body).Decode(&d); err != nil || d.Alerts[0].Annotations["decision_url"] == "" {
			t.Errorf("%+v, %v", d, err)
		}
		http.Error(w, "no such thing: "+d.Alerts[0].Annotations["decision_url"], http.StatusBadRequest)
	}))
	defer receiver.Close()
	s := &Service{
		engine: unplanned(t),
		o: Options{Proposals: func(string) []Proposal {
			return []Proposal{{"drain", "https://hxp.example/responses/r1/decision?signature=letme&until=1", time.Now()}}
		}},
		sender: &channel.Sender{Hooks: deliver.NewHooks([]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}), Vault: &deliver.Vault{}},
	}
	own := label.Set{"alertname": "r"}
	keep(t, s.engine, core.Alert{Labels: own, Source: core.FromHxp, Episode: "e"})
	way := &plan.Way{Channel: plan.ByWebhook, Webhook: &plan.Webhook{URL: receiver.URL}}
	err := s.try(t.Context(), way, nil, &core.Message{Data: &tmpl.Data{Alerts: []tmpl.Alert{{Status: tmpl.Firing, Labels: own, Fingerprint: string(own.Fingerprint())}}}})
	if err == nil || !strings.Contains(err.Error(), "no such thing") || strings.Contains(err.Error(), "letme") || strings.Contains(err.Error(), "decision") {
		t.Error(err)
	}
}

// Whoever posts an alert with the labels of a rule, be it with more that route it elsewhere, gets no link by it.
func TestLinksAreOfTheOwnEpisode(t *testing.T) {
	s := &Service{engine: unplanned(t), o: Options{Proposals: func(episode string) []Proposal {
		return []Proposal{{"drain on gpu", "https://x/" + episode, time.Now()}}
	}}}
	own, more := label.Set{"alertname": "r", "model": "a"}, label.Set{"alertname": "r", "model": "a", "team": "mine"}
	keep(t, s.engine, core.Alert{Labels: own, Source: core.FromHxp, Episode: "e"})
	keep(t, s.engine, core.Alert{Labels: more, Source: core.FromAPI})
	keep(t, s.engine, core.Alert{Labels: label.Set{"alertname": "w"}, Source: core.FromWebhook, Episode: "e"})
	for name, c := range map[string]struct {
		labels label.Set
		as     label.Fingerprint
		want   string
	}{
		"its own":                    {own, own.Fingerprint(), "https://x/e"},
		"posted":                     {more, more.Fingerprint(), ""},
		"posted, with a forged name": {more, own.Fingerprint(), ""},
		"of a webhook":               {label.Set{"alertname": "w"}, label.Set{"alertname": "w"}.Fingerprint(), ""},
		"not known":                  {label.Set{"alertname": "n"}, label.Set{"alertname": "n"}.Fingerprint(), ""},
	} {
		told, _ := s.proposed(&plan.Way{Channel: plan.ByEmail}, &tmpl.Data{Alerts: []tmpl.Alert{{Status: tmpl.Firing, Labels: c.labels, Fingerprint: string(c.as)}}})
		if got := told.Alerts[0].Annotations["decision_url"]; got != c.want {
			t.Errorf("an alert %s has the link %q, want %q", name, got, c.want)
		}
	}
}

// keep gives an alert to an engine.
func keep(t *testing.T, e *core.Engine, a core.Alert) {
	t.Helper()
	if err := e.Apply(core.Put(core.KindAlert, string(a.Labels.Fingerprint()), a)); err != nil {
		t.Fatal(err)
	}
}

// unplanned is an engine with the configuration that nobody wrote.
func unplanned(t *testing.T) *core.Engine {
	t.Helper()
	p, faults := plan.Parse([]byte(plan.Default))
	if faults != nil {
		t.Fatal(faults)
	}
	return core.New(p)
}
