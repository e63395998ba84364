package batch

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/kit/deliver"
	"github.com/hxp-enterprise/hxp/internal/kit/telemetry"
)

// A backfill makes the reports of the past and mails none of them; the schedule mails them however late it runs.
func TestABackfillMailsNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w, office := newWorld(), &postOffice{}
		w.alerts.refused = 3 // it takes all from now on
		r := withMail(t, w, office, func(c *Config) { c.Mail.Recipients = []string{"all@example.org"} })
		day := time.Date(2026, 1, 14, 0, 0, 0, 0, time.UTC)
		w.publish(day.Unix()+7*3600, request("1", "m", 0))
		if _, sum := r.task("daily", "report_generation", "2026-01-14T00:00:00Z", "2026-01-15T00:00:00Z"); sum["reports"] == 0.0 {
			t.Fatalf("nothing is made: %v", sum)
		}
		synctest.Wait()
		if len(office.to) != 0 || len(w.alerts.all()) != 0 {
			t.Fatalf("mailed: %v, told: %v", office.to, w.alerts.all())
		}
		run := agg.Run{Trigger: agg.RunScheduled, Start: day, End: day.AddDate(0, 0, 1)}
		if _, err := r.s.reportGeneration(t.Context(), &run, noProgress); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if len(office.to) != 1 {
			t.Errorf("of a scheduled run: %v", office.to)
		}
		told := w.alerts.all()
		if len(told) == 0 {
			t.Fatal("nobody is told of reports")
		}
		for _, kv := range told {
			var a alert
			if err := json.Unmarshal([]byte(kv[1]), &a); err != nil || a.ID != kv[0] || a.State != "lapsed" || !a.Once || a.Labels["kind"] != "report" || !strings.Contains(a.Texts["summary"], "is ready") {
				t.Errorf("%s: %v", kv[1], err)
			}
		}
		if _, err := r.s.reportGeneration(t.Context(), &run, noProgress); err != nil {
			t.Fatal(err)
		}
		for _, kv := range w.alerts.all()[len(told):] {
			if !slices.ContainsFunc(told, func(old [2]string) bool { return old[0] == kv[0] }) {
				t.Errorf("made again it is told under another id: %s", kv[0])
			}
		}
	})
}

func noProgress(int64, int64, string) {}

// When the PDF fails and the other formats do not, nobody gets one of them in its place, and the PDF once it is made.
func TestNoFormatStandsInForAnother(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w, office := newWorld(), &postOffice{}
		w.alerts.refused = 3
		r := withMail(t, w, office, func(c *Config) {
			c.Mail.Recipients, c.Reports.Kinds = []string{"all@example.org"}, []string{"daily_summary"}
		})
		day := time.Date(2026, 4, 10, 0, 0, 0, 0, time.UTC)
		w.publish(day.Unix()+7*3600, request("1", "m", 0))
		obstacle := filepath.Join(w.reportsDir, "daily_summary", "daily_summary-20260410-20260411.pdf")
		if err := os.MkdirAll(obstacle, 0o755); err != nil {
			t.Fatal(err)
		}
		run := agg.Run{Trigger: agg.RunScheduled, Start: day, End: day.AddDate(0, 0, 1)}
		if _, err := r.s.reportGeneration(t.Context(), &run, noProgress); err == nil {
			t.Fatal("the PDF is made over a folder")
		}
		synctest.Wait()
		if len(office.to) != 0 {
			t.Errorf("mailed in its place: %s", office.mails[0])
		}
		if err := os.Remove(obstacle); err != nil {
			t.Fatal(err)
		}
		if _, err := r.s.reportGeneration(t.Context(), &run, noProgress); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if len(office.to) != 1 || !strings.Contains(office.mails[0], filepath.Base(obstacle)) {
			t.Errorf("mailed at last: %v", office.to)
		}
	})
}

// A container that comes back under another host name takes up what waits; another folder is not its business.
func TestDeliveriesOutliveTheHostName(t *testing.T) {
	w := newWorld()
	service := func(host, dir string) *Service {
		t.Helper()
		d := w.deps(w.runs(t), dir, telemetry.NewRegistry())
		d.Machine = host
		s, err := New(Defaults(), d)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	dir := t.TempDir()
	if _, err := service("before", dir).reports.courier.queue(t.Context(), "r", target{byMail, "a@example.org"}, time.Unix(0, 0), false); err != nil {
		t.Fatal(err)
	}
	if d, err := service("elsewhere", t.TempDir()).reports.courier.claim(t.Context()); err == nil {
		t.Errorf("with another folder: %+v", d)
	}
	if d, err := service("after", dir).reports.courier.claim(t.Context()); err != nil || d.Report != "r" || !strings.HasPrefix(d.Machine, "before-") {
		t.Errorf("%+v, %v", d, err)
	}
}

// Processes that start at once agree on the name of their folder, and leave nothing else there. A file without a name is an error.
func TestHome(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "reports")
	var all sync.WaitGroup
	names := make([]string, 8)
	for i := range names {
		all.Go(func() {
			var err error
			if names[i], err = (&home{dir: dir, host: "h"}).name(); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for _, n := range names {
		if n == "" || n != names[0] {
			t.Errorf("names %q", names)
		}
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 1 {
		t.Errorf("in the folder: %v, %v", files, err)
	}
	if err := os.WriteFile(filepath.Join(dir, homeFile), []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if n, err := (&home{dir: dir}).name(); err == nil || !strings.Contains(err.Error(), homeFile) {
		t.Errorf("%q, %v", n, err)
	}
}

// A database that is away for a moment behind the server's 250 does not make a second mail.
func TestASaveIsTriedAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w, office := newWorld(), &postOffice{}
		r := withMail(t, w, office, nil)
		w.reports.away = 5
		r.call("POST", "/reports/generate", mailTest)
		time.Sleep(time.Hour)
		synctest.Wait()
		st := r.call("GET", "/reports/status", "").json["delivery"].(map[string]any)
		if len(office.mails) != 1 || w.reports.away != 0 || st["counts"].(map[string]any)["sent"] != 1.0 {
			t.Errorf("%d mails, %v", len(office.mails), st)
		}
	})
}

// slowOffice takes a mail for longer than a claim lasts.
type slowOffice struct{ postOffice }

func (o *slowOffice) send(ctx context.Context, s *deliver.Server, from, to string, message []byte) error {
	select {
	case <-time.After(3 * claimFor):
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return o.postOffice.send(ctx, s, from, to, message)
}

// A try that lasts keeps its claim: another process with the folder does not try meanwhile.
func TestATryKeepsItsClaim(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		office := &slowOffice{}
		r := withMail(t, w, office, nil)
		hourWithData(t, w, r)
		r.call("POST", "/reports/generate", strings.Replace(mailTest, `"test","format":"pdf"`, `"hourly_summary","format":"csv"`, 1))
		for range 8 { // over more than two claims
			time.Sleep(claimFor / 3)
			home, err := r.s.reports.courier.home.name()
			if err != nil {
				t.Fatal(err)
			}
			if d, err := w.reports.ClaimDelivery(t.Context(), home, r.s.now(), r.s.now().Add(time.Hour)); err == nil {
				t.Fatalf("somebody else could claim %s at %s", d.ID, r.s.now())
			}
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(office.mails) == 0 {
			t.Errorf("%d mails", len(office.mails))
		}
	})
}

// awayOffice takes mails, and with the first one the database goes away for longer than the claim.
type awayOffice struct {
	postOffice
	shelf *reportShelf
}

func (o *awayOffice) send(ctx context.Context, s *deliver.Server, from, to string, message []byte) error {
	if len(o.mails) == 0 {
		o.shelf.mu.Lock()
		o.shelf.away = 1 << 30
		o.shelf.mu.Unlock()
	}
	return o.postOffice.send(ctx, s, from, to, message)
}

// What cannot be stored while the claim lasts goes out again with the same bytes, though the data changed meanwhile.
func TestAMailThatWasNotStoredIsTheSameAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		office := &awayOffice{shelf: w.reports}
		r := withMail(t, w, office, nil)
		hourWithData(t, w, r)
		body := strings.Replace(mailTest, `"test","format":"pdf"`, `"hourly_summary","format":"csv"`, 1)
		r.call("POST", "/reports/generate", body)
		time.Sleep(claimFor - 3*time.Second)
		synctest.Wait()
		kept, _ := filepath.Glob(filepath.Join(w.reportsDir, outbox, "*"))
		if len(office.mails) != 1 || len(kept) != 1 {
			t.Fatalf("%d mails, kept %v", len(office.mails), kept)
		}
		w.publish(hour0, request("4", "m", 3))
		w.reports.mu.Lock()
		w.reports.away = 0
		w.reports.mu.Unlock()
		time.Sleep(time.Hour)
		synctest.Wait()
		if len(office.mails) != 2 || office.mails[len(office.mails)-1] != office.mails[0] {
			t.Errorf("%d mails", len(office.mails))
		}
		if kept, _ := filepath.Glob(filepath.Join(w.reportsDir, outbox, "*")); len(kept) != 0 {
			t.Errorf("left in the outbox: %v", kept)
		}
	})
}

// Who lost the claim does not insist.
func TestALostClaimIsNotStored(t *testing.T) {
	s, _ := newService(t, newWorld(), nil)
	if err := s.reports.courier.save(t.Context(), agg.Delivery{ID: "d"}, time.Now().Add(time.Hour)); !errors.Is(err, s.deps.NotFound) {
		t.Error(err)
	}
}
