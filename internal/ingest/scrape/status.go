package scrape

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

// Status is a target as GET /scrapes shows it.
type Status struct {
	Name            string            `json:"name"`
	URL             string            `json:"url"` // without a password
	IntervalSeconds float64           `json:"interval_seconds"`
	Up              *bool             `json:"up"` // null = not read yet
	LastScrape      *string           `json:"last_scrape"`
	LastSuccess     *string           `json:"last_success"`
	DurationSeconds *float64          `json:"duration_seconds"`
	Series          int               `json:"series"` // of the last reading
	Events          int               `json:"events"` // of the last reading
	EventsTotal     uint64            `json:"events_total"`
	Failures        map[string]uint64 `json:"failures"` // by reason
	Dropped         map[string]uint64 `json:"dropped"`  // numbers that are in no event, by cause
	CounterResets   uint64            `json:"counter_resets"`
	Reason          *string           `json:"reason"`
	Error           *string           `json:"error"`
}

func (t *target) status() Status {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := &t.report
	out := Status{Name: t.Name, URL: redacted(t.URL), IntervalSeconds: t.Interval.Seconds(), Series: r.stats.Samples, Events: r.events, EventsTotal: r.total,
		Failures: clone(r.failures), Dropped: clone(r.dropped), CounterResets: r.resets}
	if !r.last.IsZero() {
		out.Up = new(r.reason == "" || r.reason == reasonWrite)
		out.LastScrape = new(event.FormatTime(r.last.UnixMicro()))
		out.DurationSeconds = new(r.duration.Seconds())
	}
	if !r.success.IsZero() {
		out.LastSuccess = new(event.FormatTime(r.success.UnixMicro()))
	}
	if r.reason != "" {
		out.Reason, out.Error = new(r.reason), new(r.err)
	}
	return out
}

func clone(m map[string]uint64) map[string]uint64 {
	out := map[string]uint64{}
	for k, v := range m {
		out[k] = v
	}
	return out
}

func redacted(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return ""
	}
	return u.Redacted()
}

// Statuses tells of every target, in the order of the configuration.
func (s *Scraper) Statuses() []Status {
	out := []Status{}
	for _, t := range s.list() {
		out = append(out, t.status())
	}
	return out
}

type statusList struct {
	Scrapes []Status `json:"scrapes"`
	Next    *string  `json:"next_cursor"`
}

// Mount adds GET /scrapes.
func (s *Scraper) Mount(m *httpx.Mux) {
	m.HandleFunc("GET /scrapes", func(w http.ResponseWriter, _ *http.Request) {
		httpx.JSON(w, http.StatusOK, statusList{Scrapes: s.Statuses()})
	}, httpx.Doc("Tells of every scrape target whether it answers, and what it brings."), httpx.Answer("200", "the targets, in the order of the configuration", statusList{}))
}

// maxNamed is how many targets a check names.
const maxNamed = 5

// Check is degraded when targets fail. kafka-api itself is well then.
func (s *Scraper) Check(context.Context) httpx.Check {
	status, down := httpx.Healthy, []string{}
	list := s.list()
	for _, t := range list {
		t.mu.Lock()
		if t.report.reason != "" {
			down = append(down, fmt.Sprintf("%s: %s", t.Name, t.report.err))
			if !t.Aside {
				status = httpx.Degraded
			}
		}
		t.mu.Unlock()
	}
	if len(down) == 0 {
		return httpx.Check{Status: httpx.Healthy, Detail: fmt.Sprintf("%d targets, none at fault", len(list))}
	}
	more := ""
	if n := len(down) - maxNamed; n > 0 {
		down, more = down[:maxNamed], fmt.Sprintf("; and %d more", n)
	}
	return httpx.Check{Status: status, Detail: fmt.Sprintf("%d targets, at fault: %s%s (GET /scrapes tells all)", len(list), strings.Join(down, "; "), more)}
}
