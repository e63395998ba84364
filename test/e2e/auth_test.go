package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// tokens are made while hxp runs, which sees them within seconds.
const followed = 15 * time.Second

// token makes one by the command line.
func (h *instance) token(t *testing.T, name string, args ...string) (id, text string) {
	t.Helper()
	out, errs, code := h.cli(t, append([]string{"auth", "token", "create", "--name", name, "--json"}, args...)...)
	var made struct{ ID, Token string }
	if code != 0 || json.Unmarshal(out, &made) != nil || made.Token == "" {
		t.Fatalf("exit %d: %s%s", code, out, errs)
	}
	return made.ID, made.Token
}

// as asks with a token, "" for none, and returns the status and the answer.
func (h *instance) as(t *testing.T, token, method, service, path, body string) (int, string) {
	t.Helper()
	header := map[string]string{"Content-Type": "application/x-ndjson"}
	if token != "" {
		header["Authorization"] = "Bearer " + token
	}
	resp, answer, err := call(method, h.url(service)+path, header, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(answer)
}

// requestsOf are those of the last minutes that a token sees.
func (h *instance) requestsOf(t *testing.T, token, query string) int64 {
	t.Helper()
	status, answer := h.as(t, token, "GET", "event-processing-api", "/analytics?window=300"+query, "")
	var a struct{ Overall stats }
	if status != http.StatusOK || json.Unmarshal([]byte(answer), &a) != nil {
		t.Fatalf("%d %s", status, answer)
	}
	return int64(a.Overall.Requests)
}

func tenantLine(id, tenant string) string {
	of := ""
	if tenant != "" {
		of = fmt.Sprintf(`,"tenant":%q`, tenant)
	}
	return fmt.Sprintf(`{"event_type":"llm_request","event_id":%q,"data":{"model":"m","request_id":%q,"success":true,"duration_ms":10%s}}`+"\n", id, id, of)
}

// Nobody comes in without a token; each scope opens its own doors; who is bound to a tenant brings and sees what is of it, on every way, and a
// token that is taken away ends what was opened with it.
func TestTokens(t *testing.T) {
	h := prepare(t, "127.0.0.1:0")
	h.keys = append(h.keys, "HXP_AUTH_TOKENS_FILE="+filepath.Join(h.dir, "tokens.json"))
	h.up(t)
	if status, answer := h.as(t, "", "POST", "kafka-api", "/events", tenantLine("none", "")); status != http.StatusUnauthorized {
		t.Fatalf("without a token: %d %s", status, answer)
	}
	_, ingest := h.token(t, "gateway", "--scope", "ingest")
	_, read := h.token(t, "viewer", "--scope", "read")
	acmeID, acme := h.token(t, "acme", "--scope", "ingest,read", "--tenant", "acme")
	eventually(t, followed, "the tokens count", func() bool {
		status, _ := h.as(t, acme, "GET", "event-processing-api", "/analytics", "")
		return status == http.StatusOK
	})

	if status, answer := h.as(t, ingest, "POST", "kafka-api", "/events", tenantLine("g1", "globex")+tenantLine("g2", "globex")+tenantLine("g3", "globex")); status != http.StatusAccepted {
		t.Fatalf("%d %s", status, answer)
	}
	status, answer := h.as(t, acme, "POST", "kafka-api", "/events", tenantLine("a1", "acme")+tenantLine("a2", "")+tenantLine("g4", "globex")+`{"event_type":"system_metric","data":{"cpu_usage":1}}`)
	if status != http.StatusMultiStatus || !strings.Contains(answer, `"accepted":2,"rejected":2`) || strings.Count(answer, `"code":"other_tenant"`) != 2 {
		t.Errorf("a mixed body of a tenant: %d %s", status, answer)
	}
	eventually(t, readyWithin, "everything is counted", func() bool { return h.requestsOf(t, read, "") == 5 })
	if n := h.requestsOf(t, acme, ""); n != 2 {
		t.Errorf("acme sees %d requests, not its 2", n)
	}
	for _, c := range []struct {
		token, method, service, path string
		status                       int
	}{
		{acme, "GET", "event-processing-api", "/analytics?tenant=globex", 403},
		{acme, "GET", "event-processing-api", "/analytics/performance", 403}, // of everybody together
		{acme, "GET", "kafka-api", "/topics/llm-requests/messages", 403},
		{acme, "GET", "batch-processing-api", "/aggregations/hourly", 200},
		{acme, "GET", "batch-processing-api", "/aggregations/hourly?dimension=model", 403},
		{acme, "GET", "data-streaming-api", "/streams/status", 403},
		{acme, "GET", "data-streaming-api", "/stream?topics=health", 403},
		{read, "POST", "kafka-api", "/events", 403},
		{ingest, "GET", "event-processing-api", "/analytics", 403},
		{read, "POST", "batch-processing-api", "/retention/cleanup", 403},
		{read, "GET", "system", "/configuration", 200},
		{read, "GET", "system", "/services/kafka-api/metrics", 200}, // the board passes it on, with who asks
		{acme, "GET", "operations", "/analytics", 200},
		{acme, "GET", "operations", "/analytics?tenant=globex", 403},
		{"", "GET", "operations", "/analytics", 401},
		{read, "GET", "scheduler", "/api/v2/dags", 200},
		{acme, "GET", "scheduler", "/api/v2/dags", 403},
	} {
		if status, answer := h.as(t, c.token, c.method, c.service, c.path, ""); status != c.status {
			t.Errorf("%s %s%s: %d, want %d: %.300s", c.method, c.service, c.path, status, c.status, answer)
		}
	}
	if status, answer := h.as(t, acme, "GET", "event-processing-api", "/correlations", ""); status != 200 || strings.Contains(answer, "globex") || !strings.Contains(answer, `"a1"`) {
		t.Errorf("the correlations of acme: %d %.500s", status, answer)
	}

	file := filepath.Join(h.dir, "viewer.token")
	if err := os.WriteFile(file, []byte(read+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, errs, code := h.cli(t, "topics", "list", "--url", h.url("kafka-api"), "--token-file", file); code != 0 || !strings.Contains(string(out), "llm-requests") {
		t.Errorf("hxp topics list with a token: %d %s%s", code, out, errs)
	}
	if _, errs, code := h.cli(t, "topics", "list", "--url", h.url("kafka-api")); code != 1 || !strings.Contains(string(errs), "say who you are") {
		t.Errorf("hxp topics list without a token: %d %s", code, errs)
	}

	h.auditTells(t)
	h.hearsItsTenant(t, acme, func() {
		if out, errs, code := h.cli(t, "auth", "token", "revoke", acmeID); code != 0 {
			t.Errorf("revoke: %d %s%s", code, out, errs)
		}
	})
	if status, _ := h.as(t, acme, "GET", "event-processing-api", "/analytics", ""); status != http.StatusUnauthorized {
		t.Errorf("a revoked token: %d", status)
	}
	log, err := os.ReadFile(h.logPath())
	if err != nil {
		t.Fatal(err)
	}
	for _, token := range []string{ingest, read, acme} {
		if strings.Contains(string(log), token) {
			t.Error("a token is in the log")
		}
	}
	if code := h.stop(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// auditTells changes something with a token and finds who did in the audit log, which is whole.
func (h *instance) auditTells(t *testing.T) {
	t.Helper()
	id, admin := h.token(t, "boss", "--scope", "admin")
	eventually(t, followed, "the change is made", func() bool {
		status, answer := h.as(t, admin, "PUT", "kafka-api", "/topics/llm-requests", "")
		if status != http.StatusUnauthorized && status != http.StatusMethodNotAllowed {
			t.Fatalf("%d %s", status, answer)
		}
		return status == http.StatusMethodNotAllowed
	})
	resp, answer, err := call("PATCH", h.url("kafka-api")+"/topics/llm-requests", map[string]string{"Authorization": "Bearer " + admin, "Content-Type": "application/json"}, []byte(`{"config":{"retention.ms":"86400000"}}`))
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%v %v %s", err, resp, answer)
	}
	var a struct {
		Audit []struct {
			Who, What, Target, Service, From string
			Before, After                    map[string]any
		}
	}
	_, text := h.as(t, admin, "GET", "kafka-api", "/audit?limit=1000", "")
	if err := json.Unmarshal([]byte(text), &a); err != nil {
		t.Fatalf("%v %s", err, text)
	}
	found := false
	for _, c := range a.Audit {
		if c.What == "PATCH /topics/{name}" {
			found = c.Who == "boss ("+id+")" && c.Target == "/topics/llm-requests" && c.Service == "kafka-api" && c.From == "127.0.0.1" && c.After["retention.ms"] == "86400000" && c.Before["retention.ms"] != nil
		}
	}
	if !found || !strings.Contains(text, `"what":"token created"`) || strings.Contains(text, admin) {
		t.Errorf("the audit log: %s", text)
	}
	file := filepath.Join(h.dir, "boss.token")
	if err := os.WriteFile(file, []byte(admin), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, errs, code := h.cli(t, "audit", "verify", "--url", h.url("kafka-api"), "--token-file", file); code != 0 || !strings.Contains(string(out), "whole") {
		t.Errorf("hxp audit verify: %d %s%s", code, out, errs)
	}
}

// hearsItsTenant listens with the token of a tenant, revokes it, and reads until the stream ends.
func (h *instance) hearsItsTenant(t *testing.T, token string, revoke func()) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "GET", h.url("data-streaming-api")+"/stream", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var last string
	lines, told := bufio.NewScanner(resp.Body), false
	lines.Buffer(nil, 4<<20)
	for lines.Scan() {
		line := lines.Text()
		if line != "" {
			last = line
		}
		data, ok := strings.CutPrefix(line, "data: ")
		if !ok || told {
			continue
		}
		var m struct {
			Type, Topic string
			Data        struct{ Overall stats }
		}
		if err := json.Unmarshal([]byte(data), &m); err != nil || m.Type != "snapshot" {
			continue
		}
		if m.Topic != "metrics" || m.Data.Overall.Requests != 2 {
			t.Errorf("the stream of a tenant begins with %.300s", data)
		}
		told = true
		revoke()
	}
	if !told || !strings.Contains(last, "no longer counts") {
		t.Errorf("the stream told its state: %v, and ended with %q (%v)", told, last, lines.Err())
	}
}
