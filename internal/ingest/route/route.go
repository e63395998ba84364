// Package route sends events to further topics by conditions that operators write.
//
// In come the definitions of routes, as commands of the control log under the prefix "route/", and events. Out comes, for each
// event, which routes want it. A route copies its events to a topic, or moves them there: a moved event is not on the topic
// of its kind, so nothing counts it.
//
// Promised: every instance has the same routes, in the order of their names, and keeps them over a restart; a condition that
// cannot be told of an event (an absent field, say) is no match. A definition is tried on its own examples before it is
// taken. Routes act at the ways in of the kafka-api, before the write; records that others write to topics stay where they
// are.
package route

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/event/expr"
	"github.com/hxp-enterprise/hxp/internal/kit/words"
)

// Max is the number of routes that may exist.
const Max = 64

// Mode says what becomes of an event that matches.
type Mode string

// The modes.
const (
	Copy Mode = "copy" // to the topic of its kind and to the route's
	Move Mode = "move" // to the route's topic alone
)

// Route is one rule of where events go.
type Route struct {
	Name     string    `json:"name"`
	When     string    `json:"when"` // condition in CEL
	To       string    `json:"to"`   // topic
	Mode     Mode      `json:"mode"`
	Examples []Example `json:"tests,omitempty"`
	Warnings []string  `json:"warnings,omitempty"` // made when the route is read

	when *expr.Expr
}

// Example is an event with what the condition must say of it.
type Example struct {
	Event   json.RawMessage `json:"event"`
	Matches bool            `json:"matches"`
}

// Fault says which part of a definition is wrong.
type Fault struct{ Pointer, Code, Detail string }

func (f *Fault) Error() string { return strings.TrimPrefix(f.Pointer, "/") + ": " + f.Detail }

const maxExamples = 32

var (
	nameRule  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$`)
	topicRule = regexp.MustCompile(`^[A-Za-z0-9._-]{1,249}$`)
)

// check judges a definition and makes the route ready. The error is a *Fault.
func (r *Route) check() error {
	switch {
	case !nameRule.MatchString(r.Name):
		return &Fault{"/name", "name", "a name has 1 to 80 letters, digits, dots, dashes or underscores and begins with a letter or digit"}
	case r.Mode != Copy && r.Mode != Move:
		return &Fault{"/mode", "mode", fmt.Sprintf("%q is neither copy nor move", string(r.Mode))}
	case !topicRule.MatchString(r.To) || r.To == "." || r.To == "..":
		return &Fault{"/to", "topic", fmt.Sprintf("%q is no name of a topic", clip(r.To))}
	case ours(r.To):
		return &Fault{"/to", "topic", r.To + " is a topic of hxp itself; what goes there would be counted again"}
	case len(r.Examples) > maxExamples:
		return &Fault{"/tests", "count", fmt.Sprintf("at most %d examples", maxExamples)}
	}
	x, err := expr.Compile(r.When)
	if err != nil {
		return &Fault{"/when", "cel", err.Error()}
	}
	r.when, r.Warnings = x, x.Strange()
	return nil
}

// ours tells whether hxp reads or writes a topic itself.
func ours(topic string) bool {
	return strings.HasPrefix(topic, "hxp-") || strings.HasPrefix(topic, "__") ||
		slices.ContainsFunc(event.Topics, func(t event.Topic) bool { return t.Name == topic })
}

// try holds the condition against the examples of the definition.
func (r *Route) try() error {
	for i, x := range r.Examples {
		var d event.Decoder
		var e event.Event
		if bad := d.Decode(x.Event, nil, &e); bad != nil {
			return &Fault{fmt.Sprintf("/tests/%d/event%s", i, bad.Pointer), bad.Code, bad.Detail}
		}
		got, err := r.when.Matches(&e)
		if got == x.Matches {
			continue
		}
		detail := fmt.Sprintf("the condition says %t of this event, %t was wanted", got, x.Matches)
		if err != nil {
			detail += ": " + err.Error()
		}
		return &Fault{fmt.Sprintf("/tests/%d/matches", i), "test", detail}
	}
	return nil
}

// Matches tells whether the route wants the event.
func (r *Route) Matches(e *event.Event) bool {
	ok, _ := r.when.Matches(e)
	return ok
}

func clip(s string) string { return words.Clip(s, 80) }
