package channel

import (
	"bufio"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/alert/notify/plan"
	"github.com/hxp-enterprise/hxp/internal/alert/notify/tmpl"
	"github.com/hxp-enterprise/hxp/internal/kit/deliver"
)

var update = flag.Bool("update", false, "write the golden files anew")

// sink is an end that keeps what it is sent and answers as it is told.
type sink struct {
	*httptest.Server
	got    []*http.Request
	bodies [][]byte
	answer func(w http.ResponseWriter)
}

func newSink(t *testing.T) *sink {
	s := &sink{answer: func(w http.ResponseWriter) { w.WriteHeader(http.StatusNoContent) }}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		s.got, s.bodies = append(s.got, r), append(s.bodies, body)
		s.answer(w)
	}))
	t.Cleanup(s.Close)
	return s
}

var made = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

func message(alerts int) *Message {
	d := &tmpl.Data{Version: "4", GroupKey: `{}:{alertname="Slow"}`, Status: tmpl.Firing, Receiver: "r", GroupLabels: map[string]string{"alertname": "Slow"}, CommonLabels: map[string]string{"alertname": "Slow", "severity": "critical"},
		CommonAnnotations: map[string]string{"summary": "it is <slow> & steady"}, ExternalURL: "http://hxp.example.org"}
	for i := range alerts {
		a := tmpl.Alert{Status: tmpl.Firing, Labels: map[string]string{"alertname": "Slow", "severity": "critical", "model": strings.Repeat("m", 1+i%40)}, Annotations: map[string]string{"summary": "it is <slow> & steady"}, StartsAt: made.Add(-time.Minute), GeneratorURL: "http://hxp.example.org/x", Fingerprint: "0000000000000001"}
		if i == 1 {
			a.Status, a.EndsAt = tmpl.Resolved, made
		}
		d.Alerts = append(d.Alerts, a)
	}
	return &Message{ID: "msg_1", At: made, Made: made, Data: d}
}

func sender(t *testing.T) *Sender {
	return &Sender{Hooks: deliver.NewHooks([]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}), Vault: &deliver.Vault{Names: []string{"TEST_*"}}, Log: slog.New(slog.DiscardHandler), Host: "here"}
}

// ways makes a receiver of each kind that posts to the sink.
func ways(t *testing.T, url string) map[string]*plan.Way {
	t.Helper()
	t.Setenv("TEST_URL", url+"/hook")
	t.Setenv("TEST_KEY", "the-key")
	t.Setenv("TEST_SECRET", "whsec_"+base64.StdEncoding.EncodeToString([]byte("0123456789abcdef01234567")))
	p, faults := plan.Parse([]byte(`
route: {receiver: r}
receivers:
- name: r
  webhook_configs: [{url: "` + url + `/hook", signing_secret: "env:TEST_SECRET", http_config: {authorization: {credentials: "env:TEST_KEY"}}}]
  slack_configs: [{api_url: "env:TEST_URL", channel: "#ops"}]
  msteamsv2_configs: [{webhook_url: "env:TEST_URL"}]
  pagerduty_configs: [{routing_key: "env:TEST_KEY", url: "` + url + `/hook", details: {team: "{{ .CommonLabels.severity }}"}}]
  discord_configs: [{webhook_url: "env:TEST_URL", username: hxp}]
  telegram_configs: [{bot_token: "env:TEST_KEY", api_url: "` + url + `", chat_id: "-100123"}]
  email_configs: [{to: a@example.org, from: hxp@example.org, smarthost: "127.0.0.1:25"}]
`))
	if faults != nil {
		t.Fatal(faults)
	}
	out := map[string]*plan.Way{}
	for _, w := range p.Target("r").Ways {
		out[w.Channel] = w
	}
	return out
}

// What each kind of receiver is sent stands in testdata, to be compared with what its makers describe.
func TestPayloads(t *testing.T) {
	s := newSink(t)
	for channel, w := range ways(t, s.URL) {
		var got []byte
		if channel == plan.ByEmail {
			mail, err := mailOf(w, message(2))
			if err != nil {
				t.Fatal(err)
			}
			got = mail
		} else {
			s.bodies = nil
			if err := sender(t).Send(t.Context(), w, message(2)); err != nil {
				t.Errorf("%s: %v", channel, err)
				continue
			}
			var v any
			if err := json.Unmarshal(s.bodies[0], &v); err != nil {
				t.Fatalf("%s: %v", channel, err)
			}
			got, _ = json.MarshalIndent(v, "", "  ")
			got = append(got, '\n')
		}
		file := filepath.Join("testdata", channel+".golden")
		if *update {
			if err := os.WriteFile(file, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if want, err := os.ReadFile(file); err != nil || string(want) != string(got) {
			t.Errorf("%s is sent\n%s\nwant\n%s (%v)", channel, got, want, err)
		}
	}
}

// However much there is to say, a message stays within what the other side takes.
func TestLimitsOfChannels(t *testing.T) {
	s := newSink(t)
	m := message(300)
	m.Data.CommonAnnotations["summary"] = strings.Repeat("<ü>", 3000)
	for i := range m.Data.Alerts {
		m.Data.Alerts[i].Annotations["summary"] = m.Data.CommonAnnotations["summary"]
	}
	size := map[string]int{}
	for channel, w := range ways(t, s.URL) {
		if channel == plan.ByEmail {
			continue
		}
		s.bodies = nil
		if err := sender(t).Send(t.Context(), w, m); err != nil {
			t.Fatalf("%s: %v", channel, err)
		}
		size[channel] = len(s.bodies[0])
		switch channel {
		case plan.ByTeams:
			if size[channel] > 28<<10 {
				t.Errorf("a card of %d bytes", size[channel])
			}
		case plan.ByTelegram:
			var v struct{ Text string }
			if json.Unmarshal(s.bodies[0], &v) != nil || len(v.Text) > 4096 || !strings.Contains(v.Text, "</b>") {
				t.Errorf("Telegram gets %d bytes of text", len(v.Text))
			}
		case plan.ByDiscord:
			var v struct {
				Embeds []struct{ Title, Description string }
			}
			if json.Unmarshal(s.bodies[0], &v) != nil || len(v.Embeds[0].Title) > 256 || len(v.Embeds[0].Title)+len(v.Embeds[0].Description) > 6000 {
				t.Errorf("Discord gets %d bytes", size[channel])
			}
		}
	}
	if size[plan.ByWebhook] < 1<<20 {
		t.Error("a program does not get all alerts")
	}
}

// The signature is that of Standard Webhooks: HMAC-SHA256 of id, time and body under the decoded secret.
func TestSignature(t *testing.T) {
	s := newSink(t)
	w := ways(t, s.URL)[plan.ByWebhook]
	for range 2 {
		if err := sender(t).Send(t.Context(), w, message(1)); err != nil {
			t.Fatal(err)
		}
	}
	h := s.got[0].Header
	mac := hmac.New(sha256.New, []byte("0123456789abcdef01234567"))
	mac.Write([]byte(h.Get("webhook-id") + "." + h.Get("webhook-timestamp") + "." + string(s.bodies[0])))
	if want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)); h.Get("webhook-signature") != want || h.Get("Authorization") != "Bearer the-key" {
		t.Errorf("%v", h)
	}
	if h.Get("webhook-id") != "msg_1" || s.got[1].Header.Get("webhook-id") != "msg_1" || string(s.bodies[0]) != string(s.bodies[1]) {
		t.Error("a second try is not the same message")
	}
}

func TestVerdicts(t *testing.T) {
	s := newSink(t)
	all := ways(t, s.URL)
	for _, c := range []struct {
		status      int
		after, body string
		final, gone bool
		wait        time.Duration
	}{
		{200, "", "", false, false, -1}, {202, "", "", false, false, -1}, {500, "", "", false, false, 0}, {503, "7", "", false, false, 7 * time.Second}, {429, "1.5", "", false, false, 1500 * time.Millisecond},
		{429, "", `{"parameters":{"retry_after":9}}`, false, false, 0}, {408, "", "", false, false, 0}, {400, "", "bad\x00thing", true, false, 0}, {404, "", "", true, false, 0}, {410, "", "", true, true, 0}, {302, "", "", true, false, 0},
	} {
		s.answer = func(w http.ResponseWriter) {
			if c.after != "" {
				w.Header().Set("Retry-After", c.after)
			}
			w.WriteHeader(c.status)
			_, _ = io.WriteString(w, c.body)
		}
		for channel, w := range all {
			if channel == plan.ByEmail {
				continue
			}
			err := sender(t).Send(t.Context(), w, message(1))
			f, _ := errors.AsType[*deliver.Failure](err)
			wait := c.wait
			if channel == plan.ByTelegram && c.body != "" && c.status == 429 {
				wait = 9 * time.Second
			}
			switch {
			case wait < 0:
				if err != nil {
					t.Errorf("%s %d: %v", channel, c.status, err)
				}
			case f == nil || f.Final != c.final || f.Gone != c.gone || f.After != wait:
				t.Errorf("%s %d: %+v", channel, c.status, f)
			case strings.Contains(f.Error(), "the-key") || strings.Contains(f.Error(), s.URL) || strings.Contains(f.Error(), "\x00"):
				t.Errorf("%s %d says too much: %v", channel, c.status, f)
			}
		}
	}
}

// The other side may repeat what it was sent: no error does.
func TestEchoes(t *testing.T) {
	s := newSink(t)
	all := ways(t, s.URL)
	s.answer = func(w http.ResponseWriter) {
		r := s.got[len(s.got)-1]
		w.WriteHeader(http.StatusBadGateway)
		_, _ = io.WriteString(w, strings.Repeat("x", 190)+r.URL.RequestURI()+" "+r.Header.Get("Authorization")+" "+string(s.bodies[len(s.bodies)-1]))
	}
	for channel, w := range all {
		if channel == plan.ByEmail || channel == plan.ByConsole {
			continue
		}
		err := sender(t).Send(t.Context(), w, message(1))
		if err == nil || !strings.Contains(err.Error(), "502") || strings.Contains(err.Error(), "hook") || strings.Contains(err.Error(), "the-k") {
			t.Errorf("%s: %v", channel, err)
		}
	}
}

// mailServer says one thing of each mail that it is offered.
func mailServer(t *testing.T, says string) (address string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(conn, "220 hello\r\n")
			for lines := bufio.NewScanner(conn); lines.Scan(); {
				answer := "250 ok\r\n"
				if strings.HasPrefix(lines.Text(), "MAIL") {
					answer = "554 " + says + "\r\n"
				}
				_, _ = io.WriteString(conn, answer)
			}
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return l.Addr().String()
}

// Whoever has a link that a message carries may decide: it stands in no error, however the other side repeats it, and no part of it does.
func TestEchoesOfLinks(t *testing.T) {
	s := newSink(t)
	all := ways(t, s.URL)
	const signature = "YJ3qkYtS0nZyPp9hT1rWcVb8XeAoLm2uDfGiKs5Q7vE"
	m := message(1)
	m.Links = []string{"https://hxp.example.org/responses/1234abcd/decision?signature=" + signature + "&until=1772450000"}
	for _, before := range []string{"", strings.Repeat("x", 120), strings.Repeat("x", 240)} { // the second and third end within it, if it is cut first
		for _, link := range []string{m.Links[0], strings.ReplaceAll(m.Links[0], "&", `\u0026`), strings.ReplaceAll(m.Links[0], "&", "&amp;")} {
			said := "spam " + before + " " + link + " please"
			s.answer = func(w http.ResponseWriter) {
				w.WriteHeader(http.StatusBadRequest)
				_, _ = io.WriteString(w, said)
			}
			mail := *all[plan.ByEmail]
			mail.Email = &plan.Email{To: "a@example.org", From: "hxp@example.org", Smarthost: mailServer(t, said), RequireTLS: new(false)}
			all[plan.ByEmail] = &mail
			for channel, w := range all {
				err := sender(t).Send(t.Context(), w, m)
				if err == nil || !strings.Contains(err.Error(), "spam ") || strings.Contains(err.Error(), "1234") || strings.Contains(err.Error(), signature[:4]) {
					t.Errorf("%s: %v", channel, err)
				}
			}
		}
	}
}

// Neither private addresses nor those to which a redirect leads are reached, and no error shows a secret address.
func TestGuard(t *testing.T) {
	s := newSink(t)
	guarded := &Sender{Hooks: deliver.NewHooks(nil), Vault: &deliver.Vault{Names: []string{"TEST_*"}}, Log: slog.New(slog.DiscardHandler)}
	for channel, w := range ways(t, s.URL) {
		err := guarded.Send(t.Context(), w, message(1))
		if err == nil || !strings.Contains(err.Error(), "HXP_WEBHOOK_ALLOW") || strings.Contains(err.Error(), "/hook") || strings.Contains(err.Error(), "the-key") {
			t.Errorf("%s: %v", channel, err)
		}
	}
	if len(s.got) > 0 {
		t.Errorf("%d were reached", len(s.got))
	}
	s.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for channel, w := range ways(t, s.URL) {
		if err := sender(t).Send(ctx, w, message(1)); err == nil || strings.Contains(err.Error(), "the-key") || strings.Contains(err.Error(), "/hook") {
			t.Errorf("%s: %v", channel, err)
		}
	}
}

func TestSecretsThatAreNotThere(t *testing.T) {
	s := newSink(t)
	all := ways(t, s.URL)
	for _, name := range []string{"TEST_URL", "TEST_KEY", "TEST_SECRET"} {
		if err := os.Unsetenv(name); err != nil {
			t.Fatal(err)
		}
	}
	for channel, w := range all {
		if channel == plan.ByEmail {
			continue
		}
		err := sender(t).Send(t.Context(), w, message(1))
		if err == nil || !strings.Contains(err.Error(), "environment has no TEST_") || deliver.Final(err) {
			t.Errorf("%s: %v", channel, err) // it can be mended while the message waits
		}
	}
}
