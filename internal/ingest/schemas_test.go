package ingest

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestSchemas(t *testing.T) {
	h := newAPI(Defaults(), nil, nil, nil).Handler()
	ask := func(method, path, body string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, path, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	for _, c := range []struct {
		method, path, body string
		status             int
		answer             string
	}{
		{"GET", "/schemas", "", 200, `{"event_type":"llm_request","topic":"llm-requests","version":1,"versions":[1],"url":"/schemas/llm_request"}`},
		{"GET", "/schemas?limit=1", "", 200, `"next_cursor":"`}, {"GET", "/schemas?limit=0", "", 400, "limit"},
		{"GET", "/schemas/llm_request", "", 200, `"$id": "urn:hxp:event:llm_request:1"`}, {"GET", "/schemas/system-metrics", "", 200, `urn:hxp:event:system_metric:1`}, {"GET", "/schemas/envelope/versions/1", "", 200, `urn:hxp:event:envelope:1`},
		{"GET", "/schemas/nothing", "", 404, "no event type"}, {"GET", "/schemas/llm_request/versions", "", 200, `"versions":[1]`}, {"GET", "/schemas/llm_request/versions/1", "", 200, "2020-12"},
		{"GET", "/schemas/llm_request/versions/99", "", 404, "no version 99"}, {"GET", "/schemas/llm_request/versions/x", "", 404, "not a version"}, {"GET", "/schemas/llm_request/versions/1/2", "", 404, "no such path"}, {"GET", "/schemas/nothing/versions/1", "", 404, "no event type"},
		{"POST", "/schemas/llm_request/validate", `{"event_type":"llm_request","model":"m"}`, 200, `{"valid":true,"errors":[]}`},
		{"POST", "/schemas/llm_request/validate", `{"event_type":"llm_request","data":{"duration_ms":"fast"}}`, 200, `{"valid":false,"errors":[{"pointer":"/data/duration_ms","code":"wrong_type"`},
		{"POST", "/schemas/llm_request/validate", `{"event_type":"system_metric"}`, 200, `"code":"unknown_event_type"`}, {"POST", "/schemas/envelope/validate", `{"event_type":"system_metric"}`, 200, `"valid":true`},
		{"POST", "/schemas/llm_request/validate", `{`, 200, `"code":"syntax"`}, {"POST", "/schemas/nothing/validate", `{}`, 404, "no event type"},
	} {
		if w := ask(c.method, c.path, c.body); w.Code != c.status || !strings.Contains(w.Body.String(), c.answer) {
			t.Errorf("%s %s: %d %.300s, want %d %s", c.method, c.path, w.Code, w.Body, c.status, c.answer)
		}
	}
	var names []string
	for next := ""; ; {
		var page schemaPage
		if err := json.Unmarshal(ask(http.MethodGet, "/schemas?limit=2"+next, "").Body.Bytes(), &page); err != nil {
			t.Fatal(err)
		}
		for _, s := range page.Schemas {
			names = append(names, s.Name)
		}
		if page.Next == nil {
			break
		}
		next = "&cursor=" + *page.Next
	}
	if got := strings.Join(names, " "); got != "llm_request user_feedback system_metric business_event envelope" {
		t.Errorf("pages: %s", got)
	}
}
