package main

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestReportsSchedule(t *testing.T) {
	const got = `{"etag":"\"e1\"","updated_at":null,"timezone":"UTC","mail":true,"schedules":[
		{"report_type":"daily_summary","made":true,"mail":[{"recipients":["a@example.org"],"formats":["pdf"],"schedule":""},{"recipients":["b@example.org"],"formats":["csv","json"],"schedule":"0 8 * * 1"}],"origin":"configuration"},
		{"report_type":"cost","made":false,"mail":[],"origin":"configuration"}]}`
	s := &batchService{t: t, answers: map[string]string{"GET /reports/schedules": got, "PUT /reports/schedules": strings.Replace(got, `"mail":true`, `"mail":false`, 1)}}
	out, said, err := s.hxp("reports", "schedule")
	want := "REPORT MADE SAID BY MAILED TO FORMATS AT\ndaily_summary true configuration a@example.org pdf once it is made\nb@example.org csv,json 0 8 * * 1\ncost false configuration - - -"
	if err != nil || said != "" || strings.Join(lines(out), "\n") != want {
		t.Errorf("%v %q\n%s", err, said, out)
	}
	for _, tc := range []struct{ args, put string }{
		{"cost --made", `{"report_type":"cost","made":true,"mail":[],"origin":"api"}`},
		{"cost --to x@example.org,y@example.org --format csv --at @", `{"report_type":"cost","made":false,"mail":[{"recipients":["x@example.org","y@example.org"],"formats":["csv"],"schedule":"@"}],"origin":"api"}`},
		{"daily_summary --at @", `"made":true,"mail":[{"recipients":["a@example.org"],"formats":["pdf"],"schedule":"@"}],"origin":"api"}`},
		{"daily_summary --to=", `{"report_type":"daily_summary","made":true,"mail":[],"origin":"api"}`},
		{"daily_summary --reset", `"schedule":"0 8 * * 1"}],"origin":"configuration"}`},
	} {
		out, said, err := s.hxp(append([]string{"reports", "schedule"}, strings.Fields(tc.args)...)...)
		if put := s.asked[len(s.asked)-1]; err != nil || !strings.HasPrefix(put, `PUT /reports/schedules "e1" {`) || !strings.Contains(put, tc.put) {
			t.Errorf("%s: %v\n%s; want %s", tc.args, err, put, tc.put)
		}
		if len(lines(out)) < 2 || !strings.Contains(said, "nothing is mailed") {
			t.Errorf("%s: %q %q", tc.args, out, said)
		}
	}
	if out, _, err := s.hxp("reports", "schedule", "cost", "--json"); err != nil || !json.Valid([]byte(out)) || strings.Contains(out, "daily_summary") {
		t.Errorf("%v %s", err, out)
	}
	for args, wrong := range map[string]string{"--made": "name the type", "test --made": "is ever due", "cost daily_summary": "at most 1"} {
		if _, _, err := s.hxp(append([]string{"reports", "schedule"}, strings.Fields(args)...)...); codeOf(err) != 2 || !strings.Contains(err.Error(), wrong) {
			t.Errorf("%s: %v", args, err)
		}
	}
}
