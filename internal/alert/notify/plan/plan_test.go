package plan

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/alert/notify/label"
	"github.com/hxp-enterprise/hxp/internal/alert/notify/tmpl"
)

const sample = `
global: {resolve_timeout: 3m, smtp_smarthost: "mail.example.org:587", smtp_from: hxp@example.org}
route:
  receiver: ops
  group_by: [alertname]
  routes:
  - matchers: [ 'team="db"' ]
    receiver: db
    group_wait: 5s
    continue: true
  - matchers: [ 'severity=~"critical|page"' ]
    group_by: ['...']
    escalate: [{after: 15m, receiver: boss}]
    routes:
    - match: {team: web}
      receiver: web
      mute_time_intervals: [nights]
receivers:
- name: ops
  console_configs: [{}]
- name: db
  email_configs: [{to: "a@example.org, b@example.org"}]
- name: web
  slack_configs: [{api_url: "env:SLACK", channel: "#x"}]
- name: boss
  pagerduty_configs: [{routing_key_file: /run/key}]
time_intervals:
- name: nights
  time_intervals:
  - {times: [{start_time: "22:00", end_time: "24:00"}], weekdays: ["monday:friday"]}
`

func mustParse(t *testing.T, text string) *Plan {
	t.Helper()
	p, faults := Parse([]byte(text))
	if faults != nil {
		t.Fatal(faults)
	}
	return p
}

func TestRoutes(t *testing.T) {
	p := mustParse(t, sample)
	for _, c := range []struct {
		labels label.Set
		want   string
	}{
		{label.Set{"alertname": "A"}, "ops[{}]"},
		{label.Set{"alertname": "A", "team": "db"}, `db[{}/{team="db"}]`},
		{label.Set{"team": "db", "severity": "page"}, `db[{}/{team="db"}] ops[{}/{severity=~"critical|page"}]`},
		{label.Set{"team": "web", "severity": "critical"}, `web[{}/{severity=~"critical|page"}/{team="web"}]`},
	} {
		var got []string
		for _, r := range p.Routes(c.labels) {
			got = append(got, r.Target.Name+"["+r.Key+"]")
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%v: %v, want %s", c.labels, got, c.want)
		}
	}
	web := p.Routes(label.Set{"team": "web", "severity": "critical"})[0]
	if !web.GroupAll || web.Wait != 30*time.Second || web.Steps[0].Target.Name != "boss" || p.ResolveTimeout != 3*time.Minute {
		t.Errorf("what routes have from above: %+v", web)
	}
	if db := p.Target("db"); len(db.Ways) != 2 || db.Ways[1].Email.To != "b@example.org" || db.Ways[1].Email.Smarthost != "mail.example.org:587" {
		t.Errorf("mail: %+v", db.Ways)
	}
	friday := time.Date(2026, 3, 6, 23, 0, 0, 0, time.UTC)
	if !web.Quiet(friday) || web.Quiet(friday.Add(time.Hour)) || web.Quiet(friday.Add(-2*time.Hour)) {
		t.Error("quiet hours are wrong")
	}
}

// What may be a secret in an address is kept and used, and not shown. What is shown instead of it stands for it where the plan is
// changed, and for nothing elsewhere.
func TestAddressesAreShownAsTheirHost(t *testing.T) {
	text := `{"global": {"pagerduty_url": "https://p.example/q?key=k0", "telegram_api_url": "https://t.example?key=k1"}, "route": {"receiver": "a"}, "receivers": [{"name": "a",
		"webhook_configs": [{"url": "https://w.example/hook?token=k2"}, {"url": "https://w.example/k5/in/the/path"}, {"url": "https://w.example/"}, {"url": "env:WHERE"}],
		"pagerduty_configs": [{"routing_key": "env:K", "url": "https://p.example/own?key=k3"}], "telegram_configs": [{"chat_id": "1", "bot_token": "env:T", "api_url": "https://t.example/own?key=k4"}]}]}`
	p := mustParse(t, text)
	shown := string(p.Shown())
	for _, secret := range []string{"=k0", "=k1", "=k2", "=k3", "=k4", "k5/in"} {
		if strings.Contains(shown, secret) || !strings.Contains(string(p.Document()), secret) {
			t.Errorf("%s: kept as %s, shown as %s", secret, p.Document(), shown)
		}
	}
	for _, part := range []string{`"https://w.example/***`, `"https://w.example/"`, `"env:WHERE"`} {
		if !strings.Contains(shown, part) {
			t.Errorf("%s does not show %s", shown, part)
		}
	}
	if got := p.Target("a").Ways[0].Webhook.URL; got != "https://w.example/hook?token=k2" {
		t.Errorf("told at %s", got)
	}
	_, faults := Parse([]byte(shown))
	if len(faults) == 0 || faults[0].Pointer != "/global/pagerduty_url" {
		t.Errorf("what is shown was put: %v", faults)
	}
	again, faults := p.Change([]byte(shown))
	if faults != nil || string(again.Document()) != string(p.Document()) {
		t.Errorf("what is shown is not the same plan: %v %s", faults, again.Document())
	}
	for _, other := range []string{strings.Replace(shown, "https://w.example/***", "https://evil.example/***", 1), strings.Replace(shown, "https://w.example/***", "http://w.example/***", 1), strings.ReplaceAll(shown, `"a"`, `"b"`)} {
		if _, faults := p.Change([]byte(other)); len(faults) == 0 || faults[0].Pointer != "/receivers/0/webhook_configs/0/url" {
			t.Errorf("what is not shown went elsewhere: %v", faults)
		}
	}
}

// What is shown of several addresses of one host stands for the one that was shown so, whichever of them are left, and in which order.
func TestShownAddressesMove(t *testing.T) {
	for _, c := range []struct {
		change func(all []string) []string
		want   string
	}{
		{func(all []string) []string { return all }, "/a /b /c"},
		{func(all []string) []string { return all[1:] }, "/b /c"},
		{func(all []string) []string { return []string{all[2], all[0]} }, "/c /a"},
		{func(all []string) []string { return []string{"https://h.example/new", all[1], all[1]} }, "/new /b /b"},
	} {
		for _, channel := range []string{`"webhook_configs": [{"url": "%s"}]`, `"pagerduty_configs": [{"routing_key": "env:K", "url": "%s"}]`, `"telegram_configs": [{"chat_id": "1", "bot_token": "env:T", "api_url": "%s"}]`} {
			before, list, _ := strings.Cut(channel, "[")
			document := func(addresses []string) string {
				var all []string
				for _, a := range addresses {
					all = append(all, fmt.Sprintf(strings.TrimSuffix(list, "]"), a))
				}
				return `{"route": {"receiver": "r"}, "receivers": [{"name": "r", ` + before + "[" + strings.Join(all, ", ") + `]}]}`
			}
			p := mustParse(t, document([]string{"https://h.example/a", "https://h.example/b", "https://h.example/c"}))
			shown := regexp.MustCompile(`https://h\.example/[^"]+`).FindAllString(string(p.Shown()), -1)
			if len(shown) != 3 {
				t.Fatalf("%s", p.Shown())
			}
			now, faults := p.Change([]byte(document(c.change(shown))))
			if faults != nil {
				t.Errorf("%s: %v", channel, faults)
				continue
			}
			var got []string
			for _, a := range now.addresses("r", now.Target("r").Ways[0].Channel) {
				got = append(got, strings.TrimPrefix(a, "https://h.example"))
			}
			if strings.Join(got, " ") != c.want {
				t.Errorf("%s: %q, want %q", channel, got, c.want)
			}
		}
	}
}

// Should two addresses of a receiver be shown alike, none of them is guessed.
func TestShownAddressesThatAreAlike(t *testing.T) {
	seen := map[string]string{}
	for i := 0; ; i++ {
		address := fmt.Sprintf("https://h.example/%d", i)
		shown := masked(address)
		if seen[shown] == "" {
			seen[shown] = address
			continue
		}
		document := `{"route": {"receiver": "r"}, "receivers": [{"name": "r", "webhook_configs": [{"url": "%s"}, {"url": "%s"}]}]}`
		p := mustParse(t, fmt.Sprintf(document, seen[shown], address))
		if _, faults := p.Change(p.Shown()); len(faults) != 2 || !strings.Contains(faults[1].Detail, shown+" stands for several addresses of this receiver") {
			t.Errorf("%v", faults)
		}
		return
	}
}

// Each place where a secret can be named is looked at.
func TestRefusedNames(t *testing.T) {
	p := mustParse(t, `{"global": {"smtp_auth_password": "env:A", "slack_api_url": "env:B", "telegram_bot_token_file": "/c"}, "route": {"receiver": "r"}, "receivers": [{"name": "r",
		"webhook_configs": [{"url": "env:D", "signing_secret": "env:E", "http_config": {"authorization": {"credentials_file": "/f"}}}, {"url": "https://w.example/x"}, {"url_file": "/g"}],
		"slack_configs": [{"api_url": "env:H"}, {}], "msteamsv2_configs": [{"webhook_url_file": "/i"}], "pagerduty_configs": [{"routing_key": "env:J"}], "discord_configs": [{"webhook_url": "env:K"}],
		"telegram_configs": [{"bot_token": "env:L", "chat_id": "1"}], "email_configs": [{"to": "a@example.org,b@example.org", "from": "h@example.org", "smarthost": "m.example:25", "auth_username": "u", "auth_password": "env:M"}]}]}`)
	var asked []string
	faults := p.Refused(func(where string) error { asked = append(asked, where); return errors.New("no") })
	slices.Sort(asked)
	if got := strings.Join(asked, " "); got != "env:A env:B env:D env:E env:H env:J env:K env:L env:M file:/c file:/f file:/g file:/i" || len(faults) != len(asked) {
		t.Errorf("%s, %v", got, faults)
	}
	for _, f := range faults {
		if f.Detail != "no" || !strings.HasPrefix(f.Pointer, "/global/") && !strings.HasPrefix(f.Pointer, "/receivers/0/") {
			t.Errorf("%+v", f)
		}
	}
}

// What GET shows can be put, and shows the same.
func TestDocumentCanBePutAgain(t *testing.T) {
	p := mustParse(t, sample)
	again := mustParse(t, string(p.Document()))
	if string(again.Document()) != string(p.Document()) {
		t.Errorf("%s\n%s", p.Document(), again.Document())
	}
	if !strings.Contains(string(p.Document()), "file:/run/key") {
		t.Errorf("%s", p.Document())
	}
	none := mustParse(t, strings.Replace(sample, "      receiver: web\n", "      receiver: web\n      escalate: []\n      group_by: []\n", 1))
	for _, p := range []*Plan{none, mustParse(t, string(none.Document()))} {
		if r := p.Routes(label.Set{"team": "web", "severity": "page"})[0]; r.Steps != nil || r.GroupAll || len(r.GroupBy) > 0 {
			t.Errorf("an empty list is not the same as none: %+v", r)
		}
	}
}

func TestWhatIsWrong(t *testing.T) {
	base := "route: {receiver: a}\nreceivers: [{name: a}]\n"
	for text, want := range map[string]string{
		"receivers: []": "/route there must be a route",
		"route: {receiver: b}\nreceivers: [{name: bb}]":                                      `/route/receiver there is no receiver "b"; did you mean "bb"?`,
		"route: {receiver: a, group_wait: soon}\nreceivers: [{name: a}]":                     `/route/group_wait "soon" is no duration`,
		"route: {receiver: a, repeat_interval: 0s}\nreceivers: [{name: a}]":                  "/route/repeat_interval it must be longer",
		"route: {receiver: a, matchers: ['a=b']}\nreceivers: [{name: a}]":                    "/route/matchers the first route",
		"route: {receiver: a, group_by: [a, a]}\nreceivers: [{name: a}]":                     "/route/group_by each label",
		"route: {receiver: a, routes: [{matchers: ['a']}]}\nreceivers: [{name: a}]":          "/route/routes/0/matchers/0",
		"route: {receiver: a, escalate: [{receiver: a}]}\nreceivers: [{name: a}]":            "/route/escalate/0/after",
		"route: {receiver: a, routes: [{mute_time_intervals: [x]}]}\nreceivers: [{name: a}]": "/route/routes/0/mute_time_intervals/0",
		base + "rout: {}": `/rout there is no such key; did you mean "route"?`,
		"route: {receiver: a}\nreceivers: [{name: a}, {name: a}]":                                                   "/receivers/1/name there is another",
		"route: {receiver: a}\nreceivers: [{name: a, webhook_configs: [{url: 'ftp://x'}]}]":                         "/receivers/0/webhook_configs/0/url write an address",
		"route: {receiver: a}\nreceivers: [{name: a, webhook_configs: [{url: 'http://x', signing_secret: 'abc'}]}]": "/receivers/0/webhook_configs/0/signing_secret say where the secret is",
		"route: {receiver: a}\nreceivers: [{name: a, email_configs: [{to: 'x'}]}]":                                  "/receivers/0/email_configs/0/from",
		"route: {receiver: a}\nreceivers: [{name: a, slack_configs: [{api_url: 'https://hooks.slack.com/x'}]}]":     "/receivers/0/slack_configs/0/api_url say where",
		"route: {receiver: a}\nreceivers: [{name: a, slack_configs: [{api_url: 'env:A', title: '{{ .X }}'}]}]":      "/receivers/0/slack_configs/0/title line 1",
		"route: {receiver: a}\nreceivers: [{name: a, pagerduty_configs: [{routing_key: 'env:A', severity: bad}]}]":  "/receivers/0/pagerduty_configs/0/severity",
		"route: {receiver: a}\nreceivers: [{name: a, telegram_configs: [{bot_token: 'env:A'}]}]":                    "/receivers/0/telegram_configs/0/chat_id",
		base + "time_intervals: [{name: n, time_intervals: [{weekdays: [someday]}]}]":                               "/time_intervals/0/time_intervals/0/weekdays/0",
		base + "time_intervals: [{name: n, time_intervals: [{times: [{start_time: '22:00', end_time: '06:00'}]}]}]": "a night is two spans",
		base + "time_intervals: [{name: n, time_intervals: [{location: Nowhere}]}]":                                 "/time_intervals/0/time_intervals/0/location",
		base + "templates: {t: '{{'}":                      "/templates/t line 1",
		base + "inhibit_rules: [{source_matchers: ['=']}]": "/inhibit_rules/0/source_matchers/0",
	} {
		p, faults := Parse([]byte(text))
		var got []string
		for _, f := range faults {
			got = append(got, fmt.Sprint(f.Pointer, " ", f.Detail))
		}
		if p != nil || !strings.Contains(strings.Join(got, "\n"), want) {
			t.Errorf("%s\n%q, want %q", text, got, want)
		}
	}
}

func TestTimes(t *testing.T) {
	at := func(text string) time.Time {
		out, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	for _, c := range []struct {
		times Times
		at    string
		want  bool
	}{
		{Times{Days: []string{"-1"}}, "2026-02-28T10:00:00Z", true}, {Times{Days: []string{"-1"}}, "2026-02-27T10:00:00Z", false}, {Times{Days: []string{"-3:-1"}}, "2024-02-27T10:00:00Z", true},
		{Times{Days: []string{"1:7"}, Weekdays: []string{"monday"}}, "2026-03-02T10:00:00Z", true}, {Times{Months: []string{"march:may"}}, "2026-04-01T00:00:00Z", true}, {Times{Months: []string{"1", "12"}}, "2026-11-01T00:00:00Z", false},
		{Times{Years: []string{"2020:2025"}}, "2026-01-01T00:00:00Z", false}, {Times{Times: []ClockRange{{"09:00", "17:00"}}, Location: "Europe/Berlin"}, "2026-07-01T07:00:00Z", true},
		{Times{Times: []ClockRange{{"09:00", "17:00"}}, Location: "Europe/Berlin"}, "2026-07-01T15:00:00Z", false}, {Times{}, "2026-07-01T15:00:00Z", true},
	} {
		s, part, err := spanOf(&c.times)
		if err != nil {
			t.Fatal(part, err)
		}
		if got := s.holds(at(c.at)); got != c.want {
			t.Errorf("%+v at %s: %v", c.times, c.at, got)
		}
	}
}

func TestDurations(t *testing.T) {
	for text, want := range map[string]string{"1h30m": "1h30m", "90m": "1h30m", "1d": "1d", "2w": "14d", "500ms": "500ms", "0": "0s", "1y": "365d"} {
		var d Duration
		if err := d.UnmarshalText([]byte(text)); err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if got, _ := d.MarshalText(); string(got) != want {
			t.Errorf("%s: %s", text, got)
		}
	}
	for _, text := range []string{"", "5", "1m1h", "-5m", "2y", "9999999999s", "1.5h"} {
		if err := new(Duration).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

// Whatever is sent, it is a plan or it is said what is wrong; a plan can be put again.
func FuzzParse(f *testing.F) {
	f.Add([]byte(sample))
	f.Add([]byte(Default))
	f.Add([]byte("route: {receiver: a, match_re: {a: '.*'}}\nreceivers: [{name: a}]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, faults := Parse(data)
		if (p == nil) == (faults == nil) {
			t.Fatal("neither a plan nor faults")
		}
		if p == nil {
			return
		}
		if again, faults := Parse(p.Document()); faults != nil || string(again.Document()) != string(p.Document()) {
			t.Errorf("%s: %v", p.Document(), faults)
		}
	})
}

// A mail names the runbook by the annotation that rules carry, those of hxp and those of Prometheus.
func TestMailNamesTheRunbook(t *testing.T) {
	for _, name := range []string{"runbook_url", "runbook"} {
		text, err := defaultTexts["mail"].Execute(&tmpl.Data{Alerts: []tmpl.Alert{{Status: tmpl.Firing, Annotations: map[string]string{name: "docs/runbooks/alerts/error-burst.md"}}}})
		if err != nil || !strings.Contains(text, "  runbook: docs/runbooks/alerts/error-burst.md\n") {
			t.Errorf("%s: %v\n%s", name, err, text)
		}
	}
}
