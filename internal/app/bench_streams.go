package app

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// What the streams are measured with: many clients for all that happens, and very many for a state.
const (
	streamSockets = 200
	streamSSE     = 100
	streamSlow    = 20     // that read slowBytes a second
	slowBytes     = 1024   // bytes
	streamRate    = 5050   // events a second: the 5,000 that are promised, and some
	streamBatch   = 25     // events in a POST
	streamModels  = 8      // each with less than a client gets in a second
	crowd         = 10_000 // where there is time for them
	crowdEach     = 2000   // that are opened for each second in which they are measured
)

// benchStreams measures how long after its acknowledgement an event is with those who listen (frame_ms), and what very many listeners cost. The
// server is a process of its own; clients and producer are this one, on the same machine.
func benchStreams(ctx context.Context, s *system, d time.Duration) (map[string]any, error) {
	srv, err := startServer(ctx, s.set.dataDir)
	if err != nil {
		return nil, err
	}
	defer srv.kill()
	out := map[string]any{"ws_clients": streamSockets, "sse_clients": streamSSE}
	for _, phase := range []struct {
		name, query string
		slow        int
	}{
		{"one_model_each", "model=bench-%d", 0}, // everything that was asked for comes
		{"one_model_each_beside_slow_clients", "model=bench-%d", streamSlow},
		{"all_events", "all=%d", 0}, // as much as a client may get
	} {
		got, err := srv.happenings(ctx, phase.query, phase.slow, d/4)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", phase.name, err)
		}
		if out[phase.name] = got; out["frame_ms"] == nil { // the first is what is asked for
			out["frame_ms"], out["events_per_second"] = got["frame_ms"], got["events_per_second"]
		}
	}
	out["crowd"], err = srv.crowd(ctx, d/4)
	return out, err
}

// benchServer is this binary as it is used: hxp up.
type benchServer struct {
	cmd  *exec.Cmd
	urls map[string]string
}

func startServer(ctx context.Context, dir string) (*benchServer, error) {
	binary, err := os.Executable()
	if err != nil {
		return nil, err
	}
	ready := filepath.Join(dir, "ready.json")
	cmd := exec.CommandContext(ctx, binary, "up", "--data-dir", filepath.Join(dir, "server"), "--ready-file", ready)
	cmd.Env = append(append(os.Environ(), freePorts()...), "KAFKA_BOOTSTRAP_SERVERS=127.0.0.1:0", "HXP_BROKER_MAX_BYTES=8589934592",
		"HXP_LOG_LEVEL=error", "HXP_TLS_CERT_FILE=", "HXP_TLS_KEY_FILE=", "HXP_TLS_CLIENT_CA_FILE=", "WEBSOCKET_MAX_CONNECTIONS=20000", "SSE_MAX_CONNECTIONS=1000", "STREAM_MAX_CONNECTIONS_PER_ADDRESS=20000")
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	b := &benchServer{cmd: cmd}
	for end := time.Now().Add(time.Minute); ; {
		if text, err := os.ReadFile(ready); err == nil {
			var urls map[string]any
			if err := json.Unmarshal(text, &urls); err != nil {
				b.kill()
				return nil, err
			}
			b.urls = map[string]string{}
			for name, url := range urls {
				b.urls[name], _ = url.(string)
			}
			return b, nil
		}
		if time.Now().After(end) || ctx.Err() != nil {
			b.kill()
			return nil, errors.Join(errors.New("the server did not start"), ctx.Err())
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (b *benchServer) kill() {
	if err := b.cmd.Process.Kill(); !errors.Is(err, os.ErrProcessDone) {
		_ = b.cmd.Wait()
	}
}

// metric reads one figure of the process.
func (b *benchServer) metric(name string) (float64, error) {
	resp, err := http.Get(b.urls[DataStreamingAPI] + "/metrics")
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		if value, ok := strings.CutPrefix(lines.Text(), name+" "); ok {
			return strconv.ParseFloat(value, 64)
		}
	}
	return 0, fmt.Errorf("there is no metric %s", name)
}

// cost measures the cores that the server keeps busy while work runs.
func (b *benchServer) cost(work func() error) (cores float64, err error) {
	before, err := b.metric("process_cpu_seconds_total")
	if err != nil {
		return 0, err
	}
	began := time.Now()
	if err := work(); err != nil {
		return 0, err
	}
	after, err := b.metric("process_cpu_seconds_total")
	return (after - before) / time.Since(began).Seconds(), err
}

// happenings sends events for a time to clients that listen, and tells how long after its acknowledgement each event was with each of
// them.
func (b *benchServer) happenings(ctx context.Context, query string, slow int, d time.Duration) (map[string]any, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	most := int(d.Seconds()+2) * streamRate
	clock := newAckClock(most)
	var clients sync.WaitGroup
	defer clients.Wait()
	defer stop()
	listeners := make([]*benchListener, 0, streamSockets+streamSSE)
	for i := range streamSockets + streamSSE + slow {
		path := "/ws"
		if i >= streamSockets && i < streamSockets+streamSSE {
			path = "/stream"
		}
		l, err := openStream(ctx, b.urls[DataStreamingAPI], path+"?topics=events&"+fmt.Sprintf(query, i%streamModels))
		if err != nil {
			return nil, err
		}
		if l.clock, l.delays = clock, new(spreadCounts); i >= streamSockets+streamSSE {
			clients.Go(func() { l.dawdle(slowBytes) })
			continue
		}
		listeners = append(listeners, l)
		clients.Go(l.run)
	}
	var sent int
	var rate float64
	began, used := time.Now(), processCPU()
	cores, err := b.cost(func() (err error) {
		sent, rate, err = b.produce(ctx, clock, d)
		return err
	})
	if err != nil {
		return nil, err
	}
	own := (processCPU() - used).Seconds() / time.Since(began).Seconds()
	time.Sleep(min(time.Second, d)) // the last ones are on their way
	delays := new(spreadCounts)
	for _, l := range listeners {
		delays.add(l.delays)
	}
	status, err := b.status()
	if err != nil {
		return nil, err
	}
	return map[string]any{"frame_ms": delays.spread(), "events": sent, "events_per_second": rate, "deliveries_per_second": float64(delays.total) / d.Seconds(), "server_cores": cores,
		"clients_and_producer_cores": own, "dropped": status["dropped"], "slow_clients_closed": status["slow_clients_closed"]}, nil
}

func (b *benchServer) status() (s map[string]any, err error) {
	resp, err := http.Get(b.urls[DataStreamingAPI] + "/streams/status")
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return s, json.NewDecoder(resp.Body).Decode(&s)
}

// produce sends events at streamRate for a time; what was late is made up for. It returns the rate that was reached.
func (b *benchServer) produce(ctx context.Context, clock *ackClock, d time.Duration) (sent int, rate float64, err error) {
	client := benchClient(8)
	defer client.CloseIdleConnections()
	var wg sync.WaitGroup
	var failed atomic.Pointer[error]
	began := time.Now()
	for ; time.Since(began) < d && failed.Load() == nil && sent+streamBatch <= len(clock.acked); sent += streamBatch {
		select {
		case <-ctx.Done():
			return sent, 0, ctx.Err()
		case <-time.After(time.Until(began.Add(time.Duration(sent) * time.Second / streamRate))):
		}
		first := sent
		wg.Go(func() {
			if err := post(client, b.urls[KafkaAPI]+"/events", "application/x-ndjson", clock.body(first, streamBatch)); err != nil {
				failed.CompareAndSwap(nil, &err)
				return
			}
			clock.ack(first, streamBatch)
		})
	}
	rate = float64(sent) / time.Since(began).Seconds()
	wg.Wait()
	if e := failed.Load(); e != nil {
		return sent, 0, *e
	}
	return sent, rate, nil
}

// body makes events n to n+count of the round.
func (c *ackClock) body(n, count int) (body []byte) {
	now := time.Now().UnixMicro()
	var e event.Event
	for i := n; i < n+count; i++ {
		e.Reset()
		id := c.round + "-" + strconv.Itoa(i)
		e.ID, e.Source, e.Kind, e.Time, e.HasTime = id, "bench", event.LLMRequest, now, true
		e.SetText(event.Model, "bench-"+strconv.Itoa(i%streamModels))
		e.SetText(event.RequestID, id)
		e.SetText(event.UserID, "user-"+strconv.Itoa(i%500))
		e.SetInt(event.DurationMS, 200_000_000)
		e.SetInt(event.PromptTokens, int64(i%1700))
		e.SetBool(event.Success, true)
		body = append(event.AppendJSON(body, &e), '\n')
	}
	return body
}

// crowd opens very many WebSockets for the state of the system, and tells what they cost once they are there.
func (b *benchServer) crowd(ctx context.Context, d time.Duration) (map[string]any, error) {
	ctx, stop := context.WithCancel(ctx)
	var clients sync.WaitGroup
	defer clients.Wait()
	defer stop()
	idle, err := b.cost(func() error { time.Sleep(d / 4); return nil })
	if err != nil {
		return nil, err
	}
	before, err := b.metric("process_resident_memory_bytes")
	if err != nil {
		return nil, err
	}
	var messages atomic.Int64
	many := min(crowd, int(d.Seconds()*crowdEach))
	for range many {
		l, err := openStream(ctx, b.urls[DataStreamingAPI], "/ws/metrics?interval_ms=1000")
		if err != nil {
			return nil, err
		}
		l.count = &messages
		clients.Go(l.run)
	}
	time.Sleep(time.Second) // all have their snapshot
	counted := messages.Load()
	cores, err := b.cost(func() error { time.Sleep(d); return nil })
	if err != nil {
		return nil, err
	}
	after, err := b.metric("process_resident_memory_bytes")
	return map[string]any{"websockets": many, "messages_per_second": float64(messages.Load()-counted) / d.Seconds(), "server_cores": cores, "server_cores_idle": idle,
		"bytes_each": (after - before) / float64(max(many, 1))}, err
}
