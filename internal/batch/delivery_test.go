package batch

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hxp-enterprise/hxp/internal/batch/report"
	"github.com/hxp-enterprise/hxp/internal/kit/deliver"
)

// postOffice takes mails as a script says: nil = taken.
type postOffice struct {
	script []error
	mails  []string // of every try
	to     []string
}

func (p *postOffice) send(_ context.Context, _ *deliver.Server, _, to string, message []byte) error {
	n := len(p.mails)
	p.mails, p.to = append(p.mails, string(message)), append(p.to, to)
	if n < len(p.script) {
		return p.script[n]
	}
	return nil
}

// withMail starts a service with a mail server.
func withMail(t *testing.T, w *world, office office, change func(*Config)) *rig {
	t.Helper()
	w.looksEach = 10 * time.Second // mail has a loop of its own
	w.mail = office
	return begin(t, w, func(c *Config) {
		c.Mail.Host, c.Mail.From, c.Mail.TLS = "mail.example.org", "hxp@example.org", "none"
		if change != nil {
			change(c)
		}
	})
}

const mailTest = `{"report_type":"test","format":"pdf",` + anHour + `,"options":{"email_to":["a@example.org"]}}`

var messageID = regexp.MustCompile(`Message-ID: (\S+)`)

// A server that greylists, fails and cuts the line gets the same message each time, until it takes it; then it is not sent again.
func TestMailArrivesOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		office := &postOffice{script: []error{&deliver.Failure{Err: errors.New("451 greylisted")}, &deliver.Failure{Err: errors.New("451 later")}, &deliver.Failure{Err: errors.New("EOF"), Uncertain: true}}}
		r := withMail(t, w, office, nil)
		a := r.call("POST", "/reports/generate", mailTest)
		if a.status != 201 || a.json["warnings"] != nil {
			t.Fatalf("%d %s", a.status, a.body)
		}
		began := time.Now()
		time.Sleep(300*7*time.Second - time.Second)
		synctest.Wait()
		if len(office.mails) != 3 {
			t.Fatalf("%d tries in %s", len(office.mails), time.Since(began))
		}
		waits := r.call("GET", a.header.Get("Location"), "")
		if d := waits.json["deliveries"].([]any)[0].(map[string]any); d["state"] != "waiting" || d["uncertain_attempts"] != 1.0 || !strings.Contains(d["error"].(string), "may have arrived") {
			t.Errorf("before the last try: %v", d)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if len(office.mails) != 4 || office.to[3] != "a@example.org" {
			t.Fatalf("%d tries, to %v", len(office.mails), office.to)
		}
		for _, m := range office.mails {
			if m != office.mails[0] || !messageID.MatchString(m) {
				t.Error("a try sends another message")
			}
		}
		if again := r.call("POST", "/reports/generate", mailTest); again.status != 201 {
			t.Errorf("again: %d", again.status)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if len(office.mails) != 4 {
			t.Error("the same document is sent again")
		}
		st := r.call("GET", "/reports/status", "").json["delivery"].(map[string]any)
		if st["counts"].(map[string]any)["sent"] != 1.0 || st["mail"] != true {
			t.Errorf("status %v", st)
		}
		if left, _ := filepath.Glob(filepath.Join(w.reportsDir, outbox, "*")); len(left) != 0 {
			t.Errorf("left in the outbox: %v", left)
		}
	})
}

// When the data changed, who asks by name gets the new document, with a Message-ID of its own.
func TestMailOfAChangedReport(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w, office := newWorld(), &postOffice{}
		r := withMail(t, w, office, nil)
		hourWithData(t, w, r)
		body := strings.Replace(mailTest, `"test","format":"pdf"`, `"hourly_summary","format":"csv"`, 1)
		r.call("POST", "/reports/generate", body)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		w.publish(hour0, request("4", "m", 3))
		r.call("POST", "/reports/generate", body)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if len(office.mails) != 2 {
			t.Fatalf("%d mails", len(office.mails))
		}
		if a, b := messageID.FindString(office.mails[0]), messageID.FindString(office.mails[1]); a == b {
			t.Error("two documents have one Message-ID")
		}
	})
}

// A report that was made anew in vain while its mail waited is sent once it can be made again. What is wrong with the template that is for it is
// said to who asks for it.
func TestMailWaitsForATemplate(t *testing.T) {
	bubble(t, func(t *testing.T) {
		dir := t.TempDir()
		w := newWorld()
		office := &postOffice{script: []error{&deliver.Failure{Err: errors.New("451 greylisted")}}}
		r := withMail(t, w, office, func(c *Config) { c.Reports.TemplatesDir = dir })
		r.call("POST", "/reports/generate", mailTest)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		template := filepath.Join(dir, "test.yaml")
		if err := os.WriteFile(template, []byte("sections: [owns]\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if a := r.call("POST", "/reports/generate", mailTest); a.status != 422 || !strings.Contains(a.body, "test.yaml:1:12") {
			t.Errorf("a template with a fault: %d %s", a.status, a.body)
		}
		const id = "test-20260301T10-20260301T11-pdf"
		if r.call("GET", "/reports/"+id, "").json["status"] != "completed" {
			t.Error("a request that was refused changed the report")
		}
		hour := time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)
		again := newReport(report.Test, report.PDF, "", report.Period{Start: hour, End: hour.Add(time.Hour)})
		if _, err := r.s.reports.produce(t.Context(), again, r.s.reports.document); err == nil || again.ID != id { // as a run does
			t.Fatalf("%s is made by a template with a fault: %v", again.ID, err)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		failed := r.call("GET", "/reports/"+id, "").json
		if d := failed["deliveries"].([]any)[0].(map[string]any); failed["status"] != "failed" || d["state"] != "waiting" || !strings.Contains(d["error"].(string), "could not be made") || len(office.mails) != 1 {
			t.Errorf("%d mails; %v", len(office.mails), failed)
		}
		if err := os.Remove(template); err != nil {
			t.Fatal(err)
		}
		if a := r.call("POST", "/reports/generate", strings.Replace(mailTest, `,"options":{"email_to":["a@example.org"]}`, "", 1)); a.status != 201 {
			t.Errorf("without a fault: %d %s", a.status, a.body)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if len(office.mails) != 2 || office.mails[0] != office.mails[1] {
			t.Errorf("%d mails", len(office.mails))
		}
	})
}

// Mail that was refused for good is not tried again; what was on its way when the process ended goes on after the start.
func TestMailOverARestart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		office := &postOffice{script: []error{&deliver.Failure{Err: errors.New("451 later")}}}
		r := withMail(t, w, office, nil)
		r.call("POST", "/reports/generate", mailTest)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if len(office.mails) != 1 {
			t.Fatalf("%d tries", len(office.mails))
		}
		r.stop()
		refusing := &postOffice{script: []error{&deliver.Failure{Err: errors.New("550 unknown"), Final: true}}}
		next := withMail(t, w, refusing, nil)
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		if len(refusing.mails) != 1 || refusing.mails[0] != office.mails[0] {
			t.Errorf("%d tries after the start", len(refusing.mails))
		}
		d := next.call("GET", "/reports/test-20260301T10-20260301T11-pdf", "").json["deliveries"].([]any)[0].(map[string]any)
		if d["state"] != "failed" || !strings.Contains(d["error"].(string), "550") {
			t.Errorf("%v", d)
		}
	})
}

// What is due goes to recipients and by routes, once, at the time of the schedule; hours are for those who ask for them.
func TestDueReportsAreSent(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w, office, folder := newWorld(), &postOffice{}, t.TempDir()
		r := withMail(t, w, office, func(c *Config) {
			c.Mail.Recipients = []string{"all@example.org"}
			c.Routes.Routes = []Route{{Reports: []string{"daily_summary"}, Recipients: []string{"late@example.org"}, Schedule: "30 2 * * *"}, {Reports: []string{"hourly_summary"}, Formats: []string{"csv", "json"}, Folder: folder}}
		})
		day := time.Date(2026, 4, 10, 0, 0, 0, 0, time.UTC)
		w.publish(day.Unix()+7*3600, request("1", "m", 0))
		for range 2 {
			r.task("daily", "report_generation", "2026-04-10T00:00:00Z", "2026-04-11T00:00:00Z")
		}
		synctest.Wait()
		if len(office.to) != 1 || office.to[0] != "all@example.org" || !strings.Contains(office.mails[0], "daily_summary-20260410-20260411.pdf") {
			t.Fatalf("at once: %v", office.to)
		}
		files, _ := filepath.Glob(filepath.Join(folder, "hourly_summary", "*"))
		if len(files) != 2 {
			t.Errorf("in the folder: %v", files)
		}
		time.Sleep(time.Hour) // it is two at night; a day of it is forty thousand looks into the store
		synctest.Wait()
		if len(office.to) != 2 || office.to[1] != "late@example.org" {
			t.Errorf("in all: %v", office.to)
		}
	})
}

// Without a server, or switched off, the answer says why nothing is mailed.
func TestNoMail(t *testing.T) {
	for name, change := range map[string]func(*Config){"smtp_host": func(c *Config) { c.Mail.Host = "" }, "email_enabled": func(c *Config) { c.Reports.Email = false }, "distribution_enabled": func(c *Config) { c.Reports.Distribution = false }} {
		bubble(t, func(t *testing.T) {
			office := &postOffice{}
			a := withMail(t, newWorld(), office, change).call("POST", "/reports/generate", mailTest)
			if w, _ := a.json["warnings"].([]any); a.status != 201 || len(w) != 1 || !strings.Contains(w[0].(string), name) || len(office.mails) > 0 {
				t.Errorf("%s: %d %s", name, a.status, a.body)
			}
		})
	}
}

func TestGap(t *testing.T) {
	for _, tc := range []struct {
		first    time.Duration
		attempts int64
		want     time.Duration
	}{{time.Second, 1, time.Second}, {time.Second, 4, 8 * time.Second}, {300 * time.Second, 3, 1200 * time.Second}, {300 * time.Second, 9, time.Hour}, {2 * time.Hour, 5, 2 * time.Hour}, {time.Second, 1 << 40, time.Hour}} {
		if got := gap(tc.first, tc.attempts); got != tc.want {
			t.Errorf("%s after %d: %s, want %s", tc.first, tc.attempts, got, tc.want)
		}
	}
}

// A setting that cannot work is refused with its path, and never with a secret.
func TestDistributionSettings(t *testing.T) {
	for want, change := range map[string]func(*Config){
		"mail.smtp_from":          func(c *Config) { c.Mail.From = "me" },
		"mail.smtp_password: say": func(c *Config) { c.Mail.Username, c.Mail.Password = "u", "hunter2" },
		"mail.smtp_password: the": func(c *Config) { c.Mail.Username = "u" },
		"mail.smtp_host":          func(c *Config) { c.Mail.Host = "mail.example.org/x" },
		"mail.recipients[1]":      func(c *Config) { c.Mail.Recipients = []string{"a@b.c", "x\r\ny"} },
		"there is no mail server": func(c *Config) { c.Mail.Host, c.Mail.Recipients = "", []string{"a@b.c"} },
		"routes[0].recipients":    func(c *Config) { c.Routes.Routes = []Route{{}} },
		"routes[0].webhook":       func(c *Config) { c.Routes.Routes = []Route{{Webhook: "ftp://x"}} },
		"routes[0].schedule":      func(c *Config) { c.Routes.Routes = []Route{{Folder: "/x", Schedule: "daily"}} },
		"routes[0].folder":        func(c *Config) { c.Routes.Routes = []Route{{Folder: "x"}} },
		"webhook_secret":          func(c *Config) { c.Routes.Routes = []Route{{Webhook: "https://x.example", Secret: "hunter2"}} },
	} {
		c := Defaults()
		c.Mail.Host, c.Mail.From = "mail.example.org", "a@example.org"
		change(&c)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", want, err)
		}
	}
}
