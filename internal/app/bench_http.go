package app

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
)

func benchClient(conns int) *http.Client {
	return &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: conns, MaxConnsPerHost: conns}}
}

func post(c *http.Client, url, contentType string, body []byte) error {
	resp, err := c.Post(url, contentType, bytes.NewReader(body))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusAccepted {
		err = fmt.Errorf("%s: %.200s", resp.Status, text)
	}
	return err
}

// posts sends bodies of n events over some connections for a time and returns events a second.
func posts(ctx context.Context, url, contentType string, conns, n int, d time.Duration) (float64, error) {
	client := benchClient(conns)
	defer client.CloseIdleConnections()
	var events atomic.Int64
	var failed atomic.Pointer[error]
	began := time.Now()
	var wg sync.WaitGroup
	for w := range conns {
		wg.Go(func() {
			gen := newPayloads(1000*n + w)
			for time.Since(began) < d && ctx.Err() == nil && failed.Load() == nil {
				var body []byte
				for range n {
					body = append(append(body, gen.next()...), '\n')
				}
				if err := post(client, url, contentType, body); err != nil {
					failed.CompareAndSwap(nil, &err)
					return
				}
				events.Add(int64(n))
			}
		})
	}
	wg.Wait()
	if e := failed.Load(); e != nil {
		return 0, *e
	}
	return float64(events.Load()) / time.Since(began).Seconds(), ctx.Err()
}

// benchIngest: the way in over HTTP, with client, broker, windows and lake on the same machine.
func benchIngest(ctx context.Context, s *system, d time.Duration) (map[string]any, error) {
	url := s.allURLs()[KafkaAPI] + "/events"
	lines, err := posts(ctx, url, "application/x-ndjson", 4, 1000, d/2)
	if err != nil {
		return nil, err
	}
	for s.stream.Counted() < s.producedSoFar(ctx) { // the second half starts with nothing left to do
		if err := pause(ctx); err != nil {
			return nil, err
		}
	}
	single, err := posts(ctx, url, "application/json", 64, 1, d/2)
	if err != nil {
		return nil, err
	}
	return map[string]any{"ndjson_events_per_second": lines, "single_posts_per_second": single}, nil
}

func (s *system) producedSoFar(ctx context.Context) (n int64) {
	logs, _ := s.bus.Offsets(ctx, "llm-requests")
	for _, r := range logs["llm-requests"] {
		n += r.End
	}
	return n
}

// benchLatency: under 1,000 events a second, and then under 200,000, how long after the acknowledgement of an event GET /analytics
// shows it and rules have decided about it; and, on a system of its own, until what a rule asks for is done.
func benchLatency(ctx context.Context, s *system, d time.Duration) (map[string]any, error) {
	rules, err := s.probeRules(ctx)
	if err != nil {
		return nil, err
	}
	defer rules.close()
	acted, err := Bench(ctx, "actions", BenchOptions{Duration: d / 4})
	if err != nil {
		return nil, err
	}
	probes, visible, paces, decided := 0, map[string]any{}, map[string]any{}, map[string]any{}
	for _, rate := range []int{1000, 200_000} {
		seen, paced, err := s.latencyAt(ctx, rate, d*3/8, rules, &probes)
		if err != nil {
			return nil, err
		}
		fired, err := rules.delays()
		if err != nil {
			return nil, err
		}
		at := strconv.Itoa(rate)
		visible[at], paces[at] = spread(seen), paced
		decided[at] = map[string]any{"event_rule": spread(fired["probe-event"]), "window_rule": spread(fired["probe-window"])}
	}
	return map[string]any{"visible_ms": visible, "events_per_second": paces, "decided_ms": decided, "event_rule_ms": acted.Results["event_action_ms"], "window_rule_ms": acted.Results["window_action_ms"]}, nil
}

// latencyAt sends probes under a rate of other events. It returns how long after its acknowledgement each was seen, in milliseconds,
// the shortest first, and the rate that was reached.
func (s *system) latencyAt(ctx context.Context, rate int, d time.Duration, rules *ruleProbe, probes *int) (seen []float64, paced float64, err error) {
	work, stop := context.WithTimeout(ctx, d)
	defer stop()
	var background sync.WaitGroup
	background.Go(func() { paced = s.pace(work, rate) })
	defer background.Wait()
	client := benchClient(2)
	defer client.CloseIdleConnections()
	urls := s.allURLs()
	time.Sleep(min(time.Second, d/4)) // let the traffic begin, and the rules
	for work.Err() == nil {
		*probes++
		n := *probes
		e := &event.Event{ID: "probe-" + strconv.Itoa(n), Source: "bench", Kind: event.LLMRequest, Time: time.Now().UnixMicro(), HasTime: true}
		e.SetText(event.Model, "probe")
		e.SetText(event.RequestID, e.ID)
		if err := post(client, urls[KafkaAPI]+"/events", "application/json", event.AppendJSON(nil, e)); err != nil {
			return nil, 0, err
		}
		acked := time.Now()
		rules.sent(e.ID, acked)
		if err := awaitProbe(client, urls[EventProcessingAPI], n); err != nil {
			return nil, 0, err
		}
		seen = append(seen, float64(time.Since(acked))/1e6)
		time.Sleep(5 * time.Millisecond)
	}
	stop()
	background.Wait()
	slices.Sort(seen)
	return seen, paced, nil
}

// spread says of sorted values what people ask for.
func spread(ms []float64) map[string]any {
	at := func(p float64) float64 { return ms[min(int(p*float64(len(ms))), len(ms)-1)] }
	return map[string]any{"p50": at(.5), "p95": at(.95), "p99": at(.99), "max": ms[len(ms)-1], "probes": len(ms)}
}

// awaitProbe asks until n probes are counted.
func awaitProbe(c *http.Client, base string, n int) error {
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); {
		resp, err := c.Get(base + "/analytics?window=3600&model=probe")
		if err != nil {
			return err
		}
		var a struct {
			Overall struct{ Requests int } `json:"overall"`
		}
		err = json.NewDecoder(resp.Body).Decode(&a)
		_ = resp.Body.Close()
		if err != nil {
			return err
		}
		if a.Overall.Requests >= n {
			return nil
		}
	}
	return fmt.Errorf("probe %d was not visible within 20 s", n)
}

// pace produces events at a rate until ctx ends, and returns the rate that it reached.
func (s *system) pace(ctx context.Context, perSecond int) (reached float64) {
	p, err := s.bus.NewProducer(bus.ProducerOptions{Linger: 2 * time.Millisecond})
	if err != nil {
		return 0
	}
	defer p.Close()
	gen, began, n := newPayloads(perSecond), time.Now(), 0
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return float64(n) / time.Since(began).Seconds()
		}
		for ; n < int(time.Since(began).Seconds()*float64(perSecond)); n++ {
			v := gen.next()
			p.SendAsync(ctx, &bus.Message{Topic: "llm-requests", Key: []byte(gen.e.ID), Value: v}, nil)
		}
	}
}
