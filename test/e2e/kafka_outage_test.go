package e2e

import (
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// startKafka starts the Apache Kafka whose data is in state, at the addresses that it had before.
func startKafka(t testing.TB, dir, state string) (k kafka, pid int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join("..", "..", "tools", "real", "kafka"), "start", dir, state)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	f := strings.Fields(string(out))
	if pid, err = strconv.Atoi(f[len(f)-1]); err != nil {
		t.Fatalf("kafka start: %q", out)
	}
	k = kafka{state: state}
	k.addresses(t)
	return k, pid
}

// endKafka asks the broker to end, or kills it, and waits until it is gone.
func endKafka(t testing.TB, pid int, kill bool) {
	t.Helper()
	p, err := os.FindProcess(pid)
	if err != nil {
		t.Fatal(err)
	}
	how := os.Signal(syscall.SIGTERM) // a process in the background of a script ignores SIGINT
	if kill {
		how = os.Kill
	}
	_ = p.Signal(how) // fails when it has ended already
	eventually(t, time.Minute, "Apache Kafka has ended", func() bool {
		_, err := os.Stat("/proc/" + strconv.Itoa(pid))
		return os.IsNotExist(err) || zombie(pid)
	})
}

// zombie tells whether a process has ended and nobody asked how: containers often have no init that does.
func zombie(pid int) bool {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return true
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	return strings.HasPrefix(rest, "Z")
}

// A broker that is restarted, and one that is killed and stays away (20 s, HXP_REAL_OUTAGE=2m for longer), in the middle of a load
// over HTTP and straight into the topic. While it is away writers are told to come again and health says why; afterwards the windows
// and the rows of the hours are the fold of what was acknowledged, and hxp itself is restarted nowhere.
func TestOnKafkaThatGoes(t *testing.T) {
	dir := need(t, "HXP_REAL_KAFKA_DIR", "the outage of Apache Kafka")
	away := 20 * time.Second
	if text := os.Getenv("HXP_REAL_OUTAGE"); text != "" {
		var err error
		if away, err = time.ParseDuration(text); err != nil {
			t.Fatal("HXP_REAL_OUTAGE: ", err)
		}
	}
	state := t.TempDir()
	k, pid := startKafka(t, dir, state)
	defer func() { endKafka(t, pid, true) }()
	h := k.hxp(t)
	h.up(t)
	hour := time.Date(2024, 5, 6, 7, 0, 0, 0, time.UTC)
	loads := []*load{push(h, 3, "http", hour), writeTopic(h, "topic", hour)}
	more := func(what string) {
		t.Helper()
		for _, l := range loads {
			seen := l.count()
			eventually(t, 2*time.Minute, "events are acknowledged "+what, func() bool { return l.count() > seen+500 })
		}
	}
	more("at the start")

	endKafka(t, pid, false)
	_, pid = startKafka(t, dir, state)
	more("after a restart")

	endKafka(t, pid, true)
	began := time.Now()
	h.refuses(t)
	<-time.After(away - time.Since(began)) // as long as it is to be away
	acked := loads[0].count()
	_, pid = startKafka(t, dir, state)
	t.Logf("away for %v", time.Since(began).Round(time.Second))
	eventually(t, time.Minute, "kafka-api is healthy again", func() bool {
		res, _, err := call("GET", h.url("kafka-api")+"/health", nil, nil)
		return err == nil && res.StatusCode == http.StatusOK
	})
	more("after the outage")
	rs := append(loads[0].end(t), loads[1].end(t)...)
	t.Logf("%d events acknowledged, %d of them over HTTP before the end of the outage", len(rs), acked)
	h.counted(t, hour, rs)
	if code := h.stop(t); code != 0 {
		t.Errorf("exit %d", code)
	}
}

// With a folder for what comes while the brokers are away, writers notice nothing: events are acknowledged when they are on disk and
// brought to the brokers later, through a kill of hxp in the middle of it too.
func TestOnKafkaThatGoesWithSpill(t *testing.T) {
	dir := need(t, "HXP_REAL_KAFKA_DIR", "the outage of Apache Kafka with a spill")
	state := t.TempDir()
	k, pid := startKafka(t, dir, state)
	defer func() { endKafka(t, pid, true) }()
	h := k.hxp(t)
	h.env = append(h.env, "HXP_INGEST_SPILL_BYTES=268435456", "EVENT_PROCESSING_TIMEOUT=2")
	h.up(t)
	hour := time.Date(2024, 6, 7, 8, 0, 0, 0, time.UTC)
	l := push(h, 3, "spill", hour)
	more := func(what string) {
		t.Helper()
		seen := l.count()
		eventually(t, time.Minute, "events are acknowledged "+what, func() bool { return l.count() > seen+500 })
	}
	more("at the start")
	endKafka(t, pid, true)
	more("while the broker is away")
	h.kill()
	_, pid = startKafka(t, dir, state)
	h.up(t)
	more("after the outage")
	rs := l.end(t)
	t.Logf("%d events acknowledged", len(rs))
	h.counted(t, hour, rs)
	if code := h.stop(t); code != 0 {
		t.Errorf("exit %d", code)
	}
}

// refuses wants the way in to say that the brokers are away: 503 with a time to come again, and why in /health.
func (h *instance) refuses(t testing.TB) {
	t.Helper()
	line := generate(99, 1, "refused", time.Date(2024, 5, 6, 9, 0, 0, 0, time.UTC))[0].line()
	eventually(t, time.Minute, "events are refused", func() bool {
		res, _, err := call("POST", h.url("kafka-api")+"/events", map[string]string{"Content-Type": "application/json"}, line)
		return err == nil && res.StatusCode == http.StatusServiceUnavailable && res.Header.Get("Retry-After") != ""
	})
	res, body, err := call("GET", h.url("kafka-api")+"/health", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("health while the broker is away: %d", res.StatusCode)
	}
	wants(t, "/health", string(body), "the broker does not answer", "refused")
}
