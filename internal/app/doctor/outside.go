package doctor

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/textproto"
	"net/url"
	"strings"

	"github.com/hxp-enterprise/hxp/internal/kit/cure"
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
		help, err := cure.Of(err, "set HXP_LAKE_URL and HXP_LAKE_S3_ENDPOINT to what there is")
		return fail(help+" (docs/runbooks/lake.md)", "%v", err)
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
	if p.MailError != nil {
		return fail("set SMTP_PASSWORD to where the password is (file:PATH or env:NAME)", "%v", p.MailError)
	}
	if err := p.Mail.Greet(ctx, p.MailFrom); err != nil {
		help, err := cure.Of(err, mailCure(err))
		return fail(help+" (docs/runbooks/reports.md)", "%s:%d: %v", p.Mail.Host, p.Mail.Port, err)
	}
	return ok("%s:%d takes mail", p.Mail.Host, p.Mail.Port)
}

// mailCure says what to mend, by how far the conversation came.
func mailCure(err error) string {
	said, answered := errors.AsType[*textproto.Error](err)
	op, _ := errors.AsType[*net.OpError](err)
	_, record := errors.AsType[tls.RecordHeaderError](err)
	_, trust := errors.AsType[*tls.CertificateVerificationError](err)
	switch {
	case answered && (said.Code == 538 || said.Code == 530 && strings.Contains(strings.ToUpper(said.Msg), "TLS")):
		return "set SMTP_TLS to starttls (587) or tls (465): without TLS this server takes nothing"
	case answered && (said.Code == 530 || said.Code == 534 || said.Code == 535):
		return "set SMTP_USERNAME and SMTP_PASSWORD to what the server knows"
	case answered:
		return "ask whoever runs the server why it refuses this machine"
	case record:
		return "set SMTP_TLS to what the server speaks at this port: starttls (587), tls (465) or none (25)"
	case trust:
		return "set SMTP_HOST to a name of the server's certificate, signed by an authority that this machine trusts"
	case op != nil && op.Op == "dial":
		return "start the server, or set SMTP_HOST and SMTP_PORT to where it is"
	}
	return "see SMTP_HOST, SMTP_PORT, SMTP_TLS, SMTP_USERNAME and SMTP_PASSWORD"
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
