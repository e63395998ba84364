package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// request is one LLM request as the tests know it.
type request struct {
	id, model          string
	at                 time.Time
	millis             int64
	prompt, completion int64
	ok                 bool
}

// line is the request as an event in JSON.
func (q request) line() []byte {
	b, err := json.Marshal(map[string]any{"event_id": q.id, "event_type": "llm_request", "timestamp": stamp(q.at), "source": "e2e",
		"data": map[string]any{"model": q.model, "request_id": q.id, "duration_ms": q.millis, "prompt_tokens": q.prompt, "completion_tokens": q.completion, "success": q.ok}})
	if err != nil {
		panic(err) // strings and numbers always marshal
	}
	return b
}

// lines are the requests as events.
func lines(rs []request) [][]byte {
	out := make([][]byte, len(rs))
	for i, q := range rs {
		out[i] = q.line()
	}
	return out
}

func ndjson(rs []request) []byte { return append(bytes.Join(lines(rs), []byte("\n")), '\n') }

func array(rs []request) []byte {
	return append(append([]byte("["), bytes.Join(lines(rs), []byte(","))...), ']')
}

// generate makes n requests inside the hour from start on; ids and models begin with tag.
func generate(seed uint64, n int, tag string, start time.Time) []request {
	r := rand.New(rand.NewPCG(seed, 1))
	rs := make([]request, n)
	for i := range rs {
		rs[i] = request{id: fmt.Sprintf("%s-%d", tag, i), model: fmt.Sprintf("%s-m%d", tag, r.IntN(4)), at: start.Add(time.Duration(r.IntN(3_600_000)) * time.Millisecond),
			millis: r.Int64N(9000) + 1, prompt: r.Int64N(4000), completion: r.Int64N(900), ok: r.IntN(20) > 0}
	}
	return rs
}

// totals are the numbers that both paths must agree on with the fold. avg is the mean duration of successful requests in
// milliseconds, nil without one.
type totals struct {
	requests, errors, prompt, completion int64
	avg                                  *float64
}

// fold adds up by brute force.
func fold(rs []request) (all totals, models map[string]totals) {
	by := map[string][]request{}
	for _, q := range rs {
		by[q.model] = append(by[q.model], q)
	}
	models = map[string]totals{}
	for m, some := range by {
		models[m] = sum(some)
	}
	return sum(rs), models
}

func sum(rs []request) (s totals) {
	var millis, good int64
	for _, q := range rs {
		s.requests++
		s.prompt += q.prompt
		s.completion += q.completion
		if !q.ok {
			s.errors++
			continue
		}
		millis += q.millis
		good++
	}
	if good > 0 {
		avg := float64(millis) / float64(good)
		s.avg = &avg
	}
	return s
}

func (s totals) String() string {
	avg := "none"
	if s.avg != nil {
		avg = fmt.Sprint(*s.avg)
	}
	return fmt.Sprintf("{requests %d, errors %d, tokens %d + %d, avg %s}", s.requests, s.errors, s.prompt, s.completion, avg)
}

// equal is exact in counts; the mean may differ in its last binary digits.
func (s totals) equal(o totals) bool {
	a, b := s.avg, o.avg
	s.avg, o.avg = nil, nil
	return s == o && (a == nil) == (b == nil) && (a == nil || math.Abs(*a-*b) <= 1e-9*math.Abs(*b))
}

// same compares what a path says with the fold.
func same(t testing.TB, path string, got totals, models map[string]totals, rs []request) {
	t.Helper()
	want, wantModels := fold(rs)
	if !got.equal(want) {
		t.Errorf("%s: %v, want %v", path, got, want)
	}
	for m, w := range wantModels {
		if !models[m].equal(w) {
			t.Errorf("%s of %s: %v, want %v", path, m, models[m], w)
		}
	}
	for m, s := range models {
		if _, ok := wantModels[m]; !ok && s.requests > 0 {
			t.Errorf("%s has %s, which nobody sent: %v", path, m, s)
		}
	}
}

// counted wants both paths to count exactly rs in the hour from start on.
func (h *instance) counted(t testing.TB, start time.Time, rs []request) {
	t.Helper()
	h.caughtUp(t, start, int64(len(rs)))
	all, models := h.aggregate(t, start)
	same(t, "hour in SQL", all, models, rs)
	all, models = h.window(t, start) // after the aggregation, when what would be counted twice has had its time
	same(t, "windows", all, models, rs)
}

// caughtUp waits until the windows have seen n requests of the hour.
func (h *instance) caughtUp(t testing.TB, start time.Time, n int64) {
	t.Helper()
	var got totals
	end := time.Now().Add(30 * time.Second)
	eventually(t, time.Minute, "windows", func() bool {
		got, _ = h.window(t, start)
		return got.requests >= n || time.Now().After(end)
	})
	if got.requests < n {
		t.Errorf("the windows stay at %d requests of %s, want %d", got.requests, stamp(start), n)
	}
}
