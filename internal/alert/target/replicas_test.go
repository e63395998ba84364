package target

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hxp-enterprise/hxp/internal/alert/respond"
)

// cluster behaves like the API of Kubernetes as far as Deployments are concerned.
type cluster struct {
	mu          sync.Mutex
	replicas    int
	ready       int
	refuse      int // status of writes, 0 = they are taken
	late        bool
	writes      []string
	unreachable bool
}

func (c *cluster) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.unreachable {
		return nil, fmt.Errorf("dial: connection refused")
	}
	c.serve(w, r)
	return w.Result(), nil
}

func (c *cluster) serve(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Header.Get("Authorization") != "Bearer sk-cluster":
		w.WriteHeader(http.StatusUnauthorized)
		return
	case r.URL.Path != "/apis/apps/v1/namespaces/llm/deployments/vllm":
		w.WriteHeader(http.StatusNotFound)
		return
	case r.Method == http.MethodPatch && r.Header.Get("Content-Type") != "application/merge-patch+json":
		w.WriteHeader(http.StatusUnsupportedMediaType)
		return
	case r.Method == http.MethodPatch && c.refuse != 0:
		w.WriteHeader(c.refuse)
		return
	case r.Method == http.MethodPatch:
		text, _ := io.ReadAll(r.Body)
		var doc struct{ Spec struct{ Replicas int } }
		if err := json.Unmarshal(text, &doc); err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		c.writes, c.replicas, c.ready = append(c.writes, string(text)), doc.Spec.Replicas, min(c.ready, doc.Spec.Replicas)
		if c.late {
			w.WriteHeader(http.StatusGatewayTimeout)
			return
		}
	}
	status := map[string]any{"observedGeneration": 7}
	if c.ready > 0 { // zeros are left out
		status["readyReplicas"] = c.ready
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"kind": "Deployment", "spec": map[string]any{"replicas": c.replicas, "paused": false}, "status": status})
}

// asks is how many replicas are asked for, and by which writes.
func (c *cluster) asks() (replicas int, writes string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.replicas, fmt.Sprint(c.writes)
}

func (c *cluster) set(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f()
}

func replicasConfig() Config {
	const path = "/apis/apps/v1/namespaces/llm/deployments/{deployment}"
	return Config{
		Name: "k8s", Type: "replicas", URL: "http://cluster", TokenEnv: "TEST_CLUSTER_TOKEN", Check: "GET " + path, Apply: "PATCH " + path,
		Wanted: "spec.replicas", Ready: "status.readyReplicas", MaxReplicas: 6,
	}
}

// inCluster runs a test with a machine that may scale a deployment of two replicas, and returns how to ask for that.
func inCluster(t *testing.T, f func(c *cluster, log *auditLog, tell func(state string, with map[string]string), is func(respond.State, string))) {
	t.Helper()
	t.Setenv("TEST_CLUSTER_TOKEN", "sk-cluster")
	synctest.Test(t, func(t *testing.T) {
		targets, err := New([]Config{replicasConfig()})
		if err != nil {
			t.Fatal(err)
		}
		c := &cluster{replicas: 2, ready: 2}
		targets["k8s"].(*replicas).client.Transport = c
		log, stop := startMachine(targets)
		defer stop()
		n := 0
		tell := func(state string, with map[string]string) {
			t.Helper()
			if state == "firing" {
				n++
			}
			now := time.Now()
			a := &respond.Alert{
				ID: fmt.Sprint("a", n), Rule: "queue", State: state, Mode: "auto", At: now, CausedAt: now, StartsAt: now, Actions: []respond.Action{{Type: "scale", Target: "k8s", With: with}},
			}
			if err := log.machine.Handle(context.Background(), a); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		is := func(want respond.State, says string) {
			t.Helper()
			log.machine.Look(func(b *respond.Book) {
				if r := b.All()[len(b.All())-1]; r.State != want || !strings.Contains(r.Reason, says) {
					t.Errorf("the response is %s: %q; want %s: %q", r.State, r.Reason, want, says)
				}
			})
		}
		f(c, log, tell, is)
	})
}

// Replicas are added, verified when they are ready, kept while the alert fires, and taken away when it is over.
func TestReplicas(t *testing.T) {
	inCluster(t, func(c *cluster, log *auditLog, tell func(string, map[string]string), is func(respond.State, string)) {
		with := map[string]string{"deployment": "vllm", "add": "2"}
		tell("firing", with)
		pass(3 * time.Minute)
		is(respond.Applied, "2 of 4 replicas are ready")
		c.set(func() { c.ready = 4 })
		pass(2 * time.Second)
		is(respond.Verified, "4 of 4 replicas are ready")
		pass(time.Hour)
		is(respond.Verified, "still fires")
		tell("resolved", with)
		pass(10 * time.Second)
		is(respond.Reverted, "")
		if _, writes := c.asks(); writes != `[{"spec":{"replicas":4}} {"spec":{"replicas":2}}]` {
			t.Errorf("the writes were %s", writes)
		}
	})
}

func TestReplicasThatFail(t *testing.T) {
	two := map[string]string{"deployment": "vllm", "add": "2"}
	cases := map[string]struct {
		with   map[string]string
		before func(c *cluster)
		within func(c *cluster)
		after  time.Duration
		want   respond.State
		says   string
		left   int
	}{
		"they never are ready":       {two, nil, nil, 11 * time.Minute, respond.Reverted, "its lease is over, and it is not done: 2 of 4 replicas are ready", 2},
		"the cluster says no":        {two, func(c *cluster) { c.refuse = 403 }, nil, time.Minute, respond.Failed, "nothing was changed", 2},
		"the answer is lost":         {map[string]string{"deployment": "vllm", "replicas": "4"}, func(c *cluster) { c.late = true }, func(c *cluster) { c.ready = 4 }, time.Minute, respond.Verified, "4 of 4", 4},
		"the answer is lost, by add": {two, func(c *cluster) { c.late = true }, nil, time.Minute, respond.Reverted, "did not go through", 2},
		"somebody else scales":       {two, nil, func(c *cluster) { c.replicas = 5 }, time.Minute, respond.Reverted, "left alone", 5},
		"the cluster goes away":      {two, nil, func(c *cluster) { c.unreachable = true }, time.Minute, respond.Applied, "connection refused", 4},
		"it would be too many":       {map[string]string{"deployment": "vllm", "add": "5"}, nil, nil, time.Second, respond.Refused, "that would be 7 replicas", 2},
		"fewer are asked for":        {map[string]string{"deployment": "vllm", "replicas": "1"}, nil, nil, time.Second, respond.Refused, "none are taken away", 2},
		"as many as there are":       {map[string]string{"deployment": "vllm", "replicas": "2"}, nil, nil, time.Second, respond.Refused, "already so", 2},
		"no such deployment":         {map[string]string{"deployment": "moon", "add": "1"}, nil, nil, time.Second, respond.Refused, "404", 2},
		"no deployment":              {map[string]string{"add": "1"}, nil, nil, time.Second, respond.Refused, "needs with.deployment", 2},
		"no number":                  {map[string]string{"deployment": "vllm"}, nil, nil, time.Second, respond.Refused, "needs one of", 2},
		"both numbers":               {map[string]string{"deployment": "vllm", "add": "1", "replicas": "3"}, nil, nil, time.Second, respond.Refused, "needs one of", 2},
		"a number that is none":      {map[string]string{"deployment": "vllm", "add": "-1"}, nil, nil, time.Second, respond.Refused, "no whole number", 2},
	}
	for name, x := range cases {
		t.Run(name, func(t *testing.T) {
			inCluster(t, func(c *cluster, _ *auditLog, tell func(string, map[string]string), is func(respond.State, string)) {
				if x.before != nil {
					c.set(func() { x.before(c) })
				}
				tell("firing", x.with)
				pass(500 * time.Millisecond)
				if x.within != nil {
					c.set(func() { x.within(c) })
				}
				pass(x.after)
				is(x.want, x.says)
				if n, _ := c.asks(); n != x.left {
					t.Errorf("%d replicas are asked for, not %d", n, x.left)
				}
			})
		})
	}
}

func TestReplicasConfiguration(t *testing.T) {
	for want, change := range map[string]func(*Config){
		"max_replicas: say": func(c *Config) { c.MaxReplicas = 0 },
		"apply: write":      func(c *Config) { c.Apply = "PATCH x" },
		"restart_url: a target of type replicas": func(c *Config) {
			c.RestartURL = "http://ops"
		},
	} {
		c := replicasConfig()
		change(&c)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %s", err, want)
		}
	}
	c := replicasConfig()
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
}
