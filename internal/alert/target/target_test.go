package target

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/alert/respond"
)

// round makes a change, verifies it and takes it back, and says what the target looked like after each.
func round(t *testing.T, to respond.Target, o *respond.Order, look func() any) (states []any) {
	t.Helper()
	ctx := t.Context()
	if err := to.Can(o); err != nil {
		t.Fatal(err)
	}
	s, err := to.Check(ctx, o)
	if err != nil || s.InPlace {
		t.Fatalf("before: %v, %+v", err, s)
	}
	states = append(states, look())
	after, err := to.Apply(ctx, "id1", o, s)
	if err != nil {
		t.Fatalf("apply: %v", err)
	}
	states = append(states, look())
	if now, err := to.Check(ctx, o); err != nil || !now.InPlace {
		t.Fatalf("in place: %v, %+v", err, now)
	}
	if err := to.Verify(ctx, "id1", o, s); err != nil {
		t.Fatalf("verify: %v", err)
	}
	note, err := to.Revert(ctx, "id1", o, s.Before, after)
	if err != nil || note != "" {
		t.Fatalf("revert: %v, %q", err, note)
	}
	if now, err := to.Check(ctx, o); err != nil || now.InPlace || string(now.Before) != string(s.Before) {
		t.Fatalf("after the revert: %v, %s, was %s", err, now.Before, s.Before)
	}
	return append(states, look())
}

func litellmTarget(t *testing.T, p *proxy) respond.Target {
	t.Setenv("TEST_LITELLM_KEY", "sk-admin")
	well := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(well.Close)
	return serve(t, p, Config{Type: "litellm", TokenEnv: "TEST_LITELLM_KEY", Endpoints: map[string]string{"llama-a": well.URL, "llama-b": well.URL, "qwen-a": well.URL}})
}

func TestLiteLLM(t *testing.T) {
	blocked := func(p *proxy) any { return p.model("llama-a")["model_info"].(map[string]any)["blocked"] }
	param := func(name string) func(*proxy) any {
		return func(p *proxy) any { return fmt.Sprint(p.model("llama-a")["litellm_params"].(map[string]any)[name]) }
	}
	cases := map[string]struct {
		action string
		with   map[string]string
		look   func(*proxy) any
		want   []any
	}{
		"cool down":     {"cool_down", map[string]string{"endpoint": "llama-a"}, blocked, []any{false, true, false}},
		"drain":         {"drain", map[string]string{"endpoint": "llama-a"}, blocked, []any{false, true, false}},
		"shift weights": {"shift_weights", map[string]string{"endpoint": "llama-a", "weight": "1"}, param("weight"), []any{"3", "1", "3"}},
		"all weight":    {"shift_weights", map[string]string{"endpoint": "llama-a", "weight": "0"}, param("weight"), []any{"3", "0", "3"}},
		"cap endpoint":  {"cap", map[string]string{"endpoint": "llama-a", "rpm": "60", "max_tokens": "512"}, param("max_tokens"), []any{"4096", "512", "4096"}},
		"cap tenant":    {"cap", map[string]string{"tenant": "t1", "rpm": "10", "tpm": "5000"}, func(p *proxy) any { return fmt.Sprint(p.teams["t1"]) }, []any{"map[blocked:false rpm_limit:1000 tpm_limit:<nil>]", "map[blocked:false rpm_limit:10 tpm_limit:5000]", "map[blocked:false rpm_limit:1000 tpm_limit:<nil>]"}},
		"pause batch":   {"pause_batch", map[string]string{"tenant": "t1"}, func(p *proxy) any { return p.teams["t1"]["blocked"] }, []any{false, true, false}},
		"fallback":      {"fallback_model", map[string]string{"model": "llama", "fallback": "qwen"}, func(p *proxy) any { return fmt.Sprint(p.fallbacks["llama"]) }, []any{"[]", "[qwen]", "[]"}},
	}
	for name, c := range cases {
		for _, old := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s old=%v", name, old), func(t *testing.T) {
				p := newProxy()
				p.old = old
				got := round(t, litellmTarget(t, p), order(c.action, c.with), func() any {
					p.mu.Lock()
					defer p.mu.Unlock()
					return c.look(p)
				})
				if !reflect.DeepEqual(got, c.want) {
					t.Errorf("got %v, want %v", got, c.want)
				}
				for _, key := range p.keys {
					if !strings.HasPrefix(key, "id1") {
						t.Errorf("a write has the idempotency key %q", key)
					}
				}
			})
		}
	}
}

func TestLiteLLMKeepsOtherFallbacks(t *testing.T) {
	p := newProxy()
	p.fallbacks["llama"] = []any{"x", "qwen"}
	to, o := litellmTarget(t, p), order("fallback_model", map[string]string{"model": "llama", "fallback": "qwen"})
	s, err := to.Check(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := to.Apply(t.Context(), "k", o, s); err != nil || fmt.Sprint(p.fallbacks["llama"]) != "[qwen x]" {
		t.Fatalf("%v, %v", err, p.fallbacks)
	}
	if _, err := to.Revert(t.Context(), "k", o, s.Before, nil); err != nil || fmt.Sprint(p.fallbacks["llama"]) != "[x qwen]" {
		t.Fatalf("%v, %v", err, p.fallbacks)
	}
}

// Some versions of LiteLLM block a model and answer 500.
func TestLiteLLMAnswersWithAnErrorAndDoesIt(t *testing.T) {
	p := newProxy()
	p.lateError = true
	to, o := litellmTarget(t, p), order("drain", map[string]string{"endpoint": "llama-a"})
	s, err := to.Check(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := to.Apply(t.Context(), "k", o, s); err == nil {
		t.Error("the error is not told")
	}
	if now, err := to.Check(t.Context(), o); err != nil || !now.InPlace {
		t.Errorf("%v, %+v", err, now)
	}
	if _, err := to.Revert(t.Context(), "k", o, s.Before, nil); err != nil || p.model("llama-a")["model_info"].(map[string]any)["blocked"] != false {
		t.Errorf("the revert: %v", err)
	}
}

func TestLiteLLMLeavesAloneWhatOthersChanged(t *testing.T) {
	p := newProxy()
	to, o := litellmTarget(t, p), order("shift_weights", map[string]string{"endpoint": "llama-a", "weight": "1"})
	s, err := to.Check(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := to.Apply(t.Context(), "k", o, s); err != nil {
		t.Fatal(err)
	}
	p.model("llama-a")["litellm_params"].(map[string]any)["weight"] = 7
	note, err := to.Revert(t.Context(), "k", o, s.Before, nil)
	if err != nil || !strings.Contains(note, "somebody else") || fmt.Sprint(p.model("llama-a")["litellm_params"]) != "map[max_tokens:4096 rpm:600 weight:7]" {
		t.Errorf("%v, %q, %v", err, note, p.model("llama-a"))
	}
}

func TestLiteLLMGroup(t *testing.T) {
	p := newProxy()
	p.model("llama-b")["model_info"].(map[string]any)["blocked"] = true
	s, err := litellmTarget(t, p).Check(t.Context(), order("drain", map[string]string{"endpoint": "llama-a"}))
	want := []respond.Endpoint{{Name: "llama-a", Healthy: true}, {Name: "llama-b", Healthy: false}}
	if err != nil || s.Takes != "llama-a" || !reflect.DeepEqual(s.Group, want) {
		t.Errorf("%v, %+v", err, s)
	}
}

func TestLiteLLMRefuses(t *testing.T) {
	p := newProxy()
	to := litellmTarget(t, p)
	for _, o := range []*respond.Order{
		order("restart", map[string]string{"endpoint": "llama-a"}), order("drain", nil), order("drain", map[string]string{"endpoint": "{host}"}), order("cap", map[string]string{"tenant": "t1"}),
		order("cap", map[string]string{"tenant": "t1", "rpm": "-1"}), order("cap", map[string]string{"rpm": "5"}), order("cap", map[string]string{"tenant": "t1", "max_tokens": "5"}),
	} {
		if err := to.Can(o); err == nil {
			t.Errorf("it can %s with %v", o.Action, o.With)
		}
	}
	for _, o := range []*respond.Order{
		order("drain", map[string]string{"endpoint": "moon"}), order("cap", map[string]string{"tenant": "moon", "rpm": "5"}), order("cap", map[string]string{"tenant": "t1", "rpm": "5000"}),
		order("shift_weights", map[string]string{"endpoint": "qwen-a", "weight": "1"}), order("shift_weights", map[string]string{"endpoint": "llama-a", "weight": "much"}),
	} {
		if s, err := to.Check(t.Context(), o); err == nil {
			t.Errorf("%s with %v is taken: %+v", o.Action, o.With, s)
		}
	}
}

func TestVLLMRouter(t *testing.T) {
	v := &router{sleeping: map[string]bool{"e1": false, "e2": false}}
	to, o := serve(t, v, Config{Type: "vllm_router"}), order("drain", map[string]string{"endpoint": "e1"})
	got := round(t, to, o, func() any { v.mu.Lock(); defer v.mu.Unlock(); return v.sleeping["e1"] })
	if !reflect.DeepEqual(got, []any{false, true, false}) {
		t.Error(got)
	}
	v.sleeping["e2"] = true
	s, err := to.Check(t.Context(), o)
	if err != nil || s.Takes != "e1" || len(s.Group) != 2 || s.Group[1].Healthy {
		t.Errorf("%v, %+v", err, s)
	}
	v.sleeping["e1"], v.refuse = true, true
	if err := to.Verify(t.Context(), "k", o, s); err == nil {
		t.Error("it is well although nothing is awake")
	}
	if _, err := to.Revert(t.Context(), "k", o, s.Before, nil); err == nil {
		t.Error("the engine sleeps, and the revert says that it does not")
	}
	if _, err := to.Check(t.Context(), order("drain", map[string]string{"endpoint": "e9"})); err == nil {
		t.Error("an engine that is not there can be drained")
	}
}

func TestGenericHTTP(t *testing.T) {
	var mu sync.Mutex
	state, paths := map[string]bool{}, []string{}
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		paths = append(paths, r.Method+" "+r.URL.EscapedPath())
		id := r.PathValue("id")
		switch r.Method {
		case http.MethodPut:
			state[id] = true
		case http.MethodDelete:
			delete(state, id)
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"drained": state[id]})
	})
	mux := http.NewServeMux()
	mux.Handle("/admin/{id}/drain", h)
	mux.Handle("/", h)
	well := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Key") != "" {
			t.Error("a health address gets the secrets of the target")
		}
		if r.URL.Path == "/sick" {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer well.Close()
	to := serve(t, mux, Config{Type: "http", Check: "GET /admin/{endpoint}/drain", Field: "drained", Apply: "PUT /admin/{endpoint}/drain", Revert: "DELETE /admin/{endpoint}/drain",
		Actions: []string{"drain"}, Headers: map[string]string{"X-Key": "hush"}, Endpoints: map[string]string{"a/b": well.URL, "c": well.URL + "/sick", "d": ""}})
	o := order("drain", map[string]string{"endpoint": "a/b"})
	got := round(t, to, o, func() any { mu.Lock(); defer mu.Unlock(); return state["a/b"] })
	if !reflect.DeepEqual(got, []any{false, true, false}) {
		t.Error(got, paths)
	}
	s, err := to.Check(t.Context(), o)
	want := []respond.Endpoint{{Name: "a/b", Healthy: true}, {Name: "c", Healthy: false}, {Name: "d", Healthy: false}}
	if err != nil || !reflect.DeepEqual(s.Group, want) {
		t.Errorf("%v, %+v", err, s)
	}
	if path := fill("/admin/{endpoint}/drain", order("drain", map[string]string{"endpoint": ".."})); path != "/admin/_/drain" {
		t.Error(path)
	}
	if err := to.Can(order("restart", map[string]string{"endpoint": "c"})); err == nil {
		t.Error("it can restart")
	}
}

func TestWebhook(t *testing.T) {
	var mu sync.Mutex
	var phases []string
	inPlace := false
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mac := hmac.New(sha256.New, []byte("hush"))
		fmt.Fprintf(mac, "%s.%s.%s", r.Header.Get("webhook-id"), r.Header.Get("webhook-timestamp"), body)
		if r.Header.Get("webhook-signature") != "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)) {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		var call struct {
			Phase string `json:"phase"`
			ID    string `json:"id"`
			Order respond.Order
		}
		if err := json.Unmarshal(body, &call); err != nil || call.Order.Action != "scale" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		phases = append(phases, call.Phase)
		switch call.Phase {
		case "apply":
			inPlace = true
		case "revert":
			inPlace = false
		}
		fmt.Fprintf(w, `{"ok":true,"in_place":%v}`, inPlace)
	})
	t.Setenv("TEST_SECRET", "hush")
	o := order("scale", map[string]string{"replicas": "3"})
	full := serve(t, h, Config{Type: "webhook", TokenEnv: "TEST_SECRET", Phases: []string{"check", "apply", "verify", "revert"}})
	if got := round(t, full, o, func() any { mu.Lock(); defer mu.Unlock(); return inPlace }); !reflect.DeepEqual(got, []any{false, true, false}) {
		t.Error(got, phases)
	}
	once := serve(t, h, Config{Type: "webhook", TokenEnv: "TEST_SECRET", Phases: []string{"apply"}})
	s, err := once.Check(t.Context(), o)
	if err != nil || s.Lasting || !s.Blind {
		t.Errorf("%v, %+v", err, s)
	}
	no := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"ok":false,"detail":"budget"}`) }), Config{Type: "webhook", Phases: []string{"apply"}})
	if _, err := no.Apply(t.Context(), "k", o, s); err == nil || !strings.Contains(err.Error(), "budget") {
		t.Errorf("the webhook says no: %v", err)
	}
}

func TestIncident(t *testing.T) {
	var got []string
	fails := 1
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var e map[string]any
		_ = json.NewDecoder(r.Body).Decode(&e)
		if fails > 0 {
			fails--
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		got = append(got, fmt.Sprint(e["routing_key"], " ", e["event_action"], " ", e["dedup_key"]))
		w.WriteHeader(http.StatusAccepted)
	})
	t.Setenv("TEST_ROUTING", "R1")
	to, o := serve(t, h, Config{Type: "incident", TokenEnv: "TEST_ROUTING", URL: "/v2/enqueue"}), order("incident", nil)
	s, err := to.Check(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := to.Apply(t.Context(), "id1", o, s); err != nil {
		t.Fatal(err)
	}
	if _, err := to.Revert(t.Context(), "id1", o, nil, nil); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, []string{"R1 trigger id1", "R1 resolve id1"}) {
		t.Error(got)
	}
}

// A target leads nowhere but to its address, takes no time beyond its deadline and no memory beyond its bound.
func TestHostileTargets(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a redirect was followed") }))
	defer elsewhere.Close()
	hostile := map[string]http.HandlerFunc{
		"redirects": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
		},
		"is endless": func(w http.ResponseWriter, _ *http.Request) {
			for range 4 << 10 {
				if _, err := w.Write(make([]byte, 1<<10)); err != nil {
					return
				}
			}
		},
		"is no JSON": func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") },
		"is wrong":   func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"data":[{"model_info":7}]}`) },
		"hangs":      func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
	}
	for name, h := range hostile {
		t.Run(name, func(t *testing.T) {
			ctx, stop := context.WithTimeout(t.Context(), 500*time.Millisecond)
			defer stop()
			if s, err := serve(t, h, Config{Type: "litellm"}).Check(ctx, order("drain", map[string]string{"endpoint": "llama-a"})); err == nil {
				t.Errorf("it is taken: %+v", s)
			}
		})
	}
}

func TestConfigurationIsChecked(t *testing.T) {
	for _, c := range []Config{
		{}, {Name: "a", Type: "litellm", URL: "ftp://x"}, {Name: "a", Type: "litellm", URL: "http://user:pw@x"}, {Name: "a", Type: "litellm", URL: "http://x?k=v"}, {Name: "a", URL: "http://x"},
		{Name: "a", Type: "http", URL: "http://x", Apply: "EAT /x", Check: "GET /x"}, {Name: "a", Type: "http", URL: "http://x", Apply: "POST x", Check: "GET /x"}, {Name: "a", Type: "webhook", URL: "http://x", Actions: []string{"explode"}},
		{Name: "a", Type: "litellm", URL: "http://x", Endpoints: map[string]string{"e": "file:///etc/passwd"}},
	} {
		if c.Validate() == nil {
			t.Errorf("taken: %+v", c)
		}
	}
	if CheckNames([]Config{{Name: "a"}, {Name: "a"}}) == nil {
		t.Error("two targets of one name are taken")
	}
	if _, err := New([]Config{{Name: "a", Type: "litellm", URL: "http://x", TokenEnv: "TEST_NOT_THERE"}}); err == nil || !strings.Contains(err.Error(), "TEST_NOT_THERE") {
		t.Errorf("a missing variable: %v", err)
	}
}

func FuzzUnstate(f *testing.F) {
	f.Add([]byte(`{"team_info":{"blocked":true,"rpm_limit":1e3}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		v, err := unstate(text)
		if err != nil || v == nil {
			return
		}
		again, err := unstate(state(v))
		if err != nil || string(state(again)) != string(state(v)) {
			t.Errorf("%v: %s", err, text)
		}
	})
}
