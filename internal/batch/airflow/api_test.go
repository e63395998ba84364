package airflow

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

// rig is an API on a fake scheduler.
type rig struct {
	t     *testing.T
	sched *fake
	api   *API
	mux   *httpx.Mux
	token string
	now   time.Time
}

func newRig(t *testing.T, change ...func(*Config)) *rig {
	t.Helper()
	r := &rig{t: t, sched: newFake(), now: noon}
	cfg := Config{Dir: t.TempDir(), Home: "/opt/citadel/airflow", Version: "v1.2.3", Workers: 2, Open: true}
	for _, c := range change {
		c(&cfg)
	}
	log := slog.New(slog.DiscardHandler)
	api, err := New(cfg, r.sched, log, func() time.Time { return r.now })
	if err != nil {
		t.Fatal(err)
	}
	r.api, r.mux = api, httpx.NewMux(log, nil)
	api.Mount(r.mux)
	admin, ok, err := api.vault.user("admin")
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	r.token = api.vault.Token(admin, "rest_api", noon, 24*time.Hour)
	return r
}

// reply is an answer with its body read.
type reply struct {
	status int
	header http.Header
	body   []byte
}

// json is the body as what it holds.
func (r reply) json(t *testing.T) object {
	t.Helper()
	var o object
	if err := json.Unmarshal(r.body, &o); err != nil {
		t.Fatalf("not JSON: %v\n%s", err, r.body)
	}
	return o
}

// send does a request; path begins behind /api/v2, or at the root with a leading "!".
func (r *rig) send(method, path string, body any, headers ...string) reply {
	r.t.Helper()
	target, root := strings.CutPrefix(path, "!")
	if !root {
		target = "/api/v2" + path
	}
	var in io.Reader = http.NoBody
	switch b := body.(type) {
	case nil:
	case string:
		in = strings.NewReader(b)
	default:
		data, err := json.Marshal(b)
		if err != nil {
			r.t.Fatal(err)
		}
		in = bytes.NewReader(data)
	}
	req := httptest.NewRequestWithContext(r.t.Context(), method, target, in)
	req.Host = "localhost:8080"
	if r.token != "" {
		req.Header.Set("Authorization", "Bearer "+r.token)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	r.mux.ServeHTTP(w, req)
	return reply{w.Code, w.Result().Header, w.Body.Bytes()}
}

// want does a request, fails the test unless the status is as wanted, and returns the body.
func (r *rig) want(status int, method, path string, body any, headers ...string) object {
	r.t.Helper()
	got := r.send(method, path, body, headers...)
	if got.status != status {
		r.t.Fatalf("%s %s: %d, want %d\n%s", method, path, got.status, status, got.body)
	}
	if len(got.body) == 0 {
		return nil
	}
	return got.json(r.t)
}

func date(y, m, d int) time.Time { return time.Date(y, time.Month(m), d, 0, 0, 0, 0, time.UTC) }

// TestAnswersFitTheDescriptionOfARealAirflow calls everything once on a scheduler with runs of all kinds and compares what comes with
// what a real Airflow says that it answers.
func TestAnswersFitTheDescriptionOfARealAirflow(t *testing.T) {
	d := captured(t)
	r := newRig(t)
	r.sched.did("hxp_daily_aggregation", agg.RunScheduled, date(2026, 3, 1), agg.RunSuccess)
	r.sched.did("hxp_daily_aggregation", agg.RunScheduled, date(2026, 3, 2), agg.RunFailed)
	r.sched.did("hxp_daily_aggregation", agg.RunBackfill, date(2026, 1, 2), agg.RunCancelled)
	r.sched.logs["r1"] = []agg.LogLine{{At: noon, Level: "info", TaskID: "daily_aggregation", Try: 1, Event: "24 hours merged"}}
	const dag, run = "/dags/hxp_daily_aggregation", "/dags/hxp_daily_aggregation/dagRuns/scheduled__2026-03-02T00%3A00%3A00%2B00%3A00"
	span := object{"dag_id": "hxp_hourly_aggregation", "from_date": "2026-03-01T00:00:00Z", "to_date": "2026-03-01T03:00:00Z"}
	for _, c := range []struct {
		status       int
		method, path string
		body         any
	}{
		{200, "GET", "/dags", nil}, {200, "GET", dag, nil}, {200, "GET", dag + "/details", nil}, {200, "PATCH", dag, object{"is_paused": true}}, {200, "PATCH", "/dags", object{"is_paused": false}},
		{200, "GET", dag + "/tasks", nil}, {200, "GET", dag + "/tasks/report_generation", nil}, {200, "GET", dag + "/dagVersions", nil}, {200, "GET", dag + "/dagVersions/1", nil},
		{200, "GET", dag + "/dagRuns", nil}, {200, "POST", "/dags/~/dagRuns/list", object{"states": []string{"success", "failed"}, "page_limit": 2, "order_by": "-run_after"}},
		{200, "POST", dag + "/dagRuns", object{"logical_date": nil, "conf": object{"a": 1}, "note": "by hand"}}, {200, "GET", run, nil}, {200, "PATCH", run, object{"note": "seen"}},
		{200, "POST", run + "/clear", object{}}, {200, "POST", run + "/clear", object{"dry_run": false}}, {200, "GET", run + "/upstreamAssetEvents", nil},
		{200, "POST", dag + "/clearTaskInstances", object{"dag_run_id": "scheduled__2026-03-03T00:00:00+00:00"}},
		{200, "GET", run + "/taskInstances", nil}, {200, "GET", "/dags/~/dagRuns/~/taskInstances", nil}, {200, "POST", "/dags/~/dagRuns/~/taskInstances/list", object{"state": []string{"success"}}},
		{200, "GET", run + "/taskInstances/daily_aggregation", nil}, {200, "PATCH", run + "/taskInstances/daily_aggregation", object{"new_state": "success"}},
		{200, "GET", run + "/taskInstances/daily_aggregation/tries", nil}, {200, "GET", run + "/taskInstances/daily_aggregation/tries/1", nil},
		{200, "GET", run + "/taskInstances/report_generation/dependencies", nil}, {200, "GET", run + "/taskInstances/daily_aggregation/links", nil},
		{200, "GET", run + "/taskInstances/daily_aggregation/xcomEntries", nil}, {200, "GET", run + "/taskInstances/daily_aggregation/xcomEntries/return_value", nil},
		{200, "GET", run + "/taskInstances/daily_aggregation/logs/1", nil},
		{200, "POST", "/backfills/dry_run", span}, {200, "POST", "/backfills", span}, {200, "GET", "/backfills/1", nil}, {200, "PUT", "/backfills/1/pause", nil}, {200, "PUT", "/backfills/1/unpause", nil},
		{200, "PUT", "/backfills/1/cancel", nil}, {200, "GET", "/backfills?dag_id=hxp_hourly_aggregation", nil},
		{200, "GET", "/version", nil}, {200, "GET", "/monitor/health", nil}, {200, "GET", "/dagTags", nil}, {200, "GET", "/dagStats", nil}, {200, "GET", "/dagSources/hxp_daily_aggregation", nil},
		{200, "GET", "/eventLogs", nil}, {200, "GET", "/eventLogs/1", nil}, {200, "GET", "/jobs", nil}, {200, "GET", "/pools", nil}, {200, "GET", "/pools/default_pool", nil}, {200, "GET", "/providers", nil},
		{200, "GET", "/importErrors", nil}, {200, "GET", "/dagWarnings", nil}, {200, "GET", "/plugins", nil}, {200, "GET", "/plugins/importErrors", nil}, {200, "GET", "/variables", nil},
		{200, "GET", "/connections", nil}, {200, "GET", "/assets", nil},
		{403, "GET", "/config", nil}, {404, "GET", "/dags/nope", nil}, {422, "GET", "/dags?limit=-1", nil}, {400, "GET", "/dags?order_by=bogus", nil},
		{409, "PUT", "/backfills/1/cancel", nil}, {404, "GET", "/backfills/99", nil}, {422, "POST", "/backfills", object{"dag_id": "hxp_hourly_aggregation"}},
	} {
		got := r.send(c.method, c.path, c.body)
		if got.status != c.status {
			t.Errorf("%s %s: %d, want %d\n%s", c.method, c.path, got.status, c.status, got.body)
			continue
		}
		path, _, _ := strings.Cut(c.path, "?")
		unescaped, err := url.PathUnescape(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, wrong := range d.check(d.answer(t, c.method, "/api/v2"+unescaped, c.status), got.json(t), "$") {
			t.Errorf("%s %s: %s", c.method, c.path, wrong)
		}
	}
}

func TestDAGsAreFilteredOrderedAndPaged(t *testing.T) {
	r := newRig(t)
	r.sched.dag("hxp_monthly_aggregation").Paused = true
	for _, c := range []struct {
		query string
		ids   []string
		total float64
	}{
		{"", []string{"hxp_daily_aggregation", "hxp_hourly_aggregation", "hxp_monthly_aggregation", "hxp_weekly_aggregation"}, 4},
		{"?limit=2&offset=1&order_by=-dag_id", []string{"hxp_monthly_aggregation", "hxp_hourly_aggregation"}, 4},
		{"?offset=9", nil, 4},
		{"?paused=true", []string{"hxp_monthly_aggregation"}, 1},
		{"?tags=day&tags=week", []string{"hxp_daily_aggregation", "hxp_weekly_aggregation"}, 2},
		{"?tags=day&tags=week&tags_match_mode=all", nil, 0},
		{"?tags=hxp&tags=week&tags_match_mode=all", []string{"hxp_weekly_aggregation"}, 1},
		{"?owners=nobody", nil, 0},
		{"?dag_id_pattern=%25HOURLY%25", []string{"hxp_hourly_aggregation"}, 1},
		{"?dag_id_pattern=daily%7Cweekly", []string{"hxp_daily_aggregation", "hxp_weekly_aggregation"}, 2},
		{"?order_by=next_dagrun&limit=1", []string{"hxp_hourly_aggregation"}, 4},
	} {
		o := r.want(200, "GET", "/dags"+c.query, nil)
		var ids []string
		for _, d := range list(o["dags"]) {
			ids = append(ids, d.(object)["dag_id"].(string))
		}
		if !slices.Equal(ids, c.ids) || o["total_entries"] != c.total {
			t.Errorf("%q: %v of %v, want %v of %v", c.query, ids, o["total_entries"], c.ids, c.total)
		}
	}
}

func TestRunsAreFilteredOrderedAndPaged(t *testing.T) {
	r := newRig(t)
	for i := range 5 {
		r.sched.did("hxp_daily_aggregation", agg.RunScheduled, date(2026, 2, 1+i), []agg.RunState{agg.RunSuccess, agg.RunFailed, agg.RunSuccess, agg.RunCancelled, agg.RunSuccess}[i])
	}
	r.sched.did("hxp_weekly_aggregation", agg.RunBackfill, date(2026, 2, 1), agg.RunSuccess)
	for _, c := range []struct {
		path  string
		days  []int // of the start of the interval
		total float64
	}{
		{"/dags/hxp_daily_aggregation/dagRuns", []int{1, 2, 3, 4, 5}, 5},
		{"/dags/hxp_daily_aggregation/dagRuns?limit=2&order_by=-run_after", []int{5, 4}, 5},
		{"/dags/hxp_daily_aggregation/dagRuns?limit=2&offset=1&order_by=-logical_date", []int{4, 3}, 5},
		{"/dags/hxp_daily_aggregation/dagRuns?state=failed", []int{2, 4}, 2},
		{"/dags/hxp_daily_aggregation/dagRuns?state=failed&state=success&limit=1", []int{1}, 5},
		{"/dags/~/dagRuns?run_type=backfill", []int{1}, 1},
		{"/dags/~/dagRuns?run_type=asset_triggered", nil, 0},
		{"/dags/hxp_daily_aggregation/dagRuns?logical_date_gte=2026-02-03T00:00:00%2B00:00", []int{3, 4, 5}, 3},
		{"/dags/hxp_daily_aggregation/dagRuns?logical_date_gt=2026-02-03T00:00:00+00:00&run_after_lt=2026-02-06", []int{4}, 1},
		{"/dags/hxp_daily_aggregation/dagRuns?run_id_pattern=2026-02-04", []int{3}, 1},
		{"/dags/hxp_daily_aggregation/dagRuns?order_by=-state,-run_after&limit=3", []int{5, 3, 1}, 5},
	} {
		o := r.want(200, "GET", c.path, nil)
		var days []int
		for _, v := range list(o["dag_runs"]) {
			at, err := time.Parse(time.RFC3339, v.(object)["data_interval_start"].(string))
			if err != nil {
				t.Fatal(err)
			}
			days = append(days, at.Day())
		}
		if !slices.Equal(days, c.days) || o["total_entries"] != c.total {
			t.Errorf("%s: %v of %v, want %v of %v", c.path, days, o["total_entries"], c.days, c.total)
		}
	}
}

func TestTriggerChoosesTheInterval(t *testing.T) {
	for _, c := range []struct {
		name, dag  string
		body       object
		start, end string
		logical    any
	}{
		{"given", "hxp_daily_aggregation", object{"logical_date": nil, "data_interval_start": "2026-02-03T00:00:00Z", "data_interval_end": "2026-02-04T00:00:00Z"}, "2026-02-03T00:00:00Z", "2026-02-04T00:00:00Z", nil},
		{"none: the last whole one", "hxp_hourly_aggregation", object{"logical_date": nil}, "2026-03-04T11:00:00Z", "2026-03-04T12:00:00Z", nil},
		{"by logical date", "hxp_daily_aggregation", object{"logical_date": "2026-02-10T05:30:00Z"}, "2026-02-09T00:00:00Z", "2026-02-10T00:00:00Z", "2026-02-10T05:30:00Z"},
		{"by logical date, a week", "hxp_weekly_aggregation", object{"logical_date": "2026-02-11"}, "2026-02-01T00:00:00Z", "2026-02-08T00:00:00Z", "2026-02-11T00:00:00Z"},
		{"by logical date, a month", "hxp_monthly_aggregation", object{"logical_date": "2026-02-11T00:00:00+01:00"}, "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z", "2026-02-10T23:00:00Z"},
		{"all keys, most null", "hxp_hourly_aggregation", object{"dag_run_id": nil, "data_interval_start": nil, "data_interval_end": nil, "logical_date": "2026-03-04T12:14:02.389110Z", "run_after": nil, "conf": object{}, "note": nil, "partition_key": nil},
			"2026-03-04T11:00:00Z", "2026-03-04T12:00:00Z", "2026-03-04T12:14:02.38911Z"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			o := r.want(200, "POST", "/dags/"+c.dag+"/dagRuns", c.body)
			if o["data_interval_start"] != c.start || o["data_interval_end"] != c.end || o["logical_date"] != c.logical {
				t.Errorf("[%v, %v) logical %v, want [%s, %s) logical %v", o["data_interval_start"], o["data_interval_end"], o["logical_date"], c.start, c.end, c.logical)
			}
			if o["triggered_by"] != "rest_api" || o["triggering_user_name"] != "admin" || o["run_type"] != "manual" {
				t.Errorf("triggered by %v, user %v, type %v", o["triggered_by"], o["triggering_user_name"], o["run_type"])
			}
		})
	}
}

func TestTriggerRefusesWhatIsTaken(t *testing.T) {
	r := newRig(t)
	r.want(200, "POST", "/dags/hxp_daily_aggregation/dagRuns", object{"dag_run_id": "one", "logical_date": "2026-02-10T05:30:00Z"})
	for _, body := range []object{{"dag_run_id": "one", "logical_date": nil}, {"dag_run_id": "two", "logical_date": "2026-02-10T05:30:00Z"}} {
		o := r.want(409, "POST", "/dags/hxp_daily_aggregation/dagRuns", body)
		detail, ok := o["detail"].(object)
		if !ok || detail["reason"] != "Unique constraint violation" || !strings.Contains(detail["message"].(string), "one") {
			t.Errorf("%v: %v", body, o)
		}
	}
}

func TestTriggerAttachesOnlyWhenNoRunIsNamed(t *testing.T) {
	r := newRig(t)
	r.want(200, "POST", "/dags/hxp_daily_aggregation/dagRuns", object{"dag_run_id": "one", "logical_date": nil})
	if o := r.want(200, "POST", "/dags/hxp_daily_aggregation/dagRuns", object{"logical_date": nil}); o["dag_run_id"] != "one" {
		t.Errorf("attached to %v", o["dag_run_id"])
	}
	if o := r.want(409, "POST", "/dags/hxp_daily_aggregation/dagRuns", object{"dag_run_id": "two", "logical_date": nil}); !strings.Contains(o["detail"].(string), "one") {
		t.Errorf("%v", o)
	}
}

func TestBadBodiesAreRefusedAsPydanticDoes(t *testing.T) {
	r := newRig(t)
	const runs = "/dags/hxp_daily_aggregation/dagRuns"
	for _, c := range []struct {
		path string
		body any
		want string // type loc, joined
	}{
		{runs, object{}, "missing body.logical_date"},
		{runs, object{"logical_date": nil, "bogus": 1}, "extra_forbidden body.bogus"},
		{runs, object{"logical_date": nil, "data_interval_start": "2026-03-01T00:00:00Z"}, "value_error body"},
		{runs, object{"logical_date": nil, "data_interval_start": "2026-03-02", "data_interval_end": "2026-03-02"}, "value_error body.data_interval_end"},
		{runs, object{"logical_date": "soon"}, "datetime_from_date_parsing body.logical_date"},
		{runs, object{"logical_date": 7}, "datetime_type body.logical_date"},
		{runs, object{"logical_date": nil, "conf": []int{1}}, "dict_type body.conf"},
		{runs, object{"logical_date": nil, "note": 1}, "string_type body.note"},
		{runs, object{"logical_date": nil, "run_after": "2027-01-01"}, "value_error body.run_after"},
		{runs, "", "missing body"}, {runs, "{", "json_invalid body"}, {runs, "[]", "model_attributes_type body"}, {runs, "null", "model_attributes_type body"},
		{"/backfills", object{"dag_id": "hxp_daily_aggregation"}, "missing body.from_date, missing body.to_date"},
		{"/backfills", object{"dag_id": nil, "from_date": "2026-01-01", "to_date": "2026-01-02"}, "string_type body.dag_id"},
		{"/backfills", object{"dag_id": "hxp_daily_aggregation", "from_date": "2026-01-01", "to_date": "2026-01-02", "reprocess_behavior": "all"}, "enum body.reprocess_behavior"},
		{"/backfills", object{"dag_id": "hxp_daily_aggregation", "from_date": "2026-01-01", "to_date": "2026-01-02", "max_active_runs": 0}, "greater_than_equal body.max_active_runs"},
	} {
		o := r.want(422, "POST", c.path, c.body)
		var got []string
		for _, f := range list(o["detail"]) {
			flaw := f.(object)
			var loc []string
			for _, l := range list(flaw["loc"]) {
				loc = append(loc, l.(string))
			}
			if flaw["msg"] == "" {
				t.Errorf("%v: no msg", flaw)
			}
			got = append(got, flaw["type"].(string)+" "+strings.Join(loc, "."))
		}
		if text := strings.Join(got, ", "); text != c.want {
			t.Errorf("%s %v: %s, want %s", c.path, c.body, text, c.want)
		}
	}
	large := r.send("POST", runs, `{"note":"`+strings.Repeat("x", maxBody)+`"}`)
	if large.status != http.StatusRequestEntityTooLarge {
		t.Errorf("a body over the limit: %d", large.status)
	}
}

func TestBackfillTakesItsEndAndRefusesAsAirflowDoes(t *testing.T) {
	r := newRig(t)
	span := func(from, to string) object {
		return object{"dag_id": "hxp_hourly_aggregation", "from_date": from, "to_date": to}
	}
	dry := r.want(200, "POST", "/backfills/dry_run", span("2026-03-01T00:00:00Z", "2026-03-01T03:00:00Z"))
	if n := len(list(dry["backfills"])); n != 4 || dry["total_entries"] != 4.0 {
		t.Errorf("dry run of hours 0 to 3: %d runs", n)
	}
	b := r.want(200, "POST", "/backfills", span("2026-03-01T00:00:00Z", "2026-03-01T03:00:00Z"))
	if b["to_date"] != "2026-03-01T03:00:00Z" || b["is_paused"] != false || b["completed_at"] != nil || b["reprocess_behavior"] != "none" || b["max_active_runs"] != 10.0 {
		t.Errorf("backfill: %v", b)
	}
	for _, c := range []struct {
		status int
		body   object
		detail string
	}{
		{409, span("2026-03-01", "2026-03-02"), "There is already a running backfill for dag hxp_hourly_aggregation"},
		{422, span("2026-03-02", "2026-03-01T09:00:00Z"), "from_date (2026-03-02T00:00:00+00:00) must not be after to_date (2026-03-01T09:00:00+00:00)."},
		{422, span("2027-03-02", "2027-03-03"), "Backfill cannot be executed for future dates."},
		{404, object{"dag_id": "nope", "from_date": "2026-03-01", "to_date": "2026-03-02"}, "Could not find dag nope"},
	} {
		if o := r.want(c.status, "POST", "/backfills", c.body); o["detail"] != c.detail {
			t.Errorf("%v: %v, want %s", c.body, o["detail"], c.detail)
		}
	}
	r.want(200, "PUT", "/backfills/1/cancel", nil)
	if o := r.want(409, "PUT", "/backfills/1/cancel", nil); o["detail"] != "Backfill is already completed." {
		t.Errorf("cancelled twice: %v", o)
	}
	// What reaches into the future stops at now: 12:30 lies in the hour of 12:00.
	r.want(200, "POST", "/backfills", span("2026-03-04T10:00:00Z", "2026-03-09T00:00:00Z"))
	if b := r.sched.backfills[1]; b.Total != 3 {
		t.Errorf("a backfill into the future has %d runs, want the hours 10, 11 and 12", b.Total)
	}
}

func TestClearIsADryRunUnlessSaidOtherwise(t *testing.T) {
	r := newRig(t)
	r.sched.did("hxp_daily_aggregation", agg.RunScheduled, date(2026, 3, 1), agg.RunSuccess)
	r.sched.did("hxp_daily_aggregation", agg.RunScheduled, date(2026, 3, 2), agg.RunFailed)
	const run = "scheduled__2026-03-02T00:00:00+00:00"
	path := "/dags/hxp_daily_aggregation/dagRuns/" + url.PathEscape(run) + "/clear"
	if o := r.want(200, "POST", path, object{}); o["total_entries"] != 2.0 || r.sched.runs[0].State != agg.RunSuccess {
		t.Errorf("dry run: %v", o)
	}
	if o := r.want(200, "POST", path, object{"dry_run": false, "note": "again"}); o["state"] != "queued" || o["note"] != "again" {
		t.Errorf("clear: %v", o)
	}
	const clear = "/dags/hxp_daily_aggregation/clearTaskInstances"
	ids := func(o object) (out []string) {
		for _, v := range list(o["task_instances"]) {
			out = append(out, v.(object)["dag_run_id"].(string)[11:21]+" "+v.(object)["task_id"].(string))
		}
		return out
	}
	for _, c := range []struct {
		body object
		want []string
	}{
		{object{}, []string{"2026-03-03 daily_aggregation", "2026-03-03 report_generation"}}, // only failed, of all runs
		{object{"only_failed": false, "task_ids": []string{"daily_aggregation"}, "start_date": "2026-03-02", "end_date": "2026-03-02"}, []string{"2026-03-03 daily_aggregation"}},
		{object{"only_failed": false, "task_ids": []any{[]any{"daily_aggregation", -1}}, "include_downstream": true, "dag_run_id": "scheduled__2026-03-03T00:00:00+00:00"},
			[]string{"2026-03-03 daily_aggregation", "2026-03-03 report_generation"}},
		{object{"only_failed": false, "task_ids": []string{"report_generation"}, "include_past": true, "dag_run_id": "scheduled__2026-03-03T00:00:00+00:00"},
			[]string{"2026-03-02 report_generation", "2026-03-03 report_generation"}},
	} {
		if got := ids(r.want(200, "POST", clear, c.body)); !slices.Equal(got, c.want) {
			t.Errorf("%v: %v, want %v", c.body, got, c.want)
		}
	}
	r.want(200, "POST", clear, object{"dry_run": false})
	if s := r.sched.runs[1].State; s != agg.RunQueued {
		t.Errorf("after clearing what failed the run is %s", s)
	}
	r.want(422, "POST", clear, object{"task_ids": []string{"nope"}})
	r.want(404, "POST", clear, object{"dag_run_id": "nope"})
}

func TestLogsComeAsJSONAndAsLines(t *testing.T) {
	r := newRig(t)
	r.sched.did("hxp_hourly_aggregation", agg.RunScheduled, noon.Truncate(time.Hour).Add(-time.Hour), agg.RunSuccess)
	r.sched.logs["r1"] = []agg.LogLine{{At: noon, Level: "info", TaskID: "hourly_aggregation", Try: 1, Event: "3 files read"}, {At: noon, Level: "info", TaskID: "hourly_aggregation", Try: 2, Event: "not this"}}
	path := "/dags/hxp_hourly_aggregation/dagRuns/scheduled__2026-03-04T12:00:00+00:00/taskInstances/hourly_aggregation/logs/1?full_content=true"
	o := r.want(200, "GET", path, nil)
	content := list(o["content"])
	last := content[len(content)-1].(object)
	if len(content) != 4 || content[0].(object)["event"] != "::group::Log message source details" || last["event"] != "3 files read" || last["timestamp"] != "2026-03-04T12:30:00Z" {
		t.Errorf("JSON: %v", content)
	}
	got := r.send("GET", path, nil, "Accept", "application/x-ndjson")
	lines := strings.Split(strings.TrimSpace(string(got.body)), "\n")
	if got.header.Get("Content-Type") != "application/x-ndjson" || len(lines) != 4 || !strings.Contains(lines[0], `"timestamp":null`) || !strings.Contains(lines[3], "3 files read") {
		t.Errorf("lines: %s", got.body)
	}
	r.want(404, "GET", strings.Replace(path, "/1?", "/2?", 1), nil)
	r.want(422, "GET", strings.Replace(path, "/1?", "/x?", 1), nil)
}

func TestStatesThatAirflowDoesNotHave(t *testing.T) {
	r := newRig(t)
	r.sched.did("hxp_daily_aggregation", agg.RunScheduled, date(2026, 3, 1), agg.RunCancelled)
	waiting, _, err := r.sched.Trigger(t.Context(), agg.RunRequest{DagID: "hxp_daily_aggregation", RunID: "w"})
	if err != nil {
		t.Fatal(err)
	}
	r.sched.runs[1].State = agg.RunRunning // the first task runs, the turn of the second has not come
	r.sched.runs[1].Tasks[0].State, r.sched.runs[1].Tasks[0].Try = agg.RunRunning, 1
	if o := r.want(200, "GET", "/dags/hxp_daily_aggregation/dagRuns/scheduled__2026-03-02T00:00:00+00:00", nil); o["state"] != "failed" || o["note"] != "cancelled" {
		t.Errorf("a cancelled run is %v with note %v", o["state"], o["note"])
	}
	o := r.want(200, "GET", "/dags/hxp_daily_aggregation/dagRuns/"+waiting.RunID+"/taskInstances", nil)
	var states []any
	for _, v := range list(o["task_instances"]) {
		states = append(states, v.(object)["state"])
	}
	if !slices.Equal(states, []any{"running", nil}) {
		t.Errorf("states %v", states)
	}
}

func TestWaitWritesALineForEachLook(t *testing.T) {
	r := newRig(t)
	r.sched.did("hxp_daily_aggregation", agg.RunScheduled, date(2026, 3, 1), agg.RunSuccess)
	got := r.send("GET", "/dags/hxp_daily_aggregation/dagRuns/scheduled__2026-03-02T00:00:00+00:00/wait?interval=1&result=daily_aggregation", nil)
	if text := strings.TrimSpace(string(got.body)); text != `{"results":{"daily_aggregation":{"rows":3}},"state":"success"}` {
		t.Errorf("%s", text)
	}
	r.want(422, "GET", "/dags/hxp_daily_aggregation/dagRuns/scheduled__2026-03-02T00:00:00+00:00/wait?interval=0", nil)
}

func TestPathsAndMethodsThatAreNotThere(t *testing.T) {
	r := newRig(t)
	if o := r.want(404, "GET", "/nosuch", nil); o["error"] != "API route not found" {
		t.Errorf("%v", o)
	}
	if o := r.want(404, "GET", "!/api/v1/dags", nil); !strings.Contains(o["error"].(string), "/api/v2") {
		t.Errorf("%v", o)
	}
	got := r.send("DELETE", "/dags/hxp_daily_aggregation", nil)
	if got.status != 405 || got.header.Get("Allow") != "GET, HEAD, PATCH" {
		t.Errorf("%d, Allow %q", got.status, got.header.Get("Allow"))
	}
	if got := r.send("HEAD", "/dags", nil); got.status != 200 {
		t.Errorf("HEAD: %d", got.status)
	}
}

func TestFailuresBelowAreNotToldToStrangers(t *testing.T) {
	r := newRig(t)
	r.sched.broken = errors.New("disk /secret/path is gone")
	got := r.send("GET", "/dags", nil)
	if got.status != 500 || strings.Contains(string(got.body), "secret") {
		t.Errorf("%d %s", got.status, got.body)
	}
	o := r.want(200, "GET", "/monitor/health", nil)
	if o["metadatabase"].(object)["status"] != "unhealthy" {
		t.Errorf("health: %v", o)
	}
}

func TestThePageSeesABackfillRunByRun(t *testing.T) {
	r := newRig(t)
	for i, state := range []agg.RunState{agg.RunSuccess, agg.RunFailed, agg.RunRunning} {
		r.sched.did("hxp_daily_aggregation", agg.RunBackfill, date(2026, 2, 3-i), state).BackfillID = 1
	}
	r.want(200, "POST", "/backfills", object{"dag_id": "hxp_daily_aggregation", "from_date": "2026-02-01", "to_date": "2026-02-06", "reprocess_behavior": "completed"})
	r.sched.backfills[0].Done = 1 // of six: one failed, one runs, three wait
	o := r.want(200, "GET", "!/ui/backfills/1", nil)
	if tasks := o["tasks"].(object); o["runs"] != nil || tasks["succeeded"] != 2.0 || tasks["failed"] != 2.0 || tasks["running"] != 2.0 || tasks["waiting"] != 6.0 || o["to"] != "2026-02-06T00:00:00Z" {
		t.Errorf("%v", o)
	}
	o = r.want(200, "GET", "!/ui/backfills/1?runs=true", nil)
	var states []any
	for _, run := range list(o["runs"]) {
		states = append(states, run.(object)["state"])
	}
	if !slices.Equal(states, []any{"running", "failed", "success"}) {
		t.Errorf("in the order of their intervals: %v", states)
	}
}

func TestThePageSeesAllAtOnce(t *testing.T) {
	r := newRig(t)
	r.sched.did("hxp_daily_aggregation", agg.RunScheduled, date(2026, 3, 1), agg.RunCancelled)
	r.sched.logs["r1"] = []agg.LogLine{{At: noon, TaskID: "daily_aggregation", Event: "one"}, {At: noon, TaskID: "report_generation", Event: "two"}}
	o := r.want(200, "GET", "!/ui/overview", nil)
	d := list(o["dags"])[1].(object)
	if len(list(o["dags"])) != 4 || d["dag_id"] != "hxp_daily_aggregation" || list(d["runs"])[0].(object)["state"] != "cancelled" || d["counts"].(object)["failed"] != 1.0 || o["schedulers"].(object)["alive"] != 1.0 {
		t.Errorf("overview: %v", o)
	}
	g := r.want(200, "GET", "!/ui/dags/hxp_daily_aggregation/grid?limit=5", nil)
	if run := list(g["runs"])[0].(object); g["total"] != 1.0 || len(list(run["tasks"])) != 2 {
		t.Errorf("grid: %v", g)
	}
	const run = "!/ui/dags/hxp_daily_aggregation/runs/scheduled__2026-03-02T00:00:00+00:00"
	if o := r.want(200, "GET", run, nil); o["run"].(object)["state"] != "cancelled" || o["dag"].(object)["cron"] != "0 0 * * *" {
		t.Errorf("run: %v", o)
	}
	for query, want := range map[string]int{"": 2, "?after=1": 1, "?after=7": 0, "?task=report_generation": 1} {
		if o := r.want(200, "GET", run+"/logs"+query, nil); len(list(o["lines"])) != want {
			t.Errorf("logs%s: %v", query, o)
		}
	}
	r.want(404, "GET", "!/ui/dags/nope/grid", nil)
	r.want(422, "GET", "!/ui/dags/hxp_daily_aggregation/grid?limit=1001", nil)
	r.want(422, "GET", run+"/logs?after=-1", nil)
	plan := r.want(200, "POST", "!/ui/backfills/plan", object{"dag_id": "hxp_daily_aggregation", "from_date": "2026-02-28", "to_date": "2026-03-02"})
	if plan["total"] != 2.0 || len(list(plan["runs"])) != 3 {
		t.Errorf("plan: %v", plan)
	}
	if o := r.want(200, "POST", run+"/cancel", nil); o["state"] != "cancelled" {
		t.Errorf("cancel: %v", o)
	}
	if e := r.want(200, "GET", "/eventLogs?order_by=-event_log_id", nil); list(e["event_logs"])[0].(object)["event"] != "cancel_dag_run" {
		t.Errorf("audit: %v", e)
	}
}
