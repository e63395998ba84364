package plan

import (
	"cmp"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/hxp-enterprise/hxp/internal/alert/notify/tmpl"
	"github.com/hxp-enterprise/hxp/internal/kit/deliver"
)

// The channels, as metrics and lists name them.
const (
	ByWebhook   = "webhook"
	ByEmail     = "email"
	BySlack     = "slack"
	ByTeams     = "msteams"
	ByPagerDuty = "pagerduty"
	ByDiscord   = "discord"
	ByTelegram  = "telegram"
	ByConsole   = "console"
)

// Channels lists them.
var Channels = []string{ByWebhook, ByEmail, BySlack, ByTeams, ByPagerDuty, ByDiscord, ByTelegram, ByConsole}

// Way is one way in which a receiver is told; exactly one of its settings is there, with the defaults filled in.
type Way struct {
	ID           string // names it in what is kept, such as ops/email/0
	Receiver     string
	Channel      string
	SendResolved bool

	Webhook   *Webhook
	Email     *Email // to one address
	Slack     *Slack
	Teams     *Teams
	PagerDuty *PagerDuty
	Discord   *Discord
	Telegram  *Telegram
	Console   *Console

	texts map[string]*tmpl.Template
}

// Text makes one of the texts of the way about a message. A template that fails, or one that would not end, is told of in its place:
// a message with a flaw is better than none.
func (w *Way) Text(name string, d *tmpl.Data) string {
	t := w.texts[name]
	if t == nil {
		return ""
	}
	out, err := t.Execute(d)
	if err != nil {
		title, _ := defaultTexts["title"].Execute(d) // tested
		return title + " (the template of " + name + " failed: " + err.Error() + ")"
	}
	return out
}

// Texts are all texts of the way about a message, for a preview.
func (w *Way) Texts(d *tmpl.Data) map[string]string {
	out := map[string]string{}
	for name := range w.texts {
		out[name] = w.Text(name, d)
	}
	return out
}

// The texts of those who configure none.
const (
	titleText = `[{{ .Status | toUpper }}{{ if eq .Status "firing" }}:{{ len .Alerts.Firing }}{{ end }}] {{ or .CommonLabels.alertname (join " " .GroupLabels.Values) "alerts" }}` +
		`{{ if .CommonAnnotations.summary }}: {{ .CommonAnnotations.summary }}{{ end }}`
	linesText = `{{ range .Alerts }}{{ .Status | toUpper }}: {{ or .Annotations.summary .Annotations.description .Labels.alertname }}
{{ range .Labels.SortedPairs }}{{ .Name }}={{ .Value }} {{ end }}
{{ end }}{{ if .TruncatedAlerts }}and {{ .TruncatedAlerts }} more
{{ end }}`
	mailText = `{{ range .Alerts }}{{ .Status | toUpper }} {{ .Labels.alertname }}
{{ if .Annotations.summary }}{{ .Annotations.summary }}
{{ end }}{{ if .Annotations.description }}{{ .Annotations.description }}
{{ end }}
{{ range .Labels.SortedPairs }}  {{ .Name }} = {{ .Value }}
{{ end }}  since {{ .StartsAt }}{{ if .EndsAt }}, until {{ .EndsAt }}{{ end }}
{{ if or .Annotations.runbook_url .Annotations.runbook }}  runbook: {{ or .Annotations.runbook_url .Annotations.runbook }}
{{ end }}{{ if .GeneratorURL }}  {{ .GeneratorURL }}
{{ end }}
{{ end }}{{ if .TruncatedAlerts }}and {{ .TruncatedAlerts }} more alerts of this group
{{ end }}`
)

var defaultTexts = func() map[string]*tmpl.Template {
	set, name, err := tmpl.ParseSet(map[string]string{"title": titleText, "lines": linesText, "mail": mailText})
	if err != nil {
		panic("plan: " + name + ": " + err.Error()) // constants
	}
	return set
}()

// text notes a text of a way. An empty one is the default; by is its name among the defaults, "" = there is none.
func (r *reader) text(w *Way, name, text, by, at string) {
	if text == "" {
		if t := defaultTexts[by]; t != nil {
			w.texts[name] = t
		}
		return
	}
	t, err := tmpl.Parse(text, r.texts)
	if err != nil {
		r.wrong(at+"/"+name, "%v", err)
		return
	}
	w.texts[name] = t
}

// add makes a way of the n-th setting of a channel.
func (t *Target) add(channel string, n int, resolved *bool, usually bool) *Way {
	w := &Way{ID: t.Name + "/" + channel + "/" + strconv.Itoa(n), Receiver: t.Name, Channel: channel, SendResolved: usually, texts: map[string]*tmpl.Template{}}
	if resolved != nil {
		w.SendResolved = *resolved
	}
	t.Ways = append(t.Ways, w)
	return w
}

func (r *reader) ways(c *Receiver, t *Target, at string) {
	for i := range c.Webhooks {
		r.webhook(&c.Webhooks[i], t, i, fmt.Sprintf("%s/webhook_configs/%d", at, i))
	}
	addresses := 0
	for i := range c.Emails {
		addresses = r.email(&c.Emails[i], t, addresses, fmt.Sprintf("%s/email_configs/%d", at, i))
	}
	for i := range c.Slacks {
		r.slack(&c.Slacks[i], t, i, fmt.Sprintf("%s/slack_configs/%d", at, i))
	}
	for i := range c.Teams {
		x, here := &c.Teams[i], fmt.Sprintf("%s/msteamsv2_configs/%d", at, i)
		r.secret(&x.URL, &x.URLFile, here, "webhook_url", true)
		w := t.add(ByTeams, i, x.SendResolved, true)
		w.Teams = x
		r.text(w, "title", x.Title, "title", here)
		r.text(w, "text", x.Text, "lines", here)
	}
	for i := range c.PagerDutys {
		r.pagerDuty(&c.PagerDutys[i], t, i, fmt.Sprintf("%s/pagerduty_configs/%d", at, i))
	}
	for i := range c.Discords {
		x, here := &c.Discords[i], fmt.Sprintf("%s/discord_configs/%d", at, i)
		r.secret(&x.URL, &x.URLFile, here, "webhook_url", true)
		w := t.add(ByDiscord, i, x.SendResolved, true)
		w.Discord = x
		r.text(w, "title", x.Title, "title", here)
		r.text(w, "message", x.Message, "lines", here)
	}
	for i := range c.Telegrams {
		r.telegram(&c.Telegrams[i], t, i, fmt.Sprintf("%s/telegram_configs/%d", at, i))
	}
	for i := range c.Consoles {
		x, here := &c.Consoles[i], fmt.Sprintf("%s/console_configs/%d", at, i)
		w := t.add(ByConsole, i, x.SendResolved, true)
		w.Console = x
		r.text(w, "text", x.Text, "title", here)
	}
}

// secret checks a secret that can also be named by a file, in a key of the same name with _file.
func (r *reader) secret(s *Secret, file *string, at, name string, needed bool) {
	if err := s.fromFile(file); err != nil {
		r.wrong(at+"/"+name+"_file", "%v", err)
	}
	if needed && *s == "" {
		r.wrong(at+"/"+name, "it is missing; say where it is, env:NAME or file:PATH")
	}
	r.plan.note(string(*s), at+"/"+name)
}

func (r *reader) webhook(x *Webhook, t *Target, n int, at string) {
	url := Secret("")
	if err := url.fromFile(&x.URLFile); err != nil {
		r.wrong(at+"/url_file", "%v", err)
	}
	switch {
	case url != "" && x.URL == "":
		x.URL = string(url)
	case url != "":
		r.wrong(at+"/url_file", "the address is named twice; leave one of the two out")
	}
	w := t.add(ByWebhook, n, x.SendResolved, true)
	if written(x.URL) {
		r.address(&x.URL, r.was.addresses(t.Name, ByWebhook), at+"/url")
	}
	r.plan.note(x.URL, at+"/url")
	r.plan.note(string(x.SigningSecret), at+"/signing_secret")
	if x.MaxAlerts < 0 {
		r.wrong(at+"/max_alerts", "it is a number of alerts; 0 is for all")
	}
	a := &x.HTTP.Authorization
	r.secret(&a.Credentials, &a.CredentialsFile, at+"/http_config/authorization", "credentials", a.Type != "")
	if strings.ContainsFunc(a.Type, func(c rune) bool { return c <= ' ' || c > '~' }) {
		r.wrong(at+"/http_config/authorization/type", "it is one word, such as Bearer")
	}
	w.Webhook = x
}

// email makes a way for each address, so that one that is refused does not make the others get the message twice.
func (r *reader) email(x *Email, t *Target, n int, at string) int {
	g := &r.config.Global
	r.secret(&x.Password, &x.PasswordFile, at, "auth_password", false)
	full := *x
	full.From, full.Smarthost, full.Hello = cmp.Or(x.From, g.SMTPFrom), cmp.Or(x.Smarthost, g.SMTPSmarthost), cmp.Or(x.Hello, g.SMTPHello)
	full.Username, full.Password = cmp.Or(x.Username, g.SMTPUsername), cmp.Or(x.Password, g.SMTPPassword)
	if full.RequireTLS == nil {
		full.RequireTLS = g.SMTPRequireTLS
	}
	if err := deliver.CheckAddress(full.From); err != nil {
		r.wrong(at+"/from", "%q: %v", full.From, err)
	}
	host, port, err := net.SplitHostPort(full.Smarthost)
	if p, bad := strconv.Atoi(port); err != nil || bad != nil || host == "" || p < 1 || p > 65535 {
		r.wrong(at+"/smarthost", "%q is no mail server; write HOST:PORT, here or as global.smtp_smarthost", full.Smarthost)
	}
	if full.Username != "" && full.Password == "" {
		r.wrong(at+"/auth_password", "the user has none; say where it is, env:NAME or file:PATH")
	}
	for name := range x.Headers {
		if name != "Subject" {
			r.wrong(at+"/headers/"+name, "only Subject can be set")
		}
	}
	for to := range strings.SplitSeq(x.To, ",") {
		one := full
		if one.To = strings.TrimSpace(to); deliver.CheckAddress(one.To) != nil {
			r.wrong(at+"/to", "%q: %v", one.To, deliver.CheckAddress(one.To))
		}
		w := t.add(ByEmail, n, x.SendResolved, false)
		w.Email = &one
		r.text(w, "subject", x.Headers["Subject"], "title", at+"/headers")
		r.text(w, "text", x.Text, "mail", at)
		n++
	}
	return n
}

func (r *reader) slack(x *Slack, t *Target, n int, at string) {
	r.secret(&x.URL, &x.URLFile, at, "api_url", r.config.Global.SlackURL == "")
	full := *x
	full.URL = cmp.Or(x.URL, r.config.Global.SlackURL)
	w := t.add(BySlack, n, x.SendResolved, false)
	w.Slack = &full
	for _, f := range [][3]string{{"title", x.Title, "title"}, {"text", x.Text, "lines"}, {"fallback", x.Fallback, "title"}, {"color", x.Color, ""}, {"title_link", x.TitleLink, ""}, {"channel", x.Channel, ""}, {"username", x.Username, ""}} {
		r.text(w, f[0], f[1], f[2], at)
	}
}

func (r *reader) pagerDuty(x *PagerDuty, t *Target, n int, at string) {
	r.secret(&x.Key, &x.KeyFile, at, "routing_key", true)
	w := t.add(ByPagerDuty, n, x.SendResolved, true)
	if x.URL != "" {
		r.address(&x.URL, r.was.addresses(t.Name, ByPagerDuty), at+"/url")
	}
	full := *x
	full.URL = cmp.Or(x.URL, r.config.Global.PagerDutyURL, "https://events.pagerduty.com/v2/enqueue")
	w.PagerDuty = &full
	for _, f := range [][3]string{{"description", x.Description, "title"}, {"severity", x.Severity, ""}, {"source", x.Source, ""}, {"class", x.Class, ""}, {"component", x.Component, ""}, {"group", x.Group, ""}} {
		r.text(w, f[0], f[1], f[2], at)
	}
	if severities := []string{"", "critical", "error", "warning", "info"}; !strings.Contains(x.Severity, "{{") && !slices.Contains(severities, x.Severity) {
		r.wrong(at+"/severity", "PagerDuty knows critical, error, warning and info")
	}
	for name, text := range x.Details {
		r.text(w, "details/"+name, text, "", at)
	}
}

func (r *reader) telegram(x *Telegram, t *Target, n int, at string) {
	r.secret(&x.Token, &x.TokenFile, at, "bot_token", r.config.Global.TelegramToken == "")
	w := t.add(ByTelegram, n, x.SendResolved, true)
	if x.APIURL != "" {
		r.address(&x.APIURL, r.was.addresses(t.Name, ByTelegram), at+"/api_url")
	}
	full := *x
	full.Token, full.APIURL = cmp.Or(x.Token, r.config.Global.TelegramToken), cmp.Or(x.APIURL, r.config.Global.TelegramURL, "https://api.telegram.org")
	if x.Chat == "" {
		r.wrong(at+"/chat_id", "say in which chat: its number, or @NAME of a channel")
	}
	w.Telegram = &full
	r.text(w, "message", x.Message, "lines", at)
}

// Title is one line about a message.
func Title(d *tmpl.Data) string {
	out, _ := defaultTexts["title"].Execute(d) // it is short
	return tmpl.Shorten(out, 300)
}
