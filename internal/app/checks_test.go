package app

import (
	"strings"
	"testing"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

func TestTopicCheck(t *testing.T) {
	choice := bus.TopicDiffers{Topic: "llm-requests", Difference: bus.Difference{Setting: "partitions", Has: "3", Configured: "6", Detail: "more can be given"}}
	loss := bus.TopicDiffers{Topic: "hxp-panes", Difference: bus.Difference{Setting: "cleanup.policy", Has: "compact", Configured: "delete", Detail: "set it back", Loses: true}}
	for _, c := range []struct {
		diffs  []bus.TopicDiffers
		status httpx.Status
		detail string
	}{
		{nil, httpx.Healthy, "topics are as configured"},
		{[]bus.TopicDiffers{choice}, httpx.Healthy, "used as they are: llm-requests has partitions 3, configured is 6; GET /topics tells what can be done"},
		{[]bus.TopicDiffers{choice, loss}, httpx.Degraded, "hxp-panes has cleanup.policy compact, configured is delete (set it back)"},
	} {
		if got := topicCheck(c.diffs); got.Status != c.status || got.Detail != c.detail {
			t.Errorf("%v: %+v", c.diffs, got)
		}
	}
	many := topicCheck([]bus.TopicDiffers{choice, choice, choice, choice, choice, choice, choice})
	if strings.Count(many.Detail, "llm-requests") != mostNamed || !strings.Contains(many.Detail, "; and 2 more") {
		t.Errorf("%s", many.Detail)
	}
}
