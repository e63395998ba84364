package batch

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/batch/report"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
	"github.com/hxp-enterprise/hxp/internal/kit/telemetry"
)

// hourWithData lets hour0 have rows and cells.
func hourWithData(t *testing.T, w *world, r *rig) {
	t.Helper()
	w.publish(hour0, request("1", "m", 0), request("2", "m", 1), request("3", "n", 2))
	r.post(0, 1)
	synctest.Wait()
}

const anHour = `"period":{"start":"2026-03-01T10:00:00Z","end":"2026-03-01T11:00:00Z"}`

func TestReportAnswers(t *testing.T) {
	order := func(fields string) string { return "{" + fields + "}" }
	const hourly = `"report_type":"hourly_summary","format":"json"`
	for _, tc := range []struct {
		name, method, path, body string
		status                   int
		pointer                  string
	}{
		{"made", "POST", "/reports/generate", order(hourly + "," + anHour), 201, ""},
		{"default period", "POST", "/reports/generate", order(hourly), 201, ""},
		{"null period", "POST", "/reports/generate", order(hourly + `,"period":null,"options":null`), 201, ""},
		{"another zone", "POST", "/reports/generate", order(hourly + `,"period":{"start":"2026-03-01T12:00:00+02:00","end":"2026-03-01T11:00:00Z"}`), 201, ""},
		{"test", "POST", "/reports/generate", order(`"report_type":"test","format":"pdf"`), 201, ""},
		{"mail", "POST", "/reports/generate", order(hourly + `,"options":{"email_to":["a@example.org"]}`), 201, ""},

		{"no JSON", "POST", "/reports/generate", `{`, 400, ""},
		{"no object", "POST", "/reports/generate", `[]`, 400, ""},
		{"null", "POST", "/reports/generate", `null`, 400, ""},
		{"no body", "POST", "/reports/generate", ``, 400, ""},
		{"large", "POST", "/reports/generate", `{"format":"` + strings.Repeat("x", maxReportBody) + `"}`, 413, ""},
		{"nothing said", "POST", "/reports/generate", `{}`, 422, "/report_type"},
		{"no type", "POST", "/reports/generate", `{"format":"json"}`, 422, "/report_type"},
		{"no format", "POST", "/reports/generate", `{"report_type":"test"}`, 422, "/format"},
		{"unknown type", "POST", "/reports/generate", order(`"report_type":"../../x","format":"json"`), 422, "/report_type"},
		{"unknown format", "POST", "/reports/generate", order(`"report_type":"test","format":"docx"`), 422, "/format"},
		{"type a number", "POST", "/reports/generate", order(`"report_type":1,"format":"json"`), 422, "/report_type"},
		{"format null", "POST", "/reports/generate", order(`"report_type":"test","format":null`), 422, "/format"},
		{"misspelt field", "POST", "/reports/generate", order(hourly + `,"perod":{}`), 422, "/perod"},
		{"half a period", "POST", "/reports/generate", order(hourly + `,"period":{"start":"2026-03-01T10:00:00Z"}`), 422, "/period/end"},
		{"period a text", "POST", "/reports/generate", order(hourly + `,"period":"today"`), 422, "/period"},
		{"bad time", "POST", "/reports/generate", order(hourly + `,"period":{"start":"soon","end":"2026-03-01T11:00:00Z"}`), 422, "/period/start"},
		{"empty period", "POST", "/reports/generate", order(hourly + `,"period":{"start":"2026-03-01T10:00:00Z","end":"2026-03-01T10:00:00Z"}`), 422, "/period"},
		{"inverted period", "POST", "/reports/generate", order(hourly + `,"period":{"start":"2026-03-01T11:00:00Z","end":"2026-03-01T10:00:00Z"}`), 422, "/period"},
		{"unknown end", "POST", "/reports/generate", order(hourly + `,"period":{"start":"2026-03-01T10:00:00Z","end":"2026-03-01T11:00:00Z","zone":"x"}`), 422, "/period/zone"},
		{"not a whole day", "POST", "/reports/generate", order(`"report_type":"daily_summary","format":"json",` + anHour), 422, "/period"},
		{"to come", "POST", "/reports/generate", order(hourly + `,"period":{"start":"2036-03-01T10:00:00Z","end":"2036-03-01T11:00:00Z"}`), 422, "/period/end"},
		{"too long", "POST", "/reports/generate", order(hourly + `,"period":{"start":"1990-01-01T00:00:00Z","end":"2026-03-01T10:00:00Z"}`), 422, "/period"},
		{"options a list", "POST", "/reports/generate", order(hourly + `,"options":[]`), 422, "/options"},
		{"unknown option", "POST", "/reports/generate", order(hourly + `,"options":{"colour":"red"}`), 422, "/options/colour"},
		{"no address", "POST", "/reports/generate", order(hourly + `,"options":{"email_to":["a@example.org","nobody"]}`), 422, "/options/email_to/1"},
		{"addresses a text", "POST", "/reports/generate", order(hourly + `,"options":{"email_to":"a@example.org"}`), 422, "/options/email_to"},
		{"costs", "POST", "/reports/generate", order(`"report_type":"cost","format":"json"`), 201, ""},
		{"business intelligence", "POST", "/reports/generate", order(`"report_type":"business_intelligence","format":"pdf"`), 201, ""},
		{"no such template", "POST", "/reports/generate", order(hourly + `,"options":{"template":"mine"}`), 422, "/options/template"},
		{"no name of a template", "POST", "/reports/generate", order(hourly + `,"options":{"template":"../x"}`), 422, "/options/template"},

		{"list", "GET", "/reports/list", "", 200, ""},
		{"list of a type", "GET", "/reports/list?report_type=test&limit=1000", "", 200, ""},
		{"list of an unknown type", "GET", "/reports/list?report_type=x", "", 422, "report_type"},
		{"list with a bad cursor", "GET", "/reports/list?cursor=!", "", 422, "cursor"},
		{"list with a bad limit", "GET", "/reports/list?limit=0", "", 422, "limit"},
		{"list misspelt", "GET", "/reports/list?typ=test", "", 422, "typ"},
		{"status", "GET", "/reports/status", "", 200, ""},
		{"unknown report", "GET", "/reports/x", "", 404, ""},
		{"unknown content", "GET", "/reports/x/content", "", 404, ""},
		{"a path for an id", "GET", "/reports/..%2f..%2fetc%2fpasswd/content", "", 404, ""},
		{"a zero byte for an id", "GET", "/reports/%00/content", "", 404, ""},
		{"broken text for an id", "DELETE", "/reports/%ff", "", 404, ""},
		{"unknown to delete", "DELETE", "/reports/x", "", 404, ""},
		{"capacity", "GET", "/capacity/analysis", "", 200, ""},
		{"capacity with a parameter", "GET", "/capacity/analysis?days=7", "", 422, "days"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				a := begin(t, newWorld(), nil).call(tc.method, tc.path, tc.body)
				if a.status != tc.status {
					t.Fatalf("%d, want %d: %s", a.status, tc.status, a.body)
				}
				if a.status < 400 {
					return
				}
				if ct := a.header.Get("Content-Type"); ct != "application/problem+json" {
					t.Errorf("a problem as %s: %s", ct, a.body)
				}
				pointer := ""
				if errs, _ := a.json["errors"].([]any); len(errs) > 0 {
					pointer, _ = errs[0].(map[string]any)["pointer"].(string)
				}
				if pointer != tc.pointer {
					t.Errorf("pointer %q, want %q: %s", pointer, tc.pointer, a.body)
				}
			})
		})
	}
}

// Who orders a report of a period without events is told so; it is made all the same.
func TestEmptyReportSaysSo(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		r := begin(t, w, nil)
		if out := r.generate("hourly_summary", "pdf"); len(out.Warnings) != 1 || !strings.Contains(out.Warnings[0], "no event was counted from 2026-03-01T10:00:00Z to 2026-03-01T11:00:00Z") {
			t.Errorf("warnings of an empty hour: %q", out.Warnings)
		}
		hourWithData(t, w, r)
		if out := r.generate("hourly_summary", "pdf"); len(out.Warnings) != 0 {
			t.Errorf("warnings of an hour with events: %q", out.Warnings)
		}
	})
}

// generate makes a report and returns what is known of it.
func (r *rig) generate(kind, format string) reportJSON {
	r.t.Helper()
	a := r.call("POST", "/reports/generate", `{"report_type":"`+kind+`","format":"`+format+`",`+anHour+`}`)
	if a.status != 201 || a.header.Get("Location") == "" {
		r.t.Fatalf("POST /reports/generate: %d %s", a.status, a.body)
	}
	var out reportJSON
	if err := json.Unmarshal([]byte(a.body), &out); err != nil {
		r.t.Fatal(err)
	}
	return out
}

func TestReportIsMadeOnceAndFound(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		r := begin(t, w, nil)
		hourWithData(t, w, r)
		for _, format := range report.Formats {
			m := r.generate("hourly_summary", format)
			if m.Status != agg.ReportCompleted || *m.Completeness != 1 || m.ID != "hourly_summary-20260301T10-20260301T11-"+format {
				t.Errorf("%+v", m)
			}
			c := r.call("GET", m.URL, "")
			if c.status != 200 || int64(len(c.body)) != *m.Bytes || !strings.HasPrefix(c.header.Get("Content-Type"), report.MediaType(format)) {
				t.Errorf("content: %d, %d bytes as %s", c.status, len(c.body), c.header.Get("Content-Type"))
			}
			shown := r.call("GET", m.URL+"?inline=true", "")
			if kept, open := c.header.Get("Content-Disposition"), shown.header.Get("Content-Disposition"); !strings.HasPrefix(kept, "attachment; ") || !strings.HasPrefix(open, "inline; ") || shown.body != c.body {
				t.Errorf("content to keep as %q, to show as %q", kept, open)
			}
			if n := r.call("GET", m.URL, "", "If-None-Match", `"`+*m.SHA256+`"`); n.status != http.StatusNotModified {
				t.Errorf("known content: %d", n.status)
			}
			file, err := os.ReadFile(filepath.Join(w.reportsDir, *m.File))
			if err != nil || string(file) != c.body {
				t.Errorf("file: %v, %d bytes", err, len(file))
			}
			time.Sleep(time.Minute)
			if again := r.generate("hourly_summary", format); again.ID != m.ID || *again.SHA256 != *m.SHA256 || !again.CreatedAt.Equal(m.CreatedAt) || !again.CompletedAt.Equal(*m.CompletedAt) {
				t.Errorf("made again: %+v, before %+v", again, m)
			}
		}
		if l := r.call("GET", "/reports/list", ""); len(l.json["reports"].([]any)) != 3 {
			t.Errorf("list: %s", l.body)
		}
		st := r.call("GET", "/reports/status", "")
		if st.json["counts"].(map[string]any)["completed"] != 3.0 || st.json["queue"] != 0.0 || st.json["last"].(map[string]any)["hourly_summary"] == nil || st.json["last"].(map[string]any)["cost"] != nil {
			t.Errorf("status: %s", st.body)
		}
		if v := metric(t, r.reg, `report_generation_status{report_type="hourly_summary"}`); v != "1" {
			t.Errorf("metric %s", v)
		}
	})
}

// The page of a report has its numbers and runs nothing.
func TestReportView(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		r := begin(t, w, nil)
		hourWithData(t, w, r)
		m := r.generate("hourly_summary", "pdf")
		a := r.call("GET", "/reports/"+m.ID+"/view", "")
		if a.status != 200 || !strings.Contains(a.body, "<svg") || !strings.Contains(a.body, "Hourly summary") || !strings.Contains(a.header.Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("%d %v %.300s", a.status, a.header, a.body)
		}
		if a := r.call("GET", "/reports/test-20260301-20260302-pdf/view", ""); a.status != 404 {
			t.Errorf("a report that is not there: %d", a.status)
		}
	})
}

// Who looks at pages holds up no report, and gets an answer within the limit.
func TestReportViewHasALimit(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		r := begin(t, w, nil)
		hourWithData(t, w, r)
		m := r.generate("hourly_summary", "json")
		p := r.s.reports
		for range cap(p.slots) {
			p.slots <- struct{}{}
		}
		if a := r.call("GET", "/reports/"+m.ID+"/view", ""); a.status != 200 {
			t.Errorf("while reports are made: %d", a.status)
		}
		for range cap(p.slots) {
			<-p.slots
		}
		r.s.deps.Incidents = func(ctx context.Context, _ report.Period) (report.Alerts, error) {
			<-ctx.Done()
			return report.Alerts{}, ctx.Err()
		}
		began := time.Now()
		if a := r.call("GET", "/reports/"+m.ID+"/view", ""); a.status != 503 || a.header.Get("Retry-After") == "" || !strings.Contains(a.body, "/content") || time.Since(began) != viewLimit {
			t.Errorf("after %s: %d %s", time.Since(began), a.status, a.body)
		}
	})
}

// When the data change, so does the report, under its old name and age: what is behind is aggregated first.
func TestReportFollowsTheData(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		r := begin(t, w, nil)
		hourWithData(t, w, r)
		before := r.generate("hourly_summary", "json")
		time.Sleep(time.Second)
		w.publish(hour0, request("4", "m", 3))
		after := r.generate("hourly_summary", "json")
		if *after.SHA256 == *before.SHA256 || after.ID != before.ID || !after.CreatedAt.Equal(before.CreatedAt) || !after.CompletedAt.After(*before.CompletedAt) || *after.Completeness != 1 {
			t.Errorf("before %+v\nafter  %+v", before, after)
		}
	})
}

// Where the level is switched off, a report shows the rows as they are and says how much of the data they cover.
func TestReportSaysWhatItDoesNotCover(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		r := begin(t, w, func(c *Config) { c.Aggregation.Intervals.Daily = false })
		hourWithData(t, w, r)
		a := r.call("POST", "/reports/generate", `{"report_type":"daily_summary","format":"json","period":{"start":"2026-03-01T00:00:00Z","end":"2026-03-03T00:00:00Z"}}`)
		if a.status != 201 || a.json["completeness"] != 0.5 {
			t.Fatalf("%d %s", a.status, a.body)
		}
		c := r.call("GET", a.json["url"].(string), "")
		if cover := c.json["coverage"].(map[string]any); cover["completeness"] != 0.5 || len(cover["missing"].([]any)) != 1 || cover["missing"].([]any)[0] != "2026-03-01T00:00:00Z" {
			t.Errorf("coverage %v", cover)
		}
	})
}

// The numbers of several periods are those of their merged cells and not sums of rows.
func TestSeveralPeriodsAreMerged(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		r := begin(t, w, nil)
		for i := range 3 {
			w.publish(hour0+int64(i)*3600, request("a"+strconv.Itoa(i), "m", 0), request("b"+strconv.Itoa(i), "n", int64(i)))
		}
		a := r.call("POST", "/reports/generate", `{"report_type":"hourly_summary","format":"json","period":{"start":"2026-03-01T10:00:00Z","end":"2026-03-01T13:00:00Z"}}`)
		if a.status != 201 {
			t.Fatalf("%d %s", a.status, a.body)
		}
		c := r.call("GET", a.json["url"].(string), "")
		head := c.json["headline"].([]any)[0].(map[string]any)
		if head["value"] != 6.0 || len(c.json["rows"].([]any)) != 9 || len(c.json["models"].([]any)) != 2 {
			t.Errorf("%s", c.body)
		}
		want := agg.Cell{}
		for i := range 3 {
			cells, _, _ := w.Cells(t.Context(), "hourly", hour0+int64(i)*3600)
			var part agg.Cell
			if _, err := part.Decode(cells[agg.Group{Dimension: agg.ByModel, Value: agg.AllModels}]); err != nil {
				t.Fatal(err)
			}
			want.Merge(&part)
		}
		latency := c.json["headline"].([]any)[2].(map[string]any)
		if p95 := want.Stats(10800).LatencyMS.P95; p95 == nil && latency["value"] != nil || p95 != nil && latency["value"] != *p95 {
			t.Errorf("latency %v", latency)
		}
	})
}

// The day before is aggregated for the comparison when it has data and no row.
func TestReportComparesWithDataNotYetAggregated(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		r := begin(t, w, nil)
		w.publish(hour0, request("1", "m", 0), request("2", "m", 1))
		w.publish(hour0+aDay, request("3", "m", 2))
		a := r.call("POST", "/reports/generate", `{"report_type":"daily_summary","format":"json","period":{"start":"2026-03-02T00:00:00Z","end":"2026-03-03T00:00:00Z"}}`)
		c := r.call("GET", a.json["url"].(string), "")
		if head := c.json["headline"].([]any)[0].(map[string]any); head["value"] != 1.0 || head["previous"] != 2.0 || head["change"] != -0.5 {
			t.Errorf("%v", head)
		}
	})
}

// A day of which hardly any hour has data is named as that where a report compares with it.
func TestReportSaysHowMuchOfTheDayBeforeIsThere(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		r := begin(t, w, nil)
		aDayOf := func(day string) string {
			start, _ := time.Parse(time.DateOnly, day)
			a := r.call("POST", "/reports/generate", `{"report_type":"daily_summary","format":"json","period":{"start":"`+start.Format(time.RFC3339)+`","end":"`+start.AddDate(0, 0, 1).Format(time.RFC3339)+`"}}`)
			lead, _ := r.call("GET", a.json["url"].(string), "").json["summary"].(string)
			return lead
		}
		w.publish(hour0, request("1", "m", 0))
		w.publish(hour0+aDay, request("2", "m", 1))
		if lead := aDayOf("2026-03-02"); strings.Contains(lead, "have data") || !strings.Contains(lead, "the day before") {
			t.Errorf("as many hours: %s", lead)
		}
		w.publish(hour0+2*aDay, request("3", "m", 2))
		w.publish(hour0+2*aDay+3600, request("4", "m", 3))
		if lead := aDayOf("2026-03-03"); !strings.Contains(lead, "Compared with the day before, of which only 1 of 24 hours have data, ") {
			t.Errorf("half as many: %s", lead)
		}
	})
}

func TestReportIsDeletedWithItsFile(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		r := begin(t, w, nil)
		m := r.generate("test", "csv")
		if a := r.call("DELETE", "/reports/"+m.ID, ""); a.status != 204 {
			t.Fatalf("%d %s", a.status, a.body)
		}
		for _, path := range []string{"/reports/" + m.ID, m.URL} {
			if a := r.call("GET", path, ""); a.status != 404 {
				t.Errorf("%s after the deletion: %d", path, a.status)
			}
		}
		if _, err := os.Stat(filepath.Join(w.reportsDir, *m.File)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("file after the deletion: %v", err)
		}
	})
}

// A file that somebody has changed or taken away is never shown as the report; making it again mends it.
func TestReportFileIsHeldToItsHash(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		r := begin(t, w, nil)
		m := r.generate("test", "json")
		file := filepath.Join(w.reportsDir, *m.File)
		if err := os.WriteFile(file, []byte("{}"), 0o644); err != nil {
			t.Fatal(err)
		}
		if a := r.call("GET", m.URL, ""); a.status != http.StatusGone {
			t.Errorf("changed file: %d %s", a.status, a.body)
		}
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		if a := r.call("GET", m.URL, ""); a.status != http.StatusGone {
			t.Errorf("missing file: %d %s", a.status, a.body)
		}
		if again := r.generate("test", "json"); *again.SHA256 != *m.SHA256 {
			t.Errorf("%+v", again)
		}
		if a := r.call("GET", m.URL, ""); a.status != 200 {
			t.Errorf("mended file: %d %s", a.status, a.body)
		}
	})
}

// A folder that cannot be written is an error with a reason, and the report is failed and not lost.
func TestReportThatFails(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		w.reportsDir = filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(w.reportsDir, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		r := begin(t, w, nil)
		a := r.call("POST", "/reports/generate", `{"report_type":"test","format":"json",`+anHour+`}`)
		if a.status != 500 || !strings.Contains(a.body, "folder of the reports") || a.header.Get("Location") == "" {
			t.Fatalf("%d %s", a.status, a.body)
		}
		m := r.call("GET", a.header.Get("Location"), "")
		if m.json["status"] != "failed" || m.json["sha256"] != nil || m.json["bytes"] != nil || m.json["error"] == "" {
			t.Errorf("%s", m.body)
		}
		if c := r.call("GET", a.header.Get("Location")+"/content", ""); c.status != 404 || !strings.Contains(c.body, "failed") {
			t.Errorf("content: %d %s", c.status, c.body)
		}
		if v := metric(t, r.reg, `report_generation_status{report_type="test"}`); v != "-1" {
			t.Errorf("metric %s", v)
		}
		if c := r.s.reports.check(t.Context()); c.Status != httpx.Degraded || !strings.Contains(c.Detail, "test") {
			t.Errorf("health %+v", c)
		}
	})
}

// Slow reports answer 202 after ten seconds, everybody who asks meanwhile waits for the same one, and a stop leaves it for the next start.
func TestSlowReport(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		w.reports.slow = make(chan struct{})
		r := begin(t, w, nil)
		asked := time.Now()
		a := r.call("POST", "/reports/generate", `{"report_type":"test","format":"json",`+anHour+`}`)
		if a.status != 202 || a.json["status"] != "running" || time.Since(asked) != reportWait {
			t.Fatalf("%d after %s: %s", a.status, time.Since(asked), a.body)
		}
		if m := r.call("GET", a.header.Get("Location"), ""); m.json["status"] != "running" {
			t.Errorf("%s", m.body)
		}
		if c := r.call("GET", a.header.Get("Location")+"/content", ""); c.status != 404 || c.header.Get("Retry-After") == "" {
			t.Errorf("content: %d %s", c.status, c.body)
		}
		if v := metric(t, r.reg, `report_generation_status{report_type="test"}`); v != "2" {
			t.Errorf("metric %s", v)
		}
		second := make(chan answer)
		go func() {
			second <- call(t, r.s, "POST", "/reports/generate", `{"report_type":"test","format":"json",`+anHour+`}`)
		}()
		synctest.Wait()
		r.stop()
		if b := <-second; b.status != 202 {
			t.Errorf("the second: %d %s", b.status, b.body)
		}
		close(w.reports.slow)
		next := begin(t, w, nil)
		synctest.Wait()
		if m := next.call("GET", a.header.Get("Location"), ""); m.json["status"] != "completed" || len(w.reports.reports) != 1 {
			t.Errorf("after the restart: %s", m.body)
		}
	})
}

// A report that was being made when the process was killed is made at the next start.
func TestReportOverAKill(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		cut := newReport(report.Test, "pdf", "", report.Period{Start: time.Unix(hour0, 0), End: time.Unix(hour0+3600, 0)})
		cut.Status = agg.ReportRunning
		w.reports.reports[cut.ID] = cut
		w.reportsDir = t.TempDir()
		half := filepath.Join(w.reportsDir, "test", ".x.pdf.tmp-1")
		if err := errors.Join(os.MkdirAll(filepath.Dir(half), 0o755), os.WriteFile(half, nil, 0o644), os.Chtimes(half, time.Unix(hour0, 0), time.Unix(hour0, 0))); err != nil {
			t.Fatal(err)
		}
		r := begin(t, w, nil)
		synctest.Wait()
		if _, err := os.Stat(half); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("half a file is left: %v", err)
		}
		if m := r.call("GET", "/reports/"+cut.ID, ""); m.json["status"] != "completed" {
			t.Errorf("%s", m.body)
		}
	})
}

// A report that is deleted while it is made leaves nothing behind, and who waits for it is told.
func TestReportDeletedWhileItIsMade(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		w.reports.slow = make(chan struct{})
		r := begin(t, w, nil)
		waiting := make(chan answer)
		go func() {
			waiting <- call(t, r.s, "POST", "/reports/generate", `{"report_type":"test","format":"json",`+anHour+`}`)
		}()
		synctest.Wait()
		if d := r.call("DELETE", "/reports/test-20260301T10-20260301T11-json", ""); d.status != 204 {
			t.Fatalf("%d %s", d.status, d.body)
		}
		close(w.reports.slow)
		if a := <-waiting; a.status != http.StatusConflict || !strings.Contains(a.body, "deleted") {
			t.Errorf("who waits: %d %s", a.status, a.body)
		}
		if files, _ := filepath.Glob(filepath.Join(w.reportsDir, "test", "*")); len(files) != 0 || len(w.reports.reports) != 0 {
			t.Errorf("left behind: %v", files)
		}
	})
}

// Many who ask for the same new report at once all get it.
func TestReportAskedForTogether(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		r := begin(t, w, nil)
		answers := make(chan answer)
		for range 8 {
			go func() {
				answers <- call(t, r.s, "POST", "/reports/generate", `{"report_type":"test","format":"csv",`+anHour+`}`)
			}()
		}
		var first string
		for range 8 {
			a := <-answers
			if sum, _ := a.json["sha256"].(string); a.status != 201 || sum == "" || first != "" && sum != first {
				t.Errorf("%d %s", a.status, a.body)
			} else {
				first = sum
			}
		}
	})
}

func TestReportsSwitchedOff(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*Config)
		body   string
	}{
		"all":      {func(c *Config) { c.Reports.Enabled = false }, `{"report_type":"test","format":"json"}`},
		"a kind":   {func(c *Config) { c.Reports.Kinds = []string{"daily_summary"} }, `{"report_type":"hourly_summary","format":"json"}`},
		"a format": {func(c *Config) { c.Reports.Formats = []string{"json", "csv"} }, `{"report_type":"test","format":"pdf"}`},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				if a := begin(t, newWorld(), tc.change).call("POST", "/reports/generate", tc.body); a.status != 409 || !strings.Contains(a.body, "disabled") {
					t.Errorf("%d %s", a.status, a.body)
				}
			})
		})
	}
	bubble(t, func(t *testing.T) {
		r := begin(t, newWorld(), func(c *Config) { c.Reports.Kinds, c.Capacity.Enabled = nil, false })
		if m := r.generate("test", "json"); m.Status != agg.ReportCompleted {
			t.Errorf("a report that no list names: %+v", m)
		}
		if v := metric(t, r.reg, `report_generation_status{report_type="daily_summary"}`); v != "-2" {
			t.Errorf("metric %s", v)
		}
		if a := r.call("GET", "/capacity/analysis", ""); a.status != 409 || !strings.Contains(a.body, "disabled") {
			t.Errorf("capacity: %d %s", a.status, a.body)
		}
	})
}

func FuzzDecodeReport(f *testing.F) {
	for _, seed := range []string{`{"report_type":"test","format":"json"}`, `{"report_type":"daily_summary","format":"pdf","period":{"start":"2026-03-01T00:00:00Z","end":"2026-03-02T00:00:00Z"},"options":{"email_to":["a@b.c"]}}`,
		`{"period":{"start":1}}`, `{"options":{"email_to":[null]}}`, `null`, `[`, `{"format":"json","format":1}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		req, status, errs := decodeReport(body)
		switch {
		case status == 0 && (len(errs) > 0 || !req.kind.Known() || report.MediaType(req.format) == "application/octet-stream"):
			t.Errorf("%q is taken: %+v %v", body, req, errs)
		case status != 0 && status != 400 && status != 422, status != 0 && len(errs) == 0:
			t.Errorf("%q is refused with %d and %d reasons", body, status, len(errs))
		case status == 0 && len(req.options.emailTo) > maxMailTo:
			t.Errorf("%d addresses are taken", len(req.options.emailTo))
		}
	})
}

// metric returns the value of a sample.
func metric(t *testing.T, reg *telemetry.Registry, sample string) string {
	t.Helper()
	rec := httptest.NewRecorder()
	reg.Handler().ServeHTTP(rec, httptest.NewRequest("GET", "/metrics", nil))
	for line := range strings.Lines(rec.Body.String()) {
		if rest, ok := strings.CutPrefix(strings.TrimSpace(line), sample+" "); ok {
			return rest
		}
	}
	t.Fatalf("no sample %s", sample)
	return ""
}
