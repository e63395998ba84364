package event

import (
	"math"
	"strings"

	"github.com/hxp-enterprise/hxp/internal/kit/words"
)

// Kind is one of the four kinds of events that hxp knows.
type Kind uint8

// The kinds, in the order in which their topics are listed everywhere.
const (
	NoKind Kind = iota
	LLMRequest
	UserFeedback
	SystemMetric
	BusinessEvent
)

// Kinds lists every kind.
var Kinds = [...]Kind{LLMRequest, UserFeedback, SystemMetric, BusinessEvent}

var kindNames = [...]string{"", "llm_request", "user_feedback", "system_metric", "business_event"}
var kindTopics = [...]string{"", "llm-requests", "user-feedback", "system-metrics", "business-events"}

// String returns the event_type of the kind, e.g. "llm_request".
func (k Kind) String() string { return kindNames[k] }

// Topic returns the topic that carries the kind, e.g. "llm-requests".
func (k Kind) Topic() string { return kindTopics[k] }

// ParseKind takes an event_type in any accepted spelling: singular or plural, with "_" or "-" ("llm_request",
// "llm-requests", "system_metrics" …).
func ParseKind(s string) (Kind, bool) {
	switch s {
	case "llm_request", "llm_requests", "llm-request", "llm-requests":
		return LLMRequest, true
	case "user_feedback", "user_feedbacks", "user-feedback", "user-feedbacks":
		return UserFeedback, true
	case "system_metric", "system_metrics", "system-metric", "system-metrics":
		return SystemMetric, true
	case "business_event", "business_events", "business-event", "business-events":
		return BusinessEvent, true
	}
	return NoKind, false
}

// KindOfTopic returns the kind that a topic carries.
func KindOfTopic(topic string) (Kind, bool) {
	for _, k := range Kinds {
		if k.Topic() == topic {
			return k, true
		}
	}
	return NoKind, false
}

func kindList() string {
	names := make([]string, 0, len(Kinds))
	for _, k := range Kinds {
		names = append(names, k.String())
	}
	return strings.Join(names, ", ")
}

// nearestKind returns the kind whose name takes the fewest edits to get from s.
func nearestKind(s string) string {
	s = strings.ToLower(shorten(s, 40))
	best, fewest := "", math.MaxInt
	for _, k := range Kinds {
		if d := words.Distance(s, k.String()); d < fewest {
			best, fewest = k.String(), d
		}
	}
	return best
}
