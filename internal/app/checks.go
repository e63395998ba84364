package app

import (
	"context"
	"fmt"
	"strings"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

// checkTopics says which topics of hxp are not as configured. Most differences are somebody's choice and cost nothing; one that
// costs records is called degraded.
func (s *system) checkTopics(ctx context.Context) httpx.Check {
	diffs, err := s.bus.Differences(ctx, event.Topics)
	if err != nil {
		return httpx.Check{Status: httpx.Degraded, Detail: fmt.Sprintf("the topics cannot be looked at: %v", err)}
	}
	return topicCheck(diffs)
}

// mostNamed bounds the differences that a check spells out.
const mostNamed = 5

func topicCheck(diffs []bus.TopicDiffers) httpx.Check {
	var lost, other []string
	for _, d := range diffs {
		text := fmt.Sprintf("%s has %s %s, configured is %s", d.Topic, d.Setting, d.Has, d.Configured)
		if d.Loses {
			lost = append(lost, text+" ("+d.Detail+")")
		} else {
			other = append(other, text)
		}
	}
	switch {
	case len(lost) > 0:
		return httpx.Check{Status: httpx.Degraded, Detail: few(lost)}
	case len(other) > 0:
		return httpx.Check{Status: httpx.Healthy, Detail: "used as they are: " + few(other) + "; GET /topics tells what can be done"}
	}
	return httpx.Check{Status: httpx.Healthy, Detail: "topics are as configured"}
}

func few(texts []string) string {
	if n := len(texts) - mostNamed; n > 0 {
		return fmt.Sprintf("%s; and %d more", strings.Join(texts[:mostNamed], "; "), n)
	}
	return strings.Join(texts, "; ")
}
