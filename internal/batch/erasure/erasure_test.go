package erasure

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

var errNone = errors.New("none")

// places are everything that an erasure empties, in memory.
type places struct {
	lake  map[string]int64
	sql   map[string]int64
	words Words     // that came with the last request
	topic int64     // records that mention the name after the topic was shortened
	doc   []byte    // the chain
	at    time.Time // of doc
	begun []byte
	noted time.Time // of begun
	lease []byte
	alive time.Time  // of lease
	mu    sync.Mutex // of the documents
	rival func()     // writes to doc before a record is
	late  int64      // rows that an aggregation brings back which has read the events before
	steps []string
	fail  error
	kill  func() // after an hour was rewritten and told
	cut   func() // while a topic is cut
}

func (p *places) Flush(context.Context) error { return nil }

func (p *places) Wait(context.Context, map[string]map[int32]int64) error {
	p.steps = append(p.steps, "settled")
	return nil
}

func (p *places) Erase(_ context.Context, f event.Field, names []string, dryRun bool, done func(event.ErasedHour) error) (out []event.ErasedHour, err error) {
	p.steps = append(p.steps, fmt.Sprintf("lake %s dry=%t", event.Catalogue[f].Name, dryRun))
	for _, n := range names {
		h := event.ErasedHour{Hour: time.Unix(3600, 0).UTC(), Files: 1, Rows: p.lake[n]}
		if h.Rows > 0 {
			out = append(out, h)
		}
		if dryRun {
			continue
		}
		delete(p.lake, n)
		if h.Rows > 0 {
			if err := done(h); err != nil {
				return out, err
			}
			if p.kill != nil {
				p.kill()
			}
		}
	}
	return out, p.fail
}

func (p *places) CountValues(_ context.Context, dimension string, values []string) (n int64, err error) {
	for _, v := range values {
		n += p.sql[dimension+" "+v]
	}
	return n, nil
}

func (p *places) ForgetValues(ctx context.Context, dimension string, values []string) (n int64, err error) {
	n, err = p.CountValues(ctx, dimension, values)
	for _, v := range values {
		delete(p.sql, dimension+" "+v)
	}
	return n, err
}

// settled brings back what an aggregation has read before.
func (p *places) settled(context.Context) error {
	if p.late > 0 {
		p.sql["user_id jane"] = p.late
		p.late = 0
	}
	return nil
}

// document is a kept one with its time.
func (p *places) document(kind string) (*[]byte, *time.Time) {
	switch kind {
	case kindBegun:
		return &p.begun, &p.noted
	case kindLease:
		return &p.lease, &p.alive
	}
	return &p.doc, &p.at
}

func (p *places) Analysis(_ context.Context, kind string) ([]byte, time.Time, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	doc, at := p.document(kind)
	if *doc == nil {
		return nil, time.Time{}, errNone
	}
	return *doc, *at, nil
}

func (p *places) ReplaceAnalysis(_ context.Context, kind string, was, now time.Time, document []byte) (bool, error) {
	if p.rival != nil && kind != kindBegun && kind != kindLease {
		p.rival()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	doc, at := p.document(kind)
	if !at.Equal(was) {
		return false, nil
	}
	*doc, *at = document, now
	return true, nil
}

func (p *places) Find(context.Context, []string) ([]Topic, error) {
	found := p.topic
	return []Topic{{Name: "llm-requests", Deleted: 7, Found: &found, Ends: "its retention"}}, nil
}

func (p *places) Shorten(ctx context.Context, names []string, w Words, _ bool, next func([]Topic) error) ([]Topic, error) {
	p.words = w
	all, err := p.Find(ctx, names)
	if p.cut != nil {
		if err := next([]Topic{{Name: all[0].Name, Cuts: []Cut{{Before: 7}}}}); err != nil {
			return nil, err
		}
		p.cut()
	}
	return all, err
}

func (p *places) deps() Deps {
	return Deps{
		Lake: p, Writer: p, Store: p, Records: p, NotFound: errNone, Topics: p,
		Ends:      func(context.Context) (map[string]map[int32]int64, error) { return nil, nil },
		Settled:   p.settled,
		Elsewhere: func(context.Context, []event.ErasedHour) ([]Left, error) { return nil, nil },
		Names:     func(_ event.Field, name string) []string { return []string{name, "hmac of " + name} },
	}
}

// serve runs a service on places.
func serve(t *testing.T, p *places) (*Service, func(method, path, body string) (int, map[string]any)) {
	t.Helper()
	s, err := New(p.deps())
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = s.Run(ctx) }()
	t.Cleanup(func() { stop(); <-ended })
	m := httpx.NewMux(nil, nil)
	s.Mount(m)
	return s, func(method, path, body string) (int, map[string]any) {
		t.Helper()
		r := httptest.NewRequest(method, path, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		m.ServeHTTP(w, r)
		var out map[string]any
		if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil {
			t.Fatalf("%s %s: %d %s", method, path, w.Code, w.Body)
		}
		return w.Code, out
	}
}

func TestErasure(t *testing.T) {
	p := &places{lake: map[string]int64{"jane": 5, "hmac of jane": 2, "joe": 9}, sql: map[string]int64{"user_id jane": 3, "tenant jane": 1}}
	s, call := serve(t, p)
	code, r := call("POST", "/erasures", `{"user_id":"jane","dry_run":true}`)
	if code != 200 || r["state"] != Done || r["lake_rows"] != 7.0 || r["sql_rows"] != 3.0 || p.lake["jane"] != 5 || p.doc != nil {
		t.Fatalf("dry run: %d %v", code, r)
	}
	code, r = call("POST", "/erasures", `{"user_id":"jane"}`)
	if code != 200 || r["state"] != Done || r["lake_rows"] != 7.0 || r["sql_rows"] != 3.0 {
		t.Fatalf("%d %v", code, r)
	}
	if len(p.lake) != 1 || p.sql["tenant jane"] != 1 || len(p.sql) != 1 {
		t.Errorf("%v %v are left", p.lake, p.sql)
	}
	if p.steps[0] != "settled" || p.steps[len(p.steps)-1] != "lake user_id dry=true" {
		t.Errorf("steps: %q", p.steps)
	}
	if strings.Contains(string(p.doc), "jane") {
		t.Errorf("the record names the user: %s", p.doc)
	}
	if n, err := s.Erased(t.Context(), 3600); n != 7 || err != nil {
		t.Errorf("%d events of the hour have left, %v", n, err)
	}
	if code, v := call("POST", "/erasures/verify", `{"user_id":"jane"}`); code != 200 || v["erased"] != true || v["chain"] != "ok" || v["about"] != 1.0 {
		t.Errorf("%d %v", code, v)
	}
	if _, v := call("POST", "/erasures/verify", `{"user_id":"joe"}`); v["erased"] != false || v["about"] != 0.0 || v["lake_rows"] != 9.0 {
		t.Errorf("of another user: %v", v)
	}
	id := r["id"].(string)
	if code, one := call("GET", "/erasures/"+id, ""); code != 200 || one["hash"] == "" {
		t.Errorf("%d %v", code, one)
	}
	if code, _ := call("GET", "/erasures/none", ""); code != http.StatusNotFound {
		t.Errorf("%d", code)
	}
}

// What is left is said, and a failure does not pass for an end.
func TestErasureSaysWhatIsLeft(t *testing.T) {
	p := &places{lake: map[string]int64{}, sql: map[string]int64{}, topic: 4}
	_, call := serve(t, p)
	if _, r := call("POST", "/erasures", `{"tenant":"acme"}`); r["state"] != Partly || r["left"].([]any)[0].(map[string]any)["count"] != 4.0 {
		t.Errorf("%v", r)
	}
	p.fail = errors.New("the disk is gone")
	if code, r := call("POST", "/erasures", `{"tenant":"acme"}`); code != 200 || r["state"] != Failed || r["error"] != "the disk is gone" {
		t.Errorf("%d %v", code, r)
	}
	if _, v := call("GET", "/erasures", ""); len(v["erasures"].([]any)) != 2 {
		t.Errorf("%v", v)
	}
}

// What an aggregation brings back that has read the events before they left is taken out too.
func TestErasureOutlastsAggregations(t *testing.T) {
	p := &places{lake: map[string]int64{"jane": 1}, sql: map[string]int64{"user_id jane": 3}, late: 2}
	_, call := serve(t, p)
	if _, r := call("POST", "/erasures", `{"user_id":"jane"}`); r["state"] != Done || r["sql_rows"] != 2.0 || len(p.sql) != 0 {
		t.Errorf("%v, %v are left", r, p.sql)
	}
}

// killed lets an erasure of jane begin that ends in the middle of the work, with nothing that follows it, and returns what it leaves.
func (p *places) killed(t *testing.T) *places {
	t.Helper()
	s, err := New(p.deps())
	if err != nil {
		t.Fatal(err)
	}
	r := newRecord("user_id", "jane", Words{}, false, time.Unix(0, 0))
	l, err := s.take(t.Context(), r.ID)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.work(context.Background(), job{r, "jane", Words{}, l, make(chan struct{})})
	}()
	<-ended
	return &places{lake: p.lake, sql: p.sql, begun: p.begun, noted: p.noted}
}

// An erasure whose process was killed is known with what it did, and the same request goes on.
func TestErasureThatWasKilled(t *testing.T) {
	killed := &places{lake: map[string]int64{"jane": 5}, sql: map[string]int64{}}
	killed.kill = func() { killed.lake["hmac of jane"] = 2; runtime.Goexit() }
	s, call := serve(t, killed.killed(t))
	if n, err := s.Erased(t.Context(), 3600); n != 5 || err != nil {
		t.Errorf("%d events of the hour have left, %v", n, err)
	}
	_, list := call("GET", "/erasures", "")
	if r := list["erasures"].([]any)[0].(map[string]any); r["state"] != Running || r["error"] != endless || r["lake_rows"] != 5.0 {
		t.Errorf("%v", r)
	}
	if _, r := call("POST", "/erasures", `{"user_id":"jane"}`); r["state"] != Done || r["lake_rows"] != 2.0 {
		t.Errorf("%v", r)
	}
	if n, err := s.Erased(t.Context(), 3600); n != 7 || err != nil {
		t.Errorf("%d events of the hour have left, %v", n, err)
	}
	if _, v := call("POST", "/erasures/verify", `{"user_id":"jane"}`); v["chain"] != "ok" || v["records"] != 1.0 || v["erased"] != true {
		t.Errorf("%v", v)
	}
}

// One that was killed while a topic was cut says how far that one may have gone.
func TestErasureThatWasKilledInATopic(t *testing.T) {
	killed := &places{lake: map[string]int64{}, sql: map[string]int64{}, cut: runtime.Goexit}
	_, call := serve(t, killed.killed(t))
	_, list := call("GET", "/erasures", "")
	r := list["erasures"].([]any)[0].(map[string]any)
	if topics := r["topics"].([]any); r["state"] != Running || len(topics) != 1 || topics[0].(map[string]any)["deleted"] != 0.0 || topics[0].(map[string]any)["cuts"].([]any)[0].(map[string]any)["before"] != 7.0 {
		t.Errorf("%v", r)
	}
}

// A record that was changed, and one that is missing, break the chain.
func TestErasureRecordsAreAChain(t *testing.T) {
	p := &places{lake: map[string]int64{}, sql: map[string]int64{}}
	_, call := serve(t, p)
	for _, name := range []string{"a", "b", "c"} {
		call("POST", "/erasures", `{"user_id":"`+name+`"}`)
	}
	whole := string(p.doc)
	var records []json.RawMessage
	if err := json.Unmarshal(p.doc, &records); err != nil || len(records) != 3 {
		t.Fatal(err, len(records))
	}
	without, err := json.Marshal([]json.RawMessage{records[0], records[2]})
	if err != nil {
		t.Fatal(err)
	}
	for name, doc := range map[string]string{"changed": strings.Replace(whole, `"lake_rows":0`, `"lake_rows":1`, 1), "missing": string(without)} {
		p.doc = []byte(doc)
		if _, v := call("POST", "/erasures/verify", `{"user_id":"a"}`); v["chain"] == "ok" {
			t.Errorf("%s: %v", name, v)
		}
	}
}

// A record that another instance writes at the same moment stays, and the chain goes through both.
func TestErasureRecordsOfTwoInstances(t *testing.T) {
	p := &places{lake: map[string]int64{}, sql: map[string]int64{}}
	_, call := serve(t, p)
	p.rival = func() {
		p.rival = nil
		other := newRecord("tenant", "b", Words{}, false, time.Unix(0, 0))
		if err := other.seal(""); err != nil {
			t.Error(err)
		}
		text, err := json.Marshal([]*Record{other})
		if err != nil {
			t.Error(err)
		}
		p.doc, p.at = text, time.Unix(1, 0)
	}
	if code, r := call("POST", "/erasures", `{"tenant":"a"}`); code != 200 || r["state"] != Done {
		t.Errorf("%d %v", code, r)
	}
	for _, name := range []string{"a", "b"} {
		if _, v := call("POST", "/erasures/verify", `{"tenant":"`+name+`"}`); v["chain"] != "ok" || v["records"] != 2.0 || v["about"] != 1.0 {
			t.Errorf("%s: %v", name, v)
		}
	}
}

// Records of before operators could allow anything hold: what is new in them is not there when it says nothing.
func TestErasureRecordsOfBefore(t *testing.T) {
	text := `{"id":"00","by":"user_id","salt":"aa","subject":"bb","dry_run":false,"state":"partly","requested_at":"2026-01-02T03:04:05Z","ended_at":null,"hours":[],"lake_rows":1,"sql_rows":2,` +
		`"topics":[{"topic":"llm-requests","deleted":3,"found":null,"ends":"retention"}],"left":[{"where":"topic llm-requests","count":-1,"ends":"retention"}]`
	sum := sha256.Sum256([]byte(text + "}"))
	p := &places{lake: map[string]int64{}, doc: []byte("[" + text + `,"hash":"` + hex.EncodeToString(sum[:]) + `"}]`)}
	_, call := serve(t, p)
	if _, v := call("POST", "/erasures/verify", `{"user_id":"a"}`); v["chain"] != "ok" || v["records"] != 1.0 {
		t.Errorf("%v", v)
	}
}

// What the operator allows is asked for and written down.
func TestErasureAllowed(t *testing.T) {
	p := &places{lake: map[string]int64{}, sql: map[string]int64{}}
	_, call := serve(t, p)
	if _, r := call("POST", "/erasures", `{"user_id":"a"}`); r["allowed"] != nil || p.words != (Words{}) {
		t.Errorf("%v %+v", r, p.words)
	}
	if _, r := call("POST", "/erasures", `{"user_id":"a","topics":true,"past_groups":true}`); fmt.Sprint(r["allowed"]) != "[topics past_groups]" || p.words != (Words{true, true}) {
		t.Errorf("%v %+v", r, p.words)
	}
	if code, r := call("POST", "/erasures", `{"user_id":"a","past_groups":true}`); code != 422 {
		t.Errorf("%d %v", code, r)
	}
}

func TestErasureRefusals(t *testing.T) {
	_, call := serve(t, &places{})
	for body, status := range map[string]int{`{}`: 422, `{"user_id":"a","tenant":"b"}`: 422, `{"user_id":"` + strings.Repeat("x", 2000) + `"}`: 422, `{"user":"a"}`: 400, `nonsense`: 400} {
		if code, r := call("POST", "/erasures", body); code != status && code != 422 {
			t.Errorf("%.40s: %d %v", body, code, r)
		}
	}
}
