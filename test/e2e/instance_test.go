package e2e

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// ports are the variables that, set to 0, make each service take a free port.
var ports = []string{"KAFKA_API_PORT", "EVENT_PROCESSING_API_PORT", "BATCH_PROCESSING_API_PORT", "DATA_STREAMING_API_PORT",
	"AIRFLOW_WEBSERVER_PORT", "OPERATIONS_DASHBOARD_PORT", "BUSINESS_DASHBOARD_PORT", "PERFORMANCE_DASHBOARD_PORT", "SYSTEM_DASHBOARD_PORT"}

const (
	readyWithin = 3 * time.Minute  // a start that takes longer hangs, even one that makes the traffic of two days on a busy machine
	stopWithin  = 10 * time.Second // promised for SIGTERM
)

// instance is one `hxp up`: a folder of state and, most of the time, a process on it.
type instance struct {
	dir  string // holds the state, the log and the ready file
	args []string
	env  []string
	sql  string // URL of the database; "" when hxp keeps its own

	keys     []string // settings that the broker wants beside its address
	services []string // the command: up, or run and some services
	lake     string   // URL of the lake; "" when it is in the folder

	mu   sync.Mutex // guards what a restart changes
	cmd  *exec.Cmd
	done chan struct{} // closed when cmd has ended and was waited for
	urls map[string]string
}

// start runs `hxp up ARGS…` on broker until the test ends; 127.0.0.1:0 embeds one.
func start(t testing.TB, broker string, args ...string) *instance {
	t.Helper()
	h := prepare(t, broker, args...)
	h.up(t)
	return h
}

// prepare is start without the start.
func prepare(t testing.TB, broker string, args ...string) *instance {
	t.Helper()
	h := &instance{dir: t.TempDir(), args: args, env: append(cleanEnv(), "KAFKA_BOOTSTRAP_SERVERS="+broker), keys: keysOf(t, broker), sql: database(t), lake: lakeURL(), services: []string{"up"}}
	for _, p := range ports {
		h.env = append(h.env, p+"=0")
	}
	t.Cleanup(func() {
		h.kill()
		if t.Failed() {
			t.Logf("log of hxp (its end):\n%s", h.logTail(6000))
		}
	})
	return h
}

// stores are the settings of the database and the lake, if any.
func (h *instance) stores() (env []string) {
	if h.sql != "" {
		env = append(env, "SQL_DATABASE_URL="+h.sql)
	}
	if h.lake != "" {
		env = append(env, "HXP_LAKE_URL="+h.lake, "HXP_LAKE_S3_ENDPOINT="+os.Getenv("HXP_TEST_S3"))
	}
	return env
}

// lakeURL is a place of its own in the S3 bucket hxp-test of HXP_TEST_S3, "" when there is no such server; its keys are in AWS_….
func lakeURL() string {
	if os.Getenv("HXP_TEST_S3") == "" {
		return ""
	}
	return "s3://hxp-test/e2e-" + strings.ToLower(rand.Text())
}

// cleanEnv is the environment without settings of hxp, which would make runs differ from machine to machine.
func cleanEnv() []string {
	var env []string
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "HXP_") && !strings.HasPrefix(kv, "KAFKA_") && !strings.HasPrefix(kv, "SQL_") && !strings.HasPrefix(kv, "OTEL_") {
			env = append(env, kv)
		}
	}
	return env
}

// up starts the process on the state that is there and waits until every service is ready.
func (h *instance) up(t testing.TB) {
	t.Helper()
	h.launch(t)
	h.await(t)
}

func (h *instance) readyFile() string { return filepath.Join(h.dir, "ready.json") }

// launch starts the process and does not wait for it.
func (h *instance) launch(t testing.TB) {
	t.Helper()
	ready := h.readyFile()
	if err := os.Remove(ready); err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	log, err := os.OpenFile(h.logPath(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	command := append(slices.Clone(h.services), "--data-dir", filepath.Join(h.dir, "data"), "--ready-file", ready)
	cmd := exec.Command(binary, append(command, h.args...)...)
	cmd.Env, cmd.Stdout, cmd.Stderr = slices.Concat(h.env, h.keys, h.stores()), log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		_ = cmd.Wait() // the state tells how it ended
		close(done)
	}()
	h.mu.Lock()
	h.cmd, h.done = cmd, done
	h.mu.Unlock()
}

// await reads the ready file as soon as it is there.
func (h *instance) await(t testing.TB) {
	t.Helper()
	var file map[string]any
	eventually(t, readyWithin, "hxp is ready", func() bool {
		select {
		case <-h.done:
			t.Fatalf("hxp ended (%v) before it was ready:\n%s", h.cmd.ProcessState, h.logTail(3000))
		default:
		}
		data, err := os.ReadFile(h.readyFile())
		return err == nil && json.Unmarshal(data, &file) == nil
	})
	urls := map[string]string{}
	for name, v := range file {
		if s, ok := v.(string); ok {
			urls[name] = s
		}
	}
	h.mu.Lock()
	h.urls = urls
	h.mu.Unlock()
}

// url is the base URL of a service now; ports change with each start.
func (h *instance) url(service string) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.urls[service]
}

// kill ends the process as a power cut would, and waits for its end.
func (h *instance) kill() {
	h.mu.Lock()
	cmd, done := h.cmd, h.done
	h.mu.Unlock()
	if cmd == nil || cmd.Process == nil {
		return
	}
	_ = cmd.Process.Kill() // fails when it has ended already
	<-done
}

// stop asks the process to end and returns its exit code; -1 when it had to be killed.
func (h *instance) stop(t testing.TB) int {
	t.Helper()
	if err := h.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Errorf("SIGTERM: %v", err)
	}
	select {
	case <-h.done:
		return h.cmd.ProcessState.ExitCode()
	case <-time.After(stopWithin):
		t.Errorf("hxp still runs %v after SIGTERM", stopWithin)
		h.kill()
		return -1
	}
}

// cli runs a command of hxp against this instance.
func (h *instance) cli(t testing.TB, args ...string) (stdout, stderr []byte, code int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), binary, args...)
	cmd.Env = append(cleanEnv(), "KAFKA_BOOTSTRAP_SERVERS="+h.url("kafka"), "HXP_DATA_DIR="+filepath.Join(h.dir, "data"))
	cmd.Env = slices.Concat(cmd.Env, h.keys, h.stores())
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("hxp %s: %v", strings.Join(args, " "), err)
	}
	return out.Bytes(), errs.Bytes(), cmd.ProcessState.ExitCode()
}

func (h *instance) logPath() string { return filepath.Join(h.dir, "hxp.log") }

func (h *instance) logTail(n int) []byte {
	data, err := os.ReadFile(h.logPath())
	if err != nil {
		return []byte(err.Error())
	}
	return data[max(0, len(data)-n):]
}

// eventually asks again and again until ok; a limit is there for what hangs only.
func eventually(t testing.TB, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	end := time.After(limit)
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for !ok() {
		select {
		case <-again.C:
		case <-end:
			t.Fatalf("not reached in %v: %s", limit, what)
		}
	}
}
