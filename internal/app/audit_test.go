package app

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/alert/respond"
	"github.com/hxp-enterprise/hxp/internal/audit"
	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/run"
)

// auditedCall is a request that changes something, or only leads up to one, and what the audit says of it.
type auditedCall struct {
	service string
	call    string // operation of the OpenAPI document
	path    string // "" = that of call; $name is what an answer before gave
	body    string
	// before and after are texts that the sides of the record have, "null" when nothing was or is there. Without both nothing is recorded.
	before, after string
	keep          string // "name field.field" of the answer
}

// auditedCalls has every operation that changes something at least once; those that only ask, or try, leave no record.
var auditedCalls = []auditedCall{
	{KafkaAPI, "POST /topics", "", `{"name":"extra","partitions":1}`, "null", `"partitions":1`, ""},
	{KafkaAPI, "PATCH /topics/{name}", "/topics/extra", `{"config":{"retention.ms":"86400000"}}`, `"retention.ms":"6`, `"retention.ms":"86400000"`, ""},
	{KafkaAPI, "PUT /routes/{name}", "/routes/r", `{"when":"data.success == false","to":"extra","mode":"copy"}`, "null", `"mode":"copy"`, ""},
	{KafkaAPI, "PUT /routes/{name}", "/routes/r", `{"when":"data.success == false","to":"extra","mode":"move"}`, `"mode":"copy"`, `"mode":"move"`, ""},
	{KafkaAPI, "DELETE /routes/{name}", "/routes/r", "", `"mode":"move"`, "null", ""},
	{KafkaAPI, "DELETE /topics/{name}", "/topics/extra", "", `"partitions":1`, "null", ""},
	{KafkaAPI, "POST /consumer-groups/{id}/reset", "/consumer-groups/mine/reset", `{"to":{"llm-requests":{"0":0}},"dry_run":true}`, "", "", ""},
	{KafkaAPI, "POST /consumer-groups/{id}/reset", "/consumer-groups/mine/reset", `{"to":{"llm-requests":{"0":0}}}`, `{"llm-requests":{"0":1}}`, `{"llm-requests":{"0":0}}`, ""},
	{KafkaAPI, "GET /dead-letters", "", "", "", "", "letter dead_letters.0.id"},
	{KafkaAPI, "POST /dead-letters/redrive", "", `{"ids":["$letter"],"dry_run":true}`, "", "", ""},
	{KafkaAPI, "POST /dead-letters/redrive", "", `{"ids":["$letter"],"patch":{"event_type":"llm_request"}}`, `"$letter":"open"`, `"$letter":"redriven"`, ""},
	{KafkaAPI, "PUT /config", "", `{"compatibility":"NONE"}`, `"compatibility":"BACKWARD"`, `"compatibility":"NONE"`, ""},
	{KafkaAPI, "DELETE /config", "", "", `"compatibility":"NONE"`, `"compatibility":"BACKWARD"`, ""},
	{KafkaAPI, "PUT /config/{subject}", "/config/s", `{"compatibility":"FULL"}`, `{}`, `"compatibility":"FULL"`, ""},
	{KafkaAPI, "DELETE /config/{subject}", "/config/s", "", `"compatibility":"FULL"`, `{}`, ""},
	{KafkaAPI, "POST /subjects/{subject}/versions", "/subjects/s/versions", `{"schema":"\"string\""}`, "null", `"version":1`, ""},
	{KafkaAPI, "POST /subjects/{subject}/versions", "/subjects/s/versions", `{"schema":"\"string\""}`, "", "", ""},
	{KafkaAPI, "PUT /mode", "", `{"mode":"READONLY"}`, `"mode":"READWRITE"`, `"mode":"READONLY"`, ""},
	{KafkaAPI, "PUT /mode/{subject}", "/mode/s", `{"mode":"READWRITE"}`, `{}`, `"mode":"READWRITE"`, ""},
	{KafkaAPI, "DELETE /subjects/{subject}/versions/{version}", "/subjects/s/versions/1", "", `"version":1`, `"deleted":true`, ""},
	{KafkaAPI, "DELETE /subjects/{subject}", "/subjects/s?permanent=true", "", `"deleted":true`, "null", ""},
	{KafkaAPI, "DELETE /mode/{subject}", "/mode/s", "", `"mode":"READWRITE"`, `{}`, ""},

	{EventProcessingAPI, "PUT /rules/{name}", "/rules/mine", `{"type":"threshold","metric":"requests","op":">","value":10,"window":"60s","severity":"info"}`, "null", `"severity":"info"`, ""},
	{EventProcessingAPI, "PUT /rules/{name}", "/rules/mine", `{"type":"threshold","metric":"requests","op":">","value":10,"window":"60s","severity":"warning"}`, `"severity":"info"`, `"severity":"warning"`, ""},
	{EventProcessingAPI, "DELETE /rules/{name}", "/rules/mine", "", `"severity":"warning"`, "null", ""},
	{EventProcessingAPI, "POST /responses/{id}/dry-run", "/responses/one/dry-run", "", "", "", ""},
	{EventProcessingAPI, "POST /responses/{id}/approve", "/responses/one/approve", "", `"state":"proposed"`, `"action":"drain"`, ""},
	{EventProcessingAPI, "POST /responses/{id}/dismiss", "/responses/two/dismiss", "", `"state":"proposed"`, `"state":"dismissed"`, ""},
	{EventProcessingAPI, "POST /responses/{id}/revert", "/responses/three/revert", "", `"state":"applied"`, `"action":"drain"`, ""},
	{EventProcessingAPI, "PUT /responses/kill-switch", "", `{"on":true,"reason":"maintenance"}`, `"on":false`, `"reason":"maintenance"`, ""},

	{BatchProcessingAPI, "PUT /prices", "", `{"prices":[{"model":"m","effective_from":"2026-01-01T00:00:00Z","input_cost_per_token":1e-6}]}`, "[]", `"model":"m"`, ""},
	{BatchProcessingAPI, "PUT /prices", "", `{"prices":[{"model":"m","effective_from":"2026-01-01T00:00:00Z","input_cost_per_token":1e-6}]}`, "", "", ""},
	{BatchProcessingAPI, "PUT /prices", "", `{"prices":[{"model":"m","effective_from":"2026-01-01T00:00:00Z","input_cost_per_token":2e-6}]}`, `"input_cost_per_token":0.000001`, `"input_cost_per_token":0.000002`, ""},
	{BatchProcessingAPI, "PUT /reports/schedules", "", `{"schedules":[{"report_type":"daily_summary","made":true,"mail":[{"recipients":["boss@example.org"]}]}]}`, `"origin":"configuration"`, `boss@example.org`, ""},
	{BatchProcessingAPI, "POST /reports/generate", "", `{"report_type":"test","format":"json"}`, "null", `"report_type":"test"`, "report id"},
	{BatchProcessingAPI, "DELETE /reports/{id}", "/reports/$report", "", `"id":"$report"`, "null", ""},
	{BatchProcessingAPI, "PUT /retention/holds/{name}", "/retention/holds/h", `{"class":"raw","from":"2026-01-01T00:00:00Z","to":"2026-02-01T00:00:00Z","reason":"a case"}`, "null", `"reason":"a case"`, ""},
	{BatchProcessingAPI, "PUT /retention/holds/{name}", "/retention/holds/h", `{"class":"raw","from":"2026-01-01T00:00:00Z","to":"2026-03-01T00:00:00Z","reason":"a case"}`, `2026-02-01T`, `2026-03-01T`, ""},
	{BatchProcessingAPI, "DELETE /retention/holds/{name}", "/retention/holds/h", "", `"reason":"a case"`, "null", ""},
	{BatchProcessingAPI, "POST /retention/cleanup", "", `{"dry_run":true}`, "null", `"dry_run":true`, ""},
	{BatchProcessingAPI, "POST /retention/cleanup", "", `{"force":true}`, "null", `"force":true`, "plan plan_id"},
	{BatchProcessingAPI, "POST /retention/restore", "", `{"archive":"$plan"}`, "null", `"archive":"$plan"`, ""},
	{BatchProcessingAPI, "POST /retention/verify", "", "", "", "", ""},
	{BatchProcessingAPI, "POST /erasures", "", `{"user_id":"u-1","dry_run":true}`, "null", `"by":"user_id"`, ""},
	{BatchProcessingAPI, "POST /erasures/verify", "", `{"user_id":"u-1"}`, "", "", ""},
	{BatchProcessingAPI, "POST /accuracy/check", "", `{"from":"2026-01-01T00:00:00Z","to":"2026-01-01T01:00:00Z"}`, "", "", ""},
	{BatchProcessingAPI, "POST /dags/{id}/unpause", "/dags/hxp_daily_aggregation/unpause", "", `"paused":false`, `"paused":false`, ""},
	{BatchProcessingAPI, "POST /dags/{id}/pause", "/dags/hxp_daily_aggregation/pause", "", `"paused":false`, `"paused":true`, ""},
	{BatchProcessingAPI, "POST /runs", "", `{"dag_id":"hxp_daily_aggregation","data_interval_start":"2026-01-01T00:00:00Z","data_interval_end":"2026-01-02T00:00:00Z","run_id":"one"}`, "null", `"run_id":"one"`, "run id"},
	{BatchProcessingAPI, "POST /runs/{id}/mark", "/runs/$run/mark", `{"state":"failed"}`, `"state":"queued"`, `"state":"failed"`, ""},
	{BatchProcessingAPI, "POST /runs/{id}/clear", "/runs/$run/clear", `{}`, `"state":"failed"`, `"state":"queued"`, ""},
	{BatchProcessingAPI, "POST /runs/{id}/cancel", "/runs/$run/cancel", "", `"state":"queued"`, `"state":"cancelled"`, ""},
	{BatchProcessingAPI, "POST /dags/{id}/trigger", "/dags/hxp_daily_aggregation/trigger", `{"run_id":"two","data_interval_start":"2026-01-02T00:00:00Z","data_interval_end":"2026-01-03T00:00:00Z"}`, "null", `"run_id":"two"`, ""},
	{BatchProcessingAPI, "POST /dags/{id}/backfill", "/dags/hxp_daily_aggregation/backfill", `{"from":"2026-01-05","to":"2026-01-08","dry_run":true}`, "", "", ""},
	{BatchProcessingAPI, "POST /dags/{id}/backfill", "/dags/hxp_daily_aggregation/backfill", `{"from":"2026-01-05","to":"2026-01-08","conf":{"for":"u-1"}}`, "null", `"total":3`, "backfill id"},
	{BatchProcessingAPI, "POST /backfills/{id}/pause", "/backfills/$backfill/pause", "", `"paused":false`, `"paused":true`, ""},
	{BatchProcessingAPI, "POST /backfills/{id}/unpause", "/backfills/$backfill/unpause", "", `"paused":true`, `"paused":false`, ""},
	{BatchProcessingAPI, "POST /backfills/{id}/cancel", "/backfills/$backfill/cancel", "", `"state":"running"`, `"state":"cancelled"`, ""},

	{DataStreamingAPI, "PUT /notifications/config", "", `{"route":{"receiver":"nobody"},"receivers":[{"name":"nobody"}]}`, `"receivers"`, `"nobody"`, ""},
	{DataStreamingAPI, "POST /notifications/test", "", `{"receiver":"nobody","preview":true}`, "", "", ""},
	{DataStreamingAPI, "POST /notifications/test", "", `{"receiver":"nobody"}`, "null", `"receiver":"nobody"`, ""},
	{DataStreamingAPI, "POST /notifications/silences", "", `{"matchers":[{"name":"a","value":"b"}],"startsAt":"2026-01-01T00:00:00Z","endsAt":"$later","createdBy":"ann","comment":"why"}`, "null", `"createdBy":"ann"`, "silence id"},
	{DataStreamingAPI, "DELETE /notifications/silences/{id}", "/notifications/silences/$silence", "", `"endsAt":"$later"`, `"id":"$silence"`, ""},
	{DataStreamingAPI, "DELETE /notifications/silences/{id}", "/notifications/silences/$silence", "", "", "", ""},
	{DataStreamingAPI, "POST /api/v2/silences", "", `{"matchers":[{"name":"a","value":"b"}],"startsAt":"2026-01-01T00:00:00Z","endsAt":"$later","createdBy":"ann","comment":"why"}`, "null", `"comment":"why"`, "silence silenceID"},
	{DataStreamingAPI, "DELETE /api/v2/silence/{id}", "/api/v2/silence/$silence", "", `"endsAt":"$later"`, `"id":"$silence"`, ""},
	{DataStreamingAPI, "POST /api/v2/alerts", "", `[{"labels":{"alertname":"mine"}}]`, "", "", ""},
	{DataStreamingAPI, "GET /api/v2/alerts", "", "", "", "", "alert 0.fingerprint"},
	{DataStreamingAPI, "POST /notifications/ack", "", `{"fingerprint":"$alert","by":"ann"}`, "null", `"by":"ann"`, ""},
	{DataStreamingAPI, "POST /notifications/ack", "", `{"fingerprint":"$alert","by":"bob"}`, `"by":"ann"`, `"by":"bob"`, ""},

	{Scheduler, "POST /ui/session", "", "", "", "", ""},
	{Scheduler, "PATCH /api/v2/dags", "/api/v2/dags?dag_id_pattern=monthly", `{"is_paused":true}`, `{"hxp_monthly_aggregation":false}`, `{"hxp_monthly_aggregation":true}`, ""},
	{Scheduler, "PATCH /api/v2/dags/{dag}", "/api/v2/dags/hxp_weekly_aggregation", `{"is_paused":true}`, `{"hxp_weekly_aggregation":false}`, `{"hxp_weekly_aggregation":true}`, ""},
	{Scheduler, "POST /api/v2/dags/{dag}/dagRuns", "/api/v2/dags/hxp_weekly_aggregation/dagRuns", `{"dag_run_id":"w","logical_date":null,"data_interval_start":"2026-01-04T00:00:00Z","data_interval_end":"2026-01-11T00:00:00Z"}`, "null", `"run_id":"w"`, ""},
	{Scheduler, "PATCH /api/v2/dags/{dag}/dagRuns/{run}/taskInstances/{task}", "/api/v2/dags/hxp_weekly_aggregation/dagRuns/w/taskInstances/weekly_aggregation", `{"new_state":"failed"}`, `"weekly_aggregation":"queued"`, `"weekly_aggregation":"failed"`, ""},
	{Scheduler, "POST /api/v2/dags/{dag}/clearTaskInstances", "/api/v2/dags/hxp_weekly_aggregation/clearTaskInstances", `{"dag_run_id":"w"}`, "", "", ""},
	{Scheduler, "POST /api/v2/dags/{dag}/clearTaskInstances", "/api/v2/dags/hxp_weekly_aggregation/clearTaskInstances", `{"dag_run_id":"w","dry_run":false}`, `"weekly_aggregation":"failed"`, `"weekly_aggregation":"queued"`, ""},
	{Scheduler, "PATCH /api/v2/dags/{dag}/dagRuns/{run}", "/api/v2/dags/hxp_weekly_aggregation/dagRuns/w", `{"state":"failed","note":"broken"}`, `"state":"queued"`, `"note":"broken"`, ""},
	{Scheduler, "POST /api/v2/dags/{dag}/dagRuns/{run}/clear", "/api/v2/dags/hxp_weekly_aggregation/dagRuns/w/clear", `{}`, "", "", ""},
	{Scheduler, "POST /api/v2/dags/{dag}/dagRuns/{run}/clear", "/api/v2/dags/hxp_weekly_aggregation/dagRuns/w/clear", `{"dry_run":false}`, `"state":"failed"`, `"state":"queued"`, ""},
	{Scheduler, "POST /ui/dags/{dag}/runs/{run}/cancel", "/ui/dags/hxp_weekly_aggregation/runs/w/cancel", "", `"state":"queued"`, `"state":"cancelled"`, ""},
	{Scheduler, "POST /api/v2/backfills", "", `{"dag_id":"hxp_weekly_aggregation","from_date":"2026-02-01T00:00:00Z","to_date":"2026-02-08T00:00:00Z","dag_run_conf":{"for":"u-1"}}`, "null", `"state":"running"`, "backfill id"},
	{Scheduler, "PUT /api/v2/backfills/{backfill}/pause", "/api/v2/backfills/$backfill/pause", "", `"paused":false`, `"paused":true`, ""},
	{Scheduler, "PUT /api/v2/backfills/{backfill}/unpause", "/api/v2/backfills/$backfill/unpause", "", `"paused":true`, `"paused":false`, ""},
	{Scheduler, "PUT /api/v2/backfills/{backfill}/cancel", "/api/v2/backfills/$backfill/cancel", "", `"state":"running"`, `"state":"cancelled"`, ""},
}

// TestEveryChangeIsAudited goes through all operations of all services that change something: each leaves one record, with what was there before and
// what is there after. An operation that is new and stands in no line of auditedCalls fails it, and one that takes no body where it says that it needs one.
func TestEveryChangeIsAudited(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	log := slog.New(slog.DiscardHandler)
	sys, units, err := alone(ctx, Names, t.TempDir(), log)
	if err != nil {
		t.Fatal(err)
	}
	if err := run.Supervise(ctx, log, units, func() {
		defer stop()
		a := newAuditor(t, sys)
		a.prepare(ctx)
		open := a.operations()
		for i, c := range auditedCalls {
			a.do(i, c)
			delete(open, c.service+" "+c.call)
		}
		a.judge()
		for call := range open {
			t.Errorf("%s is a change of which no line of auditedCalls says what the audit tells", call)
		}
	}); err != nil {
		t.Fatal(err)
	}
}

// auditor sends changes and reads the audit.
type auditor struct {
	t    *testing.T
	sys  *system
	urls map[string]string
	http http.Client
	kept *strings.Replacer
	vars []string
	said map[int][2]string // index of auditedCalls → what its sides have
	must map[string]bool   // operations whose description says that they need a body
}

func newAuditor(t *testing.T, sys *system) *auditor {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	a := &auditor{t: t, sys: sys, urls: sys.allURLs(), http: http.Client{Jar: jar}, said: map[int][2]string{}, must: map[string]bool{}}
	a.keep("later", time.Now().Add(time.Hour).UTC().Truncate(time.Second).Format(time.RFC3339))
	return a
}

func (a *auditor) keep(name, value string) {
	a.vars = append([]string{"$" + name, value}, a.vars...) // of two of a name the newer one is found first
	a.kept = strings.NewReplacer(a.vars...)
}

// prepare brings what can be changed: a consumer group, a dead letter, and responses in three states.
func (a *auditor) prepare(ctx context.Context) {
	const letter = `{"event_id":"e-1","event_type":"nonsense","timestamp":"2026-01-01T00:00:00Z","source":"x","data":{"request_id":"r","model":"m"}}`
	now := time.Now()
	order := &respond.Order{Rule: "r", Alert: "a", Mode: "propose", Action: "drain", Target: "gateway"}
	records := []respond.Record{
		{What: respond.WhatProposed, Response: "one", Order: order, Until: now.Add(time.Hour)},
		{What: respond.WhatProposed, Response: "two", Order: order, Until: now.Add(time.Hour)},
		{What: respond.WhatApproved, Response: "three", Order: order, Until: now.Add(time.Hour)},
		{What: respond.WhatClaimed, Response: "three", Owner: "o", ClaimUntil: now.Add(time.Hour)},
		{What: respond.WhatApplied, Response: "three", Owner: "o", Until: now.Add(time.Hour), ClaimUntil: now.Add(time.Hour)},
		{What: respond.WhatUnverified, Response: "three", Owner: "o"},
	}
	out, err := a.sys.bus.NewProducer(bus.ProducerOptions{})
	if err != nil {
		a.t.Fatal(err)
	}
	defer out.Close()
	messages, prev := []*bus.Message{{Topic: "llm-requests", Value: []byte("{}")}}, ""
	for _, r := range records {
		r.At, r.Who, r.Reason = now, "test", "because"
		sealed, err := r.Seal(prev)
		if err != nil {
			a.t.Fatal(err)
		}
		messages, prev = append(messages, &bus.Message{Topic: event.TopicResponses, Value: sealed}), r.Hash
	}
	if err := out.Send(ctx, messages); err != nil {
		a.t.Fatal(err)
	}
	if err := a.sys.bus.Reset(ctx, "mine", []bus.Move{{Topic: "llm-requests", To: 1}}); err != nil {
		a.t.Fatal(err)
	}
	a.send("POST", KafkaAPI, "/events", letter, "")
}

// operations are those that the services say they record.
func (a *auditor) operations() map[string]bool {
	out := map[string]bool{}
	for _, service := range withAPI {
		var d struct {
			Paths map[string]map[string]struct {
				Audited     bool `json:"x-audited"`
				RequestBody struct{ Required bool }
			}
		}
		if err := json.Unmarshal(fetchDocument(a.t, a.urls[service]+"/openapi.json"), &d); err != nil {
			a.t.Fatal(err)
		}
		for path, methods := range d.Paths {
			for method, o := range methods {
				call := service + " " + strings.ToUpper(method) + " " + path
				if o.Audited {
					out[call] = true
				}
				a.must[call] = o.RequestBody.Required
			}
		}
	}
	return out
}

func (a *auditor) send(method, service, path, body, id string) (int, []byte) {
	req, err := http.NewRequestWithContext(a.t.Context(), method, a.urls[service]+path, strings.NewReader(body))
	if err != nil {
		a.t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if id != "" {
		req.Header.Set("X-Request-Id", id)
	}
	res, err := a.http.Do(req)
	if err != nil {
		a.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }() // read to its end
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		a.t.Fatal(err)
	}
	return res.StatusCode, answer
}

func (a *auditor) do(i int, c auditedCall) {
	method, path, _ := strings.Cut(c.call, " ")
	path, body := a.kept.Replace(cmp.Or(c.path, path)), a.kept.Replace(c.body)
	if a.must[c.service+" "+c.call] {
		if status, answer := a.send(method, c.service, path, "", ""); status < 400 {
			a.t.Errorf("%s says that it needs a body, and takes none: %d %s", c.call, status, answer)
		}
	}
	status, answer := a.send(method, c.service, path, body, "call-"+strconv.Itoa(i))
	if status >= 300 {
		a.t.Errorf("%s %s: %d %s", c.call, body, status, answer)
		return
	}
	if name, field, ok := strings.Cut(c.keep, " "); ok {
		a.keep(name, fieldOf(a.t, answer, field))
	}
	a.said[i] = [2]string{a.kept.Replace(c.before), a.kept.Replace(c.after)}
}

// fieldOf is what stands at "a.0.b" of an answer.
func fieldOf(t *testing.T, answer []byte, field string) string {
	d := json.NewDecoder(bytes.NewReader(answer))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Error(err)
	}
	for name := range strings.SplitSeq(field, ".") {
		switch x := v.(type) {
		case map[string]any:
			v = x[name]
		case []any:
			n, err := strconv.Atoi(name)
			if err != nil || n >= len(x) {
				t.Errorf("%s has no %s", answer, field)
				return ""
			}
			v = x[n]
		}
	}
	switch x := v.(type) {
	case string:
		return x
	case json.Number:
		return x.String()
	}
	t.Errorf("%s has no %s", answer, field)
	return ""
}

// judge holds the records to what was said.
func (a *auditor) judge() {
	var page struct{ Audit []audit.Record }
	status, answer := a.send("GET", KafkaAPI, "/audit?limit=1000", "", "")
	if err := json.Unmarshal(answer, &page); err != nil || status != http.StatusOK {
		a.t.Fatalf("%d %v", status, err)
	}
	for i, c := range auditedCalls {
		var found []audit.Record
		for _, r := range page.Audit {
			if r.RequestID == "call-"+strconv.Itoa(i) {
				found = append(found, r)
			}
		}
		said, asked := a.said[i]
		if !asked {
			continue // it was refused
		}
		before, after := said[0], said[1]
		switch {
		case before == "" && after == "":
			if len(found) != 0 {
				a.t.Errorf("%s %s changed nothing, and there is a record of it: %+v", c.call, c.body, found)
			}
		case len(found) != 1:
			a.t.Errorf("%s %s has %d records", c.call, c.body, len(found))
		default:
			r := found[0]
			if !has(r.Before, before) || !has(r.After, after) || r.Service != c.service || r.Who == "" || r.From != "127.0.0.1" || !strings.HasPrefix(r.What, strings.Fields(c.call)[0]) {
				a.t.Errorf("%s %s:\n%+v\nbefore %s\nafter  %s\nwant   %s and %s", c.call, c.body, r, r.Before, r.After, before, after)
			}
			if strings.Contains(string(r.Before)+string(r.After), "u-1") {
				a.t.Errorf("%s: the record names whose data it is about", c.call)
			}
		}
	}
	var proof Proof
	if _, answer := a.send("GET", KafkaAPI, "/audit/verify", "", ""); json.Unmarshal(answer, &proof) != nil || !proof.Valid || proof.Records != len(page.Audit) {
		a.t.Errorf("the log is %s", answer)
	}
}

func has(side json.RawMessage, text string) bool {
	if text == "null" || text == "{}" || text == "[]" {
		return string(side) == text
	}
	return strings.Contains(string(side), text)
}
