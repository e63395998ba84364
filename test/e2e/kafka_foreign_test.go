package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// kafka is an Apache Kafka that tools/real/kafka started.
type kafka struct {
	state            string // its folder
	plain, sasl, ssl string // addresses: of its owner, of the user hxp, of the certificate of hxp
}

// realKafka is the one of HXP_REAL_KAFKA_STATE, which runs.
func realKafka(t *testing.T) kafka {
	t.Helper()
	k := kafka{state: need(t, "HXP_REAL_KAFKA_STATE", "Apache Kafka with TLS and SASL")}
	k.addresses(t)
	return k
}

func (k *kafka) addresses(t testing.TB) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(k.state, "addresses"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Sscan(string(text), &k.plain, &k.sasl, &k.ssl); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
}

// hxp prepares an instance that comes as the user hxp.
func (k kafka) hxp(t testing.TB) *instance {
	t.Helper()
	h := prepare(t, k.sasl)
	h.keys = envLines(t, filepath.Join(k.state, "sasl.env"))
	return h
}

// java runs one of Kafka's own tools; as is "owner" or "hxp".
func (k kafka) java(t testing.TB, as, input, class string, args ...string) string {
	t.Helper()
	to := []string{"--bootstrap-server", k.plain}
	if as == "hxp" {
		to = []string{"--bootstrap-server", k.sasl, "--command-config", filepath.Join(k.state, "client.properties")}
	}
	all := append([]string{"-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", os.Getenv("HXP_REAL_KAFKA_TOOLS"), "org.apache.kafka.tools." + class}, to...)
	return tool(t, input, "java", append(all, args...)...)
}

// lag is what Kafka's own tool says of a group on a topic: where it stands and how far behind it is.
func (k kafka) lag(t testing.TB, group, topic string) (at, behind int) {
	t.Helper()
	out := k.java(t, "owner", "", "consumer.group.ConsumerGroupCommand", "--describe", "--group", group)
	found := false
	for line := range strings.Lines(out) {
		f := strings.Fields(line) // GROUP TOPIC PARTITION CURRENT-OFFSET LOG-END-OFFSET LAG …
		if len(f) < 6 || f[1] != topic {
			continue
		}
		found = true
		for i, sum := range map[int]*int{3: &at, 5: &behind} {
			n, err := strconv.Atoi(f[i])
			if err != nil {
				t.Fatalf("group %s: %s", group, line)
			}
			*sum += n
		}
	}
	if !found {
		t.Fatalf("group %s has no positions of %s:\n%s", group, topic, out)
	}
	return at, behind
}

func (k kafka) caughtUp(t testing.TB, group, topic string) {
	t.Helper()
	eventually(t, time.Minute, group+" has no lag", func() bool { _, behind := k.lag(t, group, topic); return behind == 0 })
}

// hours are given out so that no two runs on the same broker share one.
func freshHours() func() time.Time {
	at := time.Date(2012, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(time.Now().Unix()%80_000) * time.Hour)
	return func() time.Time { at = at.Add(time.Hour); return at }
}

// transactions writes batches of lines, each in a transaction of its own that is committed or aborted.
const transactions = `
import json, sys
from confluent_kafka import Producer
p = Producer({"bootstrap.servers": sys.argv[1], "transactional.id": sys.argv[2]})
p.init_transactions(30)
for batch in json.load(sys.stdin):
    p.begin_transaction()
    for line in batch["lines"]:
        p.produce("llm-requests", line.encode())
    p.flush(30)
    if batch["commit"]:
        p.commit_transaction(30)
    else:
        p.abort_transaction(30)
print("done")
`

// tornTransaction writes lines and ends without a word. The brokers abort what it began after its 5 s.
const tornTransaction = `
import os, sys
from confluent_kafka import Producer
p = Producer({"bootstrap.servers": sys.argv[1], "transactional.id": sys.argv[2], "transaction.timeout.ms": 5000})
p.init_transactions(30)
p.begin_transaction()
for line in sys.stdin:
    p.produce("llm-requests", line.strip().encode())
p.flush(30)
print("gone", flush=True)
os._exit(0)
`

// settled waits until the windows hold everything that is there, of earlier runs too. What is lost is not there.
func (h *instance) settled(t testing.TB) {
	t.Helper()
	eventually(t, time.Minute, "the windows have read everything", func() bool {
		var p struct {
			ConsumerLag int64 `json:"consumer_lag"`
			Partitions  []struct {
				Again     int64 `json:"counting_again"`
				Elsewhere int64 `json:"counted_elsewhere"`
			}
		}
		h.get(t, "event-processing-api", "/analytics/performance", &p)
		missing := p.ConsumerLag
		for _, one := range p.Partitions {
			missing += one.Again + one.Elsewhere
		}
		return missing == 0
	})
}

// What other people's clients do on Apache Kafka, while hxp comes in over TLS with SASL and no more rights than it needs.
func TestOnKafka(t *testing.T) {
	k := realKafka(t)
	tag, hour := fmt.Sprintf("k%x", time.Now().UnixNano()), freshHours()
	h := k.hxp(t)
	h.up(t)

	t.Run("the line of the specification", func(t *testing.T) {
		h.settled(t)
		before := h.recent(t).System.Samples
		k.java(t, "hxp", bare+"\n", "ConsoleProducer", "--topic", "system-metrics")
		h.sampled(t, before+1)
		if s := h.recent(t).System; s.CPU == nil || s.Memory == nil {
			t.Errorf("system: %+v", s)
		}
	})

	t.Run("compressions", func(t *testing.T) {
		at := hour()
		var sent []request
		for i, codec := range []string{"none", "gzip", "snappy", "lz4", "zstd"} {
			rs := generate(uint64(i), 200, tag+"-"+codec, at)
			k.java(t, "hxp", string(ndjson(rs)), "ConsoleProducer", "--topic", "llm-requests", "--compression-codec", codec)
			sent = append(sent, rs...)
		}
		if os.Getenv("HXP_REAL_KCAT") == "" {
			t.Log("!!! SKIPPED: kcat")
		} else {
			for i, codec := range []string{"gzip", "snappy", "lz4", "zstd"} {
				rs := generate(uint64(10+i), 100, tag+"-kcat-"+codec, at)
				tool(t, string(ndjson(rs)), "kcat", append(k.kcat(t), "-P", "-t", "llm-requests", "-X", "acks=all", "-z", codec)...)
				sent = append(sent, rs...)
			}
		}
		h.counted(t, at, sent)
	})

	t.Run("transactions", func(t *testing.T) {
		python := need(t, "HXP_REAL_PYTHON", "confluent-kafka")
		at := hour()
		first, broken, last := generate(31, 150, tag+"-committed", at), generate(32, 150, tag+"-aborted", at), generate(33, 50, tag+"-after", at)
		type batch struct {
			Commit bool     `json:"commit"`
			Lines  []string `json:"lines"`
		}
		of := func(rs []request, commit bool) (b batch) {
			for _, l := range lines(rs) {
				b.Lines = append(b.Lines, string(l))
			}
			b.Commit = commit
			return b
		}
		write := func(batches ...batch) {
			in, err := json.Marshal(batches)
			if err != nil {
				t.Fatal(err)
			}
			wants(t, "confluent-kafka", tool(t, string(in), python, "-c", transactions, k.plain, tag), "done")
		}
		write(of(first, true), of(broken, false), of(last, true))
		h.counted(t, at, append(first, last...))
		write(of(broken, true)) // the same again, and now it holds
		h.counted(t, at, append(append(first, last...), broken...))
	})

	t.Run("a producer that dies in its transaction", func(t *testing.T) {
		python := need(t, "HXP_REAL_PYTHON", "confluent-kafka")
		at := hour()
		torn, others := generate(34, 100, tag+"-torn", at), generate(35, 200, tag+"-others", at)
		wants(t, "confluent-kafka", tool(t, string(ndjson(torn)), python, "-c", tornTransaction, k.plain, tag+"-torn"), "gone")
		h.produce(t, "llm-requests", lines(others)...) // they lie behind the open transaction until the brokers abort it
		h.counted(t, at, others)
	})

	groups := []string{"hxp-batch-processing", "hxp-event-processing"}
	t.Run("lag in Kafka's own tools", func(t *testing.T) {
		at := hour()
		rs := generate(41, 300, tag+"-lag", at)
		for _, g := range groups {
			k.caughtUp(t, g, "llm-requests")
		}
		before, _ := k.lag(t, groups[0], "llm-requests")
		if code := h.stop(t); code != 0 {
			t.Errorf("exit %d", code)
		}
		k.java(t, "hxp", string(ndjson(rs)), "ConsoleProducer", "--topic", "llm-requests")
		for _, g := range groups {
			if _, behind := k.lag(t, g, "llm-requests"); behind != len(rs) {
				t.Errorf("lag of %s is %d while hxp is down, want %d", g, behind, len(rs))
			}
		}
		h.up(t)
		h.counted(t, at, rs)
		for _, g := range groups {
			k.caughtUp(t, g, "llm-requests")
		}
		if after, _ := k.lag(t, groups[0], "llm-requests"); after != before+len(rs) {
			t.Errorf("positions add up to %d, want %d", after, before+len(rs))
		}
	})

	t.Run("more partitions and other wishes", func(t *testing.T) {
		at := hour()
		had := partitionsOf(t, k.java(t, "owner", "", "TopicCommand", "--describe", "--topic", "llm-requests"))
		k.java(t, "owner", "", "TopicCommand", "--alter", "--topic", "llm-requests", "--partitions", strconv.Itoa(had+2))
		rs := generate(51, 500, tag+"-grown", at)
		k.java(t, "hxp", string(ndjson(rs)), "ConsoleProducer", "--topic", "llm-requests")
		h.counted(t, at, rs)
		if code := h.stop(t); code != 0 {
			t.Errorf("exit %d", code)
		}
		h.env = append(h.env, "KAFKA_TOPIC_REPLICATION_FACTOR=3")
		h.up(t)
		h.caughtUp(t, at, int64(len(rs)))
		log, err := os.ReadFile(h.logPath())
		if err != nil {
			t.Fatal(err)
		}
		wants(t, "the log", string(log), fmt.Sprintf("topic=llm-requests setting=partitions has=%d configured=3", had+2), "topic=llm-requests setting=replication_factor has=1 configured=3")
		after := k.java(t, "owner", "", "TopicCommand", "--describe", "--topic", "llm-requests")
		wants(t, "the topic", after, fmt.Sprintf("PartitionCount: %d", had+2), "ReplicationFactor: 1")
	})

	if code := h.stop(t); code != 0 {
		t.Errorf("exit %d", code)
	}
}

// kcat are the arguments by which it comes with the certificate of hxp: the SCRAM of the librdkafka that Debian has (2.0.2)
// sends a nonce that Apache Kafka has refused since CVE-2024-56128.
func (k kafka) kcat(t testing.TB) []string {
	t.Helper()
	args := []string{"-b", k.ssl}
	names := map[string]string{"KAFKA_SECURITY_PROTOCOL": "security.protocol", "KAFKA_SSL_CA_FILE": "ssl.ca.location", "KAFKA_SSL_CERT_FILE": "ssl.certificate.location", "KAFKA_SSL_KEY_FILE": "ssl.key.location"}
	for _, kv := range envLines(t, filepath.Join(k.state, "ssl.env")) {
		if name, value, _ := strings.Cut(kv, "="); names[name] != "" {
			args = append(args, "-X", names[name]+"="+value)
		}
	}
	return args
}

// The rights of docs/runbooks/kafka.md are enough, and one less is told with the command that gives it: at the start hxp ends
// with it, later its health shows it, nothing that was acknowledged is lost, and everything goes on when the right is back.
func TestOnKafkaWithoutARight(t *testing.T) {
	k := realKafka(t)
	acl := func(what, op string) {
		args := []string{what, "--allow-principal", "User:hxp", "--operation", op, "--topic", "llm-requests"}
		if what == "--remove" {
			args = append(args, "--force")
		}
		k.java(t, "owner", "", "AclCommand", args...)
	}
	tag, at := fmt.Sprintf("r%x", time.Now().UnixNano()), freshHours()()
	h := k.hxp(t)
	h.up(t)
	rs := generate(1, 100, tag, at)
	h.send(t, rs)

	acl("--remove", "Write")
	removed := true
	defer func() {
		if removed { // others use this broker too
			acl("--add", "Write")
		}
	}()
	more := generate(2, 100, tag+"-more", at)
	eventually(t, 20*time.Second, "events are refused", func() bool {
		res, _, err := call("POST", h.url("kafka-api")+"/events", map[string]string{"Content-Type": "application/x-ndjson"}, ndjson(more))
		return err == nil && res.StatusCode == 503 && res.Header.Get("Retry-After") != ""
	})
	res, body, err := call("GET", h.url("kafka-api")+"/health", nil, nil)
	if err != nil || res.StatusCode != 200 {
		t.Fatal(res, err)
	}
	wants(t, "/health", string(body), "degraded", "Write on llm-requests", "--operation Write --topic llm-requests")
	if code := h.stop(t); code != 0 {
		t.Errorf("exit %d", code)
	}
	ports := filepath.Join(t.TempDir(), "ports") // free ones: others may listen on the usual ones
	if err := os.WriteFile(ports, []byte("KAFKA_API_PORT=0\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, errs, code := h.cli(t, "run", "kafka-api", "--env-file", ports)
	if code != 1 {
		t.Errorf("hxp starts without the right to write: exit %d", code)
	}
	wants(t, "stderr", string(errs), "Write on llm-requests", "kafka-acls --bootstrap-server "+k.sasl)

	acl("--add", "Write")
	removed = false
	h.up(t)
	h.send(t, more)
	h.counted(t, at, append(rs, more...))
}

// A password that is changed on the brokers: what is connected is asked for it again (connections.max.reauth.ms), health says what
// is wrong, and the new one, put into the file, is taken without a restart. Nothing that was acknowledged is lost.
func TestOnKafkaWithANewPassword(t *testing.T) {
	k := realKafka(t)
	h := k.hxp(t)
	file := filepath.Join(h.dir, "password")
	var old string
	for i, kv := range h.keys {
		if name, value, _ := strings.Cut(kv, "="); name == "KAFKA_SASL_PASSWORD" {
			old, h.keys[i] = value, "KAFKA_SASL_PASSWORD_FILE="+file
		}
	}
	write := func(password string) {
		if err := os.WriteFile(file, []byte(password+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	change := func(password string) {
		tool(t, "", "java", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", os.Getenv("HXP_REAL_KAFKA_TOOLS"), "kafka.admin.ConfigCommand", "--bootstrap-server", k.plain,
			"--alter", "--entity-type", "users", "--entity-name", "hxp", "--add-config", "SCRAM-SHA-512=[password="+password+"]")
	}
	write(old)
	h.up(t)
	tag, at := fmt.Sprintf("p%x", time.Now().UnixNano()), freshHours()()
	rs := generate(1, 100, tag, at)
	h.send(t, rs)

	change("another-one")
	defer change(old) // others use this broker too
	ill := func() string {
		res, body, err := call("GET", h.url("kafka-api")+"/health", nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		if res.StatusCode == 200 {
			return ""
		}
		return string(body)
	}
	eventually(t, 30*time.Second, "health tells of the password", func() bool { return strings.Contains(ill(), "do not accept the user with this password") })
	more := generate(2, 100, tag+"-more", at)
	if res, _, err := call("POST", h.url("kafka-api")+"/events", map[string]string{"Content-Type": "application/x-ndjson"}, ndjson(more)); err != nil || res.StatusCode != 503 {
		t.Errorf("events while no password fits: %v %v", res, err)
	}
	_, errs, code := h.cli(t, "simulate", "--duration", "1s")
	if code != 1 {
		t.Errorf("hxp simulate: exit %d", code)
	}
	wants(t, "stderr", string(errs), "check KAFKA_SASL_USERNAME, KAFKA_SASL_PASSWORD")

	write("another-one")
	eventually(t, 30*time.Second, "health is good again", func() bool { return ill() == "" })
	h.send(t, more)
	h.counted(t, at, append(rs, more...))
	if code := h.stop(t); code != 0 {
		t.Errorf("exit %d", code)
	}
}

// Records that Kafka deletes before hxp has read them are lost, and said to be: how many, in health and in what is answered.
func TestOnKafkaRecordsGone(t *testing.T) {
	k := realKafka(t)
	tag, at := fmt.Sprintf("g%x", time.Now().UnixNano()), freshHours()()
	h := k.hxp(t)
	h.up(t)
	h.settled(t)
	before, _ := h.lost(t) // by earlier runs
	rs := generate(1, 200, tag, at)
	h.send(t, rs)
	h.counted(t, at, rs)
	if code := h.stop(t); code != 0 {
		t.Errorf("exit %d", code)
	}
	unread := generate(2, 300, tag+"-unread", at)
	k.java(t, "hxp", string(ndjson(unread)), "ConsoleProducer", "--topic", "llm-requests")
	k.deleteRecords(t, "llm-requests")
	h.up(t)
	h.settled(t)
	after := generate(3, 100, tag+"-after", at)
	h.send(t, after)
	h.counted(t, at, append(rs, after...))
	if lost, completeness := h.lost(t); lost-before != int64(len(unread)) || completeness >= 1 {
		t.Errorf("%d more records are said to be lost, completeness %v; want %d and less than 1", lost-before, completeness, len(unread))
	}
	res, body, err := call("GET", h.url("event-processing-api")+"/health", nil, nil)
	if err != nil || res.StatusCode != 200 {
		t.Fatal(res, err)
	}
	wants(t, "/health", string(body), "degraded", "llm-requests")
}

// lost is how many records the windows never saw, and what that makes of completeness.
func (h *instance) lost(t testing.TB) (n int64, completeness float64) {
	t.Helper()
	var p struct {
		Completeness float64
		Partitions   []struct {
			Lost      int64
			GapReason string `json:"gap_reason"`
		}
	}
	h.get(t, "event-processing-api", "/analytics/performance", &p)
	for _, one := range p.Partitions {
		n += one.Lost
		if one.Lost > 0 && one.GapReason == "" {
			t.Errorf("no reason for %d lost records", one.Lost)
		}
	}
	return n, p.Completeness
}

// deleteRecords deletes everything that a topic holds, as retention does.
func (k kafka) deleteRecords(t testing.TB, topic string) {
	t.Helper()
	type upTo struct {
		Topic     string `json:"topic"`
		Partition int    `json:"partition"`
		Offset    int    `json:"offset"`
	}
	var all []upTo
	for i := range partitionsOf(t, k.java(t, "owner", "", "TopicCommand", "--describe", "--topic", topic)) {
		all = append(all, upTo{topic, i, -1}) // the end of the log
	}
	text, err := json.Marshal(map[string]any{"version": 1, "partitions": all})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "offsets.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	k.java(t, "owner", "", "DeleteRecordsCommand", "--offset-json-file", file)
}

func partitionsOf(t testing.TB, described string) (n int) {
	t.Helper()
	_, rest, _ := strings.Cut(described, "PartitionCount:")
	if _, err := fmt.Sscan(rest, &n); err != nil {
		t.Fatalf("%s: %v", described, err)
	}
	return n
}
