package batch

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
	"github.com/hxp-enterprise/hxp/internal/kit/telemetry"
)

func TestAnswers(t *testing.T) {
	run := func(dag, from, to string, more ...string) string {
		return fmt.Sprintf(`{"dag_id":"hxp_%s_aggregation","data_interval_start":"%s","data_interval_end":"%s"%s}`, dag, from, to, strings.Join(more, ""))
	}
	const ten, eleven = "2026-03-01T10:00:00Z", "2026-03-01T11:00:00Z"
	for _, tc := range []struct {
		name, method, path, body string
		status                   int
		pointer                  string // of the first error
	}{
		{"rows", "GET", "/aggregations/hourly", "", 200, ""},
		{"rows of a range", "GET", "/aggregations/hourly?from=" + ten + "&to=2026-03-02&model=*&limit=1000", "", 200, ""},
		{"rows of nobody", "GET", "/aggregations/hourly?model=nobody", "", 200, ""},
		{"empty range", "GET", "/aggregations/hourly?from=" + ten + "&to=" + ten, "", 200, ""},
		{"days", "GET", "/aggregations/daily?model=*", "", 200, ""},
		{"months", "GET", "/aggregations/monthly", "", 200, ""},
		{"unknown level", "GET", "/aggregations/yearly", "", 404, ""},
		{"limit 0", "GET", "/aggregations/hourly?limit=0", "", 422, "limit"},
		{"limit too large", "GET", "/aggregations/hourly?limit=1001", "", 422, "limit"},
		{"limit no number", "GET", "/aggregations/hourly?limit=ten", "", 422, "limit"},
		{"bad time", "GET", "/aggregations/hourly?from=yesterday", "", 422, "from"},
		{"inverted range", "GET", "/aggregations/hourly?from=" + eleven + "&to=" + ten, "", 422, "to"},
		{"bad format", "GET", "/aggregations/hourly?format=xml", "", 422, "format"},
		{"parquet", "GET", "/aggregations/hourly?format=parquet", "", 200, ""},
		{"head of a file", "HEAD", "/aggregations/hourly?format=csv", "", 200, ""},
		{"tenants", "GET", "/aggregations/daily?dimension=tenant", "", 200, ""},
		{"a user", "GET", "/aggregations/hourly?dimension=user_id&value=u", "", 200, ""},
		{"unknown dimension", "GET", "/aggregations/hourly?dimension=colour", "", 422, "dimension"},
		{"value of the model", "GET", "/aggregations/hourly?value=m", "", 422, "value"},
		{"model with tenants", "GET", "/aggregations/hourly?dimension=tenant&model=m", "", 422, "model"},
		{"bad cursor", "GET", "/aggregations/hourly?cursor=!", "", 422, "cursor"},
		{"misspelt parameter", "GET", "/aggregations/hourly?modell=x", "", 422, "modell"},
		{"parameter twice", "GET", "/aggregations/hourly?model=x&model=y", "", 422, "model"},
		{"wrong method", "POST", "/aggregations/hourly", "", 405, ""},
		{"head", "HEAD", "/aggregations/hourly", "", 200, ""},

		{"dags", "GET", "/dags", "", 200, ""},
		{"dag", "GET", "/dags/hxp_daily_aggregation", "", 200, ""},
		{"unknown dag", "GET", "/dags/hxp", "", 404, ""},
		{"runs of a dag", "GET", "/dags/hxp_hourly_aggregation/runs", "", 200, ""},
		{"runs of an unknown dag", "GET", "/dags/hxp/runs", "", 404, ""},

		{"no dag", "POST", "/runs", `{}`, 422, "/dag_id"},
		{"no body", "POST", "/runs", ``, 422, "/dag_id"},
		{"no object", "POST", "/runs", `[]`, 400, ""},
		{"no JSON", "POST", "/runs", `{`, 400, ""},
		{"two objects", "POST", "/runs", `{}{}`, 400, ""},
		{"large body", "POST", "/runs", `{"run_id":"` + strings.Repeat("x", maxRunBody) + `"}`, 413, ""},
		{"wrong type", "POST", "/runs", `{"dag_id":1}`, 422, "/dag_id"},
		{"unknown dag to run", "POST", "/runs", run("yearly", ten, eleven), 422, "/dag_id"},
		{"unknown task", "POST", "/runs", run("hourly", ten, eleven, `,"task_id":"x"`), 422, "/task_id"},
		{"bad run id", "POST", "/runs", run("hourly", ten, eleven, `,"run_id":"../x"`), 422, "/run_id"},
		{"conf no object", "POST", "/runs", run("hourly", ten, eleven, `,"conf":[1]`), 422, "/conf"},
		{"parts of a day", "POST", "/runs", run("daily", "2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z", `,"conf":{"parts":2}`), 422, "/conf/parts"},
		{"part of nothing", "POST", "/runs", run("hourly", ten, eleven, `,"conf":{"part":1}`), 422, "/conf/parts"},
		{"merge of nothing", "POST", "/runs", run("hourly", ten, eleven, `,"conf":{"merge":true}`), 422, "/conf/parts"},
		{"no parts", "POST", "/runs", run("hourly", ten, eleven, `,"conf":{"parts":0}`), 422, "/conf/parts"},
		{"too many parts", "POST", "/runs", run("hourly", ten, eleven, `,"conf":{"parts":65}`), 422, "/conf/parts"},
		{"part beyond the parts", "POST", "/runs", run("hourly", ten, eleven, `,"conf":{"part":2,"parts":2}`), 422, "/conf/part"},
		{"part below 0", "POST", "/runs", run("hourly", ten, eleven, `,"conf":{"part":-1,"parts":2}`), 422, "/conf/part"},
		{"part and merge", "POST", "/runs", run("hourly", ten, eleven, `,"conf":{"part":1,"parts":2,"merge":true}`), 422, "/conf/merge"},
		{"half a part", "POST", "/runs", run("hourly", ten, eleven, `,"conf":{"part":0.5,"parts":2}`), 422, "/conf"},
		{"parts of two hours", "POST", "/runs", run("hourly", ten, "2026-03-01T12:00:00Z", `,"conf":{"parts":2}`), 422, "/data_interval_end"},
		{"part by its name", "POST", "/runs", run("hourly", ten, eleven, `,"task_id":"hourly_aggregation.part_01_of_02"`), 422, "/task_id"},
		{"a part", "POST", "/runs", run("hourly", ten, eleven, `,"task_id":"hourly_aggregation","conf":{"part":1,"parts":2}`), 202, ""},
		{"empty interval", "POST", "/runs", run("hourly", ten, ten), 422, "/data_interval_end"},
		{"inverted interval", "POST", "/runs", run("hourly", eleven, ten), 422, "/data_interval_end"},
		{"half an interval", "POST", "/runs", `{"dag_id":"hxp_hourly_aggregation","data_interval_start":"` + ten + `"}`, 422, "/data_interval_start"},
		{"half an hour", "POST", "/runs", run("hourly", ten, "2026-03-01T10:30:00Z"), 422, "/data_interval_start"},
		{"not whole hours", "POST", "/runs", run("hourly", "2026-03-01T10:00:00.5Z", eleven), 422, "/data_interval_start"},
		{"too many hours", "POST", "/runs", run("hourly", "1990-01-01T00:00:00Z", eleven), 422, "/data_interval_start"},
		{"bad time in a run", "POST", "/runs", run("hourly", "now", eleven), 422, "/data_interval_start"},
		{"days", "POST", "/runs", run("daily", "2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z"), 202, ""},
		{"weeks", "POST", "/runs", run("weekly", "2026-03-01T00:00:00Z", "2026-03-15T00:00:00Z"), 202, ""},
		{"months", "POST", "/runs", run("monthly", "2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z"), 202, ""},
		{"not whole days", "POST", "/runs", run("daily", ten, "2026-03-02T00:00:00Z"), 422, "/data_interval_start"},
		{"a week from Monday", "POST", "/runs", run("weekly", "2026-03-02T00:00:00Z", "2026-03-09T00:00:00Z"), 422, "/data_interval_start"},
		{"half a month", "POST", "/runs", run("monthly", "2026-03-01T00:00:00Z", "2026-03-15T00:00:00Z"), 422, "/data_interval_start"},
		{"reports alone", "POST", "/runs", run("daily", "2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z", `,"task_id":"report_generation"`), 202, ""},
		{"days without an interval", "POST", "/dags/hxp_daily_aggregation/trigger", "", 202, ""},
		{"another zone", "POST", "/runs", run("hourly", "2026-03-01T12:00:00+02:00", eleven), 202, ""},
		{"task and conf", "POST", "/runs", run("hourly", ten, eleven, `,"task_id":"hourly_aggregation","run_id":"scheduled__2026-03-01T10:00:00+00:00","conf":{"a":1},"note":null`), 202, ""},
		{"no interval", "POST", "/runs", `{"dag_id":"hxp_hourly_aggregation"}`, 202, ""},
		{"trigger", "POST", "/dags/hxp_hourly_aggregation/trigger", "", 202, ""},
		{"trigger of another", "POST", "/dags/hxp_hourly_aggregation/trigger", run("daily", ten, eleven), 422, "/dag_id"},
		{"trigger of none", "POST", "/dags/hxp/trigger", "", 404, ""},

		{"runs", "GET", "/runs", "", 200, ""},
		{"runs of an unknown dag", "GET", "/runs?dag_id=x", "", 422, "dag_id"},
		{"runs with a bad cursor", "GET", "/runs?cursor=!", "", 422, "cursor"},
		{"unknown run", "GET", "/runs/x", "", 404, ""},
		{"outcome of an unknown run", "GET", "/runs/x/outcome", "", 404, ""},
		{"logs of an unknown run", "GET", "/runs/x/logs", "", 404, ""},
		{"cancel of an unknown run", "POST", "/runs/x/cancel", "", 404, ""},
		{"status", "GET", "/aggregation/status", "", 200, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				a := begin(t, newWorld(), nil).call(tc.method, tc.path, tc.body)
				if a.status != tc.status {
					t.Fatalf("%d, want %d: %s", a.status, tc.status, a.body)
				}
				if a.status == 202 && !strings.HasPrefix(a.header.Get("Location"), "/runs/") {
					t.Errorf("Location %q", a.header.Get("Location"))
				}
				if a.status < 400 {
					return
				}
				if ct := a.header.Get("Content-Type"); ct != "application/problem+json" || a.json["detail"] == "" {
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

func TestRunsAreFoundAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := begin(t, newWorld(), nil)
		a := r.post(0, 1, "Idempotency-Key", "k1")
		synctest.Wait() // it is over now
		if b := r.post(0, 1, "Idempotency-Key", "k1"); b != a {
			t.Errorf("the same key gives %s and %s", a, b)
		}
		if b := r.post(0, 1, "Idempotency-Key", "k2"); b == a {
			t.Error("another key gives the same run")
		}
		body := `{"dag_id":"hxp_hourly_aggregation","data_interval_start":"2026-03-01T11:00:00Z","data_interval_end":"2026-03-01T12:00:00Z"}`
		if c := r.call("POST", "/runs", body, "Idempotency-Key", "k1"); c.status != 409 {
			t.Errorf("the key of another run: %d %s", c.status, c.body)
		}
		if l := r.call("GET", "/runs?limit=1", ""); l.status != 200 || l.json["next_cursor"] == nil || len(l.json["runs"].([]any)) != 1 {
			t.Errorf("list: %s", l.body)
		}
		if l := r.call("GET", "/dags/hxp_weekly_aggregation/runs", ""); l.body != `{"runs":[],"next_cursor":null}`+"\n" {
			t.Errorf("list of none: %s", l.body)
		}
	})
}

func TestRunNeedsToKnowTheEnds(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		w.endsErr = errors.New("no broker")
		r := begin(t, w, nil)
		a := r.call("POST", "/runs", `{"dag_id":"hxp_hourly_aggregation"}`)
		if a.status != 503 || a.header.Get("Retry-After") == "" {
			t.Errorf("%d %s", a.status, a.body)
		}
		if l := r.call("GET", "/runs", ""); !strings.Contains(l.body, `"runs":[]`) {
			t.Errorf("a run was stored: %s", l.body)
		}
	})
}

// A run that is accepted before Run, or after the stop, waits for the next start.
func TestRunAcceptedWhileStopped(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		s, _ := newService(t, w, nil)
		a := call(t, s, "POST", "/runs", `{"dag_id":"hxp_hourly_aggregation"}`)
		if a.status != 202 || a.json["state"] != "queued" {
			t.Fatalf("%d %s", a.status, a.body)
		}
		other := call(t, s, "POST", "/runs", `{"dag_id":"hxp_hourly_aggregation","data_interval_start":"2026-03-01T11:00:00Z","data_interval_end":"2026-03-01T12:00:00Z"}`)
		if c := call(t, s, "POST", other.header.Get("Location")+"/cancel", ""); c.status != 202 || c.json["state"] != "cancelled" {
			t.Errorf("cancel while stopped: %d %s", c.status, c.body)
		}
		r := begin(t, w, nil)
		synctest.Wait()
		if run := r.run(a.header.Get("Location")); run.State != agg.RunSuccess {
			t.Errorf("%+v", run)
		}
	})
}

func TestSwitchedOff(t *testing.T) {
	for name, off := range map[string]func(*Config){
		"all":    func(c *Config) { c.Aggregation.Enabled = false },
		"hourly": func(c *Config) { c.Aggregation.Intervals.Hourly = false },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld()
				w.publish(hour0, request("1", "m", 0))
				r := begin(t, w, off)
				time.Sleep(5 * time.Minute)
				if len(w.saves) != 0 {
					t.Error("hours are folded")
				}
				if a := r.call("GET", "/aggregation/status", ""); a.json["hourly"] != "disabled" {
					t.Errorf("status %s", a.body)
				}
				if a := r.call("POST", "/runs", `{"dag_id":"hxp_hourly_aggregation"}`); a.status != 409 || !strings.Contains(a.body, "disabled") {
					t.Errorf("a run: %d %s", a.status, a.body)
				}
			})
		})
	}
}

func TestPagesAndCSV(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		for h := range int64(3) {
			w.publish(hour0+h*3600, request("1", `m,"1"`, 0), request("2", "n", 1))
		}
		r := begin(t, w, nil)
		time.Sleep(time.Minute)
		seen, cursor := 0, ""
		for {
			a := r.call("GET", "/aggregations/hourly?model=*&limit=2&cursor="+cursor, "")
			seen += len(a.json["rows"].([]any))
			if a.json["next_cursor"] == nil {
				break
			}
			cursor = a.json["next_cursor"].(string)
		}
		if seen != 9 {
			t.Errorf("%d rows on all pages", seen)
		}
		a := r.call("GET", "/aggregations/hourly?model=*&limit=2&format=csv", "")
		lines, err := csv.NewReader(strings.NewReader(a.body)).ReadAll()
		if err != nil || len(lines) != 10 || !slices.Equal(lines[0], agg.Columns) || !strings.Contains(a.body, "\r\n") {
			t.Fatalf("CSV of %d lines, %v: %s", len(lines), err, a.body)
		}
		if parquet := r.call("GET", "/aggregations/hourly?model=*&format=parquet", ""); parquet.body != a.body {
			t.Errorf("the writer of Parquet got other rows: %s", parquet.body)
		}
		if got := lines[2]; got[0] != "2026-03-01T10:00:00Z" || got[1] != `m,"1"` || got[2] != "1" || got[19] != "" || got[27] != "1" {
			t.Errorf("line %q", got)
		}
	})
}

// Rows of another dimension have its name in place of model.
func TestRowsByDimension(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		w.period("hourly", hour0).save(agg.Aggregate{Rows: map[string][]agg.Row{agg.ByTenant: {{Timestamp: timeOf(hour0), Model: "acme", Requests: 3}}}})
		r := begin(t, w, nil)
		a := r.call("GET", "/aggregations/hourly?dimension=tenant", "")
		if !strings.Contains(a.body, `{"timestamp":"2026-03-01T10:00:00Z","tenant":"acme","requests":3,`) {
			t.Error(a.body)
		}
		if a := r.call("GET", "/aggregations/hourly?dimension=tenant&format=csv", ""); !strings.HasPrefix(a.body, "timestamp,tenant,requests,") || !strings.Contains(a.body, "\r\n2026-03-01T10:00:00Z,acme,3,") {
			t.Error(a.body)
		}
		if a := r.call("GET", "/aggregations/hourly?dimension=tenant&value=globex", ""); len(a.json["rows"].([]any)) != 0 {
			t.Error(a.body)
		}
	})
}

func TestColumnsAreTheFields(t *testing.T) {
	row := reflect.TypeFor[agg.Row]()
	var names []string
	for f := range row.Fields() {
		names = append(names, f.Tag.Get("json"))
	}
	if !slices.Equal(names, agg.Columns) {
		t.Errorf("fields %v, columns %v", names, agg.Columns)
	}
}

func TestMetricsAreThere(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		w.publish(hour0, request("1", "m", 0))
		r := begin(t, w, nil)
		time.Sleep(time.Minute)
		r.post(0, 1)
		synctest.Wait()
		for name, want := range map[string]float64{"batch_processing_success_rate": 1, "batch_processing_completion_rate": 1, "data_aggregation_hourly_status": 1,
			"data_aggregation_daily_status": 0, "data_aggregation_weekly_status": 0, "data_aggregation_monthly_status": 0,
			"data_aggregation_accuracy_ratio": 1, "data_aggregation_dirty_periods": 0} {
			if got, ok := r.reg.Sum(name); !ok || got != want {
				t.Errorf("%s = %v, %v, want %v", name, got, ok, want)
			}
		}
		rec := httptest.NewRecorder()
		r.reg.Handler().ServeHTTP(rec, httptest.NewRequest("GET", "/metrics", nil))
		body, _ := io.ReadAll(rec.Body)
		if !strings.Contains(string(body), `batch_processing_duration_seconds{dag_id="hxp_hourly_aggregation"}`) {
			t.Error("no duration by DAG")
		}
	})
}

func TestHealthOfTheTables(t *testing.T) {
	s, _ := newService(t, newWorld(), nil)
	h := httpx.NewHealth("batch-processing-api", "test")
	s.AddChecks(h)
	if b := h.Report(t.Context()); b.Status != httpx.Healthy || len(b.Checks) != 3 {
		t.Errorf("%+v", b)
	}
}

func TestConfigSaysEverythingAtOnce(t *testing.T) {
	c := Defaults()
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	c.Processing.HourlyCron, c.Processing.DailyCron, c.Processing.WeeklyCron, c.Processing.MonthlyCron = "@hourly", "0 0 * * * *", "CRON_TZ=Europe/Berlin 0 0 * * 0", "0 0 31 2 *"
	c.Processing.Timeout, c.Processing.Workers = 0, 65
	c.Processing.Timezone, c.Processing.Policies.Weekly.CatchUp = "Mars/Olympus", "some"
	err := c.Validate()
	for _, want := range []string{"hourly_cron", "daily_cron", "weekly_cron", "monthly_cron", "never comes due", "batch_processing.timezone", "policies.weekly.catchup", "batch_processing.timeout", "batch_processing.workers"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in %v", want, err)
		}
	}
	if _, err := New(c, Deps{}); err == nil {
		t.Error("New takes a bad configuration")
	}
}

// The defaults in the tags, from which the reference page is made, are those of Defaults.
func TestDefaultsAreThoseOfTheTags(t *testing.T) {
	var walk func(v reflect.Value)
	walk = func(v reflect.Value) {
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if f.Type.Kind() == reflect.Struct {
				walk(v.Field(i))
			} else if f.Type.Kind() == reflect.Slice && f.Type.Elem().Kind() == reflect.Struct { // a list that files alone can write
				if v.Field(i).Len() > 0 || f.Tag.Get("doc") == "" || f.Tag.Get("yaml") == "" {
					t.Errorf("%s: %v, tag %q", f.Name, v.Field(i), f.Tag)
				}
			} else if got := written(v.Field(i)); got != f.Tag.Get("default") || f.Tag.Get("doc") == "" || f.Tag.Get("yaml") == "" || (f.Tag.Get("env") == "") != (v.Type() == reflect.TypeFor[Policy]() || v.Type() == reflect.TypeFor[Routing]()) {
				t.Errorf("%s: default %q, tag %q", f.Name, got, f.Tag)
			}
		}
	}
	walk(reflect.ValueOf(Defaults()))
}

// written is a value as the tag default writes it.
func written(v reflect.Value) string {
	if list, ok := v.Interface().([]string); ok {
		return strings.Join(list, ",")
	}
	if d, ok := v.Interface().(time.Duration); ok { // a unit of seconds
		return fmt.Sprint(d.Seconds())
	}
	if v.Kind() == reflect.Slice && v.Len() == 0 {
		return ""
	}
	return fmt.Sprint(v)
}

func TestNextRuns(t *testing.T) {
	s, _ := newService(t, newWorld(), nil)
	now := time.Date(2026, 3, 4, 10, 30, 0, 0, time.UTC) // a Wednesday
	for period, want := range map[string]string{"hourly": "2026-03-04T11:00:00Z", "daily": "2026-03-05T00:00:00Z", "weekly": "2026-03-08T00:00:00Z", "monthly": "2026-04-01T00:00:00Z"} {
		if got := s.dagOf(period).next(now).Format(time.RFC3339); got != want {
			t.Errorf("%s runs next at %s, want %s", period, got, want)
		}
	}
}

var _ telemetry.Collector = (*metrics)(nil)
