package airflow

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// FuzzVerify: no text but one that sign made with the secret is taken, and none makes a panic.
func FuzzVerify(f *testing.F) {
	secret := []byte("a secret that is long enough for this")
	c := claims{Subject: "admin", Role: "Admin", Issued: noon.Unix(), NotYet: noon.Unix(), Expires: noon.Add(time.Hour).Unix(), Audience: audience}
	good := sign(secret, c)
	for _, s := range []string{good, good + "x", strings.Replace(good, ".", "..", 1), tokenHead + "..", "", ".", "a.b.c", sign(secret[1:], c)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, token string) {
		if got, err := verify(secret, token, noon); err == nil && (token != good || got != c) {
			t.Errorf("%q is taken as %+v", token, got)
		}
	})
}

// FuzzBackfillBody: whatever stands in a body, the answer is a refusal in Airflow's shape or a backfill, never a failure of ours.
func FuzzBackfillBody(f *testing.F) {
	for _, s := range []string{`{"dag_id":"hxp_hourly_aggregation","from_date":"2026-03-01","to_date":"2026-03-01T03:00:00Z"}`, `{}`, `[]`, `null`, `{"dag_id":1,"from_date":null,"to_date":{}}`, `{"a":`, "\xff", `{"max_active_runs":1e99}`,
		`{"dag_id":"hxp_hourly_aggregation","from_date":"9998-03-01","to_date":"1970-01-01"}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, body string) {
		r := newRig(t)
		req := httptest.NewRequest("POST", "/api/v2/backfills/dry_run", strings.NewReader(body))
		req.Header.Set("Authorization", "Bearer "+r.token)
		w := httptest.NewRecorder()
		r.mux.ServeHTTP(w, req)
		switch w.Code {
		case 200:
		case 400, 404, 413, 422:
			if !strings.HasPrefix(w.Body.String(), `{"detail":`) {
				t.Errorf("%q: %s", body, w.Body)
			}
		default:
			t.Errorf("%q: %d %s", body, w.Code, w.Body)
		}
	})
}
