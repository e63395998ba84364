package batch

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/hxp-enterprise/hxp/internal/batch/report"
)

// send has a report that is due taken to everybody who gets it; made are the ids of its formats by format. Who had it before gets it no
// more. A format that could not be made is not replaced by another: the task is tried again, and then would send both.
func (c *courier) send(ctx context.Context, k report.Kind, made map[string]string) error {
	cfg := c.p.s.cfg()
	if !cfg.Reports.Distribution || len(made) == 0 {
		return nil
	}
	var errs []error
	put := func(format string, t target, at time.Time) {
		if id, ok := made[format]; ok {
			_, err := c.queue(ctx, id, t, at, false)
			errs = append(errs, err)
		}
	}
	now := c.p.s.now()
	if c.mails() {
		plan, err := c.p.schedules(ctx)
		if err != nil {
			return err
		}
		for _, m := range plan.of(k).Mail {
			at := c.p.s.next(m.Schedule, now)
			for _, format := range m.Formats {
				for _, a := range m.Recipients {
					put(format, target{byMail, a}, at)
				}
			}
		}
	}
	for i := range cfg.Routes.Routes {
		r := &cfg.Routes.Routes[i]
		if !r.takes(k) {
			continue
		}
		at := c.p.s.next(r.Schedule, now)
		for _, format := range r.formats() {
			for _, t := range r.targets() {
				put(format, t, at)
			}
		}
	}
	return errors.Join(errs...)
}

// takes tells whether a route is for reports of a kind.
func (r *Route) takes(k report.Kind) bool {
	return len(r.Reports) == 0 || slices.Contains(r.Reports, string(k))
}

// mails tells whether there is a way for mail.
func (c *courier) mails() bool {
	cfg := c.p.s.cfg()
	return cfg.Reports.Distribution && cfg.Reports.Email && cfg.Mail.Host != ""
}

// best is the format for people among the configured ones: PDF where it is made.
func best(formats []string) string {
	for _, f := range []string{report.PDF, report.CSV, report.JSON} {
		if slices.Contains(formats, f) {
			return f
		}
	}
	return ""
}

func (r *Route) formats() []string {
	if len(r.Formats) == 0 {
		return []string{report.PDF}
	}
	return r.Formats
}

// targets are those beside mail, which schedules send.
func (r *Route) targets() (out []target) {
	if r.Webhook != "" {
		out = append(out, target{byWebhook, r.Webhook})
	}
	if r.Folder != "" {
		out = append(out, target{byFolder, r.Folder})
	}
	return out
}

// next is when something goes: at the next time of its schedule, or now.
func (s *Service) next(schedule string, now time.Time) time.Time {
	if schedule == "" {
		return now
	}
	cron, err := parseCron(schedule)
	if err != nil { // Validate has refused it
		return now
	}
	zone, err := time.LoadLocation(s.cfg().Processing.Timezone)
	if err != nil {
		zone = time.UTC
	}
	return cron.Next(now.In(zone))
}
