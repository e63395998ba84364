package ingest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
)

// call sends a request with a JSON body and reads the answer into v.
func (f *fixture) call(method, path string, body, v any) int {
	f.tb.Helper()
	text, ok := body.(string)
	if !ok && body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			f.tb.Fatal(err)
		}
		text = string(b)
	}
	req, err := http.NewRequest(method, f.url+path, bytes.NewReader([]byte(text)))
	if err != nil {
		f.tb.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		f.tb.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		f.tb.Fatal(err)
	}
	if problem := strings.Contains(resp.Header.Get("Content-Type"), "problem"); problem != (resp.StatusCode >= 400) && !strings.Contains(path, "redrive") {
		f.tb.Errorf("%s %s: %d with %s", method, path, resp.StatusCode, resp.Header.Get("Content-Type"))
	}
	if v != nil {
		if err := json.Unmarshal(answer, v); err != nil {
			f.tb.Fatalf("%s %s: %d %s: %v", method, path, resp.StatusCode, answer, err)
		}
	}
	return resp.StatusCode
}

type problem struct {
	Detail string
	Errors []struct{ Pointer, Code, Detail string }
}

func TestTopicLife(t *testing.T) {
	f := start(t, Defaults())
	var made Topic
	if s := f.call("POST", "/topics", `{"name":"team.extra","partitions":2,"config":{"retention.ms":3600000}}`, &made); s != 201 || made.Partitions != 2 || *made.RetentionMS != 3_600_000 || len(made.Logs) != 2 || made.Config["cleanup.policy"] != "delete" {
		t.Fatalf("%d %+v", s, made)
	}
	if s := f.call("PATCH", "/topics/team.extra", `{"partitions":4,"config":{"retention.bytes":"1048576","retention.ms":null}}`, &made); s != 200 || made.Partitions != 4 || *made.RetentionBytes != 1<<20 || *made.RetentionMS != (7*24*time.Hour).Milliseconds() {
		t.Fatalf("%d %+v", s, made)
	}
	if s := f.call("DELETE", "/topics/team.extra", nil, nil); s != 204 {
		t.Fatal(s)
	}
	if s := f.call("GET", "/topics/team.extra", nil, nil); s != 404 {
		t.Fatal(s)
	}
}

// Everything that is not possible is refused with what, where and why, and changes nothing.
func TestTopicRefusals(t *testing.T) {
	f := start(t, Defaults())
	for _, c := range []struct {
		method, path, body string
		status             int
		pointer, says      string
	}{
		{"POST", "/topics", `{}`, 422, "/name", "needs a name"},
		{"POST", "/topics", `{"name":"../up"}`, 422, "/name", "characters"},
		{"POST", "/topics", `{"name":"` + strings.Repeat("x", 250) + `"}`, 422, "/name", "at most 249"},
		{"POST", "/topics", `{"name":"hxp-mine"}`, 422, "/name", "belong to hxp"},
		{"POST", "/topics", `{"name":"__consumer_offsets"}`, 422, "/name", "belong to hxp"},
		{"POST", "/topics", `{"name":"x","partitions":-5}`, 422, "/partitions", "-5"},
		{"POST", "/topics", `{"name":"x","partitions":0}`, 422, "/partitions", "0 is not"},
		{"POST", "/topics", `{"name":"x","partitions":9}`, 422, "", "at most 8"},
		{"POST", "/topics", `{"name":"x","partitions":"two"}`, 422, "/partitions", "must be a whole number, not a string"},
		{"POST", "/topics", `{"name":"x","replication_factor":3}`, 422, "", "one replica"},
		{"POST", "/topics", `{"name":"x","config":{"no.such.setting":"1"}}`, 422, "/config/no.such.setting", "no setting"},
		{"POST", "/topics", `{"name":"x","config":{"retention.ms":"soon"}}`, 422, "/config/retention.ms", "not a number"},
		{"POST", "/topics", `{"name":"x","config":{"retention.ms":{"days":1}}}`, 422, "/config", "text"},
		{"POST", "/topics", `{"name":"x","colour":"red"}`, 422, "/colour", "no such field"},
		{"POST", "/topics", `{"name":"x"} {}`, 400, "", "follows"},
		{"POST", "/topics", `[`, 400, "", "not a JSON object"},
		{"POST", "/topics", `{"name":"llm-requests"}`, 409, "", "exists already"},
		{"PATCH", "/topics/none", `{"partitions":3}`, 404, "", "no topic"},
		{"PATCH", "/topics/llm-requests", `{}`, 422, "/", "nothing to change"},
		{"PATCH", "/topics/llm-requests", `{"partitions":1}`, 422, "/partitions", "never gets fewer"},
		{"PATCH", "/topics/llm-requests", `{"partitions":9,"config":{"retention.ms":"1000"}}`, 422, "", "at most 8"},
		{"PATCH", "/topics/llm-requests", `{"name":"other"}`, 422, "/name", "keeps its name"},
		{"PATCH", "/topics/llm-requests", `{"replication_factor":2}`, 422, "/replication_factor", "not here"},
		{"PATCH", "/topics/llm-requests", `{"config":{"cleanup.policy":"compact"}}`, 409, "/config/cleanup.policy", "remove events"},
		{"PATCH", "/topics/hxp-panes", `{"config":{"retention.ms":"1000"}}`, 409, "/config/retention.ms", "no retention of its own"},
		{"PATCH", "/topics/hxp-panes", `{"partitions":5}`, 409, "/partitions", "itself"},
		{"DELETE", "/topics/llm-requests", "", 409, "", "needs the topic"},
		{"DELETE", "/topics/hxp-late", "", 409, "", "needs the topic"},
		{"DELETE", "/topics/none", "", 404, "", "no topic"},
		{"GET", "/topics/a%20b", "", 404, "", "no topic"},
	} {
		name := c.method + " " + c.path + " " + c.body
		var p problem
		if s := f.call(c.method, c.path, c.body, &p); s != c.status || !strings.Contains(p.Detail, c.says) {
			t.Errorf("%.90s: %d %q", name, s, p.Detail)
		}
		if c.pointer != "" && (len(p.Errors) != 1 || p.Errors[0].Pointer != c.pointer) {
			t.Errorf("%.90s: points at %+v", name, p.Errors)
		}
	}
	var one Topic
	if f.call("GET", "/topics/llm-requests", nil, &one); one.Partitions != 3 || *one.RetentionMS != (7*24*time.Hour).Milliseconds() {
		t.Errorf("a refusal changed %+v", one)
	}
	if s := f.call("GET", "/topics/x", nil, nil); s != 404 {
		t.Error("a refusal made a topic")
	}
}

// A topic of hxp's own that was deleted behind its back is made again as hxp makes it.
func TestOwnTopicMadeAgain(t *testing.T) {
	f := start(t, Defaults())
	if err := f.bus.DeleteTopic(t.Context(), "user-feedback"); err != nil {
		t.Fatal(err)
	}
	var made Topic
	if s := f.call("POST", "/topics", `{"name":"user-feedback"}`, &made); s != 201 || made.Partitions != 3 || *made.RetentionMS != (30*24*time.Hour).Milliseconds() {
		t.Errorf("%d %+v", s, made)
	}
}

type browsed struct {
	Messages []Message
	Next     *string `json:"next_cursor"`
}

// everything reads all pages of a query.
func (f *fixture) everything(query string) (out []Message, pages int) {
	f.tb.Helper()
	for next := ""; ; pages++ {
		var b browsed
		if s := f.call("GET", query+next, nil, &b); s != 200 {
			f.tb.Fatalf("%s: %d", query, s)
		}
		out = append(out, b.Messages...)
		if b.Next == nil {
			return out, pages + 1
		}
		next = "&cursor=" + *b.Next
	}
}

func at(t *testing.T, m *Message) time.Time {
	t.Helper()
	v, err := time.Parse(time.RFC3339, m.Timestamp)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestMessages(t *testing.T) {
	f := start(t, Defaults())
	f.post("/events", ndjsonType_, []byte(strings.Join(several(0, 200), "\n")))
	p, err := f.bus.NewProducer(bus.ProducerOptions{ManualPartition: true})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	strange := []*bus.Message{
		{Topic: "llm-requests", Partition: 1, Key: []byte("odd"), Value: []byte("\xff\xfe"), Headers: []bus.Header{{Key: "origin", Value: []byte("test")}}},
		{Topic: "llm-requests", Partition: 1, Key: []byte("odd"), Value: []byte(`{"event_type":"llm_request","data":{"model":"bare"}}`)},
		{Topic: "llm-requests", Partition: 1, Value: []byte(`{"event_type":"no_such_type"}`)},
	}
	if err := p.Send(t.Context(), strange); err != nil {
		t.Fatal(err)
	}
	all, pages := f.everything("/topics/llm-requests/messages?limit=17")
	seen := map[string]bool{}
	for i, m := range all {
		seen[fmt.Sprint(m.Partition, ":", m.Offset)] = true
		if i > 0 && i%17 != 0 && at(t, &m).Before(at(t, &all[i-1])) {
			t.Errorf("message %d lies before the one before it", i)
		}
	}
	if len(all) != 203 || len(seen) != 203 || pages != 12 {
		t.Errorf("%d messages, %d different ones, on %d pages", len(all), len(seen), pages)
	}
	odd, _ := f.everything("/topics/llm-requests/messages?key=odd")
	if len(odd) != 2 || string(odd[0].Value) != "null" || odd[0].Reason == nil || odd[0].Reason.Code != event.CodeUTF8 || *odd[0].PayloadBase64 != "//4=" || odd[0].PayloadText != nil || odd[0].Headers[0].Value != "test" {
		t.Errorf("%+v", odd)
	}
	var e struct {
		ID string `json:"event_id"`
		At string `json:"timestamp"`
	}
	if err := json.Unmarshal(odd[1].Value, &e); err != nil || !strings.HasSuffix(e.ID, fmt.Sprintf(":1:%d", odd[1].Offset)) || e.At != odd[1].Timestamp {
		t.Errorf("a bare event is shown as %s", odd[1].Value)
	}
	for query, want := range map[string]int{
		"contains=bare": 1, "event_type=llm-requests": 201, "event_type=user_feedback": 0, "contains=r7%22": 1, "partition=1&offset=" + fmt.Sprint(strange[0].Offset): 3,
		"from=2099-01-01T00:00:00Z": 0, "from=1970-01-01T00:00:00Z": 203, "partition=0&offset=100000": 0, "partition=1&key=odd&contains=llm_request": 1,
	} {
		if got, _ := f.everything("/topics/llm-requests/messages?" + query); len(got) != want {
			t.Errorf("%s: %d messages, want %d", query, len(got), want)
		}
	}
	for query, status := range map[string]int{
		"partition=99": 400, "partition=x": 400, "partition=-1": 400, "offset=3": 400, "partition=0&offset=-1": 400, "limit=many": 400, "limit=0": 400, "from=soon": 400,
		"partition=0&offset=1&from=2026-01-01T00:00:00Z": 400, "event_type=none": 400, "cursor=%00": 400, "offset=": 400, "partition=": 400, "cursor=bm90": 400, "key=" + strings.Repeat("k", 2000): 400,
	} {
		if s := f.call("GET", "/topics/llm-requests/messages?"+query, nil, nil); s != status {
			t.Errorf("%s: %d", query, s)
		}
	}
	if s := f.call("GET", "/topics/none/messages", nil, nil); s != 404 {
		t.Error(s)
	}
}

// A filter that nothing passes costs a page bounded work and hands a cursor over.
func TestMessagesAreScannedInBounds(t *testing.T) {
	f := start(t, Defaults())
	p, err := f.bus.NewProducer(bus.ProducerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	msgs := make([]*bus.Message, maxScanned*2)
	for i := range msgs {
		msgs[i] = &bus.Message{Topic: "llm-requests", Key: fmt.Append(nil, i), Value: []byte(`{"n":1}`)}
	}
	msgs[len(msgs)-1].Value = []byte("needle")
	if err := p.Send(t.Context(), msgs); err != nil {
		t.Fatal(err)
	}
	got, pages := f.everything("/topics/llm-requests/messages?contains=needle")
	if len(got) != 1 || pages < 2 {
		t.Errorf("%d messages on %d pages", len(got), pages)
	}
}

// Pages of large messages end before they cost much memory, and together they hold each one once.
func TestMessagePagesAreBounded(t *testing.T) {
	f := start(t, Defaults())
	p, err := f.bus.NewProducer(bus.ProducerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	const n, size = 40, 500 << 10
	for i := range n {
		m := &bus.Message{Topic: "user-feedback", Key: fmt.Append(nil, i), Value: bytes.Repeat([]byte("x"), size)}
		if err := p.Send(t.Context(), []*bus.Message{m}); err != nil {
			t.Fatal(err)
		}
	}
	got, pages := f.everything("/topics/user-feedback/messages?limit=1000")
	if len(got) != n || pages < n*size/(pageBytes+size) {
		t.Errorf("%d messages on %d pages", len(got), pages)
	}
}

func TestGroups(t *testing.T) {
	f := start(t, Defaults())
	f.api.OwnGroups = []string{"hxp-event-processing"}
	f.post("/events", ndjsonType_, []byte(strings.Join(several(0, 50), "\n")))
	for _, id := range []string{"readers", "hxp-event-processing"} {
		if err := f.bus.CommitGroup(t.Context(), id, map[string]map[int32]int64{"llm-requests": {0: 0, 1: 0, 2: 0}}); err != nil {
			t.Fatal(err)
		}
	}
	var list struct{ Groups []Group }
	if f.call("GET", "/consumer-groups", nil, &list); len(list.Groups) != 2 || list.Groups[0].ID != "hxp-event-processing" || !list.Groups[0].Own || list.Groups[1].Lag != 50 {
		t.Errorf("%+v", list)
	}
	var g Group
	if s := f.call("GET", "/consumer-groups/readers", nil, &g); s != 200 || g.Lag != 50 || len(g.Partitions) != 3 || *g.Partitions[0].Position != 0 {
		t.Errorf("%d %+v", s, g)
	}
	for _, c := range []struct {
		id, body string
		status   int
		lag      int64
	}{
		{"readers", `{"to":"latest","dry_run":true}`, 200, 50},
		{"readers", `{"to":"latest"}`, 200, 0},
		{"readers", `{"to":"earliest"}`, 200, 50},
		{"readers", `{"to":"2099-01-01T00:00:00Z"}`, 200, 0},
		{"readers", `{"to":{"llm-requests":{"0":0}}}`, 200, -1},
		{"readers", `{"to":{"llm-requests":{"0":100000}}}`, 422, -1},
		{"readers", `{"to":{"llm-requests":{"7":0}}}`, 404, -1},
		{"readers", `{"to":{"llm-requests":{"x":0}}}`, 422, -1},
		{"readers", `{"to":{"llm-requests":{"0":-1}}}`, 422, -1},
		{"readers", `{"to":{}}`, 422, -1},
		{"readers", `{"to":"sideways"}`, 422, -1},
		{"readers", `{"to":7}`, 422, -1},
		{"readers", `{}`, 422, -1},
		{"nobody", `{"to":"latest"}`, 404, -1},
		{"hxp-event-processing", `{"to":"latest"}`, 409, -1},
	} {
		var reset GroupReset
		if s := f.call("POST", "/consumer-groups/"+c.id+"/reset", c.body, &reset); s != c.status {
			t.Errorf("%s %s: %d", c.id, c.body, s)
		}
		if c.lag < 0 {
			continue
		}
		if f.call("GET", "/consumer-groups/readers", nil, &g); g.Lag != c.lag || len(reset.Partitions) != 3 {
			t.Errorf("%s: lag %d, plan %+v", c.body, g.Lag, reset)
		}
	}
}
