package batch

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

// scheduled starts a service with two layers of people who get reports.
func scheduled(t *testing.T, w *world, office *postOffice) *rig {
	r := withMail(t, w, office, func(c *Config) {
		c.Mail.Recipients = []string{"all@example.org"}
		c.Reports.Kinds, c.Reports.Formats = []string{"hourly_summary", "daily_summary"}, []string{"csv", "json"}
		c.Routes.Routes = []Route{{Reports: []string{"daily_summary"}, Recipients: []string{"route@example.org"}, Formats: []string{"json"}, Schedule: "0 8 * * 1"}}
	})
	w.publish(time.Date(2026, 4, 10, 7, 0, 0, 0, time.UTC).Unix(), request("1", "m", 0))
	return r
}

// say is what is said of a kind in an answer.
func say(a answer, kind string) map[string]any {
	for _, x := range a.json["schedules"].([]any) {
		if s := x.(map[string]any); s["report_type"] == kind {
			return s
		}
	}
	return nil
}

// What the API says of a kind replaces what the configuration says of it, of who gets it too, until it is taken back.
func TestSchedulesReplaceTheConfiguration(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w, office := newWorld(), &postOffice{}
		r := scheduled(t, w, office)
		was := r.call("GET", "/reports/schedules", "")
		daily := say(was, "daily_summary")
		if mail := daily["mail"].([]any); daily["made"] != true || daily["origin"] != "configuration" || len(mail) != 2 || mail[1].(map[string]any)["schedule"] != "0 8 * * 1" || len(say(was, "hourly_summary")["mail"].([]any)) != 0 {
			t.Fatalf("%s", was.body)
		}
		if was.json["etag"] != was.header.Get("ETag") || was.json["updated_at"] != nil || was.json["mail"] != true || say(was, "test") != nil || say(was, "cost")["made"] != false {
			t.Errorf("%v %s", was.header, was.body)
		}
		if same := r.call("GET", "/reports/schedules", "", "If-None-Match", was.header.Get("ETag")); same.status != 304 {
			t.Errorf("%d", same.status)
		}

		const mine = `{"schedules":[{"report_type":"daily_summary","made":true,"mail":[{"recipients":["boss@example.org"],"formats":[],"schedule":""}]},
			{"report_type":"hourly_summary","made":false,"mail":[]},{"report_type":"cost","made":true,"mail":[],"origin":"api"},{"report_type":"weekly_summary","made":true,"mail":[],"origin":"configuration"}]}`
		put := r.call("PUT", "/reports/schedules", mine, "Content-Type", "application/json", "If-Match", was.header.Get("ETag"))
		if x := say(put, "daily_summary"); put.status != 200 || x["origin"] != "api" || x["mail"].([]any)[0].(map[string]any)["formats"].([]any)[0] != "csv" || put.header.Get("ETag") == was.header.Get("ETag") || put.json["updated_at"] == nil {
			t.Fatalf("%d %s", put.status, put.body)
		}
		if say(put, "hourly_summary")["made"] != false || say(put, "cost")["made"] != true || say(put, "weekly_summary")["origin"] != "configuration" {
			t.Errorf("%s", put.body)
		}
		if late := r.call("PUT", "/reports/schedules", mine, "If-Match", was.header.Get("ETag")); late.status != 412 {
			t.Errorf("%d %s", late.status, late.body)
		}

		r.task("daily", "report_generation", "2026-04-10T00:00:00Z", "2026-04-11T00:00:00Z")
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if ids := slices.Sorted(maps.Keys(w.reports.reports)); len(ids) != 2 || ids[0] != "daily_summary-20260410-20260411-csv" || strings.Join(office.to, " ") != "boss@example.org" {
			t.Errorf("%v made, mailed to %v", ids, office.to)
		}

		back := r.call("PUT", "/reports/schedules", `{"schedules":[]}`, "If-Match", `W/"x", `+put.header.Get("ETag"))
		if x := say(back, "daily_summary"); back.status != 200 || x["origin"] != "configuration" || len(x["mail"].([]any)) != 2 || say(back, "cost")["made"] != false {
			t.Errorf("%d %s", back.status, back.body)
		}
	})
}

// Mail that has a schedule waits for its time.
func TestMailWaitsForItsSchedule(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w, office := newWorld(), &postOffice{}
		r := scheduled(t, w, office)
		at := time.Now().UTC().Add(5 * time.Minute).Truncate(time.Minute)
		if a := r.call("PUT", "/reports/schedules", `{"schedules":[{"report_type":"daily_summary","made":true,"mail":[{"recipients":["a@example.org","b@example.org"],"schedule":"`+at.Format("4 15")+` * * *"}]}]}`); a.status != 200 {
			t.Fatalf("%d %s", a.status, a.body)
		}
		r.task("daily", "report_generation", "2026-04-10T00:00:00Z", "2026-04-11T00:00:00Z")
		time.Sleep(time.Until(at) + time.Minute)
		synctest.Wait()
		for _, d := range r.call("GET", "/reports/daily_summary-20260410-20260411-csv", "").json["deliveries"].([]any) {
			if sent := d.(map[string]any)["sent_at"]; sent == nil || sent.(string) < at.Format(time.RFC3339) {
				t.Errorf("%v is sent before %s, or not", d, at)
			}
		}
		if slices.Sort(office.to); strings.Join(office.to, " ") != "a@example.org b@example.org" {
			t.Errorf("mailed to %v", office.to)
		}
	})
}

// What cannot be used is told with its place, and changes nothing.
func TestSchedulesThatCannotBeUsed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := scheduled(t, newWorld(), &postOffice{})
		before := r.call("GET", "/reports/schedules", "").body
		one := func(fields string) string { return `{"schedules":[{"report_type":"daily_summary",` + fields + `}]}` }
		for body, want := range map[string]string{
			`{}`:                     "schedules: it is missing",
			`{"schedules":[],"x":1}`: "x",
			`[]`:                     "not a JSON object",
			`{"schedules":[{"report_type":"test","made":true}]}`:            `"/schedules/0/report_type"`,
			`{"schedules":[{"report_type":"yearly"}]}`:                      `is not one of hourly_summary`,
			`{"schedules":[{"report_type":"cost"},{"report_type":"cost"}]}`: "stands there twice",
			`{"schedules":[{"report_type":"weekly_summary","made":true}]}`:  "switches weekly_summary off altogether",
			one(`"origin":"me"`):                                                                  `"/schedules/0/origin"`,
			one(`"mail":[{"recipients":[],"schedule":""}]`):                                       `"/schedules/0/mail/0/recipients"`,
			one(`"mail":[{"recipients":["nobody"]}]`):                                             `"/schedules/0/mail/0/recipients"`,
			one(`"mail":[{"recipients":["a@b.example"],"schedule":"daily"}]`):                     `"/schedules/0/mail/0/schedule"`,
			one(`"mail":[{"recipients":["a@b.example"],"schedule":"0 0 30 2 *"}]`):                "never comes due",
			one(`"mail":[{"recipients":["a@b.example"],"formats":["docx"]}]`):                     `"/schedules/0/mail/0/formats"`,
			one(`"mail":[{"recipients":["a@b.example"],"formats":["pdf"]}]`):                      "pdf is not made",
			one(`"mail":[{"recipients":["a@b.example"],"webhook":"http://x"}]`):                   "webhook",
			one(`"mail":[` + strings.Repeat(`{"recipients":["a@b.example"]},`, 10) + `{}]`):       "at most 10",
			one(`"mail":[{"recipients":[` + strings.Repeat(`"a@b.example",`, 100) + `"a@b.c"]}]`): "101 addresses",
		} {
			if a := r.call("PUT", "/reports/schedules", body); a.status != 422 && a.status != 400 || !strings.Contains(a.body, want) {
				t.Errorf("%s: %d %s; want %s", body, a.status, a.body, want)
			}
		}
		if a := r.call("PUT", "/reports/schedules", one(`"made":true,"mail":[`+strings.Repeat(" ", maxReportBody)+`]`)); a.status != 413 {
			t.Errorf("%d %s", a.status, a.body)
		}
		if after := r.call("GET", "/reports/schedules", "").body; after != before {
			t.Errorf("%s\nwas\n%s", after, before)
		}
	})
}

// Schedules that nobody can read any more stop what stands on them, and are mended by setting them anew.
func TestDamagedSchedules(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		r := scheduled(t, w, &postOffice{})
		if _, err := w.reports.ReplaceAnalysis(t.Context(), schedulesKind, time.Time{}, time.Now(), []byte("{")); err != nil {
			t.Fatal(err)
		}
		if a := r.call("GET", "/reports/schedules", ""); a.status != 500 {
			t.Errorf("%d %s", a.status, a.body)
		}
		if a := r.call("PUT", "/reports/schedules", `{"schedules":[]}`); a.status != 200 || say(a, "daily_summary")["origin"] != "configuration" {
			t.Errorf("%d %s", a.status, a.body)
		}
	})
}

// Whatever is taken is taken again as it is.
func FuzzSchedules(f *testing.F) {
	f.Add([]byte(`{"schedules":[{"report_type":"cost","made":true,"mail":[{"recipients":["a@b.example"],"formats":["csv"],"schedule":"0 8 * * 1"}],"origin":"api"}]}`))
	f.Add([]byte(`{"schedules":[{"report_type":"daily_summary","origin":"configuration"}]}`))
	c := Defaults()
	f.Fuzz(func(t *testing.T, text []byte) {
		var req scheduleRequest
		if httpx.DecodeJSON(text, &req, httpx.Strict) != nil {
			return
		}
		said, faults := c.checkSchedules(req.Schedules)
		if len(faults) > 0 {
			return
		}
		if again, faults := c.checkSchedules(said); len(faults) > 0 || !reflect.DeepEqual(again, said) {
			t.Errorf("%+v is taken, then %+v and %+v", said, again, faults)
		}
	})
}
