package doctor

import (
	"context"
	"net/url"
	"strings"

	"github.com/hxp-enterprise/hxp/internal/lake"
)

// outside tells of the systems around, as far as they are configured.
func (p *Plan) outside() (checks []check) {
	if p.Lake != nil && strings.HasPrefix(p.Lake.URL, "s3://") {
		checks = append(checks, check{"object storage", 2 * remote, p.storage})
	}
	if p.MetricServer != nil {
		checks = append(checks, check{"metrics server", remote, p.metrics})
	}
	if p.Mail != nil {
		checks = append(checks, check{"mail server", 2 * remote, p.mail})
	}
	for _, h := range p.Hooks {
		checks = append(checks, check{h.Name, remote, func(ctx context.Context) Finding { return hooked(ctx, h) }})
	}
	return checks
}

func (p *Plan) storage(ctx context.Context) Finding {
	if err := lake.Reach(ctx, *p.Lake); err != nil {
		return fail("see HXP_LAKE_URL, HXP_LAKE_S3_ENDPOINT, AWS_REGION and the keys (docs/runbooks/lake.md)", "%v", err)
	}
	return ok("%s answers", p.Lake.URL)
}

func (p *Plan) metrics(ctx context.Context) Finding {
	if err := p.MetricServer.Reach(ctx); err != nil {
		return warn("start it, or set METRICS_SERVER_ENDPOINT to the address of a Prometheus, or to nothing; until then capacity is told without it", "Prometheus at %s: %v", p.MetricServer, err)
	}
	return ok("Prometheus answers at %s", p.MetricServer)
}

func (p *Plan) mail(ctx context.Context) Finding {
	err := p.MailError
	if err == nil {
		err = p.Mail.Greet(ctx)
	}
	if err != nil {
		return fail("see SMTP_HOST, SMTP_PORT, SMTP_TLS, SMTP_USERNAME and SMTP_PASSWORD (docs/runbooks/reports.md)", "%s:%d: %v", p.Mail.Host, p.Mail.Port, err)
	}
	return ok("%s:%d takes mail", p.Mail.Host, p.Mail.Port)
}

// hooked connects to where something is posted, and says nothing there.
func hooked(ctx context.Context, h Hook) Finding {
	host := "the address"
	if u, err := url.Parse(h.URL); err == nil && u.Host != "" {
		host = u.Host // the rest may be a secret
	}
	if err := h.Way.Reach(ctx, h.URL); err != nil {
		return fail("mend the address, or the way there; where it lies in a private network on purpose, name that in HXP_WEBHOOK_ALLOW", "%s: %v", host, err)
	}
	return ok("%s is reached", host)
}
