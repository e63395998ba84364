package ruleset

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/bus/bustest"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

// commandsNow is a control log that applies at once.
type commandsNow struct {
	set  *Set
	next int64
	away bool
}

func (c *commandsNow) Append(_ context.Context, key string, value []byte) (int64, error) {
	if c.away {
		return 0, errors.New("no broker")
	}
	c.next++
	return c.next, c.set.Apply(key, value, c.next)
}

func (c *commandsNow) WaitFor(context.Context, int64) error { return nil }
func (c *commandsNow) Settled(context.Context) error        { return nil }

// atOnce runs rules as soon as they count.
type atOnce struct{}

func (atOnce) AwaitRules(context.Context) error { return nil }
func (atOnce) RunsRule(string) bool             { return true }

// rig asks an API.
type rig struct {
	t   *testing.T
	mux *httpx.Mux
	set *Set
	log *commandsNow
}

func newRig(t *testing.T, files ...FileRule) *rig {
	set := New(files)
	set.Settled()
	r := &rig{t: t, set: set, log: &commandsNow{set: set}}
	r.mux = mounted(&API{Set: set, Commands: r.log, Runner: atOnce{}, Timeout: 10 * time.Second, Log: quiet})
	return r
}

func mounted(a *API) *httpx.Mux {
	m := httpx.NewMux(quiet, nil)
	a.Mount(m)
	return m
}

// ask sends a request; headers are "Name: value".
func (r *rig) ask(method, path, body string, headers ...string) *httptest.ResponseRecorder {
	r.t.Helper()
	req := httptest.NewRequest(method, path, strings.NewReader(body))
	if body != "" {
		req.Header.Set("Content-Type", typeJSON)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	r.mux.ServeHTTP(w, req)
	return w
}

func (r *rig) status(want int, method, path, body string, headers ...string) *httptest.ResponseRecorder {
	r.t.Helper()
	w := r.ask(method, path, body, headers...)
	if w.Code != want {
		r.t.Fatalf("%s %s: %d %s, want %d", method, path, w.Code, w.Body, want)
	}
	return w
}

var quiet = slog.New(slog.DiscardHandler)

const busy = `{"type":"threshold","metric":"requests","op":">","value":1,"window":"60s"}`

func TestPutGetDelete(t *testing.T) {
	r := newRig(t)
	w := r.status(201, "PUT", "/rules/busy", busy)
	etag := w.Header().Get("ETag")
	if w.Header().Get("Location") != "/rules/busy" || etag == "" || !strings.Contains(w.Body.String(), `"severity":"warning"`) {
		t.Errorf("%v %s", w.Header(), w.Body)
	}
	w = r.status(200, "GET", "/rules/busy", "")
	if w.Header().Get("ETag") != etag {
		t.Error("the ETag of GET is another one than that of PUT")
	}
	r.status(200, "PUT", "/rules/busy", w.Body.String()) // what GET gives can be put
	r.status(304, "GET", "/rules/busy", "", "If-None-Match: "+etag)
	w = r.status(200, "GET", "/rules/busy", "", "Accept: application/yaml")
	if !strings.HasPrefix(w.Body.String(), "name: busy\ntype: threshold\n") || w.Header().Get("Content-Type") != typeYAML || w.Header().Get("ETag") == etag {
		t.Errorf("%v\n%s", w.Header(), w.Body)
	}
	r.status(200, "PUT", "/rules/busy", w.Body.String()+"# a comment\n", "Content-Type: application/yaml", "If-Match: "+w.Header().Get("ETag"))
	r.status(204, "DELETE", "/rules/busy", "")
	r.status(404, "GET", "/rules/busy", "")
	r.status(404, "DELETE", "/rules/busy", "")
	r.status(201, "PUT", "/rules/busy", busy)
}

func TestConditions(t *testing.T) {
	r := newRig(t)
	r.status(412, "PUT", "/rules/busy", busy, `If-Match: "strange"`)
	r.status(412, "PUT", "/rules/busy", busy, "If-Match: *")
	etag := r.status(201, "PUT", "/rules/busy", busy, "If-None-Match: *").Header().Get("ETag")
	r.status(412, "PUT", "/rules/busy", busy, "If-None-Match: *")
	r.status(412, "PUT", "/rules/busy", busy, "If-Match: W/"+etag) // a weak one never matches
	r.status(412, "DELETE", "/rules/busy", "", `If-Match: "strange"`)
	r.status(200, "PUT", "/rules/busy", strings.Replace(busy, ":1,", ":2,", 1), `If-Match: "other", `+etag)
	r.status(412, "PUT", "/rules/busy", busy, "If-Match: "+etag)
	r.status(204, "DELETE", "/rules/busy", "", "If-Match: *")
	r.status(412, "PUT", "/rules/error-burst", strings.Replace(busy, "{", `{"for":"1s",`, 1), "If-None-Match: *") // one of the pack is there
}

// Of two who change the same version one is told that it is another one, whichever instance they ask.
func TestTwoInstancesRace(t *testing.T) {
	_, addr := bustest.Start(t, event.ControlTopic)
	var rigs []*rig
	for range 2 {
		b := bustest.Connect(t, addr)
		log, err := bus.NewControlLog(b, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		set := New(nil)
		log.Handle(Prefix, set)
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- log.Run(ctx) }()
		t.Cleanup(func() {
			cancel()
			<-ended
		})
		<-log.Ready()
		rigs = append(rigs, &rig{t: t, set: set, mux: mounted(&API{Set: set, Commands: log, Runner: atOnce{}, Timeout: 20 * time.Second, Log: quiet})})
	}
	for round := range 10 {
		path := "/rules/race-" + string(rune('a'+round))
		etag := rigs[0].status(201, "PUT", path, busy).Header().Get("ETag")
		for { // until the other instance has it
			changed := rigs[1].set.Changed()
			if rigs[1].ask("GET", path, "").Code == 200 {
				break
			}
			<-changed
		}
		codes := make([]int, 2)
		var wg sync.WaitGroup
		for i := range rigs {
			body := strings.Replace(busy, ":1,", []string{":2,", ":3,"}[i], 1)
			wg.Go(func() { codes[i] = rigs[i].ask("PUT", path, body, "If-Match: "+etag).Code })
		}
		wg.Wait()
		if codes[0]+codes[1] != 200+412 {
			t.Errorf("round %d: %v, want one 200 and one 412", round, codes)
		}
	}
}

func TestPackRules(t *testing.T) {
	r := newRig(t)
	original := r.status(200, "GET", "/rules/error-burst", "", "Accept: application/yaml").Body.String()
	item := func() (out Listed) {
		t.Helper()
		var list listAnswer
		if err := json.Unmarshal(r.status(200, "GET", "/rules", "").Body.Bytes(), &list); err != nil {
			t.Fatal(err)
		}
		for _, x := range list.Rules {
			if x.Name == "error-burst" {
				out = x
			}
		}
		return out
	}
	r.status(204, "DELETE", "/rules/error-burst", "")
	if w := r.status(404, "GET", "/rules/error-burst", ""); !strings.Contains(w.Body.String(), "switched off") {
		t.Error(w.Body)
	}
	if x := item(); x.Enabled || x.Origin != FromPack || x.ChangedAt == nil {
		t.Errorf("%+v", x)
	}
	if got := r.status(200, "GET", "/rules/error-burst?origin=pack", "", "Accept: application/yaml").Body.String(); got != original {
		t.Error(got)
	}
	r.status(201, "PUT", "/rules/error-burst", busy)
	if x := item(); !x.Enabled || x.Origin != FromAPI || x.Below == nil || *x.Below != FromPack {
		t.Errorf("%+v", x)
	}
	r.status(200, "PUT", "/rules/error-burst", original, "Content-Type: text/yaml")
	if x := item(); !x.Enabled || x.Origin != FromPack || x.ChangedAt != nil {
		t.Errorf("what the pack says was put, so the rule is the pack's again: %+v", x)
	}
}

func TestRefusals(t *testing.T) {
	r := newRig(t)
	var p httpx.ProblemBody
	w := r.status(422, "PUT", "/rules/a", "type: threshold\nwhen: data.model == \nmetric: requests\nop: '>'\nvalue: x\nwindow: 60s\n", "Content-Type: application/yaml")
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || len(p.Errors) != 2 || p.Errors[0].Line != 2 || p.Errors[0].Pointer != "/when" || p.Errors[1].Line != 5 || p.Errors[1].Pointer != "/value" {
		t.Errorf("%s, %v", w.Body, err)
	}
	r.status(422, "PUT", "/rules/a", `{"type":"nonsense","when":"true"}`)
	r.status(422, "PUT", "/rules/a", "")
	r.status(422, "PUT", "/rules/a%20b", busy)
	r.status(422, "PUT", "/rules/b", strings.Replace(busy, "{", `{"name":"a",`, 1))
	r.status(415, "PUT", "/rules/a", busy, "Content-Type: text/plain")
	r.status(406, "GET", "/rules/error-burst", "", "Accept: image/png")
	r.status(413, "PUT", "/rules/a", strings.Repeat(" ", maxBody+1))
	w = r.status(422, "PUT", "/rules/a", strings.Replace(busy, "{", `{"tests":[{"name":"wrong","events":[{"at":"0s","event_type":"llm_request","data":{}}],"expect":[{}]}],`, 1))
	if !strings.Contains(w.Body.String(), `"pointer":"/tests/0"`) || !strings.Contains(w.Body.String(), "does not fire") {
		t.Error(w.Body)
	}
	for _, q := range []string{"type=odd", "severity=x", "origin=moon", "enabled=perhaps", "limit=0", "cursor=%21"} {
		r.status(400, "GET", "/rules?"+q, "")
	}
	if r.set.find("a") != nil {
		t.Error("a rule that was refused is there")
	}
	r.log.away = true
	if w := r.status(503, "PUT", "/rules/a", busy); w.Header().Get("Retry-After") == "" {
		t.Error("503 without Retry-After")
	}
}

func TestListPagesAndFilters(t *testing.T) {
	r := newRig(t, fileRule(t, "mine", 1))
	var names []string
	for cursor := ""; ; {
		var page listAnswer
		if err := json.Unmarshal(r.status(200, "GET", "/rules?limit=5&cursor="+cursor, "").Body.Bytes(), &page); err != nil || len(page.Rules) > 5 {
			t.Fatal(err, len(page.Rules))
		}
		for _, x := range page.Rules {
			names = append(names, x.Name)
		}
		if page.Next == nil {
			break
		}
		cursor = *page.Next
	}
	if got := strings.Join(names, " "); got != strings.Join(r.set.now.Load().names, " ") {
		t.Error(got)
	}
	for query, want := range map[string]string{"origin=file": "mine", "type=absence": "silent-model", "enabled=false": "", "type=burn_rate&severity=critical": "availability-burn ttft-burn"} {
		var page listAnswer
		_ = json.Unmarshal(r.status(200, "GET", "/rules?"+query, "").Body.Bytes(), &page)
		var got []string
		for _, x := range page.Rules {
			got = append(got, x.Name)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
}

func TestTestEndpoint(t *testing.T) {
	r := newRig(t)
	tested := func(w *httptest.ResponseRecorder) (out Tested) {
		t.Helper()
		if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil {
			t.Fatal(err)
		}
		return out
	}
	if got := tested(r.status(200, "POST", "/rules/test?rule=error-burst", "")); got.Rules != 1 || got.Passed != 2 || got.Failed != 0 {
		t.Errorf("%+v", got)
	}
	const wrong = `[{"name":"a",` + `"type":"absence","window":"5s","tests":[{"name":"wrong","events":[{"at":"0s","event_type":"llm_request"}],"expect":[]}]}]`
	if got := tested(r.status(200, "POST", "/rules/test", wrong)); got.Failed != 1 || len(got.Results) != 1 || len(got.Results[0].Failed) == 0 {
		t.Errorf("%+v", got)
	}
	r.status(422, "POST", "/rules/test?rule=nobody", "")
	r.status(422, "POST", "/rules/test", "{")
}

func TestPreferred(t *testing.T) {
	for accept, want := range map[string]string{
		"": typeJSON, "*/*": typeJSON, "application/json": typeJSON, "application/yaml": typeYAML, "text/yaml, */*;q=0.1": typeYAML, "application/yaml;q=0.5, application/json": typeJSON,
		"text/html": none, "text/*": typeYAML, "application/json;q=0": none, ";;": none, "application/yaml;q=x, application/json;q=0.1": typeJSON,
	} {
		if got := preferred([]string{accept}); got != want {
			t.Errorf("%q: %q, want %q", accept, got, want)
		}
	}
}

// later runs rules when it is told to.
type later struct{ run chan struct{} }

func (l later) AwaitRules(ctx context.Context) error {
	select {
	case <-l.run:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l later) RunsRule(string) bool {
	select {
	case <-l.run:
		return true
	default:
		return false
	}
}

// Who changes a rule hears of it when it is run, or after a while; the list tells the difference.
func TestChangesAreAnsweredWhenTheyAreRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		runner := later{make(chan struct{})}
		r.mux = mounted(&API{Set: r.set, Commands: r.log, Runner: runner, Timeout: 10 * time.Second, Log: quiet})
		running := func() bool {
			var list listAnswer
			if err := json.Unmarshal(r.status(200, "GET", "/rules?origin=api", "").Body.Bytes(), &list); err != nil || len(list.Rules) != 1 {
				t.Fatal(err, list)
			}
			return list.Rules[0].Running
		}
		began := time.Now()
		if r.status(201, "PUT", "/rules/busy", busy); time.Since(began) != runPatience || running() {
			t.Errorf("answered after %v, running %v", time.Since(began), running())
		}
		time.AfterFunc(time.Second, func() { close(runner.run) })
		began = time.Now()
		if r.status(200, "PUT", "/rules/busy", strings.Replace(busy, "60s", "30s", 1)); time.Since(began) != time.Second || !running() {
			t.Errorf("answered after %v, running %v", time.Since(began), running())
		}
	})
}

// Who leaves before the rules are run is no fault, whoever waits in vain hears of one.
func TestWhoLeavesIsNoFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var said bytes.Buffer
		r := newRig(t)
		r.mux = mounted(&API{Set: r.set, Commands: r.log, Runner: later{make(chan struct{})}, Timeout: 10 * time.Second, Log: slog.New(slog.NewTextHandler(&said, nil))})
		ctx, leave := context.WithTimeout(t.Context(), time.Second)
		defer leave()
		req := httptest.NewRequestWithContext(ctx, "PUT", "/rules/busy", strings.NewReader(busy))
		req.Header.Set("Content-Type", typeJSON)
		began := time.Now()
		if r.mux.ServeHTTP(httptest.NewRecorder(), req); time.Since(began) != time.Second || strings.Contains(said.String(), "level=WARN") {
			t.Errorf("after %v: %s", time.Since(began), said.String())
		}
		if r.status(200, "PUT", "/rules/busy", strings.Replace(busy, "60s", "30s", 1)); !strings.Contains(said.String(), "level=WARN") {
			t.Errorf("who stays: %s", said.String())
		}
	})
}
