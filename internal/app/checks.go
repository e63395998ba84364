package app

import (
	"context"
	"fmt"
	"strings"

	"github.com/hxp-enterprise/hxp/internal/broker"
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

// spilling looks at the brokers of a way in that keeps on disk what they cannot take: without them it works on.
func spilling(broker func(context.Context) httpx.Check, held func() (uint64, int64)) func(context.Context) httpx.Check {
	return func(ctx context.Context) httpx.Check {
		c := broker(ctx)
		n, bytes := held()
		if c.Status == httpx.Unhealthy {
			c.Status = httpx.Degraded
		}
		if n > 0 {
			c.Status, c.Detail = httpx.Degraded, fmt.Sprintf("%d events wait on disk for the brokers (%d bytes); %s", n, bytes, c.Detail)
		}
		return c
	}
}

func (s *system) busChecks() map[string]func(context.Context) httpx.Check {
	return map[string]func(context.Context) httpx.Check{"broker": func(ctx context.Context) httpx.Check {
		if err := s.bus.Ping(ctx); err != nil {
			return httpx.Check{Status: httpx.Unhealthy, Detail: fmt.Sprintf("the broker does not answer: %v", err)}
		}
		if s.broker == nil {
			if err := s.bus.CheckRights(ctx, event.Topics); err != nil {
				return httpx.Check{Status: httpx.Degraded, Detail: err.Error()}
			}
			return httpx.Check{Status: httpx.Healthy, Detail: "external broker answers over " + s.set.bus.Protocol}
		}
		if full, reason := s.broker.Overfull(); full {
			return httpx.Check{Status: httpx.Degraded, Detail: reason}
		}
		return httpx.Check{Status: httpx.Healthy, Detail: "embedded broker answers; what it acknowledged " + s.broker.Durability()}
	}}
}

// checkDisk says when the disk of the data folder has less room than the reserve.
func (s *system) checkDisk(context.Context) httpx.Check {
	free, reserve := broker.FreeBytes(s.set.dataDir), s.set.broker.DiskReserve
	switch {
	case free < 0:
		return httpx.Check{Status: httpx.Healthy, Detail: "how much room the disk has is not known here"}
	case free < reserve:
		return httpx.Check{Status: httpx.Degraded, Detail: fmt.Sprintf("the disk of the data folder is nearly full: %d MiB are free, %d MiB are kept in reserve; make room, runbook disk-full", free>>20, reserve>>20)}
	}
	return httpx.Check{Status: httpx.Healthy, Detail: fmt.Sprintf("%d MiB are free on the disk of the data folder", free>>20)}
}

func (s *system) checkWindows(context.Context) httpx.Check {
	if err := s.stream.Healthy(); err != nil {
		return httpx.Check{Status: httpx.Unhealthy, Detail: fmt.Sprintf("the windows do not take in what comes: %v", err)}
	}
	if reasons := s.stream.Problems(); len(reasons) > 0 {
		return httpx.Check{Status: httpx.Degraded, Detail: strings.Join(reasons, "; ")}
	}
	if !s.set.stream.Correlation {
		return httpx.Check{Status: httpx.Healthy, Detail: "windows are exact; requests are not joined, EVENT_CORRELATION_ENABLED is false"}
	}
	return httpx.Check{Status: httpx.Healthy, Detail: "windows are exact"}
}

func (s *system) checkAlerts(context.Context) httpx.Check {
	if err := s.tail.Trouble(); err != nil {
		return httpx.Check{Status: httpx.Degraded, Detail: fmt.Sprintf("the alerts cannot be followed now: %v", err)}
	}
	n := s.alerts.Firing()
	return httpx.Check{Status: httpx.Healthy, Detail: fmt.Sprintf("firing now: %d critical, %d warning, %d info", n["critical"], n["warning"], n["info"])}
}

func (s *system) checkStore(ctx context.Context) httpx.Check {
	if err := s.store.Ping(ctx); err != nil {
		return httpx.Check{Status: httpx.Unhealthy, Detail: fmt.Sprintf("the database does not answer: %v", err)}
	}
	return httpx.Check{Status: httpx.Healthy, Detail: "database answers; what it committed " + s.store.Durability()}
}

func (s *system) checkLake(context.Context) httpx.Check {
	if err := s.writer.Healthy(); err != nil {
		return httpx.Check{Status: httpx.Unhealthy, Detail: fmt.Sprintf("raw events cannot be published: %v", err)}
	}
	return httpx.Check{Status: httpx.Healthy, Detail: "raw events are published to " + s.lake.Name()}
}
