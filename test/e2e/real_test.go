package e2e

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// need skips the test unless HXP_REAL=1 and the variable, when one is named, say that the part is here.
func need(t *testing.T, variable, what string) string {
	t.Helper()
	if os.Getenv("HXP_REAL") != "1" {
		t.Skip("strangers' parts are tried with HXP_REAL=1 (make test-real)")
	}
	value := os.Getenv(variable)
	if variable != "" && value == "" {
		t.Skipf("!!! SKIPPED: %s is not set: %s was not tried", variable, what)
	}
	return value
}

// killCount is how many kills a test of real parts makes: as many as usual, or HXP_KILLS=200 for a record.
func killCount(t *testing.T, usual int) int {
	t.Helper()
	text := os.Getenv("HXP_KILLS")
	if text == "" {
		return usual
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("HXP_KILLS: %q is not a number of kills", text)
	}
	return n
}

// tool runs a stranger's program with input and returns what it wrote; it has a minute.
func tool(t testing.TB, input string, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdin = strings.NewReader(input)
	cmd.WaitDelay = 5 * time.Second
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, out.Bytes(), errs.Bytes())
	}
	return out.String()
}

// wants checks that a text holds each of the parts.
func wants(t testing.TB, what, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			t.Errorf("%s lacks %q:\n%.2000s", what, p, text)
		}
	}
}

// inputTopics are those that a stranger writes to.
var inputTopics = []string{"llm-requests", "user-feedback", "system-metrics", "business-events"}

var someHour = time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)

func TestRealKcat(t *testing.T) {
	need(t, "HXP_REAL_KCAT", "kcat")
	h := start(t, "127.0.0.1:0")
	kafka := h.url("kafka")
	wants(t, "kcat -L", tool(t, "", "kcat", "-b", kafka, "-L", "-J"), inputTopics...)
	rs := generate(21, 500, "kcat", someHour)
	tool(t, string(ndjson(rs)), "kcat", "-b", kafka, "-P", "-t", "llm-requests", "-X", "acks=all", "-z", "gzip")
	tool(t, bare+"\n", "kcat", "-b", kafka, "-P", "-t", "system-metrics")
	h.sampled(t, 1)
	h.counted(t, someHour, rs)
	out := tool(t, "", "kcat", "-b", kafka, "-C", "-t", "llm-requests", "-o", "beginning", "-e", "-q")
	if n := strings.Count(out, "\n"); n != len(rs) {
		t.Errorf("kcat -C read %d lines, want %d", n, len(rs))
	}
	for _, q := range rs {
		if !strings.Contains(out, string(q.line())) {
			t.Fatalf("kcat -C does not give back %s", q.line())
		}
	}
	out = tool(t, "", "kcat", "-b", kafka, "-C", "-t", "system-metrics", "-o", "beginning", "-e", "-q", "-f", "%o %s\n")
	wants(t, "kcat -C of system-metrics", out, "0 "+bare)
}

func TestRealKafkaTools(t *testing.T) {
	classes := need(t, "HXP_REAL_KAFKA_TOOLS", "Apache Kafka's own tools")
	h := start(t, "127.0.0.1:0")
	kafka := h.url("kafka")
	java := func(input, class string, args ...string) string {
		return tool(t, input, "java", append([]string{"-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", classes, "org.apache.kafka.tools." + class, "--bootstrap-server", kafka}, args...)...)
	}
	wants(t, "list", java("", "TopicCommand", "--list"), inputTopics...)
	java("", "TopicCommand", "--create", "--topic", "e2e", "--partitions", "2", "--replication-factor", "1", "--config", "retention.ms=3600000")
	wants(t, "describe", java("", "TopicCommand", "--describe", "--topic", "e2e"), "PartitionCount: 2", "ReplicationFactor: 1", "retention.ms=3600000")

	java(bare+"\n", "ConsoleProducer", "--topic", "system-metrics")
	h.sampled(t, 1)
	if s := h.recent(t).System; s.CPU == nil || s.Memory == nil || *s.CPU != 75 || *s.Memory != 80 {
		t.Errorf("the line of the specification: %+v in /analytics, want cpu 75 and memory 80", s)
	}
	rs := generate(22, 300, "tools", someHour)
	java(string(ndjson(rs)), "ConsoleProducer", "--topic", "llm-requests")
	h.counted(t, someHour, rs)

	out := java("", "consumer.ConsoleConsumer", "--topic", "llm-requests", "--from-beginning", "--max-messages", fmt.Sprint(len(rs)), "--group", "e2e-tools", "--timeout-ms", "30000")
	for _, q := range rs {
		if !strings.Contains(out, string(q.line())) {
			t.Fatalf("the console consumer does not give back %s", q.line())
		}
	}
	wants(t, "groups", java("", "consumer.group.ConsumerGroupCommand", "--list"), "e2e-tools")
	described := java("", "consumer.group.ConsumerGroupCommand", "--describe", "--group", "e2e-tools")
	wants(t, "group", described, "llm-requests", "LAG")
	read := 0
	for line := range strings.Lines(described) {
		f := strings.Fields(line) // GROUP TOPIC PARTITION CURRENT-OFFSET LOG-END-OFFSET LAG …
		if len(f) < 6 || f[1] != "llm-requests" {
			continue
		}
		var n int
		if _, err := fmt.Sscan(f[3], &n); err == nil {
			read += n
		}
		if f[5] != "0" && f[5] != "-" {
			t.Errorf("lag after reading everything: %s", line)
		}
	}
	if read != len(rs) {
		t.Errorf("offsets of the group add up to %d, want %d:\n%s", read, len(rs), described)
	}
}

// confluent produces lines of stdin with all acknowledgements and reads the topic back.
const confluent = `
import sys
from confluent_kafka import Producer, Consumer
servers, topic = sys.argv[1:3]
lines = [l.rstrip("\n") for l in sys.stdin]
failed = []
p = Producer({"bootstrap.servers": servers, "acks": "all", "enable.idempotence": True})
for l in lines:
    p.produce(topic, l.encode(), on_delivery=lambda e, m: failed.append(str(e)) if e else None)
left = p.flush(30)
assert left == 0 and not failed, (left, failed[:3])
c = Consumer({"bootstrap.servers": servers, "group.id": "e2e-confluent", "auto.offset.reset": "earliest", "enable.auto.commit": False})
c.subscribe([topic])
got, empty = [], 0
while len(got) < len(lines) and empty < 30:
    m = c.poll(1)
    if m is None:
        empty += 1
    elif m.error():
        raise SystemExit(str(m.error()))
    else:
        got.append(m.value().decode())
c.commit(asynchronous=False)
c.close()
assert sorted(got) == sorted(lines), (len(got), len(lines))
print("read", len(got))
`

func TestRealConfluentPython(t *testing.T) {
	python := need(t, "HXP_REAL_PYTHON", "confluent-kafka")
	h := start(t, "127.0.0.1:0")
	rs := generate(23, 100, "confluent", someHour)
	wants(t, "confluent-kafka", tool(t, string(ndjson(rs)), python, "-c", confluent, h.url("kafka"), "llm-requests"), "read 100")
	h.counted(t, someHour, rs)
}

func TestRealCrash(t *testing.T) {
	need(t, "", "")
	h := start(t, "127.0.0.1:0")
	crash(t, h, killCount(t, 15), "long", time.Now().UTC().Truncate(time.Hour).Add(-3*time.Hour))
	if code := h.stop(t); code != 0 {
		t.Errorf("exit %d after SIGTERM", code)
	}
}
