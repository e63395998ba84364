package e2e

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

// bus asks kafka-api and reads the answer into v.
func (h *instance) bus(t testing.TB, method, path, body string, v any) int {
	t.Helper()
	res, data, err := call(method, h.url("kafka-api")+path, map[string]string{"Content-Type": "application/json"}, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	if v != nil {
		if err := json.Unmarshal(data, v); err != nil {
			t.Fatalf("%s %s: %d %s", method, path, res.StatusCode, data)
		}
	}
	return res.StatusCode
}

type topicLogs struct {
	Partitions int
	Logs       []struct{ Partition, Start, End int64 }
}

// anyBroker is Apache Kafka where the suite runs on it, else the embedded broker.
func anyBroker() string {
	if real := os.Getenv("HXP_REAL_KAFKA"); real != "" {
		return real
	}
	return "127.0.0.1:0"
}

// An input topic grows while events come in: each counts once, in the windows and in the hour, and events are on the new partitions.
func TestTopicGrowsUnderLoad(t *testing.T) {
	if os.Getenv("HXP_REAL_KAFKA") != "" {
		t.Skip("the topics of the shared broker belong to the walk")
	}
	h := start(t, "127.0.0.1:0")
	hour := time.Date(2025, 12, 30, 11, 0, 0, 0, time.UTC)
	l := push(h, 3, "grow", hour)
	for _, n := range []int{5, 8} {
		before := l.count()
		eventually(t, 30*time.Second, "load", func() bool { return l.count() > before+3000 })
		var grown topicLogs
		if s := h.bus(t, "PATCH", "/topics/llm-requests", fmt.Sprintf(`{"partitions":%d}`, n), &grown); s != 200 || grown.Partitions != n {
			t.Fatalf("%d %+v", s, grown)
		}
		var panes topicLogs
		if h.bus(t, "GET", "/topics/hxp-panes", "", &panes); panes.Partitions < n {
			t.Errorf("the journal has %d partitions for %d of the input", panes.Partitions, n)
		}
	}
	after := l.count()
	eventually(t, 30*time.Second, "load on all partitions", func() bool {
		var now topicLogs
		h.bus(t, "GET", "/topics/llm-requests", "", &now)
		filled := 0
		for _, log := range now.Logs {
			if log.End > 0 {
				filled++
			}
		}
		return l.count() > after+3000 && filled == 8
	})
	h.counted(t, hour, l.end(t))
}

// Retention of an own topic that is changed while it is in use takes effect, and takes nothing that is not counted and published.
func TestRetentionOfAnOwnTopic(t *testing.T) {
	h := prepare(t, "127.0.0.1:0")
	h.env = append(h.env, "EVENT_PROCESSING_SNAPSHOT_EVERY=1s")
	h.up(t)
	hour := time.Date(2025, 12, 30, 12, 0, 0, 0, time.UTC)
	l := push(h, 1, "keep", hour)
	eventually(t, 30*time.Second, "load", func() bool { return l.count() > 2000 })
	if s := h.bus(t, "PATCH", "/topics/llm-requests", `{"config":{"retention.ms":"5000"}}`, nil); s != 200 {
		t.Fatal(s)
	}
	eventually(t, 2*time.Minute, "old records are gone", func() bool {
		var now topicLogs
		h.bus(t, "GET", "/topics/llm-requests", "", &now)
		gone := 0
		for _, log := range now.Logs {
			if log.Start > 0 {
				gone++
			}
		}
		return gone == now.Partitions
	})
	h.counted(t, hour, l.end(t))
}

// The broker goes away and comes back: writers hear 503 and when to try again, health says so, and what is sent again counts once.
func TestBrokerAway(t *testing.T) {
	if os.Getenv("HXP_REAL_KAFKA") != "" {
		t.Skip("the shared broker stays")
	}
	broker := prepare(t, freeAddress(t))
	broker.services = []string{"run", "broker"}
	broker.up(t)
	api := prepare(t, broker.url("kafka"))
	api.services = []string{"run", "kafka-api"}
	api.up(t)
	one := func(id string) (int, http.Header) {
		res, _, err := call("POST", api.url("kafka-api")+"/events", map[string]string{"Content-Type": "application/json"},
			[]byte(`{"event_id":"`+id+`","event_type":"llm_request","timestamp":"2026-03-01T10:00:00Z","source":"e2e","data":{"model":"m"}}`))
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, res.Header
	}
	if s, _ := one("before"); s != http.StatusAccepted {
		t.Fatal(s)
	}
	broker.kill()
	if s, header := one("meanwhile"); s != http.StatusServiceUnavailable || header.Get("Retry-After") == "" {
		t.Errorf("while the broker is away: %d, %v", s, header)
	}
	for path, want := range map[string]int{"/health/live": 200, "/health/ready": 503, "/topics": 503, "/dead-letters": 503, "/consumer-groups": 503} {
		eventually(t, 20*time.Second, fmt.Sprintf("%s answers %d", path, want), func() bool { return api.bus(t, "GET", path, "", nil) == want })
	}
	broker.up(t)
	for _, id := range []string{"meanwhile", "before", "after", "meanwhile"} {
		eventually(t, time.Minute, id+" is taken", func() bool { s, _ := one(id); return s == http.StatusAccepted })
	}
	var page struct {
		Messages []struct {
			Value struct {
				ID string `json:"event_id"`
			}
		}
	}
	if s := api.bus(t, "GET", "/topics/llm-requests/messages", "", &page); s != 200 {
		t.Fatal(s)
	}
	times := map[string]int{}
	for _, m := range page.Messages {
		times[m.Value.ID]++
	}
	if times["before"] != 1 || times["after"] != 1 || times["meanwhile"] < 1 || times["meanwhile"] > 2 { // what was not acknowledged may have been written
		t.Errorf("on the topic: %v", times)
	}
}

// freeAddress is a port of this machine at which nobody listens now.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// The command line manages topics, groups and dead letters of whatever broker there is.
func TestTopicCommands(t *testing.T) {
	h := start(t, anyBroker())
	name := fmt.Sprintf("e2e-%d", time.Now().UnixNano())
	run := func(code int, says string, args ...string) []byte {
		t.Helper()
		out, errs, got := h.cli(t, append(args, "--url", h.url("kafka-api"))...)
		if got != code || !strings.Contains(string(out)+string(errs), says) {
			t.Errorf("hxp %s: exit %d, %s%s", strings.Join(args, " "), got, out, errs)
		}
		return out
	}
	run(0, "3600000", "topics", "create", name, "--partitions", "2", "--set", "retention.ms=3600000")
	run(1, "exists already", "topics", "create", name)
	run(1, "no.such.setting", "topics", "alter", name, "--set", "no.such.setting=1")
	run(1, "never gets fewer", "topics", "alter", name, "--partitions", "1")
	run(0, "1048576 bytes a partition", "topics", "alter", name, "--partitions", "4", "--set", "retention.bytes=1048576")
	run(2, "--yes", "topics", "delete", name)
	run(0, "llm-requests", "topics", "list")
	run(1, "cannot be deleted", "topics", "delete", "llm-requests", "--yes")
	hour := time.Date(2025, 12, 30, 13, 0, 0, 0, time.UTC)
	h.send(t, generate(5, 20, name, hour))
	run(0, name+"-3", "topics", "messages", "llm-requests", "--contains", name+`-3"`, "--json")
	eventually(t, 30*time.Second, "the groups of hxp are there", func() bool {
		out, _, code := h.cli(t, "topics", "groups", "--url", h.url("kafka-api"))
		return code == 0 && strings.Contains(string(out), "hxp-event-processing")
	})
	run(0, "llm-requests", "topics", "lag", "hxp-event-processing")
	run(1, "hxp's own", "topics", "reset", "hxp-event-processing", "--to", "latest")
	run(1, "no such consumer group", "topics", "reset", "nobody-"+name, "--to", "latest")
	run(0, name+" is deleted", "topics", "delete", name, "--yes")

	bad := fmt.Sprintf(`{"event_id":"%s","event_type":"llm_request","timestamp":"2025-12-30T13:00:00Z","data":{"model":"%s","duration_ms":"fast"}}`, name, name)
	status, a := h.post(t, []byte(bad), nil)
	if status != http.StatusUnprocessableEntity || len(a.Errors) != 1 {
		t.Fatalf("%d %+v", status, a)
	}
	id := a.Errors[0].DeadLetterID
	run(0, "wrong_type", "dead-letters", "list", "--state", "open")
	run(0, "/data/duration_ms", "dead-letters", "show", id)
	run(0, "wrong_type", "dead-letters", "summary")
	run(1, "rejected", "dead-letters", "redrive", id)
	run(0, "valid", "dead-letters", "redrive", id, "--patch", `{"data":{"duration_ms":5}}`, "--dry-run")
	run(0, "redriven", "dead-letters", "redrive", id, "--patch", `{"data":{"duration_ms":5}}`)
	run(0, "already_redriven", "dead-letters", "redrive", id)
	run(2, "not JSON", "dead-letters", "redrive", id, "--patch", `{`)
	run(2, "name letters", "dead-letters", "redrive")
}
