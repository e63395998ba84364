package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// check is one finding of hxp doctor.
type check struct{ Name, Status, Detail, Cure string }

// doctor runs hxp doctor with an environment and wants an exit code.
func doctor(t *testing.T, env []string, want int, args ...string) map[string]check {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), binary, append([]string{"doctor", "--json"}, args...)...)
	cmd.Env = env
	out, err := cmd.Output()
	code := 0
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		code = exit.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	var a struct{ Checks []check }
	if err := json.Unmarshal(out, &a); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if code != want {
		t.Errorf("exit code %d, want %d: %s", code, want, out)
	}
	found := map[string]check{}
	for _, c := range a.Checks {
		found[c.Name] = c
	}
	return found
}

// TestDoctorBesideHxp asks a running hxp by its doctor: what is well, a DAG that is paused, dead letters, and a configuration that is of another one.
func TestDoctorBesideHxp(t *testing.T) {
	h := start(t, "127.0.0.1:0")
	env := h.settings()
	expect := func(found map[string]check, name, status string, words ...string) {
		t.Helper()
		c, known := found[name]
		if !known || c.Status != status {
			t.Errorf("%s: %+v, want %s; there are %v", name, c, status, slices.Sorted(maps.Keys(found)))
		}
		for _, w := range words {
			if !strings.Contains(c.Detail+c.Cure, w) {
				t.Errorf("%s: %+v lacks %q", name, c, w)
			}
		}
	}
	well := doctor(t, env, 0)
	for _, name := range []string{"health of kafka-api", "health of event-processing-api", "health of batch-processing-api", "health of data-streaming-api", "health of scheduler",
		"port of kafka-api", "data folder in use", "broker", "topics", "database", "schema of the database", "paused DAGs", "failed runs", "dead letters", "windows", "consumer groups"} {
		expect(well, name, "ok")
	}
	for name, c := range well {
		if c.Status == "fail" {
			t.Errorf("%s: %+v", name, c)
		}
	}

	res, body, err := call("POST", h.url("batch-processing-api")+"/dags/hxp_hourly_aggregation/pause", nil, nil)
	if err != nil || res.StatusCode != 200 {
		t.Fatalf("%v: %s", err, body)
	}
	if code, _ := h.post(t, []byte(`{"event_type":"llm_request","data":{"duration_ms":-1}}`), nil); code != 422 {
		t.Fatalf("status %d", code)
	}
	ill := doctor(t, env, 0)
	expect(ill, "paused DAGs", "warn", "hxp_hourly_aggregation", "hxp dags unpause")
	expect(ill, "dead letters", "warn", "negative", "hxp dead-letters list")

	// Other ports: the data folder is that of a stranger.
	other := slices.Clone(env)
	for _, p := range ports {
		other = append(other, p+"=0")
	}
	expect(doctor(t, append(other, "KAFKA_BOOTSTRAP_SERVERS=127.0.0.1:0"), 1), "data folder in use", "fail", fmt.Sprint(h.cmd.Process.Pid))
	h.kill()
	expect(doctor(t, append(other, "KAFKA_BOOTSTRAP_SERVERS=127.0.0.1:0"), 0), "data folder in use", "ok")
}
