package batch

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/batch/report"
	"github.com/hxp-enterprise/hxp/internal/kit/deliver"
)

// Mail is the section mail.
type Mail struct {
	Host       string        `yaml:"smtp_host" env:"SMTP_HOST" doc:"mail server that takes what is to be sent; no mail when empty"`
	Port       int           `yaml:"smtp_port" env:"SMTP_PORT" default:"587" min:"1" max:"65535" doc:"port of the mail server"`
	Username   string        `yaml:"smtp_username" env:"SMTP_USERNAME" doc:"user at the mail server (AUTH PLAIN or LOGIN); none when empty"`
	Password   string        `yaml:"smtp_password" env:"SMTP_PASSWORD" secret:"place" doc:"where the password of the user is: file:PATH or env:NAME, read for each mail. It is sent over TLS alone, or to this machine"`
	From       string        `yaml:"smtp_from" env:"SMTP_FROM" doc:"address of the sender, such as hxp@example.org"`
	TLS        string        `yaml:"smtp_tls" env:"SMTP_TLS" default:"starttls" enum:"none,starttls,tls" doc:"protection of the connection: starttls (587) and tls (465) insist on it and on a certificate that holds"`
	Recipients []string      `yaml:"recipients" env:"REPORT_DISTRIBUTION_RECIPIENTS" doc:"addresses that get every report that is due, as PDF, as soon as it is made; hourly_summary is left out, since daily_summary has its hours"`
	Retry      time.Duration `yaml:"retry_seconds" env:"REPORT_DISTRIBUTION_RETRY_SECONDS" default:"300" unit:"s" min:"1" max:"86400" doc:"time before a delivery that failed is tried again; it doubles with each try up to an hour, for three days"`
}

func mailDefaults() Mail { return Mail{Port: 587, TLS: "starttls", Retry: 300 * time.Second} }

func (m *Mail) validate() error {
	var errs []error
	if m.Host == "" {
		if len(m.Recipients) > 0 {
			errs = append(errs, errors.New("mail.recipients: there is no mail server; set smtp_host"))
		}
		return errors.Join(errs...)
	}
	if strings.ContainsFunc(m.Host, func(r rune) bool { return r <= ' ' || r > '~' || r == '/' || r == '@' }) {
		errs = append(errs, fmt.Errorf("mail.smtp_host: %q is no name of a server such as mail.example.org; the port is smtp_port", m.Host))
	}
	if m.From == "" {
		errs = append(errs, errors.New("mail.smtp_from: smtp_host is set, so the address of a sender is needed too, such as hxp@example.org (SMTP_FROM)"))
	} else if err := deliver.CheckAddress(m.From); err != nil {
		errs = append(errs, fmt.Errorf("mail.smtp_from: %q is no address of a sender: %w", m.From, err))
	}
	if m.Password != "" && !strings.HasPrefix(m.Password, "file:") && !strings.HasPrefix(m.Password, "env:") {
		errs = append(errs, errors.New("mail.smtp_password: say where the password is, file:PATH or env:NAME, rather than what it is"))
	}
	if m.Username != "" && m.Password == "" {
		errs = append(errs, errors.New("mail.smtp_password: the user has none; say where it is, file:PATH or env:NAME"))
	}
	for i, a := range m.Recipients {
		if err := deliver.CheckAddress(a); err != nil {
			errs = append(errs, fmt.Errorf("mail.recipients[%d]: %q: %w", i, a, err))
		}
	}
	return errors.Join(errs...)
}

// Routing is the section report_distribution.
type Routing struct {
	Routes []Route `yaml:"routes" doc:"each names reports and where they go"`
}

// Route sends reports somewhere.
type Route struct {
	Reports    []string `yaml:"reports" enum:"hourly_summary,daily_summary,weekly_summary,monthly_summary,business_intelligence,monthly_business_intelligence,capacity_analysis,cost" doc:"which reports, when they are due; all of report_generation.reports when empty"`
	Formats    []string `yaml:"formats" default:"pdf" enum:"json,csv,pdf" doc:"in which formats"`
	Recipients []string `yaml:"recipients" doc:"mail addresses"`
	Webhook    string   `yaml:"webhook" secret:"url" doc:"http or https address to which the document is posted. Private networks are reached where HXP_WEBHOOK_ALLOW names them"`
	Secret     string   `yaml:"webhook_secret" secret:"place" doc:"where the secret is that signs what the webhook gets: file:PATH or env:NAME. The header X-Hxp-Signature is then sha256= and the HMAC of the body"`
	Folder     string   `yaml:"folder" doc:"folder into which the document is put, under its type; it must be there"`
	Schedule   string   `yaml:"schedule" doc:"cron (five fields, in batch_processing.timezone): what is due goes out at the next such time; at once when empty"`
}

const maxRoutes = 100

func (r *Routing) validate() error {
	var errs []error
	if len(r.Routes) > maxRoutes {
		errs = append(errs, fmt.Errorf("report_distribution.routes: %d routes are more than %d", len(r.Routes), maxRoutes))
	}
	for i := range r.Routes {
		if err := r.Routes[i].Validate(); err != nil {
			for _, line := range strings.Split(err.Error(), "\n") {
				errs = append(errs, fmt.Errorf("report_distribution.routes[%d].%s", i, line))
			}
		}
	}
	return errors.Join(errs...)
}

// Validate reports what is wrong with a route.
func (r *Route) Validate() error {
	var errs []error
	if len(r.Recipients) == 0 && r.Webhook == "" && r.Folder == "" {
		errs = append(errs, errors.New("recipients: the route goes nowhere; give recipients, a webhook or a folder"))
	}
	for _, a := range r.Recipients {
		if err := deliver.CheckAddress(a); err != nil {
			errs = append(errs, fmt.Errorf("recipients: %q: %w", a, err))
		}
	}
	if r.Webhook != "" {
		if err := deliver.CheckHook(r.Webhook); err != nil {
			errs = append(errs, fmt.Errorf("webhook: %w", err))
		}
	}
	if r.Secret != "" && !strings.HasPrefix(r.Secret, "file:") && !strings.HasPrefix(r.Secret, "env:") {
		errs = append(errs, errors.New("webhook_secret: say where the secret is, file:PATH or env:NAME, rather than what it is"))
	}
	if r.Folder != "" && !filepath.IsAbs(r.Folder) {
		errs = append(errs, fmt.Errorf("folder: %q does not begin with /", r.Folder))
	}
	if r.Schedule != "" {
		if _, err := parseCron(r.Schedule); err != nil {
			errs = append(errs, fmt.Errorf("schedule: %q is no cron of five fields (minute hour day-of-month month day-of-week): %w", r.Schedule, err))
		}
	}
	for _, f := range r.Formats {
		if !slices.Contains(report.Formats, f) {
			errs = append(errs, fmt.Errorf("formats: %q is not one of %s", f, strings.Join(report.Formats, ", ")))
		}
	}
	return errors.Join(errs...)
}
