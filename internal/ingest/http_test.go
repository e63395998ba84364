package ingest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"go.uber.org/goleak"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/bus/bustest"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/telemetry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fixture is an API with a broker behind it and a server before it.
type fixture struct {
	tb  testing.TB
	api *API
	bus *bus.Bus
	url string
}

func start(tb testing.TB, cfg Config) *fixture {
	tb.Helper()
	b := bustest.New(tb)
	api, err := New(cfg, b, nil, telemetry.NewRegistry())
	if err != nil {
		tb.Fatal(err)
	}
	return serve(tb, api, b)
}

func serve(tb testing.TB, api *API, b *bus.Bus) *fixture {
	tb.Helper()
	srv := httptest.NewServer(api.Handler())
	tb.Cleanup(func() {
		srv.Close()
		http.DefaultClient.CloseIdleConnections()
	})
	if b != nil {
		ctx, stop := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = api.Run(ctx)
		}()
		tb.Cleanup(func() { stop(); <-done })
		<-api.Ready()
	}
	return &fixture{tb, api, b, srv.URL}
}

type reply struct {
	Status     int
	Header     http.Header
	Body       string
	Accepted   int `json:"accepted"`
	Rejected   int `json:"rejected"`
	Duplicates int `json:"duplicates"`
	Errors     []itemError
	Results    []struct {
		Index     int
		EventID   string `json:"event_id"`
		Topic     string
		Partition int32
		Offset    int64
	}
}

func (f *fixture) post(path, contentType string, body []byte, header ...string) reply {
	f.tb.Helper()
	req, err := http.NewRequest("POST", f.url+path, bytes.NewReader(body))
	if err != nil {
		f.tb.Fatal(err)
	}
	req.Header.Set("Content-Type", contentType)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	return f.do(req)
}

func (f *fixture) do(req *http.Request) reply {
	f.tb.Helper()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		f.tb.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		f.tb.Fatal(err)
	}
	r := reply{Status: resp.StatusCode, Header: resp.Header, Body: string(b)}
	if !strings.Contains(resp.Header.Get("Content-Type"), "problem") {
		if err := json.Unmarshal(b, &r); err != nil {
			f.tb.Fatalf("%v: %s", err, b)
		}
	} else if resp.StatusCode < 400 {
		f.tb.Errorf("a problem with status %d", resp.StatusCode)
	}
	return r
}

func (f *fixture) get(path string, into any) int {
	f.tb.Helper()
	resp, err := http.Get(f.url + path)
	if err != nil {
		f.tb.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
		f.tb.Fatal(err)
	}
	return resp.StatusCode
}

// all reads every record of a topic.
func (f *fixture) all(topic string) (out []*bus.Message) {
	f.tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	bounds, err := f.bus.Offsets(ctx, topic)
	if err != nil {
		f.tb.Fatal(err)
	}
	from, n := map[int32]int64{}, 0
	for p, r := range bounds[topic] {
		from[p] = r.Start
		n += int(r.End - r.Start)
	}
	if n == 0 {
		return nil
	}
	reader, err := f.bus.NewReader(map[string]map[int32]int64{topic: from}, bus.ReaderOptions{})
	if err != nil {
		f.tb.Fatal(err)
	}
	defer reader.Close()
	for len(out) < n {
		fetch, err := reader.Poll(ctx)
		if err != nil {
			f.tb.Fatal(err)
		}
		for _, b := range fetch {
			out = append(out, b.Messages...)
		}
	}
	return out
}

const (
	jsonType_   = "application/json"
	ndjsonType_ = "application/x-ndjson"
)

func one(i int) string {
	return fmt.Sprintf(`{"event_id":"e%d","event_type":"llm_request","timestamp":"2026-01-02T03:04:05Z","source":"t","data":{"model":"m","request_id":"r%d","duration_ms":%d}}`, i, i, i)
}

func several(from, to int) (out []string) {
	for i := from; i < to; i++ {
		out = append(out, one(i))
	}
	return out
}

func gz(s string) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write([]byte(s))
	_ = w.Close()
	return b.Bytes()
}

func zst(s string) []byte {
	w, _ := zstd.NewWriter(nil)
	defer w.Close()
	return w.EncodeAll([]byte(s), nil)
}

func TestWaysIn(t *testing.T) {
	f := start(t, Defaults())
	n := 0
	for _, c := range []struct {
		name string
		send func(es []string) reply
		k    int
	}{
		{"object", func(es []string) reply { return f.post("/events", jsonType_, []byte(es[0])) }, 1},
		{"array", func(es []string) reply {
			return f.post("/events", "application/json; charset=utf-8", []byte("["+strings.Join(es, " ,\n")+"]"))
		}, 20},
		{"ndjson", func(es []string) reply { return f.post("/events", ndjsonType_, []byte(strings.Join(es, "\n")+"\n\n")) }, 20},
		{"gzip", func(es []string) reply {
			return f.post("/events", ndjsonType_, gz(strings.Join(es, "\r\n")), "Content-Encoding", "gzip")
		}, 20},
		{"gzip array", func(es []string) reply {
			return f.post("/events", jsonType_, gz("["+strings.Join(es, ",")+"]"), "Content-Encoding", "gzip")
		}, 20},
		{"zstd", func(es []string) reply {
			return f.post("/events", ndjsonType_, zst(strings.Join(es, "\n")), "Content-Encoding", "zstd")
		}, 20},
		{"all results", func(es []string) reply {
			return f.post("/events?results=all", ndjsonType_, []byte(strings.Join(es, "\n")))
		}, 150},
	} {
		r := c.send(several(n, n+c.k))
		if r.Status != 202 || r.Accepted != c.k || len(r.Results) != c.k || r.Rejected+r.Duplicates != 0 {
			t.Errorf("%s: %d %s", c.name, r.Status, r.Body)
		}
		for i, x := range r.Results {
			if x.Index != i || x.EventID != fmt.Sprintf("e%d", n+i) || x.Topic != "llm-requests" {
				t.Errorf("%s: result %d is %+v", c.name, i, x)
			}
		}
		n += c.k
	}
	if r := f.post("/events", ndjsonType_, []byte(strings.Join(several(n, n+150), "\n"))); r.Accepted != 150 || len(r.Results) != 0 {
		t.Errorf("results without being asked: %d %s", r.Status, r.Body[:200])
	}
	seen := map[string]bool{}
	var p event.Parser
	var e event.Event
	for _, m := range f.all("llm-requests") {
		if bad := p.Parse(m.Value, &e); bad != nil {
			t.Fatal(bad)
		}
		if string(m.Key) != e.Text(event.RequestID) || e.Text(event.RequestID) != "r"+e.ID[1:] {
			t.Errorf("key %q of %s", m.Key, m.Value)
		}
		seen[e.ID] = true
	}
	if len(seen) != n+150 {
		t.Errorf("%d events of %d", len(seen), n+150)
	}
}

func TestStatuses(t *testing.T) {
	f := start(t, Defaults())
	bad := `{"event_type":"llm_request","data":{"model":"m","duration_ms":"fast"}}`
	huge := `{"event_type":"llm_request","data":{"comment_of_ours":"` + strings.Repeat("x", 2<<20) + `"}}`
	for _, c := range []struct {
		name, contentType, body string
		header                  []string
		status, acc, rej        int
	}{
		{"a torn object", jsonType_, `{"event_type": "llm_request"`, nil, 400, 0, 0},
		{"not JSON", jsonType_, `hello`, nil, 400, 0, 0},
		{"a torn array", jsonType_, `[` + one(900) + `,{"event_type":`, nil, 400, 0, 0},
		{"nothing", jsonType_, ``, nil, 400, 0, 0},
		{"no lines", ndjsonType_, " \n\n", nil, 400, 0, 0},
		{"no items", jsonType_, `[]`, nil, 202, 0, 0},
		{"text", "text/plain", "hello", nil, 415, 0, 0},
		{"no type", "", one(1), nil, 415, 0, 0},
		{"brotli", jsonType_, "{}", []string{"Content-Encoding", "br"}, 415, 0, 0},
		{"no gzip", jsonType_, "not gzip", []string{"Content-Encoding", "gzip"}, 400, 0, 0},
		{"cut gzip", ndjsonType_, string(gz(one(901) + "\n" + one(902))[:60]), []string{"Content-Encoding", "gzip"}, 400, 0, 0},
		{"no zstd", jsonType_, "not zstd", []string{"Content-Encoding", "zstd"}, 400, 0, 0},
		{"unknown type", jsonType_, `{"event_type":"nope","data":{}}`, nil, 422, 0, 1},
		{"bare", jsonType_, `{"event_type":"system_metric","data":{"cpu_usage":75,"memory_usage":80}}`, nil, 202, 1, 0},
		{"minimal", jsonType_, `{"event_type":"llm_request","data":{"model":"m"}}`, nil, 202, 1, 0},
		{"some bad", jsonType_, "[" + one(1) + "," + bad + "," + one(2) + "]", nil, 207, 2, 1},
		{"a torn line", ndjsonType_, one(3) + "\n{\"event_type\":\n" + one(4), nil, 207, 2, 1},
		{"all bad", ndjsonType_, strings.Repeat(bad+"\n", 150), nil, 422, 0, 150},
		{"2 MiB", jsonType_, huge, nil, 422, 0, 1},
		{"deep", jsonType_, `{"event_type":"llm_request","data":` + strings.Repeat(`{"a":`, 10_000) + "1" + strings.Repeat("}", 10_001), nil, 422, 0, 1},
		{"not UTF-8", ndjsonType_, strings.Replace(one(5), `"t"`, "\"\xff\xfe\"", 1), nil, 422, 0, 1},
		{"60,000 items", ndjsonType_, strings.Repeat("{}\n", 60_000), nil, 413, 0, 0},
		{"64 MiB of x", ndjsonType_, strings.Repeat("x", 64<<20), nil, 413, 0, 0},
		{"a bomb", jsonType_, string(bytes.Repeat(gz(strings.Repeat(" ", 64<<20)), 4)), []string{"Content-Encoding", "gzip"}, 413, 0, 0},
	} {
		r := f.post("/events", c.contentType, []byte(c.body), c.header...)
		if r.Status != c.status || r.Accepted != c.acc || r.Rejected != c.rej {
			t.Errorf("%s: %d %d %d, want %d %d %d: %.300s", c.name, r.Status, r.Accepted, r.Rejected, c.status, c.acc, c.rej, r.Body)
			continue
		}
		if c.status >= 400 && c.status != 422 {
			if ct := r.Header.Get("Content-Type"); ct != "application/problem+json" {
				t.Errorf("%s: %s", c.name, ct)
			}
			continue
		}
		if len(r.Errors) != min(c.rej, 100) {
			t.Errorf("%s: %d errors", c.name, len(r.Errors))
		}
		for _, x := range r.Errors {
			if x.Code == "" || x.Detail == "" || x.DeadLetterID == "" {
				t.Errorf("%s: %+v", c.name, x)
			}
		}
	}
	if n := f.api.gate.used.Load(); n != 0 {
		t.Errorf("%d bytes are still under way", n)
	}
	if got := len(f.all("llm-requests")); got != 5 {
		t.Errorf("%d requests are written, want 5", got)
	}
}

func TestDeadLetters(t *testing.T) {
	f := start(t, Defaults())
	ahead := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	raws := []string{
		`{"event_type":"llm_request","data":{"duration_ms":"fast"}}`,
		`{"event_type":"user_feedback","data":{"satisfaction_score":-1}}`,
		`{"event_type":"llm_request","data":`,
		"\xff\xfe",
		`{"event_type":"llm_request","timestamp":"` + ahead + `","data":{"model":"m"}}`,
		`{"event_type":"llm_request","data":{"x":"` + strings.Repeat("y", 1<<20) + `"}}`,
	}
	r := f.post("/events", ndjsonType_, []byte(strings.Join(raws, "\n")))
	if r.Status != 422 || r.Rejected != len(raws) {
		t.Fatal(r.Status, r.Body)
	}
	if r.Errors[4].Code != event.CodeFuture || !strings.Contains(r.Errors[4].Detail, "clock and time zone") {
		t.Errorf("future: %+v", r.Errors[4])
	}
	codes := map[string]int{}
	for i, x := range r.Errors {
		var d DeadLetter
		if status := f.get("/dead-letters/"+x.DeadLetterID, &d); status != 200 {
			t.Fatalf("letter %d: %d", i, status)
		}
		if d.ID != x.DeadLetterID || d.ReasonCode != x.Code || d.Reason != x.Detail || d.PayloadBytes != int64(len(raws[i])) || d.State != "open" {
			t.Errorf("letter %d: %+v", i, d)
		}
		if whole := d.PayloadSHA256 == nil; whole != (len(raws[i]) <= 900<<10) {
			t.Errorf("letter %d: sha256 %v", i, d.PayloadSHA256)
		} else if whole && i != 3 && *d.PayloadText != raws[i] {
			t.Errorf("letter %d: %q", i, *d.PayloadText)
		}
		codes[x.Code]++
	}
	var summary struct{ Counts map[string]int }
	if f.get("/dead-letters/summary", &summary); fmt.Sprint(summary.Counts) != fmt.Sprint(codes) {
		t.Errorf("summary %v, want %v", summary.Counts, codes)
	}
	var ids []string
	type list struct {
		DeadLetters []DeadLetter `json:"dead_letters"`
		Next        *string      `json:"next_cursor"`
	}
	path := "/dead-letters?limit=2"
	for path != "" {
		var l list
		if status := f.get(path, &l); status != 200 || len(l.DeadLetters) > 2 {
			t.Fatal(path, status, len(l.DeadLetters))
		}
		for _, d := range l.DeadLetters {
			ids = append(ids, d.ID)
		}
		if path = ""; l.Next != nil {
			path = "/dead-letters?limit=2&cursor=" + *l.Next
		}
	}
	slices.Sort(ids)
	if len(slices.Compact(ids)) != len(raws) {
		t.Errorf("pages have %d letters", len(ids))
	}
	var l list
	if f.get("/dead-letters?topic=user-feedback", &l); len(l.DeadLetters) != 1 {
		t.Errorf("by topic: %d", len(l.DeadLetters))
	}
	if f.get("/dead-letters?since="+ahead, &l); len(l.DeadLetters) != 0 {
		t.Errorf("since: %d", len(l.DeadLetters))
	}
	for path, want := range map[string]int{"/dead-letters/none": 404, "/dead-letters?limit=many": 400, "/dead-letters?cursor=!": 400, "/dead-letters?since=yesterday": 400, "/topics/none": 404, "/topics?limit=0": 400} {
		if status := f.get(path, &struct{}{}); status != want {
			t.Errorf("%s: %d, want %d", path, status, want)
		}
	}
}

func TestDuplicates(t *testing.T) {
	f := start(t, Defaults())
	body := []byte(strings.Join(several(0, 50), "\n"))
	first := f.post("/events", ndjsonType_, body)
	again := f.post("/events", ndjsonType_, body)
	if first.Accepted != 50 || again.Status != 202 || again.Duplicates != 50 || again.Accepted != 0 || fmt.Sprint(again.Results) != fmt.Sprint(first.Results) {
		t.Errorf("again: %d %s", again.Status, again.Body)
	}
	if r := f.post("/events", ndjsonType_, []byte(one(100)+"\n"+one(100)+"\n"+one(100))); r.Status != 202 || r.Accepted != 1 || r.Duplicates != 2 || r.Results[0].Offset != r.Results[2].Offset {
		t.Errorf("three of one: %d %s", r.Status, r.Body)
	}
	bare := []byte(`[{"event_type":"llm_request","data":{"model":"m"}},{"event_type":"llm_request","data":{"model":"m"}}]`)
	for range 2 {
		if r := f.post("/events", jsonType_, bare); r.Accepted != 2 {
			t.Errorf("without id: %s", r.Body)
		}
	}
	for i := range 2 {
		if r := f.post("/events", jsonType_, bare, "Idempotency-Key", "k"); r.Accepted != 2-2*i || r.Duplicates != 2*i {
			t.Errorf("with a key: %s", r.Body)
		}
	}
	// Another process on the same topics knows what was written before it.
	api, err := New(Defaults(), bustestAgain(t, f), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	g := serve(t, api, api.bus)
	if r := g.post("/events", ndjsonType_, body); r.Duplicates != 50 || fmt.Sprint(r.Results) != fmt.Sprint(first.Results) {
		t.Errorf("after a restart: %s", r.Body)
	}
	if got := len(f.all("llm-requests")); got != 50+1+4+2 {
		t.Errorf("%d records", got)
	}
}

// What the readers of the topics quarantine is not known after a restart: sent again with its right time, it counts.
func TestWarmSkipsWhatWasQuarantined(t *testing.T) {
	f := start(t, Defaults())
	p, err := f.bus.NewProducer(bus.ProducerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	stamped := func(at time.Time) string {
		return fmt.Sprintf(`{"event_id":"ahead","event_type":"llm_request","source":"s","timestamp":%q,"data":{"model":"m"}}`, at.UTC().Format(time.RFC3339))
	}
	err = p.Send(t.Context(), []*bus.Message{
		{Topic: "llm-requests", Value: []byte(stamped(time.Now().Add(time.Hour)))},
		{Topic: "llm-requests", Value: []byte(strings.Replace(stamped(time.Now()), "ahead", "right", 1))},
	})
	if err != nil {
		t.Fatal(err)
	}
	api, err := New(Defaults(), bustestAgain(t, f), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	g := serve(t, api, api.bus)
	right := strings.Replace(stamped(time.Now()), "ahead", "right", 1)
	if r := g.post("/events", ndjsonType_, []byte(stamped(time.Now())+"\n"+right)); r.Accepted != 1 || r.Duplicates != 1 {
		t.Errorf("sent again with its right time: %s", r.Body)
	}
}

func TestFilterOff(t *testing.T) {
	off := Defaults()
	off.FilterBytes = 0
	f := start(t, off)
	for range 2 {
		if r := f.post("/events", ndjsonType_, []byte(one(1))); r.Accepted != 1 {
			t.Errorf("without a filter: %s", r.Body)
		}
	}
}

// Pages of large dead letters end before they cost much memory, and together they hold each one once.
func TestDeadLetterPagesAreBounded(t *testing.T) {
	f := start(t, Defaults())
	const n, size = 30, 500 << 10
	for i := range n {
		body := fmt.Sprintf(`{"event_type":"no_such_type","data":{"n":%d,"x":%q}}`, i, strings.Repeat("x", size))
		if r := f.post("/events", ndjsonType_, []byte(body)); r.Rejected != 1 {
			t.Fatalf("%d %.200s", r.Status, r.Body)
		}
	}
	seen := map[string]bool{}
	for path := "/dead-letters?limit=1000"; path != ""; {
		var l struct {
			DeadLetters []DeadLetter `json:"dead_letters"`
			Next        *string      `json:"next_cursor"`
		}
		f.get(path, &l)
		held := 0
		for _, d := range l.DeadLetters {
			seen[d.ID] = true
			held += int(d.PayloadBytes)
		}
		if held > pageBytes+size {
			t.Errorf("a page of %d bytes", held)
		}
		if path = ""; l.Next != nil {
			path = "/dead-letters?limit=1000&cursor=" + *l.Next
		}
	}
	if len(seen) != n {
		t.Errorf("%d dead letters on all pages, want %d", len(seen), n)
	}
}

// bustestAgain gives the bus of f to a second API, which must not close it.
func bustestAgain(_ *testing.T, f *fixture) *bus.Bus { return f.bus }

// slowSender acknowledges when it is told to.
type slowSender struct {
	mu    sync.Mutex
	calls int
	gate  chan error
}

func (s *slowSender) Send(ctx context.Context, msgs []*bus.Message) error {
	s.mu.Lock()
	s.calls++
	s.mu.Unlock()
	for i, m := range msgs {
		m.Partition, m.Offset = 1, int64(i)
	}
	select {
	case err := <-s.gate:
		if err != nil && len(msgs) > 0 {
			errs := make([]error, len(msgs))
			for i := range errs {
				errs[i] = err
			}
			return &bus.SendError{Errs: errs}
		}
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// The same id in flight waits for the outcome of the first one; when that fails, nobody is told "duplicate".
func TestInFlight(t *testing.T) {
	for _, fails := range []bool{false, true} {
		s := &slowSender{gate: make(chan error)}
		api := newAPI(Defaults(), s, nil, nil)
		f := serve(t, api, nil)
		replies := make(chan reply, 2)
		post := func() { replies <- f.post("/events", jsonType_, []byte(one(1))) }
		go post()
		waitFor(t, func() bool { s.mu.Lock(); defer s.mu.Unlock(); return s.calls == 1 })
		go post()
		waitFor(t, func() bool { return api.filter.waiting() == 1 })
		var cause error
		if fails {
			cause = context.DeadlineExceeded
		}
		s.gate <- cause
		x, y := <-replies, <-replies
		if fails && (x.Status != 503 || y.Status != 503 || x.Header.Get("Retry-After") == "") {
			t.Errorf("%d and %d, want 503 twice", x.Status, y.Status)
		}
		if !fails && (x.Accepted+y.Accepted != 1 || x.Duplicates+y.Duplicates != 1) {
			t.Errorf("%s%s", x.Body, y.Body)
		}
		go func() { s.gate <- nil }()
		r := f.post("/events", jsonType_, []byte(one(1)))
		if fails && r.Accepted != 1 || !fails && r.Duplicates != 1 {
			t.Errorf("once more: %s", r.Body)
		}
		if !fails {
			<-s.gate // nothing was sent, so nobody took it
		}
	}
}

// waiting counts the writes in flight that somebody waits for.
func (f *filter) waiting() (n int) {
	for i := range f.shards {
		s := &f.shards[i]
		s.mu.Lock()
		n += len(s.waits)
		s.mu.Unlock()
	}
	return n
}

func waitFor(t *testing.T, ok func() bool) {
	t.Helper()
	for range 5000 {
		if ok() {
			return
		}
		time.Sleep(time.Millisecond) // a poll, not a guess: the test fails only when it never happens
	}
	t.Fatal("it never happened")
}

func TestOverload(t *testing.T) {
	s := &slowSender{gate: make(chan error)}
	small := Defaults()
	small.MaxInFlightBytes = 1 << 20
	api := newAPI(small, s, nil, nil)
	full := false
	api.Overfull = func() (bool, string) { return full, "the disk is full" }
	f := serve(t, api, nil)
	if r := f.post("/events", ndjsonType_, bytes.Repeat([]byte(" "), 2<<20)); r.Status != 429 || r.Header.Get("Retry-After") == "" {
		t.Errorf("too much under way: %d", r.Status)
	}
	full = true
	if r := f.post("/events", jsonType_, []byte(one(1))); r.Status != 503 || !strings.Contains(r.Body, "disk is full") || r.Header.Get("Retry-After") == "" {
		t.Errorf("overfull: %d %s", r.Status, r.Body)
	}
	full = false
	go func() { s.gate <- errors.New("a fault of ours") }()
	if r := f.post("/events", jsonType_, []byte(one(1))); r.Status != 500 {
		t.Errorf("unknown failure: %d %s", r.Status, r.Body)
	}
	if n := api.gate.used.Load(); n != 0 {
		t.Errorf("%d bytes are still under way", n)
	}
}

func TestTopics(t *testing.T) {
	f := start(t, Defaults())
	f.post("/events", ndjsonType_, []byte(strings.Join(several(0, 30), "\n")))
	var one Topic
	if f.get("/topics/llm-requests", &one); one.Messages != 30 || one.Partitions != 3 || one.Internal || one.RetentionMS == nil || *one.RetentionMS != 7*24*3600*1000 {
		t.Errorf("%+v", one)
	}
	var names []string
	path := "/topics?limit=3"
	for path != "" {
		var l struct {
			Topics []Topic
			Next   *string `json:"next_cursor"`
		}
		f.get(path, &l)
		for _, t := range l.Topics {
			names = append(names, t.Name)
		}
		if path = ""; l.Next != nil {
			path = "/topics?limit=3&cursor=" + *l.Next
		}
	}
	if len(names) != len(event.Topics) || !slices.IsSorted(names) {
		t.Errorf("%v", names)
	}
}

func TestRates(t *testing.T) {
	var r rates
	at := time.Unix(0, 0)
	r.look(at, map[string]int64{"a": 10, "b": 5})
	if _, ok := r.of("a"); ok {
		t.Error("a rate after one look")
	}
	r.look(at.Add(4*time.Second), map[string]int64{"a": 30, "b": 0, "c": 1})
	if v, ok := r.of("a"); !ok || v != 5 {
		t.Error(v, ok)
	}
	if _, ok := r.of("b"); ok {
		t.Error("a topic made anew has a rate")
	}
}
