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
	cfg := &c.p.s.cfg
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
	if c.mails() && k != report.Hourly {
		for _, a := range cfg.Mail.Recipients {
			put(best(cfg.Reports.Formats), target{byMail, a}, now)
		}
	}
	for i := range cfg.Routes.Routes {
		r := &cfg.Routes.Routes[i]
		if len(r.Reports) > 0 && !slices.Contains(r.Reports, string(k)) {
			continue
		}
		at := c.p.s.next(r, now)
		for _, format := range r.formats() {
			for _, t := range r.targets(c.mails()) {
				put(format, t, at)
			}
		}
	}
	return errors.Join(errs...)
}

// mails tells whether there is a way for mail.
func (c *courier) mails() bool {
	cfg := &c.p.s.cfg
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

func (r *Route) targets(mail bool) (out []target) {
	if mail {
		for _, a := range r.Recipients {
			out = append(out, target{byMail, a})
		}
	}
	if r.Webhook != "" {
		out = append(out, target{byWebhook, r.Webhook})
	}
	if r.Folder != "" {
		out = append(out, target{byFolder, r.Folder})
	}
	return out
}

// next is when a route goes: at the next time of its schedule, or now.
func (s *Service) next(r *Route, now time.Time) time.Time {
	if r.Schedule == "" {
		return now
	}
	cron, err := parseCron(r.Schedule)
	if err != nil { // Validate has refused it
		return now
	}
	zone, err := time.LoadLocation(s.cfg.Processing.Timezone)
	if err != nil {
		zone = time.UTC
	}
	return cron.Next(now.In(zone))
}
