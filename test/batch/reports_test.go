package batch

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/hxp-enterprise/hxp/internal/batch"
)

// ask answers a request by the service and fails when the status is another.
func ask(t *testing.T, s *batch.Service, method, path, body string, status int) []byte {
	t.Helper()
	rec := httptest.NewRecorder()
	s.Handler().ServeHTTP(rec, httptest.NewRequest(method, path, strings.NewReader(body)))
	if rec.Code != status {
		t.Fatalf("%s %s: %d %s", method, path, rec.Code, rec.Body)
	}
	return rec.Body.Bytes()
}

func into[T any](t *testing.T, text []byte) (v T) {
	t.Helper()
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return v
}

// From topics to documents: a report has the rows of the table, whatever their level, aggregates them itself, is the same when it is
// made again by another process, and says the same number everywhere.
func TestReportsFromTopicsToFiles(t *testing.T) {
	r := newRoad(t)
	r.send(t, requests(3000, 4))
	s := r.batch(t, batch.Defaults())
	stop := start(t, s)
	aggregate(t, s) // waits until the lake has everything
	type known struct {
		ID, URL, SHA256 string
		Completeness    float64
	}
	made := map[string]known{}
	for kind, period := range map[string][3]string{
		"hourly_summary":  {"hourly", "2026-03-01T10:00:00Z", "2026-03-01T11:00:00Z"},
		"daily_summary":   {"daily", "2026-03-01T00:00:00Z", "2026-03-03T00:00:00Z"},
		"weekly_summary":  {"weekly", "2026-03-01T00:00:00Z", "2026-03-08T00:00:00Z"},
		"monthly_summary": {"monthly", "2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z"},
	} {
		for _, format := range []string{"json", "csv", "pdf"} {
			body := fmt.Sprintf(`{"report_type":%q,"format":%q,"period":{"start":%q,"end":%q}}`, kind, format, period[1], period[2])
			m := into[known](t, ask(t, s, "POST", "/reports/generate", body, 201))
			if m.Completeness != 1 {
				t.Errorf("%+v", m)
			}
			made[body] = m
			if format != "json" {
				continue
			}
			doc := into[struct {
				Headline []struct{ Value float64 }
				Rows     []map[string]any
			}](t, ask(t, s, "GET", m.URL, "", 200))
			table := into[struct{ Rows []map[string]any }](t, ask(t, s, "GET", "/aggregations/"+period[0]+"?model=*&from="+period[1]+"&to="+period[2], "", 200))
			for _, row := range table.Rows {
				delete(row, "updated_at")
			}
			if len(doc.Rows) != 5 || !reflect.DeepEqual(doc.Rows, table.Rows) || doc.Headline[0].Value != 3000 {
				t.Errorf("%s: %v\ntable: %v", kind, doc.Rows, table.Rows)
			}
		}
	}
	stop()
	s = r.batch(t, batch.Defaults())
	start(t, s)
	for body, before := range made {
		if again := into[known](t, ask(t, s, "POST", "/reports/generate", body, 201)); again != before {
			t.Errorf("made again: %+v, before %+v", again, before)
		}
	}
	if list := into[struct{ Reports []known }](t, ask(t, s, "GET", "/reports/list", "", 200)); len(list.Reports) != len(made) {
		t.Errorf("%d reports are listed, %d were made", len(list.Reports), len(made))
	}
}
