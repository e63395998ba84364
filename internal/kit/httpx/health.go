package httpx

import (
	"context"
	"fmt"
	"net/http"
	"runtime/debug"
	"sync"
	"time"
)

// Status of a service or of one check.
type Status string

// From good to bad. Degraded still answers 200: it works, and somebody should look.
const (
	Healthy   Status = "healthy"
	Degraded  Status = "degraded"
	Unhealthy Status = "unhealthy"
)

// Check is the outcome of one check. Detail says what was found, and for a bad one how to mend it.
type Check struct {
	Status Status `json:"status"`
	Detail string `json:"detail"`
}

// checkTimeout bounds a check; one that takes longer is unhealthy.
const checkTimeout = 2 * time.Second

// HealthBody is the answer of GET /health.
type HealthBody struct {
	Status        Status           `json:"status"`
	Service       string           `json:"service"`
	Timestamp     string           `json:"timestamp"`
	Version       string           `json:"version"`
	UptimeSeconds float64          `json:"uptime_seconds"`
	Checks        map[string]Check `json:"checks"`
}

// Health gathers the checks of one service. Safe for concurrent use.
type Health struct {
	service, version string
	began            time.Time

	mu     sync.Mutex
	names  []string
	checks map[string]*check
}

// check runs one function, never twice at the same time: who asks meanwhile waits for the outcome under way.
type check struct {
	f       func(context.Context) Check
	mu      sync.Mutex
	running chan struct{} // not nil while f runs
	since   time.Time     // when it began to
	last    Check
}

// NewHealth makes the health of a service without checks: healthy.
func NewHealth(service, version string) *Health {
	return &Health{service: service, version: version, began: time.Now(), checks: map[string]*check{}}
}

// Add names a check. f should answer within 2 s, when its context ends; it never runs twice at the same time. The same name
// again replaces the check.
func (h *Health) Add(name string, f func(context.Context) Check) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.checks[name] == nil {
		h.names = append(h.names, name)
	}
	h.checks[name] = &check{f: f}
}

// Report runs all checks at the same time and tells the worst.
func (h *Health) Report(ctx context.Context) HealthBody {
	h.mu.Lock()
	names, checks := append([]string(nil), h.names...), make([]*check, len(h.names))
	for i, n := range names {
		checks[i] = h.checks[n]
	}
	h.mu.Unlock()

	b := h.body()
	results := make([]Check, len(names))
	var wg sync.WaitGroup
	for i, c := range checks {
		wg.Go(func() { results[i] = c.ask(ctx) })
	}
	wg.Wait()
	for i, r := range results {
		b.Checks[names[i]] = r
		b.Status = worse(b.Status, r.Status)
	}
	return b
}

func (h *Health) body() HealthBody {
	now := time.Now()
	return HealthBody{Status: Healthy, Service: h.service, Timestamp: now.UTC().Format("2006-01-02T15:04:05.000Z"), Version: h.version,
		UptimeSeconds: now.Sub(h.began).Round(time.Millisecond).Seconds(), Checks: map[string]Check{}}
}

// hangs is how long after its context ended a check must have returned.
const hangs = 30 * time.Second

// Hung names the checks that have been running for so long that they will not return, as SERVICE/CHECK. A check runs when somebody asks.
func (h *Health) Hung() (names []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, n := range h.names {
		c := h.checks[n]
		c.mu.Lock()
		if c.running != nil && time.Since(c.since) > checkTimeout+hangs {
			names = append(names, h.service+"/"+n)
		}
		c.mu.Unlock()
	}
	return names
}

func worse(a, b Status) Status {
	if a == Unhealthy || b == Unhealthy {
		return Unhealthy
	}
	if a == Degraded || b == Degraded {
		return Degraded
	}
	return Healthy
}

// ask waits for an outcome, for checkTimeout at the longest.
func (c *check) ask(ctx context.Context) Check {
	c.mu.Lock()
	running := c.running
	if running == nil {
		running = make(chan struct{})
		c.running, c.since = running, time.Now()
		// Not the asker's context: others may wait for the same outcome.
		go c.work(context.WithoutCancel(ctx), running)
	}
	c.mu.Unlock()

	timer := time.NewTimer(checkTimeout)
	defer timer.Stop()
	select {
	case <-running:
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.last
	case <-timer.C:
		return Check{Unhealthy, fmt.Sprintf("no answer within %s", checkTimeout)}
	case <-ctx.Done():
		return Check{Unhealthy, "nobody waited for the answer"}
	}
}

func (c *check) work(ctx context.Context, done chan struct{}) {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	got := Check{Unhealthy, "the check did not return"}
	defer func() {
		if v := recover(); v != nil {
			got = Check{Unhealthy, fmt.Sprintf("the check failed: panic: %v at %s", v, firstFrame(debug.Stack()))}
		}
		c.mu.Lock()
		c.last, c.running = got, nil
		c.mu.Unlock()
		close(done)
	}()
	got = c.f(ctx)
}

// serve answers with the report: 503 when unhealthy.
func (h *Health) serve(w http.ResponseWriter, r *http.Request) {
	b := h.Report(r.Context())
	status := http.StatusOK
	if b.Status == Unhealthy {
		status = http.StatusServiceUnavailable
	}
	w.Header().Set("Cache-Control", "no-store")
	JSON(w, status, b)
}

// live answers 200 while the process answers at all.
func (h *Health) live(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	JSON(w, http.StatusOK, h.body())
}

// readiness is the report, and not ready while the server drains: load balancers look elsewhere.
func (h *Health) readiness(w http.ResponseWriter, r *http.Request) {
	select {
	case <-Draining(r.Context()):
		b := h.body()
		b.Status, b.Checks["draining"] = Unhealthy, Check{Unhealthy, "the service is stopping"}
		JSON(w, http.StatusServiceUnavailable, b)
	default:
		h.serve(w, r)
	}
}
