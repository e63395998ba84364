package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/run"
	"github.com/hxp-enterprise/hxp/internal/stream"
)

// BenchResult is what a measurement found, with what it was made on.
type BenchResult struct {
	Bench   string `json:"bench"`
	Machine struct {
		Cores int    `json:"cores"`
		OS    string `json:"os"`
		Arch  string `json:"arch"`
		Go    string `json:"go"`
	} `json:"machine"`
	Payload struct {
		Bytes int    `json:"bytes"`
		Acks  string `json:"acks"`
	} `json:"payload"`
	Results map[string]any `json:"results"`
}

// mostMemoryGB is the most that performance.memory_limit_gb takes, too.
const mostMemoryGB = 65536

// Errors of wrong usage.
var (
	ErrNoBench     = errors.New("there is no such measurement")
	ErrBadDuration = errors.New("--duration must be above 0")
	ErrBadMemory   = fmt.Errorf("--memory-gb must be 0 for none, or up to %d", mostMemoryGB)
	ErrFewRows     = fmt.Errorf("--rows must be %d at least, so that every model is among them", fewestRows)
)

// BenchOptions say how to measure.
type BenchOptions struct {
	Duration time.Duration
	Dir      string  // which keeps what was made; "" = a temporary folder
	Kafka    string  // of "peers": the broker
	Out      string  // of "peers": the topic for the windows
	Fill     int64   // of "peers": events to fill the topic with, instead of counting
	Unjoined bool    // of "peers": windows alone, as its peers have them; requests are not joined
	Rows     int     // of "batch": requests in the hour
	MemoryGB float64 // soft limit of the memory in GiB, as performance.memory_limit_gb sets it; 0 = none
}

// profile begins to note what a measurement spends its time on, see bench_profile.go.
var profile = func() (stop func() error, err error) { return func() error { return nil }, nil }

type bench func(ctx context.Context, s *system, o BenchOptions) (map[string]any, error)

// timed is a measurement that needs to know no more than how long to measure.
func timed(run func(ctx context.Context, s *system, d time.Duration) (map[string]any, error)) bench {
	return func(ctx context.Context, s *system, o BenchOptions) (map[string]any, error) {
		return run(ctx, s, o.Duration)
	}
}

// measurement is a bench and the services that it needs.
type measurement struct {
	services []string
	run      bench
}

// benches is a function because one bench may run another.
func benches() map[string]measurement {
	return map[string]measurement{
		"pipeline":  {[]string{Broker, Stream, Lake}, timed(benchPipeline)},
		"windows":   {[]string{Broker}, timed(benchWindows)},
		"ingest":    {[]string{Broker, KafkaAPI, Stream, Lake}, timed(benchIngest)},
		"latency":   {[]string{Broker, KafkaAPI, Stream, Lake, EventProcessingAPI}, timed(benchLatency)},
		"actions":   {[]string{Broker, KafkaAPI, Stream}, timed(benchActions)},
		"tap":       {[]string{Broker}, timed(benchTap)},
		"streaming": {nil, timed(benchStreams)},
		"batch":     {[]string{Broker, BatchProcessingAPI}, benchBatch},
		"peers":     {nil, benchPeers},
	}
}

// Benches lists the measurements.
func Benches() (names []string) {
	for n := range benches() {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// Bench runs a measurement on a system of its own.
func Bench(ctx context.Context, name string, o BenchOptions) (*BenchResult, error) {
	b, ok := benches()[name]
	switch {
	case !ok:
		return nil, fmt.Errorf("%w: %q; there are %v", ErrNoBench, name, Benches())
	case o.Duration <= 0:
		return nil, ErrBadDuration
	case !(o.MemoryGB >= 0 && o.MemoryGB <= mostMemoryGB):
		return nil, ErrBadMemory
	case name == "peers" && o.Kafka == "":
		return nil, ErrNoKafka
	case name == "batch" && o.Rows < fewestRows:
		return nil, ErrFewRows
	}
	dir := o.Dir
	if dir == "" {
		tmp, err := os.MkdirTemp("", "hxp-bench-")
		if err != nil {
			return nil, err
		}
		defer os.RemoveAll(tmp)
		dir = tmp
	}
	limitMemory(int64(o.MemoryGB * (1 << 30)))
	if name != "tap" { // which is another process in life, see fewCollections
		defer paceCollections()()
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	s, units, err := alone(ctx, b.services, dir, log)
	if err != nil {
		return nil, err
	}
	res := &BenchResult{Bench: name}
	res.Machine.Cores, res.Machine.OS, res.Machine.Arch, res.Machine.Go = runtime.GOMAXPROCS(0), runtime.GOOS, runtime.GOARCH, runtime.Version()
	res.Payload.Bytes, res.Payload.Acks = len(newPayloads(0).next()), "all"
	work, stop := context.WithCancel(ctx)
	defer stop()
	var benchErr error
	var measured sync.WaitGroup
	err = run.Supervise(work, log, units, func() {
		measured.Go(func() {
			defer stop()
			end, err := profile()
			if err != nil {
				benchErr = err
				return
			}
			res.Results, benchErr = b.run(work, s, o)
			benchErr = errors.Join(benchErr, end())
		})
	})
	measured.Wait()
	if err := errors.Join(benchErr, err); err != nil {
		return nil, err
	}
	return res, ctx.Err()
}

// alone puts together a system of some services that has nothing to do with any other: default settings, free ports, and a folder
// of its own, whose lake changes only by what is asked for.
func alone(ctx context.Context, services []string, dir string, log *slog.Logger, env ...string) (*system, []run.Unit, error) {
	cfg, _, err := LoadConfig(LoadOptions{Environ: append(append(env, freePorts()...), "KAFKA_BOOTSTRAP_SERVERS=127.0.0.1:0", "HXP_BROKER_MAX_BYTES=8589934592",
		"HXP_LAKE_COMPACT_ENABLED=false"), Flags: map[string]string{"data-dir": dir}})
	if err != nil {
		return nil, nil, err
	}
	set, _, err := cfg.settle(ctx, services)
	if err != nil {
		return nil, nil, err
	}
	s, err := newSystem(set, log, Options{})
	if err != nil {
		return nil, nil, err
	}
	units, err := s.units(services, false)
	return s, units, err
}

func freePorts() (env []string) {
	for _, name := range []string{"KAFKA_API_PORT", "EVENT_PROCESSING_API_PORT", "BATCH_PROCESSING_API_PORT", "DATA_STREAMING_API_PORT", "AIRFLOW_WEBSERVER_PORT",
		"OPERATIONS_DASHBOARD_PORT", "BUSINESS_DASHBOARD_PORT", "PERFORMANCE_DASHBOARD_PORT", "SYSTEM_DASHBOARD_PORT"} {
		env = append(env, name+"=0")
	}
	return env
}

// payloads makes distinct canonical events of about 380 bytes, as a gateway sends them. Not for concurrent use.
type payloads struct {
	e      event.Event
	n      int
	worker string
	began  int64
}

func newPayloads(worker int) *payloads {
	return &payloads{worker: strconv.Itoa(worker), began: time.Now().UnixMicro()}
}

var benchModels = [...]string{"mixtral-8x7b", "hermes-2", "openchat-3.5", "phi-3-mini"}

// next returns the next event's bytes, which are the caller's.
func (p *payloads) next() []byte {
	p.n++
	e := &p.e
	e.Reset()
	id := "01J9Z8Q4T" + p.worker + "-" + strconv.Itoa(10_000_000+p.n)
	e.ID, e.Source, e.Kind, e.Time, e.HasTime = id, "gateway", event.LLMRequest, time.Now().UnixMicro(), true
	e.SetText(event.Model, benchModels[p.n%4])
	e.SetText(event.RequestID, id)
	e.SetText(event.UserID, "user-"+strconv.Itoa(p.n*7919%500))
	e.SetText(event.Tenant, "team-"+strconv.Itoa(p.n%6))
	e.SetText(event.Operation, "chat.completion.stream")
	e.SetInt(event.DurationMS, int64(200_000_000+p.n*104729%3_000_000_000))
	e.SetInt(event.TTFT, int64(20_000_000+p.n*15485863%400_000_000))
	e.SetInt(event.PromptTokens, int64(100+p.n%1700))
	e.SetInt(event.CompletionTokens, int64(20+p.n%480))
	e.SetBool(event.Success, p.n%97 != 0)
	e.Settle()
	return event.AppendJSON(make([]byte, 0, 400), e)
}

// load sends distinct events from some workers until ctx ends or most are sent, holding back while ahead tells to.
func load(ctx context.Context, b *bus.Bus, workers int, most int64, ahead func(sent int64) bool) (sent int64, err error) {
	p, err := b.NewProducer(bus.ProducerOptions{Linger: 5 * time.Millisecond})
	if err != nil {
		return 0, err
	}
	defer p.Close()
	var acked, started atomic.Int64
	var failed atomic.Pointer[error]
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			gen := newPayloads(w)
			for ctx.Err() == nil && failed.Load() == nil {
				n := started.Add(1)
				if most > 0 && n > most {
					return
				}
				if n%1000 == 0 {
					for ahead != nil && ahead(n) && ctx.Err() == nil {
						time.Sleep(5 * time.Millisecond)
					}
				}
				v := gen.next()
				p.SendAsync(context.WithoutCancel(ctx), &bus.Message{Topic: "llm-requests", Key: []byte(gen.e.ID), Value: v}, func(_ *bus.Message, err error) {
					if err != nil {
						failed.CompareAndSwap(nil, &err)
					} else {
						acked.Add(1)
					}
				})
			}
		})
	}
	wg.Wait()
	flush, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	err = p.Flush(flush)
	if e := failed.Load(); e != nil {
		err = *e
	}
	return acked.Load(), err
}

// requests counts what the windows hold.
func requests(s *stream.Service) (n int64) {
	for _, c := range s.Query(stream.Span{Start: 0, End: 1 << 40}).Groups {
		n += int64(c.Requests)
	}
	return n
}

// published counts what the lake has published.
func (s *system) published() (n int64) {
	for _, p := range s.writer.Positions()["llm-requests"] {
		n += p
	}
	return n
}

// benchPipeline: one process produces, folds and stores; the time runs until every event is counted and published.
func benchPipeline(ctx context.Context, s *system, d time.Duration) (map[string]any, error) {
	began, cpu0 := time.Now(), processCPU()
	sending, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	var sampling sync.WaitGroup
	var resident []int64
	sampling.Go(func() { resident = sampleMemory(sending, d/memorySamples) })
	sent, err := load(sending, s.bus, 1, 0, func(sent int64) bool { // half a second ahead at most: what is sustained, not what is buffered
		return sent-min(s.stream.Counted(), s.published()) > 400_000
	})
	if err != nil {
		return nil, err
	}
	for s.stream.Counted() < sent || s.published() < sent {
		if err := pause(ctx); err != nil {
			return nil, fmt.Errorf("%d sent, %d counted, %d published: %w", sent, s.stream.Counted(), s.published(), err)
		}
	}
	took := time.Since(began).Seconds()
	sampling.Wait()
	if got := requests(s.stream); got != sent {
		return nil, fmt.Errorf("the windows count %d requests, %d were sent", got, sent)
	}
	cpu := (processCPU() - cpu0).Seconds() / float64(sent) * 1e6
	return map[string]any{"events_per_second": float64(sent) / took, "events": sent, "seconds": took, "cpu_us_per_event": cpu, "rss_mb": resident}, nil
}

// memorySamples is how often the resident memory is looked at in a measurement.
const memorySamples = 20

// sampleMemory looks at the resident memory from time to time, in megabytes, until ctx ends: whether it grows is seen in a long run.
func sampleMemory(ctx context.Context, every time.Duration) (mb []int64) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return mb
		case <-tick.C:
			if bytes, ok := residentMemory(); ok {
				mb = append(mb, bytes/1e6)
			}
		}
	}
}

func pause(ctx context.Context) error {
	select {
	case <-time.After(2 * time.Millisecond):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// benchWindows: a topic is filled first, then only the fast path runs.
func benchWindows(ctx context.Context, s *system, d time.Duration) (map[string]any, error) {
	b, err := bus.Connect(ctx, bus.Config{Bootstrap: []string{s.broker.Addr()}}, s.log)
	if err != nil {
		return nil, err
	}
	defer b.Close()
	if err := b.EnsureTopics(ctx, event.Topics); err != nil {
		return nil, err
	}
	want := int64(d.Seconds() * 250_000)
	sent, err := load(ctx, b, 2, want, nil)
	if err != nil {
		return nil, err
	}
	runtime.GC()
	return s.count(ctx, b, sent, func(fast *stream.Service) error {
		if got := requests(fast); got != sent {
			return fmt.Errorf("the windows count %d requests, %d were preloaded", got, sent)
		}
		return nil
	})
}
