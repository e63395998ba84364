package sdk

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
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// hxp is a Sender that takes events, or refuses while it is down.
type hxp struct {
	mu      sync.Mutex
	down    error
	batches [][]string // ids
	tries   []time.Time
}

func (h *hxp) Send(_ context.Context, batch [][]byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tries = append(h.tries, time.Now())
	if h.down != nil {
		return 0, h.down
	}
	var ids []string
	for _, b := range batch {
		var e Event
		if err := json.Unmarshal(b, &e); err != nil {
			return 0, err
		}
		ids = append(ids, e.ID)
	}
	h.batches = append(h.batches, ids)
	return 0, nil
}

func (h *hxp) set(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.down = err
}

func (h *hxp) ids() (all []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, b := range h.batches {
		all = append(all, b...)
	}
	return all
}

func (h *hxp) times() []time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.tries)
}

func producer(t *testing.T, o Options) *Producer {
	t.Helper()
	p, err := NewProducer(o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func emit(t *testing.T, p *Producer, from, to int) {
	t.Helper()
	for n := from; n < to; n++ {
		if err := p.Emit(Event{ID: strconv.Itoa(n), Type: BusinessEvent, Data: Business{Type: "order"}}); err != nil {
			t.Fatal(err)
		}
	}
}

func inOrder(t *testing.T, ids []string, n int) {
	t.Helper()
	if len(ids) != n {
		t.Fatalf("%d events arrived, want %d: %v", len(ids), n, ids)
	}
	for i, id := range ids {
		if id != strconv.Itoa(i) {
			t.Fatalf("event %s stands at place %d", id, i)
		}
	}
}

func TestBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var h hxp
		p := producer(t, Options{Sender: &h, Batch: 10, Linger: time.Second})
		synctest.Wait() // what is there when it begins to look waits for no company
		emit(t, p, 0, 25)
		synctest.Wait()
		if len(h.ids()) != 0 {
			t.Error("sent before the batch had waited for company")
		}
		time.Sleep(time.Second)
		synctest.Wait()
		inOrder(t, h.ids(), 25)
		h.mu.Lock()
		batches := len(h.batches)
		h.mu.Unlock()
		if batches != 3 {
			t.Errorf("%d batches", batches)
		}
		emit(t, p, 25, 26)
		began := time.Now()
		if err := p.Flush(t.Context()); err != nil || time.Since(began) != 0 {
			t.Errorf("flush: %v after %s", err, time.Since(began))
		}
		emit(t, p, 26, 30)
		if err := p.Close(t.Context()); err != nil {
			t.Error(err)
		}
		inOrder(t, h.ids(), 30)
		if err := p.Emit(Event{}); !errors.Is(err, ErrClosed) {
			t.Errorf("emit after close: %v", err)
		}
		if s := p.Stats(); s.Emitted != 30 || s.Delivered != 30 || s.Dropped != 1 || s.Queued != 0 {
			t.Errorf("%+v", s)
		}
	})
}

func TestWaitsForHXP(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var h hxp
		h.set(errors.New("away"))
		p := producer(t, Options{Sender: &h, MaxEvents: 20, Patience: 4 * time.Second})
		synctest.Wait()
		emit(t, p, 0, 20)
		if err := p.Emit(Event{}); !errors.Is(err, ErrFull) {
			t.Errorf("the queue took more than its bound: %v", err)
		}
		time.Sleep(time.Minute)
		h.set(nil)
		if err := p.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		inOrder(t, h.ids(), 20)
		tries := h.times()
		if n := len(tries); n < 15 || n > 40 {
			t.Errorf("%d tries in a minute", n)
		}
		for i := 1; i < len(tries); i++ {
			if d := tries[i].Sub(tries[i-1]); d < 50*time.Millisecond || d > 4*time.Second {
				t.Errorf("%s between two tries", d)
			}
		}
		h.set(&RetryError{10 * time.Second, errors.New("busy")})
		emit(t, p, 20, 21)
		time.Sleep(time.Minute)
		tries = h.times()
		if n := len(tries); tries[n-1].Sub(tries[n-2]) < 5*time.Second {
			t.Error("came back before the pause that was asked for")
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := p.Close(ctx); err == nil || !strings.Contains(err.Error(), "1 events are lost") || !strings.Contains(err.Error(), "busy") {
			t.Errorf("close while hxp is away: %v", err)
		}
	})
}

// What waits on disk is delivered by the next producer of the folder, in order and with the same ids.
func TestSpillOutlivesTheProducer(t *testing.T) {
	var h hxp
	h.set(errors.New("away"))
	o := Options{Sender: &h, Spill: t.TempDir(), Linger: time.Millisecond, Batch: 7}
	p := producer(t, o)
	emit(t, p, 0, 50)
	if err := p.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s := p.Stats(); s.Spill.Records != 50 || s.Dropped != 0 {
		t.Fatalf("%+v", s)
	}
	h.set(nil)
	p = producer(t, o)
	emit(t, p, 50, 60)
	if err := p.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	inOrder(t, h.ids(), 60)
	if _, err := NewProducer(o); err == nil {
		t.Error("two producers took one folder")
	}
	if err := p.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s := p.Stats(); s.Delivered != 60 || s.Spill.Records != 0 {
		t.Errorf("%+v", s)
	}
}

// A full spill leaves events in memory, a full memory drops and counts; when hxp is back, all that was taken arrives.
func TestSpillFull(t *testing.T) {
	var h hxp
	h.set(errors.New("away"))
	p := producer(t, Options{Sender: &h, Spill: t.TempDir(), SpillBytes: 4000, Linger: time.Microsecond, Batch: 5, MaxEvents: 10, Patience: time.Millisecond})
	taken, dropped := 0, 0
	for dropped == 0 || p.Stats().LastError == "" || !strings.Contains(p.Stats().LastError, "full") && dropped < 1_000_000 {
		if err := p.Emit(Event{ID: strconv.Itoa(taken), Data: Metrics{"x": 1}}); err == nil {
			taken++
		} else if dropped++; !errors.Is(err, ErrFull) {
			t.Fatal(err)
		}
	}
	h.set(nil)
	if err := p.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	inOrder(t, h.ids(), taken)
	if s := p.Stats(); s.Emitted != uint64(taken) || s.Dropped != uint64(dropped) || s.Delivered != uint64(taken) {
		t.Errorf("%d taken, %d dropped, %+v", taken, dropped, s)
	}
}

func TestEventEncoding(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 678_912_345, time.FixedZone("", 3600))
	b, err := Event{Type: LLMRequest, Data: Request{Model: "m", Duration: Millis(1_234_567), PromptTokens: new(int64(0)), Success: new(false)}}.encode("me", now)
	if err != nil {
		t.Fatal(err)
	}
	var e map[string]any
	if err := json.Unmarshal(b, &e); err != nil || len(e["event_id"].(string)) != 32 {
		t.Fatalf("%s %v", b, err)
	}
	if want := `"timestamp":"2026-01-02T02:04:05.678912Z","source":"me","data":{"model":"m","duration_ms":1.234567,"prompt_tokens":0,"success":false}}`; !strings.HasSuffix(string(b), want) {
		t.Errorf("%s", b)
	}
	if _, err := (Event{Data: strings.Repeat("x", MaxEvent)}).encode("", now); !errors.Is(err, ErrTooLarge) {
		t.Errorf("%v", err)
	}
	if _, err := (Event{Data: func() {}}).encode("", now); err == nil {
		t.Error("a function was encoded")
	}
}

func TestPost(t *testing.T) {
	var bodies []int
	status, header := 0, ""
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		n := bytes.Count(body, []byte{'\n'})
		bodies = append(bodies, n)
		if r.URL.Path != "/base/events" || r.Header.Get("Authorization") != "Bearer t" || r.Header.Get("Content-Type") != "application/x-ndjson" {
			t.Errorf("%s %v", r.URL.Path, r.Header)
		}
		w.Header().Set("Retry-After", header)
		switch {
		case bytes.Contains(body, []byte("poison")):
			w.WriteHeader(400)
		case status != 0:
			w.WriteHeader(status)
			fmt.Fprint(w, "not  now\n")
		case bytes.Contains(body, []byte("bad")):
			w.WriteHeader(207)
			fmt.Fprintf(w, `{"accepted":%d,"rejected":1,"duplicates":0}`, n-1)
		default:
			w.WriteHeader(202)
			fmt.Fprintf(w, `{"accepted":%d,"rejected":0,"duplicates":1}`, n-1)
		}
	}))
	defer server.Close()
	s, err := newPoster(server.URL+"/base/", "t", server.Client())
	if err != nil {
		t.Fatal(err)
	}
	events := func(texts ...string) (b [][]byte) {
		for _, x := range texts {
			b = append(b, []byte(x))
		}
		return b
	}
	for _, c := range []struct {
		batch   [][]byte
		refused int
		posts   int
	}{
		{events("a", "b", "c"), 0, 1},
		{events("a", "bad"), 1, 1},
		{events("a", "b", "c", "poison"), 1, 5},
		{events("poison"), 1, 1},
	} {
		bodies = nil
		if n, err := s.Send(t.Context(), c.batch); n != c.refused || err != nil || len(bodies) != c.posts {
			t.Errorf("%q: %d refused, %v, posts of %v", c.batch, n, err, bodies)
		}
	}
	for _, status = range []int{401, 404, 429, 500, 503} {
		header = "7"
		_, err := s.Send(t.Context(), events("a"))
		retry, ok := errors.AsType[*RetryError](err)
		if !ok || retry.After != 7*time.Second || !strings.Contains(err.Error(), strconv.Itoa(status)) || !strings.Contains(err.Error(), "not now") {
			t.Errorf("%d: %v", status, err)
		}
	}
	for _, bad := range []string{"", "kafka:9092", "ftp://x", "http://"} {
		if _, err := NewProducer(Options{URL: bad}); err == nil {
			t.Errorf("URL %q was taken", bad)
		}
	}
}
