package batch

import (
	"slices"
	"strings"
	"time"
)

// CostParts are what costs can be grouped by.
var CostParts = []string{"model", "tenant", "user_id", "key", "feature", "prompt_version", "endpoint", "operation", "session_id", "host", "hour", "day", "month"}

// costTimes reads from and to of a question; without them it is about the month so far.
func (s *Service) costTimes(q *query) (from, to time.Time) {
	from, to = q.time("from"), q.time("to")
	if to.IsZero() {
		to = s.now().UTC().Truncate(time.Hour).Add(time.Hour)
	}
	if from.IsZero() {
		from = time.Date(to.Year(), to.Month(), 1, 0, 0, 0, 0, time.UTC)
		if !from.Before(to) {
			from = from.AddDate(0, -1, 0)
		}
	}
	if len(q.errs) == 0 && !from.Before(to) {
		q.bad("to", "out_of_range", "the end does not lie behind the start")
	}
	return from, to
}

// costBy reads what a question is grouped by.
func costBy(q *query) []string {
	var by []string
	for part := range strings.SplitSeq(q.values.Get("group_by"), ",") {
		part = strings.TrimSpace(part)
		switch {
		case part == "" && q.values.Get("group_by") == "":
		case !slices.Contains(CostParts, part):
			q.bad("group_by", "unknown_value", "%.80q is not one of %s", part, strings.Join(CostParts, ", "))
		case slices.Contains(by, part):
			q.bad("group_by", "repeated_parameter", "%s stands there twice", part)
		default:
			by = append(by, part)
		}
	}
	if len(by) > 4 {
		q.bad("group_by", "too_many", "%d parts; at most 4", len(by))
	}
	return by
}

// wholeHours are the hours of a question that are over: nobody knows what the running one and those to come will be.
func (s *Service) wholeHours(q *query, from, to time.Time) (time.Time, time.Time) {
	from, to = from.Truncate(time.Hour), to.Truncate(time.Hour)
	if now := s.now().UTC().Truncate(time.Hour); to.After(now) {
		to = now
	}
	if len(q.errs) == 0 && !from.Before(to) {
		q.bad("to", "out_of_range", "no whole hour that is over lies between from and to")
	}
	return from, to
}
