package target

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/hxp-enterprise/hxp/internal/alert/respond"
)

// proxy behaves like the admin API of the LiteLLM proxy as far as it is used here.
type proxy struct {
	mu        sync.Mutex
	models    []map[string]any
	teams     map[string]map[string]any
	fallbacks map[string][]any
	old       bool // a version without /model/block
	lateError bool // writes land, and are answered with 500
	calls     []string
	keys      []string // idempotency keys of writes
}

func newProxy() *proxy {
	model := func(name, id string, params map[string]any) map[string]any {
		return map[string]any{"model_name": name, "litellm_params": params, "model_info": map[string]any{"id": id, "blocked": false}}
	}
	return &proxy{
		models: []map[string]any{
			model("llama", "llama-a", map[string]any{"weight": 3, "rpm": 600, "max_tokens": 4096}), model("llama", "llama-b", map[string]any{"weight": 2}), model("qwen", "qwen-a", map[string]any{}),
		},
		teams:     map[string]map[string]any{"t1": {"rpm_limit": 1000, "tpm_limit": nil, "blocked": false}},
		fallbacks: map[string][]any{},
	}
}

func (p *proxy) model(id string) map[string]any {
	for _, m := range p.models {
		if m["model_info"].(map[string]any)["id"] == id {
			return m
		}
	}
	return nil
}

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls = append(p.calls, r.Method+" "+r.URL.Path)
	if r.Header.Get("Authorization") != "Bearer sk-admin" {
		http.Error(w, `{"error":{"message":"Authentication Error"}}`, http.StatusUnauthorized)
		return
	}
	var body map[string]any
	if r.Method != http.MethodGet {
		_ = json.NewDecoder(r.Body).Decode(&body)
		p.keys = append(p.keys, r.Header.Get("Idempotency-Key"))
	}
	answer, status := p.answer(r, body)
	if r.Method != http.MethodGet && p.lateError {
		status, answer = http.StatusInternalServerError, map[string]any{"error": "Internal server error"}
	}
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(answer)
}

func (p *proxy) answer(r *http.Request, body map[string]any) (any, int) {
	path := r.URL.Path
	no := func(detail string) (any, int) { return map[string]any{"detail": detail}, http.StatusNotFound }
	switch {
	case path == "/model/info":
		return map[string]any{"data": p.models}, 200
	case path == "/model/block" || path == "/model/unblock":
		id, _ := body["model_id"].(string)
		m := p.model(id)
		if p.old || m == nil {
			return no("Not Found")
		}
		m["model_info"].(map[string]any)["blocked"] = path == "/model/block"
		return m, 200
	case strings.HasPrefix(path, "/model/") && r.Method == http.MethodPatch:
		m := p.model(strings.TrimSuffix(strings.TrimPrefix(path, "/model/"), "/update"))
		if m == nil {
			return no("no such model")
		}
		if b, ok := body["blocked"]; ok {
			m["model_info"].(map[string]any)["blocked"] = b
		}
		params, _ := body["litellm_params"].(map[string]any)
		for k, v := range params {
			m["litellm_params"].(map[string]any)[k] = v
		}
		return m, 200
	case strings.HasPrefix(path, "/fallback"):
		return p.fallback(r, body)
	case strings.HasPrefix(path, "/team/"):
		return p.team(r, body)
	}
	return no("Not Found")
}

func (p *proxy) fallback(r *http.Request, body map[string]any) (any, int) {
	name := strings.TrimPrefix(r.URL.Path, "/fallback/")
	switch r.Method {
	case http.MethodPost:
		p.fallbacks[body["model"].(string)] = body["fallback_models"].([]any)
	case http.MethodDelete:
		delete(p.fallbacks, name)
	default:
		if len(p.fallbacks[name]) == 0 {
			return map[string]any{"detail": "No general fallbacks configured"}, http.StatusNotFound
		}
		return map[string]any{"model": name, "fallback_models": p.fallbacks[name], "fallback_type": "general"}, 200
	}
	return map[string]any{"message": "done"}, 200
}

func (p *proxy) team(r *http.Request, body map[string]any) (any, int) {
	id, _ := body["team_id"].(string)
	if r.Method == http.MethodGet {
		id = r.URL.Query().Get("team_id")
	}
	team := p.teams[id]
	if team == nil {
		return map[string]any{"detail": "Team not found"}, http.StatusNotFound
	}
	switch r.URL.Path {
	case "/team/block", "/team/unblock":
		team["blocked"] = r.URL.Path == "/team/block"
	case "/team/update":
		for k, v := range body {
			if k != "team_id" {
				team[k] = v
			}
		}
	}
	return map[string]any{"team_id": id, "team_info": team}, 200
}

// router behaves like the router of vLLM's production stack.
type router struct {
	mu       sync.Mutex
	sleeping map[string]bool
	refuse   bool
	calls    []string
}

func (v *router) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.calls = append(v.calls, r.Method+" "+r.URL.Path)
	id := r.URL.Query().Get("id")
	_, known := v.sleeping[id]
	switch {
	case r.URL.Path == "/engines":
		list := []map[string]any{}
		for _, e := range []string{"e1", "e2"} {
			if _, ok := v.sleeping[e]; ok {
				list = append(list, map[string]any{"engine_id": e, "serving_models": []string{"m"}, "created": 1})
			}
		}
		_ = json.NewEncoder(w).Encode(list)
	case !known:
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(`{"error":"Engine with Id not found."}`))
	case r.URL.Path == "/is_sleeping":
		_ = json.NewEncoder(w).Encode(map[string]any{"is_sleeping": v.sleeping[id]})
	case v.refuse:
		w.WriteHeader(http.StatusServiceUnavailable)
	case r.Method == http.MethodPost && r.URL.Path == "/sleep":
		v.sleeping[id] = true
	case r.Method == http.MethodPost && r.URL.Path == "/wake_up":
		v.sleeping[id] = false
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

// serve starts a server and opens a target on it.
func serve(t *testing.T, h http.Handler, c Config) respond.Target {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	c.Name, c.URL = "gpu", srv.URL+c.URL
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	all, err := New([]Config{c})
	if err != nil {
		t.Fatal(err)
	}
	return all["gpu"]
}

func order(action string, with map[string]string) *respond.Order {
	return &respond.Order{Rule: "r", Alert: "a1", Severity: "critical", Action: action, Target: "gpu", With: with, Key: respond.Key{"model": "llama"}}
}
