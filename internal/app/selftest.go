package app

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/auth"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

// selfTest sends one event along the road that all events take and looks for it at each place that it passes. The event is a system
// metric under a name that nothing sums up, so it is one of the events and changes no other number.
type selfTest struct {
	reach    func(service string) string // base URL
	via      http.RoundTripper           // to it
	speak    func(*auth.Principal, http.Header)
	services []string      // whose health is asked
	limit    time.Duration // for everything
	reply    time.Duration // for the health of a service: one that hangs leaves time for the rest
	pause    time.Duration // between two looks at what has not come yet

	running sync.Mutex
}

// Step is one thing that a self-test found.
type Step struct {
	Name   string  `json:"name"`
	Status string  `json:"status"` // passed, degraded or failed
	Detail string  `json:"detail"`
	MS     float64 `json:"ms"` // what it took
}

const (
	passed   = "passed"
	degraded = "degraded"
	failed   = "failed"
)

// SelfTest is the outcome: failed when a step has failed.
type SelfTest struct {
	Status string    `json:"status"`
	At     time.Time `json:"at"`
	Steps  []Step    `json:"steps"`
}

// newSelfTest makes the test. speak, when it is there, lets its requests say who sends them.
func newSelfTest(reach func(string) string, via http.RoundTripper, speak func(*auth.Principal, http.Header)) *selfTest {
	return &selfTest{
		reach: reach, via: via, speak: speak, limit: 20 * time.Second, reply: 5 * time.Second, pause: 20 * time.Millisecond,
		services: []string{KafkaAPI, EventProcessingAPI, BatchProcessingAPI, DataStreamingAPI, Scheduler},
	}
}

// ServeHTTP runs the test; one at a time, because it is there to be clicked.
func (t *selfTest) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !t.running.TryLock() {
		w.Header().Set("Retry-After", "2")
		httpx.Problem(w, r, http.StatusServiceUnavailable, "a self-test is running already; its answer will be the same")
		return
	}
	defer t.running.Unlock()
	ctx, cancel := context.WithTimeout(r.Context(), t.limit)
	defer cancel()
	httpx.JSON(w, http.StatusOK, t.run(ctx))
}

func (t *selfTest) run(ctx context.Context) SelfTest {
	out := SelfTest{Status: passed, At: time.Now().UTC(), Steps: t.healths(ctx)}
	out.Steps = append(out.Steps, t.road(ctx)...)
	for _, s := range out.Steps {
		if s.Status == failed || out.Status == passed {
			out.Status = s.Status
		}
	}
	return out
}

// step does one thing and says how it went: f's words, or its error.
func step(name string, f func() (string, error)) Step {
	began := time.Now()
	detail, err := f()
	s := Step{Name: name, Status: passed, Detail: detail}
	if err != nil {
		s.Status, s.Detail = failed, err.Error()
		if errors.As(err, new(someoneShouldLook)) {
			s.Status = degraded
		}
	}
	s.MS = float64(time.Since(began).Microseconds()) / 1000
	return s
}

// someoneShouldLook is what works, but not as it should.
type someoneShouldLook string

func (e someoneShouldLook) Error() string { return string(e) }

func (t *selfTest) service(name string) *Asked {
	a := &Asked{name: name, base: strings.TrimSuffix(t.reach(name), "/"), client: http.Client{Timeout: t.limit, Transport: t.via}, header: http.Header{}}
	if t.speak != nil {
		t.speak(auth.Insider("self-test", httpx.Ingest, httpx.Read), a.header)
	}
	return a
}

// healths asks all services at the same time.
func (t *selfTest) healths(ctx context.Context) []Step {
	steps := make([]Step, len(t.services))
	var all sync.WaitGroup
	for i, name := range t.services {
		all.Go(func() {
			steps[i] = step("health of "+name, func() (string, error) { return t.health(ctx, name) })
		})
	}
	all.Wait()
	return steps
}

func (t *selfTest) health(ctx context.Context, name string) (string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, t.reply, fmt.Errorf("%s has not told its health within %s", name, t.reply))
	defer cancel()
	_, answer, err := t.service(name).ask(ctx, http.MethodGet, "/health", nil)
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		return "", err
	}
	var h httpx.HealthBody
	if err := json.Unmarshal(answer, &h); err != nil {
		return "", fmt.Errorf("its /health is no report: %w", err)
	}
	var bad []string
	for check, c := range h.Checks {
		if c.Status != httpx.Healthy {
			bad = append(bad, check+": "+c.Detail)
		}
	}
	switch text := few(bad); h.Status {
	case httpx.Healthy:
		return fmt.Sprintf("healthy; checks: %s", strings.Join(slices.Sorted(maps.Keys(h.Checks)), ", ")), nil
	case httpx.Degraded:
		return "", someoneShouldLook(text)
	default:
		return "", fmt.Errorf("%s: %s", h.Status, text)
	}
}

// place is where the event lies.
type place struct {
	ID        string `json:"event_id"`
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Offset    int64  `json:"offset"`
}

// road follows an event; what comes after a place that it did not reach is left out.
func (t *selfTest) road(ctx context.Context) []Step {
	var at place
	steps := []Step{}
	for _, s := range []struct {
		name string
		f    func(context.Context, *place) (string, error)
	}{
		{"an event is taken", t.send}, {"it lies on its topic", t.read}, {"the windows have counted it", t.counted}, {"the live stream goes on", t.streamed},
	} {
		done := step(s.name, func() (string, error) { return s.f(ctx, &at) })
		if steps = append(steps, done); done.Status == failed {
			break
		}
	}
	return steps
}

func (t *selfTest) send(ctx context.Context, at *place) (string, error) {
	body := map[string]any{"event_type": event.SystemMetric.String(), "source": "hxp-self-test", "data": map[string]any{"self_test": 1}}
	var a struct{ Results []place }
	if err := t.service(KafkaAPI).Into(ctx, http.MethodPost, "/events", body, &a); err != nil {
		return "", err
	}
	if len(a.Results) != 1 {
		return "", fmt.Errorf("one event was sent, and %d are told of", len(a.Results))
	}
	*at = a.Results[0]
	return fmt.Sprintf("%s, partition %d, offset %d", at.Topic, at.Partition, at.Offset), nil
}

func (t *selfTest) read(ctx context.Context, at *place) (string, error) {
	path := fmt.Sprintf("/topics/%s/messages?partition=%d&offset=%d&limit=1", url.PathEscape(at.Topic), at.Partition, at.Offset)
	answer, err := t.service(KafkaAPI).Call(ctx, http.MethodGet, path, nil)
	switch {
	case err != nil:
		return "", err
	case !strings.Contains(string(answer), at.ID):
		return "", fmt.Errorf("another message lies at partition %d, offset %d of %s", at.Partition, at.Offset, at.Topic)
	}
	return "event " + at.ID, nil
}

// counted waits until the windows have taken in what lies at the place.
func (t *selfTest) counted(ctx context.Context, at *place) (string, error) {
	for {
		var a struct{ Partitions []partitionSeen }
		if err := t.service(EventProcessingAPI).Into(ctx, http.MethodGet, "/analytics/performance", nil, &a); err != nil && ctx.Err() == nil {
			return "", err
		}
		for _, p := range a.Partitions {
			if p.Topic == at.Topic && p.Partition == at.Partition && p.Offset > at.Offset {
				return fmt.Sprintf("counted up to offset %d of partition %d", p.Offset, p.Partition), nil
			}
		}
		select {
		case <-ctx.Done():
			return "", fmt.Errorf("the windows have not come to offset %d of partition %d of %s in time", at.Offset, at.Partition, at.Topic)
		case <-time.After(t.pause):
		}
	}
}

type partitionSeen struct {
	Topic     string
	Partition int32
	Offset    int64
}

// streamed reads a live stream until it has told a state and then what changed in it, which is something with every second.
func (t *selfTest) streamed(ctx context.Context, _ *place) (string, error) {
	resp, err := t.service(DataStreamingAPI).open(ctx, http.MethodGet, "/stream/metrics", nil)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusServiceUnavailable {
		return "", someoneShouldLook("all streams are taken, so none could be looked at")
	}
	lines, state := bufio.NewScanner(resp.Body), false
	lines.Buffer(nil, 4<<20)
	for lines.Scan() {
		switch line := lines.Text(); {
		case strings.Contains(line, `"type":"snapshot"`):
			state = true
		case state && strings.Contains(line, `"type":"update"`):
			return "a state came, and what changed in it", nil
		}
	}
	err = cmp.Or(context.Cause(ctx), lines.Err(), io.EOF)
	if state {
		return "", fmt.Errorf("the stream told a state and did not go on: %w", err)
	}
	return "", fmt.Errorf("the stream ended before it told a state: %w", err)
}
