package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// gateway is a system with endpoints that can be drained.
type gateway struct {
	*httptest.Server
	mu      sync.Mutex
	drained map[string]bool
	applies int
	backs   int
	hang    chan string // when set, a change is made and never answered; its endpoint comes here
	failed  int         // requests sent that failed
}

func newGateway(t *testing.T) *gateway {
	g := &gateway{drained: map[string]bool{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /admin/{endpoint}", func(w http.ResponseWriter, r *http.Request) {
		g.mu.Lock()
		defer g.mu.Unlock()
		fmt.Fprintf(w, `{"drained":%v}`, g.drained[r.PathValue("endpoint")])
	})
	mux.HandleFunc("POST /admin/{endpoint}/{verb}", func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // only then the server hears that the other side is gone
		endpoint, drain := r.PathValue("endpoint"), r.PathValue("verb") == "drain"
		g.mu.Lock()
		g.drained[endpoint] = drain
		hang := g.hang
		if drain {
			g.applies++
		} else {
			g.backs++
		}
		g.mu.Unlock()
		if drain && hang != nil {
			hang <- endpoint
			<-r.Context().Done()
		}
	})
	g.Server = httptest.NewServer(mux)
	t.Cleanup(g.Close)
	return g
}

func (g *gateway) counts() (applies, backs int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.applies, g.backs
}

// config is a folder in which rules may act on the gateway by themselves, quickly.
func (g *gateway) config(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	text := fmt.Sprintf(`responses:
  automatic: true
  deadline: 2s
  settle: 100ms
  recovery: 1s
  targets:
    - name: gateway
      type: http
      url: %s
      check: GET /admin/{endpoint}
      field: drained
      apply: POST /admin/{endpoint}/drain
      revert: POST /admin/{endpoint}/undrain
      endpoints: {a: %s/health, b: %s/health}
`, g.URL, g.URL, g.URL)
	if err := os.MkdirAll(filepath.Join(dir, "services"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "services", "event-processing-api.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

type response struct {
	ID, State, Reason, Rule string
	InPlace                 bool `json:"in_place"`
}

func (h *instance) responses(t *testing.T) (out []response) {
	t.Helper()
	var list struct{ Responses []response }
	h.get(t, "event-processing-api", "/responses", &list)
	return list.Responses
}

// becomes waits until the one response is in a state.
func (h *instance) becomes(t *testing.T, state string) {
	t.Helper()
	var list []response
	defer func() {
		if t.Failed() {
			t.Logf("the responses are %+v", list)
		}
	}()
	eventually(t, readyWithin, "the response is "+state, func() bool {
		list = h.responses(t)
		return len(list) == 1 && list[0].State == state
	})
}

// rule puts a rule of a mode that drains an endpoint which fails, over HTTP.
func (h *instance) rule(t *testing.T, mode string) {
	t.Helper()
	rule := `{"name":"failing","type":"threshold","when":"event_type == \"llm_request\" && data.success == false","metric":"requests","op":">=","value":5,"window":"5s","keep_firing_for":"5m",
		"group_by":["endpoint"],"mode":"` + mode + `","actions":[{"type":"drain","target":"gateway","with":{"endpoint":"{endpoint}"}}]}`
	res, data, err := call("PUT", h.url("event-processing-api")+"/rules/failing", map[string]string{"Content-Type": "application/json"}, []byte(rule))
	if err != nil || res.StatusCode >= 300 {
		t.Fatalf("%v %v %s", err, res, data)
	}
}

// unrule takes the rule away, which ends its alerts.
func (h *instance) unrule(t *testing.T) {
	t.Helper()
	if res, data, err := call("DELETE", h.url("event-processing-api")+"/rules/failing", nil, nil); err != nil || res.StatusCode >= 300 {
		t.Fatalf("%v %v %s", err, res, data)
	}
}

// failUntil sends requests to endpoint b that failed just now, again and again: a rule that was just put judges what comes a little later.
func (h *instance) failUntil(t *testing.T, g *gateway, what string, ok func() bool) {
	t.Helper()
	eventually(t, readyWithin, what, func() bool {
		if ok() {
			return true
		}
		var lines []string
		for range 10 {
			g.failed++
			lines = append(lines, fmt.Sprintf(`{"event_id":"f%d","event_type":"llm_request","timestamp":%q,"data":{"model":"m","endpoint":"b","success":false,"duration_ms":5}}`, g.failed, time.Now().UTC().Format(time.RFC3339Nano)))
		}
		if status, a := h.post(t, []byte(strings.Join(lines, "\n")), nil); status != http.StatusAccepted {
			t.Fatalf("%d %+v", status, a)
		}
		return ok()
	})
}

// hxp is killed between the claim of a change and its result. The next start finds the change in place, makes it no second time, and
// takes it back when the alert is over. The account of it all is whole.
func TestKilledWhileItActs(t *testing.T) {
	g := newGateway(t)
	g.hang = make(chan string, 1)
	h := start(t, "127.0.0.1:0", "--config", g.config(t))
	h.rule(t, "auto")
	h.failUntil(t, g, "the change is begun", func() bool {
		select {
		case <-g.hang:
			return true
		default:
			return false
		}
	})
	h.kill()
	g.mu.Lock()
	g.hang = nil
	g.mu.Unlock()
	h.up(t)
	h.becomes(t, "verified")
	h.unrule(t)
	h.becomes(t, "reverted")
	if applies, backs := g.counts(); applies != 1 || backs != 1 {
		t.Errorf("%d changes, %d reverts", applies, backs)
	}
	var verdict struct {
		Valid   bool
		Records int
	}
	h.get(t, "event-processing-api", "/responses/audit/verify", &verdict)
	if !verdict.Valid || verdict.Records != 7 { // approved, claimed, claimed anew, applied, verified, reverting, reverted
		t.Errorf("%+v", verdict)
	}
}

// A rule that is put over HTTP sees a burst of failures, drains the endpoint, and gives it back when it is well.
func TestEventToAction(t *testing.T) {
	g := newGateway(t)
	h := start(t, "127.0.0.1:0", "--config", g.config(t))
	h.rule(t, "auto")
	h.failUntil(t, g, "there is a response", func() bool { return len(h.responses(t)) > 0 })
	h.becomes(t, "verified")
	h.unrule(t)
	h.becomes(t, "reverted")
	if applies, backs := g.counts(); applies != 1 || backs != 1 {
		t.Errorf("%d changes, %d reverts", applies, backs)
	}
	if n := h.metric(t, "event-processing-api", "event_action_latency_seconds_count"); n != "1" {
		t.Errorf("event_action_latency_seconds_count is %q", n)
	}
	var audit struct{ Audit []json.RawMessage }
	h.get(t, "event-processing-api", "/responses/audit", &audit)
	if len(audit.Audit) != 6 {
		t.Errorf("the audit has %d records: %s", len(audit.Audit), audit.Audit)
	}
}

// replicas are instances of the fast path and of the responses over one broker, which share their state; env is further settings of theirs.
// home has the broker and takes events.
func (g *gateway) replicas(t *testing.T, n int, env ...string) (home *instance, all []*instance) {
	t.Helper()
	home = prepare(t, "127.0.0.1:0")
	home.services = []string{"run", "broker", "kafka-api"}
	home.up(t)
	share := home.lake
	if share == "" {
		share = filepath.Join(home.dir, "data", "lake")
	}
	for range n {
		o := prepare(t, home.url("kafka"), "alert", "--config", g.config(t))
		o.services, o.lake, o.keys, o.env = []string{"run", "event-processing-api"}, share, home.keys, append(o.env, env...)
		o.up(t)
		all = append(all, o)
	}
	return home, all
}

// Two replicas see the same burst and one of them drains the endpoint. It stays drained, and is drained no second time, while one restarts
// and the other is killed. When the alert is over the one that is left gives it back, once, and the account is whole for both.
func TestReplicasActOnce(t *testing.T) {
	g := newGateway(t)
	home, both := g.replicas(t, 2)
	one, other := both[0], both[1]
	one.rule(t, "auto")
	eventually(t, readyWithin, "the rule counts everywhere", func() bool {
		res, _, err := call("GET", other.url("event-processing-api")+"/rules/failing", nil, nil)
		return err == nil && res.StatusCode == http.StatusOK
	})
	home.failUntil(t, g, "there is a response", func() bool { return len(one.responses(t)) > 0 })
	one.becomes(t, "verified")
	other.becomes(t, "verified")
	if code := one.stop(t); code != 0 {
		t.Errorf("exit %d after SIGTERM", code)
	}
	one.up(t)
	one.becomes(t, "verified")
	other.kill()
	if applies, backs := g.counts(); applies != 1 || backs != 0 {
		t.Errorf("%d changes, %d reverts while the alert fires", applies, backs)
	}
	one.unrule(t)
	one.becomes(t, "reverted")
	other.up(t)
	other.becomes(t, "reverted")
	if applies, backs := g.counts(); applies != 1 || backs != 1 {
		t.Errorf("%d changes, %d reverts", applies, backs)
	}
	for i, o := range both {
		var verdict struct {
			Valid   bool
			Records int
		}
		o.get(t, "event-processing-api", "/responses/audit/verify", &verdict)
		if !verdict.Valid || verdict.Records != 6 { // approved, claimed, applied, verified, reverting, reverted
			t.Errorf("replica %d: %+v", i, verdict)
		}
	}
}

// The notifications run in a process of their own. Their message holds a link of what is proposed elsewhere, and who follows it to the
// process that answers alerts decides there, once.
func TestLinkOfAnotherProcess(t *testing.T) {
	g := newGateway(t)
	secret := filepath.Join(t.TempDir(), "approval")
	if err := os.WriteFile(secret, []byte(strings.Repeat("s", 32)), 0o600); err != nil {
		t.Fatal(err)
	}
	const people = "http://hxp.example:9100"
	links := []string{"HXP_RESPONSES_APPROVAL_SECRET=file:" + secret, "HXP_RESPONSES_APPROVAL_URL=" + people}
	home, all := g.replicas(t, 1, links...)
	acting := all[0]
	telling := prepare(t, home.url("kafka"))
	telling.services, telling.lake, telling.keys = []string{"run", "data-streaming-api"}, acting.lake, home.keys
	telling.env = append(append(telling.env, "HXP_WEBHOOK_ALLOW=127.0.0.0/8"), links...)
	telling.up(t)

	told := make(chan string, 100)
	sink := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var m struct {
			Alerts []struct{ Annotations map[string]string }
		}
		if err := json.NewDecoder(r.Body).Decode(&m); err != nil {
			t.Error(err)
		}
		for _, a := range m.Alerts {
			select {
			case told <- a.Annotations["decision_url"]:
			default:
			}
		}
	}))
	t.Cleanup(sink.Close)
	config := fmt.Sprintf(`{"route":{"receiver":"sink","group_by":["alertname"],"group_wait":"1s","group_interval":"1s","repeat_interval":"1s"},"receivers":[{"name":"sink","webhook_configs":[{"url":%q}]}]}`, sink.URL)
	if res, data, err := call("PUT", telling.url("data-streaming-api")+"/notifications/config", map[string]string{"Content-Type": "application/json"}, []byte(config)); err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%v %v %s", err, res, data)
	}
	acting.rule(t, "propose")
	home.failUntil(t, g, "there is a proposal", func() bool { r := acting.responses(t); return len(r) == 1 && r[0].State == "proposed" })
	var path string
	eventually(t, readyWithin, "a message holds a link", func() bool {
		select {
		case link := <-told:
			path, _ = strings.CutPrefix(link, people)
		default:
		}
		return path != ""
	})
	form := map[string]string{"Content-Type": "application/x-www-form-urlencoded"}
	for n, want := range []int{http.StatusOK, http.StatusConflict} {
		if res, data, err := call("POST", acting.url("event-processing-api")+path, form, []byte("decision=approve&by=Ada")); err != nil || res.StatusCode != want {
			t.Errorf("decision %d: %v %v %s", n, err, res, data)
		}
	}
	acting.becomes(t, "verified")
	if applies, _ := g.counts(); applies != 1 {
		t.Errorf("%d changes", applies)
	}
}
