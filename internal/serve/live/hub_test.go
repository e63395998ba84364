package live

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// cable is a network in memory, so that clocks can be false.
type cable struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newCable() *cable { return &cable{conns: make(chan net.Conn), done: make(chan struct{})} }

func (w *cable) Accept() (net.Conn, error) {
	select {
	case c := <-w.conns:
		return c, nil
	case <-w.done:
		return nil, net.ErrClosed
	}
}
func (w *cable) Close() error   { w.once.Do(func() { close(w.done) }); return nil }
func (w *cable) Addr() net.Addr { return &net.UnixAddr{Name: "memory"} }
func (w *cable) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case w.conns <- server:
		return client, nil
	case <-w.done:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// rig is a running hub behind an HTTP server.
type rig struct {
	t    *testing.T
	hub  *Hub
	wire *cable
	http *http.Client
	mu   sync.Mutex
	data map[string]any // state of the topic "metrics"
	asks int
	err  error

	guard httpx.Guard
}

// start runs a hub with the states metrics (r.data), health and quiet (never changes) and the happenings news and flood (capped) in the
// current bubble.
func start(t *testing.T, cfg Config) *rig {
	r := &rig{t: t, wire: newCable(), data: map[string]any{"n": 0}}
	metrics := Topic{Name: "metrics", State: func(_ context.Context, now time.Time, f Filter) (State, error) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.asks++
		if r.err != nil {
			return State{}, r.err
		}
		v := map[string]any{"model": f.Model}
		for k, x := range r.data {
			v[k] = x
		}
		o, err := Tree(v)
		return State{Data: o, Watermark: now.Add(-time.Second)}, err
	}}
	constant := func(context.Context, time.Time, Filter) (State, error) {
		return State{Data: Object{"still": Object{}}}, nil
	}
	r.hub = New(cfg, slog.New(slog.DiscardHandler), metrics, Topic{Name: "health", State: constant}, Topic{Name: "quiet", State: constant}, Topic{Name: "news"}, Topic{Name: "flood", Capped: true})
	r.run()
	return r
}

// run serves the hub in the current bubble.
func (r *rig) run() {
	mux := httpx.NewMux(slog.New(slog.DiscardHandler), nil)
	mux.Protect(r.guard)
	r.hub.Mount(mux)
	server := &http.Server{Handler: mux}
	r.http = &http.Client{Transport: &http.Transport{DialContext: r.wire.dial}}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = r.hub.Run(ctx) })
	wg.Go(func() { _ = server.Serve(r.wire) })
	r.t.Cleanup(func() {
		cancel()
		if err := server.Shutdown(context.Background()); err != nil {
			r.t.Errorf("shutdown: %v", err)
		}
		wg.Wait()
		r.http.CloseIdleConnections()
	})
}

func (r *rig) set(v map[string]any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.data = v
}

// reader is an SSE client.
type reader struct {
	t    *testing.T
	resp *http.Response
	in   *bufio.Reader
	stop context.CancelFunc
}

type told struct {
	ID, Event, Comment string
	Data               struct {
		Type, Topic, Epoch, T, Watermark, Reason string
		Code, Detail                             string
		Seq                                      uint64
		Topics                                   []string
		Data                                     any
	}
}

func (r *rig) open(path, last string) *reader {
	r.t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	req, err := http.NewRequestWithContext(ctx, "GET", "http://hxp"+path, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	if last != "" {
		req.Header.Set("Last-Event-ID", last)
	}
	resp, err := r.http.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	c := &reader{t: r.t, resp: resp, in: bufio.NewReader(resp.Body), stop: stop}
	r.t.Cleanup(c.close)
	return c
}

func (c *reader) close() {
	c.stop()
	_ = c.resp.Body.Close()
}

// next reads one frame; retry lines are skipped.
func (c *reader) next() (told, error) {
	var m told
	for {
		line, err := c.in.ReadString('\n')
		if err != nil {
			return m, err
		}
		line = strings.TrimSuffix(line, "\n")
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case line == "":
			if m.Event != "" || m.Comment != "" {
				return m, nil
			}
		case name == "":
			m.Comment = value
		case name == "id":
			m.ID = value
		case name == "event":
			m.Event = value
		case name == "data":
			if err := json.Unmarshal([]byte(value), &m.Data); err != nil {
				return m, fmt.Errorf("%w in %s", err, value)
			}
		}
	}
}

// must reads until a frame of the topic, and fails on an end.
func (c *reader) must(topic string) told {
	c.t.Helper()
	for {
		m, err := c.next()
		if err != nil {
			c.t.Fatalf("waiting for %s: %v", topic, err)
		}
		if m.Event == topic {
			return m
		}
	}
}

func TestSnapshotThenUpdates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, Config{SSEMax: 10})
		c := r.open("/stream?topics=metrics,health", "")
		if h := c.resp.Header; h.Get("Content-Type") != "text/event-stream" || h.Get("X-Accel-Buffering") != "no" || !strings.Contains(h.Get("Cache-Control"), "no-cache") {
			t.Errorf("headers %v", h)
		}
		hello := c.must("hello")
		if hello.Data.Type != "hello" || hello.ID != "" || !reflect.DeepEqual(hello.Data.Topics, []string{"metrics", "health", "quiet", "news", "flood"}) {
			t.Errorf("hello %+v", hello)
		}
		var state any
		var last uint64
		for i := range 20 {
			m := c.must("metrics")
			want := "update"
			if i == 0 {
				want = "snapshot"
			}
			if m.Data.Type != want || m.Data.Topic != "metrics" || m.Data.Epoch != hello.Data.Epoch || m.ID != m.Data.Epoch+"."+strconv.FormatUint(m.Data.Seq, 10) {
				t.Fatalf("message %d is %+v", i, m)
			}
			if m.Data.Seq <= last || !strings.HasSuffix(m.Data.T, "Z") || !strings.HasSuffix(m.Data.Watermark, "Z") {
				t.Fatalf("message %d after %d: %+v", i, last, m)
			}
			last, state = m.Data.Seq, merge(state, m.Data.Data)
			r.mu.Lock()
			now := map[string]any{"model": "", "n": float64(i)}
			if i%3 != 0 {
				now["odd"] = map[string]any{"i": float64(i - i%2)}
			}
			if i > 0 && !reflect.DeepEqual(state, r.data) {
				t.Errorf("state %v, not %v", state, r.data)
			}
			r.data = now
			r.mu.Unlock()
		}
	})
}

func TestResume(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, Config{SSEMax: 10})
		c := r.open("/stream/metrics", "")
		m := c.must("metrics")
		for range 3 {
			r.set(map[string]any{"n": m.Data.Seq})
			m = c.must("metrics")
		}
		c.close()
		synctest.Wait()

		// at once: the next thing is a patch on what it holds
		c = r.open("/stream/metrics", m.ID)
		r.set(map[string]any{"n": "later"})
		if next := c.must("metrics"); next.Data.Type != "update" || !reflect.DeepEqual(next.Data.Data, map[string]any{"n": "later"}) {
			t.Errorf("after the newest tick came %+v", next)
		}
		// it missed ticks: a snapshot, and no reset; by the query too
		c2 := r.open("/stream/metrics?since="+m.ID, "")
		if next := c2.must("metrics"); next.Data.Type != "snapshot" {
			t.Errorf("after a gap came %+v", next)
		}
		c.close()
		c2.close()
		time.Sleep(10 * time.Second)
		// nobody kept the channel fresh: a fresh snapshot, not the old one
		r.set(map[string]any{"n": "fresh"})
		c = r.open("/stream/metrics?since="+m.ID, "")
		if next := c.must("metrics"); next.Data.Type != "snapshot" || next.Data.Data.(map[string]any)["n"] != "fresh" {
			t.Errorf("after a pause came %+v", next)
		}
		for _, last := range []string{"0ldepoch.5", m.Data.Epoch + ".999999999", "nonsense"} {
			c := r.open("/stream/metrics", last)
			if hello, _ := c.next(); hello.Event != "hello" {
				t.Errorf("%s: first %+v", last, hello)
			}
			reset := c.must("metrics")
			if reset.Data.Type != "reset" || reset.Data.Reason == "" || reset.ID != "" || reset.Data.Topic != "metrics" {
				t.Errorf("%s: no reset but %+v", last, reset)
			}
			if next := c.must("metrics"); next.Data.Type != "snapshot" {
				t.Errorf("%s: after the reset came %+v", last, next)
			}
			c.close()
		}
	})
}

func TestSameBytesForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, Config{SSEMax: 100})
		var readers []*reader
		for range 50 {
			readers = append(readers, r.open("/stream/metrics?interval_ms=900", "")) // rounded up to 1000
			readers[len(readers)-1].must("metrics")
		}
		r.mu.Lock()
		asked := r.asks
		r.mu.Unlock()
		for i := range 5 {
			r.set(map[string]any{"n": i + 1})
			for _, c := range readers {
				if m := c.must("metrics"); m.Data.Data.(map[string]any)["n"] != float64(i+1) {
					t.Fatalf("round %d: %+v", i, m)
				}
			}
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		if asked > 2 || r.asks-asked > 6 {
			t.Errorf("the state was computed %d times for the snapshot and %d times for 5 updates of 50 clients", asked, r.asks-asked)
		}
	})
}

func TestFiltersAndIntervals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, Config{SSEMax: 10, UpdateInterval: 3 * time.Second})
		for query, want := range map[string]time.Duration{"": 3 * time.Second, "?interval_ms=1": 250 * time.Millisecond, "?interval_ms=251&model=m": 500 * time.Millisecond, "?interval_ms=60000": time.Minute} {
			c := r.open("/stream/metrics"+query, "")
			m := c.must("metrics")
			if got := m.Data.Data.(map[string]any)["model"]; got != "" != strings.Contains(query, "model=m") {
				t.Errorf("%s: filter came as %v", query, got)
			}
			r.set(map[string]any{"n": query})
			c.must("metrics")
			r.set(map[string]any{"n": query + "!"})
			began := time.Now()
			c.must("metrics")
			if got := time.Since(began); got != want {
				t.Errorf("%q: %v between updates, not %v", query, got, want)
			}
			c.close()
		}
		if got := r.hub.Performance().Interval; got != 3 {
			t.Errorf("update interval %v", got)
		}
	})
}

// TestManyFilters: streams that a client has left give way to new ones; one that finds no room keeps what it has.
func TestManyFilters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, Config{SSEMax: 10})
		metrics := r.hub.topics[0]
		ask := func(c *client, model int) error {
			_, err := c.subscribe(wish{topics: []*Topic{metrics}, filter: Filter{Model: strconv.Itoa(model)}, interval: time.Second})
			return err
		}
		wanderer, other := r.hub.newClient(socket, ""), r.hub.newClient(socket, "")
		for i := range maxChannels + 10 {
			if err := ask(wanderer, i); err != nil {
				t.Fatalf("filter %d: %v", i, err)
			}
		}
		if err := ask(other, -1); err != nil {
			t.Errorf("another client: %v", err)
		}
		clients := []*client{wanderer, other}
		for i := range maxChannels - 2 {
			c := r.hub.newClient(socket, "")
			if clients = append(clients, c); ask(c, 10_000+i) != nil {
				t.Fatalf("client %d has no room", i)
			}
		}
		if err := ask(other, -2); !errors.Is(err, errFull) {
			t.Errorf("over the limit: %v", err)
		}
		r.hub.mu.Lock()
		if _, hears := other.states[metrics].channel.subscribers[other.states[metrics]]; !hears || len(r.hub.channels) != maxChannels {
			t.Errorf("it hears what it heard: %t; there are %d channels", hears, len(r.hub.channels))
		}
		r.hub.mu.Unlock()
		for _, c := range clients {
			c.leave()
		}
	})
}

func TestHeartbeatOnAQuietStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, Config{SSEMax: 10})
		c := r.open("/stream?topics=quiet", "")
		c.must("quiet")
		began := time.Now()
		for i := range 3 {
			if m, err := c.next(); err != nil || m.Comment == "" || time.Since(began) != time.Duration(i+1)*15*time.Second {
				t.Fatalf("comment %d after %v: %+v, %v", i, time.Since(began), m, err)
			}
		}
	})
}

func TestLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, Config{SSEMax: 3, WebSocketMax: 7})
		var readers []*reader
		for range 3 {
			readers = append(readers, r.open("/stream/metrics", ""))
		}
		over := r.open("/stream/metrics", "")
		if over.resp.StatusCode != 503 || over.resp.Header.Get("Retry-After") == "" || over.resp.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("over the limit: %d %v", over.resp.StatusCode, over.resp.Header)
		}
		readers[0].must("metrics")
		s := r.hub.Status()
		if s.SSE != (Connections{Connected: 3, Limit: 3, Total: 3}) || s.WebSocket.Limit != 7 || s.Topics[0].Subscribers != 3 || s.Topics[0].Seq == 0 {
			t.Errorf("status %+v", s)
		}
		readers[0].close()
		synctest.Wait()
		if c := r.open("/stream/metrics", ""); c.resp.StatusCode != 200 {
			t.Errorf("a place that was left answers %d", c.resp.StatusCode)
		}
		for _, c := range readers {
			c.close()
		}
	})
}

// TestSlowClient: one that does not read is cut, and does not disturb the others; one that reads late gets what is current.
func TestSlowClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, Config{SSEMax: 10})
		late := r.open("/stream/metrics?interval_ms=250", "")
		late.must("metrics")
		r.open("/stream/metrics?interval_ms=250", "") // dead
		fast := r.open("/stream/metrics?interval_ms=250", "")
		fast.must("metrics")
		for i := range 12 { // 3 s: less than the time limit for a write
			r.set(map[string]any{"n": i, "pad": strings.Repeat("x", 8<<10)})
			if m := fast.must("metrics"); m.Data.Type != "update" {
				t.Fatalf("round %d: %+v", i, m)
			}
		}
		types := map[string]int{}
		var m told
		for range 3 {
			m = late.must("metrics")
			types[m.Data.Type]++
		}
		if got := m.Data.Data.(map[string]any)["n"]; types["snapshot"] == 0 || got != nil && got != float64(11) {
			t.Errorf("the late one got %v and ended at %v", types, got)
		}
		if s := r.hub.Status(); s.Conflated == 0 || s.SlowClosed != 0 {
			t.Errorf("before the time limit: %+v", s)
		}
		late.close()
		for i := range 30 {
			r.set(map[string]any{"n": -i})
			fast.must("metrics")
		}
		if s := r.hub.Status(); s.SlowClosed != 1 || s.SSE.Connected != 1 {
			t.Errorf("after the time limit: %+v", s)
		}
		if p := r.hub.Performance(); p.Messages <= 0 || p.Bytes <= 0 || p.Latency.P50 > p.Latency.Max {
			t.Errorf("performance %+v", p)
		}
	})
}

func TestFailingTopicKeepsItsState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, Config{SSEMax: 10})
		c := r.open("/stream/metrics", "")
		c.must("metrics")
		r.mu.Lock()
		r.err = errors.New("no windows")
		r.mu.Unlock()
		time.Sleep(5 * time.Second)
		r.mu.Lock()
		r.err, r.data = nil, map[string]any{"n": "back"}
		r.mu.Unlock()
		if m := c.must("metrics"); m.Data.Type != "update" || !reflect.DeepEqual(m.Data.Data, map[string]any{"n": "back"}) {
			t.Errorf("%+v", m)
		}
	})
}

func TestDrainEndsStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, Config{SSEMax: 10})
		c := r.open("/stream/metrics", "")
		c.must("metrics")
		r.hub.Drain()
		if _, err := io.ReadAll(c.in); err != nil {
			t.Errorf("the stream ended with %v", err)
		}
	})
}

func TestRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, Config{SSEMax: 10})
		for _, path := range []string{"/stream?topics=nonsense", "/stream?topics=metrics,nonsense", "/stream?interval_ms=x", "/stream?interval_ms=60001", "/stream?interval_ms=0", "/stream?since=5", "/stream?model=" + strings.Repeat("m", 600), "/stream?%zz"} {
			if c := r.open(path, ""); c.resp.StatusCode != 400 || c.resp.Header.Get("Content-Type") != "application/problem+json" {
				t.Errorf("%s: %d", path, c.resp.StatusCode)
			}
		}
		resp, err := r.http.Head("http://hxp/stream/metrics")
		if err != nil || resp.StatusCode != 200 {
			t.Errorf("HEAD: %v %v", resp, err)
		}
		for _, path := range []string{"/streams/status", "/streams/performance"} {
			c := r.open(path, "")
			var v map[string]any
			if err := json.NewDecoder(c.in).Decode(&v); err != nil || len(v) < 5 {
				t.Errorf("%s: %v %v", path, v, err)
			}
		}
		if n := r.hub.streams.count().Total; n != 0 {
			t.Errorf("%d connections counted", n)
		}
	})
}
