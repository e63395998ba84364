package sink_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/bus/bustest"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/ingest"
	"github.com/hxp-enterprise/hxp/internal/ingest/replay"
	"github.com/hxp-enterprise/hxp/internal/ingest/sink"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// diary is a report that remembers.
type diary struct {
	mu               sync.Mutex
	sent, duplicates int
	refused          []string
}

func (d *diary) Sent(sink.Item)      { d.mu.Lock(); d.sent++; d.mu.Unlock() }
func (d *diary) Duplicate(sink.Item) { d.mu.Lock(); d.duplicates++; d.mu.Unlock() }
func (d *diary) Refused(it sink.Item, reason string) {
	d.mu.Lock()
	d.refused = append(d.refused, it.File+":"+strconv.Itoa(it.Line)+": "+reason)
	d.mu.Unlock()
}

func item(i int) sink.Item {
	e := event.Event{ID: strconv.Itoa(i), Source: "t", Kind: event.LLMRequest, Time: 1, HasTime: true}
	it := sink.ItemOf(&e)
	it.File, it.Line = "f", i
	return it
}

// The same file by HTTP, again, and straight to the topics: every event is there once for each way that does not know the
// others, with the same bytes, key and partition.
func TestWaysAgree(t *testing.T) {
	b := bustest.New(t)
	api, err := ingest.New(ingest.Defaults(), b, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = api.Run(ctx) }()
	t.Cleanup(func() { stop(); <-done })
	<-api.Ready()
	srv := httptest.NewServer(api.Handler())
	t.Cleanup(srv.Close)
	file := filepath.Join(t.TempDir(), "x.csv")
	content := "TIMESTAMP,ContextTokens,GeneratedTokens\n" + strings.Repeat("2023-11-16 18:17:03.9799600,4808,10\n", 4500)
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	client := &http.Client{}
	t.Cleanup(client.CloseIdleConnections)
	play := func(to sink.Sink) replay.Summary {
		var out, errs bytes.Buffer
		code := replay.Run(t.Context(), replay.Options{Files: []string{file}, JSON: true, Every: -1}, to, &out, &errs)
		var s replay.Summary
		if err := json.Unmarshal(out.Bytes(), &s); err != nil || code != 0 || s.Read != 4500 || s.Sent != 4500 {
			t.Fatalf("exit %d %v: %s%s", code, err, out.String(), errs.String())
		}
		return s
	}
	if s := play(sink.NewHTTP(srv.URL, client, true)); s.Duplicates != 0 {
		t.Errorf("first: %+v", s)
	}
	if s := play(sink.NewHTTP(srv.URL+"/", client, false)); s.Duplicates != 4500 {
		t.Errorf("again: %+v", s)
	}
	p, err := b.NewProducer(bus.ProducerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	play(sink.NewKafka(p, 100))
	bounds, err := b.Offsets(t.Context(), "llm-requests")
	if err != nil {
		t.Fatal(err)
	}
	from, n := map[int32]int64{}, 0
	for p, r := range bounds["llm-requests"] {
		from[p], n = r.Start, n+int(r.End-r.Start)
	}
	if n != 9000 {
		t.Fatalf("%d records, want each row twice", n)
	}
	reader, err := b.NewReader(map[string]map[int32]int64{"llm-requests": from}, bus.ReaderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	type record struct {
		partition  int32
		key, value string
	}
	seen := map[record]int{}
	for n > 0 {
		fetch, err := reader.Poll(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, batch := range fetch {
			for _, m := range batch.Messages {
				seen[record{m.Partition, string(m.Key), string(m.Value)}]++
				n--
			}
		}
	}
	if len(seen) != 4500 {
		t.Errorf("%d distinct records", len(seen))
	}
	for r, k := range seen {
		if k != 2 {
			t.Fatalf("%v is there %d times", r, k)
		}
	}
}

// script answers one request after another.
func script(t *testing.T, answers ...func(w http.ResponseWriter, lines int)) (*sink.HTTP, *int) {
	n := new(int)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body bytes.Buffer
		_, _ = body.ReadFrom(r.Body)
		answers[min(*n, len(answers)-1)](w, bytes.Count(body.Bytes(), []byte("\n")))
		*n++
	}))
	t.Cleanup(srv.Close)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	return sink.NewHTTP(srv.URL, client, false), n
}

func says(status int, body string) func(http.ResponseWriter, int) {
	return func(w http.ResponseWriter, _ int) {
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

func TestHTTPAnswers(t *testing.T) {
	two := `{"accepted":2,"rejected":0,"duplicates":0,"results":[{"index":0},{"index":1}]}`
	for _, c := range []struct {
		name          string
		answers       []func(http.ResponseWriter, int)
		requests      int
		sent, dup, no int
		fails         string
	}{
		{"taken", []func(http.ResponseWriter, int){says(202, two)}, 1, 2, 0, 0, ""},
		{"later", []func(http.ResponseWriter, int){says(503, "busy"), says(429, "busy"), says(202, two)}, 3, 2, 0, 0, ""},
		{"one of each", []func(http.ResponseWriter, int){says(207, `{"accepted":0,"rejected":1,"duplicates":1,"errors":[{"index":0,"code":"future_timestamp","pointer":"/timestamp","detail":"no"}],"results":[{"index":1}]}`)}, 1, 0, 1, 1, ""},
		{"refused without a name", []func(http.ResponseWriter, int){says(422, `{"accepted":0,"rejected":2,"duplicates":0}`)}, 1, 0, 0, 2, ""},
		{"not ours", []func(http.ResponseWriter, int){says(404, "nothing here")}, 1, 0, 0, 0, "404"},
		{"other numbers", []func(http.ResponseWriter, int){says(202, `{"accepted":3}`)}, 1, 0, 0, 0, "3 items"},
		{"other indices", []func(http.ResponseWriter, int){says(202, `{"accepted":2,"results":[{"index":0},{"index":7}]}`)}, 1, 0, 0, 0, "item 7"},
		{"no JSON", []func(http.ResponseWriter, int){says(202, `fine`)}, 1, 0, 0, 0, "POST /events"},
	} {
		h, n := script(t, c.answers...)
		d := &diary{}
		var err error
		for i := range 2 {
			err = errors.Join(err, h.Send(t.Context(), item(i), d))
		}
		err = errors.Join(err, h.Flush(t.Context()))
		if (err != nil) != (c.fails != "") || err != nil && !strings.Contains(err.Error(), c.fails) {
			t.Errorf("%s: %v", c.name, err)
		}
		if *n != c.requests || d.sent != c.sent || d.duplicates != c.dup || len(d.refused) != c.no {
			t.Errorf("%s: %d requests, %+v", c.name, *n, d)
		}
	}
}

// held is a sender that acknowledges when told.
type held struct {
	mu   sync.Mutex
	done []func(error)
}

func (h *held) SendAsync(_ context.Context, m *bus.Message, done func(*bus.Message, error)) {
	h.mu.Lock()
	h.done = append(h.done, func(err error) { done(m, err) })
	h.mu.Unlock()
}

func (h *held) answer(err error) {
	h.mu.Lock()
	done := h.done
	h.done = nil
	h.mu.Unlock()
	for _, f := range done {
		f(err)
	}
}

func TestKafka(t *testing.T) {
	h := &held{}
	k := sink.NewKafka(h, 2)
	d := &diary{}
	for i := range 2 {
		if err := k.Send(t.Context(), item(i), d); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := k.Send(ctx, item(3), d); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a full window: %v", err)
	}
	if err := k.Flush(ctx); !errors.Is(err, context.DeadlineExceeded) || d.sent != 0 {
		t.Errorf("flush while two are under way: %v", err)
	}
	h.answer(nil)
	if err := k.Flush(t.Context()); err != nil || d.sent != 2 {
		t.Errorf("%v, %d sent", err, d.sent)
	}
	_ = k.Send(t.Context(), item(4), d)
	h.answer(errors.New("gone"))
	if err := k.Flush(t.Context()); err == nil || !strings.Contains(err.Error(), "llm-requests: gone") || d.sent != 2 {
		t.Errorf("%v, %d sent", err, d.sent)
	}
	if err := k.Send(t.Context(), item(5), d); err == nil {
		t.Error("goes on after a failure")
	}
}
