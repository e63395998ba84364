package batch

import (
	"errors"
	"fmt"
	"strings"

	"github.com/hxp-enterprise/hxp/internal/batch/insight"
	"github.com/hxp-enterprise/hxp/internal/event"
)

// Funnel is a way that sessions or users go: what comes after what.
type Funnel struct {
	Name   string   `yaml:"name" json:"name" doc:"name of the funnel"`
	By     string   `yaml:"by" json:"by" default:"session_id" enum:"session_id,user_id,request_id" doc:"whose events follow each other: those of a session, a user or a request"`
	Within int      `yaml:"within_seconds" json:"within_seconds" default:"86400" unit:"s" min:"1" max:"34560000" doc:"time from the first step in which the others must come"`
	Steps  []string `yaml:"steps" json:"-" doc:"2 to 10 of llm_request, user_feedback, business_event, and business_event:TYPE for those of one business_event_type"`
}

// usualFunnels is what is told where nothing is set: how many sessions lead to something that is worth something.
var usualFunnels = []Funnel{{Name: "value", By: "session_id", Within: 86400, Steps: []string{"llm_request", "user_feedback", "business_event"}}}

// maxFunnels bounds how many are told at a time.
const maxFunnels = 20

// Validate reports what is wrong with a funnel.
func (f *Funnel) Validate() error {
	var errs []error
	if f.Name == "" {
		errs = append(errs, errors.New("name: give the funnel a name"))
	}
	if _, ok := subjects[f.By]; !ok {
		errs = append(errs, fmt.Errorf("by: %q is none of session_id, user_id and request_id", f.By))
	}
	if f.Within < 1 {
		errs = append(errs, fmt.Errorf("within_seconds: %d is less than 1", f.Within))
	}
	if n := len(f.Steps); n < 2 || n > insight.MostSteps {
		errs = append(errs, fmt.Errorf("steps: %d steps; give 2 to %d", n, insight.MostSteps))
	}
	for _, text := range f.Steps {
		if _, err := stepOf(text); err != nil {
			errs = append(errs, fmt.Errorf("steps: %w", err))
		}
	}
	return errors.Join(errs...)
}

func checkFunnels(all []Funnel) error {
	if len(all) > maxFunnels {
		return fmt.Errorf("business_intelligence.funnels: %d funnels; at most %d", len(all), maxFunnels)
	}
	names := map[string]bool{}
	for i := range all {
		if names[all[i].Name] {
			return fmt.Errorf("business_intelligence.funnels[%d].name: two funnels are called %q", i, all[i].Name)
		}
		names[all[i].Name] = true
	}
	return nil
}

// subjects are the fields that tell whose an event is.
var subjects = map[string]event.Field{"session_id": event.SessionID, "user_id": event.UserID, "request_id": event.RequestID}

// funnelStep is what an event must be.
type funnelStep struct {
	kind event.Kind
	of   string // the type of business events; "" = any
}

func stepOf(text string) (funnelStep, error) {
	name, of, typed := strings.Cut(text, ":")
	for _, k := range []event.Kind{event.LLMRequest, event.UserFeedback, event.BusinessEvent} {
		if k.String() == name && (!typed || k == event.BusinessEvent && of != "") {
			return funnelStep{k, of}, nil
		}
	}
	return funnelStep{}, fmt.Errorf("%.80q is none of llm_request, user_feedback, business_event and business_event:TYPE", text)
}
