package event

import "time"

// Topic describes a topic that hxp makes for itself.
type Topic struct {
	Name       string
	Partitions int           // 0 = the configured default (KAFKA_TOPIC_PARTITIONS)
	Retention  time.Duration // 0 = kept until hxp itself deletes records
	Internal   bool
}

const day = 24 * time.Hour

// The internal topics. Panes is the flush journal of the windows: one partition for each partition number of the
// input topics, no retention of its own. Joins carries what belongs to a request to the partition of its join number; its
// number of partitions never changes. Responses is the audit of what was done, and Audit that of what was changed, so nothing of them goes by itself, and their
// order decides between instances.
const (
	TopicPanes        = "hxp-panes"
	TopicJoins        = "hxp-joins"
	TopicCorrelations = "hxp-correlations"
	TopicAlerts       = "hxp-alerts"
	TopicResponses    = "hxp-responses"
	TopicLate         = "hxp-late"
	TopicDeployments  = "hxp-deployments"
	TopicDeadLetters  = "hxp-dead-letters"
	TopicControl      = "hxp-control"
	TopicAudit        = "hxp-audit"
)

// ControlTopic is the log of small commands that every instance applies in order (schemas registered, routes put). What it
// holds is state, so it has one partition and keeps everything.
var ControlTopic = Topic{Name: TopicControl, Partitions: 1, Internal: true}

// Topics are all topics that the system needs, with their default retention.
var Topics = []Topic{
	{Name: "llm-requests", Retention: 7 * day},
	{Name: "user-feedback", Retention: 30 * day},
	{Name: "system-metrics", Retention: 3 * day},
	{Name: "business-events", Retention: 365 * day},
	{Name: TopicPanes, Internal: true},
	{Name: TopicJoins, Retention: 7 * day, Internal: true},
	{Name: TopicCorrelations, Retention: 7 * day, Internal: true},
	{Name: TopicAlerts, Retention: 90 * day, Internal: true},
	{Name: TopicResponses, Partitions: 1, Internal: true},
	{Name: TopicLate, Retention: 7 * day, Internal: true},
	{Name: TopicDeployments, Partitions: 1, Retention: 400 * day, Internal: true},
	{Name: TopicDeadLetters, Retention: 30 * day, Internal: true},
	ControlTopic,
	{Name: TopicAudit, Partitions: 1, Internal: true},
}

// TopicNamed returns the description of a topic that hxp makes for itself.
func TopicNamed(name string) (Topic, bool) {
	for _, t := range Topics {
		if t.Name == name {
			return t, true
		}
	}
	return Topic{}, false
}
