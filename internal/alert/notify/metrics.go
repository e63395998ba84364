package notify

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/alert/notify/core"
	"github.com/hxp-enterprise/hxp/internal/alert/notify/plan"
	"github.com/hxp-enterprise/hxp/internal/kit/deliver"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
	"github.com/hxp-enterprise/hxp/internal/kit/telemetry"
)

// metrics are what notifications say of themselves.
type metrics struct {
	tries     *telemetry.CounterVec
	seconds   telemetry.Histogram
	delay     telemetry.Histogram
	taken     telemetry.Counter
	unread    telemetry.Counter
	gone      telemetry.Counter
	forwarded *telemetry.CounterVec
}

func newMetrics(reg *telemetry.Registry, s *Service) *metrics {
	m := &metrics{
		tries:     reg.CounterVec("hxp_notifications_total", "Tries of telling somebody, by their end: sent, again, failed.", "channel", "result"),
		seconds:   reg.Histogram("hxp_notifications_try_seconds", "Time of a try.", []float64{.01, .05, .1, .5, 1, 5, 15, 60}),
		delay:     reg.Histogram("hxp_notifications_delay_seconds", "From the decision that somebody is told to when he was.", []float64{.01, .05, .1, .5, 1, 5, 15, 60, 300, 3600}),
		taken:     reg.Counter("hxp_notifications_alerts_received_total", "Alerts that came, the repeated ones included."),
		unread:    reg.Counter("hxp_notifications_unreadable_alerts_total", "Records of hxp-alerts that cannot be read."),
		gone:      reg.Counter("hxp_notifications_missed_alerts_total", "Records of hxp-alerts that were removed before they were read."),
		forwarded: reg.CounterVec("hxp_notifications_forwarded_total", "Posts of alerts to Alertmanagers, by their end: sent, failed.", "result"),
	}
	for _, c := range plan.Channels {
		for _, result := range []string{"sent", "again", "failed"} {
			m.tries.WithLabelValues(c, result)
		}
	}
	gauge := func(name, help string, f func(e *core.Engine) float64) {
		reg.GaugeFunc(name, help, func() (v float64) {
			s.look(func(e *core.Engine) { v = f(e) })
			return v
		})
	}
	gauge("hxp_notifications_pending", "Messages that are on their way.", func(e *core.Engine) float64 { n, _ := e.Pending(); return float64(n) })
	gauge("hxp_notifications_oldest_pending_seconds", "Age of the oldest message that is on its way; 0 when there is none.", func(e *core.Engine) float64 {
		_, since := e.Pending()
		if since.IsZero() {
			return 0
		}
		return time.Since(since).Seconds()
	})
	gauge("hxp_notifications_alerts", "Alerts that are known.", func(e *core.Engine) float64 { return float64(e.Count()) })
	gauge("hxp_notifications_ways_off", "Ways of receivers that are switched off, because their other side said that it is gone.", func(e *core.Engine) float64 { return float64(len(e.OffWays())) })
	reg.GaugeFunc("hxp_notifications_owner", "1 on the instance that decides and sends.", func() float64 {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.owner {
			return 1
		}
		return 0
	})
	return m
}

// tried counts a try.
func (m *metrics) tried(t *tried, now time.Time) {
	m.seconds.Observe(t.took.Seconds())
	f, _ := errors.AsType[*deliver.Failure](t.err)
	result := "again"
	switch {
	case t.err == nil:
		result = "sent"
		m.delay.Observe(max(now.Sub(t.message.CreatedAt), 0).Seconds())
	case f != nil && (f.Final || f.Gone):
		result = "failed"
	}
	m.tries.WithLabelValues(t.message.Channel, result).Inc()
}

// stuck is the age of a message on its way at which somebody should look.
const stuck = 15 * time.Minute

// Check tells health of what somebody should look at.
func (s *Service) Check(context.Context) httpx.Check {
	s.mu.Lock()
	defer s.mu.Unlock()
	pending, since := s.engine.Pending()
	off := s.engine.OffWays()
	switch {
	case s.trouble != nil:
		return httpx.Check{Status: httpx.Degraded, Detail: "notifications cannot be read from the store: " + s.trouble.Error()}
	case len(off) > 0:
		return httpx.Check{Status: httpx.Degraded, Detail: "receivers are switched off, because their other side said that it is gone (410): " + strings.Join(off[:min(len(off), 5)], ", ") + "; mend them and put the configuration again"}
	case pending > 0 && time.Since(since) > stuck:
		return httpx.Check{Status: httpx.Degraded, Detail: fmt.Sprintf("%d notifications are on their way, the oldest for %s; GET /notifications?state=waiting says why", pending, time.Since(since).Round(time.Second))}
	}
	return httpx.Check{Status: httpx.Healthy, Detail: fmt.Sprintf("%d alerts are known, %d notifications are on their way", s.engine.Count(), pending)}
}
