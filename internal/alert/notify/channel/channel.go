// Package channel tells receivers: it makes of a message what each kind of receiver understands, and hands it over.
//
// In come a way with its settings and what the message is about; out comes what became of the try, as internal/kit/deliver has it: it
// arrived, may be tried again (and when the other side wants that), never will arrive, or nobody is there any more. Secrets are read for
// each try, so that a new one counts at once, and stand in no error.
//
// Promised: texts are cut to what the other side takes, so that no length makes a message fail; only addresses are reached that are public
// or allowed by HXP_WEBHOOK_ALLOW; redirects are refused; every try ends with its context.
package channel

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/alert/notify/plan"
	"github.com/hxp-enterprise/hxp/internal/alert/notify/tmpl"
	"github.com/hxp-enterprise/hxp/internal/kit/deliver"
	"github.com/hxp-enterprise/hxp/internal/kit/sorting"
)

// Sender tells receivers. Safe for concurrent use.
type Sender struct {
	Hooks *deliver.Hooks
	Vault *deliver.Vault
	Log   *slog.Logger
	Host  string // of this machine, for mail servers
}

// Message is one try.
type Message struct {
	ID   string    // the same at each try
	At   time.Time // of this try
	Made time.Time // of the message
	Data *tmpl.Data
	// Links stand in Data, and let whoever has them decide: no error may hold them.
	Links []string
}

// mostShown bounds the alerts in texts; webhooks and PagerDuty get all of them.
const mostShown = 25

// shown is the message with the alerts that a person will read.
func (m *Message) shown() *tmpl.Data {
	if len(m.Data.Alerts) <= mostShown {
		return m.Data
	}
	d := *m.Data
	d.TruncatedAlerts += len(d.Alerts) - mostShown
	d.Alerts = d.Alerts[:mostShown]
	return &d
}

// Send makes one try. The error is a *deliver.Failure.
func (s *Sender) Send(ctx context.Context, w *plan.Way, m *Message) error {
	switch w.Channel {
	case plan.ByWebhook:
		return s.webhook(ctx, w, m)
	case plan.ByEmail:
		return s.email(ctx, w, m)
	case plan.BySlack:
		return s.secretly(ctx, m, w.Slack.URL, slackBody(w, m))
	case plan.ByTeams:
		return s.secretly(ctx, m, w.Teams.URL, teamsBody(w, m))
	case plan.ByPagerDuty:
		return s.pagerDuty(ctx, w, m)
	case plan.ByDiscord:
		return s.secretly(ctx, m, w.Discord.URL, discordBody(w, m))
	case plan.ByTelegram:
		return s.telegram(ctx, w, m)
	}
	s.Log.Info("notification", "receiver", w.Receiver, "status", m.Data.Status, "text", w.Text("text", m.shown()), "group", m.Data.GroupKey)
	return nil
}

// secretly posts to an address that is a secret.
func (s *Sender) secretly(ctx context.Context, m *Message, where plan.Secret, body any) error {
	address, err := s.Vault.Read(string(where))
	if err != nil {
		return &deliver.Failure{Err: err}
	}
	if err := deliver.CheckHook(address); err != nil {
		return &deliver.Failure{Err: err, Final: true}
	}
	return s.post(ctx, m, address, body, "")
}

// post sends JSON; secret stands in it.
func (s *Sender) post(ctx context.Context, m *Message, address string, body any, secret string) error {
	text, err := plainJSON(body)
	if err != nil {
		return &deliver.Failure{Err: err, Final: true}
	}
	a, err := s.Hooks.Send(ctx, address, jsonHeader(), text)
	if err != nil {
		return err
	}
	return verdict(a, m.hush(address, secret))
}

// plainJSON is JSON whose < and & stay as they are: escaped, a text would be longer than it was cut to.
func plainJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return b.Bytes(), err
}

// verdict reads a status: 2xx is yes; 408, 425, 429 and 5xx are for later; 410 says that nobody is there any more; another one is no.
// hush takes out of the error what the other side may have repeated.
func verdict(a *deliver.Answer, hush func(string) string) error {
	c := a.Status
	if c >= 200 && c < 300 {
		return nil
	}
	f := &deliver.Failure{Err: statusError(a, hush), After: after(a.Header.Get("Retry-After"), time.Now())}
	f.Gone = c == http.StatusGone
	f.Final = f.Gone || c < 500 && c != http.StatusRequestTimeout && c != http.StatusTooEarly && c != http.StatusTooManyRequests
	return f
}

// statusError is the status with the beginning of what was said, without controls and secrets.
func statusError(a *deliver.Answer, hush func(string) string) error {
	said := strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(hush(string(a.Body)), "?"))
	if said = strings.TrimSpace(tmpl.Shorten(said, 200)); said != "" {
		said = ": " + said
	}
	return errors.New("answered " + hush(a.Text) + said)
}

// hush makes what takes out of a text what no error may hold, though the other side may repeat it: a secret, and what lies behind the host in the
// address and in the links of the message. Values stand alone as well, as a link is written in another way in JSON and in HTML.
func (m *Message) hush(address, secret string) func(text string) string {
	all := strings.Fields(secret)
	for _, a := range append([]string{address}, m.Links...) {
		u, err := url.Parse(a)
		if err != nil {
			continue
		}
		all = append(all, strings.Trim(u.RequestURI(), "/?"), strings.Trim(u.Path, "/"), u.RawQuery)
		for _, values := range u.Query() {
			all = append(all, values...)
		}
	}
	sorting.By(all, func(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) }) // no part before what it is a part of
	all = slices.Compact(all)
	return func(text string) string {
		for _, s := range all {
			if len(s) > 3 { // shorter ones stand everywhere
				text = strings.ReplaceAll(text, s, "***")
			}
		}
		return text
	}
}

// after reads Retry-After: seconds, which some write with a point, or a date.
func after(text string, now time.Time) time.Duration {
	if text == "" {
		return 0
	}
	if f, err := strconv.ParseFloat(text, 64); err == nil && f > 0 && f < 1e6 {
		return time.Duration(f * float64(time.Second))
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(at.Sub(now), 0)
	}
	return 0
}

// color is that of a message: green when it is over, red and orange by the worst severity that fires.
func color(d *tmpl.Data) (hex string, number int) {
	switch worst(d) {
	case "":
		return "#2eb886", 0x2eb886
	case "critical", "error", "page":
		return "#d92d20", 0xd92d20
	case "info":
		return "#2f80ed", 0x2f80ed
	}
	return "#f79009", 0xf79009
}

// worst is the worst severity that fires, "" when nothing does.
func worst(d *tmpl.Data) string {
	order := []string{"info", "none", "warning", "error", "page", "critical"}
	best := -1
	for _, a := range d.Alerts {
		if a.Status != tmpl.Firing {
			continue
		}
		at := 2 // what says nothing is a warning
		for i, name := range order {
			if a.Labels["severity"] == name {
				at = i
			}
		}
		best = max(best, at)
	}
	if best < 0 {
		return ""
	}
	return order[best]
}
